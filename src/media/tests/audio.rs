use std::f64::consts::TAU;

use tern_media::audio::{AudioError, AudioLimits, decode};

const FILES: [(&str, &[u8]); 7] = [
    ("WAV", include_bytes!("audio/tone.wav")),
    ("MP3", include_bytes!("audio/tone.mp3")),
    ("FLAC", include_bytes!("audio/tone.flac")),
    ("Ogg Vorbis", include_bytes!("audio/vorbis.ogg")),
    ("Ogg Opus", include_bytes!("audio/opus.ogg")),
    ("M4A", include_bytes!("audio/tone.m4a")),
    ("WebM", include_bytes!("audio/tone.webm")),
];

fn read(bytes: &[u8]) -> Result<Vec<f32>, AudioError> {
    decode(bytes.to_vec(), &AudioLimits::default())
}

/// Amplitude of a frequency, and of everything.
fn amplitudes(samples: &[f32], frequency: f64) -> (f64, f64) {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (at, &sample) in samples.iter().enumerate() {
        let angle = TAU * frequency * at as f64 / 16_000.0;
        real += f64::from(sample) * angle.cos();
        imaginary += f64::from(sample) * angle.sin();
        power += f64::from(sample).powi(2);
    }
    let n = samples.len() as f64;
    (2.0 * real.hypot(imaginary) / n, (2.0 * power / n).sqrt())
}

#[test]
fn a_tone_is_the_same_tone_from_every_container() {
    for (name, bytes) in FILES {
        let samples = read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Encoders of MP3 and AAC add up to two frames of silence around.
        assert!((15_900..=17_700).contains(&samples.len()), "{name}: {} samples", samples.len());
        let (tone, all) = amplitudes(&samples[4000..12_000], 440.0);
        assert!((tone - 0.5).abs() < 0.02, "{name}: amplitude {tone}");
        assert!(tone / all > 0.995, "{name}: {tone} of {all}");
    }
}

#[test]
fn a_tone_above_8_khz_does_not_come_back_as_a_lower_one() {
    let tone = |frequency: f64| -> Vec<i16> {
        (0..48_000).map(|at| (16_000.0 * (TAU * frequency * f64::from(at) / 48_000.0).sin()) as i16).collect()
    };
    let rms =
        |samples: &[f32]| (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt();
    let low = read(&wav(48_000, 1, &tone(3000.0))).unwrap();
    let high = read(&wav(48_000, 1, &tone(10_000.0))).unwrap();
    assert_eq!((low.len(), high.len()), (16_000, 16_000));
    assert!(rms(&high[1000..15_000]) < rms(&low[1000..15_000]) / 1000.0);
}

/// A WAV file of 16-bit samples.
fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data = (samples.len() * 2) as u32;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate.wrapping_mul(u32::from(channels) * 2)).to_le_bytes());
    out.extend((channels.wrapping_mul(2)).to_le_bytes());
    out.extend(b"\x10\0data");
    out.extend(data.to_le_bytes());
    samples.iter().for_each(|sample| out.extend(sample.to_le_bytes()));
    out
}

#[test]
fn any_rate_gives_as_many_seconds() {
    for rate in [4000, 8000, 11_025, 16_000, 22_050, 44_100, 44_101, 96_000, 192_000] {
        let samples = read(&wav(rate, 1, &vec![1000; rate as usize])).unwrap();
        assert!(samples.len().abs_diff(16_000) <= 1, "{rate}: {}", samples.len());
    }
}

#[test]
fn channels_are_averaged() {
    let samples: Vec<i16> = (0..16_000).flat_map(|_| [16_384, 0]).collect();
    let samples = read(&wav(16_000, 2, &samples)).unwrap();
    assert_eq!(samples.len(), 16_000);
    assert!(samples.iter().all(|sample| (sample - 0.25).abs() < 1e-4));
}

#[test]
fn what_is_too_much_is_refused_with_both_numbers() {
    let limits = AudioLimits { bytes: 1 << 20, seconds: 0.5 };
    for (name, bytes) in FILES {
        let error = decode(bytes.to_vec(), &limits).unwrap_err();
        assert!(matches!(error, AudioError::TooLong { most: 0.5, .. }), "{name}: {error}");
    }
    let error = decode(vec![0; 11], &AudioLimits { bytes: 10, seconds: 1.0 }).unwrap_err();
    assert_eq!(error.to_string(), "a recording of 11 bytes; at most 10 are read");
    // Ten hours, by the header alone.
    let mut flac = FILES[2].1.to_vec();
    let total = 16_000u64 * 36_000;
    flac[21] = flac[21] & 0xf0 | (total >> 32) as u8;
    flac[22..26].copy_from_slice(&(total as u32).to_be_bytes());
    let error = read(&flac).unwrap_err().to_string();
    assert_eq!(error, "the recording lasts 36000 s; at most 7200 s are transcribed at once: send it in parts");
}

#[test]
fn what_is_no_recording_is_refused() {
    assert_eq!(read(b"").unwrap_err(), AudioError::Empty);
    assert_eq!(read(b"\x89PNG\r\n\x1a\n and so on").unwrap_err(), AudioError::UnknownFormat);
    assert_eq!(read(b"not sound at all").unwrap_err(), AudioError::UnknownFormat);
    for magic in [&b"RIFF\0\0\0\0WAVE"[..], b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"\0\0\0\x18ftypM4A "] {
        let error = read(magic).unwrap_err();
        assert!(matches!(error, AudioError::Damaged { .. } | AudioError::Unsupported { .. }), "{magic:?}: {error}");
    }
}

#[test]
fn absurd_headers_are_refused() {
    for (rate, channels) in [(0, 1), (1, 1), (u32::MAX, 1), (16_000, 0), (16_000, 60_000)] {
        assert!(read(&wav(rate, channels, &[0; 4096])).is_err(), "{rate} Hz, {channels} channels");
    }
}

#[test]
fn a_file_cut_short_that_knows_its_length_is_damaged() {
    for (name, bytes) in [("WAV", wav(8000, 1, &[0; 32_000])), ("M4A", FILES[5].1.to_vec())] {
        let error = read(&bytes[..bytes.len() / 3]).unwrap_err();
        assert!(matches!(error, AudioError::Damaged { .. } | AudioError::Unsupported { .. }), "{name}: {error}");
    }
}

#[test]
fn a_wav_from_a_pipe_has_no_length_and_is_read_to_its_end() {
    let mut bytes = wav(16_000, 1, &[100; 16_000]);
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    assert_eq!(read(&bytes).unwrap().len(), 16_000);
}

#[test]
fn files_cut_anywhere_or_with_changed_bytes_never_panic_nor_grow() {
    let limits = AudioLimits { bytes: 1 << 20, seconds: 30.0 };
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (_, whole) in FILES {
        for _ in 0..60 {
            let mut bytes = whole[..random(whole.len())].to_vec();
            if let Ok(samples) = decode(std::mem::take(&mut bytes), &limits) {
                assert!(samples.len() <= 30 * 16_000);
            }
            let mut bytes = whole.to_vec();
            // Half of them in the headers, where lengths are.
            let area = if random(2) == 0 { bytes.len().min(600) } else { bytes.len() };
            for _ in 0..1 + random(8) {
                bytes[random(area)] = [0, 0x7f, 0x80, 0xff, 1][random(5)];
            }
            if let Ok(samples) = decode(bytes, &limits) {
                assert!(samples.len() <= 31 * 16_000 && samples.iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
