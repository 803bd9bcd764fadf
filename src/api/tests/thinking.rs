//! How much a model thinks: levels of effort, budgets, and which models they mean nothing to.

use serde_json::{Value, json};

use crate::support::{App, ask, with};

/// Words of reasoning, and the text, of `model` asked with `more`.
async fn thought(app: &App, model: &str, more: Value) -> (usize, String) {
    let json = app.chat(with(ask(model, "2 + 2?"), more)).await.ok();
    let message = &json["choices"][0]["message"];
    let words = message["reasoning_content"].as_str().unwrap_or_default().split_whitespace().count();
    (words, message["content"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn c51_reasoning_stops_where_its_budget_ends_and_the_answer_follows() {
    let app = App::start();
    let answer = "The answer is 4.";
    for (more, words) in [
        (json!({}), 50),
        (json!({"thinking_budget": 10}), 10),
        (json!({"reasoning_budget": 10}), 10),
        (json!({"reasoning": {"max_tokens": 10}}), 10),
        (json!({"reasoning_effort": "high", "thinking_budget": 10}), 10),
        (json!({"reasoning_effort": "minimal"}), 50),
        (json!({"reasoning_effort": "none"}), 0),
        (json!({"thinking_budget": 0}), 0),
        (json!({"thinking_budget": -1}), 50),
        (json!({"chat_template_kwargs": {"enable_thinking": false}}), 0),
    ] {
        assert_eq!(thought(&app, "echo-thinking", more.clone()).await, (words, answer.to_owned()), "{more}");
    }
    let (words, text) = thought(&app, "echo-thinking?pieces=400", json!({"reasoning_effort": "minimal"})).await;
    assert_eq!((words, text.as_str()), (256, answer));
    // This template cannot say it: the reasoning is closed at once.
    assert_eq!(
        thought(&app, "echo-thinking-always", json!({"reasoning_effort": "none"})).await,
        (0, answer.to_owned())
    );
}

#[tokio::test]
async fn c51_a_budget_is_kept_in_a_stream_and_its_tokens_are_counted() {
    let app = App::start();
    let more =
        json!({"thinking_budget": 3, "stream": true, "logprobs": true, "stream_options": {"include_usage": true}});
    let exchange = app.chat(with(ask("echo-thinking", "2 + 2?"), more)).await;
    assert_eq!(exchange.said(0), "The answer is 4.", "{exchange}");
    let chunks = exchange.chunks();
    let entries = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array()).flatten();
    let spelled: String = entries.map(|entry| entry["token"].as_str().unwrap()).collect();
    assert_eq!(spelled, "<think> the of and\n</think>\n\nThe answer is 4.", "{exchange}");
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 8, "{exchange}");
}

#[tokio::test]
async fn c51_what_is_honoured_is_not_named_as_ignored() {
    let app = App::start();
    let more = json!({"reasoning_effort": "low", "thinking_budget": 3});
    assert_eq!(app.chat(with(ask("echo-thinking", "x"), more.clone())).await.header("x-ignored-params"), None);
    let named = app.chat(with(ask("echo", "x"), more)).await;
    assert_eq!(named.header("x-ignored-params"), Some("reasoning_effort, thinking_budget"));
}

#[tokio::test]
async fn c51_an_unknown_level_is_refused_with_those_there_are() {
    for stream in [false, true] {
        let body = with(ask("echo-thinking", "x"), json!({"reasoning_effort": "huge", "stream": stream}));
        let message = App::start().chat(body).await.refused(400, "invalid_value", "reasoning_effort");
        assert!(message.contains("none, minimal, low"), "{message}");
    }
}
