//! The engine alone, in this process: no scheduler, no sampling, no HTTP.

use std::time::Instant;

use serde::Serialize;
use tern_engine::{Batch, BatchToken, Capability, Decoder, LoadOptions, TextModel, Token, Tokenizer, Wanted};
use tern_gguf::{Header, split};
use tern_registry::machine;

use super::{bandwidth, spread::Spread};
use crate::{
    Error,
    commands::Given,
    config::Config,
    output::{self, StatusLine, Table},
};

/// What to measure.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub prompt_tokens: u32,
    pub generate: u32,
    pub runs: u32,
    /// What is wanted of each decoded token.
    pub wanted: Wanted,
    /// Numbers of sequences decoded together.
    pub batches: Vec<u32>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    threads: u32,
    prompt_tokens: u32,
    generate: u32,
    runs: u32,
    load_seconds: f64,
    /// Highest resident memory of the process, model and all, before the memory test.
    peak_memory_bytes: Option<u64>,
    /// Tokens a second of the prompt.
    prefill: Spread,
    /// The share of the processor's peak in the arithmetic of prompts that this comes to, where the engine tells it.
    prefill_limit_percent: Option<f64>,
    /// That peak, in multiply-adds a second.
    multiply_adds_per_second: Option<f64>,
    decode: Vec<Decode>,
    /// Bytes a second, and the size of the buffer.
    memory_read: Option<(f64, u64)>,
    /// Bytes of weights that a token reads.
    weights_read_bytes: u64,
}

/// Decoding with some number of sequences.
#[derive(Debug, Serialize)]
struct Decode {
    sequences: u32,
    /// Tokens a second, all sequences together.
    tokens_per_second: Spread,
    /// Bytes a step reads: the weights once, and the KV cache of each sequence at its middle length.
    bytes_per_step: u64,
    /// The share of the memory's read rate that this comes to.
    limit_percent: Option<f64>,
}

/// Loads the model and runs it. Blocks for as long as that takes.
pub(super) fn measure(given: &Given, plan: &Plan, config: &Config) -> Result<Report, Error> {
    if !given.info.capabilities.iter().any(|c| matches!(c, Capability::Chat | Capability::Completion)) {
        return Err(no_text(given));
    }
    let most = plan.batches.iter().copied().max().unwrap_or(1);
    let length = plan.prompt_tokens.saturating_add(plan.generate);
    if length > given.info.context_length {
        return Err(Error::Refused(format!(
            "--prompt-tokens {} and --generate {} are {length} tokens together, but the context of {} has {}",
            plan.prompt_tokens, plan.generate, given.name, given.info.context_length
        )));
    }
    let settings = config.registry.load_options(&given.info);
    // Room for the prompt once (sequences share it) and for what each sequence adds; one more for engines that
    // cannot share.
    let options = LoadOptions {
        kv_cells: length.saturating_mul(most),
        max_sequences: most,
        max_batch_tokens: config.registry.batch_size.max(most),
        ..settings
    };
    let mut status = StatusLine::new();
    let started = Instant::now();
    let mut progress = |share: f32| {
        status.set(&format!("loading {:.0} %", share * 100.0));
        true
    };
    let model = given.engine.load(&given.source, &options, &mut progress)?;
    let load_seconds = started.elapsed().as_secs_f64();
    let TextModel { tokenizer, mut decoder } = model.text.ok_or_else(|| no_text(given))?;
    let mut bench = Bench { tokens: tokens(&*tokenizer, length), plan, decoder: &mut *decoder };

    let mut prefill = Vec::new();
    let mut rates = vec![Vec::new(); plan.batches.len()];
    // The first run, which warms caches and pages the weights in, does not count.
    for run in 0..=plan.runs {
        status.set(&format!("run {run} of {}", plan.runs));
        let mut rate = 0.0;
        for (&sequences, rates) in plan.batches.iter().zip(&mut rates) {
            rate = bench.prefill()?;
            let decode = bench.decode(sequences)?;
            if run > 0 {
                rates.push(decode);
            }
        }
        if run > 0 {
            prefill.push(rate);
        }
    }
    let peak_memory_bytes = machine::memory_peak();
    drop(decoder);
    status.set("measuring the memory");
    let peak = given.engine.peak(&given.source, &options);
    let memory_read = bandwidth::measure(options.threads);
    let weights_read_bytes = weights_read(given);
    let kv = given.engine.estimate(&given.info, &options).kv_bytes_per_token;
    let middle = u64::from(plan.prompt_tokens + plan.generate / 2);
    let decode = plan.batches.iter().zip(&rates).filter_map(|(&sequences, rates)| {
        let tokens_per_second = Spread::of(rates)?;
        let bytes_per_step = weights_read_bytes + u64::from(sequences) * middle * kv;
        let steps = tokens_per_second.median / f64::from(sequences);
        let limit_percent = memory_read.map(|(rate, _)| steps * bytes_per_step as f64 / rate * 100.0);
        Some(Decode { sequences, tokens_per_second, bytes_per_step, limit_percent })
    });
    let prefill = Spread::of(&prefill).unwrap_or(Spread { min: 0.0, median: 0.0, max: 0.0 });
    Ok(Report {
        threads: options.threads,
        prompt_tokens: plan.prompt_tokens,
        generate: plan.generate,
        runs: plan.runs,
        load_seconds,
        peak_memory_bytes,
        prefill_limit_percent: peak.map(|peak| prefill.median * peak.per_token as f64 / peak.per_second * 100.0),
        multiply_adds_per_second: peak.map(|peak| peak.per_second),
        prefill,
        decode: decode.collect(),
        memory_read,
        weights_read_bytes,
    })
}

fn no_text(given: &Given) -> Error {
    Error::Refused(format!("{} does not generate text; only such models are measured", given.name))
}

struct Bench<'a> {
    decoder: &'a mut dyn Decoder,
    tokens: Vec<Token>,
    plan: &'a Plan,
}

impl Bench<'_> {
    /// Computes the prompt in sequence 0, which is emptied first. Returns tokens a second.
    fn prefill(&mut self) -> Result<f64, Error> {
        let limits = self.decoder.limits();
        for sequence in 0..limits.max_sequences {
            self.decoder.kv_truncate(sequence, 0)?;
        }
        let prompt = &self.tokens[..self.plan.prompt_tokens as usize];
        let mut batch = Batch::with_capacity(limits.max_batch_tokens);
        let started = Instant::now();
        let last = prompt.len() as u32 - 1;
        let positions: Vec<u32> = (0..=last).collect();
        for chunk in positions.chunks(limits.max_batch_tokens) {
            batch.clear();
            for &pos in chunk {
                // As an answer does: logits are wanted behind the whole prompt, and of the kind that decoding wants.
                let logits = if pos == last { self.plan.wanted } else { Wanted::Nothing };
                batch.push(BatchToken { token: prompt[pos as usize], pos, seq: 0, logits });
            }
            self.decoder.decode(&batch)?;
        }
        Ok(prompt.len() as f64 / started.elapsed().as_secs_f64())
    }

    /// Continues the prompt in `sequences` sequences together. Returns tokens a second, all together.
    fn decode(&mut self, sequences: u32) -> Result<f64, Error> {
        let prompt = self.plan.prompt_tokens;
        for sequence in 1..sequences {
            self.decoder.kv_copy(0, sequence, prompt)?;
        }
        let mut batch = Batch::with_capacity(sequences as usize);
        let started = Instant::now();
        for pos in prompt..prompt + self.plan.generate {
            batch.clear();
            for seq in 0..sequences {
                // Each sequence takes another token, so that none is a copy of another.
                let token = self.tokens[(pos + seq) as usize % self.tokens.len()];
                batch.push(BatchToken { token, pos, seq, logits: self.plan.wanted });
            }
            self.decoder.decode(&batch)?;
        }
        let tokens = f64::from(self.plan.generate) * f64::from(sequences);
        Ok(tokens / started.elapsed().as_secs_f64())
    }
}

/// Ordinary tokens in an order that is always the same. What they say does not matter for the time they take.
fn tokens(tokenizer: &dyn Tokenizer, length: u32) -> Vec<Token> {
    let vocabulary = tokenizer.vocab_size().max(1) as u64;
    let mut state = 1u64;
    let mut next = || {
        // Knuth's linear congruential generator; its upper bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % vocabulary) as Token
    };
    // A vocabulary of nothing but control tokens must not keep us here for ever.
    let mut ordinary = || (0..100).map(|_| next()).find(|token| !tokenizer.is_control(*token)).unwrap_or(0);
    (0..length).map(|_| ordinary()).collect()
}

/// Bytes of weights read for a token: all of them, but of the input embeddings one row (unless they are the output
/// matrix too), and of a mixture of experts only those in use.
fn weights_read(given: &Given) -> u64 {
    let headers: Option<Vec<Header>> =
        given.path().map(|path| split::parts(path).iter().filter_map(|part| Header::read(part).ok()).collect());
    let headers = headers.unwrap_or_default();
    let Some(first) = headers.first() else { return given.info.weights_bytes };
    let key = |name: &str| first.u32(&format!("{}.{name}", given.info.architecture));
    let experts = key("expert_count").filter(|&n| n > 0).zip(key("expert_used_count"));
    let separate_output = headers.iter().any(|header| header.tensor("output.weight").is_some());
    let tensors = headers.iter().flat_map(Header::tensors);
    let read = tensors.map(|tensor| match (tensor.name.as_str(), experts) {
        ("token_embd.weight", _) if separate_output => 0,
        (name, Some((all, used))) if name.contains("_exps.") => {
            tensor.bytes / u64::from(all) * u64::from(used.min(all))
        }
        _ => tensor.bytes,
    });
    read.sum()
}

impl Report {
    /// For people.
    pub fn table(&self, name: &str) -> String {
        let mut text = format!(
            "{name}: {} threads, prompt of {} tokens, {} generated, {} runs\n\n",
            self.threads, self.prompt_tokens, self.generate, self.runs
        );
        let mut table = Table::new(["TOKENS/S", "MEDIAN", "MIN", "MAX", "OF THE LIMIT"]).right(&[1, 2, 3, 4]);
        let mut row = |name: String, spread: &Spread, limit: String| {
            let number = |n: f64| format!("{n:.1}");
            table.row([name, number(spread.median), number(spread.min), number(spread.max), limit]);
        };
        let peak = self.prefill_limit_percent.map_or(String::new(), |percent| format!("{percent:.0} % of the peak"));
        row("prefill".to_owned(), &self.prefill, peak);
        for decode in &self.decode {
            let name = match decode.sequences {
                1 => "decode".to_owned(),
                n => format!("decode, {n} sequences"),
            };
            let limit =
                decode.limit_percent.map_or("unknown".to_owned(), |percent| format!("{percent:.0} % of memory"));
            row(name, &decode.tokens_per_second, limit);
        }
        text.push_str(&table.render());
        let mut facts = Table::plain();
        facts.row(["load", &format!("{:.2} s", self.load_seconds)]);
        facts.row(["peak memory", &self.peak_memory_bytes.map_or("unknown".to_owned(), output::size)]);
        if let Some(peak) = self.multiply_adds_per_second {
            facts.row(["integer peak", &format!("{:.2} T multiply-adds/s, int8, on registers", peak / 1e12)]);
        }
        facts.row([
            "memory read",
            &match self.memory_read {
                Some((rate, bytes)) => {
                    format!("{:.1} GB/s (best of several passes over {})", rate / 1e9, output::size(bytes))
                }
                None => "not measured: too little free memory".to_owned(),
            },
        ]);
        if let Some(decode) = self.decode.first() {
            let bytes = format!(
                "{} ({} of weights, the rest KV cache)",
                output::size(decode.bytes_per_step),
                output::size(self.weights_read_bytes)
            );
            facts.row(["read for a token", &bytes]);
        }
        text.push_str(&format!("\n{}", facts.render()));
        text
    }
}
