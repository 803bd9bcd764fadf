//! Loads a script, gives it a prompt, prints what comes greedily:
//! `cargo run --release -p tern-echo --example generate -- echo-pieces "Say it"`

use std::{env, error::Error, io::Write, time::Instant};

use tern_echo::EchoEngine;
use tern_engine::{Batch, Engine, KvType, LoadOptions, ModelSource, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let script = arguments.next().unwrap_or_else(|| "echo".into());
    let prompt = arguments.next().unwrap_or_else(|| "Hello, world!".into());
    let options = LoadOptions {
        kv_cells: 8192,
        max_sequences: 1,
        max_batch_tokens: 8192,
        threads: 1,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        ..LoadOptions::default()
    };
    let model = EchoEngine.load(&ModelSource::Script(script), &options, &mut |_| true)?;
    let mut text = model.text.ok_or("this script generates no text")?;

    let started = Instant::now();
    let mut next = text.tokenizer.encode(&prompt, true, false)?;
    let (mut pos, mut reply, mut bytes) = (0, 0, Vec::new());
    while pos + (next.len() as u32) < text.decoder.limits().context_length {
        let mut batch = Batch::default();
        let row = batch.push_run(0, pos, &next).ok_or("an empty prompt")?;
        text.decoder.decode(&batch)?;
        pos += next.len() as u32;
        let logits = text.decoder.logits(row);
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("a vocabulary") as Token;
        if text.tokenizer.is_end_of_generation(best) {
            break;
        }
        text.tokenizer.decode(best, false, &mut bytes);
        reply += 1;
        next = vec![best];
    }
    let seconds = started.elapsed().as_secs_f64();
    std::io::stdout().write_all(&bytes)?;
    println!("\n{reply} tokens, {:.1} us each", seconds * 1e6 / f64::from(reply.max(1)));
    Ok(())
}
