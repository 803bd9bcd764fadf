//! Answers as Ollama's clients read them: the same shape for a line of a stream and for an answer in one piece.

use poem_openapi::Object;
use serde::Serialize;

use super::types::OllamaToolCall;

/// An answer to a dialogue, or more of one.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct OllamaChat {
    /// The model, as the request called it.
    pub model: String,
    /// When this was said.
    pub created_at: String,
    /// What the model says.
    pub message: OllamaAnswer,
    /// Whether this is the end.
    pub done: bool,
    /// The end.
    #[oai(flatten)]
    #[serde(flatten)]
    pub end: OllamaEnd,
}

/// What the model says.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OllamaAnswer {
    /// `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// What it thought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// The tools it calls, each whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<OllamaToolCall>>,
}

/// An answer to a text, or more of one.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct OllamaText {
    /// The model, as the request called it.
    pub model: String,
    /// When this was said.
    pub created_at: String,
    /// The text.
    pub response: String,
    /// What the model thought before.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Whether this is the end.
    pub done: bool,
    /// The end.
    #[oai(flatten)]
    #[serde(flatten)]
    pub end: OllamaEnd,
}

/// Why an answer ended, counts and times; in the last line only. Times are in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OllamaEnd {
    /// `stop` or `length`; `load` or `unload` where nothing was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_reason: Option<String>,
    /// From the request being read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_duration: Option<u64>,
    /// Loading the model; 0 when it was in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_duration: Option<u64>,
    /// Tokens of the prompt, with those that were taken from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_eval_count: Option<u32>,
    /// Computing the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_eval_duration: Option<u64>,
    /// Tokens generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_count: Option<u32>,
    /// Generating them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_duration: Option<u64>,
}
