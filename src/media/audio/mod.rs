//! Recordings: WAV, MP3, FLAC, Ogg (Vorbis, Opus), M4A (AAC) and WebM (Opus), to mono samples at 16 kHz.

mod decoder;
mod error;
mod opus;
mod resample;

use std::{
    io::{Cursor, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
};

use symphonia::core::{
    codecs::CodecParameters,
    common::Limit,
    errors::Error,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};
use tern_engine::tasks::SAMPLE_RATE;

use self::{
    decoder::{Decoder, PacketError},
    resample::Resample,
};

pub use error::AudioError;

/// What a recording may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioLimits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds; a second takes 64 kB decoded.
    pub seconds: f64,
}

impl Default for AudioLimits {
    /// 256 MiB and two hours: at most 461 MB decoded.
    fn default() -> Self {
        Self { bytes: 256 << 20, seconds: 7200.0 }
    }
}

/// Damaged packets that are heard as silence before the file counts as damaged: one in so many.
const DAMAGED_ONE_IN: u64 = 10;

/// Decodes a recording, by what its bytes say: a file's name or media type plays no part. Channels are averaged.
///
/// A recording with an announced length that ends more than a second before it is damaged; a few damaged packets in the
/// middle are silence. Blocks for as long as decoding takes, about 2 s an hour of speech.
///
/// # Errors
/// Every variant. A panic of a decoder is `Damaged`.
pub fn decode(bytes: Vec<u8>, limits: &AudioLimits) -> Result<Vec<f32>, AudioError> {
    if bytes.is_empty() {
        return Err(AudioError::Empty);
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(AudioError::TooLarge { bytes: bytes.len() as u64, most: limits.bytes });
    }
    let format = name(&bytes).ok_or(AudioError::UnknownFormat)?;
    catch_unwind(AssertUnwindSafe(|| all(format, bytes, limits)))
        .unwrap_or_else(|_| Err(AudioError::Damaged { format, message: "its decoder gave up".into() }))
}

/// The container, by its first bytes: symphonia looks for one anywhere in a file, and finds MP3 in many pictures.
fn name(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        Some("WAV")
    } else if starts(b"fLaC") {
        Some("FLAC")
    } else if starts(b"OggS") {
        Some("Ogg")
    } else if starts(&[0x1a, 0x45, 0xdf, 0xa3]) {
        Some("WebM")
    } else if bytes.get(4..8) == Some(b"ftyp") {
        Some("M4A")
    } else if starts(b"ID3") {
        Some("MP3")
    } else if bytes.len() > 2 && bytes[0] == 0xff && bytes[1] & 0xe0 == 0xe0 {
        // A frame of MPEG audio; layer 0 is the frame of bare AAC.
        Some(if bytes[1] & 0x06 == 0 { "AAC" } else { "MP3" })
    } else {
        None
    }
}

fn all(format: &'static str, bytes: Vec<u8>, limits: &AudioLimits) -> Result<Vec<f32>, AudioError> {
    let size = bytes.len() as u64;
    let damaged = |message: String| AudioError::Damaged { format, message };
    let unsupported = |message: String| AudioError::Unsupported { format, message };
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    // Names and covers are of no use here.
    let metadata =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(4096)).limit_visual_bytes(Limit::Maximum(0));
    let reader = symphonia::default::get_probe().probe(&Hint::new(), source, FormatOptions::default(), metadata);
    let mut reader = reader.map_err(|error| match error {
        Error::Unsupported(what) => unsupported(what.into()),
        error => damaged(message(&error)),
    })?;
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| unsupported("there is no sound in it".into()))?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(unsupported("its codec is not known".into()));
    };
    let mut decoder = Decoder::new(parameters).map_err(unsupported)?;
    let announced = announced(track, size);
    if let Some(seconds) = announced.filter(|&seconds| seconds > limits.seconds) {
        return Err(AudioError::TooLong { seconds, at_least: false, most: limits.seconds });
    }
    let id = track.id;
    let samples = packets(reader.as_mut(), id, &mut decoder, limits, &damaged)?;
    let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
    match announced {
        Some(announced) if announced - seconds > 1.0 => {
            Err(damaged(format!("it says that it lasts {announced:.1} s and ends after {seconds:.1} s")))
        }
        _ => Ok(samples),
    }
}

fn packets(
    reader: &mut dyn FormatReader,
    track: u32,
    decoder: &mut Decoder,
    limits: &AudioLimits,
    damaged: &dyn Fn(String) -> AudioError,
) -> Result<Vec<f32>, AudioError> {
    let mut resample: Option<(u32, Resample)> = None;
    let (mut packets, mut bad, mut last) = (0, 0, None);
    // Frames of the packet before: what is put where one is damaged.
    let mut usual = 0;
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => {
                let at = resample.as_ref().map_or(0.0, |(rate, done)| done.taken() as f64 / f64::from(*rate));
                return Err(damaged(format!("{}, after {at:.1} s", message(&error))));
            }
        };
        if packet.track_id != track {
            continue;
        }
        packets += 1;
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(PacketError::Damaged(message)) => {
                bad += 1;
                last = Some(message);
                if let Some((_, resample)) = &mut resample {
                    resample.push(std::iter::repeat_n(0.0, usual)).map_err(damaged)?;
                }
                continue;
            }
            Err(PacketError::Ends(message)) => return Err(damaged(message)),
        };
        let (rate, resample) = match &mut resample {
            Some((rate, resample)) => (*rate, resample),
            none => {
                let (rate, resample) = none.insert((decoded.rate, Resample::new(decoded.rate).map_err(damaged)?));
                (*rate, resample)
            }
        };
        if rate != decoded.rate {
            return Err(damaged(format!("{rate} samples a second become {} in the middle", decoded.rate)));
        }
        usual = decoded.mono.len();
        resample.push(decoded.mono.iter().copied()).map_err(damaged)?;
        let seconds = resample.taken() as f64 / f64::from(rate);
        if seconds > limits.seconds {
            return Err(AudioError::TooLong { seconds: limits.seconds, at_least: true, most: limits.seconds });
        }
    }
    // The first packet of a stream that was cut out of another is often lost.
    if bad > 1 + packets / DAMAGED_ONE_IN {
        let why = last.unwrap_or_default();
        return Err(damaged(format!("{bad} of its {packets} packets cannot be decoded ({why})")));
    }
    match resample {
        Some((_, resample)) if resample.taken() > 0 => resample.finish().map_err(damaged),
        _ => Err(damaged(last.unwrap_or_else(|| "there are no samples in it".into()))),
    }
}

/// Seconds that the header announces. A length that no file of this size can hold is that of a recorder which did not know
/// it when it began (WAV through a pipe).
fn announced(track: &Track, size: u64) -> Option<f64> {
    let seconds = match (track.num_frames, &track.codec_params) {
        (Some(frames), Some(CodecParameters::Audio(parameters))) => {
            let rate = parameters.sample_rate.filter(|&rate| rate > 0)?;
            let bytes = u64::from(parameters.bits_per_sample.unwrap_or(0) / 8);
            if bytes > 0 && frames.saturating_mul(bytes) >= 0x7fff_0000 && frames > size {
                return None;
            }
            frames as f64 / f64::from(rate)
        }
        _ => track.time_base?.calc_duration(track.duration?)?.as_secs_f64(),
    };
    (seconds > 0.0).then_some(seconds)
}

/// What symphonia says, without its I/O words for a file that ends.
fn message(error: &Error) -> String {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => "it ends too early".into(),
        Error::IoError(error) => error.to_string(),
        error => error.to_string(),
    }
}
