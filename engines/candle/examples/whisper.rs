//! Transcribes mono samples at 16 kHz (32-bit floats, little-endian) and says how long each part took:
//! `cargo run --release -p tern-candle --example whisper -- FOLDER SAMPLES [LANGUAGE] [words]`.
//! `ffmpeg -i recording.mp3 -ar 16000 -ac 1 -f f32le samples` makes them.

use std::{env, error::Error, fs, path::PathBuf, time::Instant};

use tern_candle::CandleEngine;
use tern_engine::{Engine, LoadOptions, ModelSource, tasks::TranscribeOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(folder), Some(samples)) = (arguments.next(), arguments.next()) else {
        return Err("usage: whisper FOLDER SAMPLES [LANGUAGE] [words]".into());
    };
    let bytes = fs::read(samples)?;
    let samples: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let options = TranscribeOptions {
        language: arguments.next(),
        words: arguments.next().is_some(),
        ..TranscribeOptions::default()
    };
    let started = Instant::now();
    let source = ModelSource::Path(PathBuf::from(folder));
    let threads = std::thread::available_parallelism()?.get() as u32;
    let load = LoadOptions { threads, ..LoadOptions::default() };
    let mut model = CandleEngine.load(&source, &load, &mut |_| true)?;
    let transcriber = model.transcriber.as_mut().ok_or("this model does not transcribe")?;
    println!("loaded in {:.2} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut tokens = 0;
    let transcript = transcriber.transcribe(
        &samples,
        &options,
        &mut |segment, share| {
            tokens += segment.tokens.len();
            println!("[{:7.2} {:7.2}] {:3.0} %{}", segment.start, segment.end, share * 100.0, segment.text);
            for word in &segment.words {
                println!("    {:7.2} {:7.2} {:4.2}{}", word.start, word.end, word.probability, word.text);
            }
        },
        &|| false,
    )?;
    let seconds = started.elapsed().as_secs_f64();
    let length = samples.len() as f64 / 16_000.0;
    println!("{}: {tokens} tokens, {length:.1} s of sound in {seconds:.2} s", transcript.language);
    Ok(())
}
