//! A request with its whole response, and what tests ask of it.

use std::fmt;

use poem::http::HeaderMap;
use serde_json::Value;

/// A request and its response.
pub struct Exchange {
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n< {}", self.request, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "< {name}: {}", value.to_str().unwrap_or("?"))?;
        }
        writeln!(f, "{}", self.body.chars().take(8000).collect::<String>())
    }
}

impl Exchange {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The JSON of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self}");
        self.json()
    }

    /// The answer's text, of a chat or a completion.
    #[track_caller]
    pub fn text(&self) -> String {
        let json = self.ok();
        let choice = &json["choices"][0];
        let text = choice["message"]["content"].as_str().or(choice["text"].as_str());
        text.unwrap_or_else(|| panic!("no text: {self}")).to_owned()
    }

    /// The message of an error with this status, `code` and `param`.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, param: impl Into<Option<&'static str>>) -> String {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self}");
        let body = self.json();
        check_error(&body).unwrap_or_else(|reason| panic!("{reason}: {self}"));
        let error = &body["error"];
        assert_eq!(error["code"], code, "code: {self}");
        assert_eq!(error["param"].as_str(), param.into(), "param: {self}");
        error["message"].as_str().unwrap().to_owned()
    }

    /// The events of a stream.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        assert_eq!(self.status, 200, "{self}");
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{self}");
        parse_events(&self.body)
    }

    /// The values of a stream of lines.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self}");
        assert_eq!(self.header("content-type"), Some("application/x-ndjson"), "{self}");
        let text = self.body.strip_suffix('\n').unwrap_or_else(|| panic!("the stream breaks off: {self}"));
        let value = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text.split('\n').map(value).collect()
    }

    /// The JSON of every event of a stream without a last word of its own, as Anthropic's.
    #[track_caller]
    pub fn named_events(&self) -> Vec<Value> {
        self.events().into_iter().filter_map(|event| event.data().cloned()).collect()
    }

    /// The text of an error in Ollama's shape.
    #[track_caller]
    pub fn ollama_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self}");
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {self}")).to_owned()
    }

    /// The kind and the message of an error in Anthropic's shape.
    #[track_caller]
    pub fn anthropic_error(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{self}");
        let body = self.json();
        check_anthropic_error(&body).unwrap_or_else(|reason| panic!("{reason}: {self}"));
        assert_eq!(body["error"]["type"], kind, "{self}");
        assert_eq!(body["request_id"].as_str(), self.header("request-id"), "{self}");
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// The JSON of every event of a stream that ends as it should.
    #[track_caller]
    pub fn chunks(&self) -> Vec<Value> {
        let mut events = self.events();
        assert_eq!(events.pop(), Some(Event::Done), "no [DONE] at the end: {self}");
        assert!(!events.contains(&Event::Done), "more than one [DONE]: {self}");
        events.into_iter().filter_map(|event| event.data().cloned()).collect()
    }

    /// What a stream says in answer `index`, from the deltas of a chat or the texts of a completion.
    #[track_caller]
    pub fn said(&self, index: u64) -> String {
        let chunks = self.chunks();
        let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        let mine = choices.filter(|choice| choice["index"] == index);
        mine.filter_map(|choice| choice["delta"]["content"].as_str().or(choice["text"].as_str())).collect()
    }
}

/// Whether an error has the shape of its path, or of the client that sent `anthropic-version`.
pub fn check_error_of(path: &str, exchange: &Exchange) -> Result<(), String> {
    let body = exchange.json();
    match super::schema::error_of(path) {
        "OllamaError" if body["error"].is_string() && body.as_object().is_some_and(|body| body.len() == 1) => Ok(()),
        "OllamaError" => Err(format!("not {{\"error\": text}} alone: {body}")),
        "MessagesError" => check_anthropic_error(&body),
        _ if exchange.request.contains("anthropic-version") => check_anthropic_error(&body),
        _ => check_error(&body),
    }
}

/// Whether a body is exactly `{"type": "error", "error": {"type", "message"}, "request_id"}`.
fn check_anthropic_error(body: &Value) -> Result<(), String> {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let expected = ["type", "error", "request_id"].map(str::to_owned).to_vec();
    let inner = ["type", "message"].map(str::to_owned).to_vec();
    if body["type"] != "error" || keys(body) != Some(expected) || keys(&body["error"]) != Some(inner) {
        return Err(format!("not an error as Anthropic's clients know it: {body}"));
    }
    Ok(())
}

/// Whether a body is exactly `{"error": {"message", "type", "param", "code"}}`.
pub fn check_error(body: &Value) -> Result<(), String> {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    if keys(body) != Some(vec!["error".to_owned()]) {
        return Err(format!("not {{\"error\": ...}} alone: {body}"));
    }
    let error = &body["error"];
    if keys(error) != Some(["message", "type", "param", "code"].map(str::to_owned).to_vec()) {
        return Err(format!("not message, type, param and code: {error}"));
    }
    let text = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
    let text_or_null = |key: &str| error[key].is_null() || text(key);
    if !(text("message") && text("type") && text_or_null("param") && text_or_null("code")) {
        return Err(format!("a field of the wrong type: {error}"));
    }
    Ok(())
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Data(Value),
    Done,
    Comment(String),
}

impl Event {
    pub fn data(&self) -> Option<&Value> {
        match self {
            Self::Data(data) => Some(data),
            Self::Done | Self::Comment(_) => None,
        }
    }
}

/// Reads a stream as strictly as it was written: each block is one `data: ` line, perhaps behind its number or its
/// name, which is its type, or one comment, nothing else.
#[track_caller]
pub fn parse_events(text: &str) -> Vec<Event> {
    numbered_events(text).into_iter().map(|(_, event)| event).collect()
}

/// The events with their numbers.
#[track_caller]
pub fn numbered_events(text: &str) -> Vec<(Option<u64>, Event)> {
    let blocks = text.strip_suffix("\n\n").unwrap_or_else(|| panic!("the stream breaks off: {text:?}"));
    let event = |block: &str| {
        let (number, block) = match block.strip_prefix("id: ").and_then(|rest| rest.split_once('\n')) {
            Some((number, block)) => (Some(number.parse().unwrap()), block),
            None => (None, block),
        };
        let Some((name, block)) = block.strip_prefix("event: ").and_then(|rest| rest.split_once('\n')) else {
            return (number, one(block));
        };
        let event = one(block);
        assert_eq!(event.data().map(|data| &data["type"]), Some(&Value::from(name)), "its name is another: {block}");
        (number, event)
    };
    let blocks: Vec<&str> = blocks.split("\n\n").collect();
    return blocks.into_iter().map(event).collect();

    #[track_caller]
    fn one(block: &str) -> Event {
        assert!(!block.contains(['\n', '\r']), "more than one line: {block:?}");
        if let Some(comment) = block.strip_prefix(": ") {
            return Event::Comment(comment.to_owned());
        }
        match block.strip_prefix("data: ") {
            Some("[DONE]") => Event::Done,
            Some(data) => Event::Data(serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"))),
            None => panic!("neither data nor a comment: {block:?}"),
        }
    }
}
