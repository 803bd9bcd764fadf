//! Starts a scheduler on a scripted model behind a [`Gate`], through which a test sees every forward pass and, when it
//! wants, lets them happen one at a time. Nothing sleeps and nothing depends on speed.

mod gate;

use std::sync::Arc;

use tern_echo::{EchoEngine, Vocabulary};
use tern_engine::{DecoderLimits, Engine, KvType, LoadOptions, ModelSource, Token, Tokenizer};
use tern_scheduler::{
    Delta, Event, Events, FinishReason, GenerateError, GenerateRequest, SamplingParams, Scheduler, SchedulerConfig,
    Stats, Summary, TokenLogprob,
};

pub use gate::{Gate, Trouble};

/// How to start a model. The defaults are roomy.
pub struct Setup {
    pub script: &'static str,
    pub parallel: u32,
    pub queue: usize,
    pub chunk: usize,
    pub cells: u32,
    pub sequences: u32,
    /// Whether prefixes can be cut and copied anywhere.
    pub partial: bool,
    /// Bytes of sequences kept outside the cache; echo takes four a token.
    pub saved: u64,
    /// Whether forward passes wait for the test from the start.
    pub gated: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            script: "echo-random",
            parallel: 4,
            queue: 64,
            chunk: 512,
            cells: 8192,
            sequences: 8,
            partial: true,
            saved: 0,
            gated: false,
        }
    }
}

/// A running model.
pub struct Model {
    pub scheduler: Scheduler,
    pub gate: Arc<Gate>,
}

impl Setup {
    pub fn start(self) -> Model {
        let options = LoadOptions {
            kv_cells: self.cells,
            max_sequences: self.sequences,
            max_batch_tokens: 1024,
            threads: 1,
            kv_type: KvType::F16,
            flash_attention: None,
            gpu_layers: 0,
            saved_bytes: self.saved,
            ..LoadOptions::default()
        };
        let model = EchoEngine.load(&ModelSource::Script(self.script.into()), &options, &mut |_| true);
        let text = model.expect("the script loads").text.expect("the script generates text");
        let limits = DecoderLimits { partial_sequences: self.partial, ..text.decoder.limits() };
        let (decoder, gate) = gate::wrap(text.decoder, limits, self.gated);
        let config = SchedulerConfig {
            name: self.script.into(),
            parallel: self.parallel,
            queue: self.queue,
            prefill_chunk: self.chunk,
        };
        Model { scheduler: Scheduler::start(decoder, text.tokenizer, config), gate }
    }
}

impl Model {
    pub fn submit(&self, request: GenerateRequest) -> Events {
        self.scheduler.submit(request).expect("the request is accepted")
    }

    /// Submits and waits for the end.
    pub fn run(&self, request: GenerateRequest) -> Outcome {
        collect(self.submit(request))
    }

    pub fn stats(&self) -> Stats {
        self.scheduler.stats()
    }
}

/// A prompt of `length` tokens that has nothing in common with those of other seeds.
pub fn prompt(seed: u32, length: usize) -> Vec<Token> {
    (0..length as u32).map(|i| 97 + (seed.wrapping_mul(7919) ^ (i + seed).wrapping_mul(2_654_435_761)) % 26).collect()
}

/// `shared` tokens common to all, then `own` tokens of `seed`'s.
pub fn prompt_with_prefix(shared: usize, seed: u32, own: usize) -> Vec<Token> {
    let mut tokens = prompt(1000, shared);
    // Digits never occur elsewhere, so prompts part exactly here.
    tokens.push(48 + seed % 10);
    tokens.extend(prompt(seed, own.saturating_sub(1)));
    tokens
}

pub fn words(text: &str) -> Vec<Token> {
    Vocabulary::shared().encode(text, true, true).expect("echo encodes everything")
}

/// A greedy request for eight tokens.
pub fn request(prompt: Vec<Token>) -> GenerateRequest {
    GenerateRequest {
        id: "test".into(),
        prompt,
        images: Vec::new(),
        sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
        n: 1,
        max_tokens: Some(8),
        grammar: None,
        thinking: None,
        stop: Vec::new(),
        ignore_eos: false,
        logprobs: None,
        prompt_logprobs: None,
        show_control: false,
        return_progress: false,
        use_cache: true,
    }
}

/// A request that samples with a seed.
pub fn seeded(prompt: Vec<Token>, seed: u64) -> GenerateRequest {
    let sampling = SamplingParams { seed: Some(seed), ..SamplingParams::default() };
    GenerateRequest { sampling, ..request(prompt) }
}

/// Everything a request gave.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub choices: Vec<Choice>,
    pub prompt: Option<Vec<TokenLogprob>>,
    pub progress: Vec<u32>,
    pub summary: Option<Summary>,
    pub error: Option<GenerateError>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    pub text: String,
    pub tokens: Vec<Token>,
    pub deltas: Vec<Delta>,
    last_ms: f64,
    pub finish: Option<FinishReason>,
}

impl Outcome {
    pub fn text(&self) -> &str {
        &self.choices[0].text
    }

    pub fn cached(&self) -> u32 {
        self.summary.expect("the request was answered").cached_tokens
    }

    pub fn note(&mut self, event: Event) {
        assert!(self.summary.is_none() && self.error.is_none(), "an event after the last one: {event:?}");
        match event {
            Event::Prefill(progress) => self.progress.push(progress.processed),
            Event::Prompt(logprobs) => self.prompt = Some(logprobs),
            Event::Delta(mut delta) => {
                assert_eq!(delta.times_ms.len(), delta.tokens.len(), "a time a token");
                let last = self.choice(delta.choice).last_ms;
                assert!(delta.times_ms.is_sorted() && delta.times_ms.iter().all(|at| *at >= last), "{delta:?}");
                self.choice(delta.choice).last_ms = delta.times_ms.last().copied().unwrap_or(last);
                // Outcomes are compared, and no two have the same times.
                delta.times_ms.clear();
                let choice = self.choice(delta.choice);
                assert!(choice.finish.is_none(), "a delta after the finish");
                choice.text.push_str(&delta.text);
                choice.tokens.extend(&delta.tokens);
                choice.deltas.push(delta);
            }
            Event::Finish { choice, reason } => {
                let before = self.choice(choice).finish.replace(reason);
                assert_eq!(before, None, "two finishes");
            }
            Event::End(summary) => self.summary = Some(summary),
            Event::Failed(error) => self.error = Some(error),
        }
    }

    fn choice(&mut self, number: u32) -> &mut Choice {
        let needed = number as usize + 1;
        if self.choices.len() < needed {
            self.choices.resize_with(needed, Choice::default);
        }
        &mut self.choices[number as usize]
    }
}

/// Waits for the end of a request.
pub fn collect(mut events: Events) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(event) = events.blocking_next() {
        outcome.note(event);
    }
    outcome
}
