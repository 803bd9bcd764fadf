//! Request bodies that are no JSON, the wrong JSON, or too much of it.

use poem::http::Method;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{App, ask, schema, with};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn malformed_json_is_a_400_that_says_where() {
    let app = App::start();
    for body in [r#"{"model": "echo","#, r#"{"model": "echo"} x"#, r#"{"model": echo}"#, "{'model': 'echo'}"] {
        let message = app.send(Method::POST, CHAT, &[], body).await.refused(400, "invalid_json", None);
        assert!(message.contains("line 1 column"), "{message}");
    }
}

#[tokio::test]
async fn numbers_that_json_does_not_have_are_refused() {
    let app = App::start();
    for number in ["NaN", "Infinity", "-Infinity", "1e999"] {
        let body = format!(r#"{{"model": "echo", "messages": [], "temperature": {number}}}"#);
        app.send(Method::POST, CHAT, &[], body).await.refused(400, "invalid_json", None);
    }
}

#[tokio::test]
async fn bodies_that_are_no_object_are_refused_on_every_route() {
    let app = App::start();
    let paths = schema::DESCRIPTION["paths"].as_object().unwrap();
    // Every route that takes an object: an import takes any JSON, and some routes take no body.
    let takes_object = |item: &Value| {
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
        schema.get("$ref").is_some()
    };
    let routes: Vec<_> = paths.iter().filter(|(_, item)| takes_object(item)).map(|(path, _)| path).collect();
    assert!(routes.len() >= 8, "{routes:?}");
    for path in routes {
        for body in ["", " \n", "[]", "null", "5", "\"text\"", "hello", "\u{feff}{}"] {
            let exchange = app.send(Method::POST, path, &[], body).await;
            match schema::error_of(path) {
                "ErrorBody" => drop(exchange.refused(400, "invalid_body", None)),
                // Its shape is checked with every exchange.
                _ => assert_eq!(exchange.status, 400, "{exchange}"),
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_type_is_named_by_its_path() {
    let app = App::start();
    let chat = |more: Value| ("/v1/chat/completions", with(ask("echo", "hi"), more));
    let text = |more: Value| ("/v1/completions", with(json!({"model": "echo", "prompt": "x"}), more));
    let cases = [
        (chat(json!({"model": 5})), "model"),
        (chat(json!({"messages": "hi"})), "messages"),
        (
            chat(json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": 5}]})),
            "messages[1].content",
        ),
        (chat(json!({"messages": [{"role": "boss", "content": "a"}]})), "messages[0].role"),
        (chat(json!({"messages": [{"content": "a"}]})), "messages[0].role"),
        (chat(json!({"stream": "yes"})), "stream"),
        (chat(json!({"stream_options": {"include_usage": 1}})), "stream_options.include_usage"),
        (chat(json!({"temperature": "hot"})), "temperature"),
        (chat(json!({"max_tokens": -1})), "max_tokens"),
        (chat(json!({"max_completion_tokens": 1.5})), "max_completion_tokens"),
        (chat(json!({"n": "2"})), "n"),
        (chat(json!({"stop": 5})), "stop"),
        (chat(json!({"stop": ["a", 5]})), "stop"),
        (chat(json!({"seed": "x"})), "seed"),
        (chat(json!({"logit_bias": [1]})), "logit_bias"),
        (chat(json!({"tools": {}})), "tools"),
        (text(json!({"prompt": {"a": 1}})), "prompt"),
        (text(json!({"prompt": [1, "a"]})), "prompt"),
        (text(json!({"prompt": [-1]})), "prompt"),
        (text(json!({"logprobs": true})), "logprobs"),
        (("/v1/embeddings", json!({"model": "echo-embed", "input": 5})), "input"),
        (("/v1/embeddings", json!({"model": "echo-embed", "input": "x", "encoding_format": "hex"})), "encoding_format"),
        (("/v1/detokenize", json!({"model": "echo", "tokens": "x"})), "tokens"),
        (("/v1/tokenize", json!({"model": "echo", "text": 5})), "text"),
        (("/api/models/unload", json!({"model": "echo", "force": "yes"})), "force"),
    ];
    for ((path, body), param) in cases {
        let message = app.post(path, body).await.refused(400, "invalid_value", param);
        assert!(message.contains(param), "{message}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_with_the_limit() {
    let app = App::with(|_, api| api.body_limit = 1000);
    let long = ask("echo", &"x".repeat(1000)).to_string();
    let length = long.len().to_string();
    let declared = app.send(Method::POST, CHAT, &[("content-length", &length)], long.clone()).await;
    assert!(declared.refused(413, "request_too_large", None).contains("1000 bytes"));
    let (first, second) = long.split_at(500);
    let undeclared = app.send_pieces(CHAT, vec![first.into(), second.into()]).await;
    assert!(undeclared.refused(413, "request_too_large", None).contains("--body-limit"));
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let app = App::with(|_, api| api.body_limit = 1000);
    let body = format!("{:<1000}", ask("echo", "hi").to_string());
    let length = [("content-length", "1000")];
    assert_eq!(app.send(Method::POST, CHAT, &length, body.clone()).await.text(), "hi");
    app.send(Method::POST, CHAT, &[], body + " ").await.refused(413, "request_too_large", None);
}

#[tokio::test]
async fn the_default_limit_leaves_room_for_images() {
    let message = App::start().chat(ask("echo", &"x".repeat(4 << 20))).await;
    assert!(message.refused(400, "context_length_exceeded", "messages").contains("8192"));
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let ascii = ask("echo", "pieces of e").to_string();
    let pieces = ascii.chars().map(String::from).collect();
    assert_eq!(App::start().send_pieces(CHAT, pieces).await.text(), "pieces of e");
}

#[tokio::test]
async fn lone_surrogates_and_deep_nesting_are_refused_not_feared() {
    let app = App::start();
    let surrogate = r#"{"model": "echo", "messages": [{"role": "user", "content": "\ud800"}]}"#;
    app.send(Method::POST, CHAT, &[], surrogate).await.refused(400, "invalid_json", None);
    let deep = format!(r#"{{"model": "echo", "messages": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(app.send(Method::POST, CHAT, &[], deep).await.status, 400);
    let deep = format!(r#"{{"unknown": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(app.send(Method::POST, CHAT, &[], deep).await.status, 400);
}

/// Any JSON value, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

#[test]
fn no_value_in_any_field_is_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let app = App::start();
    let fields = |name: &str| -> Vec<String> {
        schema::DESCRIPTION["components"]["schemas"][name]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let chat = fields("ChatRequest").into_iter().map(|field| ("/v1/chat/render", ask("echo", "hi"), field));
    let embed = json!({"model": "echo-embed", "input": "x"});
    let embed = fields("EmbeddingRequest").into_iter().map(|field| ("/v1/embeddings", embed.clone(), field));
    let tokens = json!({"model": "echo", "text": "x"});
    let tokens = fields("TokenizeRequest").into_iter().map(|field| ("/v1/tokenize", tokens.clone(), field));
    let ocr = json!({"model": "echo-ocr", "image": crate::pictures::data_url(4, 3)});
    let ocr = fields("OcrRequest").into_iter().map(|field| ("/api/ocr", ocr.clone(), field));
    let caption = json!({"model": "echo-caption", "image": crate::pictures::data_url(4, 3)});
    let caption = fields("CaptionRequest").into_iter().map(|field| ("/api/caption", caption.clone(), field));
    let cases: Vec<_> = chat.chain(embed).chain(tokens).chain(ocr).chain(caption).collect();
    // The same values in every run: a failure here can be repeated.
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let strategy = (prop::sample::select(cases), any_json());
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |((path, body, field), value)| {
            let exchange = runtime.block_on(app.post(path, with(body, json!({ field: value }))));
            prop_assert!(matches!(exchange.status, 200 | 400 | 404), "{}", exchange);
            Ok(())
        })
        .unwrap();
}
