//! Conversations over the end of a server, kind or not.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::support::{Home, Served};

fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Starts an endless answer in a new conversation, reads `pieces` of it and leaves. Gives the conversation's path.
fn begin(server: &Served, pieces: usize) -> String {
    let created = json(&server.ask("POST", "/api/conversations", r#"{"model": "echo-long"}"#).unwrap());
    let path = format!("/api/conversations/{}", created["id"].as_str().unwrap());
    let stream = server.send("POST", &format!("{path}/messages"), r#"{"content": "Go on for ever."}"#).unwrap();
    let texts = BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.contains(r#""type":"text""#));
    assert_eq!(texts.take(pieces).count(), pieces);
    path
}

/// The answer as a new server finds it.
fn answer(server: &Served, path: &str) -> Value {
    let whole = json(&server.ask("GET", path, "").unwrap());
    assert_eq!(whole["tree"][0]["content"], "Go on for ever.");
    whole["tree"][1].clone()
}

#[test]
fn sigterm_keeps_an_answer_nobody_listens_to_and_does_not_wait_for_it() {
    let home = Home::new();
    let mut server = home.serve(&["--grace", "1h"]);
    let path = begin(&server, 20);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let answer = answer(&home.serve(&[]), &path);
    assert_eq!(answer["status"], "interrupted");
    assert!(answer["content"].as_str().unwrap().split_whitespace().count() >= 20, "{answer}");
    assert!(answer["answer"]["timings"]["total_ms"].as_f64().unwrap() > 0.0, "{answer}");
}

#[test]
fn a_killed_server_loses_at_most_the_last_moment_of_an_answer_which_then_goes_on() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    // Half a second and more, of which the last quarter may be lost.
    let path = begin(&server, 300);
    server.signal("KILL");
    server.wait();
    let server = home.serve(&[]);
    let found = answer(&server, &path);
    assert_eq!(found["status"], "interrupted");
    let text = found["content"].as_str().unwrap();
    assert!(text.split_whitespace().count() >= 20, "{found}");
    let more = format!("{path}/messages/{}/continue", found["id"].as_str().unwrap());
    server.ask("POST", &more, r#"{"parameters": {"max_tokens": 3}}"#).unwrap();
    let whole = answer(&server, &path);
    assert_eq!(whole["status"], "complete");
    assert!(whole["content"].as_str().unwrap().starts_with(text), "{whole}");
}
