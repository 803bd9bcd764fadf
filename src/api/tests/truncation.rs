//! Dialogues that are shortened, and fields of chats that only clients care for.

use serde_json::{Value, json};

use crate::support::{App, ask, with};

/// A dialogue with instructions and `turns` turns, for a model with a context of 64 tokens.
fn long(turns: usize) -> Value {
    let mut messages = vec![json!({"role": "system", "content": "Rules."})];
    for turn in 0..turns {
        messages.push(json!({"role": "user", "content": format!("question {turn}")}));
        messages.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
    }
    messages.push(json!({"role": "user", "content": "the last"}));
    json!({"model": "echo-tiny", "temperature": 0, "max_tokens": 4, "messages": messages})
}

#[tokio::test]
async fn the_oldest_turns_go_and_the_answer_says_how_many_messages() {
    let app = App::start();
    app.chat(long(8)).await.refused(400, "context_length_exceeded", "messages");
    let auto = with(long(8), json!({"truncation": "auto"}));
    let exchange = app.chat(auto.clone()).await;
    let answer = exchange.ok();
    let dropped = answer["truncated_messages"].as_u64().unwrap();
    assert!(dropped >= 2 && dropped % 2 == 0 && dropped < 18, "{exchange}");
    assert_eq!(exchange.header("x-truncated-messages"), Some(dropped.to_string().as_str()));
    let prompt = app.post("/v1/chat/render", auto.clone()).await.ok()["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.contains("Rules.") && prompt.contains("the last"), "{prompt}");
    assert!(!prompt.contains("question 0") && !prompt.contains("answer 0"), "{prompt}");
    assert_eq!(prompt.matches("question").count(), prompt.matches("answer").count(), "turns go whole: {prompt}");
    let stream = app.chat(with(auto, json!({"stream": true}))).await;
    assert_eq!(stream.header("x-truncated-messages"), Some(dropped.to_string().as_str()), "{stream}");
    let chunks = stream.chunks();
    let last = chunks.iter().find(|chunk| !chunk["choices"][0]["finish_reason"].is_null()).unwrap();
    assert_eq!(last["truncated_messages"], dropped, "{stream}");
}

#[tokio::test]
async fn a_dialogue_that_fits_is_left_alone() {
    let app = App::start();
    let exchange = app.chat(with(long(0), json!({"truncation": "auto"}))).await;
    assert!(exchange.ok().get("truncated_messages").is_none(), "{exchange}");
    assert_eq!(exchange.header("x-truncated-messages"), None, "{exchange}");
}

#[tokio::test]
async fn what_cannot_be_made_to_fit_is_refused_all_the_same() {
    let app = App::start();
    let body = with(ask("echo-tiny", &"x".repeat(100)), json!({"truncation": "auto"}));
    app.chat(body).await.refused(400, "context_length_exceeded", "messages");
    let mut body = with(long(8), json!({"truncation": "auto"}));
    body["messages"][0]["content"] = "x".repeat(100).into();
    let message = app.chat(body).await.refused(400, "context_length_exceeded", "messages");
    assert!(message.contains("64 tokens"), "{message}");
    let other = app.chat(with(ask("echo", "hi"), json!({"truncation": "middle"}))).await;
    assert!(other.refused(400, "invalid_value", "truncation").contains("auto and disabled"));
    for fine in [json!("disabled"), Value::Null] {
        assert_eq!(app.chat(with(ask("echo", "hi"), json!({"truncation": fine}))).await.text(), "hi");
    }
}

#[tokio::test]
async fn a_result_of_a_tool_stays_with_its_call() {
    let app = App::start();
    let mut messages = vec![json!({"role": "user", "content": "go"})];
    for step in 0..6 {
        let call = json!({"id": format!("c{step}"), "type": "function", "function": {"name": "f", "arguments": "{}"}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": format!("c{step}"), "content": format!("result {step}")}));
    }
    let body = json!({"model": "echo-tiny", "max_tokens": 2, "messages": messages, "truncation": "auto"});
    app.chat(with(body.clone(), json!({"truncation": null}))).await.refused(400, "context_length_exceeded", "messages");
    let answer = app.chat(body.clone()).await.ok();
    let dropped = answer["truncated_messages"].as_u64().unwrap();
    assert!(dropped >= 2 && dropped % 2 == 0, "{answer}");
    let prompt = app.post("/v1/chat/render", body).await.ok()["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.contains("go") && prompt.contains("result 5") && !prompt.contains("result 0"), "{prompt}");
}

#[tokio::test]
async fn metadata_is_checked_as_openai_does() {
    let app = App::start();
    let many: serde_json::Map<_, _> = (0..17).map(|i| (format!("k{i}"), json!("v"))).collect();
    let cases = [
        (json!(many), "metadata", "most is 16"),
        (json!("x"), "metadata", "object"),
        (json!({"a": 1}), "metadata.a", "text"),
        (json!({"a": "x".repeat(513)}), "metadata.a", "512"),
    ];
    for (metadata, param, part) in cases {
        let more = json!({"metadata": metadata});
        let message = app.chat(with(ask("echo", "hi"), more.clone())).await.refused(400, "invalid_value", param);
        assert!(message.contains(part), "{message}");
        let body = with(json!({"model": "echo", "prompt": "x"}), more);
        app.post("/v1/completions", body).await.refused(400, "invalid_value", param);
    }
    let key = "k".repeat(65);
    assert_eq!(app.chat(with(ask("echo", "hi"), json!({"metadata": {key: "v"}}))).await.status, 400);
    let most: serde_json::Map<_, _> = (0..16).map(|i| (format!("{i:064}"), json!("é".repeat(512)))).collect();
    assert_eq!(app.chat(with(ask("echo", "hi"), json!({"metadata": most}))).await.text(), "hi");
}

#[tokio::test]
async fn a_stream_may_have_several_answers_with_logprobs_and_asks_for_no_obfuscation() {
    let app = App::start();
    let options = json!({"include_usage": true, "include_obfuscation": true});
    let more = json!({"stream": true, "n": 2, "logprobs": true, "top_logprobs": 2, "stream_options": options,
        "store": true, "user": "u", "prediction": {"type": "content", "content": "x"}, "seed": 7});
    let exchange = app.chat(with(ask("echo-pieces", "hi"), more)).await;
    for index in [0, 1] {
        assert_eq!(exchange.said(index), "Hello from the echo engine: one, two, three.", "{exchange}");
    }
    let chunks = exchange.chunks();
    let entries = |index: u64| {
        let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        let mine = choices.filter(move |choice| choice["index"] == index);
        mine.filter_map(|choice| choice["logprobs"]["content"].as_array()).flatten().count()
    };
    let tokens = chunks.last().unwrap()["usage"]["completion_tokens"].as_u64().unwrap() as usize;
    assert!(entries(0) > 5 && entries(0) == entries(1) && entries(0) * 2 <= tokens, "{exchange}");
    assert!(chunks.iter().all(|chunk| chunk["system_fingerprint"].as_str().unwrap().starts_with("tern-")));
    assert!(!exchange.body.contains("obfuscation"), "{exchange}");
    assert_eq!(exchange.header("x-ignored-params"), Some("store, user, prediction"), "{exchange}");
}
