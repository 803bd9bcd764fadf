//! Anthropic's messages. Numbers are those of the list of checks.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, Exchange, with};

fn message(model: &str, text: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "temperature": 0, "messages": [{"role": "user", "content": text}]})
}

async fn send(app: &App, body: Value) -> Exchange {
    app.post("/v1/messages", body).await
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn i97_a_message_is_answered_with_any_key_version_and_beta() {
    let app = App::start();
    let headers = [
        ("x-api-key", "sk-ant-x"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
    ];
    let body = message("echo-pieces", "hi").to_string();
    let exchange = app.send(Method::POST, "/v1/messages?beta=true", &headers, body.clone()).await;
    let answer = exchange.ok();
    assert_eq!(answer["content"], json!([{"type": "text", "text": "Hello from the echo engine: one, two, three."}]));
    assert_eq!((&answer["type"], &answer["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!((&answer["stop_reason"], &answer["stop_sequence"]), (&json!("end_turn"), &Value::Null));
    assert!(answer["id"].as_str().unwrap().starts_with("msg_"), "{exchange}");
    let usage = &answer["usage"];
    assert!(usage["input_tokens"].as_u64().unwrap() > 0 && usage["output_tokens"].as_u64().unwrap() > 10, "{exchange}");
    assert_eq!(exchange.header("request-id"), exchange.header("x-request-id"), "{exchange}");
    // What clients of OpenAI forget is forgiven here too.
    app.send(Method::POST, "/messages/", &[("authorization", "Bearer x")], body).await.ok();
}

#[tokio::test]
async fn i98_a_header_in_the_instructions_that_changes_leaves_the_cache_as_it_is() {
    let app = App::start();
    let ask = |number: u32| {
        let header = format!("x-anthropic-billing-header: cc_version=2.1; cch={number};");
        let system = json!([{"type": "text", "text": header}, {"type": "text", "text": "Be brief. ".repeat(20)}]);
        with(message("echo-pieces", "hi"), json!({"system": system}))
    };
    let first = send(&app, ask(1)).await.ok()["usage"].clone();
    assert_eq!(first["cache_read_input_tokens"], 0);
    let second = send(&app, ask(2)).await.ok()["usage"].clone();
    let count = |usage: &Value, field: &str| usage[field].as_u64().unwrap();
    assert!(count(&second, "cache_read_input_tokens") > 40, "{second}");
    let all = count(&second, "cache_read_input_tokens") + count(&second, "input_tokens");
    assert_eq!(all, count(&first, "input_tokens"));
}

#[tokio::test]
async fn i99_what_changes_nothing_is_accepted_and_named() {
    let more = json!({
        "thinking": {"type": "adaptive"}, "context_management": {"edits": []}, "output_config": {"effort": "high"},
        "metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": {"type": "ephemeral"},
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}],
        "tool_choice": {"type": "auto"}, "something_new": [1],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}, "citations": null},
        ]}],
    });
    let exchange = send(&App::start(), with(message("echo", ""), more)).await;
    assert_eq!(exchange.ok()["content"][0]["text"], "hi");
    let named = "context_management, service_tier, tools[0], output_config.effort";
    assert_eq!(exchange.header("x-ignored-params"), Some(named), "this model does not think");
}

#[tokio::test]
async fn i100_a_stream_has_its_events_in_order() {
    let exchange = send(&App::start(), with(message("echo-reasoning", "2 + 2?"), json!({"stream": true}))).await;
    let events = exchange.named_events();
    let mut order = kinds(&events);
    order.dedup();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected = [&["message_start"][..], &block, &block, &["message_delta", "message_stop"]].concat();
    assert_eq!(order, expected, "{exchange}");
    let start = &events[0]["message"];
    assert_eq!((&start["content"], &start["stop_reason"]), (&json!([]), &Value::Null));
    assert!(start["usage"]["input_tokens"].as_u64().unwrap() > 0, "the prompt is counted at once: {exchange}");
    let joined = |kind: &str, field: &str| -> String {
        let deltas = events.iter().filter(|event| event["delta"]["type"] == kind);
        deltas.map(|event| event["delta"][field].as_str().unwrap()).collect()
    };
    assert_eq!(joined("thinking_delta", "thinking").trim(), "The user wants a sum: 2 + 2.");
    assert_eq!(joined("text_delta", "text"), "The answer is 4.");
    assert_eq!(events.iter().filter(|event| event["delta"]["type"] == "signature_delta").count(), 1, "{exchange}");
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(end["usage"]["input_tokens"], start["usage"]["input_tokens"], "{exchange}");
    // The same in one piece.
    let whole = send(&App::start(), message("echo-reasoning", "2 + 2?")).await.ok();
    assert_eq!(whole["content"][0]["thinking"], joined("thinking_delta", "thinking"));
    assert_eq!(whole["content"][1]["text"], "The answer is 4.");
    assert_eq!(whole["usage"]["output_tokens"], end["usage"]["output_tokens"]);
}

#[tokio::test]
async fn i100_a_long_prompt_is_told_of_while_it_is_computed() {
    let long = "word ".repeat(2000);
    let body = with(message("echo-pieces", &long), json!({"stream": true}));
    let exchange = send(&App::start(), body).await;
    let events = exchange.named_events();
    assert_eq!(events[0]["type"], "message_start", "{exchange}");
    assert!(kinds(&events).contains(&"ping"), "{exchange}");
    assert!(events[0]["message"]["usage"]["input_tokens"].as_u64().unwrap() > 2000, "{exchange}");
}

#[tokio::test]
async fn i100_a_stream_that_fails_says_so_in_an_event() {
    let exchange = send(&App::start(), with(message("echo-error", "hi"), json!({"stream": true}))).await;
    let events = exchange.named_events();
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("api_error")), "{exchange}");
    assert!(last["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert_eq!(events[0]["type"], "message_start", "{exchange}");
    send(&App::start(), message("echo-error", "hi")).await.anthropic_error(500, "api_error");
}

#[tokio::test]
async fn why_an_answer_ended_is_told() {
    let app = App::start();
    let stopped = send(&app, with(message("echo-pieces", "hi"), json!({"stop_sequences": ["two"]}))).await.ok();
    assert_eq!(stopped["content"][0]["text"], "Hello from the echo engine: one, ");
    assert_eq!((&stopped["stop_reason"], &stopped["stop_sequence"]), (&json!("stop_sequence"), &json!("two")));
    let cut = send(&app, with(message("echo-pieces", "hi"), json!({"max_tokens": 3}))).await.ok();
    assert_eq!(cut["content"][0]["text"], "Hello from the");
    assert_eq!((&cut["stop_reason"], &cut["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(3)));
}

#[tokio::test]
async fn i101_errors_have_anthropics_shape_whoever_makes_them() {
    let app = App::with(|_, api| api.body_limit = 4000);
    let path = "/v1/messages";
    let invalid = "invalid_request_error";
    let post = |body: &'static str| app.send(Method::POST, path, &[], body);
    post("{\"model\": ").await.anthropic_error(400, invalid);
    post("").await.anthropic_error(400, invalid);
    let message_of =
        post("{\"model\": \"echo\", \"max_tokens\": 1, \"messages\": 5}").await.anthropic_error(400, invalid);
    assert!(message_of.starts_with("messages"), "{message_of}");
    let unknown = send(&app, message("nobody", "hi")).await.anthropic_error(404, "not_found_error");
    assert!(unknown.contains("`nobody`"), "{unknown}");
    app.send(Method::POST, path, &[], "x".repeat(5000)).await.anthropic_error(413, "request_too_large");
    app.get(path).await.anthropic_error(405, invalid);
    let evil = [("host", "evil.example")];
    app.send(Method::POST, path, &evil, "{}").await.anthropic_error(403, "permission_error");
    let evil = [("origin", "https://evil.example")];
    app.send(Method::POST, path, &evil, "{}").await.anthropic_error(403, "permission_error");
    send(&app, message("echo-noload", "hi")).await.anthropic_error(500, "api_error");
    send(&app, message("echo-panic", "hi")).await.anthropic_error(500, "api_error");
    send(&app, message("echo-embed", "hi")).await.anthropic_error(400, invalid);
    app.registry.close();
    let closing = send(&app, message("echo", "hi")).await;
    closing.anthropic_error(503, "overloaded_error");
    assert!(closing.header("retry-after").is_some(), "{closing}");
}

#[tokio::test]
async fn i101_fields_are_named_as_the_client_has_them() {
    let app = App::start();
    let refused = async |more: Value| {
        send(&app, with(message("echo", "hi"), more)).await.anthropic_error(400, "invalid_request_error")
    };
    for (more, begin) in [
        (json!({"max_tokens": null}), "max_tokens is missing"),
        (json!({"max_tokens": 0}), "max_tokens is 0"),
        (json!({"temperature": 1.5}), "temperature is 1.5; the range is 0 to 1"),
        (json!({"top_p": 2}), "top_p is 2"),
        (json!({"messages": []}), "messages is empty"),
        (json!({"stop_sequences": vec!["x"; 40]}), "stop_sequences has 40"),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens is missing"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content"),
    ] {
        let message = refused(more.clone()).await;
        assert!(message.starts_with(begin), "{more}: {message}");
    }
    // Behind instructions a message has another number in the chat request.
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}});
    let user = |block: &Value| json!({"role": "user", "content": [{"type": "text", "text": "What?"}, block]});
    let message = refused(json!({"system": "Be brief.", "messages": [user(&image)]})).await;
    assert!(message.starts_with("messages[0].content[1].source is an http URL"), "{message}");
    let document = json!({"type": "document", "source": {}});
    let message = refused(json!({"messages": [user(&document)]})).await;
    assert!(message.starts_with("messages[0].content[1] is a document"), "{message}");
}

#[tokio::test]
async fn i101_tokens_are_counted_as_they_would_be_computed() {
    let app = App::start();
    let body = with(message("echo-pieces", "How long is this?"), json!({"system": "Be brief."}));
    let count = |exchange: Exchange| exchange.ok()["input_tokens"].as_u64().unwrap();
    let counted = count(app.post("/v1/messages/count_tokens", body.clone()).await);
    assert_eq!(send(&app, body.clone()).await.ok()["usage"]["input_tokens"], counted);
    let bare = with(body, json!({"max_tokens": null}));
    assert_eq!(count(app.post("/v1/messages/count_tokens?beta=true", bare.clone()).await), counted);
    // What does not fit is counted too: that is what one wants to know.
    let long = with(message("echo-tiny", &" the".repeat(100)), json!({}));
    assert!(count(app.post("/v1/messages/count_tokens", long).await) > 64);
    let wrong = with(bare, json!({"messages": []}));
    app.post("/v1/messages/count_tokens", wrong).await.anthropic_error(400, "invalid_request_error");
}

#[tokio::test]
async fn i102_a_prompt_that_does_not_fit_is_told_in_the_known_words() {
    let app = App::start();
    for stream in [false, true] {
        // In memory, so that it is known at once.
        send(&app, message("echo-tiny", "hi")).await.ok();
        let body = with(message("echo-tiny", &" the".repeat(100)), json!({"stream": stream}));
        let message = send(&app, body).await.anthropic_error(400, "invalid_request_error");
        let numbers: Vec<_> = message.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
        assert_eq!((numbers.len(), numbers[1]), (2, "64"), "{message}");
        assert!(message.starts_with("prompt is too long: ") && message.ends_with("> 64 maximum"), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_was_begun_is_gone_on_with() {
    let app = App::start();
    let begun = json!({"messages": [
        {"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two"},
    ]});
    let counted = async |more: Value| {
        let body = with(message("echo", ""), more);
        app.post("/v1/messages/count_tokens", body).await.ok()["input_tokens"].as_u64().unwrap()
    };
    let open = counted(begun.clone()).await;
    let mut closed = begun;
    closed["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": ""}));
    assert!(counted(closed).await > open, "the answer's end is not in the prompt");
}

#[tokio::test]
async fn the_list_of_models_has_anthropics_shape_for_its_clients() {
    let app = App::start();
    let version = [("anthropic-version", "2023-06-01")];
    let list = app.send(Method::GET, "/v1/models?limit=1000", &version, "").await.ok();
    let data = list["data"].as_array().unwrap();
    assert_eq!((&list["has_more"], &list["first_id"]), (&json!(false), &data[0]["id"]));
    assert_eq!(list["last_id"], data[data.len() - 1]["id"]);
    let model = app.send(Method::GET, "/v1/models/echo-tiny", &version, "").await.ok();
    assert_eq!((&model["type"], &model["id"]), (&json!("model"), &json!("echo-tiny")));
    assert!(data.contains(&model), "{list}");
    assert!(model["created_at"].as_str().unwrap().ends_with('Z'), "{model}");
    let unknown = app.send(Method::GET, "/v1/models/nobody", &version, "").await;
    unknown.anthropic_error(404, "not_found_error");
    app.get("/v1/models/nobody").await.refused(404, "model_not_found", "model");
}
