//! ChatGPT's `conversations.json`: each conversation has a `mapping` of nodes with parents; a node may lack a message,
//! or have one that was never shown.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tern_store::{Answer, Conversation, Message, Role};

use super::draft::{Draft, MAX_MESSAGES, seconds, text};

pub(super) fn read(value: Value) -> Result<Draft, String> {
    let Some(mapping) = value.get("mapping").and_then(Value::as_object) else {
        return Err("mapping is missing, or no object".to_owned());
    };
    if mapping.len() > MAX_MESSAGES {
        return Err(format!("{} messages; the most is {MAX_MESSAGES}", mapping.len()));
    }
    let said: HashMap<&str, Message> =
        mapping.iter().filter_map(|(id, node)| Some((&**id, message(id, node)?))).collect();
    if said.is_empty() {
        return Err("no messages in it".to_owned());
    }
    // Nodes without a message of their own are stepped over.
    let above = |id: &str| {
        let mut at = parent(mapping, id);
        for _ in 0..mapping.len() {
            match at {
                Some(id) if !said.contains_key(id) => at = parent(mapping, id),
                _ => break,
            }
        }
        at.filter(|id| said.contains_key(id)).map(ToOwned::to_owned)
    };
    // In the order of the file, which is about that of time.
    let messages = mapping.keys().filter_map(|id| {
        let message = said.get(&**id)?.clone();
        Some(Message { parent: above(id), ..message })
    });
    let messages: Vec<_> = messages.collect();
    let current = value
        .get("current_node")
        .and_then(Value::as_str)
        .and_then(|id| if said.contains_key(id) { Some(id.to_owned()) } else { above(id) });
    let title = text(value.get("title")).unwrap_or_default();
    let conversation = Conversation {
        title_is_given: !title.trim().is_empty(),
        title,
        archived: value.get("is_archived").and_then(Value::as_bool).unwrap_or(false),
        created_ms: seconds(value.get("create_time")),
        updated_ms: seconds(value.get("update_time")),
        current,
        ..Conversation::default()
    };
    Ok(Draft { conversation, messages, files: Vec::new() })
}

fn parent<'a>(mapping: &'a Map<String, Value>, id: &str) -> Option<&'a str> {
    mapping.get(id)?.get("parent")?.as_str()
}

/// What was said at a node: of a person or the model, and shown.
fn message(id: &str, node: &Value) -> Option<Message> {
    let message = node.get("message")?;
    let role = match message.pointer("/author/role")?.as_str()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    let metadata = message.get("metadata");
    if metadata.and_then(|m| m.get("is_visually_hidden_from_conversation")) == Some(&Value::Bool(true)) {
        return None;
    }
    // Calls of tools are said to them, not to the person.
    if !matches!(message.get("recipient").and_then(Value::as_str), None | Some("all")) {
        return None;
    }
    let content = message.get("content")?;
    let (said, reasoning) = match content.get("content_type").and_then(Value::as_str).unwrap_or("text") {
        "text" | "multimodal_text" => (parts(content.get("parts")), None),
        "code" | "execution_output" => (format!("```\n{}\n```", text(content.get("text"))?), None),
        "thoughts" => (String::new(), Some(thoughts(content.get("thoughts")))),
        _ => return None,
    };
    if said.trim().is_empty() && reasoning.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    let model = metadata.and_then(|metadata| text(metadata.get("model_slug"))).unwrap_or_default();
    Some(Message {
        id: id.to_owned(),
        role,
        content: said,
        reasoning,
        created_ms: seconds(message.get("create_time")),
        answer: (role == Role::Assistant).then(|| Answer { model, ..Answer::default() }),
        ..Message::default()
    })
}

/// The parts of a message: texts, and things that the export only points at.
fn parts(parts: Option<&Value>) -> String {
    let part = |part: &Value| match part {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => match object.get("content_type").and_then(Value::as_str) {
            Some("audio_transcription") => text(object.get("text")),
            Some("image_asset_pointer") => Some("[image]".to_owned()),
            _ => text(object.get("text")),
        },
        _ => None,
    };
    let parts = parts.and_then(Value::as_array).into_iter().flatten().filter_map(part);
    parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn thoughts(thoughts: Option<&Value>) -> String {
    let thoughts = thoughts.and_then(Value::as_array).into_iter().flatten();
    let thoughts = thoughts.filter_map(|thought| text(thought.get("content")));
    thoughts.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(parent: Option<&str>, role: &str, content: Value) -> Value {
        json!({"parent": parent, "message": {"author": {"role": role}, "content": content, "create_time": 1.5e9,
            "metadata": {"model_slug": "gpt-x"}}})
    }

    fn says(text: &str) -> Value {
        json!({"content_type": "text", "parts": [text]})
    }

    #[test]
    fn hidden_nodes_are_stepped_over_and_branches_stay() {
        let draft = read(json!({
            "title": "T", "create_time": 1.5e9, "current_node": "a2",
            "mapping": {
                "root": {"parent": null, "message": null},
                "sys": node(Some("root"), "system", says("")),
                "u": node(Some("sys"), "user", json!({"content_type": "multimodal_text",
                    "parts": [{"content_type": "image_asset_pointer"}, "What is this?"]})),
                "a1": node(Some("u"), "assistant", says("one")),
                "tool": node(Some("u"), "tool", says("noise")),
                "a2": node(Some("tool"), "assistant", says("two")),
            }
        }))
        .unwrap();
        let sound = draft.finish();
        let [u, a1, a2] = &sound.messages[..] else { panic!("{:?}", sound.messages) };
        assert_eq!((u.content.as_str(), u.parent.as_ref()), ("[image]\n\nWhat is this?", None));
        assert_eq!((a1.parent.as_ref(), a2.parent.as_ref()), (Some(&u.id), Some(&u.id)));
        assert_eq!(sound.conversation.current.as_ref(), Some(&a2.id));
        assert_eq!(a2.answer.as_ref().unwrap().model, "gpt-x");
        assert_eq!(sound.conversation.created_ms, 1_500_000_000_000);
    }

    #[test]
    fn nodes_that_are_their_own_ancestors_end() {
        let mapping = json!({"a": {"parent": "b"}, "b": {"parent": "a"}, "u": node(Some("a"), "user", says("hi"))});
        let sound = read(json!({"mapping": mapping, "current_node": "b"})).unwrap().finish();
        assert_eq!(sound.messages.len(), 1);
        assert_eq!(sound.conversation.title, "hi");
    }
}
