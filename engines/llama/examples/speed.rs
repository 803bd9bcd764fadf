//! Prefill and decode in tokens per second, as `llama-bench -p 512 -n 128` counts them, and memory against the
//! estimate: `cargo run --release -p tern-llama --example speed -- MODEL.gguf [THREADS] [REPEATS] [CELLS]`

use std::{path::PathBuf, time::Instant};

use tern_engine::{Batch, BatchToken, Decoder, Engine, KvType, LoadOptions, ModelSource, Wanted};
use tern_llama::LlamaEngine;

const PREFILL: u32 = 512;
const DECODE: u32 = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let path = PathBuf::from(args.get(1).ok_or("usage: speed MODEL.gguf [THREADS] [REPEATS] [CELLS]")?);
    let number = |index: usize, default: u32| args.get(index).map_or(Ok(default), |text| text.parse::<u32>());
    let options = LoadOptions {
        kv_cells: number(4, 8192)?,
        max_sequences: 8,
        max_batch_tokens: PREFILL,
        threads: number(2, 2)?,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        ..LoadOptions::default()
    };
    let engine = LlamaEngine::new();
    let source = ModelSource::Path(path);
    let info = engine.inspect(&source)?;
    let start = Instant::now();
    let loaded = engine.load(&source, &options, &mut |_| true)?;
    println!("loaded in {:.2} s, {} MB resident", start.elapsed().as_secs_f64(), resident() >> 20);
    let mut decoder = loaded.text.ok_or("not a text model")?.decoder;
    run(&mut *decoder, info.vocab_size)?;
    for _ in 0..number(3, 3)? {
        let (prefill, decode) = run(&mut *decoder, info.vocab_size)?;
        println!("prefill {prefill:7.1} tokens/s   decode {decode:6.2} tokens/s");
    }
    // All cells of the cache in use.
    decoder.kv_truncate(0, 0)?;
    let mut batch = Batch::default();
    for pos in (0..decoder.limits().context_length).step_by(PREFILL as usize) {
        batch.clear();
        let tokens: Vec<u32> = (0..PREFILL.min(decoder.limits().context_length - pos)).collect();
        batch.push_run(0, pos, &tokens);
        decoder.decode(&batch)?;
    }
    let cost = engine.estimate(&info, &options);
    let mb = |bytes: u64| bytes >> 20;
    println!(
        "memory: {} MB resident, {} MB estimated ({} weights, {} KV, {} fixed)",
        mb(resident()),
        mb(cost.total_bytes()),
        mb(cost.weights_bytes),
        mb(cost.kv_bytes()),
        mb(cost.fixed_bytes)
    );
    Ok(())
}

/// Prefill and decode rates.
fn run(decoder: &mut dyn Decoder, vocab_size: u32) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    decoder.kv_truncate(0, 0)?;
    let mut batch = Batch::default();
    let tokens: Vec<u32> = (0..PREFILL).map(|i| i * 7919 % vocab_size).collect();
    let start = Instant::now();
    batch.push_run(0, 0, &tokens);
    decoder.decode(&batch)?;
    let prefill = f64::from(PREFILL) / start.elapsed().as_secs_f64();
    decoder.kv_truncate(0, 0)?;
    let start = Instant::now();
    for pos in 0..DECODE {
        batch.clear();
        batch.push(BatchToken { token: tokens[pos as usize], pos, seq: 0, logits: Wanted::Row });
        decoder.decode(&batch)?;
        std::hint::black_box(decoder.logits(0)[0]);
    }
    Ok((prefill, f64::from(DECODE) / start.elapsed().as_secs_f64()))
}

/// Resident memory of this process in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
