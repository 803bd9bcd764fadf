//! What a dialogue is made of and what a turn gives back. No HTTP, no engine, no dialect of an API.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tern_engine::tasks::Image;
use tern_grammar::Grammar;
use tern_scheduler::{FinishReason, GenerateError, PrefillProgress, SamplingParams, Summary, TokenLogprob};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions (OpenAI's `developer` is the same).
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One message of a dialogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; `None` beside tool calls.
    pub content: Option<String>,
    /// Reasoning that came before it, when the dialogue carries it.
    pub reasoning: Option<String>,
    /// Name of the speaker or tool.
    pub name: Option<String>,
    /// Tool calls of an assistant.
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool message answers.
    pub tool_call_id: Option<String>,
    /// Images in the content, in the order of their places.
    #[serde(skip)]
    pub images: Vec<MessageImage>,
}

/// An image in a message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageImage {
    /// Byte of the content that it stands before; at most its length, and between two characters.
    pub at: usize,
    /// The pixels.
    pub image: Arc<Image>,
}

/// A tool call in a dialogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Id that the answer refers to.
    pub id: String,
    /// Name of the function.
    pub name: String,
    /// Arguments as JSON text, as OpenAI sends them.
    pub arguments: String,
}

impl ToolCall {
    /// Its arguments as an object. Those that were cut off with the answer are none yet, and are left out.
    pub fn object(&self) -> Value {
        let object = serde_json::from_str(&self.arguments).ok().filter(Value::is_object);
        object.unwrap_or_else(|| Value::Object(Map::new()))
    }
}

/// A dialogue to answer.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// Request id, for the log.
    pub id: String,
    /// The dialogue. At least one message.
    pub messages: Vec<Message>,
    /// Tool definitions in OpenAI's shape, given to the template.
    pub tools: Vec<Value>,
    /// Which of them may or must be called.
    pub tool_choice: ToolChoice,
    /// Whether an answer may call several.
    pub parallel_tool_calls: bool,
    /// How much the model may think before it answers.
    pub thinking: Thinking,
    /// Extra variables for the template (`chat_template_kwargs`).
    pub template_kwargs: Map<String, Value>,
    /// Continue the final assistant message instead of starting a new one.
    pub continue_final_message: bool,
    /// Leave out the oldest turns of a dialogue that does not fit, instead of refusing it.
    pub truncate: bool,
    /// Generation settings.
    pub generation: Generation,
}

impl TurnRequest {
    /// A dialogue without tools, answered with default settings.
    pub fn new(id: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            id: id.into(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: true,
            thinking: Thinking::default(),
            template_kwargs: Map::new(),
            continue_final_message: false,
            truncate: false,
            generation: Generation::default(),
        }
    }
}

/// Which tools an answer may or must call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None is called, though the template shows them.
    None,
    /// At least one is called.
    Required,
    /// One of these is called, if `required`, or may be.
    Only {
        /// Names of functions.
        names: Vec<String>,
        /// Whether there must be a call.
        required: bool,
    },
}

/// How much a model may think before it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinking {
    /// Whether it thinks at all, for templates that can say so; `None` leaves it to the template.
    pub enabled: Option<bool>,
    /// Most tokens of reasoning; behind them the answer begins.
    pub budget: Option<u32>,
}

/// Settings of a generation, with or without a dialogue.
#[derive(Debug, Clone)]
pub struct Generation {
    /// How tokens are chosen.
    pub sampling: SamplingParams,
    /// How many answers.
    pub n: u32,
    /// Most tokens an answer may have; `None` up to the context length.
    pub max_tokens: Option<u32>,
    /// What an answer must look like; in a dialogue, the text behind the reasoning. Beside tools, an answer is a call
    /// or has this form.
    pub grammar: Option<Grammar>,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Go on at end-of-generation tokens.
    pub ignore_eos: bool,
    /// Logprobs with this many alternatives.
    pub logprobs: Option<u32>,
    /// Report prefill progress.
    pub return_progress: bool,
    /// Use cached prefixes.
    pub use_cache: bool,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            sampling: SamplingParams::default(),
            n: 1,
            max_tokens: None,
            grammar: None,
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
            return_progress: false,
            use_cache: true,
        }
    }
}

/// What a turn gives back, in order. The last event is `End` or `Failed`.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The prompt is being computed (only when asked for).
    Prefill(PrefillProgress),
    /// More of the reasoning of answer `choice`.
    Reasoning(TurnDelta),
    /// More of the text of answer `choice`.
    Text(TurnDelta),
    /// Answer `choice` begins to call a tool. Calls of an answer come one behind the other.
    ToolCall {
        /// Which answer, from 0.
        choice: u32,
        /// Which call of the answer, from 0.
        index: u32,
        /// Id that the result will refer to.
        id: String,
        /// Name of the function.
        name: String,
    },
    /// More of the arguments of that call: JSON text, complete when the next call or `Finish` comes, at least `{}`. Cut
    /// off if the answer was.
    Arguments {
        /// Which call of the answer.
        index: u32,
        /// More of its arguments.
        delta: TurnDelta,
    },
    /// Answer `choice` is complete.
    Finish {
        /// Which answer, from 0.
        choice: u32,
        /// Why it ended.
        reason: FinishReason,
        /// How many tools it called.
        tool_calls: u32,
    },
    /// The turn is complete.
    End {
        /// Counts and times.
        summary: Summary,
        /// Of the completion tokens, those of reasoning.
        reasoning_tokens: u32,
    },
    /// The turn failed.
    Failed(GenerateError),
}

/// A piece of text with the logprobs of its tokens, when they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnDelta {
    /// Which answer, from 0.
    pub choice: u32,
    /// Whole UTF-8 characters.
    pub text: String,
    /// One entry a token.
    pub logprobs: Vec<TokenLogprob>,
}
