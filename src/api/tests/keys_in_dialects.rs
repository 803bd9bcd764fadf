//! Keys as clients of Anthropic, Ollama and Responses meet them: refusals in their shape, models that may be asked,
//! counting.

use poem::http::Method;
use serde_json::{Value, json};

use crate::{
    keys::{ADMIN, CHAT, guarded, send, usage},
    support::{App, Exchange, until, with},
};

fn message(model: &str) -> Value {
    json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]})
}

fn chat(model: &str) -> Value {
    let options = json!({"temperature": 0});
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": false, "options": options})
}

async fn post(app: &App, path: &str, body: Value) -> Exchange {
    send(app, Method::POST, path, CHAT, body).await
}

#[tokio::test]
async fn refusals_have_the_shape_of_the_client_that_asks() {
    let app = guarded(|key| {
        key.models = vec!["echo".into()];
        key.requests_per_minute = Some(2);
    });
    let kind = "authentication_error";
    for wrong in [&[][..], &[("x-api-key", "sk-ant-nothing")]] {
        let body = message("echo").to_string();
        let refused = app.send(Method::POST, "/v1/messages", wrong, body).await;
        refused.anthropic_error(401, kind);
        assert!(refused.header("www-authenticate").is_some(), "{refused}");
        let version = [wrong, &[("anthropic-version", "2023-06-01")]].concat();
        app.send(Method::GET, "/v1/models", &version, "").await.anthropic_error(401, kind);
        for path in ["/api/chat", "/api/generate", "/api/embed"] {
            app.send(Method::POST, path, wrong, "{}").await.ollama_error(401);
        }
        app.send(Method::GET, "/api/tags", wrong, "").await.ollama_error(401);
        app.send(Method::POST, "/v1/responses", wrong, "{}").await.refused(401, "invalid_api_key", None);
    }
    let said = send(&app, Method::DELETE, "/api/delete", CHAT, json!({"model": "echo"})).await.ollama_error(403);
    assert!(said.contains("\"laptop\"") && said.contains("admin"), "{said}");
    post(&app, "/v1/messages", message("echo-slow")).await.anthropic_error(403, "permission_error");
    assert!(post(&app, "/api/chat", chat("echo-slow:latest")).await.ollama_error(403).contains("`echo-slow`"));
    // Both minutes' requests are used.
    let refused = post(&app, "/v1/messages", message("echo")).await;
    assert!(refused.anthropic_error(429, "rate_limit_error").contains("2 requests a minute"), "{refused}");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    assert!(post(&app, "/api/chat", chat("echo")).await.ollama_error(429).contains("2 requests a minute"));
    post(&app, "/v1/responses", json!({"model": "echo", "input": "hi"})).await.refused(
        429,
        "rate_limit_exceeded",
        None,
    );
}

#[tokio::test]
async fn other_models_are_neither_asked_nor_shown_in_any_dialect() {
    let app = guarded(|key| key.models = vec!["echo".into(), "echo-embed".into()]);
    for (path, body) in [
        ("/v1/messages/count_tokens", message("echo-slow")),
        ("/v1/responses/input_tokens", json!({"model": "echo-slow", "input": "hi"})),
    ] {
        assert_eq!(post(&app, path, body).await.status, 403, "{path}");
    }
    let other = "echo-slow:latest";
    for (path, body) in [
        ("/api/generate", json!({"model": other, "prompt": "hi"})),
        ("/api/generate", json!({"model": other, "prompt": "hi", "raw": true})),
        ("/api/generate", json!({"model": other})),
        ("/api/embed", json!({"model": "echo-embed?context=16", "input": "hi"})),
        ("/api/show", json!({"model": other})),
    ] {
        post(&app, path, body).await.ollama_error(403);
    }
    for store in [false, true] {
        let refused = post(&app, "/v1/responses", json!({"model": "echo-slow", "input": "hi", "store": store})).await;
        refused.refused(403, "model_not_allowed", "model");
    }
    // A response by another model is not gone on with by that one.
    let body = json!({"model": "echo-pieces", "input": "hi"});
    let first = send(&app, Method::POST, "/v1/responses", ADMIN, body).await.ok();
    let behind = json!({"input": "and?", "previous_response_id": first["id"]});
    post(&app, "/v1/responses", behind.clone()).await.refused(403, "model_not_allowed", "model");
    post(&app, "/v1/responses", with(behind, json!({"model": "echo"}))).await.ok();

    assert_eq!(post(&app, "/api/show", json!({"model": "echo:latest"})).await.status, 200);
    let listed = async |path: &str, secret| -> Vec<String> {
        let models = send(&app, Method::GET, path, secret, Value::Null).await.ok()["models"].clone();
        models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("/api/tags", CHAT).await, ["echo:latest", "echo-embed:latest"]);
    assert!(listed("/api/tags", ADMIN).await.len() > 10);
    assert_eq!(listed("/api/ps", CHAT).await, ["echo:latest"]);
    assert_eq!(listed("/api/ps", ADMIN).await.len(), 2);
}

#[tokio::test]
async fn what_is_computed_is_counted_in_every_dialect() {
    let app = guarded(|_| {});
    let counted = async || {
        let used = usage(&app).await[0].clone();
        [used["prompt_tokens"].as_u64().unwrap(), used["completion_tokens"].as_u64().unwrap()]
    };
    let mut before = counted().await;
    let mut grows = async |what: &str, answer: Value, prompt: &str, completion: &str| {
        let now = counted().await;
        let spent = [now[0] - before[0], now[1] - before[1]];
        let told = [prompt, completion].map(|at| answer.pointer(at).map_or(0, |count| count.as_u64().unwrap()));
        assert_eq!(spent, told, "{what}: {answer}");
        assert!(spent[0] > 0, "{what}");
        before = now;
    };
    let answer = post(&app, "/v1/messages", message("echo-pieces")).await.ok();
    grows("messages", answer, "/usage/input_tokens", "/usage/output_tokens").await;
    let answer = post(&app, "/api/chat", chat("echo-thinking")).await.ok();
    grows("Ollama's chat", answer, "/prompt_eval_count", "/eval_count").await;
    let lines = post(&app, "/api/chat", with(chat("echo-pieces"), json!({"stream": true}))).await.lines();
    grows("Ollama's stream", lines.last().unwrap().clone(), "/prompt_eval_count", "/eval_count").await;
    let text = json!({"model": "echo-pieces", "prompt": "hi", "raw": true, "stream": false});
    let answer = post(&app, "/api/generate", text).await.ok();
    grows("a raw text", answer, "/prompt_eval_count", "/eval_count").await;
    let answer = post(&app, "/api/embed", json!({"model": "echo-embed", "input": ["one", "two"]})).await.ok();
    grows("Ollama's vectors", answer, "/prompt_eval_count", "/none").await;
    for store in [false, true] {
        let body = json!({"model": "echo-pieces", "input": "hi", "store": store});
        let answer = post(&app, "/v1/responses", body).await.ok();
        grows("a response", answer, "/usage/input_tokens", "/usage/output_tokens").await;
    }
}

#[tokio::test]
async fn a_response_in_the_background_is_counted_too() {
    let app = guarded(|_| {});
    let body = json!({"model": "echo-slow?step_ms=1", "input": "hi", "background": true});
    let begun = post(&app, "/v1/responses", body).await.ok();
    assert_ne!(begun["status"], "completed");
    let path = format!("/v1/responses/{}", begun["id"].as_str().unwrap());
    let mut ended = Value::Null;
    for _ in 0..2000 {
        ended = send(&app, Method::GET, &path, CHAT, Value::Null).await.ok();
        if ended["status"] == "completed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let used = usage(&app).await[0].clone();
    assert_eq!(used["prompt_tokens"], ended["usage"]["input_tokens"], "{ended}");
    assert_eq!(used["completion_tokens"], ended["usage"]["output_tokens"], "{ended}");
    assert!(used["completion_tokens"].as_u64().unwrap() >= 50, "{used}");
}

#[tokio::test]
async fn a_key_for_chats_unloads_nothing() {
    let app = guarded(|_| {});
    let is_loaded = || !app.registry.loaded().is_empty();
    let kept = post(&app, "/api/chat", with(chat("echo"), json!({"keep_alive": 0}))).await;
    assert_eq!(
        (kept.ok()["message"]["content"].as_str(), kept.header("x-ignored-params")),
        (Some("hi"), Some("keep_alive"))
    );
    let said = post(&app, "/api/generate", json!({"model": "echo", "keep_alive": 0})).await.ollama_error(403);
    assert!(said.contains("\"laptop\"") && said.contains("unloading a model"), "{said}");
    assert!(is_loaded());
    let body = with(chat("echo"), json!({"keep_alive": 0}));
    let unloads = send(&app, Method::POST, "/api/chat", ADMIN, body).await;
    assert_eq!((unloads.status, unloads.header("x-ignored-params")), (200, None), "{unloads}");
    until("the model is unloaded behind the answer", || !is_loaded()).await;
}

#[tokio::test]
async fn keys_share_what_is_kept() {
    let app = guarded(|_| {});
    let first = send(&app, Method::POST, "/v1/responses", ADMIN, json!({"model": "echo", "input": "hi"})).await.ok();
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(send(&app, Method::GET, &path, CHAT, Value::Null).await.ok(), first);
}
