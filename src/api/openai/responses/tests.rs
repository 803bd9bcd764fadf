//! Events of turns, made by hand, and the events of responses that they become.

use serde_json::{Value, json};
use tern_chat::{TurnDelta, TurnEvent};
use tern_scheduler::{FinishReason, Summary, TokenLogprob};

use super::{
    object::{Response, ResponseError, Settings},
    writer::{Ending, Writer},
};

const MESSAGE: &str = "msg_0123456789abcdef01234567";

fn delta(text: &str) -> TurnDelta {
    TurnDelta { choice: 0, text: text.into(), logprobs: Vec::new() }
}

fn text(piece: &str) -> TurnEvent {
    TurnEvent::Text(delta(piece))
}

fn thought(piece: &str) -> TurnEvent {
    TurnEvent::Reasoning(delta(piece))
}

fn call(index: u32, id: &str, name: &str) -> TurnEvent {
    TurnEvent::ToolCall { choice: 0, index, id: id.into(), name: name.into() }
}

fn arguments(index: u32, piece: &str) -> TurnEvent {
    TurnEvent::Arguments { index, delta: delta(piece) }
}

fn finish(reason: FinishReason, tool_calls: u32) -> TurnEvent {
    TurnEvent::Finish { choice: 0, reason, tool_calls }
}

fn stop(tool_calls: u32) -> TurnEvent {
    finish(FinishReason::Stop(None), tool_calls)
}

fn end() -> TurnEvent {
    let summary = Summary {
        prompt_tokens: 7,
        cached_tokens: 3,
        completion_tokens: 5,
        queue_ms: 0.0,
        prefill_ms: 0.0,
        decode_ms: 0.0,
    };
    TurnEvent::End { summary, reasoning_tokens: 2 }
}

/// The events of a response as JSON, checked for what holds for all of them.
#[track_caller]
fn written(settings: &Settings, turn: &[TurnEvent], ending: Ending) -> Vec<Value> {
    let response = Response::new("resp_1".into(), 1, "m".into(), settings);
    let mut writer = Writer::new(response, MESSAGE.into());
    let mut events = Vec::new();
    for event in turn {
        writer.hear(event);
        events.extend(writer.take());
    }
    writer.end(&ending, None);
    events.extend(writer.take());
    let events: Vec<Value> = events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
        assert!(event["response"].is_null() || event["response"]["id"] == "resp_1", "{event}");
    }
    check_items(&events);
    events
}

/// Every item is added and done once, under one index and one identity, and the last response has them all.
#[track_caller]
fn check_items(events: &[Value]) {
    let of = |kind: &str| events.iter().filter(move |event| event["type"] == kind).collect::<Vec<_>>();
    let (added, done) = (of("response.output_item.added"), of("response.output_item.done"));
    assert_eq!(added.len(), done.len());
    for (index, (added, done)) in added.iter().zip(&done).enumerate() {
        assert_eq!((&added["output_index"], &done["output_index"]), (&json!(index), &json!(index)));
        for field in ["type", "id", "call_id", "name", "role"] {
            assert_eq!(added["item"][field], done["item"][field], "{field}");
        }
        let id = &added["item"]["id"];
        let about = events.iter().filter(|event| event["output_index"] == index && event["item"].is_null());
        about.for_each(|event| assert_eq!(&event["item_id"], id, "{event}"));
    }
    let output: Vec<_> = done.iter().map(|done| done["item"].clone()).collect();
    assert_eq!(events.last().unwrap()["response"]["output"], json!(output));
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

#[test]
fn a_text_is_one_item_with_one_part() {
    let turn = [text("Hel"), text("lo"), stop(0), end()];
    let events = written(&Settings::default(), &turn, Ending::Completed);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&events), expected);
    assert_eq!(
        (&events[0]["response"]["output"], &events[0]["response"]["status"]),
        (&json!([]), &json!("in_progress"))
    );
    let item = json!({"id": MESSAGE, "type": "message", "status": "in_progress", "role": "assistant", "content": []});
    assert_eq!(
        events[2],
        json!({"type": "response.output_item.added", "sequence_number": 2, "output_index": 0, "item": item})
    );
    let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    assert_eq!(
        events[3],
        json!({"type": "response.content_part.added", "sequence_number": 3, "item_id": MESSAGE,
        "output_index": 0, "content_index": 0, "part": part})
    );
    assert_eq!(
        events[4],
        json!({"type": "response.output_text.delta", "sequence_number": 4, "item_id": MESSAGE,
        "output_index": 0, "content_index": 0, "delta": "Hel", "logprobs": []})
    );
    assert_eq!(
        events[6],
        json!({"type": "response.output_text.done", "sequence_number": 6, "item_id": MESSAGE,
        "output_index": 0, "content_index": 0, "text": "Hello", "logprobs": []})
    );
    let response = &events[9]["response"];
    assert_eq!((&response["status"], &response["output"][0]["status"]), (&json!("completed"), &json!("completed")));
    let usage = json!({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 12});
    assert_eq!(response["usage"], usage);
}

#[test]
fn thoughts_text_and_calls_are_items_one_behind_the_other() {
    let turn = [
        thought("Hm"),
        thought("."),
        text("I look."),
        call(0, "call_a", "look"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        call(1, "call_b", "hear"),
        arguments(1, "{}"),
        stop(2),
        end(),
    ];
    let events = written(&Settings::default(), &turn, Ending::Completed);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&events), expected);
    let output = &events.last().unwrap()["response"]["output"];
    let thoughts = json!([{"type": "reasoning_text", "text": "Hm."}]);
    assert_eq!((&output[0]["content"], &output[0]["summary"]), (&thoughts, &json!([])));
    assert_eq!(
        events[15]["item"],
        json!({"id": "fc_0123456789abcdef01234567_0", "type": "function_call",
        "status": "in_progress", "call_id": "call_a", "name": "look", "arguments": ""})
    );
    assert_eq!((&events[18]["arguments"], &events[18]["name"]), (&json!("{\"a\":1}"), &json!("look")));
    assert_eq!(
        output[3],
        json!({"id": "fc_0123456789abcdef01234567_1", "type": "function_call", "status": "completed",
        "call_id": "call_b", "name": "hear", "arguments": "{}"})
    );
}

#[test]
fn a_summary_that_was_asked_for_has_the_thoughts() {
    let settings = Settings { summary: Some("auto".into()), ..Settings::default() };
    let events = written(&settings, &[thought("Hm."), text("x"), stop(0), end()], Ending::Completed);
    let expected = [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ];
    assert_eq!(kinds(&events)[3..7], expected);
    assert!(events[3..7].iter().all(|event| event["summary_index"] == 0 && event.get("content_index").is_none()));
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!(item["summary"], json!([{"type": "summary_text", "text": "Hm."}]));
    assert_eq!(item.get("content"), None);
    assert_eq!(events[8]["output_index"], 1, "the text is another item: {}", events[8]);
}

#[test]
fn a_text_behind_a_call_is_a_second_message() {
    let turn = [text("a"), call(0, "c", "f"), arguments(0, "{}"), text("b"), stop(1), end()];
    let events = written(&Settings::default(), &turn, Ending::Completed);
    let output = events.last().unwrap()["response"]["output"].clone();
    let texts: Vec<_> = [0, 2].iter().map(|index| output[*index]["content"][0]["text"].clone()).collect();
    assert_eq!(texts, ["a", "b"]);
    assert_ne!(output[0]["id"], output[2]["id"]);
}

#[test]
fn an_answer_without_a_word_is_an_empty_message_unless_it_calls() {
    let output = |turn: &[TurnEvent]| {
        written(&Settings::default(), turn, Ending::Completed).last().unwrap()["response"]["output"].clone()
    };
    let empty = output(&[stop(0), end()]);
    assert_eq!((empty.as_array().unwrap().len(), &empty[0]["content"][0]["text"]), (1, &json!("")));
    let thought_only = output(&[thought("Hm."), stop(0), end()]);
    assert_eq!((&thought_only[0]["type"], &thought_only[1]["type"]), (&json!("reasoning"), &json!("message")));
    let called = output(&[call(0, "c", "f"), arguments(0, "{}"), stop(1), end()]);
    assert_eq!(called.as_array().unwrap().len(), 1);
}

#[test]
fn what_is_cut_off_is_incomplete_and_says_why() {
    let turn = [text("Hel"), finish(FinishReason::Length, 0), end()];
    let events = written(&Settings::default(), &turn, Ending::CutOff);
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("incomplete")));
    assert_eq!(last["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    // In the middle of a thought: there is no message.
    let events = written(&Settings::default(), &[thought("H"), finish(FinishReason::Length, 0), end()], Ending::CutOff);
    assert_eq!(events.last().unwrap()["response"]["output"].as_array().unwrap().len(), 1);
    // In the middle of a call.
    let turn = [call(0, "c", "f"), arguments(0, "{\"a"), finish(FinishReason::Length, 1), end()];
    let events = written(&Settings::default(), &turn, Ending::CutOff);
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["status"], &item["arguments"]), (&json!("incomplete"), &json!("{\"a")));
}

#[test]
fn every_other_end_closes_what_is_open_and_is_told() {
    let error = ResponseError { code: "server_error".into(), message: "it broke".into() };
    for (ending, event, status) in [
        (Ending::Failed(error), "response.failed", "failed"),
        (Ending::Cancelled, "response.incomplete", "cancelled"),
        (Ending::Interrupted, "response.incomplete", "incomplete"),
    ] {
        let events = written(&Settings::default(), &[thought("a"), call(0, "c", "f")], ending.clone());
        let last = events.last().unwrap();
        assert_eq!((&last["type"], &last["response"]["status"]), (&json!(event), &json!(status)));
        assert_eq!(last["response"]["output"][1]["status"], "incomplete");
        let is_failure = matches!(ending, Ending::Failed(_));
        let error = json!({"code": "server_error", "message": "it broke"});
        assert_eq!(last["response"]["error"], if is_failure { error } else { Value::Null });
        assert_eq!(last["response"]["usage"], Value::Null);
    }
}

#[test]
fn logprobs_come_with_the_text() {
    let logprob = TokenLogprob { token: 5, bytes: b"Hi".to_vec(), logprob: Some(-0.5), top: Vec::new() };
    let piece = TurnEvent::Text(TurnDelta { logprobs: vec![logprob], ..delta("Hi") });
    let events = written(&Settings::default(), &[piece, stop(0), end()], Ending::Completed);
    for event in [&events[4], &events[5]] {
        assert_eq!(event["logprobs"][0]["token"], "Hi", "{event}");
    }
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["logprobs"][0]["logprob"], -0.5);
}
