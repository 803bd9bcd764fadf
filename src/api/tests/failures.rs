//! Engines that fail or panic in the middle, and models that cannot be loaded. The next request works.

use serde_json::{Value, json};

use crate::support::{App, Event, ask, with};

/// The error that ends a stream which had begun to speak.
#[track_caller]
fn last_error(events: &[Event]) -> Value {
    let (last, rest) = events.split_last().unwrap();
    assert!(!events.contains(&Event::Done), "{events:?}");
    assert!(rest.iter().all(|event| event.data().is_some_and(|data| data.get("error").is_none())), "{events:?}");
    last.data().unwrap()["error"].clone()
}

#[tokio::test]
async fn an_engine_that_fails_in_a_whole_answer_is_a_500_that_is_not_retried() {
    let app = App::start();
    for model in ["echo-error", "echo-panic"] {
        let exchange = app.chat(ask(model, "hi")).await;
        exchange.refused(500, "engine_error", None);
        assert_eq!(exchange.header("x-should-retry"), Some("false"), "{exchange}");
        let body = json!({"model": model, "prompt": "x", "temperature": 0});
        app.post("/v1/completions", body).await.refused(500, "engine_error", None);
    }
}

#[tokio::test]
async fn an_engine_that_fails_in_a_stream_ends_it_with_an_error_and_no_done() {
    let app = App::start();
    for model in ["echo-error", "echo-panic"] {
        let chat = app.chat(with(ask(model, "hi"), json!({"stream": true}))).await;
        assert_eq!(last_error(&chat.events())["type"], "server_error", "{chat}");
        let body = json!({"model": model, "prompt": "x", "temperature": 0, "stream": true});
        let text = app.post("/v1/completions", body).await;
        assert_eq!(last_error(&text.events())["type"], "server_error", "{text}");
    }
}

#[tokio::test]
async fn the_next_request_to_a_model_that_failed_works() {
    let app = App::start();
    for model in ["echo-error", "echo-panic"] {
        for _ in 0..2 {
            app.chat(ask(model, "hi")).await.refused(500, "engine_error", None);
            let short = app.chat(with(ask(model, "hi"), json!({"max_tokens": 2}))).await;
            assert_eq!(short.text(), "Hello from");
        }
        assert_eq!(app.stats(model).failed, 2);
        assert_eq!((app.stats(model).running, app.stats(model).waiting), (0, 0));
    }
}

#[tokio::test]
async fn a_failure_of_one_model_leaves_the_others_alone() {
    let app = App::start();
    let mut other = app.speaking(ask("echo-long", "go on")).await;
    app.chat(ask("echo-panic", "hi")).await.refused(500, "engine_error", None);
    let event = other.next().await.unwrap();
    assert!(event.data().unwrap().get("error").is_none(), "{event:?}");
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_an_error_each_time_and_never_half_there() {
    let app = App::start();
    for _ in 0..2 {
        let exchange = app.chat(ask("echo-noload", "hi")).await;
        let message = exchange.refused(500, "model_load_failed", None);
        assert!(message.contains("echo-noload") && message.contains("cannot be loaded"), "{message}");
        assert_eq!(exchange.header("x-should-retry"), Some("false"), "{exchange}");
        let body = with(ask("echo-noload", "hi"), json!({"stream": true}));
        app.chat(body).await.refused(500, "model_load_failed", None);
        assert_eq!(app.get("/v1/models/echo-noload").await.ok()["status"]["value"], "unloaded");
    }
    let body = json!({"model": "echo-noload"});
    app.post("/api/models/load", body).await.refused(500, "model_load_failed", None);
}

#[tokio::test]
async fn a_load_that_fails_after_the_headers_ends_the_stream_with_the_error() {
    let app = App::start();
    let exchange = app.chat(with(ask("echo-noload?load_ms=1000", "hi"), json!({"stream": true}))).await;
    let error = last_error(&exchange.events());
    assert_eq!((&error["code"], &error["type"]), (&json!("model_load_failed"), &json!("server_error")), "{exchange}");
}
