//! Requests of the messages API.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{lenient, union::any_of};

/// A dialogue to answer. Fields that are not listed are accepted and ignored; null is the same as absent.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct MessagesRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The dialogue, without its instructions. A last message of the assistant is continued.
    #[oai(validator(min_items = 1))]
    pub messages: Vec<MessagesInput>,
    /// Most tokens the answer may have, thinking included. Needed, but where tokens are only counted.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_tokens: Option<u32>,
    /// Instructions: a string, or blocks of text.
    #[oai(nullable)]
    pub system: Option<MessagesContent>,
    /// Send the answer as it is generated, as server-sent events.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// Texts that end the answer.
    #[oai(nullable)]
    pub stop_sequences: Option<Vec<String>>,
    /// 0 always takes the most likely token; 0 to 1. Default 1.
    #[oai(nullable)]
    pub temperature: Option<f64>,
    /// Keep the most likely tokens that together reach this probability. Default 1: all.
    #[oai(nullable)]
    pub top_p: Option<f64>,
    /// Keep this many most likely tokens. Default 0: all.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub top_k: Option<i32>,
    /// Tools that the model may call. Those that Anthropic's servers would run (web search and the like) are passed
    /// over and named in `x-ignored-params`.
    #[oai(nullable)]
    pub tools: Option<Vec<MessagesTool>>,
    /// Whether tools may or must be called.
    #[oai(nullable)]
    pub tool_choice: Option<MessagesToolChoice>,
    /// How much the model may think before it answers.
    #[oai(nullable)]
    pub thinking: Option<MessagesThinking>,
    /// The form of the answer, and how much effort it is worth.
    #[oai(nullable)]
    pub output_config: Option<MessagesOutput>,
    /// The form of the answer, by its older place.
    #[oai(nullable)]
    pub output_format: Option<MessagesFormat>,
    /// Accepted; nothing is kept about users.
    #[oai(nullable)]
    pub metadata: Option<Value>,
    /// Accepted: what prompts have in common is found without it.
    #[oai(nullable)]
    pub cache_control: Option<Value>,
    /// Accepted and named in `x-ignored-params`, as are the fields that follow.
    #[oai(nullable)]
    pub context_management: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub service_tier: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub mcp_servers: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub container: Option<Value>,
}

impl poem_openapi::types::Example for MessagesRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            max_tokens: Some(100),
            messages: vec![MessagesInput {
                role: MessagesRole::User,
                content: MessagesContent::Text("What is Tern?".into()),
            }],
            temperature: Some(0.0),
            ..Self::default()
        }
    }
}

/// One message of a dialogue.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct MessagesInput {
    /// Who speaks.
    pub role: MessagesRole,
    /// What is said: a string, or blocks.
    pub content: MessagesContent,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum MessagesRole {
    /// The person.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the dialogue.
    System,
}

/// A string, or blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of content blocks")]
pub enum MessagesContent {
    /// Plain text.
    Text(String),
    /// Blocks.
    Blocks(Vec<MessagesBlock>),
}

any_of!(MessagesContent { String, Vec<MessagesBlock> });

/// A block of a message: `text`, `image`, `tool_use`, `tool_result`, `thinking` or `redacted_thinking`; others are
/// refused by name.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesBlock {
    /// Which of them.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Text of a `text` block.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where the image of an `image` block is.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<MessagesSource>,
    /// Id of a `tool_use` block.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool of a `tool_use` block.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The arguments of a `tool_use` block.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Which call a `tool_result` block answers.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    /// What the tool of a `tool_result` block gave: a string, or blocks of text and images.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<MessagesContent>,
    /// Whether the tool failed.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    /// What a `thinking` block says.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Accepted, not checked.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Accepted: what prompts have in common is found without it.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
}

/// Where an image is.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesSource {
    /// `base64` or `url`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// `image/png` and the like.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The file in base64.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// A data URL, or with `--allow-image-urls` an `http` or `https` URL.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesTool {
    /// `custom`, which is the default; any other is passed over.
    #[oai(rename = "type", nullable)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the model calls it.
    pub name: String,
    /// What it does.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// Whether the arguments must follow the schema.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Accepted: what prompts have in common is found without it.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
}

/// Whether tools may or must be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesToolChoice {
    /// `auto`, `any`, `tool` or `none`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The tool that must be called, with `tool`.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One call at most.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_parallel_tool_use: Option<bool>,
}

/// How much the model may think.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesThinking {
    /// `enabled`, `disabled` or `adaptive`, which leaves it to the model.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Most tokens of thinking, with `enabled`.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::u32")]
    pub budget_tokens: Option<u32>,
}

/// The form of the answer, and how much effort it is worth.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesOutput {
    /// `low`, `medium`, `high`, `xhigh` or `max`.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The form.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<MessagesFormat>,
}

/// The form of an answer.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct MessagesFormat {
    /// `json_schema`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The schema.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}
