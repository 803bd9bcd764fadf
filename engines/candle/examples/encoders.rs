//! Runs an encoder on the lines of a file: `cargo run --release -p tern-candle --example encoders -- FOLDER FILE [ROUNDS]`.
//! Prints the best time of the rounds, and the tokens.

use std::{error::Error, fs, path::PathBuf, time::Instant};

use tern_candle::CandleEngine;
use tern_engine::{Engine, LoadOptions, ModelSource, tasks::Aggregation};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: encoders FOLDER FILE [ROUNDS]".into());
    };
    let rounds: usize = args.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let lines: Vec<String> = fs::read_to_string(file)?.lines().map(str::to_owned).collect();
    let source = ModelSource::Path(PathBuf::from(folder));
    let threads = std::thread::available_parallelism()?.get() as u32;
    let options = LoadOptions { threads, ..LoadOptions::default() };
    let mut model = CandleEngine.load(&source, &options, &mut |_| true)?;
    let mut best = f64::INFINITY;
    let mut tokens = 0;
    for _ in 0..rounds {
        let began = Instant::now();
        tokens = if let Some(tagger) = &mut model.tagger {
            tagger.tag(&lines, Aggregation::Simple, &|| false)?.iter().map(|text| text.tokens).sum()
        } else if let Some((tokenizer, embedder)) = &mut model.embedder {
            let inputs = lines.iter().map(|line| tokenizer.encode(line, true, false)).collect::<Result<Vec<_>, _>>()?;
            embedder.embed(&inputs, &|| false)?;
            inputs.iter().map(Vec::len).sum()
        } else if let Some(reranker) = &mut model.reranker {
            reranker.score(&lines[0], &lines, &|| false)?.iter().map(|pair| pair.tokens).sum()
        } else {
            return Err("no encoder".into());
        };
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{best:.3} s, {tokens} tokens, {:.0} tokens/s", tokens as f64 / best);
    Ok(())
}
