//! Processes that are killed while they write.
//!
//! The child is this test binary again. It does what a server does to the store and prints a line for each call that
//! has returned; the parent kills it at a random moment and looks whether all that was printed is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::support::{assistant, conversation, generating, user};
use crate::{ConversationStore, Message, RedbStore, Status};

const FOLDER: &str = "TERN_CRASH_FOLDER";
const ROUND: &str = "TERN_CRASH_ROUND";
const ROUNDS: &str = "TERN_CRASH_ROUNDS";

/// So many rounds share a folder, which grows with each.
const SHARED: u64 = 200;

#[test]
#[ignore = "is run by the test below"]
fn child() {
    let store = RedbStore::open(Path::new(&env::var(FOLDER).unwrap())).unwrap();
    let round = env::var(ROUND).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    println!("\nopen");
    for i in 0.. {
        let chat = format!("conv_{round}_{i}");
        let (question, answer) = (format!("q{round}x{i}"), format!("a{round}x{i}"));
        store.create(&conversation(&chat), &[]).unwrap();
        println!("create {chat}");
        let asked = user(&question, None, &format!("{question} {}", "long ".repeat(i % 7 * 1000)));
        let running = generating(Message { conversation: chat.clone(), ..assistant(&answer, &question, "", "m") });
        store.put_messages(&chat, &[asked, running.clone()], Some(&answer)).unwrap();
        println!("put {chat} {question}\nstart {chat} {answer}");
        for length in 1..4 {
            store.put_progress(&Message { content: answer.repeat(length), ..running.clone() }).unwrap();
            println!("progress {chat} {answer} {length}");
        }
        let done = Message { content: answer.clone(), status: Status::Complete, ..running };
        store.put_messages(&chat, &[done], None).unwrap();
        println!("put {chat} {answer}");
        store.put_attachment(&chat, "file", answer.as_bytes()).unwrap();
        println!("attach {chat} {answer}");
        store.update(&chat, &mut |one| one.title = format!("t{round}x{i}")).unwrap();
        println!("title {chat} t{round}x{i}");
        if i % 3 == 1 {
            println!("removing {chat} {answer}");
            store.delete_message(&chat, &answer).unwrap();
            println!("removed {chat} {answer}");
        }
        if i % 3 == 2 {
            println!("deleting {chat}");
            store.delete(std::slice::from_ref(&chat)).unwrap();
            println!("deleted {chat}");
        }
        assert!(Instant::now() < end, "no one killed this process");
    }
}

/// What has been acknowledged of a conversation.
#[derive(Debug, Default)]
struct Known {
    /// Messages whose text begins with their id.
    done: BTreeSet<String>,
    /// Being generated, with at least so many repetitions of the id.
    running: BTreeMap<String, usize>,
    gone: BTreeSet<String>,
    title: Option<String>,
    attachment: Option<String>,
    /// Deletion began or ended: it may, or must, be gone.
    deleting: bool,
    deleted: bool,
}

/// Reads what the child printed. A line without its end was not printed.
fn learn(printed: &str, known: &mut BTreeMap<String, Known>) {
    let whole = &printed[..printed.rfind('\n').map_or(0, |end| end + 1)];
    for line in whole.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [
            "create" | "put" | "start" | "progress" | "attach" | "title" | "removing" | "removed" | "deleting"
            | "deleted",
            chat,
            ..,
        ] = words[..]
        else {
            continue;
        };
        let known = known.entry(chat.to_owned()).or_default();
        match (words[0], &words[2..]) {
            ("put", [id]) => {
                known.running.remove(*id);
                known.done.insert((*id).to_owned());
            }
            ("start", [id]) => _ = known.running.insert((*id).to_owned(), 0),
            ("progress", [id, length]) => _ = known.running.insert((*id).to_owned(), length.parse().unwrap()),
            ("attach", [bytes]) => known.attachment = Some((*bytes).to_owned()),
            ("title", [title]) => known.title = Some((*title).to_owned()),
            ("removing", [id]) => _ = known.done.remove(*id),
            ("removed", [id]) => _ = known.gone.insert((*id).to_owned()),
            ("deleting", []) => known.deleting = true,
            ("deleted", []) => known.deleted = true,
            _ => {}
        }
    }
}

fn check(store: &RedbStore, chat: &str, known: &Known) {
    let found = store.conversation(chat);
    if known.deleted || known.deleting && found.is_err() {
        assert!(found.is_err() && store.messages(chat).is_err(), "{chat} was deleted");
        return;
    }
    let found = found.unwrap_or_else(|error| panic!("{error}; {known:?}"));
    let messages: BTreeMap<_, _> = store.messages(chat).unwrap().into_iter().map(|one| (one.id.clone(), one)).collect();
    assert_eq!(found.messages, messages.len() as u64);
    for id in &known.done {
        assert!(
            messages[id].content.starts_with(id.as_str()) && messages[id].status == Status::Complete,
            "{chat} {id}"
        );
    }
    for (id, length) in &known.running {
        let message = &messages[id];
        match message.status {
            Status::Interrupted => assert!(message.content.len() >= id.len() * length, "{chat} {id} {length}"),
            Status::Complete => assert_eq!(&message.content, id),
            other => panic!("{chat} {id} is {other:?}"),
        }
    }
    assert!(known.gone.iter().all(|id| !messages.contains_key(id)), "{chat} {known:?}");
    if let Some(title) = &known.title {
        assert_eq!(&found.title, title);
    }
    if let Some(bytes) = &known.attachment {
        assert_eq!(store.attachment(chat, "file").unwrap(), bytes.as_bytes());
    }
}

fn start(folder: &Path, round: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tests::crash::child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Gives times below so many milliseconds, others in each run.
fn random() -> impl FnMut(u64) -> Duration {
    let mut state = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    move |ms| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_micros(state % (ms * 1000))
    }
}

#[test]
fn a_store_whose_making_was_interrupted_is_made_the_next_time() {
    let mut random = random();
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), round);
        let file = folder.path().join("store.redb");
        // Up to the moment at which there is a file.
        while !file.exists() && fs::read_dir(folder.path()).unwrap().next().is_none() {
            thread::yield_now();
        }
        thread::sleep(random(10));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = RedbStore::open(folder.path()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        store.create(&conversation("conv_1"), &[]).unwrap();
        drop(store);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "store.redb" || name == "index"), "{names:?}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds: u64 = env::var(ROUNDS).map_or(200, |rounds| rounds.parse().expect("a number of rounds"));
    let mut random = random();
    let mut folder = tempfile::tempdir().unwrap();
    let (mut known, mut acknowledged, mut slowest) = (BTreeMap::new(), 0, Duration::ZERO);
    for round in 0..rounds {
        if round > 0 && round % SHARED == 0 {
            folder = tempfile::tempdir().unwrap();
            known.clear();
        }
        let mut child = start(folder.path(), round);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        // A third while it starts or opens, which repairs what the one before left.
        if round % 3 != 0 {
            while !printed.ends_with("open\n") && stdout.read_line(&mut printed).unwrap() > 0 {}
        }
        thread::sleep(random(40));
        child.kill().unwrap();
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        let status = child.wait().unwrap();
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        assert!(!status.success() && !complaint.contains("panicked"), "round {round}: {complaint}");
        printed.push_str(&String::from_utf8_lossy(&rest));

        let mut news = BTreeMap::new();
        learn(&printed, &mut news);
        acknowledged += news.values().map(|one| one.done.len()).sum::<usize>();
        let begun = Instant::now();
        let store = RedbStore::open(folder.path()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        slowest = slowest.max(begun.elapsed());
        news.iter().for_each(|(chat, known)| check(&store, chat, known));
        let mut last =
            news.iter().filter(|(_, one)| !one.deleting).filter_map(|(chat, one)| Some((chat, one.done.last()?)));
        if let Some((chat, word)) = last.next_back() {
            let hits = store.search(word, 5).unwrap();
            assert!(hits.iter().any(|hit| &hit.conversation.id == chat), "round {round}: {word} is not found");
        }
        known.append(&mut news);
        // Everything since the folder was made, now and then.
        if round % 20 == 19 || round + 1 == rounds {
            known.iter().for_each(|(chat, known)| check(&store, chat, known));
        }
    }
    println!(
        "{rounds} processes killed; {acknowledged} messages acknowledged, all there; opened in {slowest:?} at most"
    );
    assert!(acknowledged as u64 > rounds / 4, "they were killed before they did anything");
}
