//! Whole answers, and the list of models. Numbers are those of the list of checks.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, ask, with};

#[tokio::test]
async fn e67_an_answer_has_role_content_and_counted_tokens() {
    let exchange = App::start().chat(ask("echo-pieces", "hi")).await;
    let json = exchange.ok();
    let message =
        json!({"role": "assistant", "content": "Hello from the echo engine: one, two, three.", "refusal": null});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop", "logprobs": null});
    assert_eq!(json["choices"], json!([choice]), "{exchange}");
    assert_eq!(json["object"], "chat.completion");
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-") && json["created"].is_u64(), "{exchange}");
    let usage = &json["usage"];
    let count = |key: &str| usage[key].as_u64().unwrap();
    assert_eq!(count("total_tokens"), count("prompt_tokens") + count("completion_tokens"), "{exchange}");
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0, "{exchange}");
    let timings = &json["timings"];
    assert_eq!(timings["prompt_n"], usage["prompt_tokens"], "{exchange}");
    assert_eq!(timings["predicted_n"], usage["completion_tokens"], "{exchange}");
    assert_eq!(timings["cache_n"], 0, "{exchange}");
}

#[tokio::test]
async fn e67_cached_tokens_are_counted() {
    let app = App::start();
    let question = ask("echo-pieces", &"the same words ".repeat(10));
    let first = app.chat(question.clone()).await.ok();
    let second = app.chat(question).await.ok();
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached > 10, "{second}");
    assert_eq!(second["timings"]["cache_n"], cached);
    assert_eq!(second["timings"]["prompt_n"].as_u64().unwrap() + cached, second["usage"]["prompt_tokens"]);
    assert_eq!(second["usage"]["prompt_tokens"], first["usage"]["prompt_tokens"]);
}

#[tokio::test]
async fn e68_reasoning_is_apart_under_both_names_and_counted() {
    let exchange = App::start().chat(ask("echo-reasoning", "2 + 2?")).await;
    let json = exchange.ok();
    let message = &json["choices"][0]["message"];
    assert_eq!(message["content"], "The answer is 4.", "{exchange}");
    assert_eq!(message["reasoning_content"].as_str().unwrap().trim(), "The user wants a sum: 2 + 2.", "{exchange}");
    assert_eq!(message["reasoning"], message["reasoning_content"], "{exchange}");
    let counted = json["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(counted > 5 && counted < json["usage"]["completion_tokens"].as_u64().unwrap(), "{exchange}");
}

#[tokio::test]
async fn a_model_that_does_not_reason_has_no_reasoning_fields() {
    let exchange = App::start().chat(ask("echo", "hi")).await;
    assert!(!exchange.body.contains("\"reasoning\"") && !exchange.body.contains("reasoning_content"), "{exchange}");
}

#[tokio::test]
async fn several_answers_come_in_order_and_the_prompt_is_counted_once() {
    let app = App::start();
    let one = app.chat(ask("echo-pieces", "hi")).await.ok();
    let json = app.chat(with(ask("echo-pieces", "hi"), json!({"n": 3}))).await.ok();
    let indexes: Vec<_> = json["choices"].as_array().unwrap().iter().map(|c| c["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 1, 2]);
    assert_eq!(json["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"]);
    let tokens = one["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(json["usage"]["completion_tokens"], 3 * tokens);
}

#[tokio::test]
async fn logprobs_cover_the_answer_with_alternatives_in_order() {
    let more = json!({"logprobs": true, "top_logprobs": 5});
    let exchange = App::start().chat(with(ask("echo-utf8", "hi"), more)).await;
    let json = exchange.ok();
    let entries = json["choices"][0]["logprobs"]["content"].as_array().unwrap();
    let bytes: Vec<u8> =
        entries.iter().flat_map(|e| serde_json::from_value::<Vec<u8>>(e["bytes"].clone()).unwrap()).collect();
    assert!(String::from_utf8(bytes).unwrap().starts_with(&exchange.text()), "{exchange}");
    for entry in entries {
        let top = entry["top_logprobs"].as_array().unwrap();
        let values: Vec<_> = top.iter().map(|alternative| alternative["logprob"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 5, "{exchange}");
        assert!(values.is_sorted_by(|a, b| a >= b), "{exchange}");
        assert!(values.iter().map(|value| value.exp()).sum::<f64>() <= 1.0001, "{exchange}");
    }
}

#[tokio::test]
async fn e71_the_list_of_models_has_what_clients_look_for() {
    let exchange = App::start().get("/v1/models").await;
    let json = exchange.ok();
    assert_eq!((&json["object"], &json["models"]), (&json!("list"), &json["data"]));
    let models = json["data"].as_array().unwrap();
    let find = |id: &str| models.iter().find(|model| model["id"] == id).unwrap_or_else(|| panic!("{id}: {exchange}"));
    let tiny = find("echo-tiny");
    assert_eq!((&tiny["object"], &tiny["owned_by"]), (&json!("model"), &json!("tern")));
    assert_eq!((&tiny["context_length"], &tiny["max_model_len"]), (&json!(64), &json!(64)));
    assert_eq!(tiny["capabilities"], json!(["completion", "chat", "tools"]));
    assert_eq!((&tiny["engine"], &tiny["status"]["value"]), (&json!("echo"), &json!("unloaded")));
    assert_eq!(find("echo-embed")["capabilities"], json!(["embedding"]));
}

#[tokio::test]
async fn e71_models_of_the_test_engine_are_listed_only_when_asked_for() {
    let app = App::with(|registry, _| registry.echo = false);
    assert_eq!(app.get("/v1/models").await.ok()["data"], json!([]));
    let message = app.chat(ask("echo", "hi")).await.refused(404, "model_not_found", "model");
    assert!(message.contains("tern pull"), "{message}");
}

#[tokio::test]
async fn e72_a_model_is_shown_by_its_id_with_slashes_encoded_or_raw() {
    let app = App::start();
    assert_eq!(app.get("/v1/models/echo-tiny").await.ok()["id"], "echo-tiny");
    assert_eq!(app.get("/models/echo-tiny/").await.ok()["id"], "echo-tiny");
    for path in ["/v1/models/org/name:tag", "/v1/models/org%2Fname:tag", "/v1/models/org%2Fname%3Atag"] {
        // The file behind this id is no model: that it is found is what counts.
        let message = app.get(path).await.refused(400, "model_unusable", "model");
        assert!(message.contains("`org/name:tag`"), "{message}");
    }
    let message = app.get("/v1/models/no/such/model").await.refused(404, "model_not_found", "model");
    assert!(message.contains("`no/such/model`") && message.contains("`echo-tiny`"), "{message}");
    app.send(Method::DELETE, "/v1/models/echo", &[], "").await.refused(405, "method_not_allowed", None);
}

#[tokio::test]
async fn e73_the_list_is_the_same_every_time() {
    let app = App::start();
    let ids = |json: Value| json["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect::<Vec<_>>();
    let first = ids(app.get("/v1/models").await.ok());
    app.chat(ask("echo-tiny", "load me")).await.ok();
    assert_eq!(ids(app.get("/v1/models").await.ok()), first);
    assert_eq!(ids(App::start().get("/v1/models").await.ok()), first);
}
