//! What is kept. Plain data: it is written as JSON with a version in front, so a field may be added at any time if it
//! has a default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = u64;

/// A conversation without its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Conversation {
    /// `conv_` and 24 letters and digits.
    pub id: String,
    /// Empty until the first exchange gives one.
    pub title: String,
    /// Whether a person gave the title; such a title is never replaced by a suggestion.
    pub title_is_given: bool,
    /// Labels, each once, in the order they were given.
    pub tags: Vec<String>,
    /// Listed first.
    pub pinned: bool,
    /// Not listed unless asked for.
    pub archived: bool,
    /// Instructions in front of every exchange.
    pub system_prompt: Option<String>,
    /// Model of the next answer.
    pub model: Option<String>,
    /// Parameters of the next answer, under their API names.
    pub parameters: Map<String, Value>,
    /// When it began.
    pub created_ms: Millis,
    /// When a message or a setting last changed.
    pub updated_ms: Millis,
    /// The last message of the branch that is shown.
    pub current: Option<String>,
    /// Messages in all branches.
    pub messages: u64,
}

/// One message in the tree of a conversation: `parent` is the message before it, siblings are branches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Message {
    /// `msg_` and 24 letters and digits.
    pub id: String,
    /// The conversation it belongs to.
    pub conversation: String,
    /// The message before it; `None` for a first one.
    pub parent: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What the model thought before it spoke.
    pub reasoning: Option<String>,
    /// Files sent along.
    pub attachments: Vec<Attachment>,
    /// When it was written; of an answer, when it was asked for.
    pub created_ms: Millis,
    /// How far it is.
    pub status: Status,
    /// Of an answer: what made it and how.
    pub answer: Option<Answer>,
    /// Of an answer: the tools it calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Of the result of a tool: which call it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ToolCall {
    /// Id that the result refers to.
    pub id: String,
    /// Name of the function.
    pub name: String,
    /// Arguments as JSON text.
    pub arguments: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it shall be.
    #[default]
    Complete,
    /// Being written now.
    Generating,
    /// Ended by the person; may be continued.
    Stopped,
    /// Ended by an error, which `Answer::error` has.
    Failed,
    /// The server ended in the middle; found when the store was next opened. May be continued.
    Interrupted,
}

/// What made an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Answer {
    /// Model id.
    pub model: String,
    /// Engine that ran it.
    pub engine: String,
    /// `stop`, `length` or `tool_calls`; `None` while running and where it was cut off.
    pub finish_reason: Option<String>,
    /// Parameters it was asked with, under their API names.
    pub parameters: Map<String, Value>,
    /// Counts of tokens, when it has ended.
    pub usage: Option<TokenCounts>,
    /// Times, when it has ended.
    pub timings: Option<Times>,
    /// What went wrong.
    pub error: Option<String>,
    /// Of one that a program asked for as a response: how it was asked for (the type is `tern-api`'s).
    #[serde(skip_serializing_if = "Value::is_null")]
    pub response: Value,
}

/// Tokens of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct TokenCounts {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Of these, taken from the cache.
    pub cached_tokens: u32,
    /// Of the answer, reasoning included.
    pub completion_tokens: u32,
    /// Of these, reasoning.
    pub reasoning_tokens: u32,
}

/// Times of an answer, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Times {
    /// Loading the model, if it was not in memory.
    pub load_ms: f64,
    /// Waiting in the queue.
    pub queue_ms: f64,
    /// Computing the prompt.
    pub prefill_ms: f64,
    /// Writing the answer.
    pub decode_ms: f64,
    /// From asking to the first token (loading and waiting included).
    pub first_token_ms: f64,
    /// From asking to the end.
    pub total_ms: f64,
    /// The reasoning part of `decode_ms`.
    pub reasoning_ms: f64,
}

/// A file sent along with a message. The bytes lie beside it in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Attachment {
    /// `file_` and 24 letters and digits.
    pub id: String,
    /// Name as the person had it.
    pub name: String,
    /// Media type, such as `text/plain`.
    pub media_type: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Byte of the text that it stands before, if it is an image that came within the text; otherwise it comes in front of
    /// the text, under its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// A comparison: what was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Comparison {
    /// `cmp_` and 24 letters and digits.
    pub id: String,
    /// Shown in lists; the prompt's beginning unless renamed.
    pub title: String,
    /// When it was asked for.
    pub created_ms: Millis,
    /// When it last changed.
    pub updated_ms: Millis,
    /// How far it is.
    pub status: Status,
    /// The request as it was made (the type is `tern-compare`'s).
    pub request: Value,
    /// The results (the type is `tern-compare`'s).
    pub results: Value,
    /// Votes and notes of people (the type is `tern-compare`'s).
    pub judgement: Value,
}
