//! Between what is kept and what a program sees: messages as items and responses, and what was said as messages.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use tern_chat::{TurnDelta, TurnEvent};
use tern_conversations::is_retracted;
use tern_media::{ImageLimits, data_url_bytes, media_type};
use tern_store::{Answer, Attachment, ConversationStore, Message, Role, Status, StoreError, ToolCall};

use super::{
    ids,
    items::{InputItem, InputPart, ItemContent},
    object::{Response, ResponseError, Settings},
    request::ConversationRef,
    writer::{Ending, Writer},
};
use crate::openai::chat_types::{ChatMessage, ChatRole, Content};

/// Messages to be kept, with the contents of their files by id.
pub(crate) type Kept = (Vec<Message>, Vec<(String, Vec<u8>)>);

/// What was said, as it is kept. Images are data URLs by now, which can be read.
pub(crate) fn messages(said: &[ChatMessage]) -> Kept {
    let mut files = Vec::new();
    let messages = said.iter().map(|message| one_message(message, &mut files)).collect();
    (messages, files)
}

fn one_message(said: &ChatMessage, files: &mut Vec<(String, Vec<u8>)>) -> Message {
    let (mut content, mut attachments) = (String::new(), Vec::new());
    match &said.content {
        None => {}
        Some(Content::Text(text)) => content.push_str(text),
        Some(Content::Parts(parts)) => {
            for part in parts {
                content.extend(part.text.as_deref().or(part.refusal.as_deref()));
                let url = part.image_url.as_ref().filter(|_| part.is_image()).map(|image| image.url());
                // One that cannot be read was refused before.
                let Some(Ok(bytes)) = url.map(|url| data_url_bytes(url, ImageLimits::default().bytes)) else {
                    continue;
                };
                let media_type = media_type(&bytes).unwrap_or("application/octet-stream");
                let id = crate::ids::new("file_");
                attachments.push(Attachment {
                    id: id.clone(),
                    name: media_type.replacen('/', ".", 1),
                    media_type: media_type.into(),
                    bytes: bytes.len() as u64,
                    at: Some(content.len() as u64),
                });
                files.push((id, bytes));
            }
        }
    }
    let calls = said.tool_calls.iter().flatten().map(|call| ToolCall {
        id: call.id.clone(),
        name: call.function.name.clone(),
        arguments: call.function.arguments.clone(),
    });
    Message {
        id: ids::new_message(),
        role: match said.role {
            ChatRole::System | ChatRole::Developer => Role::System,
            ChatRole::User => Role::User,
            ChatRole::Assistant => Role::Assistant,
            ChatRole::Tool | ChatRole::Function => Role::Tool,
        },
        content,
        reasoning: said.reasoning_content.clone(),
        attachments,
        created_ms: crate::ids::unix_time_ms(),
        tool_calls: calls.collect(),
        tool_call_id: said.tool_call_id.clone(),
        ..Message::default()
    }
}

/// An answer that has not begun.
pub(crate) fn answer(
    id: String,
    model: &str,
    engine: &str,
    settings: &Settings,
    parameters: Map<String, Value>,
) -> Message {
    let answer = Answer {
        model: model.to_owned(),
        engine: engine.to_owned(),
        parameters,
        response: slim(settings),
        ..Answer::default()
    };
    Message {
        id,
        role: Role::Assistant,
        created_ms: crate::ids::unix_time_ms(),
        status: Status::Generating,
        answer: Some(answer),
        ..Message::default()
    }
}

/// Settings without those that were not given.
fn slim(settings: &Settings) -> Value {
    let mut value = serde_json::to_value(settings).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// How an answer was asked for. One of the page was asked for with its parameters alone.
pub(crate) fn settings(message: &Message) -> Settings {
    let answer = message.answer.clone().unwrap_or_default();
    if answer.response.is_null() {
        let number = |name: &str| answer.parameters.get(name).and_then(Value::as_f64);
        let max = answer.parameters.get("max_tokens").and_then(Value::as_u64);
        return Settings {
            store: true,
            temperature: number("temperature"),
            top_p: number("top_p"),
            max_output_tokens: max.and_then(|max| u32::try_from(max).ok()),
            ..Settings::default()
        };
    }
    // An import may bring anything.
    serde_json::from_value(answer.response).unwrap_or_default()
}

/// Whether a message is an answer that can be seen as a response.
pub(crate) fn is_response(message: &Message) -> bool {
    message.role == Role::Assistant && message.answer.is_some() && !is_retracted(message)
}

/// How an answer ended; `None` while it is being written.
pub(crate) fn ending(message: &Message) -> Option<Ending> {
    let answer = message.answer.as_ref();
    Some(match message.status {
        Status::Generating => return None,
        Status::Complete if answer.is_some_and(|a| a.finish_reason.as_deref() == Some("length")) => Ending::CutOff,
        Status::Complete => Ending::Completed,
        Status::Stopped => Ending::Cancelled,
        Status::Interrupted => Ending::Interrupted,
        Status::Failed => Ending::Failed(ResponseError {
            code: "server_error".into(),
            message: answer.and_then(|answer| answer.error.clone()).unwrap_or_default(),
        }),
    })
}

/// The response that begins with this answer.
pub(crate) fn begun(message: &Message) -> Response {
    let model = message.answer.as_ref().map(|answer| answer.model.clone()).unwrap_or_default();
    let id = ids::response_of(&message.id);
    Response {
        conversation: Some(ConversationRef { id: message.conversation.clone() }),
        ..Response::new(id, message.created_ms / 1000, model, &settings(message))
    }
}

/// An answer written again from what is kept of it, each item in one piece.
pub(crate) fn written(message: &Message) -> Writer {
    let mut writer = Writer::new(begun(message), message.id.clone());
    let delta = |text: &str| TurnDelta { choice: 0, text: text.to_owned(), logprobs: Vec::new() };
    if let Some(thoughts) = message.reasoning.as_deref().filter(|text| !text.is_empty()) {
        writer.hear(&TurnEvent::Reasoning(delta(thoughts)));
    }
    let is_empty = message.content.is_empty() && message.tool_calls.is_empty();
    if !message.content.is_empty() || (is_empty && ending(message) == Some(Ending::Completed)) {
        writer.hear(&TurnEvent::Text(delta(&message.content)));
    }
    for (index, call) in (0..).zip(&message.tool_calls) {
        writer.hear(&TurnEvent::ToolCall { choice: 0, index, id: call.id.clone(), name: call.name.clone() });
        writer.hear(&TurnEvent::Arguments { index, delta: delta(&call.arguments) });
    }
    if let Some(ending) = ending(message) {
        writer.end(&ending, message.answer.as_ref().and_then(|answer| answer.usage));
    }
    writer
}

/// A message as items of an input: what was thought, what was said, what was called.
pub(crate) fn items(message: &Message, store: &dyn ConversationStore) -> Result<Vec<InputItem>, StoreError> {
    let item = |kind: &str, id: String| InputItem { kind: Some(kind.into()), id: Some(id), ..InputItem::default() };
    let status = Some(if message.status == Status::Complete { "completed" } else { "incomplete" }.to_owned());
    let mut items = Vec::new();
    if let Some(thoughts) = message.reasoning.as_deref().filter(|text| !text.is_empty()) {
        items.push(InputItem {
            summary: Some(ItemContent::Parts(Vec::new())),
            content: Some(ItemContent::Parts(vec![InputPart::text("reasoning_text", thoughts)])),
            ..item("reasoning", ids::reasoning_of(&message.id))
        });
    }
    match message.role {
        Role::Tool => items.push(InputItem {
            call_id: Some(message.tool_call_id.clone().unwrap_or_default()),
            output: Some(match message.attachments.is_empty() {
                true => ItemContent::Text(message.content.clone()),
                false => ItemContent::Parts(parts("input_text", message, store)?),
            }),
            status: status.clone(),
            ..item("function_call_output", ids::output_of(&message.id))
        }),
        Role::Assistant if message.content.is_empty() => {}
        Role::System | Role::User | Role::Assistant => {
            let (role, kind) = match message.role {
                Role::System => ("system", "input_text"),
                Role::Assistant => ("assistant", "output_text"),
                Role::User | Role::Tool => ("user", "input_text"),
            };
            items.push(InputItem {
                role: Some(role.into()),
                content: Some(ItemContent::Parts(parts(kind, message, store)?)),
                status: status.clone(),
                ..item("message", message.id.clone())
            });
        }
    }
    for (index, call) in message.tool_calls.iter().enumerate() {
        items.push(InputItem {
            call_id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            arguments: Some(call.arguments.clone()),
            status: status.clone(),
            ..item("function_call", ids::call_of(&message.id, index))
        });
    }
    Ok(items)
}

/// What a message says, with its images at their places; a file of another kind as the model reads it.
fn parts(kind: &str, message: &Message, store: &dyn ConversationStore) -> Result<Vec<InputPart>, StoreError> {
    let text =
        |text: &str| InputPart { annotations: (kind == "output_text").then(Vec::new), ..InputPart::text(kind, text) };
    let (mut parts, mut done) = (Vec::new(), 0);
    let mut files: Vec<&Attachment> = message.attachments.iter().collect();
    files.sort_by_key(|file| file.at);
    for file in files {
        let bytes = match store.attachment(&message.conversation, &file.id) {
            Ok(bytes) => bytes,
            // An import may name files that it did not bring.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        let at = file.at.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        if let Some(before) = message.content.get(done..at).filter(|before| !before.is_empty()) {
            parts.push(text(before));
            done = at;
        }
        if file.media_type.starts_with("image/") && media_type(&bytes).is_some() {
            parts.push(InputPart {
                kind: "input_image".into(),
                image_url: Some(format!("data:{};base64,{}", file.media_type, BASE64_STANDARD.encode(&bytes))),
                detail: Some("auto".into()),
                ..InputPart::default()
            });
        } else {
            parts.push(text(&format!("File \"{}\":\n{}", file.name, String::from_utf8_lossy(&bytes))));
        }
    }
    let rest = message.content.get(done..).unwrap_or_default();
    if !rest.is_empty() || parts.is_empty() {
        parts.push(text(rest));
    }
    Ok(parts)
}
