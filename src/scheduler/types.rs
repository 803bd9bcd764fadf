//! What goes into a scheduler and what comes out. Plain serialisable data, but for images: a model may run on a thread
//! of the server or in another process without either side knowing, and then prepares images where it runs.

use serde::{Deserialize, Serialize};
use tern_engine::{ImageChunk, Token};
use tern_grammar::Grammar;

/// A prompt to continue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// Request id, for the log.
    pub id: String,
    /// The prompt. At least one token.
    pub prompt: Vec<Token>,
    /// The images in the prompt, in order; the prompt has their [`ImageChunk::places`] at their places. The last entry
    /// of a prompt is a token, since an image has no logits.
    #[serde(skip)]
    pub images: Vec<PlacedImage>,
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// How many answers, 1 or more. The prompt is computed once.
    pub n: u32,
    /// Most tokens an answer may have; `None` up to the context length. 0 computes the prompt only.
    pub max_tokens: Option<u32>,
    /// What each answer must look like.
    pub grammar: Option<Grammar>,
    /// How much each answer may think.
    pub thinking: Option<ThinkingBudget>,
    /// Texts that end an answer; they are not part of it. Held back while they may still be completed.
    pub stop: Vec<String>,
    /// Go on at end-of-generation tokens (for benchmarks).
    pub ignore_eos: bool,
    /// Logprobs of the chosen tokens, with this many alternatives each.
    pub logprobs: Option<u32>,
    /// Logprobs of the prompt's tokens, with this many alternatives each.
    pub prompt_logprobs: Option<u32>,
    /// Spell control tokens in the text instead of hiding them.
    pub show_control: bool,
    /// Send [`Event::Prefill`] after each chunk of the prompt.
    pub return_progress: bool,
    /// Whether prefixes in the KV cache may be used.
    pub use_cache: bool,
}

/// How much an answer may think before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinkingBudget {
    /// Most tokens of reasoning, marks aside.
    pub tokens: u32,
    /// What opens reasoning at the beginning of an answer; `None` if the prompt has opened it.
    pub open: Option<String>,
    /// What closes it.
    pub close: String,
    /// Taken one by one in place of what the model would say, when the budget is spent.
    pub closing: Vec<Token>,
}

/// An image, or a tile of one, in a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedImage {
    /// Index of its first entry.
    pub at: usize,
    /// What the engine computes there.
    pub chunk: ImageChunk,
}

impl PlacedImage {
    /// Index behind its last entry.
    pub fn end(&self) -> usize {
        self.at + self.chunk.cells()
    }
}

/// How the next token is chosen from the logits. Applied in this order: logit_bias, penalties, then (unless greedy)
/// top_k, typical_p, top_p, min_p, temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingParams {
    /// 0 is greedy. Range 0 to 100.
    pub temperature: f32,
    /// Keep this many most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep the most likely tokens that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Drop tokens less likely than this share of the most likely one; 0 keeps all.
    pub min_p: f32,
    /// Locally typical sampling; 1 keeps all.
    pub typical_p: f32,
    /// Divides (positive) or multiplies (negative) logits of tokens seen lately; 1 does nothing.
    pub repeat_penalty: f32,
    /// How many tokens back `repeat_penalty` looks; 0 not at all, -1 the whole context.
    pub repeat_last_n: i32,
    /// Subtracted once from tokens already generated in this answer.
    pub presence_penalty: f32,
    /// Subtracted for each time a token was generated in this answer.
    pub frequency_penalty: f32,
    /// Added to logits.
    pub logit_bias: Vec<(Token, f32)>,
    /// Same seed, same request: same answer. `None` draws one.
    pub seed: Option<u64>,
}

impl Default for SamplingParams {
    /// OpenAI's defaults: plain sampling from the model's distribution.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repeat_penalty: 1.0,
            repeat_last_n: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
        }
    }
}

/// What a request gets back, in order: any number of `Prefill`, perhaps `Prompt`, then for each answer `Delta`s and
/// one `Finish`, then `End`. `Failed` may come at any time and is the last event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The prompt is being computed (only when asked for).
    Prefill(PrefillProgress),
    /// Logprobs of the prompt (only when asked for). The first token has none.
    Prompt(Vec<TokenLogprob>),
    /// More text of answer `choice`.
    Delta(Delta),
    /// Answer `choice` is complete.
    Finish {
        /// Which answer, from 0.
        choice: u32,
        /// Why it ended.
        reason: FinishReason,
    },
    /// The request is complete.
    End(Summary),
    /// The request failed.
    Failed(GenerateError),
}

/// How far the prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrefillProgress {
    /// Tokens of the prompt.
    pub total: u32,
    /// Of these, taken from the cache.
    pub cached: u32,
    /// Of these, in the KV cache by now (cached ones included).
    pub processed: u32,
    /// Since the request was taken from the queue.
    pub time_ms: f64,
}

/// A piece of an answer: whole UTF-8 characters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// Which answer, from 0.
    pub choice: u32,
    /// The text; may be empty when only tokens are reported.
    pub text: String,
    /// The tokens behind it.
    pub tokens: Vec<Token>,
    /// When each of them was chosen, in milliseconds since the request was taken from the queue. Taken on the model's
    /// own thread: what happens to the event on its way is not in it.
    pub times_ms: Vec<f64>,
    /// One entry a token, when logprobs were asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// A token with the natural logarithm of its probability under the unmodified logits (before temperature and
/// filters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// Token id.
    pub token: Token,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// ln p; `None` for the first token of a prompt.
    pub logprob: Option<f32>,
    /// The most likely tokens at this place, most likely first.
    pub top: Vec<TopLogprob>,
}

/// An alternative to a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// Token id.
    pub token: Token,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// ln p.
    pub logprob: f32,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishReason {
    /// The model ended it, or the stop string named here did.
    Stop(Option<String>),
    /// `max_tokens` or the context length was reached.
    Length,
}

impl FinishReason {
    /// The word for it that clients know.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stop(_) => "stop",
            Self::Length => "length",
        }
    }
}

/// Counts and times of a finished request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of these, taken from the cache.
    pub cached_tokens: u32,
    /// Tokens generated, all answers together.
    pub completion_tokens: u32,
    /// Waiting in the queue.
    pub queue_ms: f64,
    /// From leaving the queue to the end of the prompt.
    pub prefill_ms: f64,
    /// From the end of the prompt to the end of the request.
    pub decode_ms: f64,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum GenerateError {
    /// The prompt does not fit.
    #[error(
        "This model's maximum context length is {context_length} tokens. However, your prompt has {prompt_tokens} tokens. Please shorten it."
    )]
    ContextLengthExceeded {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Most tokens a sequence may hold.
        context_length: u32,
    },
    /// A parameter is out of range.
    #[error("{message}")]
    InvalidParameter {
        /// Name of the field.
        param: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// Too many requests are waiting.
    #[error("the queue of this model is full ({waiting} requests waiting); retry in a moment")]
    QueueFull {
        /// Length of the queue.
        waiting: usize,
    },
    /// The model is being unloaded or the server is shutting down.
    #[error("the model is shutting down")]
    ShuttingDown,
    /// The engine failed or panicked.
    #[error("{0}")]
    Engine(String),
}
