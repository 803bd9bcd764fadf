//! One way to decode packets, whoever decodes them.

use symphonia::core::{
    codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_OPUS},
    errors::Error,
    packet::Packet,
};

use super::opus::{self, Opus};

/// Rates that are resampled; telephones have 8 kHz, the best microphones 192.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// More channels than any arrangement of loudspeakers.
const CHANNELS: usize = 32;

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// Packets into mono samples.
pub(super) struct Decoder {
    codec: Codec,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

/// What a packet gave.
pub(super) struct Decoded<'a> {
    /// Samples a second.
    pub rate: u32,
    /// The mean of all channels.
    pub mono: &'a [f32],
}

/// Why a packet gave nothing.
pub(super) enum PacketError {
    /// This packet is damaged; the next may be sound.
    Damaged(String),
    /// Nothing more can be decoded.
    Ends(String),
}

impl Decoder {
    pub fn new(parameters: &AudioCodecParameters) -> Result<Self, String> {
        let codec = if parameters.codec == CODEC_ID_OPUS {
            Codec::Opus(Box::new(Opus::new(parameters.extra_data.as_deref().unwrap_or_default())?))
        } else {
            if let Some(rate) = parameters.sample_rate {
                check_rate(rate)?;
            }
            if let Some(channels) = &parameters.channels {
                check_channels(channels.count())?;
            }
            let options = AudioDecoderOptions::default();
            let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options);
            Codec::Symphonia(decoder.map_err(|error| format!("its codec: {error}"))?)
        };
        Ok(Self { codec, interleaved: Vec::new(), mono: Vec::new() })
    }

    pub fn decode(&mut self, packet: &Packet) -> Result<Decoded<'_>, PacketError> {
        let (rate, channels, samples) = match &mut self.codec {
            Codec::Opus(decoder) => {
                let (channels, skip) = (decoder.channels, decoder.skip);
                let samples = decoder.decode(&packet.data).map_err(PacketError::Damaged)?;
                let frames = samples.len() / channels;
                let first = skip.min(frames);
                let last = frames.saturating_sub(packet.trim_end.get() as usize).max(first);
                let samples = &samples[first * channels..last * channels];
                self.interleaved.clear();
                self.interleaved.extend_from_slice(samples);
                decoder.skip = skip - first;
                (opus::RATE, channels, &self.interleaved[..])
            }
            Codec::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|error| match error {
                    Error::DecodeError(_) | Error::IoError(_) => PacketError::Damaged(error.to_string()),
                    Error::ResetRequired => PacketError::Ends("its format changes in the middle".into()),
                    error => PacketError::Ends(error.to_string()),
                })?;
                let channels = buffer.spec().channels().count();
                check_channels(channels).map_err(PacketError::Ends)?;
                let rate = buffer.spec().rate();
                check_rate(rate).map_err(PacketError::Ends)?;
                buffer.copy_to_vec_interleaved(&mut self.interleaved);
                (rate, channels, &self.interleaved[..])
            }
        };
        self.mono.clear();
        self.mono.extend(samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
        Ok(Decoded { rate, mono: &self.mono })
    }
}

fn check_rate(rate: u32) -> Result<(), String> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    Err(format!("{rate} samples a second, expected {} to {}", RATES.start(), RATES.end()))
}

fn check_channels(channels: usize) -> Result<(), String> {
    if (1..=CHANNELS).contains(&channels) {
        return Ok(());
    }
    Err(format!("{channels} channels, expected 1 to {CHANNELS}"))
}
