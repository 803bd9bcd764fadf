//! Errors, headers and paths as clients need them. Numbers are those of the list of checks.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, ask, with};

#[tokio::test]
async fn a01_an_error_is_json_of_four_fields() {
    let exchange = App::start().chat(json!({"model": "echo", "messages": []})).await;
    let expected = json!({"error": {
        "message": "messages is empty; at least one is needed",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "invalid_value",
    }});
    assert_eq!(exchange.json(), expected, "{exchange}");
}

#[tokio::test]
async fn a03_unknown_routes_are_404_and_wrong_methods_405() {
    let app = App::start();
    for path in ["/v1/unknown", "/v2/models", "/v1/chat", "/api/unknown", "/favicon.ico", "/v1/chat/completions/x"] {
        app.get(path).await.refused(404, "unknown_url", None);
    }
    for (method, path) in [
        (Method::GET, "/v1/chat/completions"),
        (Method::DELETE, "/v1/chat/completions"),
        (Method::PUT, "/v1/embeddings"),
        (Method::POST, "/v1/models"),
        (Method::POST, "/health"),
        (Method::PATCH, "/openapi.json"),
        (Method::POST, "/"),
    ] {
        app.send(method, path, &[], "{}").await.refused(405, "method_not_allowed", None);
    }
}

#[tokio::test]
async fn a06_a_long_prompt_is_told_as_clients_recognise_it() {
    let message = App::start().chat(ask("echo-tiny", &"x".repeat(200))).await;
    let message = message.refused(400, "context_length_exceeded", "messages");
    assert!(message.starts_with("This model's maximum context length is 64 tokens."), "{message}");
}

#[tokio::test]
async fn a08_unknown_fields_are_ignored() {
    let unknown = json!({"prompt_cache_key": "k", "safety_identifier": "s", "metadata": {"a": "b"}, "user": "u",
        "client_metadata": {}, "prompt_cache_options": {"x": [1]}, "some_future_field": true});
    assert_eq!(App::start().chat(with(ask("echo", "hi"), unknown)).await.text(), "hi");
}

#[tokio::test]
async fn a08_known_fields_without_effect_are_named_in_a_header() {
    let app = App::start();
    let more = json!({"reasoning_effort": "high", "thinking_budget": 5, "verbosity": "low", "service_tier": "auto", "store": false});
    let exchange = app.chat(with(ask("echo", "hi"), more.clone())).await;
    assert_eq!(
        exchange.header("x-ignored-params"),
        Some("reasoning_effort, thinking_budget, verbosity, service_tier, store")
    );
    let stream = app.chat(with(with(ask("echo", "hi"), more), json!({"stream": true}))).await;
    assert_eq!(
        stream.header("x-ignored-params"),
        Some("reasoning_effort, thinking_budget, verbosity, service_tier, store")
    );
    assert_eq!(app.chat(ask("echo", "hi")).await.header("x-ignored-params"), None);
    let samplers = json!({"mirostat": 2, "dry_multiplier": 0.8, "xtc_probability": 0.5, "dynatemp_range": 0.1});
    let names = Some("mirostat, dry_multiplier, xtc_probability, dynatemp_range");
    assert_eq!(app.chat(with(ask("echo", "hi"), samplers.clone())).await.header("x-ignored-params"), names);
    let body = with(json!({"model": "echo", "prompt": "hi"}), samplers);
    assert_eq!(app.post("/v1/completions", body).await.header("x-ignored-params"), names);
}

#[tokio::test]
async fn a09_null_is_the_same_as_absent_in_every_optional_field() {
    let app = App::start();
    let nulls = |schema: &str, keep: &[&str]| -> Value {
        let fields = crate::support::schema::DESCRIPTION["components"]["schemas"][schema]["properties"].clone();
        let names = fields.as_object().unwrap().keys().filter(|name| !keep.contains(&name.as_str()));
        names.map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into()
    };
    let body = with(ask("echo-pieces", "hi"), nulls("ChatRequest", &["model", "messages", "temperature"]));
    assert_eq!(app.chat(body).await.text(), "Hello from the echo engine: one, two, three.");
    let body = json!({"model": "echo-pieces", "prompt": "hi", "temperature": 0});
    let body = with(body, nulls("CompletionRequest", &["model", "prompt", "temperature"]));
    assert_eq!(app.post("/v1/completions", body).await.text(), "Hello from the echo engine: one, two, three.");
    let body = with(json!({"model": "echo-embed", "input": "hi"}), nulls("EmbeddingRequest", &["model", "input"]));
    assert_eq!(app.post("/v1/embeddings", body).await.ok()["data"][0]["embedding"].as_array().unwrap().len(), 64);
    let message = json!({"role": "user", "content": "hi", "name": null, "tool_calls": null, "tool_call_id": null,
        "reasoning_content": null, "reasoning": null, "refusal": null});
    assert_eq!(app.chat(json!({"model": "echo", "temperature": 0, "messages": [message]})).await.text(), "hi");
}

#[tokio::test]
async fn a10_integers_may_come_as_floats_and_seeds_may_be_large() {
    let app = App::start();
    let body = r#"{"model": "echo-pieces", "messages": [{"role": "user", "content": "x"}], "temperature": 0,
        "max_tokens": 3.0, "n": 1e0, "top_k": 40.0, "seed": 18446744073709551615}"#;
    let json = app.send(Method::POST, "/v1/chat/completions", &[], body).await.ok();
    assert_eq!(json["usage"]["completion_tokens"], 3);
    for seed in ["-1", "1.0", "99999999999999999999", "9223372036854775808"] {
        let body = format!(r#"{{"model": "echo", "messages": [{{"role": "user", "content": "x"}}], "seed": {seed}}}"#);
        app.send(Method::POST, "/v1/chat/completions", &[], body).await.ok();
    }
}

#[tokio::test]
async fn a12_the_content_type_does_not_matter() {
    let app = App::start();
    let body = ask("echo", "hi").to_string();
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "?"]
    {
        let headers: Vec<_> = [("content-type", content_type)].into_iter().filter(|(_, v)| !v.is_empty()).collect();
        assert_eq!(app.send(Method::POST, "/v1/chat/completions", &headers, body.clone()).await.text(), "hi");
    }
}

#[tokio::test]
async fn a13_any_key_is_accepted_where_none_is_configured() {
    let app = App::start();
    let body = ask("echo", "hi").to_string();
    for key in [("authorization", "Bearer x"), ("Authorization", "bearer y"), ("x-api-key", "z"), ("api-key", "z")] {
        assert_eq!(app.send(Method::POST, "/v1/chat/completions", &[key], body.clone()).await.text(), "hi");
    }
}

#[tokio::test]
async fn a14_a_browser_may_send_what_the_official_client_sends() {
    let wanted = "authorization,content-type,x-stainless-arch,x-stainless-retry-count,openai-organization,x-api-key,\
                  anthropic-version";
    let headers = [
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", wanted),
    ];
    let exchange = App::start().send(Method::OPTIONS, "/v1/chat/completions", &headers, "").await;
    assert_eq!(exchange.status, 204, "{exchange}");
    assert_eq!(exchange.header("access-control-allow-origin"), Some("http://localhost:3000"), "{exchange}");
    assert_eq!(exchange.header("access-control-allow-headers"), Some(wanted), "{exchange}");
    assert!(exchange.header("access-control-allow-methods").unwrap().contains("POST"), "{exchange}");
}

#[tokio::test]
async fn a15_paths_are_taken_as_people_write_them() {
    let app = App::start();
    for path in ["/chat/completions", "/v1/chat/completions/", "/v1/v1/chat/completions", "//v1//chat/completions"] {
        assert_eq!(app.post(path, ask("echo", "hi")).await.text(), "hi", "{path}");
    }
    for path in ["/models", "/v1/models/", "/v1/models?x=1"] {
        assert_eq!(app.get(path).await.ok()["object"], "list", "{path}");
    }
    for (path, body) in [
        ("/completions", json!({"model": "echo", "prompt": "x"})),
        ("/embeddings", json!({"model": "echo-embed", "input": "x"})),
        ("/tokenize", json!({"model": "echo", "text": "x"})),
        ("/detokenize", json!({"model": "echo", "tokens": [1]})),
    ] {
        app.post(path, body).await.ok();
    }
}

#[tokio::test]
async fn a15_the_root_answers_probes_and_people() {
    let app = App::start();
    let page = app.get("/").await;
    assert_eq!(page.status, 200, "{page}");
    assert!(page.body.contains("/docs"), "{page}");
    for path in ["/", "/health", "/v1/models"] {
        let head = app.send(Method::HEAD, path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{head}");
    }
    let docs = app.get("/docs/").await;
    assert!(docs.status == 200 && docs.body.contains("SwaggerUIBundle({"), "{}", docs.status);
    // Fit for phones, under its own name, and complete: nothing is loaded from anywhere.
    let (head, _) = docs.body.split_once("SwaggerUIBundle({").unwrap();
    assert!(docs.body.starts_with("<!doctype html>") && head.contains("width=device-width"));
    assert!(head.contains("<title>Tern") && !head.contains("<title>Swagger UI"));
    assert!(!docs.body.contains("<script src") && !docs.body.contains("rel=\"stylesheet\""));
    assert_ne!(app.get("/docs").await.status, 404);
}

#[tokio::test]
async fn a17_streams_are_not_compressed() {
    let body = with(ask("echo", "hi"), json!({"stream": true})).to_string();
    let headers = [("accept-encoding", "gzip, br, zstd")];
    let exchange = App::start().send(Method::POST, "/v1/chat/completions", &headers, body).await;
    assert_eq!((exchange.header("content-encoding"), exchange.said(0).as_str()), (None, "hi"), "{exchange}");
}
