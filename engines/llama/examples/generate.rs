//! Loads a GGUF file and continues a text, greedily:
//! `cargo run --release -p tern-llama --example generate -- MODEL.gguf "Once upon a time"`

use std::{io::Write, path::PathBuf};

use tern_engine::{Batch, BatchToken, Engine, KvType, LoadOptions, ModelSource, Wanted};
use tern_llama::LlamaEngine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: generate MODEL.gguf TEXT")?);
    let prompt = args.next().ok_or("usage: generate MODEL.gguf TEXT")?;
    let options = LoadOptions {
        kv_cells: 2048,
        max_sequences: 1,
        max_batch_tokens: 512,
        threads: std::thread::available_parallelism()?.get() as u32,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        ..LoadOptions::default()
    };
    let loaded = LlamaEngine::new().load(&ModelSource::Path(path), &options, &mut |_| true)?;
    let mut text = loaded.text.ok_or("not a text model")?;
    let tokens = text.tokenizer.encode(&prompt, true, true)?;
    let mut batch = Batch::default();
    batch.push_run(0, 0, &tokens);
    for pos in tokens.len() as u32..512 {
        text.decoder.decode(&batch)?;
        let best = text.decoder.logits(0).iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let token = best.map_or(0, |(id, _)| id as u32);
        if text.tokenizer.is_end_of_generation(token) {
            break;
        }
        let mut bytes = Vec::new();
        text.tokenizer.decode(token, false, &mut bytes);
        std::io::stdout().write_all(&bytes)?;
        std::io::stdout().flush()?;
        batch.clear();
        batch.push(BatchToken { token, pos, seq: 0, logits: Wanted::Row });
    }
    println!();
    Ok(())
}
