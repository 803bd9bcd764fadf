//! Conversations from files: our own export, ChatGPT's `conversations.json`, Open WebUI's export. Which it is, its
//! shape says.
//!
//! A file is whatever someone found somewhere: nothing in it is believed. Each conversation is read by itself, so that
//! one that cannot be read costs only itself; `draft` then makes a sound tree of what was read.

mod chatgpt;
mod draft;
mod open_webui;
mod own;
mod slices;

use serde_json::Value;
use tern_store::{ConversationStore, StoreError};

use crate::ConversationError;
use draft::Draft;
use slices::{elements, members};

/// Most conversations of a file.
const MAX_CONVERSATIONS: usize = 100_000;

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Ids of the conversations that are here now.
    pub imported: Vec<String>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
}

/// A conversation of the file that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the file, from 0.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// How to read one conversation of a file.
type Read = fn(Value) -> Result<Draft, String>;

/// Reads a file (JSON) and stores what is in it, one conversation after the other: besides the text of the file, memory
/// holds only one.
pub(crate) fn import(store: &dyn ConversationStore, document: &str) -> Result<Import, ConversationError> {
    let (conversations, read) = recognise(document)?;
    if conversations.len() > MAX_CONVERSATIONS {
        let message = format!("more than {MAX_CONVERSATIONS} conversations in one file");
        return Err(invalid(message));
    }
    let mut import = Import::default();
    for (index, text) in conversations.into_iter().enumerate() {
        let value = serde_json::from_str(text).map_err(|error| error.to_string());
        let stored = match value.and_then(read) {
            Ok(draft) => keep(store, draft),
            Err(reason) => {
                import.skipped.push(Skipped { index, reason });
                continue;
            }
        };
        match stored {
            Ok(id) => import.imported.push(id),
            // Nothing of this file is here: the caller may try again as a whole.
            Err(error) if import.imported.is_empty() => return Err(error.into()),
            Err(error) => import.skipped.push(Skipped { index, reason: error.to_string() }),
        }
    }
    Ok(import)
}

fn keep(store: &dyn ConversationStore, draft: Draft) -> Result<String, StoreError> {
    let mut sound = draft.finish();
    match store.create(&sound.conversation, &sound.messages) {
        Err(StoreError::Conflict { .. }) => {
            // It was imported before, or never left: both are kept.
            sound.renew();
            store.create(&sound.conversation, &sound.messages)?;
        }
        other => other?,
    }
    for (id, bytes) in &sound.files {
        store.put_attachment(&sound.conversation.id, id, bytes)?;
    }
    Ok(sound.conversation.id)
}

fn invalid(message: impl Into<String>) -> ConversationError {
    ConversationError::File(message.into())
}

/// The conversations of a file, unread, and how to read them.
fn recognise(document: &str) -> Result<(Vec<&str>, Read), ConversationError> {
    const KNOWN: &str = "known are exports of Tern (JSON), ChatGPT (conversations.json) and Open WebUI";
    let unknown = || invalid(format!("the file is JSON, but no export of conversations; {KNOWN}"));
    if let Some(conversations) = elements(document, MAX_CONVERSATIONS + 1) {
        // A damaged one at the beginning does not hide what the others are.
        let mut first = conversations.iter().take(100).filter_map(|text| serde_json::from_str(text).ok());
        return match first.find_map(|conversation| reader_of(&conversation)) {
            Some(read) => Ok((conversations, read)),
            None if conversations.is_empty() => Err(invalid("the file has no conversations")),
            None => Err(unknown()),
        };
    }
    let (mut format, mut version, mut conversations) = (None, 0, None);
    let look = |name: &str, value| match name {
        "format" => format = serde_json::from_str::<String>(value).ok(),
        "version" => version = serde_json::from_str(value).unwrap_or(0),
        "conversations" => conversations = Some(value),
        _ => {}
    };
    members(document, look).ok_or_else(unknown)?;
    if format.as_deref() != Some(crate::export::FORMAT) {
        // One conversation of ChatGPT or Open WebUI by itself.
        let object = serde_json::from_str(document).ok();
        let read = object.and_then(|object| reader_of(&object)).ok_or_else(unknown)?;
        return Ok((vec![document], read));
    }
    if version > crate::export::VERSION {
        let message = format!(
            "the file has version {version} of Tern's format; this version of tern reads up to {}",
            crate::export::VERSION
        );
        return Err(invalid(message));
    }
    let conversations = conversations.and_then(|text| elements(text, MAX_CONVERSATIONS + 1));
    Ok((conversations.ok_or_else(|| invalid("conversations is missing, or no array"))?, own::read))
}

fn reader_of(conversation: &Value) -> Option<Read> {
    let is_object = |value: Option<&Value>| value.is_some_and(Value::is_object);
    if is_object(conversation.get("mapping")) {
        return Some(chatgpt::read);
    }
    let chat = conversation.get("chat")?;
    let history = is_object(chat.get("history")) || chat.get("messages").is_some_and(Value::is_array);
    history.then_some(open_webui::read as Read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tern_store::{ListQuery, RedbStore};

    use super::*;
    use crate::export::{Format, export};

    fn take(document: Value) -> (RedbStore, Import) {
        let store = RedbStore::temporary();
        let import = import(&store, &document.to_string()).unwrap();
        (store, import)
    }

    fn exported(store: &RedbStore) -> Value {
        let mut text = String::new();
        export(store, None, Format::Json, &mut |piece| {
            text += &piece;
            true
        })
        .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_no_export_is_refused() {
        for document in [
            json!(null),
            json!(5),
            json!("text"),
            json!([]),
            json!([1, null]),
            json!({}),
            json!({"format": "tern-conversations"}),
            json!({"format": "tern-conversations", "conversations": 5}),
            json!({"format": "tern-conversations", "version": 99, "conversations": []}),
            json!([{"mapping": 5}]),
            json!([{"chat": {"history": 5}}]),
        ] {
            let error = import(&RedbStore::temporary(), &document.to_string()).unwrap_err();
            assert!(matches!(error, ConversationError::File(_)), "{document}: {error}");
        }
    }

    #[test]
    fn our_own_export_comes_back_the_same_and_beside_itself_the_second_time() {
        let whole = json!({"format": "tern-conversations", "version": 1, "conversations": [{
            "id": "conv_0123456789abcdef01234567", "title": "<b>T</b>", "title_is_given": true, "tags": ["a"],
            "pinned": true, "current": "msg_000000000000000000000002", "created_ms": 5, "updated_ms": 6,
            "parameters": {"temperature": 0.5},
            "tree": [
                {"id": "msg_000000000000000000000001", "role": "user", "content": "see file",
                 "attachments": [{"id": "file_000000000000000000000001", "name": "a.txt", "media_type": "text/plain", "bytes": 99}]},
                {"id": "msg_000000000000000000000002", "parent": "msg_000000000000000000000001", "role": "assistant",
                 "content": "yes", "reasoning": "hm", "status": "stopped", "answer": {"model": "m"}},
                {"id": "msg_000000000000000000000003", "parent": "msg_000000000000000000000001", "role": "assistant",
                 "content": "no", "status": "generating"}],
            "files": {"file_000000000000000000000001": "aGVsbG8="}}]});
        let (store, import_) = take(whole.clone());
        assert_eq!(import_.imported, ["conv_0123456789abcdef01234567"]);
        let messages = store.messages(&import_.imported[0]).unwrap();
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[2].status, tern_store::Status::Interrupted);
        assert_eq!(messages[0].attachments[0].bytes, 5, "the true length counts");
        assert_eq!(store.attachment(&import_.imported[0], &messages[0].attachments[0].id).unwrap(), b"hello");
        // Export and import again into an empty store: nothing is lost.
        let first = exported(&store);
        let (other, _) = take(first.clone());
        assert_eq!(exported(&other)["conversations"], first["conversations"]);
        // Into the same store: a copy under new ids.
        let again = import(&store, &first.to_string()).unwrap();
        assert_ne!(again.imported[0], import_.imported[0]);
        let copies = store.messages(&again.imported[0]).unwrap();
        assert_eq!(copies.len(), 3);
        assert_eq!(copies[1].parent.as_ref(), Some(&copies[0].id));
        assert_ne!(copies[0].id, messages[0].id);
        assert_eq!(store.attachment(&again.imported[0], &copies[0].attachments[0].id).unwrap(), b"hello");
        assert_eq!(store.conversation(&again.imported[0]).unwrap().current.as_ref(), Some(&copies[1].id));
    }

    #[test]
    fn one_bad_conversation_costs_only_itself() {
        let good = json!({"title": "ok", "mapping": {"a": {"message": {"author": {"role": "user"},
            "content": {"content_type": "text", "parts": ["hi"]}}}}});
        let (_, import) = take(json!([null, {"mapping": []}, good, {"title": "empty", "mapping": {}}]));
        assert_eq!(import.imported.len(), 1);
        assert_eq!(import.skipped.iter().map(|skipped| skipped.index).collect::<Vec<_>>(), [0, 1, 3]);
    }

    /// Values as a fuzzer would put them anywhere.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop_oneof![Just("a"), Just("b"), Just("user"), Just("assistant"), Just("text"), Just("1e999")]
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            let key = prop_oneof![
                Just("mapping"),
                Just("message"),
                Just("parent"),
                Just("children"),
                Just("content"),
                Just("parts"),
                Just("chat"),
                Just("history"),
                Just("messages"),
                Just("parentId"),
                Just("currentId"),
                Just("role"),
                Just("author"),
                Just("tree"),
                Just("id"),
                Just("a"),
                Just("b"),
                Just("content_type"),
                Just("files"),
                Just("created_ms"),
                Just("attachments"),
                Just("answer"),
                Just("status"),
                Just("current")
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((key.prop_map(str::to_owned), inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_file_brings_it_down_and_what_is_stored_is_a_tree(value in any_value(), kind in 0..3) {
            let document = match kind {
                0 => json!({"format": "tern-conversations", "version": 1, "conversations": [value]}),
                1 => json!([{"mapping": value, "current_node": "a"}, {"mapping": {"a": value}}]),
                _ => json!([{"chat": {"history": {"messages": value, "currentId": "a"}}}, {"chat": {"messages": [value]}}]),
            };
            let store = RedbStore::temporary();
            let _ = import(&store, &document.to_string());
            let list = store.list(&ListQuery { limit: 10, ..ListQuery::default() }).unwrap();
            for conversation in list.data {
                let messages = store.messages(&conversation.id).unwrap();
                for (at, message) in messages.iter().enumerate() {
                    let parent = message.parent.as_ref();
                    prop_assert!(parent.is_none_or(|p| messages[..at].iter().any(|m| m.id == *p)));
                    prop_assert!(message.conversation == conversation.id);
                }
                let current = conversation.current.as_ref();
                prop_assert!(current.is_none_or(|c| messages.iter().any(|m| m.id == *c)));
            }
        }
    }
}
