//! Items: what a response is made of, and what is said to get it.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{http::union::any_of, openai::logprobs::ChatTokenLogprob};

/// An item of the input. `type` says which of the other fields it has: `message` (also without a type),
/// `function_call`, `function_call_output`, `reasoning` or `item_reference`. Items of other types are skipped.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct InputItem {
    /// What it is.
    #[oai(rename = "type", nullable)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its id; of an `item_reference`, of which item.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of a message: `user`, `assistant`, `system` or `developer`.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of a message what is said; of reasoning, what was thought.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ItemContent>,
    /// Of reasoning: its summary, which counts where there is no content.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<ItemContent>,
    /// Of a call of a function and its output: what connects them.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Of a call: the function.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a call: its arguments as JSON text.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Of the output of a call: a text, or parts.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ItemContent>,
    /// How far it is.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// What an item says. Items that are skipped may have anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ItemContent {
    /// A text.
    Text(String),
    /// Parts.
    Parts(Vec<InputPart>),
    /// Neither.
    Other(Value),
}

any_of!(ItemContent { String, Vec<InputPart>, Value });

/// A part of what is said: `input_text`, `output_text`, `refusal`, `input_image`; `input_file` is refused.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct InputPart {
    /// What it is.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a text.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a refusal.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Of an image: a data URL, or with `--allow-image-urls` an `http` or `https` URL.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Of an image: accepted; every model sees as much as it can.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Of a text that a model wrote: notes, which are passed over.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Vec<Value>>,
}

impl InputPart {
    /// A text of this kind.
    pub fn text(kind: &str, text: impl Into<String>) -> Self {
        Self { kind: kind.into(), text: Some(text.into()), ..Self::default() }
    }
}

/// An item of a response.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OutputItem {
    /// What the model says.
    Message(MessageItem),
    /// A function that it calls.
    Call(CallItem),
    /// What it thought before.
    Reasoning(ReasoningItem),
}

any_of!(OutputItem { MessageItem, CallItem, ReasoningItem });

impl OutputItem {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message(item) => &item.id,
            Self::Call(item) => &item.id,
            Self::Reasoning(item) => &item.id,
        }
    }

    /// Says how far it is.
    pub fn set_status(&mut self, status: &str) {
        let place = match self {
            Self::Message(item) => &mut item.status,
            Self::Call(item) => &mut item.status,
            Self::Reasoning(item) => &mut item.status,
        };
        status.clone_into(place);
    }
}

/// What a model says.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct MessageItem {
    /// `msg_` and the id of the response.
    pub id: String,
    /// `message`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// `in_progress`, `completed`, or `incomplete` where it was cut off.
    pub status: String,
    /// `assistant`.
    pub role: String,
    /// One part, once it has begun.
    pub content: Vec<TextPart>,
}

/// A text that a model wrote.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
pub struct TextPart {
    /// `output_text`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: String,
    /// Empty: these models cite nothing.
    pub annotations: Vec<Value>,
    /// Of its tokens, when they were asked for.
    pub logprobs: Vec<ChatTokenLogprob>,
}

/// A call of a function.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct CallItem {
    /// `fc_`, the id of the response, and the number of the call.
    pub id: String,
    /// `function_call`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// `in_progress`, `completed`, or `incomplete` where it was cut off.
    pub status: String,
    /// Id that the output refers to.
    pub call_id: String,
    /// The function.
    pub name: String,
    /// Its arguments as JSON text.
    pub arguments: String,
}

/// What a model thought.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ReasoningItem {
    /// `rs_` and the id of the response.
    pub id: String,
    /// `reasoning`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// `in_progress`, `completed`, or `incomplete` where it was cut off.
    pub status: String,
    /// The thoughts, where a summary was asked for.
    pub summary: Vec<ThoughtPart>,
    /// The thoughts, where none was.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<ThoughtPart>>,
}

/// A text that a model thought.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
pub struct ThoughtPart {
    /// `reasoning_text` or `summary_text`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: String,
}
