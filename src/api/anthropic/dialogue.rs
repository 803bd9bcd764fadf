//! Messages in blocks as messages of the chat API.

use serde_json::json;

use super::{places::Places, types::*};
use crate::{
    error::{ApiError, shortened},
    openai::{
        chat_types::{ChatMessage, ChatRole, Content, ContentPart},
        images::{ImageRef, ImageUrl},
        tools::{ChatFunctionCall, ChatToolCall},
    },
};

/// A block that an Anthropic-API coding client puts first. It changes with every call, and behind it nothing could be
/// taken from the cache.
const BILLING_HEADER: &str = "x-anthropic-billing-header:";

/// Instructions as one text, each block a paragraph.
pub(crate) fn plain_text(content: MessagesContent, place: &str) -> Result<String, ApiError> {
    match content {
        MessagesContent::Text(text) => Ok(match text.strip_prefix(BILLING_HEADER) {
            Some(rest) => rest.split_once('\n').map_or("", |(_, rest)| rest).to_owned(),
            None => text,
        }),
        MessagesContent::Blocks(blocks) => {
            let mut texts = Vec::new();
            for (at, block) in blocks.into_iter().enumerate() {
                let place = format!("{place}[{at}]");
                if block.kind != "text" {
                    return Err(unknown(&place, &block.kind, "text"));
                }
                texts.push(block.text.ok_or_else(|| missing(&place, "text"))?);
            }
            texts.retain(|text| !text.starts_with(BILLING_HEADER));
            Ok(texts.join("\n\n"))
        }
    }
}

pub(crate) fn said(role: ChatRole, text: String) -> ChatMessage {
    ChatMessage { role, content: Some(Content::Text(text)), ..ChatMessage::default() }
}

/// The messages translated so far.
pub(crate) struct Dialogue {
    pub messages: Vec<ChatMessage>,
    pub places: Places,
    /// Ids and names of the tools called so far.
    pub calls: Vec<(String, String)>,
}

impl Dialogue {
    /// Adds a message of the request.
    pub fn add(&mut self, index: usize, message: MessagesInput) -> Result<(), ApiError> {
        let place = format!("messages[{index}]");
        match (message.role, message.content) {
            (MessagesRole::System, content) => {
                let text = plain_text(content, &format!("{place}.content"))?;
                self.push(place, Vec::new(), said(ChatRole::System, text));
            }
            (MessagesRole::User, MessagesContent::Text(text)) => {
                self.push(place, Vec::new(), said(ChatRole::User, text));
            }
            (MessagesRole::Assistant, MessagesContent::Text(text)) => {
                self.push(place, Vec::new(), said(ChatRole::Assistant, text));
            }
            (MessagesRole::User, MessagesContent::Blocks(blocks)) => self.user(&place, blocks)?,
            (MessagesRole::Assistant, MessagesContent::Blocks(blocks)) => self.assistant(&place, blocks)?,
        }
        Ok(())
    }

    fn push(&mut self, place: String, parts: Vec<String>, message: ChatMessage) {
        self.places.messages.push((place, parts));
        self.messages.push(message);
    }

    /// What a person said, and what tools gave: each result is a message of its own.
    fn user(&mut self, place: &str, blocks: Vec<MessagesBlock>) -> Result<(), ApiError> {
        let (mut parts, mut places) = (Vec::new(), Vec::new());
        let only_results = !blocks.is_empty() && blocks.iter().all(|block| block.kind == "tool_result");
        for (at, block) in blocks.into_iter().enumerate() {
            let here = format!("{place}.content[{at}]");
            if block.kind == "tool_result" {
                if !parts.is_empty() {
                    self.say(place, std::mem::take(&mut parts), std::mem::take(&mut places));
                }
                self.result(&here, block)?;
            } else {
                parts.push(part(&here, block, "text, image, tool_result")?);
                places.push(here);
            }
        }
        if !only_results {
            self.say(place, parts, places);
        }
        Ok(())
    }

    fn say(&mut self, place: &str, parts: Vec<ContentPart>, places: Vec<String>) {
        let message =
            ChatMessage { role: ChatRole::User, content: Some(Content::Parts(parts)), ..ChatMessage::default() };
        self.push(place.to_owned(), places, message);
    }

    fn result(&mut self, place: &str, block: MessagesBlock) -> Result<(), ApiError> {
        let id = block.tool_use_id.ok_or_else(|| missing(place, "tool_use_id"))?;
        let name = self.calls.iter().rev().find(|(call, _)| *call == id).map(|(_, name)| name.clone());
        let (mut parts, mut places) = (Vec::new(), Vec::new());
        // The chat API has no field for this, and the model must know.
        if block.is_error == Some(true) {
            parts.push(text_part("Error: ".into()));
            places.push(place.to_owned());
        }
        match block.content {
            None => {}
            Some(MessagesContent::Text(text)) => {
                parts.push(text_part(text));
                places.push(place.to_owned());
            }
            Some(MessagesContent::Blocks(blocks)) => {
                for (at, block) in blocks.into_iter().enumerate() {
                    let here = format!("{place}.content[{at}]");
                    parts.push(part(&here, block, "text, image")?);
                    places.push(here);
                }
            }
        }
        let message = ChatMessage {
            role: ChatRole::Tool,
            content: Some(Content::Parts(parts)),
            name,
            tool_call_id: Some(id),
            ..ChatMessage::default()
        };
        self.push(place.to_owned(), places, message);
        Ok(())
    }

    /// What the model said: thinking, text and calls, each joined.
    fn assistant(&mut self, place: &str, blocks: Vec<MessagesBlock>) -> Result<(), ApiError> {
        let (mut text, mut thinking, mut calls) = (String::new(), None::<String>, Vec::new());
        for (at, block) in blocks.into_iter().enumerate() {
            let here = format!("{place}.content[{at}]");
            match block.kind.as_str() {
                "text" => text += &block.text.ok_or_else(|| missing(&here, "text"))?,
                "thinking" => {
                    *thinking.get_or_insert_default() += &block.thinking.ok_or_else(|| missing(&here, "thinking"))?;
                }
                // Only Anthropic can read it.
                "redacted_thinking" => {}
                "tool_use" => {
                    let id = block.id.ok_or_else(|| missing(&here, "id"))?;
                    let name = block.name.ok_or_else(|| missing(&here, "name"))?;
                    let arguments = block.input.unwrap_or_else(|| json!({})).to_string();
                    self.calls.push((id.clone(), name.clone()));
                    calls.push(ChatToolCall { id, function: ChatFunctionCall { name, arguments } });
                }
                other => return Err(unknown(&here, other, "text, thinking, redacted_thinking, tool_use")),
            }
        }
        let silent = text.is_empty() && !calls.is_empty();
        let message = ChatMessage {
            role: ChatRole::Assistant,
            content: (!silent).then_some(Content::Text(text)),
            reasoning_content: thinking,
            tool_calls: (!calls.is_empty()).then_some(calls),
            ..ChatMessage::default()
        };
        self.push(place.to_owned(), Vec::new(), message);
        Ok(())
    }
}

fn text_part(text: String) -> ContentPart {
    ContentPart { kind: "text".into(), text: Some(text), ..ContentPart::default() }
}

/// A block of text or an image as a part.
fn part(place: &str, block: MessagesBlock, known: &str) -> Result<ContentPart, ApiError> {
    match block.kind.as_str() {
        "text" => block.text.map(text_part).ok_or_else(|| missing(place, "text")),
        "image" => {
            let source = block.source.ok_or_else(|| missing(place, "source"))?;
            let place = format!("{place}.source");
            let url = match source.kind.as_str() {
                "base64" => {
                    let data = source.data.ok_or_else(|| missing(&place, "data"))?;
                    let media_type = source.media_type.ok_or_else(|| missing(&place, "media_type"))?;
                    format!("data:{media_type};base64,{data}")
                }
                "url" => source.url.ok_or_else(|| missing(&place, "url"))?,
                other => return Err(unknown(&place, other, "base64, url")),
            };
            let image = ImageRef::Object(ImageUrl { url, detail: None });
            Ok(ContentPart { kind: "image_url".into(), image_url: Some(image), ..ContentPart::default() })
        }
        "document" => {
            let message =
                format!("{place} is a document, which this server does not read; send its text, or images of it");
            Err(ApiError::unsupported(place, message))
        }
        other => Err(unknown(place, other, known)),
    }
}

pub(crate) fn missing(place: &str, field: &str) -> ApiError {
    ApiError::invalid(format!("{place}.{field}"), format!("{place}.{field} is missing"))
}

pub(crate) fn unknown(place: &str, found: &str, known: &str) -> ApiError {
    let found = shortened(found);
    let place = format!("{place}.type");
    let message = match found.is_empty() {
        true => format!("{place} is missing; known are {known}"),
        false => format!("{place} is \"{found}\"; known are {known}"),
    };
    ApiError::invalid(place, message)
}
