//! openapi/openapi.json is what the code says, and every endpoint has an example that works.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    files, read, root,
    running::{Answer, Running, tern},
};

const FILE: &str = "openapi/openapi.json";

/// A request, and what must be in its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    /// What the example shows.
    summary: String,
    /// The operation of openapi.json, such as `POST /v1/chat/completions`.
    operation: String,
    /// Requests that make what the example needs.
    #[serde(default)]
    before: Vec<Step>,
    /// Path of the request, where the operation's has parameters; `{name}` stands for what a step before has taken.
    path: Option<String>,
    /// Body of the request.
    request: Option<Value>,
    /// Fields of a form, in place of a body; with them goes a file, a recording of one second.
    form: Option<BTreeMap<String, String>>,
    /// Status of the answer.
    status: u16,
    /// Media type of the answer.
    content_type: String,
    /// JSON pointers into the answer and the values there. In an event stream the first step is the number of the event.
    #[serde(default)]
    expect: Map<String, Value>,
    /// Texts that the answer contains.
    #[serde(default)]
    contains: Vec<String>,
}

/// A request that makes what an example needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Such as `POST /api/conversations`.
    operation: String,
    /// Body of the request.
    request: Option<Value>,
    /// Names and JSON pointers of what is taken from the answer, for `{name}` in what follows.
    #[serde(default)]
    take: BTreeMap<String, String>,
}

fn description() -> String {
    let data = tempfile::tempdir().unwrap();
    let output = tern(data.path()).arg("openapi").output().unwrap();
    assert!(output.status.success(), "tern openapi: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_committed_description_is_current() {
    let current = description();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(root().join("openapi")).unwrap();
        std::fs::write(root().join(FILE), &current).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(root().join(FILE)).unwrap_or_default();
    let line = current.lines().zip(committed.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or(current.lines().count().min(committed.lines().count()));
    assert!(
        current == committed,
        "{FILE} is not what the code says, from line {}:\n  committed: {}\n  code:      {}\nmake openapi writes it",
        line + 1,
        committed.lines().nth(line).unwrap_or("(end)"),
        current.lines().nth(line).unwrap_or("(end)"),
    );
}

#[test]
fn the_served_description_is_the_committed_one() {
    let server = Running::start();
    let mut served: Value = serde_json::from_str(&server.ask("GET", "/openapi.json", None).body).unwrap();
    let printed: Value = serde_json::from_str(&description()).unwrap();
    // A server says which commit it is; a committed file cannot.
    let version = served["info"]["version"].as_str().unwrap_or_default();
    assert!(version.starts_with(printed["info"]["version"].as_str().unwrap()), "{version}");
    served["info"]["version"] = printed["info"]["version"].clone();
    assert!(served == printed, "GET /openapi.json and `tern openapi` differ");
}

fn examples() -> Vec<(String, Example)> {
    files("openapi/examples", ".json")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let example = serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, example)
        })
        .collect()
}

#[test]
fn every_endpoint_has_an_example_and_every_example_an_endpoint() {
    let description: Value = serde_json::from_str(&description()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let operations: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase())))
        .collect();
    let shown: BTreeSet<_> = examples().into_iter().map(|(_, example)| example.operation).collect();
    assert_eq!(operations, shown, "operations of {FILE} (left) and of openapi/examples (right)");
}

#[test]
fn every_example_works() {
    let server = Running::start();
    let failures: Vec<_> = examples()
        .iter()
        .filter_map(|(name, example)| Some(format!("{name}: {}", try_out(&server, example)?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Puts what was taken into a text.
fn fill(text: &str, taken: &BTreeMap<String, String>) -> String {
    taken.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// The JSON of an answer; of an event stream, of its events.
fn json_of(answer: &Answer) -> Value {
    match answer.content_type.split(';').next() {
        Some("text/event-stream") => events(&answer.body),
        _ => serde_json::from_str(&answer.body).unwrap_or_default(),
    }
}

/// Sends the request of an example; what is wrong with the answer, if anything.
fn try_out(server: &Running, example: &Example) -> Option<String> {
    let mut taken = BTreeMap::new();
    for step in &example.before {
        let (method, path) = step.operation.split_once(' ').unwrap();
        let body = step.request.as_ref().map(|body| fill(&body.to_string(), &taken));
        let answer = server.ask(method, &fill(path, &taken), body.as_deref());
        let json = json_of(&answer);
        for (name, pointer) in &step.take {
            let Some(value) = json.pointer(pointer).and_then(Value::as_str) else {
                return Some(format!("{}: no {pointer} in {answer:?}", step.operation));
            };
            taken.insert(name.clone(), value.to_owned());
        }
    }
    let (method, path) = example.operation.split_once(' ').unwrap();
    let path = &*fill(example.path.as_deref().unwrap_or(path), &taken);
    let body = example.request.as_ref().map(|body| fill(&body.to_string(), &taken));
    let answer = match &example.form {
        None => server.ask(method, path, body.as_deref()),
        Some(fields) => server.send(method, path, "multipart/form-data; boundary=XX", &form(fields)),
    };
    let mut wrong = Vec::new();
    let mut expect = |what: &str, expected: &Value, found: Option<&Value>| {
        if found != Some(expected) {
            wrong.push(format!("{what}: expected {expected}, found {}", found.unwrap_or(&Value::from("nothing"))));
        }
    };
    let media_type = answer.content_type.split(';').next().unwrap_or_default();
    expect("status", &example.status.into(), Some(&answer.status.into()));
    expect("content type", &example.content_type.as_str().into(), Some(&media_type.into()));
    let json = json_of(&answer);
    for (pointer, expected) in &example.expect {
        expect(pointer, expected, json.pointer(pointer));
    }
    for text in example.contains.iter().filter(|text| !answer.body.contains(text.as_str())) {
        wrong.push(format!("no {text:?} in it"));
    }
    let sent = body.unwrap_or_default();
    let (summary, status) = (&example.summary, answer.status);
    let received: String = answer.body.chars().take(4000).collect();
    (!wrong.is_empty()).then(|| {
        format!("{summary}\n{}\n> {method} {path} {sent}\n< {status} {media_type}\n{received}", wrong.join("\n"))
    })
}

/// A form with these fields and a recording: one second of silence in 8 bits, 8000 samples.
fn form(fields: &BTreeMap<String, String>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    body.extend(b"--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n");
    let number = |value: u32| value.to_le_bytes();
    for part in [*b"RIFF", number(8036), *b"WAVE", *b"fmt ", number(16), number(1 << 16 | 1), number(8000)] {
        body.extend(part);
    }
    for part in [number(8000), number(8 << 16 | 1), *b"data", number(8000)] {
        body.extend(part);
    }
    body.extend([0x80; 8000]);
    body.extend(b"\r\n--XX--\r\n");
    body
}

/// The events of a stream as an array; `[DONE]` as a string.
fn events(stream: &str) -> Value {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| Value::from(data))).collect()
}
