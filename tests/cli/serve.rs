use std::{io::Read, net::TcpListener};

use super::support::Home;

#[test]
fn the_first_lines_say_address_models_engines_threads_and_memory() {
    let home = Home::new();
    let mut child = home.tern(&["--port", "0", "--echo"]).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("Ctrl-C stops") {
        assert!(std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap() > 0, "{seen}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for part in
        ["address  http://127.0.0.1:", "/docs", "models   ", "engine   ", "threads  ", "usable", "memory   budget"]
    {
        assert!(seen.contains(part), "no {part:?} in {seen}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let address = format!("127.0.0.1:{port}");
    Home::new().run(&["serve", "--port", &port]).fails(1, &[&address, "in use", "--port"]);
}

#[test]
fn a_second_server_on_a_data_folder_is_refused_unless_it_keeps_nothing() {
    let home = Home::new();
    let one = home.serve(&[]);
    home.run(&["serve", "--port", "0"]).fails(1, &["store.redb", "another tern server", "--data-dir"]);
    let two = home.serve(&["--no-store"]);
    assert_ne!(one.address, two.address);
    for (server, saved) in [(one, "\"saved\":true"), (two, "--no-store")] {
        let answer = server.ask("GET", "/api/store", "").unwrap();
        assert!(answer.starts_with("HTTP/1.0 200") && answer.contains(saved), "{answer}");
    }
}

#[test]
fn sigterm_lets_a_stream_finish_and_refuses_new_requests() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let mut stream = server.stream("echo-slow");
    server.signal("TERM");
    server.wait_for_log("SIGTERM: finishing running requests");
    let refused = match server.ask("GET", "/health", "") {
        Ok(answer) => !answer.starts_with("HTTP/1.0 200"),
        Err(_) => true,
    };
    assert!(refused, "a request was accepted after SIGTERM");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.trim_end().ends_with("data: [DONE]"), "{rest}");
    assert!(rest.contains("\"finish_reason\":\"stop\""), "{rest}");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn after_the_grace_time_running_requests_are_ended() {
    let home = Home::new();
    let mut server = home.serve(&["--grace", "0s"]);
    let mut stream = server.stream("echo-long");
    server.signal("INT");
    let mut rest = String::new();
    // Ended with an error frame or with the connection: either way it ends.
    let _ = stream.read_to_string(&mut rest);
    assert!(!rest.contains("\"finish_reason\":\"stop\""), "an endless answer claims to have stopped by itself");
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let home = Home::new();
    let mut server = home.serve(&["--grace", "1h"]);
    let _stream = server.stream("echo-long");
    server.signal("INT");
    server.wait_for_log("once more ends at once");
    server.signal("INT");
    assert_eq!(server.wait(), Some(130));
}

#[test]
fn json_logs_are_json_from_the_first_line() {
    let home = Home::new();
    let mut child = home.tern(&["serve", "--echo", "--port", "0", "--log-format", "json"]).spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut address = None;
    while address.is_none() {
        let mut line = String::new();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        address = value["message"].as_str().filter(|text| text.contains("http://127.0.0.1:")).map(str::to_owned);
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty(), "lines beside the log: {:?}", String::from_utf8(output.stdout));
}

#[test]
fn the_model_for_unknown_names_must_be_asked_for() {
    let home = Home::new();
    let body = r#"{"model":"gpt-4o","temperature":0,"messages":[{"role":"user","content":"ping"}]}"#;
    let strict = home.serve(&["--default-model", "echo"]);
    assert!(strict.ask("POST", "/v1/chat/completions", body).unwrap().starts_with("HTTP/1.0 404"));
    let lenient = home.serve(&["--default-model", "echo", "--fallback-model", "--no-store"]);
    let answer = lenient.ask("POST", "/v1/chat/completions", body).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("ping"), "{answer}");
}
