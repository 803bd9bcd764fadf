use std::{io::Read, process::Command};

use super::support::{Home, Served};

const KEY: &str = "tern-a-secret-of-tests";

/// Asks with a key; the answer with its headers.
fn ask(server: &Served, path: &str, key: &str) -> String {
    use std::io::Write;
    let mut socket = std::net::TcpStream::connect(&server.address).unwrap();
    write!(socket, "GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_new_key_opens_the_server_whose_file_has_its_lines() {
    let home = Home::new();
    let printed = home.run(&["key", "new", "--name", "laptop"]).ok();
    let key = printed.lines().next().unwrap().to_owned();
    assert!(key.starts_with("tern-") && key.len() > 40, "{printed}");
    let lines = &printed[printed.find("[[keys]]").unwrap()..];
    assert!(!lines.contains(&key), "the file must not hold the key: {printed}");
    home.file("tern.toml", lines.as_bytes());
    let server = home.serve(&[]);
    assert!(ask(&server, "/v1/models", &key).starts_with("HTTP/1.0 200"));
    assert!(ask(&server, "/v1/models", "tern-another").starts_with("HTTP/1.0 401"));
    assert!(ask(&server, "/metrics", &key).starts_with("HTTP/1.0 403"), "a chat key reads no figures");
    assert!(server.ask("GET", "/health", "").unwrap().starts_with("HTTP/1.0 200"));
    let again = home.run(&["key", "new"]).ok();
    assert!(!again.contains(&key) && again.contains("scopes = [\"chat\"]"), "{again}");
    assert!(home.run(&["key", "new", "--scope", "admin"]).ok().contains("scopes = [\"admin\"]"));
    home.run(&["key", "new", "--name", "a b"]).fails(1, &["--name", "letters"]);
}

#[test]
fn a_key_of_the_environment_may_do_everything_and_is_shown_nowhere() {
    let home = Home::new();
    let mut child =
        home.tern(&["serve", "--echo", "--port", "0", "--log", "debug"]).env("TERN_API_KEY", KEY).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("Ctrl-C stops") {
        assert!(std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap() > 0, "{seen}");
    }
    assert!(seen.contains("keys     1: api-key"), "{seen}");
    let port: String =
        seen.split("http://127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let asked = Command::new("curl")
        .args(["-s", "-H", &format!("x-api-key: {KEY}"), &format!("http://127.0.0.1:{port}/metrics")])
        .output();
    if let Ok(asked) = asked {
        assert!(String::from_utf8_lossy(&asked.stdout).contains("tern_key_requests_total"), "{asked:?}");
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!log.contains(KEY) && !seen.contains(KEY), "the key is in the log: {log}");
}

#[test]
fn a_key_that_cannot_be_one_is_refused_without_being_shown() {
    let home = Home::new();
    let ended = home.run(&["serve", "--port", "0", "--api-key", "two words here"]);
    assert!(!ended.stderr.contains("two words"), "{ended:?}");
    ended.fails(2, &["--api-key", "8 to 256"]);
}

#[test]
fn an_address_that_others_reach_is_served_with_a_key_or_a_plain_word_only() {
    let home = Home::new();
    home.run(&["serve", "--host", "0.0.0.0", "--port", "0"])
        .fails(2, &["--host 0.0.0.0", "tern key new", "--no-api-key"]);
    for allowed in [["--api-key", KEY].as_slice(), &["--no-api-key"]] {
        let mut child = home
            .tern(&[&["serve", "--host", "0.0.0.0", "--port", "0", "--no-store"], allowed].concat())
            .spawn()
            .unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("Ctrl-C stops") {
            assert!(std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap() > 0, "{allowed:?}: {seen}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.contains("keys     "), "{seen}");
    }
    home.run(&["serve", "--no-api-key", "--api-key", KEY]).fails(2, &["--no-api-key", "keys all the same"]);
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_at_start() {
    let home = Home::new();
    let (certificate, key) = certificate(&home);
    home.run(&["serve", "--tls-cert", &certificate]).fails(2, &["--tls-cert", "--tls-key"]);
    home.run(&["serve", "--tls-cert", "none.pem", "--tls-key", &key]).fails(2, &["none.pem", "No such file"]);
    home.run(&["serve", "--tls-cert", &key, "--tls-key", &key]).fails(2, &["key.pem", "BEGIN CERTIFICATE"]);
    let other = home.file("other.pem", include_bytes!("../fixtures/tls/other-key.pem"));
    home.run(&["serve", "--tls-cert", &certificate, "--tls-key", &other])
        .fails(2, &["other.pem", "not that of the certificate"]);
}

/// The certificate of tests and its key, in this folder.
fn certificate(home: &Home) -> (String, String) {
    let certificate = home.file("cert.pem", include_bytes!("../fixtures/tls/cert.pem"));
    (certificate, home.file("key.pem", include_bytes!("../fixtures/tls/key.pem")))
}

#[test]
fn sighup_reads_the_certificate_again_and_stops_nothing() {
    let home = Home::new();
    let (certificate, key) = certificate(&home);
    let mut child =
        home.tern(&["serve", "--port", "0", "--tls-cert", &certificate, "--tls-key", &key]).spawn().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("Ctrl-C stops") {
        assert!(std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap() > 0, "{seen}");
    }
    assert!(seen.contains("address  https://127.0.0.1:"), "{seen}");
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut log = String::new();
    let mut wait_for = |part: &str| {
        while !log.contains(part) {
            assert!(std::io::BufRead::read_line(&mut stderr, &mut log).unwrap() > 0, "no {part:?} in {log}");
        }
    };
    super::support::signal(&child, "HUP");
    wait_for("the certificate was read again");
    home.file("key.pem", b"nothing");
    super::support::signal(&child, "HUP");
    wait_for("the certificate stays as it was");
    super::support::signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
