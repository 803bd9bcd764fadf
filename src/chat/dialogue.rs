//! Fits a dialogue to what its template can express. What a template would refuse or silently leave out is merged
//! with a neighbour or written out as text; nothing is dropped.

use serde_json::{Map, Value, json};

use crate::{
    Message, Role, ToolCall,
    control::Escaper,
    support::{CallShape, ContentShape, Support, SystemSupport},
};

/// Between texts that were separate messages.
const BREAK: &str = "\n\n";

impl Message {
    /// A message of plain text.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(content.into()),
            reasoning: None,
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            images: Vec::new(),
        }
    }
}

/// Rewrites `messages` as `support` demands, without changing a template's way of writing them.
pub fn adapt(messages: &[Message], support: &Support) -> Vec<Message> {
    let mut messages = messages.to_vec();
    if support.tools.is_none() {
        write_out_tools(&mut messages);
    }
    place_system(&mut messages, support);
    if support.alternation {
        merge_neighbours(&mut messages);
    }
    if !support.assistant_first
        && let Some(first) = messages.iter().position(|message| message.role != Role::System)
        && messages[first].role != Role::User
    {
        messages.insert(first, Message::text(Role::User, ""));
    }
    messages
}

/// Tool calls and results as text, for templates that know neither.
fn write_out_tools(messages: &mut [Message]) {
    let calls: Vec<ToolCall> = messages.iter().flat_map(|message| message.tool_calls.clone()).collect();
    for message in messages {
        for call in std::mem::take(&mut message.tool_calls) {
            append(&mut message.content, &format!("Tool call ({}): {}", call.name, call.arguments));
        }
        if message.role == Role::Tool {
            let id = message.tool_call_id.take();
            let called = calls.iter().find(|call| Some(&call.id) == id.as_ref()).map(|call| call.name.clone());
            let name = message.name.take().or(called).or(id).unwrap_or_else(|| "tool".to_owned());
            message.role = Role::User;
            message.content = Some(format!("Tool result ({name}): {}", message.content.take().unwrap_or_default()));
        }
    }
}

/// Merges system messages where the template would refuse or drop them.
fn place_system(messages: &mut Vec<Message>, support: &Support) {
    let leading = messages.iter().take_while(|message| message.role == Role::System).count();
    let all = messages.iter().filter(|message| message.role == Role::System).count();
    if all == 0 {
        return;
    }
    let has_user = messages.iter().any(|message| message.role == Role::User);
    let fits = match support.system {
        SystemSupport::None => false,
        SystemSupport::Leading { several, late } => (several || leading <= 1) && (late || all == leading),
    } && (has_user || support.system_alone);
    if fits {
        return;
    }
    let mut system: Option<String> = None;
    let mut name = None;
    messages.retain_mut(|message| {
        if message.role == Role::System {
            append(&mut system, message.content.as_deref().unwrap_or_default());
            name = name.take().or(message.name.take());
        }
        message.role != Role::System
    });
    let text = system.unwrap_or_default();
    let first_user = messages.iter_mut().find(|message| message.role == Role::User);
    match (support.system, first_user) {
        (SystemSupport::Leading { .. }, Some(_)) => {
            messages.insert(0, Message { name, ..Message::text(Role::System, text) });
        }
        (SystemSupport::Leading { .. }, None) if support.system_alone => {
            messages.insert(0, Message { name, ..Message::text(Role::System, text) });
        }
        (_, Some(user)) => {
            let mut content = Some(text);
            append(&mut content, user.content.as_deref().unwrap_or_default());
            user.content = content;
        }
        (_, None) => messages.insert(0, Message::text(Role::User, text)),
    }
}

/// Merges neighbours of one role.
fn merge_neighbours(messages: &mut Vec<Message>) {
    let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages.drain(..) {
        match merged.last_mut() {
            Some(last) if last.role == message.role && matches!(message.role, Role::User | Role::Assistant) => {
                if let Some(text) = &message.content {
                    append(&mut last.content, text);
                }
                if let Some(text) = &message.reasoning {
                    append(&mut last.reasoning, text);
                }
                last.tool_calls.extend(message.tool_calls);
            }
            _ => merged.push(message),
        }
    }
    *messages = merged;
}

fn append(content: &mut Option<String>, text: &str) {
    match content {
        Some(content) if !content.is_empty() => {
            if !text.is_empty() {
                content.push_str(BREAK);
                content.push_str(text);
            }
        }
        _ => *content = Some(text.to_owned()),
    }
}

/// The messages as a template sees them: Hugging Face's shape, with control-token spellings replaced.
///
/// `keep` are the reasoning marks: in the assistant's own text they are structure, which templates look for.
pub fn to_json(messages: &[Message], support: &Support, escaper: &mut Escaper<'_>, keep: &[String]) -> Value {
    let mut ids = Ids::default();
    let shape = support.tools.unwrap_or_default();
    let convert = |message: &Message| {
        let keep = if message.role == Role::Assistant { keep } else { &[] };
        let mut json = Map::new();
        json.insert("role".to_owned(), json!(message.role));
        json.insert("content".to_owned(), content(message, support, shape, escaper, keep));
        if let Some(reasoning) = &message.reasoning {
            json.insert("reasoning_content".to_owned(), escaper.escape(reasoning, keep).into());
        }
        if let Some(name) = &message.name {
            json.insert("name".to_owned(), escaper.escape(name, &[]).into());
        }
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| tool_call(call, shape, &mut ids, escaper)).collect();
            json.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        if let Some(id) = &message.tool_call_id {
            json.insert("tool_call_id".to_owned(), escaper.escape(&ids.spell(id, shape), &[]).into());
        }
        Value::Object(json)
    };
    Value::Array(messages.iter().map(convert).collect())
}

fn content(
    message: &Message,
    support: &Support,
    shape: CallShape,
    escaper: &mut Escaper<'_>,
    keep: &[String],
) -> Value {
    let text = match &message.content {
        Some(text) => text.as_str(),
        None if !message.tool_calls.is_empty() && shape.null_content => return Value::Null,
        None => "",
    };
    let text = escaper.escape(text, keep);
    match support.content {
        ContentShape::Text => text.into(),
        ContentShape::Parts => json!([{"type": "text", "text": text}]),
    }
}

fn tool_call(call: &ToolCall, shape: CallShape, ids: &mut Ids, escaper: &mut Escaper<'_>) -> Value {
    // OpenAI sends arguments as text; templates want the object, to write it their own way.
    let arguments = match serde_json::from_str::<Value>(&call.arguments) {
        Ok(parsed @ Value::Object(_)) if shape.object_arguments => escaper.escape_json(&parsed),
        _ => escaper.escape(&call.arguments, &[]).into(),
    };
    json!({
        "id": escaper.escape(&ids.spell(&call.id, shape), &[]),
        "type": "function",
        "function": {"name": escaper.escape(&call.name, &[]), "arguments": arguments},
    })
}

/// Ids of tool calls. Mistral's templates accept nine letters or digits only, so others are numbered in their order.
#[derive(Default)]
struct Ids {
    seen: Vec<String>,
}

impl Ids {
    fn spell(&mut self, id: &str, shape: CallShape) -> String {
        if !shape.short_ids || (id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return id.to_owned();
        }
        let index = self.seen.iter().position(|seen| seen == id).unwrap_or_else(|| {
            self.seen.push(id.to_owned());
            self.seen.len() - 1
        });
        format!("call{index:05}")
    }
}
