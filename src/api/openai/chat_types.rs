//! Requests and responses of chat completions.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    forms::{GrammarInput, ResponseFormat, StructuredOutputs},
    images::ImageRef,
    logprobs::ChatLogprobs,
    sampling::Strings,
    thinking::ReasoningOptions,
    tools::{AnswerFunctionCall, AnswerToolCall, ChatFunctionCall, ChatToolCall, ChunkFunctionCall, ChunkToolCall},
    usage::{Timings, Usage},
};
use crate::http::{lenient, union::any_of};

/// A dialogue to answer. Fields that are not listed are accepted and ignored; null is the same as absent.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct ChatRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The dialogue.
    #[oai(validator(min_items = 1))]
    pub messages: Vec<ChatMessage>,
    /// Send the answer as it is generated, as server-sent events.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[oai(nullable)]
    pub stream_options: Option<StreamOptions>,
    /// Most tokens an answer may have, reasoning included. Default: up to the context length.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`, which wins over it. Also as `n_predict`, llama.cpp's name.
    #[oai(nullable)]
    #[serde(alias = "n_predict", deserialize_with = "lenient::u32")]
    pub max_tokens: Option<u32>,
    /// How many answers. The prompt is computed once.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub n: Option<u32>,
    /// Texts that end an answer.
    #[oai(nullable)]
    pub stop: Option<Strings>,
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
    /// Locally typical sampling. Default 1: off.
    #[oai(nullable)]
    pub typical_p: Option<f64>,
    /// Makes tokens seen lately less likely. Default 1: off. Also as `repetition_penalty`, its name elsewhere.
    #[oai(nullable)]
    #[serde(alias = "repetition_penalty")]
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
    /// Added to the scores of tokens: ids to -100 (never) up to 100.
    #[oai(nullable)]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Same seed, same request: same answer.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::seed")]
    pub seed: Option<u64>,
    /// Return the logprobs of the answer's tokens.
    #[oai(nullable)]
    pub logprobs: Option<bool>,
    /// With so many alternatives each, 0 to 20.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub top_logprobs: Option<u32>,
    /// Continue a final assistant message instead of starting a new one.
    #[oai(nullable)]
    pub continue_final_message: Option<bool>,
    /// Extra variables for the chat template, such as `{"enable_thinking": false}`.
    #[oai(nullable)]
    pub chat_template_kwargs: Option<BTreeMap<String, Value>>,
    /// Go on at the model's own end of the answer (for benchmarks).
    #[oai(nullable)]
    pub ignore_eos: Option<bool>,
    /// Whether a prompt's beginning may be taken from the cache. Default true.
    #[oai(nullable)]
    pub cache_prompt: Option<bool>,
    /// Send `prompt_progress` chunks while the prompt is computed (streams only).
    #[oai(nullable)]
    pub return_progress: Option<bool>,
    /// Send `timings` with every chunk (streams only).
    #[oai(nullable)]
    pub timings_per_token: Option<bool>,
    /// What the answer must look like: `{"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}`,
    /// `{"type": "json_object"}` or `{"type": "text"}`. A schema that cannot be enforced whole is refused, with the
    /// path of what cannot be. The model is also told: the schema stands in the system message.
    #[oai(nullable)]
    pub response_format: Option<ResponseFormat>,
    /// A grammar for the answer, in GBNF or Lark. Of this and the fields that follow at most one can be given.
    #[oai(nullable)]
    pub grammar: Option<GrammarInput>,
    /// A JSON schema for the answer, as llama.cpp takes it.
    #[oai(nullable)]
    pub json_schema: Option<Value>,
    /// A regular expression (Rust's syntax) for the whole answer.
    #[oai(nullable)]
    pub regex: Option<String>,
    /// vLLM's name of `json_schema`.
    #[oai(nullable)]
    pub guided_json: Option<Value>,
    /// vLLM's name of `regex`.
    #[oai(nullable)]
    pub guided_regex: Option<String>,
    /// The answer is one of these texts, as vLLM takes them.
    #[oai(nullable)]
    pub guided_choice: Option<Vec<String>>,
    /// vLLM's name of `grammar`.
    #[oai(nullable)]
    pub guided_grammar: Option<String>,
    /// The same in vLLM's newer way.
    #[oai(nullable)]
    pub structured_outputs: Option<StructuredOutputs>,
    /// Functions that the model may call: `{"type": "function", "function": {"name", "description", "parameters",
    /// "strict"}}`, 128 at most. The arguments of a call are valid under the JSON schema in `parameters`. A schema that
    /// cannot be enforced is refused with `strict`; without it the arguments are any JSON object.
    #[oai(nullable)]
    pub tools: Option<Vec<Value>>,
    /// `"auto"` (the default): the model decides. `"none"`: no call. `"required"`: at least one call.
    /// `{"type": "function", "function": {"name": ...}}`: a call of this function. `{"type": "allowed_tools",
    /// "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}`: of these only.
    #[oai(nullable)]
    pub tool_choice: Option<Value>,
    /// Whether an answer may call several. Default true.
    #[oai(nullable)]
    pub parallel_tool_calls: Option<Value>,
    /// The older name of `tools`, without `type`; answered by `function_call`.
    #[oai(nullable)]
    pub functions: Option<Value>,
    /// The older name of `tool_choice`: `"auto"`, `"none"` or `{"name": ...}`.
    #[oai(nullable)]
    pub function_call: Option<Value>,
    /// What happens to a dialogue that does not fit: `disabled`, the default, refuses it; `auto` leaves out its oldest
    /// turns, never instructions nor the last message of the person. How many messages went is in `truncated_messages`
    /// of the answer (of a stream, of the chunks with `finish_reason`) and in the header `x-truncated-messages`.
    #[oai(nullable)]
    pub truncation: Option<String>,
    /// At most 16 pairs of texts, keys of at most 64 characters and values of at most 512. Accepted and named in
    /// `x-ignored-params`: answers are not stored.
    #[oai(nullable)]
    pub metadata: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub user: Option<Value>,
    /// `["text"]`.
    #[oai(nullable)]
    pub modalities: Option<Vec<String>>,
    /// Refused: there is no audio output.
    #[oai(nullable)]
    pub audio: Option<Value>,
    /// How much a model that thinks does so: `"none"`, `"minimal"` (256 tokens), `"low"` (1,024), `"medium"` (4,096),
    /// `"high"` (16,384) or `"xhigh"` (no bound). Default: what its template says, and no bound. Named in
    /// `x-ignored-params` by a model that does not think.
    #[oai(nullable)]
    pub reasoning_effort: Option<Value>,
    /// Most tokens of reasoning; when they are spent, the answer begins. 0: none; -1: no bound. Wins over
    /// `reasoning_effort`. Also as `reasoning_budget`.
    #[oai(nullable)]
    #[serde(alias = "reasoning_budget", deserialize_with = "lenient::i32")]
    pub thinking_budget: Option<i32>,
    /// The same two in one object.
    #[oai(nullable)]
    pub reasoning: Option<ReasoningOptions>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub verbosity: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub prediction: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub service_tier: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub store: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub web_search_options: Option<Value>,
    /// Accepted and named in `x-ignored-params`, as are the samplers of llama.cpp that follow.
    #[oai(nullable)]
    pub mirostat: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub dry_multiplier: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub xtc_probability: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub dynatemp_range: Option<Value>,
}

impl poem_openapi::types::Example for ChatRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            messages: vec![ChatMessage {
                role: ChatRole::User,
                content: Some(Content::Text("What is Tern?".into())),
                ..ChatMessage::default()
            }],
            stream: Some(false),
            max_tokens: Some(100),
            temperature: Some(0.0),
            ..Self::default()
        }
    }
}

/// Options of a stream.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    /// Send a last chunk with the token counts.
    #[oai(nullable)]
    pub include_usage: Option<bool>,
    /// Accepted: nothing is added to hide the length of what is sent.
    #[oai(nullable)]
    pub include_obfuscation: Option<bool>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// Instructions, by their newer name.
    Developer,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// The result of a function call, by its older name.
    Function,
}

/// One message of a dialogue.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said: a string, or parts; null beside tool calls.
    #[oai(nullable)]
    #[serde(default)]
    pub content: Option<Content>,
    /// Name of the speaker or tool.
    #[oai(nullable)]
    #[serde(default)]
    pub name: Option<String>,
    /// Tool calls of an assistant.
    #[oai(nullable)]
    #[serde(default)]
    pub tool_calls: Option<Vec<ChatToolCall>>,
    /// A function call of an assistant, by its older name.
    #[oai(nullable)]
    #[serde(default)]
    pub function_call: Option<ChatFunctionCall>,
    /// Which call a tool message answers.
    #[oai(nullable)]
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// Reasoning that came before the content.
    #[oai(nullable)]
    #[serde(default)]
    pub reasoning_content: Option<String>,
    /// The same by its other name.
    #[oai(nullable)]
    #[serde(default)]
    pub reasoning: Option<String>,
    /// A refusal, as OpenAI's models send it back.
    #[oai(nullable)]
    #[serde(default)]
    pub refusal: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of content parts")]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts.
    Parts(Vec<ContentPart>),
}

any_of!(Content { String, Vec<ContentPart> });

/// A part of a message: `text`, `image_url` or `refusal`; others are refused by name.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ContentPart {
    /// `text`, `image_url`, or another type.
    #[oai(rename = "type")]
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Text of a `text` part.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Text of a `refusal` part.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The image of an `image_url` part, for models that can see.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<ImageRef>,
}

impl ContentPart {
    /// Whether it is an image.
    pub fn is_image(&self) -> bool {
        self.kind == "image_url"
    }
}

/// An answer.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChatCompletion {
    /// Id of the answer.
    pub id: String,
    /// `chat.completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Model that answered.
    pub model: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// Token counts.
    pub usage: Usage,
    /// Changes when the same seed may give another answer.
    pub system_fingerprint: String,
    /// Times.
    pub timings: Timings,
    /// How many messages were left out because of `truncation: "auto"`, if any.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated_messages: Option<u32>,
}

/// One answer.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChatChoice {
    /// Which answer, from 0.
    pub index: u32,
    /// What the model says.
    pub message: ChatAnswer,
    /// `stop`, `length` (cut off, perhaps in a call), `tool_calls` or `function_call`.
    pub finish_reason: String,
    /// Logprobs, when asked for.
    #[oai(nullable)]
    pub logprobs: Option<ChatLogprobs>,
}

/// What the model says.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChatAnswer {
    /// `assistant`.
    pub role: String,
    /// The text; null beside calls, if the model says nothing else.
    #[oai(nullable)]
    pub content: Option<String>,
    /// Null: these models do not mark refusals.
    #[oai(nullable)]
    pub refusal: Option<String>,
    /// Reasoning that came before the text.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same by its other name.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The tools it calls.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<AnswerToolCall>>,
    /// The function it calls, when the request had `functions`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<AnswerFunctionCall>,
}

/// One event of a stream. The stream ends with the literal `data: [DONE]`.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChatChunk {
    /// Id of the answer, the same in every chunk.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Model that answers.
    pub model: String,
    /// Changes when the same seed may give another answer.
    pub system_fingerprint: String,
    /// What is new; empty in the chunk with the token counts.
    pub choices: Vec<ChunkChoice>,
    /// Token counts: only in the last chunk, and only when asked for.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Times: in the last chunk, or in every one when asked for.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// How far the prompt is, when asked for.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_progress: Option<PromptProgress>,
    /// How many messages were left out because of `truncation: "auto"`, if any: with `finish_reason`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated_messages: Option<u32>,
}

/// What is new in one answer.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChunkChoice {
    /// Which answer, from 0.
    pub index: u32,
    /// More of it.
    pub delta: ChunkDelta,
    /// Null until the answer's last chunk.
    #[oai(nullable)]
    pub finish_reason: Option<String>,
    /// Logprobs, when asked for.
    #[oai(nullable)]
    pub logprobs: Option<ChatLogprobs>,
}

/// More of an answer.
#[derive(Debug, Clone, Default, Object, Serialize)]
pub struct ChunkDelta {
    /// `assistant`, in the first chunk only.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// More text.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More reasoning.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same by its other name.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// More of a tool call.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ChunkToolCall>>,
    /// More of a function call, when the request had `functions`.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<ChunkFunctionCall>,
}

/// How far the prompt is.
#[derive(Debug, Clone, Copy, Object, Serialize)]
pub struct PromptProgress {
    /// Tokens of the prompt.
    pub total: u32,
    /// Of these, taken from the cache.
    pub cache: u32,
    /// Of these, done.
    pub processed: u32,
    /// Milliseconds so far.
    pub time_ms: f64,
}
