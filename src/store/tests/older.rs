//! Files that older versions wrote.
//!
//! `files/v1.redb` was written by `write_the_file_of_this_version` and stays as it is; when the layout changes, the file
//! of the new version is added beside it.

use std::{fs, path::Path};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction, backends::FileBackend};
use serde_json::{Value, json};

use super::support::{assistant, conversation, generating, ids, user};
use crate::{
    Comparison, Conversation, ConversationStore, Message, RedbStore, Role, Status, StoreError, ToolCall, conversations,
    disk::{Failure, Medium},
    index::Place,
    tables::{ATTACHMENTS, COMPARISONS, CONVERSATIONS, GENERATING, MESSAGES, META, META_SCHEMA, PLACES, SCHEMA},
    upgrade::{self, Step},
};

fn folder_with(file: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.redb"), file).unwrap();
    folder
}

fn a_call() -> ToolCall {
    ToolCall { id: "call_1".to_owned(), name: "rest".to_owned(), arguments: "{}".to_owned() }
}

#[test]
#[ignore = "writes a fixture: cargo test -p tern-store write_the_file -- --ignored"]
fn write_the_file_of_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let one = Conversation { title: "Bread".to_owned(), tags: vec!["kitchen".to_owned()], ..conversation("conv_1") };
    let mut called = Message { tool_calls: vec![a_call()], ..assistant("msg_5", "msg_1", "", "small") };
    called.answer.as_mut().unwrap().response = json!({"store": true});
    let messages = [
        user("msg_1", None, "How long does dough rest?"),
        assistant("msg_2", "msg_1", "Overnight.", "small"),
        generating(assistant("msg_3", "msg_1", "An hour", "large")),
        called,
        Message {
            role: Role::Tool,
            tool_call_id: Some("call_1".to_owned()),
            ..user("msg_6", Some("msg_5"), "two hours")
        },
    ];
    store.create(&one, &messages).unwrap();
    store.put_attachment("conv_1", "file_1", b"flour, water").unwrap();
    store.put_comparison(&Comparison { id: "cmp_1".to_owned(), ..Default::default() }).unwrap();
    drop(store);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/files/v{SCHEMA}.redb"));
    fs::copy(folder.path().join("store.redb"), target).unwrap();
}

#[test]
fn a_file_of_version_1_is_read() {
    let folder = folder_with(include_bytes!("files/v1.redb"));
    let store = RedbStore::open(folder.path()).unwrap();
    let found = store.conversation("conv_1").unwrap();
    assert_eq!((found.title.as_str(), found.tags[0].as_str(), found.messages), ("Bread", "kitchen", 3));
    let messages = store.messages("conv_1").unwrap();
    assert_eq!(ids(&messages), ["msg_1", "msg_2", "msg_3"]);
    assert_eq!((messages[2].status, messages[2].content.as_str()), (Status::Interrupted, "An hour"));
    assert_eq!(store.attachment("conv_1", "file_1").unwrap(), b"flour, water");
    assert_eq!(store.comparison("cmp_1").unwrap().id, "cmp_1");
    assert_eq!(store.search("overn", 5).unwrap()[0].message.as_deref(), Some("msg_2"));
    store.put_messages("conv_1", &[user("msg_4", Some("msg_3"), "")], None).unwrap();
    // What version 1 did not note is known since it was opened.
    for id in ["msg_1", "msg_3", "msg_4"] {
        assert_eq!(store.place(id).unwrap(), "conv_1", "{id}");
    }
}

#[test]
fn a_file_of_version_2_is_read() {
    let folder = folder_with(include_bytes!("files/v2.redb"));
    let store = RedbStore::open(folder.path()).unwrap();
    let messages = store.messages("conv_1").unwrap();
    assert_eq!(ids(&messages), ["msg_1", "msg_2", "msg_3", "msg_5", "msg_6"]);
    assert_eq!(messages[3].tool_calls, [a_call()]);
    assert_eq!(messages[3].answer.as_ref().unwrap().response, json!({"store": true}));
    assert_eq!((messages[4].role, messages[4].tool_call_id.as_deref()), (Role::Tool, Some("call_1")));
    assert_eq!(store.place("msg_6").unwrap(), "conv_1");
}

/// Today's tables keep their names and types, or a file that lies on a disk already can no longer be opened.
#[test]
fn tables_are_named_as_in_the_readme() {
    let readme = include_str!("../README.md");
    let names = [
        META.to_string(),
        CONVERSATIONS.to_string(),
        MESSAGES.to_string(),
        ATTACHMENTS.to_string(),
        COMPARISONS.to_string(),
        GENERATING.to_string(),
        PLACES.to_string(),
    ];
    for name in names {
        let name = name.split('<').next().unwrap();
        assert!(readme.contains(&format!("`{name}`")), "README.md does not describe {name}");
    }
    assert!(readme.contains(&format!("Version {SCHEMA} of the layout")));
}

/// An older layout that never was: one record a conversation, with its messages in it.
const INVENTED: TableDefinition<&str, &[u8]> = TableDefinition::new("conversations.v0");

fn invented_file(path: &Path, schema: u64) {
    let database = Database::create(path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert(META_SCHEMA, schema).unwrap();
    let record = br#"{"id": "conv_1", "title": "Old", "texts": ["first words", "second words"]}"#;
    write.open_table(INVENTED).unwrap().insert("conv_1", record.as_slice()).unwrap();
    write.commit().unwrap();
}

fn from_invented(transaction: &WriteTransaction) -> Result<(), Failure> {
    for item in transaction.open_table(INVENTED)?.iter()? {
        let old: Value =
            serde_json::from_slice(item?.1.value()).map_err(|error| Failure::Damaged(error.to_string()))?;
        let texts: Vec<_> = old["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let message = |(i, text): (usize, &&str)| Message {
            parent: i.checked_sub(1).map(|i| format!("msg_{i}")),
            ..user(&format!("msg_{i}"), None, text)
        };
        let messages: Vec<_> = texts.iter().enumerate().map(message).collect();
        let text = |name: &str| old[name].as_str().unwrap_or_default().to_owned();
        let one = Conversation { id: text("id"), title: text("title"), ..Default::default() };
        conversations::create(transaction, &one, &messages)?;
    }
    transaction.delete_table(INVENTED)?;
    Ok(())
}

fn failing(transaction: &WriteTransaction) -> Result<(), Failure> {
    from_invented(transaction)?;
    Err(Failure::Damaged("the step failed at its end".to_owned()))
}

fn open(path: &Path, steps: &[Step]) -> Result<RedbStore, StoreError> {
    let file = path.to_owned();
    let medium: Medium = Box::new(move || {
        let file = fs::OpenOptions::new().read(true).write(true).open(&file)?;
        Ok(Box::new(FileBackend::new(file).unwrap()))
    });
    RedbStore::with(path.to_owned(), medium, Place::Memory, steps)
}

#[test]
fn an_older_file_is_upgraded_once_and_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.redb");
    invented_file(&path, u64::from(SCHEMA) - 1);
    let error = open(&path, &[failing]).map(drop).unwrap_err();
    assert!(error.to_string().contains("failed at its end"), "{error}");
    for steps in [&[from_invented as Step][..], &[failing], upgrade::STEPS] {
        let store = open(&path, steps).unwrap();
        assert_eq!(store.conversation("conv_1").unwrap().title, "Old");
        assert_eq!(ids(&store.messages("conv_1").unwrap()), ["msg_0", "msg_1"]);
        assert_eq!(store.search("second", 5).unwrap().len(), 1);
    }
}

#[test]
fn files_that_are_too_old_or_too_new_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    invented_file(&path, u64::from(SCHEMA) + 1);
    let before = fs::read(&path).unwrap();
    match RedbStore::open(folder.path()).map(drop) {
        Err(StoreError::TooNew { found, known, .. }) => assert_eq!((found, known), (SCHEMA + 1, SCHEMA)),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&path).unwrap().len(), before.len());
    fs::remove_file(&path).unwrap();
    invented_file(&path, 0);
    match RedbStore::open(folder.path()).map(drop) {
        Err(StoreError::Damaged { message, .. }) => assert!(message.contains("schema version 0"), "{message}"),
        other => panic!("{other:?}"),
    }
}
