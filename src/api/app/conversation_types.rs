//! Conversations and messages as the API shows them: what is stored, described.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tern_conversations::{AnswerEvent, Stage};
use tern_store as store;

use crate::{http::lenient, openai::Strings};

/// A conversation without its messages.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Empty until the first answer has come; then a suggestion, unless one is given.
    pub title: String,
    /// Whether a person gave the title.
    pub title_is_given: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// Listed first.
    pub pinned: bool,
    /// Listed only when asked for.
    pub archived: bool,
    /// Instructions in front of every exchange.
    #[oai(nullable)]
    pub system_prompt: Option<String>,
    /// Model of the next answer.
    #[oai(nullable)]
    pub model: Option<String>,
    /// Parameters of the next answer.
    pub parameters: BTreeMap<String, Value>,
    /// When it began, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it last changed.
    pub updated_ms: u64,
    /// The last message of the branch that is shown.
    #[oai(nullable)]
    pub current: Option<String>,
    /// Messages in all branches.
    pub messages: u64,
}

/// A conversation with its messages.
#[derive(Debug, Clone, Object, Serialize)]
pub struct WholeConversation {
    /// The conversation.
    #[oai(flatten)]
    #[serde(flatten)]
    pub conversation: Conversation,
    /// Messages of all branches, parents before children, siblings in the order they came.
    pub tree: Vec<Message>,
}

/// A message. `parent` is the message before it; those with one parent are branches.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The conversation it belongs to.
    pub conversation: String,
    /// The message before it; null for a first one.
    #[oai(nullable)]
    pub parent: Option<String>,
    /// Who speaks.
    pub role: MessageRole,
    /// What is said.
    pub content: String,
    /// What the model thought before it spoke.
    #[oai(nullable)]
    pub reasoning: Option<String>,
    /// Files sent along.
    pub attachments: Vec<Attachment>,
    /// When it was written; of an answer, when it was asked for.
    pub created_ms: u64,
    /// How far it is.
    pub status: MessageStatus,
    /// Of an answer: what made it.
    #[oai(nullable)]
    pub answer: Option<Answer>,
    /// Of an answer to a program: the tools it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Of the result of a tool: which call it answers.
    #[oai(nullable)]
    pub tool_call_id: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ToolCall {
    /// Id that the result refers to.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments as JSON text.
    pub arguments: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool, whose result a program brought.
    Tool,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// As it shall be.
    Complete,
    /// Being written now.
    Generating,
    /// Ended by the person; may be continued.
    Stopped,
    /// Ended by an error.
    Failed,
    /// The server ended in the middle; may be continued.
    Interrupted,
}

/// What made an answer.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Answer {
    /// Model id.
    pub model: String,
    /// Engine that ran it.
    pub engine: String,
    /// `stop`, `length` or `tool_calls`; null while it runs and where it was cut off.
    #[oai(nullable)]
    pub finish_reason: Option<String>,
    /// Parameters it was asked with.
    pub parameters: BTreeMap<String, Value>,
    /// Counts of tokens, when it has ended.
    #[oai(nullable)]
    pub usage: Option<TokenCounts>,
    /// Times, when it has ended.
    #[oai(nullable)]
    pub timings: Option<AnswerTimes>,
    /// What went wrong.
    #[oai(nullable)]
    pub error: Option<String>,
}

/// Tokens of an exchange.
#[derive(Debug, Clone, Copy, Object, Serialize)]
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
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct AnswerTimes {
    /// Loading the model, if it was not in memory.
    pub load_ms: f64,
    /// Waiting in the queue.
    pub queue_ms: f64,
    /// Computing the prompt.
    pub prefill_ms: f64,
    /// Writing the answer.
    pub decode_ms: f64,
    /// From asking to the first token, loading and waiting included.
    pub first_token_ms: f64,
    /// From asking to the end.
    pub total_ms: f64,
    /// The reasoning part of `decode_ms`.
    pub reasoning_ms: f64,
}

/// A file sent along with a message.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Attachment {
    /// Its id.
    pub id: String,
    /// Name as the person had it.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl From<store::Conversation> for Conversation {
    fn from(from: store::Conversation) -> Self {
        Self {
            id: from.id,
            title: from.title,
            title_is_given: from.title_is_given,
            tags: from.tags,
            pinned: from.pinned,
            archived: from.archived,
            system_prompt: from.system_prompt,
            model: from.model,
            parameters: from.parameters.into_iter().collect(),
            created_ms: from.created_ms,
            updated_ms: from.updated_ms,
            current: from.current,
            messages: from.messages,
        }
    }
}

impl From<store::Message> for Message {
    fn from(from: store::Message) -> Self {
        Self {
            id: from.id,
            conversation: from.conversation,
            parent: from.parent,
            role: match from.role {
                store::Role::System => MessageRole::System,
                store::Role::User => MessageRole::User,
                store::Role::Assistant => MessageRole::Assistant,
                store::Role::Tool => MessageRole::Tool,
            },
            content: from.content,
            reasoning: from.reasoning,
            attachments: from.attachments.into_iter().map(Into::into).collect(),
            created_ms: from.created_ms,
            status: match from.status {
                store::Status::Complete => MessageStatus::Complete,
                store::Status::Generating => MessageStatus::Generating,
                store::Status::Stopped => MessageStatus::Stopped,
                store::Status::Failed => MessageStatus::Failed,
                store::Status::Interrupted => MessageStatus::Interrupted,
            },
            answer: from.answer.map(Into::into),
            tool_calls: from.tool_calls.into_iter().map(Into::into).collect(),
            tool_call_id: from.tool_call_id,
        }
    }
}

impl From<store::ToolCall> for ToolCall {
    fn from(from: store::ToolCall) -> Self {
        Self { id: from.id, name: from.name, arguments: from.arguments }
    }
}

impl From<store::Answer> for Answer {
    fn from(from: store::Answer) -> Self {
        Self {
            model: from.model,
            engine: from.engine,
            finish_reason: from.finish_reason,
            parameters: from.parameters.into_iter().collect(),
            usage: from.usage.map(|usage| TokenCounts {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.cached_tokens,
                completion_tokens: usage.completion_tokens,
                reasoning_tokens: usage.reasoning_tokens,
            }),
            timings: from.timings.map(|times| AnswerTimes {
                load_ms: times.load_ms,
                queue_ms: times.queue_ms,
                prefill_ms: times.prefill_ms,
                decode_ms: times.decode_ms,
                first_token_ms: times.first_token_ms,
                total_ms: times.total_ms,
                reasoning_ms: times.reasoning_ms,
            }),
            error: from.error,
        }
    }
}

impl From<store::Attachment> for Attachment {
    fn from(from: store::Attachment) -> Self {
        Self { id: from.id, name: from.name, media_type: from.media_type, bytes: from.bytes }
    }
}

/// Parameters of answers. Those that are not given have the server's defaults; null is the same as absent.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct AnswerParameters {
    /// 0 always takes the most likely token; higher is more varied. 0 to 100; default 0.7, and 0 for the built-in
    /// model.
    #[oai(nullable)]
    pub temperature: Option<f64>,
    /// Keep the most likely tokens that together reach this probability. Default 1: all.
    #[oai(nullable)]
    pub top_p: Option<f64>,
    /// Keep this many most likely tokens. Default 0: all.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub top_k: Option<i32>,
    /// Drop tokens less likely than this share of the most likely one. Default 0: none.
    #[oai(nullable)]
    pub min_p: Option<f64>,
    /// Most tokens an answer may have. Default: up to the context length.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_tokens: Option<u32>,
    /// Same seed, same conversation: same answer.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::seed")]
    pub seed: Option<u64>,
    /// Subtracted from the score of every token already used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub presence_penalty: Option<f64>,
    /// Subtracted once for each time a token was used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub frequency_penalty: Option<f64>,
    /// Makes tokens seen lately less likely. Default 1: off.
    #[oai(nullable)]
    pub repeat_penalty: Option<f64>,
    /// Texts that end an answer.
    #[oai(nullable)]
    pub stop: Option<Strings>,
    /// Extra variables for the chat template, such as `{"enable_thinking": false}`.
    #[oai(nullable)]
    pub chat_template_kwargs: Option<BTreeMap<String, Value>>,
}

impl AnswerParameters {
    /// Those that are given, under their names.
    pub fn given(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }
}

/// An event of an answer. `type` says which of the other fields it has:
///
/// - `messages` comes first: `conversation`, and `messages` with the person's message (if it is new) and the answer,
///   which
///   grows from here;
/// - `state`: `state` and, of loading and computing the prompt, `share`;
/// - `reasoning` and `text`: the next piece, in `text`;
/// - `saved`: `saved` and `reason`, when the disk refuses what is written, or takes it again;
/// - `end` comes last: `message` as it is kept, and `conversation`, perhaps with a title.
#[derive(Debug, Object)]
#[allow(dead_code)] // Only described: events are written as the service has them.
pub(crate) struct AnswerStreamEvent {
    /// `messages`, `state`, `reasoning`, `text`, `saved` or `end`.
    #[oai(rename = "type")]
    pub kind: String,
    /// The conversation.
    pub conversation: Option<Conversation>,
    /// The messages of the exchange.
    pub messages: Option<Vec<Message>>,
    /// `queued`, `loading`, `prefill`, `thinking` or `writing`.
    pub state: Option<String>,
    /// Share that is done, 0 to 1.
    #[oai(nullable)]
    pub share: Option<f64>,
    /// The next piece.
    pub text: Option<String>,
    /// Whether everything is saved.
    pub saved: Option<bool>,
    /// Why not.
    #[oai(nullable)]
    pub reason: Option<String>,
    /// The answer.
    pub message: Option<Message>,
}

/// An event as it goes out.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventOut {
    Messages { conversation: Conversation, messages: Vec<Message> },
    State { state: Stage, share: Option<f64> },
    Reasoning { text: String },
    Text { text: String },
    Saved { saved: bool, reason: Option<String> },
    End { message: Box<Message>, conversation: Box<Conversation> },
}

impl From<AnswerEvent> for EventOut {
    fn from(event: AnswerEvent) -> Self {
        match event {
            AnswerEvent::Messages { conversation, messages } => Self::Messages {
                conversation: (*conversation).into(),
                messages: messages.into_iter().map(Into::into).collect(),
            },
            AnswerEvent::State { state, share } => Self::State { state, share },
            AnswerEvent::Reasoning { text } => Self::Reasoning { text },
            AnswerEvent::Text { text } => Self::Text { text },
            AnswerEvent::Saved { saved, reason } => Self::Saved { saved, reason },
            AnswerEvent::End { message, conversation } => {
                Self::End { message: Box::new((*message).into()), conversation: Box::new((*conversation).into()) }
            }
        }
    }
}
