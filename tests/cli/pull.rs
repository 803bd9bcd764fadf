//! Downloads from a hub on loopback, the one that the catalogue's tests talk to.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use self::hub::{FakeHub, Gate, Reply, at};
use super::support::{Home, signal};

// What these tests do not script is dead code here.
#[allow(dead_code)]
#[path = "../../src/catalog/tests/support/hub.rs"]
mod hub;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const GUIDE: &[u8] = include_bytes!("../../models/guide/tern-guide.gguf");
const NAME: &str = "org/name:guide.gguf";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_pulled_model_answers_under_the_name_it_was_pulled_by() {
    let hub = FakeHub::start();
    hub.put("guide.gguf", GUIDE);
    let home = Home::asking(&hub.url());
    let pulled = home.run(&["pull", NAME]);
    for part in ["llama", "context 1024", "of memory at 1024 tokens", "Ready: tern chat org/name:guide.gguf"] {
        assert!(pulled.stderr.contains(part), "no {part:?} in {pulled:#?}");
    }
    assert!(std::fs::read(pulled.ok().trim()).unwrap() == GUIDE);
    assert!(home.run(&["chat", NAME, "-p", "What is Tern?"]).ok().contains("Tern"));
    assert!(home.run(&["pull", NAME]).ok().contains("is here already"));
    assert_eq!(hub.requests("GET", "guide.gguf").iter().filter(|request| request.range().is_none()).count(), 1);
    home.run(&["pull", "org/name:other.gguf"]).fails(1, &["other.gguf"]);
}

#[test]
fn a_model_that_would_not_fit_is_refused_before_it_is_fetched() {
    let hub = FakeHub::start();
    hub.put("guide.gguf", GUIDE);
    let home = Home::asking(&hub.url());
    home.run(&["pull", NAME, "--memory-budget", "20MiB"]).fails(1, &["more than the budget of 20.0 MiB", "--force"]);
    let header_only = |request: &hub::Request| request.range().is_some_and(|(_, last)| last.is_some());
    assert!(hub.requests("GET", "guide.gguf").iter().all(header_only), "{:?}", hub.log());
    home.run(&["pull", NAME, "--memory-budget", "20MiB", "--force"]).ok();
}

#[test]
fn a_signal_stops_a_download_and_the_next_goes_on_from_there() {
    let (hub, gate) = (FakeHub::start(), Arc::new(Gate::default()));
    let (etag, held) = (sha256(GUIDE), gate.clone());
    hub.describe("guide.gguf", &etag, GUIDE.len());
    hub.on("GET", &at(COMMIT, "guide.gguf"), move |request, _| {
        let reply = Reply::file(request, GUIDE, &etag).header("x-repo-commit", COMMIT);
        match request.range() {
            None => reply.hold(3_000_000, &held),
            Some(_) => reply,
        }
    });
    let home = Home::asking(&hub.url());
    let child = home.tern(&["pull", NAME]).spawn().unwrap();
    hub.wait_until(|log| log.iter().any(|request| request.method == "GET" && request.range().is_none()));
    // It has begun; something of it should be on the disk before it is stopped.
    let ours = |path: &Path| !path.components().any(|part| part.as_os_str() == "builtin");
    let partial = |(path, bytes): (PathBuf, u64)| ours(&path) && (1_000_000..GUIDE.len() as u64).contains(&bytes);
    let partial = || home.files().into_iter().any(partial);
    while !partial() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    signal(&child, "INT");
    let ended = child.wait_with_output().unwrap();
    gate.open();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(130) && said.contains("The same command goes on"), "{said}");
    home.run(&["pull", NAME]).ok();
    let first =
        hub.requests("GET", "guide.gguf").into_iter().filter_map(|request| request.range()).map(|range| range.0);
    assert!(first.max() >= Some(1_000_000), "{:?}", hub.log());
}

#[test]
fn a_download_over_http_reports_its_progress_and_the_id_to_ask_for() {
    let hub = FakeHub::start();
    hub.put("guide.gguf", GUIDE);
    let home = Home::asking(&hub.url());
    let server = home.serve(&[]);
    let body = format!("{{\"model\": \"{NAME}\"}}");
    let answer = server.ask("POST", "/api/models/pull", &body).unwrap();
    assert!(answer.contains("content-type: text/event-stream"), "{answer}");
    let data: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let [first, .., last, end] = &data[..] else { panic!("{answer}") };
    let (first, last): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(first).unwrap(), serde_json::from_str(last).unwrap());
    assert_eq!((&first["file"], &last["status"], &last["model"]), (&NAME.into(), &"done".into(), &NAME.into()));
    assert_eq!((&last["bytes_done"], &last["bytes_total"]), (&GUIDE.len().into(), &GUIDE.len().into()));
    assert_eq!(*end, "[DONE]");
    let question = serde_json::json!({"model": NAME, "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]});
    let answer = server.ask("POST", "/v1/chat/completions", &question.to_string()).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    // A name without its file is an error of the stream, with what to do.
    let answer = server.ask("POST", "/api/models/pull", "{\"model\": \"org/name:other.gguf\"}").unwrap();
    assert!(answer.contains("\"error\"") && answer.contains("other.gguf") && !answer.contains("[DONE]"), "{answer}");
}
