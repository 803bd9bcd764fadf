//! A response, and how it was asked for.

use std::collections::BTreeMap;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tern_store::TokenCounts;

use super::{
    items::OutputItem,
    request::{ConversationRef, ResponseRequest},
};

/// What was asked for besides the dialogue: kept with an answer, and shown with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The message behind which it was asked for (`tern_conversations::PREVIOUS`).
    pub previous: Option<String>,
    /// Whether that was said as a response's id.
    pub by_response: bool,
    pub store: bool,
    pub background: bool,
    pub instructions: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub tools: Vec<Value>,
    pub tool_choice: Value,
    pub parallel_tool_calls: Option<bool>,
    pub max_output_tokens: Option<u32>,
    pub max_tool_calls: Option<u32>,
    pub effort: Option<String>,
    pub summary: Option<String>,
    pub format: Value,
    pub verbosity: Option<String>,
    pub truncation: Option<String>,
    pub top_logprobs: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub user: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub safety_identifier: Option<String>,
}

impl Settings {
    /// Those of a request.
    pub fn of(request: &ResponseRequest) -> Self {
        let reasoning = request.reasoning.clone().unwrap_or_default();
        let text = request.text.clone().unwrap_or_default();
        Self {
            previous: None,
            by_response: request.previous_response_id.is_some(),
            store: request.store.unwrap_or(true),
            background: request.background.unwrap_or(false),
            instructions: request.instructions.clone(),
            metadata: request.metadata.clone().unwrap_or_default(),
            tools: request.tools.clone().unwrap_or_default(),
            tool_choice: request.tool_choice.clone().unwrap_or_default(),
            parallel_tool_calls: request.parallel_tool_calls,
            max_output_tokens: request.max_output_tokens,
            max_tool_calls: request.max_tool_calls,
            effort: reasoning.effort,
            summary: reasoning.summary,
            format: text.format.unwrap_or_default(),
            verbosity: text.verbosity,
            truncation: request.truncation.clone(),
            top_logprobs: request.top_logprobs,
            temperature: request.temperature,
            top_p: request.top_p,
            user: request.user.clone(),
            prompt_cache_key: request.prompt_cache_key.clone(),
            safety_identifier: request.safety_identifier.clone(),
        }
    }
}

/// An answer that a program asked for.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(rename = "ResponseObject")]
pub struct Response {
    /// `resp_`, and what follows `msg_` in the id of its message.
    pub id: String,
    /// `response`.
    pub object: String,
    /// Seconds since 1970.
    pub created_at: u64,
    /// `in_progress`, `completed`, `incomplete`, `cancelled` or `failed`.
    pub status: String,
    /// Whether it goes on without its client.
    pub background: bool,
    /// Why it failed.
    #[oai(nullable)]
    pub error: Option<ResponseError>,
    /// Why it is not complete; null also where its client left or the server ended.
    #[oai(nullable)]
    pub incomplete_details: Option<IncompleteDetails>,
    /// Instructions, as they were given.
    #[oai(nullable)]
    pub instructions: Option<String>,
    /// Most tokens it may have.
    #[oai(nullable)]
    pub max_output_tokens: Option<u32>,
    /// As it was given.
    #[oai(nullable)]
    pub max_tool_calls: Option<u32>,
    /// Texts to find it by.
    pub metadata: BTreeMap<String, String>,
    /// Model that answers.
    pub model: String,
    /// What the model thought, says and calls.
    pub output: Vec<OutputItem>,
    /// Whether several tools may be called.
    pub parallel_tool_calls: bool,
    /// The response that it goes on behind.
    #[oai(nullable)]
    pub previous_response_id: Option<String>,
    /// The conversation that it is part of, if it is kept.
    #[oai(nullable)]
    pub conversation: Option<ConversationRef>,
    /// As it was given.
    #[oai(nullable)]
    pub prompt_cache_key: Option<String>,
    /// How much the model was to think.
    pub reasoning: ReasoningSetting,
    /// As it was given.
    #[oai(nullable)]
    pub safety_identifier: Option<String>,
    /// `default`.
    pub service_tier: String,
    /// Whether it is kept.
    pub store: bool,
    /// 0 always takes the most likely token.
    pub temperature: f64,
    /// The form of the answer.
    pub text: TextSetting,
    /// Which tools may or must be called.
    pub tool_choice: Value,
    /// The tools, as they were given.
    pub tools: Vec<Value>,
    /// Logprobs with so many alternatives.
    pub top_logprobs: u32,
    /// Share of probability that is kept.
    pub top_p: f64,
    /// `disabled` or `auto`, as it was given.
    pub truncation: String,
    /// Token counts, at its end.
    #[oai(nullable)]
    pub usage: Option<ResponseUsage>,
    /// As it was given.
    #[oai(nullable)]
    pub user: Option<String>,
}

impl Response {
    /// One that has just begun.
    pub fn new(id: String, created_at: u64, model: String, settings: &Settings) -> Self {
        let format = if settings.format.is_null() { json!({"type": "text"}) } else { settings.format.clone() };
        let choice = if settings.tool_choice.is_null() { json!("auto") } else { settings.tool_choice.clone() };
        let previous = settings.previous.as_deref().filter(|_| settings.by_response);
        Self {
            id,
            object: "response".into(),
            created_at,
            status: "in_progress".into(),
            background: settings.background,
            error: None,
            incomplete_details: None,
            instructions: settings.instructions.clone(),
            max_output_tokens: settings.max_output_tokens,
            max_tool_calls: settings.max_tool_calls,
            metadata: settings.metadata.clone(),
            model,
            output: Vec::new(),
            parallel_tool_calls: settings.parallel_tool_calls.unwrap_or(true),
            previous_response_id: previous.map(super::ids::response_of),
            conversation: None,
            prompt_cache_key: settings.prompt_cache_key.clone(),
            reasoning: ReasoningSetting { effort: settings.effort.clone(), summary: settings.summary.clone() },
            safety_identifier: settings.safety_identifier.clone(),
            service_tier: "default".into(),
            store: settings.store,
            temperature: settings.temperature.unwrap_or(1.0),
            text: TextSetting { format, verbosity: settings.verbosity.clone() },
            tool_choice: choice,
            tools: settings.tools.clone(),
            top_logprobs: settings.top_logprobs.unwrap_or(0),
            top_p: settings.top_p.unwrap_or(1.0),
            truncation: settings.truncation.clone().unwrap_or_else(|| "disabled".into()),
            usage: None,
            user: settings.user.clone(),
        }
    }
}

/// Why a response failed.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct ResponseError {
    /// A word for programs.
    pub code: String,
    /// What happened.
    pub message: String,
}

/// Why a response is not complete.
#[derive(Debug, Clone, Object, Serialize)]
pub struct IncompleteDetails {
    /// `max_output_tokens`.
    pub reason: String,
}

/// How much a model was to think.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ReasoningSetting {
    /// As it was given.
    #[oai(nullable)]
    pub effort: Option<String>,
    /// As it was given.
    #[oai(nullable)]
    pub summary: Option<String>,
}

/// The form of an answer.
#[derive(Debug, Clone, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct TextSetting {
    /// As it was given.
    pub format: Value,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<String>,
}

/// Token counts.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct ResponseUsage {
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Where they came from.
    pub input_tokens_details: InputTokensDetails,
    /// Tokens generated.
    pub output_tokens: u32,
    /// What they were for.
    pub output_tokens_details: OutputTokensDetails,
    /// All together.
    pub total_tokens: u32,
}

/// Where the prompt's tokens came from.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct InputTokensDetails {
    /// Tokens that were still in the cache.
    pub cached_tokens: u32,
    /// Tokens that were computed, and are in the cache since.
    pub cache_write_tokens: u32,
}

/// What the generated tokens were for.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct OutputTokensDetails {
    /// Tokens of reasoning.
    pub reasoning_tokens: u32,
}

impl From<TokenCounts> for ResponseUsage {
    fn from(counts: TokenCounts) -> Self {
        Self {
            input_tokens: counts.prompt_tokens,
            input_tokens_details: InputTokensDetails {
                cached_tokens: counts.cached_tokens,
                cache_write_tokens: counts.prompt_tokens.saturating_sub(counts.cached_tokens),
            },
            output_tokens: counts.completion_tokens,
            output_tokens_details: OutputTokensDetails { reasoning_tokens: counts.reasoning_tokens },
            total_tokens: counts.prompt_tokens + counts.completion_tokens,
        }
    }
}
