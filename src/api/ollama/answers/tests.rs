use serde_json::{Value, json};
use tern_chat::TurnDelta;

use super::*;

fn delta(text: &str) -> TurnDelta {
    TurnDelta { choice: 0, text: text.into(), logprobs: Vec::new() }
}

fn call(index: u32, name: &str) -> TurnEvent {
    TurnEvent::ToolCall { choice: 0, index, id: format!("call_{index}"), name: name.into() }
}

/// The lines of a chat with these events, as JSON without model and time.
fn chat(events: Vec<TurnEvent>) -> Vec<Value> {
    let mut lines = Lines::default();
    let mut written = Vec::new();
    for event in events {
        assert!(lines.push(event).is_none());
        while let Some(said) = lines.pop() {
            let line = OllamaChat::of("m".into(), "t".into(), said);
            let mut line = serde_json::to_value(line).unwrap();
            line.as_object_mut().unwrap().retain(|key, _| key != "model" && key != "created_at");
            written.push(line);
        }
    }
    written
}

#[test]
fn calls_are_whole_with_their_arguments_as_objects() {
    let arguments = |index, text: &str| TurnEvent::Arguments { index, delta: delta(text) };
    let lines = chat(vec![
        TurnEvent::Reasoning(delta("hm")),
        TurnEvent::Text(delta("I look.")),
        call(0, "weather"),
        arguments(0, "{\"city\":"),
        arguments(0, " \"Bern\"}"),
        call(1, "time"),
        arguments(1, "{\"zone"),
        TurnEvent::Finish { choice: 0, reason: FinishReason::Length, tool_calls: 2 },
    ]);
    let call = |id: &str, name: &str, arguments: Value| {
        let calls = json!([{"id": id, "function": {"name": name, "arguments": arguments}}]);
        json!({"message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": false})
    };
    let expected = [
        json!({"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": false}),
        json!({"message": {"role": "assistant", "content": "I look."}, "done": false}),
        call("call_0", "weather", json!({"city": "Bern"})),
        call("call_1", "time", json!({})),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_last_event_gives_its_figures_back() {
    let mut lines = Lines::default();
    let summary = Summary { completion_tokens: 3, ..Summary::default() };
    assert_eq!(lines.push(TurnEvent::End { summary, reasoning_tokens: 0 }), Some(summary));
    let end = OllamaEnd { done_reason: Some("stop".into()), eval_count: Some(3), ..OllamaEnd::default() };
    let line = OllamaText::of("m".into(), "t".into(), Said { end: Some(end), ..Said::default() });
    let expected = json!({
        "model": "m", "created_at": "t", "response": "", "done": true, "done_reason": "stop", "eval_count": 3,
    });
    assert_eq!(serde_json::to_value(line).unwrap(), expected);
}
