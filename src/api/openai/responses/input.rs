//! What was said, as items, becomes the messages of a dialogue.

use super::{
    items::{InputItem, InputPart, ItemContent},
    names::Source,
    request::ResponseInput,
};
use crate::{
    error::{ApiError, shortened},
    openai::{
        chat_types::{ChatMessage, ChatRole, Content, ContentPart},
        images::{ImageRef, ImageUrl},
        tools::{ChatFunctionCall, ChatToolCall},
    },
};

/// A dialogue, and what its messages were made of.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    pub messages: Vec<ChatMessage>,
    pub sources: Vec<Source>,
    /// An answer of the model that may still grow: its thoughts, its text and its calls are items of their own.
    pending: Option<(ChatMessage, Source)>,
}

/// The dialogue of an input whose references have been followed. `places` has of each item where it came from.
pub(crate) fn dialogue(input: ResponseInput) -> Result<Dialogue, ApiError> {
    let items = match input {
        ResponseInput::Text(text) => {
            let message =
                ChatMessage { role: ChatRole::User, content: Some(Content::Text(text)), ..ChatMessage::default() };
            let source = Source { place: "input".into(), field: "" };
            return Ok(Dialogue { messages: vec![message], sources: vec![source], pending: None });
        }
        ResponseInput::Items(items) => items,
    };
    let items = items.into_iter().enumerate().map(|(index, item)| (format!("input[{index}]"), item));
    of_items(items)
}

/// The dialogue of items, each with its place.
pub(crate) fn of_items(items: impl IntoIterator<Item = (String, InputItem)>) -> Result<Dialogue, ApiError> {
    let mut dialogue = Dialogue::default();
    for (place, item) in items {
        dialogue.add(place, item)?;
    }
    dialogue.flush();
    Ok(dialogue)
}

impl Dialogue {
    fn add(&mut self, place: String, item: InputItem) -> Result<(), ApiError> {
        let kind = item.kind.as_deref().unwrap_or(if item.role.is_some() { "message" } else { "" });
        match kind {
            "message" => self.message(place, item),
            "function_call" => {
                let call = ChatToolCall {
                    id: needed(&place, "call_id", item.call_id)?,
                    function: ChatFunctionCall {
                        name: needed(&place, "name", item.name)?,
                        arguments: item.arguments.unwrap_or_default(),
                    },
                };
                let (message, _) = self.answer(place, "arguments");
                message.tool_calls.get_or_insert_default().push(call);
                Ok(())
            }
            "function_call_output" => {
                self.flush();
                let call_id = needed(&place, "call_id", item.call_id)?;
                let content = content(&place, "output", item.output)?;
                let message = ChatMessage {
                    role: ChatRole::Tool,
                    content: Some(content),
                    tool_call_id: Some(call_id),
                    ..ChatMessage::default()
                };
                self.put(message, Source { place, field: "output" });
                Ok(())
            }
            "reasoning" => {
                let thoughts = [item.content, item.summary].into_iter().flatten().map(words).find(|t| !t.is_empty());
                if let Some(thoughts) = thoughts {
                    // What was thought comes before what was said.
                    if self.pending.as_ref().is_some_and(|(m, _)| m.content.is_some() || m.tool_calls.is_some()) {
                        self.flush();
                    }
                    let (message, _) = self.answer(place, "content");
                    message.reasoning_content.get_or_insert_default().push_str(&thoughts);
                }
                Ok(())
            }
            "" => {
                let message = format!("{place}.type is missing; an item without a type has a role and content");
                Err(ApiError::invalid(format!("{place}.type"), message))
            }
            // What tools of the vendor's own did; their results are in the messages that follow.
            _ => Ok(()),
        }
    }

    fn message(&mut self, place: String, item: InputItem) -> Result<(), ApiError> {
        let role = match item.role.as_deref() {
            Some("user") => ChatRole::User,
            Some("assistant") => ChatRole::Assistant,
            Some("system") => ChatRole::System,
            Some("developer") => ChatRole::Developer,
            None => return Err(ApiError::invalid(format!("{place}.role"), format!("{place}.role is missing"))),
            Some(other) => {
                let other = shortened(other);
                let message = format!("{place}.role is \"{other}\"; known are user, assistant, system and developer");
                return Err(ApiError::invalid(format!("{place}.role"), message));
            }
        };
        let content = content(&place, "content", item.content)?;
        if role == ChatRole::Assistant {
            if self.pending.as_ref().is_some_and(|(m, _)| m.content.is_some() || m.tool_calls.is_some()) {
                self.flush();
            }
            let (message, source) = self.answer(place.clone(), "content");
            message.content = Some(content);
            source.place = place;
            return Ok(());
        }
        self.flush();
        let message = ChatMessage { role, content: Some(content), ..ChatMessage::default() };
        self.put(message, Source { place, field: "content" });
        Ok(())
    }

    /// The answer that grows; a new one if there is none.
    fn answer(&mut self, place: String, field: &'static str) -> &mut (ChatMessage, Source) {
        self.pending.get_or_insert_with(|| {
            let message = ChatMessage { role: ChatRole::Assistant, ..ChatMessage::default() };
            (message, Source { place, field })
        })
    }

    fn flush(&mut self) {
        if let Some((message, source)) = self.pending.take() {
            self.put(message, source);
        }
    }

    fn put(&mut self, message: ChatMessage, source: Source) {
        self.messages.push(message);
        self.sources.push(source);
    }
}

fn needed(place: &str, name: &str, value: Option<String>) -> Result<String, ApiError> {
    value.ok_or_else(|| {
        let param = format!("{place}.{name}");
        ApiError {
            code: Some("missing_required_parameter"),
            ..ApiError::invalid(&param, format!("{param} is missing"))
        }
    })
}

/// The texts of an item's parts.
fn words(content: ItemContent) -> String {
    match content {
        ItemContent::Text(text) => text,
        ItemContent::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join("\n\n"),
        ItemContent::Other(_) => String::new(),
    }
}

/// What an item says, as a chat message says it: part by part, so that errors name the same part.
fn content(place: &str, field: &str, content: Option<ItemContent>) -> Result<Content, ApiError> {
    let place = format!("{place}.{field}");
    match content {
        None => Err(ApiError {
            code: Some("missing_required_parameter"),
            ..ApiError::invalid(&place, format!("{place} is missing; a string or an array of parts is needed"))
        }),
        Some(ItemContent::Text(text)) => Ok(Content::Text(text)),
        Some(ItemContent::Parts(parts)) => {
            let parts = parts.into_iter().enumerate().map(|(at, part)| one_part(&format!("{place}[{at}]"), part));
            Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
        }
        Some(ItemContent::Other(value)) => {
            let found = match value {
                serde_json::Value::Null => "null",
                serde_json::Value::Bool(_) => "a boolean",
                serde_json::Value::Number(_) => "a number",
                serde_json::Value::String(_) => "a string",
                serde_json::Value::Array(_) => "an array of something else",
                serde_json::Value::Object(_) => "an object",
            };
            let message = format!(
                "{place} is {found}; expected a string, or an array of parts with a type and text, refusal or image_url"
            );
            Err(ApiError::invalid(&place, message))
        }
    }
}

fn one_part(place: &str, part: InputPart) -> Result<ContentPart, ApiError> {
    let said = |kind: &str, part: InputPart| ContentPart {
        kind: kind.into(),
        text: part.text,
        refusal: part.refusal,
        ..ContentPart::default()
    };
    match part.kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => Ok(said("text", part)),
        "refusal" => Ok(said("refusal", part)),
        "input_image" => {
            let Some(url) = part.image_url else {
                let message =
                    format!("{place}.image_url is missing; images are sent as data URLs, not as files by their id");
                return Err(ApiError::invalid(format!("{place}.image_url"), message));
            };
            let image = ImageRef::Object(ImageUrl { url, detail: part.detail });
            Ok(ContentPart { kind: "image_url".into(), image_url: Some(image), ..ContentPart::default() })
        }
        "input_file" | "input_audio" => {
            let message = format!("{place}: parts of type \"{}\" are not taken; send text or images", part.kind);
            Err(ApiError::unsupported(place, message))
        }
        other => {
            let other = shortened(other);
            let message =
                format!("{place}.type is \"{other}\"; known are input_text, output_text, refusal and input_image");
            Err(ApiError::invalid(format!("{place}.type"), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(items: Value) -> Result<Dialogue, ApiError> {
        dialogue(serde_json::from_value(items).unwrap())
    }

    #[track_caller]
    fn refused(items: Value) -> (String, &'static str) {
        let error = of(items).unwrap_err();
        let (param, code) = (error.param.unwrap(), error.code.unwrap());
        assert!(error.message.contains(&param), "{}", error.message);
        (param, code)
    }

    #[test]
    fn the_items_of_an_answer_are_one_message() {
        let said = of(json!([
            {"role": "user", "content": "Weather?"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Look."}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "hear", "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "c1", "output": "sun"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "rain"}]},
            {"type": "web_search_call", "id": "ws_1", "action": {"query": "x"}, "status": "completed", "content": 5},
            {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "Sun."}]},
            {"type": "function_call", "call_id": "c3", "name": "look", "arguments": "{}"}
        ]))
        .unwrap();
        let roles: Vec<_> = said.messages.iter().map(|message| message.role).collect();
        use ChatRole::{Assistant, Tool, User};
        assert_eq!(roles, [User, Assistant, Tool, Tool, Assistant]);
        let answer = &said.messages[1];
        assert_eq!(answer.reasoning_content.as_deref(), Some("Look."));
        let calls: Vec<_> = answer.tool_calls.iter().flatten().map(|call| call.function.name.as_str()).collect();
        assert_eq!(calls, ["look", "hear"]);
        assert_eq!(said.messages[3].tool_call_id.as_deref(), Some("c2"));
        let last = &said.messages[4];
        assert_eq!((last.reasoning_content.as_deref(), last.content.is_none()), (Some("Sun."), true));
        let places: Vec<_> = said.sources.iter().map(|source| source.place.as_str()).collect();
        assert_eq!(places, ["input[0]", "input[2]", "input[5]", "input[6]", "input[8]"]);
    }

    #[test]
    fn two_answers_in_a_row_stay_two() {
        let said = of(json!([
            {"role": "assistant", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"type": "function_call", "call_id": "c", "name": "f"},
            {"role": "assistant", "content": "three"}
        ]));
        assert_eq!(said.unwrap().messages.len(), 3);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let missing = "missing_required_parameter";
        for (item, param, code) in [
            (json!({"role": "robot", "content": "x"}), "input[1].role", "invalid_value"),
            (json!({"type": "message", "content": "x"}), "input[1].role", "invalid_value"),
            (json!({"role": "user"}), "input[1].content", missing),
            (json!({"role": "user", "content": 5}), "input[1].content", "invalid_value"),
            (json!({"role": "user", "content": [{"text": "x"}]}), "input[1].content", "invalid_value"),
            (json!({"role": "user", "content": [{"type": "video"}]}), "input[1].content[0].type", "invalid_value"),
            (
                json!({"role": "user", "content": [{"type": "input_file"}]}),
                "input[1].content[0]",
                "unsupported_parameter",
            ),
            (
                json!({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}),
                "input[1].content[0].image_url",
                "invalid_value",
            ),
            (json!({"type": "function_call", "name": "f"}), "input[1].call_id", missing),
            (json!({"type": "function_call", "call_id": "c"}), "input[1].name", missing),
            (json!({"type": "function_call_output", "call_id": "c"}), "input[1].output", missing),
            (json!({}), "input[1].type", "invalid_value"),
        ] {
            let items = json!([{"role": "user", "content": "hi"}, item]);
            assert_eq!(refused(items.clone()), (param.to_owned(), code), "{items}");
        }
    }
}
