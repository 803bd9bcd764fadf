//! What the scheduler itself costs: streams of an engine that never waits, all events read. Run it with
//! `cargo run --release -p tern-scheduler --example loop_speed`.

use std::time::Instant;

use tern_echo::EchoEngine;
use tern_engine::{Engine, KvType, LoadOptions, ModelSource};
use tern_scheduler::{Event, GenerateRequest, SamplingParams, Scheduler, SchedulerConfig};

const TOKENS: u32 = 4000;

fn main() {
    println!("streams  microseconds a token  passes");
    for streams in [1, 2, 8] {
        let options = LoadOptions {
            kv_cells: 65_536,
            max_sequences: 16,
            max_batch_tokens: 512,
            threads: 1,
            kv_type: KvType::F16,
            flash_attention: None,
            gpu_layers: 0,
            ..LoadOptions::default()
        };
        let source = ModelSource::Script("echo-fast?context=65536".into());
        let model = EchoEngine.load(&source, &options, &mut |_| true).expect("the script loads");
        let text = model.text.expect("the script generates text");
        let config = SchedulerConfig { name: "speed".into(), parallel: 8, queue: 8, prefill_chunk: 512 };
        let scheduler = Scheduler::start(text.decoder, text.tokenizer, config);
        let began = Instant::now();
        let readers: Vec<_> = (0..streams)
            .map(|i| {
                let request = GenerateRequest {
                    id: format!("speed {i}"),
                    prompt: vec![256, 97 + i, 98],
                    images: Vec::new(),
                    sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
                    n: 1,
                    max_tokens: Some(TOKENS),
                    grammar: None,
                    thinking: None,
                    stop: vec!["never said".into()],
                    ignore_eos: false,
                    logprobs: None,
                    prompt_logprobs: None,
                    show_control: false,
                    return_progress: false,
                    use_cache: true,
                };
                let mut events = scheduler.submit(request).expect("the request is accepted");
                std::thread::spawn(move || {
                    let mut tokens = 0;
                    while let Some(event) = events.blocking_next() {
                        if let Event::Delta(delta) = event {
                            tokens += delta.tokens.len();
                        }
                    }
                    tokens
                })
            })
            .collect();
        let tokens: usize = readers.into_iter().map(|reader| reader.join().expect("the reader ends")).sum();
        let micros = began.elapsed().as_secs_f64() * 1e6 / tokens as f64;
        println!("{streams:7}  {micros:20.2}  {}", scheduler.stats().steps);
    }
}
