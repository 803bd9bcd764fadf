use std::{sync::Arc, thread};

use serde_json::json;

use super::support::{assistant, conversation, generating, ids, user};
use crate::{
    Attachment, Comparison, Conversation, ConversationStore, ListQuery, Message, Order, RedbStore, Status, StoreError,
};

/// A question with two answers, one of them asked further.
fn talk(store: &RedbStore, id: &str) {
    let messages = [
        user("msg_1", None, "Why?"),
        assistant("msg_2", "msg_1", "Because.", "small"),
        assistant("msg_3", "msg_1", "Why not?", "large"),
        user("msg_4", Some("msg_2"), "Really?"),
    ];
    store.create(&Conversation { current: Some("msg_4".to_owned()), ..conversation(id) }, &messages).unwrap();
}

#[track_caller]
fn is_missing<T: std::fmt::Debug>(result: Result<T, StoreError>, what: &str) {
    match result {
        Err(StoreError::NotFound { what: found, .. }) => assert_eq!(found, what),
        other => panic!("no {what} was expected, not {other:?}"),
    }
}

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let half =
        Message { conversation: "conv_1".to_owned(), ..generating(assistant("msg_5", "msg_1", "Half an", "small")) };
    {
        let store = RedbStore::open(folder.path()).unwrap();
        talk(&store, "conv_1");
        store.put_messages("conv_1", &[generating(assistant("msg_5", "msg_1", "", "small"))], None).unwrap();
        store.put_progress(&half).unwrap();
        let running = Comparison { id: "cmp_1".to_owned(), status: Status::Generating, ..Default::default() };
        store.put_comparison(&running).unwrap();
        assert_eq!(store.message("conv_1", "msg_5").unwrap(), half);
        assert!(matches!(RedbStore::open(folder.path()), Err(StoreError::InUse { .. })));
    }
    let store = RedbStore::open(folder.path()).unwrap();
    let found = store.conversation("conv_1").unwrap();
    assert_eq!((found.messages, found.current.as_deref()), (5, Some("msg_4")));
    let messages = store.messages("conv_1").unwrap();
    assert_eq!(ids(&messages), ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5"]);
    assert_eq!((messages[0].content.as_str(), messages[0].conversation.as_str()), ("Why?", "conv_1"));
    assert_eq!(messages[4], Message { status: Status::Interrupted, ..half });
    assert_eq!(store.comparison("cmp_1").unwrap().status, Status::Interrupted);
    let hits = store.search("half", 5).unwrap();
    assert_eq!(hits[0].message.as_deref(), Some("msg_5"), "an interrupted answer is found");
    assert!(store.state().bytes > 0 && store.state().failing.is_none());
}

#[test]
fn unknown_and_taken_ids_are_refused() {
    let store = RedbStore::temporary();
    talk(&store, "conv_1");
    is_missing(store.conversation("x"), "conversation");
    is_missing(store.messages("x"), "conversation");
    is_missing(store.update("x", &mut |_| {}), "conversation");
    is_missing(store.put_messages("x", &[], None), "conversation");
    is_missing(store.delete_message("x", "msg_1"), "conversation");
    is_missing(store.put_attachment("x", "file_1", b""), "conversation");
    is_missing(store.message("conv_1", "x"), "message");
    is_missing(store.delete_message("conv_1", "x"), "message");
    is_missing(store.put_messages("conv_1", &[], Some("x")), "message");
    is_missing(store.update("conv_1", &mut |one| one.current = Some("x".to_owned())), "message");
    is_missing(store.put_progress(&user("msg_1", None, "")), "message");
    is_missing(store.attachment("conv_1", "x"), "attachment");
    is_missing(store.comparison("x"), "comparison");
    is_missing(store.comparisons(Some("x"), 5), "comparison");
    is_missing(store.list(&ListQuery { after: Some("x".to_owned()), ..Default::default() }), "conversation");
    assert!(matches!(store.create(&conversation("conv_1"), &[]), Err(StoreError::Conflict { .. })));
    assert_eq!(store.delete(&["x".to_owned()]).unwrap(), 0);
    assert!(!store.delete_comparison("x").unwrap());
}

#[test]
fn a_tree_has_no_circles_and_no_gaps() {
    let store = RedbStore::temporary();
    let lone = [user("msg_1", Some("msg_9"), "")];
    is_missing(store.create(&conversation("conv_1"), &lone), "message");
    let circle = [user("a", Some("c"), ""), user("b", Some("a"), ""), user("c", Some("b"), "")];
    let own_parent = [user("a", Some("a"), "")];
    for messages in [&circle[..], &own_parent[..]] {
        let result = store.create(&conversation("conv_1"), messages);
        assert!(matches!(result, Err(StoreError::Misplaced { .. })), "{result:?}");
    }
    let twice = [user("a", None, ""), user("a", None, "")];
    assert!(matches!(store.create(&conversation("conv_1"), &twice), Err(StoreError::Conflict { .. })));
    is_missing(store.conversation("conv_1"), "conversation");

    let children_first =
        [user("c", Some("b"), ""), user("d", Some("a"), ""), user("b", Some("a"), ""), user("a", None, "")];
    store.create(&conversation("conv_1"), &children_first).unwrap();
    assert_eq!(ids(&store.messages("conv_1").unwrap()), ["a", "b", "c", "d"]);
    let moved = store.put_messages("conv_1", &[user("a", Some("c"), "")], None);
    assert!(matches!(moved, Err(StoreError::Misplaced { .. })), "{moved:?}");
    let long: Vec<_> = (0..20_000).map(|i| user(&format!("m{i}"), Some(&format!("m{}", i + 1)), "")).collect();
    let result = store.create(&conversation("conv_2"), &long);
    is_missing(result, "message");
}

#[test]
fn a_message_goes_with_everything_below_it() {
    let store = RedbStore::temporary();
    talk(&store, "conv_1");
    let file = |id: &str| Attachment { id: id.to_owned(), ..Default::default() };
    let with = |message: Message, files: &[&str]| Message {
        attachments: files.iter().map(|id| file(id)).collect(),
        ..message
    };
    for id in ["file_1", "file_2"] {
        store.put_attachment("conv_1", id, id.as_bytes()).unwrap();
    }
    let files =
        [with(user("msg_5", Some("msg_4"), ""), &["file_1", "file_2"]), with(user("msg_6", None, ""), &["file_2"])];
    store.put_messages("conv_1", &files, Some("msg_5")).unwrap();

    let left = store.delete_message("conv_1", "msg_2").unwrap();
    assert_eq!((left.messages, left.current.as_deref()), (3, Some("msg_1")));
    assert_eq!(ids(&store.messages("conv_1").unwrap()), ["msg_1", "msg_3", "msg_6"]);
    is_missing(store.attachment("conv_1", "file_1"), "attachment");
    assert_eq!(store.attachment("conv_1", "file_2").unwrap(), b"file_2");
    let left = store.delete_message("conv_1", "msg_1").unwrap();
    assert_eq!(left.current.as_deref(), Some("msg_6"), "another branch is shown");
    let left = store.delete_message("conv_1", "msg_6").unwrap();
    assert_eq!((left.messages, left.current), (0, None));
}

#[test]
fn progress_changes_only_what_is_being_generated() {
    let store = RedbStore::temporary();
    talk(&store, "conv_1");
    let answer = Message { conversation: "conv_1".to_owned(), ..generating(assistant("msg_5", "msg_1", "", "small")) };
    let before = store.put_messages("conv_1", std::slice::from_ref(&answer), None).unwrap();
    store.put_progress(&Message { content: "Be".to_owned(), status: Status::Complete, ..answer.clone() }).unwrap();
    let found = store.message("conv_1", "msg_5").unwrap();
    assert_eq!((found.content.as_str(), found.status), ("Be", Status::Generating));
    assert_eq!(store.conversation("conv_1").unwrap(), before);
    let done = Message { content: "Because.".to_owned(), status: Status::Complete, ..answer.clone() };
    store.put_messages("conv_1", &[done], None).unwrap();
    store.put_progress(&answer).unwrap();
    assert_eq!(store.message("conv_1", "msg_5").unwrap().content, "Because.", "a late piece undoes nothing");
}

#[test]
fn an_update_sees_what_others_wrote() {
    let store = RedbStore::temporary();
    talk(&store, "conv_1");
    store.update("conv_1", &mut |one| one.title = "Reasons".to_owned()).unwrap();
    let changed = store.update("conv_1", &mut |one| {
        one.pinned = true;
        one.id = "conv_other".to_owned();
        one.messages = 99;
    });
    let changed = changed.unwrap();
    assert_eq!((changed.title.as_str(), changed.pinned, changed.messages), ("Reasons", true, 4));
    assert_eq!(changed.id, "conv_1");
    assert!(changed.updated_ms > 1_000);
    let changed = store.update("conv_1", &mut |one| one.updated_ms = 5).unwrap();
    assert_eq!((changed.updated_ms, store.conversation("conv_1").unwrap()), (5, changed));
}

#[test]
fn lists_are_filtered_ordered_and_paged() {
    let store = RedbStore::temporary();
    for (i, title) in ["delta", "Alpha", "charlie", "Bravo", "echo", "old"].iter().enumerate() {
        let ms = 10 * (i as u64 + 1);
        let one = Conversation {
            title: (*title).to_owned(),
            tags: if i % 2 == 0 { vec!["even".to_owned(), "all".to_owned()] } else { vec!["all".to_owned()] },
            pinned: *title == "charlie",
            archived: *title == "old",
            model: (*title == "delta").then(|| "large".to_owned()),
            created_ms: ms,
            updated_ms: 100 - ms,
            ..conversation(title)
        };
        store.create(&one, &[]).unwrap();
    }
    let messages = [user("q", None, ""), assistant("a", "q", "", "large")];
    store.put_messages("Bravo", &messages, None).unwrap();
    store.update("Bravo", &mut |one| one.updated_ms = 60).unwrap();

    let check = |query: ListQuery, expected: &[&str]| {
        for limit in [1, 2, 100] {
            let mut query = ListQuery { limit, ..query.clone() };
            let mut found = Vec::new();
            loop {
                let page = store.list(&query).unwrap();
                assert_eq!(page.total as usize, expected.len(), "{query:?}");
                query.after = page.data.last().map(|last| last.id.clone());
                found.extend(page.data.into_iter().map(|one| one.id));
                if !page.has_more {
                    break;
                }
            }
            assert_eq!(found, expected, "{query:?}");
        }
    };
    let all = ListQuery::default();
    check(all.clone(), &["charlie", "delta", "Alpha", "Bravo", "echo"]);
    check(ListQuery { reverse: true, ..all.clone() }, &["charlie", "echo", "Bravo", "Alpha", "delta"]);
    check(ListQuery { order: Order::Created, ..all.clone() }, &["charlie", "echo", "Bravo", "Alpha", "delta"]);
    check(ListQuery { order: Order::Title, ..all.clone() }, &["charlie", "Alpha", "Bravo", "delta", "echo"]);
    check(ListQuery { archived: Some(true), ..all.clone() }, &["old"]);
    check(ListQuery { pinned: Some(false), ..all.clone() }, &["delta", "Alpha", "Bravo", "echo"]);
    check(ListQuery { tag: Some("even".to_owned()), ..all.clone() }, &["charlie", "delta", "echo"]);
    check(ListQuery { model: Some("large".to_owned()), ..all.clone() }, &["delta", "Bravo"]);
    check(ListQuery { tag: Some("none".to_owned()), ..all.clone() }, &[]);
    assert_eq!(store.tags().unwrap(), [("all".to_owned(), 6), ("even".to_owned(), 3)]);
    // An answer of another model takes its place; then none is left.
    store.put_messages("Bravo", &[assistant("a", "q", "", "small")], None).unwrap();
    check(ListQuery { model: Some("large".to_owned()), ..all.clone() }, &["delta"]);
    store.delete_message("Bravo", "a").unwrap();
    check(ListQuery { model: Some("small".to_owned()), ..all }, &[]);
}

#[test]
fn two_writers_lose_nothing_of_each_other() {
    let store = Arc::new(RedbStore::temporary());
    store.create(&conversation("conv_1"), &[user("root", None, "")]).unwrap();
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let store = store.clone();
            thread::spawn(move || {
                for i in 0..50 {
                    let id = format!("msg_{writer}_{i}");
                    store.put_messages("conv_1", &[user(&id, Some("root"), &id)], Some(&id)).unwrap();
                    store.update("conv_1", &mut |one| one.tags.push(id.clone())).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let found = store.conversation("conv_1").unwrap();
    assert_eq!((found.messages, found.tags.len()), (101, 100));
    assert_eq!(store.messages("conv_1").unwrap().len(), 101);
}

#[test]
fn a_conversation_deleted_while_another_writes_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(folder.path()).unwrap());
    store.create(&conversation("conv_1"), &[user("msg_0", None, "")]).unwrap();
    let writer = thread::spawn({
        let store = store.clone();
        move || {
            for i in 1.. {
                let (id, parent) = (format!("msg_{i}"), format!("msg_{}", i - 1));
                let message = generating(user(&id, Some(&parent), "orphan"));
                let attachment = store.put_attachment("conv_1", &id, b"bytes");
                if let Err(error) = attachment.and_then(|()| store.put_messages("conv_1", &[message], Some(&id))) {
                    return error;
                }
            }
            unreachable!()
        }
    });
    while store.conversation("conv_1").unwrap().messages < 20 {
        thread::yield_now();
    }
    assert_eq!(store.delete(&["conv_1".to_owned()]).unwrap(), 1);
    is_missing::<()>(Err(writer.join().unwrap()), "conversation");
    is_missing(store.put_messages("conv_1", &[], None), "conversation");
    is_missing(store.messages("conv_1"), "conversation");
    assert!(store.search("orphan", 5).unwrap().is_empty());
    // A new one of the same name begins empty.
    store.create(&conversation("conv_1"), &[]).unwrap();
    assert!(store.messages("conv_1").unwrap().is_empty());
    is_missing(store.attachment("conv_1", "msg_1"), "attachment");
}

#[test]
fn any_text_comes_back_as_it_was() {
    let store = RedbStore::temporary();
    let texts = [
        "x".repeat(1 << 20),
        "😀👩‍👩‍👧‍👦 é\u{301}\0\u{feff}".repeat(20_000),
        "\u{202e}مرحبا שלום\u{202c} <script>alert(1)</script>\r\n\t\"\\".to_owned(),
        String::new(),
    ];
    let messages: Vec<_> = (0..).zip(&texts).map(|(i, text)| user(&format!("msg_{i}"), None, text)).collect();
    let title = texts[2].clone();
    store.create(&Conversation { title: title.clone(), ..conversation("conv_1") }, &messages).unwrap();
    let found = store.messages("conv_1").unwrap();
    assert!(found.iter().zip(&texts).all(|(message, text)| &message.content == text));
    assert_eq!(store.conversation("conv_1").unwrap().title, title);
    assert_eq!(store.search("script", 5).unwrap()[0].snippet.matches("<script>").count(), 1);
    // Ids are any text as well, and one may begin with another.
    store.create(&conversation("conv_1\0"), &[user("other", None, "")]).unwrap();
    store.create(&conversation("conv_10"), &[user("other", None, "")]).unwrap();
    assert_eq!(store.messages("conv_1").unwrap().len(), texts.len());
    store.delete(&["conv_1".to_owned()]).unwrap();
    assert_eq!(store.messages("conv_10").unwrap().len(), 1);
    assert_eq!(store.messages("conv_1\0").unwrap().len(), 1);
}

#[test]
fn comparisons_are_kept_and_paged_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let one = |id: &str, created_ms| Comparison {
        id: id.to_owned(),
        created_ms,
        results: json!({"cells": [1, 2, {"text": "x"}]}),
        ..Default::default()
    };
    {
        let store = RedbStore::open(folder.path()).unwrap();
        for (id, ms) in [("a", 1), ("b", 3), ("c", 2), ("d", 4)] {
            store.put_comparison(&one(id, ms)).unwrap();
        }
        store.put_comparison(&Comparison { title: "Again".to_owned(), ..one("c", 2) }).unwrap();
        assert!(store.delete_comparison("d").unwrap());
    }
    let store = RedbStore::open(folder.path()).unwrap();
    let first = store.comparisons(None, 2).unwrap();
    assert_eq!(first.data, [one("b", 3), Comparison { title: "Again".to_owned(), ..one("c", 2) }]);
    assert_eq!((first.has_more, first.total), (true, 3));
    let rest = store.comparisons(Some("c"), 2).unwrap();
    assert_eq!((rest.data, rest.has_more), (vec![one("a", 1)], false));
}
