//! Answers of the messages API, whole and as events of a stream.

use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;
use tern_scheduler::Summary;

use super::errors::MessagesErrorObject;
use crate::http::union::Nullable;

/// An answer.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct MessagesAnswer {
    /// Id of the answer.
    pub id: String,
    /// `message`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// `assistant`.
    pub role: String,
    /// Model that answered.
    pub model: String,
    /// What it says, thinks and calls, in that order; empty in the first event of a stream.
    pub content: Vec<MessagesAnswerBlock>,
    /// `end_turn`, `max_tokens`, `stop_sequence`, `tool_use` or `model_context_window_exceeded`; null in the first
    /// event of a stream.
    #[oai(nullable)]
    pub stop_reason: Option<String>,
    /// The text that ended it, if one of the request's did.
    #[oai(nullable)]
    pub stop_sequence: Option<String>,
    /// Token counts.
    pub usage: MessagesUsage,
}

/// A block of an answer: `text`, `thinking` or `tool_use`.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct MessagesAnswerBlock {
    /// Which of them.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What a `text` block says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What a `thinking` block says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Empty: thinking is not signed here, and nothing is asked of it when it comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Id of a `tool_use` block, which its result refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool that a `tool_use` block calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its arguments; in a stream they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

impl MessagesAnswerBlock {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { kind: "text".into(), text: Some(text.into()), ..Self::default() }
    }

    pub(crate) fn thinking(text: impl Into<String>) -> Self {
        let signature = Some(String::new());
        Self { kind: "thinking".into(), thinking: Some(text.into()), signature, ..Self::default() }
    }

    pub(crate) fn tool_use(id: String, name: String, input: Value) -> Self {
        Self { kind: "tool_use".into(), id: Some(id), name: Some(name), input: Some(input), ..Self::default() }
    }
}

/// Token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Object, Serialize)]
pub struct MessagesUsage {
    /// Tokens of the prompt that were computed.
    pub input_tokens: u32,
    /// Always 0: writing to the cache costs nothing here.
    pub cache_creation_input_tokens: u32,
    /// Tokens of the prompt whose keys and values were still in the cache.
    pub cache_read_input_tokens: u32,
    /// Tokens generated.
    pub output_tokens: u32,
    /// What they were for: at the end.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<MessagesOutputTokens>,
}

/// What generated tokens were for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct MessagesOutputTokens {
    /// Tokens of thinking.
    pub thinking_tokens: u32,
}

impl MessagesUsage {
    /// Of an answer that has ended.
    pub(crate) fn new(summary: &Summary, thinking_tokens: u32) -> Self {
        Self {
            output_tokens: summary.completion_tokens,
            output_tokens_details: Some(MessagesOutputTokens { thinking_tokens }),
            ..Self::of_prompt(summary.prompt_tokens, summary.cached_tokens)
        }
    }

    /// Before a token of the answer.
    pub(crate) fn of_prompt(prompt: u32, cached: u32) -> Self {
        Self { input_tokens: prompt.saturating_sub(cached), cache_read_input_tokens: cached, ..Self::default() }
    }
}

/// One event of a stream; its `type` stands also in the line `event:` before it. `message_start`, then for each block
/// `content_block_start`, `content_block_delta`s and `content_block_stop`, then `message_delta` and `message_stop`;
/// `ping` anywhere, and `error` in place of what was still to come.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct MessagesEvent {
    /// Which event.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The answer before it has said anything: with `message_start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessagesAnswer>,
    /// Which block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The empty block: with `content_block_start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_block: Option<MessagesAnswerBlock>,
    /// More of a block, or why the answer ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<MessagesDelta>,
    /// Token counts: with `message_delta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<MessagesUsage>,
    /// What went wrong: with `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<MessagesErrorObject>,
}

impl MessagesEvent {
    pub(crate) fn new(kind: &str) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }
}

/// More of a block, or why an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct MessagesDelta {
    /// `text_delta`, `thinking_delta`, `signature_delta` or `input_json_delta`.
    #[oai(rename = "type")]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// More text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// More thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Empty, at the end of thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// More of a tool's arguments, which are JSON when joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_json: Option<String>,
    /// As in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// As in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequence: Option<Nullable<String>>,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, Object, Serialize)]
pub struct MessagesTokenCount {
    /// The number.
    pub input_tokens: u32,
}
