//! clients.md H: responses, their events in order, what is taken and what is refused.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{App, Event, Exchange, parse_events, with};

const PIECES: &str = "Hello from the echo engine: one, two, three.";

/// A request that leaves no trace.
fn ask(model: &str, input: impl Into<Value>) -> Value {
    json!({"model": model, "input": input.into(), "temperature": 0, "store": false})
}

async fn create(app: &App, body: Value) -> Exchange {
    app.post("/v1/responses", body).await
}

/// The events of a stream, which has names and no `[DONE]`.
#[track_caller]
pub fn events(exchange: &Exchange) -> Vec<Value> {
    assert_eq!(exchange.status, 200, "{exchange}");
    assert!(exchange.body.starts_with("event: response."), "{exchange}");
    let events = parse_events(&exchange.body).into_iter();
    events.map(|event| event.data().unwrap_or_else(|| panic!("{event:?}: {exchange}")).clone()).collect()
}

async fn stream(app: &App, body: Value) -> Vec<Value> {
    events(&create(app, with(body, json!({"stream": true}))).await)
}

/// The types, each once where it is repeated.
fn kinds(events: &[Value]) -> Vec<String> {
    let mut kinds: Vec<String> = events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    kinds.dedup();
    kinds
}

/// What a response says.
#[track_caller]
pub fn text(response: &Value) -> String {
    let items = response["output"].as_array().unwrap_or_else(|| panic!("no output: {response}"));
    let messages = items.iter().filter(|item| item["type"] == "message");
    messages.map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn h84_to_h87_the_events_of_a_text_come_in_order() {
    let app = App::start();
    let events = stream(&app, ask("echo-pieces", "hi")).await;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let deltas: Vec<_> = events.iter().filter(|e| e["type"] == "response.output_text.delta").collect();
    assert_eq!(deltas.len(), 12);
    assert_eq!(deltas.iter().map(|delta| delta["delta"].as_str().unwrap()).collect::<String>(), PIECES);
    let item = &events[2]["item"]["id"];
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
        let within = event["type"].as_str().unwrap();
        if within.contains("output_text") || within.contains("content_part") {
            let place = (&event["item_id"], &event["output_index"], &event["content_index"]);
            assert_eq!(place, (item, &json!(0), &json!(0)), "{event}");
        }
    }
    let (first, last) = (&events[0]["response"], &events.last().unwrap()["response"]);
    assert_eq!(
        (&first["status"], &first["output"], &first["usage"]),
        (&json!("in_progress"), &json!([]), &Value::Null)
    );
    assert_eq!(
        (&first["id"], &first["created_at"], &first["model"]),
        (&last["id"], &last["created_at"], &last["model"])
    );
    assert_eq!((text(last).as_str(), &last["status"]), (PIECES, &json!("completed")));
}

#[tokio::test]
async fn h85_thoughts_are_an_item_of_their_own() {
    let app = App::start();
    let events = stream(&app, ask("echo-reasoning", "2 + 2?")).await;
    assert_eq!(
        kinds(&events)[2..8],
        [
            "response.output_item.added",
            "response.content_part.added",
            "response.reasoning_text.delta",
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
        ]
    );
    let response = &events.last().unwrap()["response"];
    assert_eq!((&response["output"][0]["type"], text(response).as_str()), (&json!("reasoning"), "The answer is 4."));
    assert!(response["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 5, "{response}");
    let asked = with(ask("echo-reasoning", "2 + 2?"), json!({"reasoning": {"summary": "auto"}}));
    let events = stream(&app, asked).await;
    assert!(kinds(&events).contains(&"response.reasoning_summary_text.delta".to_owned()));
    let summary = &events.last().unwrap()["response"]["output"][0]["summary"][0];
    assert_eq!(summary["text"].as_str().unwrap().trim(), "The user wants a sum: 2 + 2.");
}

#[tokio::test]
async fn h89_every_end_has_its_event() {
    let app = App::start();
    let cut = with(ask("echo-pieces", "hi"), json!({"max_output_tokens": 3}));
    let events = stream(&app, cut.clone()).await;
    let last = events.last().unwrap();
    assert_eq!((&last["type"], text(&last["response"]).as_str()), (&json!("response.incomplete"), "Hello from the"));
    assert_eq!(last["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(create(&app, cut).await.ok()["status"], "incomplete");
    for model in ["echo-error", "echo-panic"] {
        for store in [false, true] {
            let asked = with(ask(model, "hi"), json!({"store": store}));
            let events = stream(&app, asked.clone()).await;
            let last = events.last().unwrap();
            assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.failed"), &json!("failed")));
            assert_eq!(last["response"]["error"]["code"], "server_error");
            assert!(last["response"]["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
            assert_eq!(text(&last["response"]), "Hello from the");
            create(&app, asked).await.refused(500, "engine_error", None);
        }
    }
    // A load that fails after the headers.
    let events = stream(&app, ask("echo-noload?load_ms=1000", "hi")).await;
    assert_eq!(kinds(&events), ["response.created", "response.in_progress", "response.failed"]);
}

#[tokio::test]
async fn h90_the_object_has_every_field() {
    let app = App::start();
    let asked = json!({"model": "echo", "input": "hi", "store": false, "temperature": 0.0, "top_p": 0.5,
        "instructions": "Be brief.", "metadata": {"a": "b"}, "parallel_tool_calls": false, "user": "u",
        "max_output_tokens": 50, "reasoning": {"effort": "low"}, "prompt_cache_key": "k", "tools": [{"type": "web_search"}]});
    let response = create(&app, asked).await.ok();
    for (field, value) in [
        ("object", json!("response")),
        ("status", json!("completed")),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("instructions", json!("Be brief.")),
        ("metadata", json!({"a": "b"})),
        ("temperature", json!(0.0)),
        ("top_p", json!(0.5)),
        ("text", json!({"format": {"type": "text"}})),
        ("tool_choice", json!("auto")),
        ("tools", json!([{"type": "web_search"}])),
        ("parallel_tool_calls", json!(false)),
        ("previous_response_id", Value::Null),
        ("conversation", Value::Null),
        ("max_output_tokens", json!(50)),
        ("reasoning", json!({"effort": "low", "summary": null})),
        ("truncation", json!("disabled")),
        ("background", json!(false)),
        ("store", json!(false)),
        ("user", json!("u")),
    ] {
        assert_eq!(response[field], value, "{field}");
    }
    let usage = &response["usage"];
    let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert!(usage["input_tokens_details"]["cached_tokens"].is_u64(), "{usage}");
}

#[tokio::test]
async fn h91_every_shape_of_input_is_taken() {
    let app = App::start();
    let said = async |input: Value| text(&create(&app, ask("echo", input)).await.ok());
    assert_eq!(said(json!("one")).await, "one");
    assert_eq!(said(json!([{"role": "user", "content": "two"}])).await, "two");
    let parts = json!([{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "three "}, {"type": "input_text", "text": "parts"}]}]);
    assert_eq!(said(parts).await, "three parts");
    let history = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg_x", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "id": "fc_x", "call_id": "call_1", "name": "look", "arguments": "{}", "status": "completed"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"role": "user", "content": "Thanks"}
    ]);
    assert_eq!(said(history.clone()).await, "Thanks");
    // It is the same prompt as by the other door.
    let counted = app.post("/v1/responses/input_tokens", ask("echo", history)).await.ok();
    assert_eq!(counted["object"], "response.input_tokens");
    let messages = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls":
            [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        {"role": "user", "content": "Thanks"}
    ]);
    let rendered = app.post("/v1/chat/render", json!({"model": "echo", "messages": messages})).await.ok();
    assert_eq!(counted["input_tokens"], rendered["count"]);
}

/// A BMP of one colour.
pub fn picture(width: u32, height: u32) -> String {
    let row = (width * 3).div_ceil(4) * 4;
    let pixels = row * height;
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels, 0, 54, 40, width, height, 1 | 24 << 16, 0, pixels, 0, 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize((54 + pixels) as usize, 9);
    format!("data:image/bmp;base64,{}", STANDARD.encode(bytes))
}

#[tokio::test]
async fn h91_images_are_seen_and_refused_by_their_place() {
    let app = App::start();
    let asked = |model: &str, url: &str| {
        let parts = json!([{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url, "detail": "auto"}]);
        ask(model, json!([{"role": "user", "content": parts}]))
    };
    let seen = create(&app, asked("echo-vision", &picture(64, 32))).await.ok();
    assert_eq!(text(&seen), "1 image: 64x32.");
    let place = "input[0].content[1].image_url";
    let refused = create(&app, asked("echo", &picture(64, 32))).await.refused(400, "model_without_vision", place);
    assert!(refused.contains("cannot see"), "{refused}");
    let broken = create(&app, asked("echo-vision", "data:image/png;base64,AAAA")).await;
    assert!(broken.refused(400, "invalid_image_url", place).contains(place));
    let far = create(&app, asked("echo-vision", "https://example.org/a.png")).await;
    assert!(far.refused(400, "invalid_image_url", place).contains("--allow-image-urls"));
}

#[tokio::test]
async fn h92_tools_of_other_types_are_skipped_and_named() {
    let app = App::start();
    let tools = json!([{"type": "web_search"}, {"type": "namespace", "name": "n", "tools": []}, {"type": "custom", "name": "c"}]);
    let asked = with(ask("echo-pieces", "hi"), json!({"tools": tools, "tool_choice": "auto", "truncation": "auto"}));
    let exchange = create(&app, asked).await;
    assert_eq!((text(&exchange.ok()).as_str(), &exchange.json()["tools"]), (PIECES, &tools));
    assert_eq!(exchange.header("x-ignored-params"), Some("tools[0], tools[1], tools[2]"));
    let forced = with(ask("echo", "hi"), json!({"tools": tools, "tool_choice": {"type": "web_search_preview"}}));
    create(&app, forced).await.refused(400, "invalid_value", "tool_choice");
}

#[tokio::test]
async fn h93_what_agents_send_beside_is_accepted() {
    let app = App::start();
    let more = json!({"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "medium", "summary": "auto"},
        "prompt_cache_key": "k", "client_metadata": {"x": 1}, "safety_identifier": "s", "service_tier": "auto",
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "stream_options": {"include_obfuscation": false},
        "previous_response_id": null, "conversation": null, "tools": null, "tool_choice": null, "metadata": null,
        "max_output_tokens": 40.0, "background": null, "instructions": null, "top_logprobs": null, "unknown": {"a": 1}});
    assert_eq!(text(&create(&app, with(ask("echo-pieces", "hi"), more)).await.ok()), PIECES);
    let logprobs = json!({"include": ["message.output_text.logprobs"], "top_logprobs": 2});
    let events = stream(&app, with(ask("echo-pieces", "hi"), logprobs)).await;
    let delta = events.iter().find(|event| event["type"] == "response.output_text.delta").unwrap();
    assert_eq!(
        (&delta["logprobs"][0]["token"], delta["logprobs"][0]["top_logprobs"].as_array().unwrap().len()),
        (&json!("Hello"), 2)
    );
    let last = &events.last().unwrap()["response"]["output"][0]["content"][0]["logprobs"];
    assert!(last.as_array().unwrap().len() >= 12, "{last}");
}

#[tokio::test]
async fn what_is_wrong_is_an_error_before_the_stream_in_the_words_of_the_request() {
    let app = App::start();
    for stream in [false, true] {
        for store in [false, true] {
            let refused = async |more: Value, status: u16, code: &str, param: &'static str| {
                let body = with(with(ask("echo", "hi"), json!({"stream": stream, "store": store})), more);
                create(&app, body).await.refused(status, code, param)
            };
            refused(json!({"model": "gpt-9"}), 404, "model_not_found", "model").await;
            refused(json!({"model": "echo-embed"}), 400, "unsupported_model", "model").await;
            refused(json!({"max_output_tokens": 0}), 400, "invalid_value", "max_output_tokens").await;
            refused(json!({"temperature": -1}), 400, "invalid_value", "temperature").await;
            refused(json!({"top_logprobs": 21}), 400, "invalid_value", "top_logprobs").await;
            refused(json!({"input": []}), 400, "invalid_value", "input").await;
            refused(json!({"input": null}), 400, "invalid_value", "input").await;
            refused(json!({"input": 5}), 400, "invalid_value", "input").await;
            refused(json!({"input": [{"role": "robot", "content": "x"}]}), 400, "invalid_value", "input[0].role").await;
            let file = json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]);
            refused(json!({"input": file}), 400, "unsupported_parameter", "input[0].content[0]").await;
            let unknown = json!([{"type": "item_reference", "id": "msg_gone"}]);
            let message = refused(json!({"input": unknown}), 400, "item_not_found", "input[0].id").await;
            assert!(message.contains("msg_gone"), "{message}");
            refused(json!({"prompt": {"id": "p"}}), 400, "unsupported_parameter", "prompt").await;
            let long = json!({"model": "echo-tiny", "input": "x".repeat(200)});
            let message = refused(long, 400, "context_length_exceeded", "input").await;
            assert!(message.contains("maximum context length is 64 tokens"), "{message}");
            let gone = json!({"previous_response_id": "resp_gone"});
            refused(gone, 400, "previous_response_not_found", "previous_response_id").await;
            refused(json!({"conversation": "conv_gone"}), 404, "not_found", "conversation").await;
        }
    }
    assert_eq!(app.get("/api/conversations").await.ok()["total"], 0, "nothing of it is kept");
}

#[tokio::test]
async fn a_stream_that_is_left_frees_the_model() {
    let app = App::start();
    for store in [false, true] {
        let body = with(ask("echo-long", "go"), json!({"stream": true, "store": store}));
        let mut open = app.open("/v1/responses", body).await;
        while let Some(event) = open.next().await {
            if matches!(&event, Event::Data(data) if data["type"] == "response.output_text.delta") {
                break;
            }
        }
        drop(open);
        crate::support::until("nobody runs", || app.stats("echo-long").running == 0).await;
    }
}
