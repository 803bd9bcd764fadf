//! A conversation as a test leads it.

use poem::http::Method;
use serde_json::{Value, json};

use super::{App, Event, Exchange, Open};

/// A conversation of an app.
pub struct Talk<'a> {
    pub app: &'a App,
    pub id: String,
}

impl App {
    /// A new conversation with a model.
    pub async fn talk(&self, model: &str) -> Talk<'_> {
        let created = self.post("/api/conversations", json!({"model": model})).await.ok();
        Talk { app: self, id: created["id"].as_str().unwrap().to_owned() }
    }

    pub async fn patch(&self, path: &str, body: Value) -> Exchange {
        self.send(Method::PATCH, path, &[], body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Exchange {
        self.send(Method::DELETE, path, &[], "").await
    }
}

impl Talk<'_> {
    pub fn path(&self, rest: &str) -> String {
        format!("/api/conversations/{}{rest}", self.id)
    }

    /// Sends a message and waits for the answer.
    pub async fn say(&self, body: Value) -> Said {
        Said::of(&self.app.post(&self.path("/messages"), body).await)
    }

    /// Sends a message and follows the answer.
    pub async fn open(&self, body: Value) -> Open {
        self.app.open(&self.path("/messages"), body).await
    }

    /// Sends a message, and waits until the answer has some words. Gives the answer's id as well.
    pub async fn speaking(&self, body: Value) -> (Open, String) {
        let mut open = self.open(body).await;
        let mut id = String::new();
        loop {
            let event = open.next().await.unwrap_or_else(|| panic!("no word came: {}", self.id));
            let Event::Data(data) = event else { continue };
            if data["type"] == "messages" {
                let answer = data["messages"].as_array().unwrap().last().unwrap();
                id = answer["id"].as_str().unwrap().to_owned();
            }
            if data["type"] == "text" && data["text"].as_str().unwrap().len() > 2 {
                return (open, id);
            }
        }
    }

    pub async fn join(&self, message: &str, after: u64) -> Open {
        let path = self.path(&format!("/messages/{message}/events?after={after}"));
        self.app.open_with(Method::GET, &path, Value::Null).await
    }

    pub async fn stop(&self, message: &str) -> Value {
        self.app.post(&self.path(&format!("/messages/{message}/stop")), json!({})).await.ok()
    }

    /// Another answer to a message.
    pub async fn again(&self, message: &str, body: Value) -> Said {
        Said::of(&self.app.post(&self.path(&format!("/messages/{message}/answer")), body).await)
    }

    pub async fn go_on(&self, message: &str, body: Value) -> Said {
        Said::of(&self.app.post(&self.path(&format!("/messages/{message}/continue")), body).await)
    }

    /// The conversation with all its messages.
    pub async fn whole(&self) -> Value {
        self.app.get(&self.path("")).await.ok()
    }

    /// A message as it is kept.
    pub async fn message(&self, id: &str) -> Value {
        let whole = self.whole().await;
        let tree = whole["tree"].as_array().unwrap();
        tree.iter().find(|message| message["id"] == id).unwrap_or_else(|| panic!("no {id} in {whole}")).clone()
    }
}

/// A whole stream of an answer.
#[derive(Debug)]
pub struct Said {
    pub events: Vec<Value>,
    /// The pieces of text, joined.
    pub text: String,
    pub reasoning: String,
}

impl Said {
    #[track_caller]
    pub fn of(exchange: &Exchange) -> Self {
        let events = exchange.chunks();
        let joined = |kind: &str| {
            let pieces = events.iter().filter(|event| event["type"] == kind);
            pieces.map(|event| event["text"].as_str().unwrap()).collect::<String>()
        };
        let (text, reasoning) = (joined("text"), joined("reasoning"));
        assert_eq!(events.last().unwrap()["type"], "end", "{exchange}");
        Self { text, reasoning, events }
    }

    /// The answer at its end.
    pub fn message(&self) -> &Value {
        &self.events.last().unwrap()["message"]
    }

    pub fn conversation(&self) -> &Value {
        &self.events.last().unwrap()["conversation"]
    }

    /// The id of the answer.
    pub fn id(&self) -> &str {
        self.message()["id"].as_str().unwrap()
    }

    /// The id of the message that was answered.
    pub fn asked(&self) -> &str {
        self.message()["parent"].as_str().unwrap()
    }

    /// Values of a field of events of one kind.
    pub fn all(&self, kind: &str, field: &str) -> Vec<Value> {
        self.events.iter().filter(|event| event["type"] == kind).map(|event| event[field].clone()).collect()
    }
}
