//! What comes of comparisons, described: the definition of every figure for those who read it. Nothing here is ever
//! made; results go out as `tern-compare` has them, and a test holds them against this description.

#![allow(dead_code)]

use poem_openapi::{Enum, Object};
use serde::Serialize;

use super::{
    compare_types::{CompareJudgement, CompareRequest},
    conversation_types::MessageStatus,
};
use crate::http::union::any_of;

/// A comparison.
#[derive(Debug, Object)]
pub struct Comparison {
    /// Its id.
    pub id: String,
    /// Shown in lists.
    pub title: String,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it last changed.
    pub updated_ms: u64,
    /// `generating` while it runs. `failed` when every cell failed; `interrupted` when the server ended in the middle.
    pub status: MessageStatus,
    /// What was asked, with everything put in that was left out: it can be asked again exactly.
    pub request: CompareRequest,
    /// What came of it; null in lists.
    #[oai(nullable)]
    pub results: Option<CompareResults>,
    /// What people think of it.
    pub judgement: CompareJudgement,
}

/// A part of the list of comparisons.
#[derive(Debug, Object)]
pub struct ComparisonList {
    /// `list`.
    pub object: String,
    /// The part, newest first, without results and without what is in their files.
    pub data: Vec<Comparison>,
    /// Whether more follow: ask again with `before` set to the last id.
    pub has_more: bool,
    /// How many there are in all parts.
    pub total: u64,
}

/// What came of a comparison.
#[derive(Debug, Object)]
pub struct CompareResults {
    /// The cells that have run, in the order they did.
    pub cells: Vec<CellResult>,
    /// A summary for each column, when it has ended.
    pub summary: Vec<ColumnSummary>,
    /// The machine before the first cell.
    pub machine: CompareMachine,
}

/// What came of one cell: a prompt, put to a column, once. Null is "not known", never zero. Times are taken on the
/// model's own thread; loading is a figure of its own and part of no other.
#[derive(Debug, Object)]
pub struct CellResult {
    /// Number of the prompt, from 0.
    pub prompt: u32,
    /// Number of the column, from 0.
    pub column: u32,
    /// Number of the repetition, from 0.
    pub repetition: u32,
    /// Id of the model that ran.
    pub model: String,
    /// Its engine.
    #[oai(nullable)]
    pub engine: Option<String>,
    /// The answer.
    pub text: String,
    /// What the model thought before it.
    #[oai(nullable)]
    pub reasoning: Option<String>,
    /// `stop`, `length`, or `stopped` when a person ended it; null when it failed.
    #[oai(nullable)]
    pub finish_reason: Option<String>,
    /// What went wrong.
    #[oai(nullable)]
    pub error: Option<String>,
    /// What makes the figures of this cell doubtful: other requests that ran on this server at the same time.
    #[oai(nullable)]
    pub warning: Option<String>,
    /// Loading the model, if this cell loaded it. Weights that are mapped are read when they are first used, which is
    /// in the warm-up.
    #[oai(nullable)]
    pub load_ms: Option<f64>,
    /// Waiting for a place in the model.
    #[oai(nullable)]
    pub queue_ms: Option<f64>,
    /// From handing the messages over to the first token: template, tokenizer, queue and prefill. Without loading.
    #[oai(nullable)]
    pub first_token_ms: Option<f64>,
    /// From leaving the queue to the end of the prompt.
    #[oai(nullable)]
    pub prefill_ms: Option<f64>,
    /// Prompt tokens that were computed, not taken from the cache, a second of `prefill_ms`. Null where fewer than 8
    /// were.
    #[oai(nullable)]
    pub prefill_per_second: Option<f64>,
    /// From the first token to the last.
    #[oai(nullable)]
    pub decode_ms: Option<f64>,
    /// Tokens after the first a second of `decode_ms`.
    #[oai(nullable)]
    pub decode_per_second: Option<f64>,
    /// Median time between a token and the next.
    #[oai(nullable)]
    pub token_ms_p50: Option<f64>,
    /// The time between a token and the next that 95 % of them do not exceed.
    #[oai(nullable)]
    pub token_ms_p95: Option<f64>,
    /// From handing the messages over to the end of the answer. Without loading. Depends on how long the answer is.
    #[oai(nullable)]
    pub total_ms: Option<f64>,
    /// Threads of a forward pass.
    #[oai(nullable)]
    pub threads: Option<u32>,
    /// Tokens of the prompt, by this model's template and tokenizer.
    #[oai(nullable)]
    pub prompt_tokens: Option<u32>,
    /// Of these, taken from the cache.
    #[oai(nullable)]
    pub cached_tokens: Option<u32>,
    /// Tokens of the answer, reasoning included.
    #[oai(nullable)]
    pub completion_tokens: Option<u32>,
    /// Words of the text, as white space divides it.
    #[oai(nullable)]
    pub words: Option<u32>,
    /// Bytes of the model's file, or of all its parts.
    #[oai(nullable)]
    pub file_bytes: Option<u64>,
    /// Bits that the weights take in the file for each parameter; names and vocabulary do not count.
    #[oai(nullable)]
    pub bits_per_weight: Option<f64>,
    /// Bytes of the weights in memory, by the engine's estimate. Mapped weights share memory with the file's cache.
    #[oai(nullable)]
    pub weights_bytes: Option<u64>,
    /// Bytes that the keys and values of this exchange take, prompt and answer.
    #[oai(nullable)]
    pub kv_bytes: Option<u64>,
    /// Resident memory before the cell, and before its model was loaded. Of the whole process, all loaded models
    /// included: `unload_between` makes it comparable, but for some megabytes that the allocator keeps of models that
    /// have left. Linux only; null where columns run at once.
    #[oai(nullable)]
    pub rss_before: Option<u64>,
    /// The same after the answer.
    #[oai(nullable)]
    pub rss_after: Option<u64>,
    /// The most in between.
    #[oai(nullable)]
    pub rss_peak: Option<u64>,
    /// Mean natural logarithm of the probability of the answer's tokens, under the model's own distribution: no
    /// temperature, no filters. How sure the model was, not how right.
    #[oai(nullable)]
    pub mean_logprob: Option<f64>,
    /// `exp(-mean_logprob)`: between how many tokens the model wavered, so to speak. Compares only between models with
    /// the same tokenizer.
    #[oai(nullable)]
    pub perplexity: Option<f64>,
    /// Over the places of the reference's answer, read by both models: the share where both have the same likeliest
    /// token. Null for the reference, and where the vocabularies differ.
    #[oai(nullable)]
    pub top1_agreement: Option<f64>,
    /// Over the places of the reference's answer, read by both models: mean KL(reference || this model), in nats a
    /// token. Computed over the tokens among the 20 likeliest of both (and the one written), everything else lumped
    /// into one outcome: never more than the exact value. Null as `top1_agreement`.
    #[oai(nullable)]
    pub kl: Option<f64>,
    /// How alike this answer and the reference's are in meaning: the cosine of the angle between the vectors that an
    /// embedding model gives them, 1 for the same direction. Reasoning does not count. Null for the reference, and
    /// without an embedding model.
    #[oai(nullable)]
    pub similarity: Option<f64>,
    /// The embedding model whose vectors these are: figures compare within one model only.
    #[oai(nullable)]
    pub similarity_model: Option<String>,
    /// Why figures of quality are missing.
    #[oai(nullable)]
    pub quality_note: Option<String>,
    /// For each assertion whether it holds; a text says why that is not known.
    pub assertions: Vec<AssertionVerdict>,
    /// When the cell began, in milliseconds since 1970.
    pub started_ms: u64,
    /// What was done when.
    pub timeline: Vec<CellSpan>,
    /// The answer's tokens, by which it was scored.
    pub token_ids: Vec<u32>,
}

/// Whether an assertion holds, or why that is not known.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum AssertionVerdict {
    /// It holds, or not.
    Known(bool),
    /// Why it could not be looked at.
    Unknown(String),
}

any_of!(AssertionVerdict { bool, String });

/// A stretch of time in a cell.
#[derive(Debug, Object)]
pub struct CellSpan {
    /// What was done.
    pub phase: CellPhase,
    /// From when, in milliseconds since `started_ms`.
    pub from_ms: f64,
    /// Until when.
    pub to_ms: f64,
}

/// What is done in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CellPhase {
    /// Loading the model.
    Load,
    /// Untimed words, or the untimed prompt of a warm cache.
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

/// A column over its cells that ran to their end.
#[derive(Debug, Object)]
pub struct ColumnSummary {
    /// Number of the column, from 0.
    pub column: u32,
    /// Of the cells' `first_token_ms`.
    pub first_token_ms: CompareStatistic,
    /// Of the cells' `prefill_per_second`.
    pub prefill_per_second: CompareStatistic,
    /// Of the cells' `decode_per_second`.
    pub decode_per_second: CompareStatistic,
    /// Of the cells' `total_ms`.
    pub total_ms: CompareStatistic,
    /// Of the cells' `completion_tokens`.
    pub completion_tokens: CompareStatistic,
    /// Names of the figures in which this column is better than every other one, beyond noise: by a paired t-test at 5
    /// % on the logarithms of the ratios, cells of the same prompt and repetition being pairs. Where there is a single
    /// pair, a difference of more than 10 % counts. Never `completion_tokens`: longer is not better.
    pub best: Vec<String>,
}

/// Mean and noise of a figure.
#[derive(Debug, Object)]
pub struct CompareStatistic {
    /// Mean over all cells that have it.
    #[oai(nullable)]
    pub mean: Option<f64>,
    /// Sample standard deviation between repetitions of the same cell, pooled over prompts. Null when nothing was
    /// repeated.
    #[oai(nullable)]
    pub deviation: Option<f64>,
    /// How many cells have it.
    pub n: u32,
}

/// The machine before the first cell.
#[derive(Debug, Object)]
pub struct CompareMachine {
    /// Threads of a forward pass.
    pub threads: u32,
    /// Processors this process may use.
    pub processors: u32,
    /// Load average of the last minute. Contains what this server itself did. Linux only, as all that follows.
    #[oai(nullable)]
    pub load_average: Option<f64>,
    /// How many processors other programs kept busy, watched for a fifth of a second.
    #[oai(nullable)]
    pub busy_elsewhere: Option<f64>,
    /// How the system chooses the clock of the first processor (`performance`, `powersave`, ...).
    #[oai(nullable)]
    pub governor: Option<String>,
    /// Why the figures may be doubtful: other programs that keep more than a quarter of the processors busy, other
    /// requests on this server.
    #[oai(nullable)]
    pub warning: Option<String>,
}

/// An event of a comparison. `type` says which of the other fields it has:
///
/// - `comparison` comes first: `comparison` as it begins;
/// - `cell`: `prompt`, `column`, `repetition`, `state`, `share` (of loading and prefill) and `position` (of a waiting
///   cell).
///   Cells are announced as waiting when their round begins;
/// - `reasoning` and `text`: the next piece of a cell, in `text`;
/// - `result`: `result` of a cell. It comes again when the cell has been scored, and replaces the first;
/// - `end` comes last: `comparison` as it is kept, with the summary.
#[derive(Debug, Object)]
pub struct CompareStreamEvent {
    /// `comparison`, `cell`, `reasoning`, `text`, `result` or `end`.
    #[oai(rename = "type")]
    pub kind: String,
    /// The comparison.
    pub comparison: Option<Comparison>,
    /// Number of the prompt, from 0.
    pub prompt: Option<u32>,
    /// Number of the column, from 0.
    pub column: Option<u32>,
    /// Number of the repetition, from 0.
    pub repetition: Option<u32>,
    /// `waiting`, `loading`, `warming`, `prefill`, `thinking`, `writing`, `scoring`, `done`, `failed` or `stopped`.
    pub state: Option<String>,
    /// The share that is done, 0 to 1.
    #[oai(nullable)]
    pub share: Option<f64>,
    /// The cell's place among those that wait, from 1.
    #[oai(nullable)]
    pub position: Option<u32>,
    /// The next piece.
    pub text: Option<String>,
    /// What came of the cell.
    pub result: Option<CellResult>,
}
