use serde_json::{Value, json};
use tern_chat::{Answer, ToolCall, TurnDelta};

use super::*;

fn frame() -> Frame {
    Frame { id: "msg_1".into(), model: "echo".into(), max_tokens: 7, stop_sequences: vec!["END".into()] }
}

fn delta(text: &str) -> TurnDelta {
    TurnDelta { choice: 0, text: text.into(), logprobs: Vec::new() }
}

fn text(text: &str) -> TurnEvent {
    TurnEvent::Text(delta(text))
}

fn call(index: u32, name: &str) -> TurnEvent {
    TurnEvent::ToolCall { choice: 0, index, id: format!("call_{index}"), name: name.into() }
}

fn arguments(index: u32, text: &str) -> TurnEvent {
    TurnEvent::Arguments { index, delta: delta(text) }
}

fn finish(reason: FinishReason, tool_calls: u32) -> TurnEvent {
    TurnEvent::Finish { choice: 0, reason, tool_calls }
}

fn prefill(processed: u32) -> TurnEvent {
    TurnEvent::Prefill(PrefillProgress { total: 10, cached: 4, processed, time_ms: 1.0 })
}

const SUMMARY: Summary = Summary {
    prompt_tokens: 10,
    cached_tokens: 4,
    completion_tokens: 7,
    queue_ms: 0.0,
    prefill_ms: 1.0,
    decode_ms: 2.0,
};

/// The stream of a turn with these events, as JSON.
fn stream(events: Vec<TurnEvent>) -> Vec<Value> {
    let mut blocks = Blocks::new(frame());
    let mut written = Vec::new();
    for event in events.into_iter().chain([TurnEvent::End { summary: SUMMARY, reasoning_tokens: 2 }]) {
        blocks.push(event);
        while let Some(event) = blocks.pop() {
            written.push(serde_json::to_value(event).unwrap());
        }
    }
    written
}

fn start(index: u32, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn more(index: u32, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u32) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

#[test]
fn thinking_text_and_calls_are_blocks_one_behind_the_other() {
    let events = stream(vec![
        prefill(5),
        prefill(10),
        TurnEvent::Reasoning(delta("hm")),
        TurnEvent::Reasoning(delta("m")),
        text("I "),
        text("look."),
        call(0, "weather"),
        arguments(0, "{\"city\":"),
        arguments(0, "\"Bern\"}"),
        call(1, "time"),
        arguments(1, "{}"),
        finish(FinishReason::Stop(None), 2),
    ]);
    let usage = json!({
        "input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 0,
    });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "echo", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let mut usage_at_end = usage.clone();
    usage_at_end["output_tokens"] = 7.into();
    usage_at_end["output_tokens_details"] = json!({"thinking_tokens": 2});
    let tool = |id: &str, name: &str| json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let expected = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "ping"}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        more(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        more(0, json!({"type": "thinking_delta", "thinking": "m"})),
        more(0, json!({"type": "signature_delta", "signature": ""})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        more(1, json!({"type": "text_delta", "text": "I "})),
        more(1, json!({"type": "text_delta", "text": "look."})),
        stop(1),
        start(2, tool("call_0", "weather")),
        more(2, json!({"type": "input_json_delta", "partial_json": "{\"city\":"})),
        more(2, json!({"type": "input_json_delta", "partial_json": "\"Bern\"}"})),
        stop(2),
        start(3, tool("call_1", "time")),
        more(3, json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop(3),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
               "usage": usage_at_end}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(events, expected);
}

#[test]
fn an_answer_without_a_word_is_still_a_whole_stream() {
    let kinds: Vec<_> = stream(vec![finish(FinishReason::Stop(None), 0)]).iter().map(|e| e["type"].clone()).collect();
    assert_eq!(kinds, ["message_start", "message_delta", "message_stop"]);
}

#[test]
fn why_an_answer_ended_is_told_in_anthropics_words() {
    let reason = |reason, calls| {
        let events = stream(vec![finish(reason, calls)]);
        let delta = &events[events.len() - 2]["delta"];
        (delta["stop_reason"].as_str().unwrap().to_owned(), delta["stop_sequence"].as_str().map(ToOwned::to_owned))
    };
    let stop = |text: &str| FinishReason::Stop(Some(text.into()));
    assert_eq!(reason(FinishReason::Stop(None), 0), ("end_turn".into(), None));
    assert_eq!(reason(stop("END"), 0), ("stop_sequence".into(), Some("END".into())));
    // A text that ends answers of a template is not one of the client's.
    assert_eq!(reason(stop("User:"), 0), ("end_turn".into(), None));
    assert_eq!(reason(FinishReason::Length, 0), ("max_tokens".into(), None));
    let roomy = Frame { max_tokens: 100, ..frame() };
    let end = roomy.end(Some(&FinishReason::Length), 0, &SUMMARY);
    assert_eq!(end.0, "model_context_window_exceeded", "it is the context that was full");
    // Cut off in a call: it must not be carried out.
    assert_eq!(reason(FinishReason::Length, 1), ("max_tokens".into(), None));
}

#[test]
fn a_whole_answer_has_its_blocks_in_the_same_order() {
    let call = |arguments: &str| ToolCall { id: "call_0".into(), name: "f".into(), arguments: arguments.into() };
    let answer = Answer {
        text: "text".into(),
        reasoning: Some("thought".into()),
        tool_calls: vec![call("{\"a\": 1}"), call("{\"a\": ")],
        finish: Some(FinishReason::Stop(None)),
        ..Answer::default()
    };
    let answered = |answers| Answered { answers, summary: SUMMARY, reasoning_tokens: 2 };
    let whole = serde_json::to_value(frame().answer(answered(vec![answer]))).unwrap();
    let expected = json!([
        {"type": "thinking", "thinking": "thought", "signature": ""},
        {"type": "text", "text": "text"},
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {}},
    ]);
    assert_eq!(whole["content"], expected);
    assert_eq!((&whole["stop_reason"], &whole["usage"]["input_tokens"]), (&json!("tool_use"), &json!(6)));
    let silent = frame().answer(answered(Vec::new()));
    assert_eq!((silent.content.len(), silent.stop_reason.as_deref()), (0, Some("end_turn")));
}
