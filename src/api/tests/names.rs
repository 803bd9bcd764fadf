//! Other names of models, and what a model says of its parameters.

use serde_json::{Value, json};
use tern_api::Alias;

use crate::support::{App, ask, with};

fn app() -> App {
    App::with(|_, api| {
        let alias = |name: &str, model: &str| Alias { name: name.into(), model: model.into() };
        api.aliases = vec![
            alias("gpt-4o", "echo"),
            alias("claude-*", "echo-pieces"),
            alias("gone", "no-such-model"),
            alias("echo", "echo-pieces"),
            alias("embedder", "echo-embed"),
        ];
    })
}

#[tokio::test]
async fn a_vendors_name_is_answered_by_the_model_it_stands_for() {
    let app = app();
    for stream in [false, true] {
        let body = with(ask("gpt-4o", "hi"), json!({"stream": stream}));
        let exchange = app.chat(body).await;
        let model = if stream { exchange.chunks()[0]["model"].clone() } else { exchange.ok()["model"].clone() };
        assert_eq!(model, "echo", "the answer says which model it was: {exchange}");
    }
    assert_eq!(app.chat(ask("claude-sonnet-4-5", "hi")).await.ok()["model"], "echo-pieces");
    assert_eq!(app.chat(ask("echo", "me")).await.text(), "me", "a model answers to its own name itself");
    assert_eq!(
        app.post("/v1/embeddings", json!({"model": "embedder", "input": "x"})).await.ok()["model"],
        "echo-embed"
    );
    assert_eq!(app.post("/v1/completions", json!({"model": "gpt-4o", "prompt": "x"})).await.ok()["model"], "echo");
    let messages = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "gpt-4o:latest", "stream": false, "options": {"temperature": 0}, "messages": messages});
    assert_eq!(app.post("/api/chat", body).await.ok()["message"]["content"], "hi", "Ollama's clients name a tag");
    let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": messages});
    assert_eq!(app.post("/v1/messages", body).await.ok()["model"], "echo-pieces");
    app.chat(ask("gpt-5", "hi")).await.refused(404, "model_not_found", "model");
    let message = app.chat(ask("gone", "hi")).await.refused(404, "model_not_found", "model");
    assert!(message.contains("no-such-model"), "{message}");
}

#[tokio::test]
async fn names_are_listed_behind_the_models_and_patterns_are_not() {
    let app = app();
    let list = app.get("/v1/models").await.ok()["data"].as_array().unwrap().clone();
    let alias = |id: &str| list.iter().filter(|model| model["id"] == id).collect::<Vec<_>>();
    assert_eq!(alias("gpt-4o").len(), 1);
    assert_eq!(alias("gpt-4o")[0]["alias_of"], "echo");
    assert!(alias("gpt-4o")[0]["context_length"].as_u64().unwrap() > 0);
    assert_eq!(alias("echo").len(), 1);
    assert!(alias("echo")[0].get("alias_of").is_none());
    assert!(alias("claude-*").is_empty() && alias("gone").is_empty());
    let first = list.iter().position(|model| model.get("alias_of").is_some()).unwrap();
    assert!(list[first..].iter().all(|model| model.get("alias_of").is_some()), "aliases stand at the end");
    assert_eq!(app.get("/v1/models/gpt-4o").await.ok()["alias_of"], "echo");
    assert_eq!(app.get("/v1/models/claude-opus").await.ok()["alias_of"], "echo-pieces");
    assert_eq!(app.get("/v1/models/echo@echo").await.ok()["id"], "echo");
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_model_says_it_ignores_is_what_its_answers_name() {
    let app = App::start();
    let model = app.get("/v1/models/echo").await.ok();
    let (supported, ignored) = (names(&model["supported_parameters"]), names(&model["ignored_parameters"]));
    assert!(supported.contains(&"temperature") && supported.contains(&"truncation"), "{supported:?}");
    assert!(ignored.contains(&"mirostat") && ignored.contains(&"min_tokens"), "{ignored:?}");
    assert!(supported.iter().all(|name| !ignored.contains(name)));
    // All that is ignored, at once: values of any kind, but where a kind is checked.
    let mut body = ask("echo", "hi");
    for name in &ignored {
        body[*name] = if *name == "metadata" { json!({"a": "b"}) } else { json!(1) };
    }
    body["some_future_field"] = json!(true);
    body["store"] = Value::Null;
    let exchange = app.chat(body).await;
    assert_eq!(exchange.text(), "hi");
    let mut named: Vec<_> = exchange.header("x-ignored-params").unwrap().split(", ").collect();
    named.sort_unstable();
    let expected: Vec<_> = ignored.into_iter().filter(|name| *name != "store").collect();
    assert_eq!(named, expected);
}

#[tokio::test]
async fn completions_and_embeddings_name_what_they_ignore() {
    let app = App::start();
    let body = json!({"model": "echo", "prompt": "x", "messages": [], "stop_token_ids": [1], "user": "u", "top_k": 3});
    let exchange = app.post("/v1/completions", body).await;
    assert_eq!(exchange.header("x-ignored-params"), Some("messages, stop_token_ids, user"), "{exchange}");
    let body =
        json!({"model": "echo-embed", "input": "x", "truncate_prompt_tokens": 5, "user": "u", "dimensions": null});
    let exchange = app.post("/v1/embeddings", body).await;
    exchange.ok();
    assert_eq!(exchange.header("x-ignored-params"), Some("truncate_prompt_tokens, user"), "{exchange}");
    let model = app.get("/v1/models/echo-embed").await.ok();
    assert!(names(&model["supported_parameters"]).contains(&"dimensions"), "{model}");
    assert!(names(&model["ignored_parameters"]).contains(&"temperature"), "{model}");
    let ner = app.get("/v1/models/echo-ner").await.ok();
    assert_eq!((&ner["supported_parameters"], &ner["ignored_parameters"]), (&json!([]), &json!([])));
}
