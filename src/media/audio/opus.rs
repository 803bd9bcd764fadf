//! Opus packets, which symphonia's containers deliver and its codecs do not decode.

use opus_decoder::{OpusDecoder, OpusMultistreamDecoder};

/// Opus always decodes to this rate here.
pub(super) const RATE: u32 = 48_000;
/// Most samples of a packet, a channel: 120 ms.
const MOST: usize = 5760;

enum Streams {
    One(Box<OpusDecoder>),
    Several(Box<OpusMultistreamDecoder>),
}

/// A decoder, as the identification header describes it.
pub(super) struct Opus {
    streams: Streams,
    /// Of the samples that it gives.
    pub channels: usize,
    /// Samples at the beginning to be dropped.
    pub skip: usize,
    gain: f32,
    samples: Vec<f32>,
}

impl Opus {
    /// `head` is `OpusHead` (RFC 7845, 5.1), which Ogg and WebM carry alike.
    pub fn new(head: &[u8]) -> Result<Self, String> {
        if head.len() < 19 || !head.starts_with(b"OpusHead") {
            return Err("no header of Opus".into());
        }
        let channels = usize::from(head[9]);
        let skip = usize::from(u16::from_le_bytes([head[10], head[11]]));
        // Q7.8 decibels.
        let gain = 10f32.powf(f32::from(i16::from_le_bytes([head[16], head[17]])) / 256.0 / 20.0);
        let streams = match (head[18], channels) {
            (0, 1 | 2) => OpusDecoder::new(RATE, channels).map(|one| Streams::One(Box::new(one))),
            (1, 1..=8) if head.len() >= 21 + channels => {
                let (streams, coupled) = (usize::from(head[19]), usize::from(head[20]));
                OpusMultistreamDecoder::new(RATE, channels, streams, coupled, &head[21..21 + channels])
                    .map(|several| Streams::Several(Box::new(several)))
            }
            (family, channels) => return Err(format!("Opus with {channels} channels in mapping family {family}")),
        };
        let streams = streams.map_err(|error| error.to_string())?;
        Ok(Self { streams, channels, skip, gain, samples: vec![0.0; MOST * channels] })
    }

    /// Interleaved samples of a packet.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[f32], String> {
        if packet.is_empty() {
            return Err("an empty packet of Opus".into());
        }
        let frames = match &mut self.streams {
            Streams::One(decoder) => decoder.decode_float(packet, &mut self.samples, false),
            Streams::Several(decoder) => decoder.decode_float(packet, &mut self.samples, false),
        };
        let samples = frames.map_err(|error| error.to_string())?.saturating_mul(self.channels);
        let samples = self.samples.get_mut(..samples).ok_or("more samples than a packet of Opus holds")?;
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        Ok(samples)
    }
}
