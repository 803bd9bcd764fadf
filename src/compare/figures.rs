//! What is measured. The definition of every figure stands here and, for users, in the description of the API; how the
//! figures of quality are computed stands in `quality`, how columns are summed up in `summary`.

use serde::{Deserialize, Serialize};
use tern_store::Millis;

use crate::Verdict;

/// Which cell: prompt and column are indices into the request's lists, repetitions are numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default, PartialOrd, Ord)]
pub struct Cell {
    /// Which prompt.
    pub prompt: usize,
    /// Which column.
    pub column: usize,
    /// Which repetition.
    pub repetition: u32,
}

/// What came of one cell. `None` is "not known", never zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct CellResult {
    /// Which cell.
    #[serde(flatten)]
    pub cell: Cell,
    /// Id of the model that ran; as it was asked for when there is no such model.
    pub model: String,
    /// Its engine.
    pub engine: Option<String>,
    /// The answer.
    pub text: String,
    /// What the model thought before it.
    pub reasoning: Option<String>,
    /// `stop`, `length`, or `stopped` when a person ended it; `None` when it failed.
    pub finish_reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What makes the figures doubtful.
    pub warning: Option<String>,

    /// Loading the model, if this cell loaded it.
    pub load_ms: Option<f64>,
    /// Waiting for a place in the model.
    pub queue_ms: Option<f64>,
    /// From handing the messages over to the first token: template, tokenizer, queue, prefill. Without loading.
    pub first_token_ms: Option<f64>,
    /// From leaving the queue to the end of the prompt.
    pub prefill_ms: Option<f64>,
    /// Prompt tokens that were computed (not taken from the cache) a second of `prefill_ms`. `None` where fewer than
    /// [`FEWEST_PREFILL_TOKENS`] were, as that would measure what a pass costs in any case.
    pub prefill_per_second: Option<f64>,
    /// From the first token to the last.
    pub decode_ms: Option<f64>,
    /// Tokens after the first a second of `decode_ms`.
    pub decode_per_second: Option<f64>,
    /// Median time between a token and the next.
    pub token_ms_p50: Option<f64>,
    /// The time between a token and the next that 95 % of them do not exceed.
    pub token_ms_p95: Option<f64>,
    /// From handing the messages over to the end of the answer. Without loading.
    pub total_ms: Option<f64>,
    /// Threads of a forward pass.
    pub threads: Option<u32>,

    /// Tokens of the prompt, by this model's template and tokenizer.
    pub prompt_tokens: Option<u32>,
    /// Of these, taken from the cache.
    pub cached_tokens: Option<u32>,
    /// Tokens of the answer, reasoning included.
    pub completion_tokens: Option<u32>,
    /// Words of the text, as white space divides it.
    pub words: Option<u32>,

    /// Bytes of the model's file, or of all its parts.
    pub file_bytes: Option<u64>,
    /// Bits of the weights in the file for each parameter, names, vocabulary and padding not counted.
    pub bits_per_weight: Option<f64>,
    /// Bytes of the weights in memory, by the engine's estimate. Mapped ones share memory with the file's cache.
    pub weights_bytes: Option<u64>,
    /// Bytes that the keys and values of this exchange take: prompt and answer.
    pub kv_bytes: Option<u64>,
    /// Resident memory of the whole process before the cell, and before its model was loaded. Linux only; `None` where
    /// several columns run at once.
    pub rss_before: Option<u64>,
    /// The same after the answer.
    pub rss_after: Option<u64>,
    /// The most in between.
    pub rss_peak: Option<u64>,

    /// Mean natural logarithm of the probability of the answer's tokens, under the model's own unmodified distribution.
    pub mean_logprob: Option<f64>,
    /// `exp(-mean_logprob)`.
    pub perplexity: Option<f64>,
    /// Over the places of the reference's answer: the share where this model's likeliest token is the reference's.
    pub top1_agreement: Option<f64>,
    /// Over the places of the reference's answer: mean KL(reference || this model) in nats a token, from below.
    pub kl: Option<f64>,
    /// The cosine of the angle between this answer's vector and the reference's, -1 to 1.
    pub similarity: Option<f64>,
    /// The embedding model whose vectors these are.
    pub similarity_model: Option<String>,
    /// Why figures of quality are missing.
    pub quality_note: Option<String>,
    /// What came of the assertions, in their order.
    pub assertions: Vec<Verdict>,

    /// When the cell began.
    pub started_ms: Millis,
    /// What was done when, in milliseconds since `started_ms`.
    pub timeline: Vec<Span>,
    /// The answer's tokens, by which it is scored.
    pub token_ids: Vec<u32>,
}

/// Fewer computed prompt tokens than this give no rate.
pub const FEWEST_PREFILL_TOKENS: u32 = 8;

/// A stretch of time in a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What was done.
    pub phase: Phase,
    /// From when.
    pub from_ms: f64,
    /// Until when.
    pub to_ms: f64,
}

/// What is done in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Loading the model.
    Load,
    /// The untimed words before, and the untimed prompt of a warm cache.
    Warm,
    /// Waiting for a place in the model.
    Queue,
    /// Computing the prompt.
    Prefill,
    /// Reasoning.
    Think,
    /// Writing.
    Write,
}

/// Everything that came of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Results {
    /// The cells that have run, in the order they did.
    pub cells: Vec<CellResult>,
    /// A summary for each column.
    pub summary: Vec<ColumnSummary>,
    /// The machine before it began.
    pub machine: Machine,
}

/// What the machine was like before the first cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Machine {
    /// Threads of a forward pass.
    pub threads: u32,
    /// Processors this process may use.
    pub processors: u32,
    /// Load average of the last minute. Contains what this server itself did.
    pub load_average: Option<f64>,
    /// Processors that other programs kept busy.
    pub busy_elsewhere: Option<f64>,
    /// How the system chooses the clock of the first processor.
    pub governor: Option<String>,
    /// Why the figures may be doubtful.
    pub warning: Option<String>,
}

/// A column over all its cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ColumnSummary {
    /// Which column.
    pub column: usize,
    /// Of the cells' figures of this name.
    pub first_token_ms: Statistic,
    /// Of the cells' figures of this name.
    pub prefill_per_second: Statistic,
    /// Of the cells' figures of this name.
    pub decode_per_second: Statistic,
    /// Of the cells' figures of this name.
    pub total_ms: Statistic,
    /// Of the cells' figures of this name.
    pub completion_tokens: Statistic,
    /// Names of the figures in which this column is better than every other, beyond noise.
    pub best: Vec<String>,
}

/// Mean and noise of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Statistic {
    /// Mean over all cells that have it.
    pub mean: Option<f64>,
    /// Sample standard deviation between repetitions of the same cell; `None` when nothing was repeated.
    pub deviation: Option<f64>,
    /// How many cells have it.
    pub n: u32,
}
