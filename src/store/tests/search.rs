use std::fs;

use super::support::{assistant, conversation, user};
use crate::{Conversation, ConversationStore, Hit, RedbStore};

fn titled(id: &str, title: &str) -> Conversation {
    Conversation { title: title.to_owned(), ..conversation(id) }
}

/// Three conversations, in which the words below are looked for.
fn filled() -> RedbStore {
    let store = RedbStore::temporary();
    fill(&store);
    store
}

fn fill(store: &RedbStore) {
    store
        .create(&titled("conv_1", "Sourdough bread"), &[user("msg_1", None, "How long does the dough rest?")])
        .unwrap();
    let talk = [
        user("msg_2", None, "Which Café in Ångström street has naïve prices?"),
        assistant(
            "msg_3",
            "msg_2",
            "The Straße café; its bread is made of sourdough and fermentation takes long.",
            "m",
        ),
        assistant(
            "msg_4",
            "msg_2",
            "東京都の天気は晴れです。한국어도 됩니다. กรุงเทพมหานคร שלום עולם مُحَمَّد 👍🏽 done",
            "m",
        ),
    ];
    store.create(&titled("conv_2", "Coffee in town"), &talk).unwrap();
    store.create(&titled("conv_3", "ŁÓDŹ and Ærø"), &[]).unwrap();
}

fn found(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.conversation.id.as_str()).collect()
}

#[track_caller]
fn check(query: &str, expected: &[&str]) {
    assert_eq!(found(&filled().search(query, 10).unwrap()), expected, "{query}");
}

/// What is marked in the first hit.
fn marked(store: &RedbStore, query: &str) -> Vec<String> {
    let hits = store.search(query, 10).unwrap();
    hits[0].highlights.iter().map(|range| hits[0].snippet[range.clone()].to_owned()).collect()
}

#[test]
fn all_words_must_be_there_and_the_last_may_be_a_beginning() {
    check("bread dough", &["conv_1"]);
    check("bread doug", &["conv_1"]);
    check("brea dough", &[]);
    check("fermen", &["conv_2"]);
    check("sourdough unheard", &[]);
    check("", &[]);
    check("  ?! ", &[]);
}

#[test]
fn words_may_be_in_different_messages_and_the_title() {
    check("coffee angstrom sourdough", &["conv_2"]);
    check("coffee rest", &[]);
}

#[test]
fn a_title_comes_before_a_message() {
    check("sourdough", &["conv_1", "conv_2"]);
    let hits = filled().search("sourdough", 10).unwrap();
    assert_eq!((&hits[0].message, hits[0].snippet.as_str()), (&None, "Sourdough bread"));
    assert_eq!(hits[1].message.as_deref(), Some("msg_3"));
    assert_eq!(filled().search("sourdough", 1).unwrap().len(), 1);
}

#[test]
fn case_and_accents_do_not_matter() {
    for query in ["CAFE", "cafe\u{301}", "ångström", "ANGSTROM", "naive", "strasse", "STRAẞE"] {
        check(query, &["conv_2"]);
    }
    check("lodz aero", &["conv_3"]);
}

#[test]
fn scripts_without_spaces_are_found_by_any_part() {
    for query in ["東京", "京都", "天気", "晴", "한국", "국어", "กรุงเทพ", "มหา", "محمد", "שלום", "👍"]
    {
        check(query, &["conv_2"]);
    }
    // Both letters are there, but not side by side.
    check("京気", &[]);
}

#[test]
fn what_was_found_is_marked_in_its_surroundings() {
    let store = filled();
    assert_eq!(marked(&store, "angstrom nai"), ["Ångström", "naïve"]);
    assert_eq!(marked(&store, "東京都の"), ["東京都の"]);
    let long = format!("{} needle\n\n  and\tthread {}", "hay ".repeat(100_000), "straw ".repeat(1000));
    store.create(&conversation("conv_4"), &[user("msg_9", None, &long)]).unwrap();
    let hits = store.search("thread needle", 10).unwrap();
    let snippet = &hits[0].snippet;
    assert!(snippet.contains("needle and thread straw"), "{snippet}");
    assert!(snippet.starts_with('…') && snippet.ends_with('…') && snippet.len() < 250, "{snippet}");
    assert_eq!(marked(&store, "thread needle"), ["needle", "thread"]);
}

#[test]
fn hostile_queries_find_nothing_and_are_no_errors() {
    let store = filled();
    for query in
        ["\"", "a AND", "title:[* TO *]", "((((", "+-!{}^~*?:\\/", "NOT", "\0\u{202e}\u{feff}", "a:b:c", "/.*/"]
    {
        store.search(query, 10).unwrap();
    }
    for query in [
        "x".repeat(1 << 20),
        "( ".repeat(1 << 19),
        "sour dough ".repeat(100_000),
        "é".repeat(5_000),
        "東".repeat(90_000),
    ] {
        store.search(&query, 10).unwrap();
    }
    assert!(store.search("bread", 0).unwrap().is_empty());
}

#[test]
fn the_index_follows_every_change() {
    let store = filled();
    let ids = |query| found(&store.search(query, 10).unwrap()).join(" ");
    assert_eq!(ids("rest"), "conv_1");
    store.put_messages("conv_1", &[user("msg_1", None, "How warm?")], None).unwrap();
    assert_eq!((ids("rest"), ids("warm")), (String::new(), "conv_1".to_owned()));
    store.update("conv_1", &mut |conversation| conversation.title = "Rye".to_owned()).unwrap();
    assert_eq!((ids("sourdough"), ids("rye")), ("conv_2".to_owned(), "conv_1".to_owned()));
    store.delete_message("conv_2", "msg_3").unwrap();
    assert_eq!((ids("sourdough"), ids("ångström")), (String::new(), "conv_2".to_owned()));
    store.delete(&["conv_2".to_owned()]).unwrap();
    assert_eq!((ids("ångström"), ids("coffee")), (String::new(), String::new()));
}

#[test]
fn a_lost_damaged_or_foreign_index_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let look = || found(&RedbStore::open(folder.path()).unwrap().search("sourdough", 10).unwrap()).join(" ");
    fill(&RedbStore::open(folder.path()).unwrap());
    let both = "conv_1 conv_2";
    assert_eq!(look(), both);
    fs::remove_dir_all(&index).unwrap();
    assert_eq!(look(), both, "lost");
    fs::write(index.join("meta.json"), "{").unwrap();
    assert_eq!(look(), both, "meta.json is damaged");
    for (cut, what) in [(3, "shorter"), (0, "altered")] {
        for file in fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension != "json" && extension != "lock") {
                let mut bytes = fs::read(&file).unwrap();
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 0x55;
                }
                bytes.truncate(bytes.len().saturating_sub(cut));
                fs::write(&file, bytes).unwrap();
            }
        }
        assert_eq!(look(), both, "segments are {what}");
    }
    let other = tempfile::tempdir().unwrap();
    drop(RedbStore::open(other.path()).unwrap().create(&titled("conv_9", "sourdough"), &[]));
    fs::remove_dir_all(&index).unwrap();
    fs::rename(other.path().join("index"), &index).unwrap();
    assert_eq!(look(), both, "of another store");
    fs::remove_dir_all(&index).unwrap();
    fs::write(&index, "a file where the folder should be").unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    assert!(matches!(store.search("sourdough", 10), Err(crate::StoreError::Index(_))));
    assert_eq!(store.messages("conv_1").unwrap().len(), 1, "everything else works");
}

#[test]
fn an_index_that_was_left_behind_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let (index, kept) = (folder.path().join("index"), folder.path().join("kept"));
    fill(&RedbStore::open(folder.path()).unwrap());
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    copy(&index, &kept);
    {
        let store = RedbStore::open(folder.path()).unwrap();
        store.delete(&["conv_1".to_owned()]).unwrap();
        store.put_messages("conv_3", &[user("msg_1", None, "sourdough")], None).unwrap();
        store.delete_message("conv_2", "msg_3").unwrap();
    }
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&kept, &index).unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    assert_eq!(found(&store.search("sourdough", 10).unwrap()), ["conv_3"]);
    assert_eq!(found(&store.search("rest", 10).unwrap()), [""; 0]);
}
