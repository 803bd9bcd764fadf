//! Events of a response.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::{
    items::{OutputItem, TextPart, ThoughtPart},
    object::Response,
};
use crate::{http::union::any_of, openai::logprobs::ChatTokenLogprob};

/// An event of a response, in the order of a life: `response.created`, `response.in_progress`; for each item
/// `response.output_item.added`, its parts and their deltas, `response.output_item.done`; at last `response.completed`,
/// `response.incomplete` or `response.failed`. `type` says which of the other fields it has, and is the event's name in
/// the stream as well.
#[derive(Debug, Clone, Default, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ResponseEvent {
    /// What happened.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Counts up from 0.
    pub sequence_number: u64,
    /// Of the first two and the last: the response as it is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<Response>>,
    /// Which item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_index: Option<u32>,
    /// Id of the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// Which part of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<u32>,
    /// Which part of its summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<u32>,
    /// The item, where it begins and where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<OutputItem>,
    /// The part, where it begins and where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<OutputPart>,
    /// More of a text or of arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// A whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whole arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// With whole arguments: the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// With a text: of its tokens, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<ChatTokenLogprob>>,
}

/// A part of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OutputPart {
    /// What the model says.
    Text(TextPart),
    /// What it thought.
    Thought(ThoughtPart),
}

any_of!(OutputPart { TextPart, ThoughtPart });

/// The list of what was said to get a response.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ItemList {
    /// `list`.
    pub object: String,
    /// The items.
    pub data: Vec<super::items::InputItem>,
    /// Id of the first.
    #[oai(nullable)]
    pub first_id: Option<String>,
    /// Id of the last.
    #[oai(nullable)]
    pub last_id: Option<String>,
    /// Whether more follow.
    pub has_more: bool,
}

/// A response that is gone.
#[derive(Debug, Clone, Object, Serialize)]
pub struct DeletedResponse {
    /// Its id.
    pub id: String,
    /// `response`.
    pub object: String,
    /// True.
    pub deleted: bool,
}

/// How many tokens a prompt would have.
#[derive(Debug, Clone, Object, Serialize)]
pub struct InputTokens {
    /// `response.input_tokens`.
    pub object: String,
    /// How many.
    pub input_tokens: u32,
}
