//! Keys: who may ask, for what, and how much.

use std::time::Duration;

use poem::http::Method;
use serde_json::{Value, json};
use tern_api::{ApiConfig, KeyHash, KeyScope, KeySettings};

use crate::support::{App, Exchange, ask, until, with};

pub const CHAT: &str = "tern-chat-key";
pub const ADMIN: &str = "tern-admin-key";

fn key(name: &str, secret: &str, scope: KeyScope) -> KeySettings {
    KeySettings::new(name, KeyHash::of(secret), scope)
}

/// A server with a key for chats, as `change` has it, and one for admins.
pub fn guarded(change: impl FnOnce(&mut KeySettings)) -> App {
    guarded_with(change, |_| {})
}

fn guarded_with(change: impl FnOnce(&mut KeySettings), api: impl FnOnce(&mut ApiConfig)) -> App {
    App::with(|_, config| {
        let mut chat = key("laptop", CHAT, KeyScope::Chat);
        change(&mut chat);
        config.keys = vec![chat, key("owner", ADMIN, KeyScope::Admin)];
        api(config);
    })
}

pub async fn send(app: &App, method: Method, path: &str, secret: &str, body: Value) -> Exchange {
    let bearer = format!("Bearer {secret}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.send(method, path, &[("authorization", &bearer)], body).await
}

async fn chat(app: &App, body: Value) -> Exchange {
    send(app, Method::POST, "/v1/chat/completions", CHAT, body).await
}

/// Lets so many seconds go by at once.
pub async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

pub async fn usage(app: &App) -> Value {
    send(app, Method::GET, "/api/keys/usage", ADMIN, Value::Null).await.ok()["data"].clone()
}

#[tokio::test]
async fn without_keys_everyone_may_ask_and_a_key_that_is_sent_is_fine() {
    let app = App::start();
    for header in ["authorization", "x-api-key", "api-key"] {
        let exchange = app.send(Method::GET, "/v1/models", &[(header, "Bearer anything at all")], "").await;
        assert_eq!(exchange.status, 200, "{exchange}");
        assert_eq!(exchange.header("x-ratelimit-limit-requests"), None, "{exchange}");
    }
    assert_eq!(app.get("/api/keys/usage").await.ok(), json!({"data": []}));
}

#[tokio::test]
async fn a_key_is_taken_from_every_header_that_clients_use() {
    let app = guarded(|_| {});
    let bearer = format!("bearer {CHAT}");
    for header in [("authorization", bearer.as_str()), ("x-api-key", CHAT), ("api-key", CHAT)] {
        let exchange = app.send(Method::GET, "/v1/models", &[header], "").await;
        assert_eq!(exchange.status, 200, "{exchange}");
    }
    // Clients of Anthropic's API send whatever they have in one of both.
    let both = [("authorization", "Bearer none"), ("x-api-key", CHAT)];
    assert_eq!(app.send(Method::GET, "/v1/models", &both, "").await.status, 200);
}

#[tokio::test]
async fn a_missing_and_a_wrong_key_are_told_apart_and_say_what_is_wanted() {
    let app = guarded(|_| {});
    for path in ["/v1/models", "/v1/chat/completions", "/chat/completions", "/api/server", "/metrics", "/api/no/such"] {
        let missing = app.get(path).await;
        let message = missing.refused(401, "invalid_api_key", None);
        assert!(message.contains("Authorization: Bearer") && message.contains("x-api-key"), "{message}");
        assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"tern\""), "{missing}");
        assert!(missing.header("x-request-id").is_some(), "{missing}");
    }
    let wrong = app.send(Method::GET, "/v1/models", &[("authorization", "Bearer tern-chat-kez")], "").await;
    let message = wrong.refused(401, "invalid_api_key", None);
    assert!(!message.contains("kez") && wrong.header("www-authenticate").unwrap().contains("invalid_token"), "{wrong}");
    assert_eq!(wrong.json()["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn health_the_page_and_the_description_need_no_key() {
    let app = guarded(|_| {});
    for path in ["/health", "/", "/openapi.json", "/docs/", "/chat/conv_1"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_key_for_all_headers_of_the_clients() {
    let app = guarded(|_| {});
    let wanted = "authorization, content-type, x-api-key, anthropic-version, anthropic-beta, \
                  anthropic-dangerous-direct-browser-access, x-stainless-lang, x-stainless-retry-count, openai-organization";
    let headers = [
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", wanted),
    ];
    let exchange = app.send(Method::OPTIONS, "/v1/chat/completions", &headers, "").await;
    assert_eq!(exchange.status, 204, "{exchange}");
    assert_eq!(exchange.header("access-control-allow-headers"), Some(wanted), "{exchange}");
    // Also the refusal must be readable for the page that asked.
    let refused = app.send(Method::GET, "/v1/models", &[("origin", "http://localhost:3000")], "").await;
    refused.refused(401, "invalid_api_key", None);
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://localhost:3000"), "{refused}");
}

#[tokio::test]
async fn only_an_admin_may_change_what_is_loaded_and_see_all_figures() {
    let app = guarded(|_| {});
    let cases = [
        (Method::POST, "/api/models/load", json!({"model": "echo"})),
        (Method::POST, "/api/models/unload", json!({"model": "echo"})),
        (Method::GET, "/metrics", Value::Null),
        (Method::GET, "/api/keys/usage", Value::Null),
    ];
    for (method, path, body) in cases {
        let refused = send(&app, method.clone(), path, CHAT, body.clone()).await;
        let message = refused.refused(403, "insufficient_scope", None);
        assert!(message.contains("\"laptop\"") && message.contains("admin"), "{message}");
        assert!(refused.header("www-authenticate").unwrap().contains("scope=\"admin\""), "{refused}");
        assert_eq!(send(&app, method, path, ADMIN, body).await.status, 200, "{path}");
    }
    send(&app, Method::DELETE, "/api/models/echo", CHAT, Value::Null).await.refused(403, "insufficient_scope", None);
    assert_eq!(chat(&app, ask("echo", "hi")).await.text(), "hi");
}

#[tokio::test]
async fn a_cookie_opens_what_a_browser_reads_and_nothing_that_changes() {
    let app = guarded(|_| {});
    let cookie = format!("theme=dark; tern_key={CHAT}");
    let exchange = app.send(Method::GET, "/api/conversations", &[("cookie", &cookie)], "").await;
    assert_eq!(exchange.status, 200, "{exchange}");
    let posted = app.send(Method::POST, "/api/conversations", &[("cookie", &cookie)], "{}").await;
    posted.refused(401, "invalid_api_key", None);
}

#[tokio::test]
async fn requests_beyond_the_limit_of_a_minute_wait_as_long_as_they_are_told() {
    let app = guarded(|key| key.requests_per_minute = Some(2));
    let first = chat(&app, ask("echo", "hi")).await;
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("2"), "{first}");
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"), "{first}");
    assert!(first.header("x-ratelimit-reset-requests").unwrap().ends_with('s'), "{first}");
    assert_eq!(first.header("x-ratelimit-limit-tokens"), None, "{first}");
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200);
    let refused = chat(&app, ask("echo", "hi")).await;
    let message = refused.refused(429, "rate_limit_exceeded", None);
    assert!(message.contains("\"laptop\"") && message.contains("2 requests a minute"), "{message}");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"), "{refused}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{refused}");
    // Reading costs nothing, and another key has limits of its own.
    assert_eq!(send(&app, Method::GET, "/v1/models", CHAT, Value::Null).await.status, 200);
    assert_eq!(send(&app, Method::POST, "/v1/chat/completions", ADMIN, ask("echo", "hi")).await.status, 200);
    pass(seconds).await;
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200);
}

#[tokio::test]
async fn tokens_are_counted_when_they_are_computed_and_the_next_request_waits() {
    let app = guarded(|key| key.tokens_per_minute = Some(60));
    let first = chat(&app, ask("echo-pieces", "hello")).await;
    let spent = first.ok()["usage"]["total_tokens"].as_u64().unwrap();
    let left: u64 = first.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap();
    // One comes back each second.
    assert!((60 - spent..60 - spent + 15).contains(&left), "{first}");
    // The one that passes the limit is answered.
    let long = "word ".repeat(100);
    let stream = chat(&app, with(ask("echo", &long), json!({"stream": true}))).await;
    assert_eq!(stream.said(0), long, "{stream}");
    let refused = chat(&app, ask("echo", "hi")).await;
    assert!(refused.refused(429, "rate_limit_exceeded", None).contains("60 tokens a minute"), "{refused}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 60, "what was spent beyond the limit is waited for: {refused}");
    pass(seconds).await;
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200);
}

#[tokio::test]
async fn completions_embeddings_and_conversations_are_counted_too() {
    let app = guarded(|_| {});
    let of =
        |usage: &Value| (usage[0]["prompt_tokens"].as_u64().unwrap(), usage[0]["completion_tokens"].as_u64().unwrap());
    let body = json!({"model": "echo", "prompt": ["one", "two"], "max_tokens": 5});
    let answered = send(&app, Method::POST, "/v1/completions", CHAT, body).await.ok()["usage"].clone();
    let counts = of(&usage(&app).await);
    assert_eq!(json!([counts.0, counts.1]), json!([answered["prompt_tokens"], answered["completion_tokens"]]));
    let body = json!({"model": "echo-embed", "input": "a text"});
    let answered = send(&app, Method::POST, "/v1/embeddings", CHAT, body).await.ok()["usage"].clone();
    let after = of(&usage(&app).await);
    assert_eq!(after.0 - counts.0, answered["prompt_tokens"].as_u64().unwrap());
    let conversation = send(&app, Method::POST, "/api/conversations", CHAT, json!({"model": "echo-pieces"})).await.ok();
    let path = format!("/api/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let sent = send(&app, Method::POST, &path, CHAT, json!({"content": "hello"})).await;
    let answered = sent.chunks().last().unwrap()["message"]["answer"]["usage"].clone();
    // The one who counts is another task.
    let mut counted = after;
    for _ in 0..1000 {
        counted = of(&usage(&app).await);
        if counted != after {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(counted.0 - after.0, answered["prompt_tokens"].as_u64().unwrap());
    assert_eq!(counted.1 - after.1, answered["completion_tokens"].as_u64().unwrap());
    let counted = usage(&app).await;
    assert_eq!(
        (&counted[0]["name"], &counted[0]["scope"], &counted[0]["requests"]),
        (&json!("laptop"), &json!("chat"), &json!(3))
    );
    let metrics = send(&app, Method::GET, "/metrics", ADMIN, Value::Null).await.body;
    assert!(metrics.contains("tern_key_requests_total{key=\"laptop\"} 3"), "{metrics}");
    assert!(metrics.contains("tern_key_completion_tokens_total{key=\"owner\"} 0"), "{metrics}");
    assert!(!metrics.contains(CHAT) && !metrics.contains(&KeyHash::of(CHAT).to_string()));
}

#[tokio::test]
async fn an_answer_that_is_left_early_costs_what_it_had() {
    let app = guarded(|_| {});
    let bearer = format!("Bearer {CHAT}");
    let body = with(ask("echo-long", "go on"), json!({"stream": true}));
    let mut open = app.open_as(&[("authorization", &bearer)], "/v1/chat/completions", body).await;
    for _ in 0..20 {
        open.next().await.unwrap();
    }
    drop(open);
    let counted = usage(&app).await;
    assert!(counted[0]["completion_tokens"].as_u64().unwrap() >= 10, "{counted}");
    assert!(counted[0]["prompt_tokens"].as_u64().unwrap() > 0, "{counted}");
    let registry = app.registry.clone();
    until("the answer was cancelled", move || crate::support::stats(&registry, "echo-long").cancelled == 1).await;
}

#[tokio::test]
async fn only_so_many_requests_of_a_key_run_at_the_same_time() {
    let app = guarded(|key| key.max_concurrent = Some(1));
    let bearer = format!("Bearer {CHAT}");
    let body = with(ask("echo-long", "go on"), json!({"stream": true}));
    let mut open = app.open_as(&[("authorization", &bearer)], "/v1/chat/completions", body).await;
    open.next().await.unwrap();
    let refused = chat(&app, ask("echo", "hi")).await;
    assert!(refused.refused(429, "rate_limit_exceeded", None).contains("1 requests running"), "{refused}");
    assert_eq!(refused.header("retry-after"), Some("1"), "{refused}");
    drop(open);
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200, "the place is free when the stream is over");
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200, "and after a whole answer");
    assert_eq!(usage(&app).await[0]["refused"], 1);
}

#[tokio::test]
async fn what_goes_on_without_its_client_still_counts_as_running() {
    let app = guarded(|key| key.max_concurrent = Some(1));
    let body = json!({"model": "echo-long", "input": "go on", "background": true});
    let begun = send(&app, Method::POST, "/v1/responses", CHAT, body).await.ok();
    chat(&app, ask("echo", "hi")).await.refused(429, "rate_limit_exceeded", None);
    let cancel = format!("/v1/responses/{}/cancel", begun["id"].as_str().unwrap());
    assert_eq!(send(&app, Method::POST, &cancel, CHAT, Value::Null).await.ok()["status"], "cancelled");
    assert_eq!(chat(&app, ask("echo", "hi")).await.status, 200, "the place is free when the response is cancelled");
}

#[tokio::test]
async fn a_key_may_have_a_model_of_its_own() {
    let app = guarded_with(
        |key| key.default_model = Some("echo-pieces".into()),
        |api| api.fallback_model = Some("echo".into()),
    );
    let without = json!({"messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(chat(&app, without.clone()).await.ok()["model"], "echo-pieces");
    assert_eq!(chat(&app, with(without.clone(), json!({"model": "gpt-9"}))).await.ok()["model"], "echo-pieces");
    assert_eq!(chat(&app, with(without.clone(), json!({"model": "echo"}))).await.ok()["model"], "echo");
    let owner = send(&app, Method::POST, "/v1/chat/completions", ADMIN, without).await.ok();
    assert_eq!(owner["model"], "echo");
}

#[tokio::test]
async fn a_key_may_be_for_some_models_only() {
    let app = guarded(|key| key.models = vec!["echo".into(), "echo-p*".into(), "echo-embed".into()]);
    for model in ["echo", "echo@echo", "echo-pieces"] {
        assert_eq!(chat(&app, ask(model, "hi")).await.status, 200, "{model}");
    }
    for stream in [false, true] {
        let refused = chat(&app, with(ask("echo-slow", "hi"), json!({"stream": stream}))).await;
        let message = refused.refused(403, "model_not_allowed", "model");
        assert!(message.contains("`echo-slow`") && message.contains("echo-p*"), "{message}");
    }
    for (path, body) in [
        ("/v1/completions", json!({"model": "echo-slow", "prompt": "x"})),
        ("/v1/tokenize", json!({"model": "echo-slow", "text": "x"})),
        ("/api/ner", json!({"model": "echo-ner", "input": "x"})),
    ] {
        send(&app, Method::POST, path, CHAT, body).await.refused(403, "model_not_allowed", "model");
    }
    let listed = send(&app, Method::GET, "/v1/models", CHAT, Value::Null).await.ok();
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"echo") && ids.contains(&"echo-embed") && !ids.contains(&"echo-slow"), "{ids:?}");
    send(&app, Method::GET, "/v1/models/echo-slow", CHAT, Value::Null).await.refused(403, "model_not_allowed", "model");
    // A conversation's model counts as one that is asked.
    let conversation = send(&app, Method::POST, "/api/conversations", CHAT, json!({"model": "echo-slow"})).await.ok();
    let path = format!("/api/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let refused = send(&app, Method::POST, &path, CHAT, json!({"content": "hi"})).await;
    refused.refused(403, "model_not_allowed", "model");
    let sent = send(&app, Method::POST, &path, CHAT, json!({"content": "hi", "model": "echo"})).await;
    assert_eq!(sent.status, 200, "{sent}");
    let compared = json!({"prompt": "hi", "columns": [{"model": "echo"}]});
    send(&app, Method::POST, "/api/compare", CHAT, compared).await.refused(403, "key_limited", None);
}

#[tokio::test]
async fn the_description_says_where_a_key_goes() {
    let app = App::start();
    let shown = app.get("/docs/").await.body;
    assert!(shown.contains("securitySchemes"), "Swagger UI has no place for a key");
    let description = app.get("/openapi.json").await.ok();
    assert_eq!(description["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(description["security"][0], json!({}), "none is needed where the server has none");
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for status in ["401", "403", "429"] {
                assert!(!operation["responses"][status].is_null(), "{method} {path} does not describe {status}");
            }
        }
    }
}
