//! What a program asks for.

use std::collections::BTreeMap;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::items::InputItem;
use crate::{
    http::{lenient, union::any_of},
    openai::Strings,
};

/// An answer to ask for. Fields that are not listed are accepted and ignored; null is the same as absent.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct ResponseRequest {
    /// Model id, as `GET /v1/models` lists them. Default: the model that gave the previous response.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What is said: a text, or items.
    #[oai(nullable)]
    pub input: Option<ResponseInput>,
    /// Instructions in front of everything. They hold for this response alone.
    #[oai(nullable)]
    pub instructions: Option<String>,
    /// Go on behind this response, which was stored. An answer in a conversation of the page is one too: that of the
    /// message `msg_x` is `resp_x`.
    #[oai(nullable)]
    pub previous_response_id: Option<String>,
    /// Go on at the end of this conversation instead.
    #[oai(nullable)]
    pub conversation: Option<ConversationParam>,
    /// Keep the response, as part of a conversation. Default true.
    #[oai(nullable)]
    pub store: Option<bool>,
    /// Answer at once, and go on without the client: `GET /v1/responses/{id}` has the rest.
    #[oai(nullable)]
    pub background: Option<bool>,
    /// Send the answer as it is generated, as server-sent events.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// Up to 16 texts to find it by, which come back with the response.
    #[oai(nullable)]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Functions that the model may call. Tools of other types are skipped, and named in `x-ignored-params`.
    #[oai(nullable)]
    pub tools: Option<Vec<Value>>,
    /// `"auto"`, `"none"`, `"required"`, `{"type": "function", "name": ...}` or `{"type": "allowed_tools", ...}`.
    #[oai(nullable)]
    pub tool_choice: Option<Value>,
    /// Whether an answer may call several tools. Default true.
    #[oai(nullable)]
    pub parallel_tool_calls: Option<bool>,
    /// Most tokens an answer may have, reasoning included. Default: up to the context length.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_output_tokens: Option<u32>,
    /// Accepted and named in `x-ignored-params`: all tools are the client's own.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_tool_calls: Option<u32>,
    /// How much the model thinks, and how its thoughts are sent.
    #[oai(nullable)]
    pub reasoning: Option<ReasoningParam>,
    /// The form of the answer.
    #[oai(nullable)]
    pub text: Option<TextParam>,
    /// What else the response shall have: `message.output_text.logprobs`. Others are accepted.
    #[oai(nullable)]
    pub include: Option<Vec<String>>,
    /// Logprobs with so many alternatives each, 0 to 20.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub top_logprobs: Option<u32>,
    /// `disabled`, the default: what does not fit is an error. `auto`: the oldest turns are left out.
    #[oai(nullable)]
    pub truncation: Option<String>,
    /// 0 always takes the most likely token; higher is more varied. Default 1.
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
    /// Subtracted from the score of every token already used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub presence_penalty: Option<f64>,
    /// Subtracted once for each time a token was used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub frequency_penalty: Option<f64>,
    /// Same seed, same request: same answer.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::seed")]
    pub seed: Option<u64>,
    /// Texts that end an answer.
    #[oai(nullable)]
    pub stop: Option<Strings>,
    /// Extra variables for the chat template, such as `{"enable_thinking": false}`.
    #[oai(nullable)]
    pub chat_template_kwargs: Option<BTreeMap<String, Value>>,
    /// Refused: templates of prompts are kept by OpenAI's own service.
    #[oai(nullable)]
    pub prompt: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub service_tier: Option<Value>,
    /// Accepted, and sent back.
    #[oai(nullable)]
    pub user: Option<String>,
    /// Accepted, and sent back: what is cached is found without it.
    #[oai(nullable)]
    pub prompt_cache_key: Option<String>,
    /// Accepted, and sent back.
    #[oai(nullable)]
    pub safety_identifier: Option<String>,
}

impl poem_openapi::types::Example for ResponseRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            input: Some(ResponseInput::Text("What is Tern?".into())),
            max_output_tokens: Some(100),
            temperature: Some(0.0),
            stream: Some(false),
            ..Self::default()
        }
    }
}

/// What is said.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of items")]
pub enum ResponseInput {
    /// A text of the person.
    Text(String),
    /// Messages, calls of tools, their results.
    Items(Vec<InputItem>),
}

any_of!(ResponseInput { String, Vec<InputItem> });

/// A conversation by its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the id of a conversation, or an object with it")]
pub enum ConversationParam {
    /// The id alone.
    Id(String),
    /// In an object.
    Object(ConversationRef),
}

any_of!(ConversationParam { String, ConversationRef });

impl ConversationParam {
    /// The id.
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => &object.id,
        }
    }
}

/// A conversation.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
pub struct ConversationRef {
    /// Its id, under which `/api/conversations` has it.
    pub id: String,
}

/// How much a model thinks.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasoningParam {
    /// `none`, `minimal`, `low`, `medium`, `high` or `xhigh`.
    #[oai(nullable)]
    pub effort: Option<String>,
    /// With any value (`auto`, `concise`, `detailed`) the thoughts are sent as the summary, which is where some clients
    /// look for them; without one as `reasoning_text`. They are the same.
    #[oai(nullable)]
    pub summary: Option<String>,
}

/// The form of an answer.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct TextParam {
    /// `{"type": "text"}`, `{"type": "json_object"}` or `{"type": "json_schema", "name": ..., "schema": ...}`.
    #[oai(nullable)]
    pub format: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub verbosity: Option<String>,
}
