//! Requests for answers, as Ollama's clients send them.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    http::{lenient, union::any_of},
    openai::Strings,
};

/// A dialogue to answer. Without messages the model is only loaded, or with `keep_alive: 0` unloaded. Fields that are
/// not listed are accepted and ignored; null is the same as absent.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaChatRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The dialogue.
    #[oai(nullable)]
    pub messages: Option<Vec<OllamaMessage>>,
    /// Send the answer as it is generated, a JSON object a line. Default true.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// `"json"`, or a JSON schema that the answer follows.
    #[oai(nullable)]
    pub format: Option<Value>,
    /// Settings of the generation.
    #[oai(nullable)]
    pub options: Option<OllamaOptions>,
    /// Functions that the model may call, in OpenAI's shape.
    #[oai(nullable)]
    pub tools: Option<Vec<Value>>,
    /// Whether the model thinks before it answers, or how much: `low`, `medium`, `high`.
    #[oai(nullable)]
    pub think: Option<OllamaThink>,
    /// 0 unloads the model behind the answer, where a key is needed with one of the scope admin. Other times are
    /// accepted and named in `x-ignored-params`: models stay as long as `tern serve --keep-alive` says.
    #[oai(nullable)]
    pub keep_alive: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub logprobs: Option<Value>,
}

impl poem_openapi::types::Example for OllamaChatRequest {
    fn example() -> Self {
        let message = OllamaMessage { content: Some("What is Tern?".into()), ..OllamaMessage::default() };
        Self {
            model: Some("tern-guide".into()),
            messages: Some(vec![message]),
            stream: Some(false),
            options: Some(OllamaOptions { temperature: Some(0.0), num_predict: Some(100), ..OllamaOptions::default() }),
            ..Self::default()
        }
    }
}

/// A text to answer or to continue. Without one the model is only loaded, or with `keep_alive: 0` unloaded.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaGenerateRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What to answer: a message of a person, or with `raw` the whole prompt.
    #[oai(nullable)]
    pub prompt: Option<String>,
    /// Refused: text cannot be inserted.
    #[oai(nullable)]
    pub suffix: Option<String>,
    /// Instructions.
    #[oai(nullable)]
    pub system: Option<String>,
    /// How instructions and prompt become the text that is continued, in place of the model's own template: `{{ .System
    /// }}`, `{{ .Prompt }}`, `{{ .Response }}`, `{{ if .System }}`, `{{ else }}` and `{{ end }}`.
    #[oai(nullable)]
    pub template: Option<String>,
    /// Continue the prompt as it is, without a template.
    #[oai(nullable)]
    pub raw: Option<bool>,
    /// Images in base64, for models that can see.
    #[oai(nullable)]
    pub images: Option<Vec<String>>,
    /// Send the answer as it is generated, a JSON object a line. Default true.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// `"json"`, or a JSON schema that the answer follows.
    #[oai(nullable)]
    pub format: Option<Value>,
    /// Settings of the generation.
    #[oai(nullable)]
    pub options: Option<OllamaOptions>,
    /// Whether the model thinks before it answers, or how much: `low`, `medium`, `high`.
    #[oai(nullable)]
    pub think: Option<OllamaThink>,
    /// 0 unloads the model behind the answer, where a key is needed with one of the scope admin. Other times are
    /// accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub keep_alive: Option<Value>,
    /// Accepted and named in `x-ignored-params`: send the dialogue to `POST /api/chat`.
    #[oai(nullable)]
    pub context: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub logprobs: Option<Value>,
}

impl poem_openapi::types::Example for OllamaGenerateRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            prompt: Some("What is Tern?".into()),
            stream: Some(false),
            options: Some(OllamaOptions { temperature: Some(0.0), num_predict: Some(100), ..OllamaOptions::default() }),
            ..Self::default()
        }
    }
}

/// One message of a dialogue.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct OllamaMessage {
    /// Who speaks.
    pub role: OllamaRole,
    /// What is said.
    #[oai(nullable)]
    pub content: Option<String>,
    /// What the model thought before it.
    #[oai(nullable)]
    pub thinking: Option<String>,
    /// Images in base64, for models that can see.
    #[oai(nullable)]
    pub images: Option<Vec<String>>,
    /// Tool calls of an assistant.
    #[oai(nullable)]
    pub tool_calls: Option<Vec<OllamaToolCall>>,
    /// The function whose result a tool message is.
    #[oai(nullable)]
    pub tool_name: Option<String>,
    /// The call whose result it is, where calls have ids. Without, results answer the calls of their function in order.
    #[oai(nullable)]
    pub tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum OllamaRole {
    /// Instructions.
    System,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// A tool call.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct OllamaToolCall {
    /// Id that the result may refer to.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function called.
    pub function: OllamaFunction,
}

/// The function of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct OllamaFunction {
    /// Its name.
    pub name: String,
    /// Its arguments: an object.
    pub arguments: Value,
}

/// Whether to think, or how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false, \"low\", \"medium\" or \"high\"")]
pub enum OllamaThink {
    /// Whether.
    Switch(bool),
    /// How much.
    Level(String),
}

any_of!(OllamaThink { bool, String });

/// Settings of a generation. What is not given has Ollama's defaults: temperature 0.8, `top_k` 40, `top_p` 0.9; but no
/// penalty for repeating, which spoils JSON and calls.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct OllamaOptions {
    /// 0 always takes the most likely token; higher is more varied.
    #[oai(nullable)]
    pub temperature: Option<f64>,
    /// Keep this many most likely tokens; 0 all.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub top_k: Option<i32>,
    /// Keep the most likely tokens that together reach this probability.
    #[oai(nullable)]
    pub top_p: Option<f64>,
    /// Drop tokens less likely than this share of the most likely one. Default 0: none.
    #[oai(nullable)]
    pub min_p: Option<f64>,
    /// Locally typical sampling. Default 1: off.
    #[oai(nullable)]
    pub typical_p: Option<f64>,
    /// Same seed, same request: same answer. Below 0 is none.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::seed")]
    pub seed: Option<u64>,
    /// Most tokens of the answer; 0 and less up to the context length.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub num_predict: Option<i32>,
    /// Texts that end the answer.
    #[oai(nullable)]
    pub stop: Option<Strings>,
    /// Makes tokens seen lately less likely. Default 1: off.
    #[oai(nullable)]
    pub repeat_penalty: Option<f64>,
    /// How many tokens back `repeat_penalty` looks; -1 the whole context. Default 64.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub repeat_last_n: Option<i32>,
    /// Subtracted from the score of every token already used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub presence_penalty: Option<f64>,
    /// Subtracted once for each time a token was used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub frequency_penalty: Option<f64>,
    /// Accepted and named in `x-ignored-params`, as are the options that follow: the context is set by `tern serve
    /// --ctx-size`.
    #[oai(nullable)]
    pub num_ctx: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub num_keep: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub num_batch: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub num_gpu: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub main_gpu: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub num_thread: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub use_mmap: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub use_mlock: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub numa: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub penalize_newline: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub tfs_z: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub mirostat: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub mirostat_tau: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub mirostat_eta: Option<Value>,
}
