//! How long a person waits for a large store: 10,000 conversations of 10 messages, and one of 2,000.
//!
//! `cargo bench -p tern-store`. Prints the median and the slowest of several runs, in milliseconds.

use std::time::{Duration, Instant};

use tern_store::{Conversation, ConversationStore, ListQuery, Message, Order, RedbStore, Role, Status};

const CONVERSATIONS: u64 = 10_000;
const MESSAGES: u64 = 10;
const LONG: u64 = 2_000;
const RUNS: usize = 21;

/// Words as people use them: a few in every text, most in hardly any (Zipf's law, 20,000 of them).
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> String {
        let share = (self.next() % 1_000_000) as f64 / 1_000_000.0;
        let mut rank = 20_000_f64.powf(share) as u64;
        let mut word = String::new();
        while rank > 0 {
            word.push_str(["ka", "re", "mo", "ti", "su", "na", "lo", "ve", "di", "pa"][(rank % 10) as usize]);
            rank /= 10;
        }
        word
    }

    fn text(&mut self, words: u64) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

fn messages(conversation: &str, count: u64, words: &mut Words) -> Vec<Message> {
    let message = |i: u64| Message {
        id: format!("msg_{conversation}_{i}"),
        conversation: conversation.to_owned(),
        parent: i.checked_sub(1).map(|i| format!("msg_{conversation}_{i}")),
        role: if i.is_multiple_of(2) { Role::User } else { Role::Assistant },
        content: words.text(60),
        ..Default::default()
    };
    (0..count).map(message).collect()
}

fn time(what: &str, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{what:<58} {:8.2} ms  at most {:8.2} ms", ms(times[RUNS / 2]), ms(times[RUNS - 1]));
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || RedbStore::open(folder.path()).expect("it opens");
    let store = open();
    let mut words = Words(42);
    let start = Instant::now();
    for i in 0..CONVERSATIONS {
        let id = format!("conv_{i:024}");
        let conversation = Conversation {
            id: id.clone(),
            title: words.text(5),
            tags: vec![format!("tag {}", i % 20)],
            created_ms: i,
            updated_ms: words.next() % 1_000_000,
            ..Default::default()
        };
        store.create(&conversation, &messages(&id, MESSAGES, &mut words)).expect("it is stored");
    }
    let long = messages("long", LONG, &mut words);
    store.create(&Conversation { id: "long".to_owned(), ..Default::default() }, &long).expect("it is stored");
    println!("{CONVERSATIONS} conversations of {MESSAGES} messages stored in {:.1} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    // A search waits at most two seconds for the index.
    while start.elapsed().as_secs() < 120 {
        let begun = Instant::now();
        if store.search("kare", 1).is_ok() && begun.elapsed().as_millis() < 1500 {
            break;
        }
    }
    println!(
        "and searchable {:.1} s later; the file has {} MB",
        start.elapsed().as_secs_f64(),
        store.state().bytes >> 20
    );
    drop(store);
    let start = Instant::now();
    let store = open();
    println!("{:<58} {:8.2} ms", "open the store", start.elapsed().as_secs_f64() * 1000.0);
    store.search("kare", 1).expect("it searches");

    let page = ListQuery { limit: 50, ..Default::default() };
    time("list the first page of 50", || drop(store.list(&page).expect("a page")));
    let tagged = ListQuery { tag: Some("tag 7".to_owned()), pinned: Some(false), ..page.clone() };
    time("list those with a tag, not pinned", || drop(store.list(&tagged).expect("a page")));
    let by_title = ListQuery { order: Order::Title, reverse: true, ..page.clone() };
    time("list by title, Z to A", || drop(store.list(&by_title).expect("a page")));
    let after = store.list(&ListQuery { limit: 5000, ..page.clone() }).expect("a page").data.pop().map(|last| last.id);
    time("list the page behind 5,000 others", || {
        drop(store.list(&ListQuery { after: after.clone(), ..page.clone() }).expect("a page"));
    });
    time("count all tags", || drop(store.tags().expect("tags")));
    for (what, query) in [
        ("search a rare word", "pavedilo "),
        ("search the word that is in nearly every message", "re re"),
        ("search three words", "kare moti suna"),
        ("search the beginning of a word (two letters)", "ka"),
        ("search one letter", "s"),
    ] {
        let found = store.search(query, 20).expect("it searches").len();
        time(&format!("{what}: {found} found"), || drop(store.search(query, 20).expect("it searches")));
    }
    time("open a conversation of 2,000 messages", || {
        assert_eq!(store.messages("long").expect("messages").len() as u64, LONG);
    });
    let mut parent = long.last().map(|last| last.id.clone());
    time("put a message", || {
        let id = format!("msg_{}", words.next());
        let message =
            Message { id: id.clone(), parent: parent.replace(id), content: words.text(60), ..Default::default() };
        store.put_messages("long", &[message], parent.as_deref()).expect("it is stored");
    });
    let running = Message {
        id: "msg_running".to_owned(),
        conversation: "long".to_owned(),
        status: Status::Generating,
        content: words.text(500),
        ..Default::default()
    };
    store.put_messages("long", std::slice::from_ref(&running), None).expect("it is stored");
    time("put the progress of an answer of 500 words", || store.put_progress(&running).expect("it is stored"));
    time("put a message and find it", || {
        let id = format!("msg_{}", words.next());
        let word = format!("unique{}", words.next());
        let message = Message { id: id.clone(), content: word.clone(), ..Default::default() };
        store.put_messages("long", &[message], None).expect("it is stored");
        assert_eq!(store.search(&word, 1).expect("it searches")[0].message.as_ref(), Some(&id));
    });
}
