//! Open WebUI's export: a list of chats with a `history` of messages by id, or, in old ones, a plain list.

use serde_json::Value;
use tern_store::{Answer, Conversation, Message, Role};

use super::draft::{Draft, MAX_MESSAGES, seconds, text};

pub(super) fn read(value: Value) -> Result<Draft, String> {
    let Some(chat) = value.get("chat") else { return Err("chat is missing".to_owned()) };
    let by_id = chat.pointer("/history/messages").and_then(Value::as_object);
    let listed = chat.get("messages").and_then(Value::as_array);
    let count = by_id.map_or(0, serde_json::Map::len).max(listed.map_or(0, Vec::len));
    if count > MAX_MESSAGES {
        return Err(format!("{count} messages; the most is {MAX_MESSAGES}"));
    }
    let messages: Vec<Message> = match (by_id, listed) {
        (Some(by_id), _) if !by_id.is_empty() => {
            by_id.iter().filter_map(|(id, value)| message(id, text(value.get("parentId")), value)).collect()
        }
        (_, Some(listed)) => {
            let mut messages: Vec<Message> = Vec::with_capacity(listed.len());
            for (index, value) in listed.iter().enumerate() {
                let parent = messages.last().map(|message| message.id.clone());
                messages.extend(message(&index.to_string(), parent, value));
            }
            messages
        }
        _ => Vec::new(),
    };
    if messages.is_empty() {
        return Err("no messages in it".to_owned());
    }
    let title = text(value.get("title")).or_else(|| text(chat.get("title"))).unwrap_or_default();
    let tags = chat.get("tags").or_else(|| value.pointer("/meta/tags")).and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(|tag| text(Some(tag)).or_else(|| text(tag.get("name"))));
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let conversation = Conversation {
        title_is_given: !title.trim().is_empty(),
        title,
        tags: tags.collect(),
        pinned: flag("pinned"),
        archived: flag("archived"),
        system_prompt: text(chat.get("system")).or_else(|| text(chat.pointer("/params/system"))),
        created_ms: seconds(value.get("created_at").or_else(|| chat.get("timestamp"))),
        updated_ms: seconds(value.get("updated_at")),
        current: text(chat.pointer("/history/currentId")),
        ..Conversation::default()
    };
    Ok(Draft { conversation, messages, files: Vec::new() })
}

fn message(id: &str, parent: Option<String>, value: &Value) -> Option<Message> {
    let role = match value.get("role")?.as_str()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return None,
    };
    let content = match value.get("content") {
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| text(part.get("text")));
            texts.collect::<Vec<_>>().join("\n\n")
        }
        content => text(content).unwrap_or_default(),
    };
    let (reasoning, content) = if role == Role::Assistant { unfold(&content) } else { (None, content) };
    let model = text(value.get("model")).or_else(|| text(value.get("modelName"))).unwrap_or_default();
    Some(Message {
        id: id.to_owned(),
        parent,
        role,
        content,
        reasoning,
        created_ms: seconds(value.get("timestamp")),
        answer: (role == Role::Assistant).then(|| Answer { model, ..Answer::default() }),
        ..Message::default()
    })
}

/// Reasoning stands in front of the text, folded: `<details type="reasoning" ...><summary>..</summary>\n>
/// line\n</details>`.
fn unfold(content: &str) -> (Option<String>, String) {
    let folded = || {
        let inside = content.trim_start().strip_prefix("<details type=\"reasoning\"")?;
        let (inside, after) = inside.split_once("</details>")?;
        let (_, quoted) = inside.split_once("</summary>")?;
        let lines = quoted.trim().lines().map(|line| line.strip_prefix("> ").unwrap_or(line.trim_start_matches('>')));
        let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")];
        let text = lines.collect::<Vec<_>>().join("\n");
        let text = plain.into_iter().fold(text, |text, (escaped, plain)| text.replace(escaped, plain));
        Some((text, after.trim_start().to_owned()))
    };
    match folded() {
        Some((reasoning, text)) => (Some(reasoning).filter(|text| !text.is_empty()), text),
        None => (None, content.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_history_keeps_branches_tags_and_reasoning() {
        let draft = read(json!({
            "id": "x", "title": "T", "created_at": 1_700_000_000, "pinned": true, "meta": {"tags": ["a"]},
            "chat": {"history": {"currentId": "3", "messages": {
                "1": {"id": "1", "parentId": null, "role": "user", "content": "2+2?"},
                "2": {"id": "2", "parentId": "1", "role": "assistant", "content": "five", "model": "m"},
                "3": {"id": "3", "parentId": "1", "role": "assistant", "model": "n",
                      "content": "<details type=\"reasoning\" done=\"true\" duration=\"1\">\n<summary>Thought</summary>\n> 2 &lt; 4\n> so\n</details>\nfour"},
            }}}
        }))
        .unwrap();
        let sound = draft.finish();
        assert!(sound.conversation.pinned && sound.conversation.tags == ["a"]);
        let last = &sound.messages[2];
        assert_eq!((last.reasoning.as_deref(), last.content.as_str()), (Some("2 < 4\nso"), "four"));
        assert_eq!(sound.conversation.current.as_ref(), Some(&last.id));
    }

    #[test]
    fn an_old_list_is_a_chain() {
        let messages =
            json!([{"role": "user", "content": "a"}, {"role": "tool"}, {"role": "assistant", "content": "b"}]);
        let sound = read(json!({"chat": {"title": "T", "messages": messages}})).unwrap().finish();
        assert_eq!(sound.messages[1].parent.as_ref(), Some(&sound.messages[0].id));
    }
}
