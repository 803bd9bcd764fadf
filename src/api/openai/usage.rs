//! Token counts and times of an answer.

use poem_openapi::Object;
use serde::Serialize;
use tern_scheduler::Summary;

/// Token counts.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub completion_tokens: u32,
    /// Both together.
    pub total_tokens: u32,
    /// Where the prompt's tokens came from.
    pub prompt_tokens_details: PromptTokensDetails,
    /// What the generated tokens were for.
    pub completion_tokens_details: CompletionTokensDetails,
}

/// Where the prompt's tokens came from.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct PromptTokensDetails {
    /// Tokens whose keys and values were still in the cache.
    pub cached_tokens: u32,
}

/// What the generated tokens were for.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct CompletionTokensDetails {
    /// Tokens of reasoning.
    pub reasoning_tokens: u32,
}

/// Times of an answer, under llama.cpp's names.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct Timings {
    /// Prompt tokens taken from the cache.
    pub cache_n: u32,
    /// Prompt tokens computed.
    pub prompt_n: u32,
    /// Milliseconds that took.
    pub prompt_ms: f64,
    /// Prompt tokens computed a second.
    pub prompt_per_second: f64,
    /// Tokens generated.
    pub predicted_n: u32,
    /// Milliseconds that took.
    pub predicted_ms: f64,
    /// Milliseconds a generated token.
    pub predicted_per_token_ms: f64,
    /// Tokens generated a second.
    pub predicted_per_second: f64,
    /// Milliseconds spent waiting in the queue.
    pub queue_ms: f64,
}

impl Usage {
    pub(crate) fn new(summary: &Summary, reasoning_tokens: u32) -> Self {
        Self {
            prompt_tokens: summary.prompt_tokens,
            completion_tokens: summary.completion_tokens,
            total_tokens: summary.prompt_tokens + summary.completion_tokens,
            prompt_tokens_details: PromptTokensDetails { cached_tokens: summary.cached_tokens },
            completion_tokens_details: CompletionTokensDetails { reasoning_tokens },
        }
    }
}

impl Timings {
    pub(crate) fn new(summary: &Summary) -> Self {
        let computed = summary.prompt_tokens.saturating_sub(summary.cached_tokens);
        Self {
            cache_n: summary.cached_tokens,
            prompt_n: computed,
            prompt_ms: round(summary.prefill_ms),
            prompt_per_second: per_second(computed, summary.prefill_ms),
            predicted_n: summary.completion_tokens,
            predicted_ms: round(summary.decode_ms),
            predicted_per_token_ms: round(summary.decode_ms / f64::from(summary.completion_tokens.max(1))),
            predicted_per_second: per_second(summary.completion_tokens, summary.decode_ms),
            queue_ms: round(summary.queue_ms),
        }
    }
}

/// Adds `b` to `a`: the requests of one call with several prompts.
pub(crate) fn add(a: &mut Summary, b: &Summary) {
    a.prompt_tokens += b.prompt_tokens;
    a.cached_tokens += b.cached_tokens;
    a.completion_tokens += b.completion_tokens;
    a.queue_ms = a.queue_ms.max(b.queue_ms);
    a.prefill_ms = a.prefill_ms.max(b.prefill_ms);
    a.decode_ms = a.decode_ms.max(b.decode_ms);
}

fn per_second(tokens: u32, ms: f64) -> f64 {
    if ms > 0.0 { round(f64::from(tokens) * 1000.0 / ms) } else { 0.0 }
}

/// Three digits after the point are more than a clock knows.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
