//! The frames of a stream, to the byte. Numbers are those of the list of checks.

use serde_json::{Value, json};

use crate::support::{App, Event, Exchange, ask, with};

/// A stream of a chat completion with its changing values replaced.
async fn transcript(app: &App, more: Value) -> String {
    let exchange = app.chat(with(with(ask("echo-pieces", "hi"), json!({"stream": true})), more)).await;
    let chunks = exchange.chunks();
    let id = chunks[0]["id"].as_str().unwrap().to_owned();
    let created = format!("\"created\":{}", chunks[0]["created"]);
    exchange.body.replace(&id, "ID").replace(&created, "\"created\":0")
}

/// A chunk with these choices, as it is on the wire.
fn chunk(choices: &str) -> String {
    format!(
        "data: {{\"id\":\"ID\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"echo-pieces\",\
         \"system_fingerprint\":\"tern-{}-echo\",\"choices\":[{choices}]}}\n\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn choice(index: u32, delta: &str, finish: &str) -> String {
    format!("{{\"index\":{index},\"delta\":{delta},\"finish_reason\":{finish},\"logprobs\":null}}")
}

const PIECES: [&str; 12] = ["Hello", " from", " the", " echo", " engine", ":", " one", ",", " two", ",", " three", "."];

async fn stream(app: &App, body: Value) -> Exchange {
    app.chat(with(body, json!({"stream": true}))).await
}

#[tokio::test]
async fn b18_a_stream_is_an_event_stream_without_a_length() {
    let exchange = stream(&App::start(), ask("echo", "hi")).await;
    assert_eq!(exchange.header("content-type"), Some("text/event-stream"));
    assert_eq!(exchange.header("cache-control"), Some("no-cache"));
    assert_eq!(exchange.header("content-length"), None);
}

#[tokio::test]
async fn b19_to_b26_the_whole_stream_of_an_answer_is_as_the_clients_read_it() {
    let mut expected = chunk(&choice(0, r#"{"role":"assistant","content":""}"#, "null"));
    for piece in PIECES {
        expected += &chunk(&choice(0, &format!("{{\"content\":{}}}", json!(piece)), "null"));
    }
    expected += &chunk(&choice(0, "{}", "\"stop\""));
    expected += "data: [DONE]\n\n";
    assert_eq!(transcript(&App::start(), json!({})).await, expected);
}

#[tokio::test]
async fn b23_the_role_is_sent_once_in_the_first_chunk() {
    let chunks = stream(&App::start(), ask("echo-pieces", "hi")).await.chunks();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert!(chunks[1..].iter().all(|chunk| chunk["choices"][0]["delta"].get("role").is_none()));
}

#[tokio::test]
async fn b26_the_last_chunk_alone_says_why_the_answer_ended() {
    let app = App::start();
    for (more, reason) in [(json!({}), "stop"), (json!({"max_tokens": 3}), "length"), (json!({"stop": " two"}), "stop")]
    {
        let chunks = stream(&app, with(ask("echo-pieces", "hi"), more)).await.chunks();
        let reasons: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
        let (last, rest) = reasons.split_last().unwrap();
        assert_eq!(**last, reason);
        assert!(rest.iter().all(|reason| reason.is_null()), "{reasons:?}");
    }
}

#[tokio::test]
async fn b27_usage_comes_after_the_end_with_empty_choices_and_only_when_asked_for() {
    let app = App::start();
    let asked = stream(&app, with(ask("echo-pieces", "hi"), json!({"stream_options": {"include_usage": true}}))).await;
    let chunks = asked.chunks();
    let (last, rest) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]), "{asked}");
    assert_eq!(last["usage"]["completion_tokens"], 12, "{asked}");
    assert_eq!(rest.last().unwrap()["choices"][0]["finish_reason"], "stop", "{asked}");
    for options in [json!({"include_usage": false}), json!({}), json!(null)] {
        let plain = stream(&app, with(ask("echo-pieces", "hi"), json!({"stream_options": options}))).await;
        assert!(!plain.body.contains("\"usage\""), "{plain}");
    }
}

#[tokio::test]
async fn b28_no_other_chunk_has_usage() {
    let body = with(ask("echo-pieces", "hi"), json!({"stream_options": {"include_usage": true}}));
    let chunks = stream(&App::start(), body).await.chunks();
    let with_usage = chunks.iter().filter(|chunk| !chunk["usage"].is_null()).count();
    assert_eq!(with_usage, 1);
}

#[tokio::test]
async fn b29_several_answers_are_interleaved_by_index_and_begin_with_the_first() {
    let app = App::start();
    let exchange = stream(&app, with(ask("echo-pieces", "hi"), json!({"n": 3}))).await;
    let chunks = exchange.chunks();
    let indexes: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes[..3], [0, 1, 2], "{exchange}");
    for index in 0..3 {
        assert_eq!(exchange.said(index), PIECES.concat(), "{exchange}");
        let mine = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == index);
        let ends = mine.filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop").count();
        assert_eq!(ends, 1, "{exchange}");
    }
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]), "{exchange}");
}

#[tokio::test]
async fn b30_an_error_in_the_middle_is_the_last_event() {
    let events = stream(&App::start(), ask("echo-error", "hi")).await.events();
    let (last, rest) = events.split_last().unwrap();
    let error = &last.data().unwrap()["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("server_error"), &json!("engine_error")), "{events:?}");
    assert!(!rest.contains(&Event::Done), "{events:?}");
    let said: String = rest.iter().filter_map(|e| e.data()?["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "Hello from the");
}

#[tokio::test]
async fn b31_no_character_is_split_over_two_chunks() {
    let exchange = stream(&App::start(), ask("echo-utf8", "hi")).await;
    assert!(!exchange.body.contains('\u{fffd}'), "{exchange}");
    assert_eq!(exchange.said(0), "Café 👨‍👩‍👧‍👦 🇨🇭 日本語 e\u{301}.", "{exchange}");
}

#[tokio::test]
async fn b32_stop_strings_never_leak_wherever_the_tokens_are_cut() {
    let app = App::start();
    for (stop, expected) in [
        (json!("STOP"), "alpha beta gamma "),
        (json!(" STOP"), "alpha beta gamma"),
        (json!(["\n\nUser:", "delta\n"]), "alpha beta gamma STOP "),
        (json!("\n\nUser:"), "alpha beta gamma STOP delta"),
        (json!("a b"), "alph"),
        (json!("STOPPED"), "alpha beta gamma STOP delta\n\nUser: epsilon."),
        (json!(["", "gamma"]), "alpha beta "),
        (json!("alpha"), ""),
    ] {
        let body = with(ask("echo-stop", "hi"), json!({"stop": stop}));
        let streamed = stream(&app, body.clone()).await;
        assert_eq!(streamed.said(0), expected, "{streamed}");
        let whole = app.chat(body).await;
        assert_eq!(whole.text(), expected, "{whole}");
        assert_eq!(whole.ok()["choices"][0]["finish_reason"], "stop", "{whole}");
    }
}

#[tokio::test]
async fn b33_chunks_carry_the_logprobs_of_their_tokens() {
    let more = json!({"logprobs": true, "top_logprobs": 2});
    let exchange = stream(&App::start(), with(ask("echo-pieces", "hi"), more)).await;
    let mut tokens = Vec::new();
    for chunk in exchange.chunks() {
        for entry in chunk["choices"][0]["logprobs"]["content"].as_array().into_iter().flatten() {
            assert!(entry["logprob"].as_f64().unwrap() < 0.0, "{exchange}");
            assert_eq!(entry["top_logprobs"].as_array().unwrap().len(), 2, "{exchange}");
            assert_eq!(entry["top_logprobs"][0]["token"], entry["token"], "greedy takes the likeliest: {exchange}");
            let bytes: Vec<u8> = serde_json::from_value(entry["bytes"].clone()).unwrap();
            assert_eq!(String::from_utf8(bytes).unwrap(), entry["token"], "{exchange}");
            tokens.push(entry["token"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(tokens[..12].concat(), PIECES.concat(), "{exchange}");
}

#[tokio::test]
async fn b35_a_wrong_request_for_a_stream_is_a_plain_error() {
    let app = App::start();
    stream(&app, with(ask("echo", "hi"), json!({"top_p": 2}))).await.refused(400, "invalid_value", "top_p");
    stream(&app, ask("gpt-9", "hi")).await.refused(404, "model_not_found", "model");
    let long = ask("echo-tiny", &"x".repeat(200));
    stream(&app, long).await.refused(400, "context_length_exceeded", "messages");
}

#[tokio::test]
async fn reasoning_is_streamed_apart_from_the_answer() {
    let exchange = stream(&App::start(), ask("echo-reasoning", "2 + 2?")).await;
    let chunks = exchange.chunks();
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let joined = |key: &str| deltas.iter().filter_map(|delta| delta[key].as_str()).collect::<String>();
    assert_eq!(joined("content"), "The answer is 4.", "{exchange}");
    assert_eq!(joined("reasoning_content").trim(), "The user wants a sum: 2 + 2.", "{exchange}");
    assert_eq!(joined("reasoning"), joined("reasoning_content"), "{exchange}");
    assert!(!exchange.body.contains("think>"), "{exchange}");
}

#[tokio::test]
async fn progress_and_timings_come_when_asked_for() {
    let app = App::with(|registry, _| registry.batch_size = 64);
    let more = json!({"return_progress": true, "timings_per_token": true, "max_tokens": 4});
    let exchange = stream(&app, with(ask("echo-pieces", &"x".repeat(200)), more)).await;
    let chunks = exchange.chunks();
    let progress: Vec<_> = chunks.iter().filter_map(|chunk| chunk.get("prompt_progress")).collect();
    let processed: Vec<_> = progress.iter().map(|p| p["processed"].as_u64().unwrap()).collect();
    assert!(processed.len() >= 3 && processed.is_sorted(), "{exchange}");
    assert_eq!(progress.last().unwrap()["processed"], progress[0]["total"], "{exchange}");
    let said =
        chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|t| !t.is_empty()));
    assert!(said.clone().count() == 4 && said.clone().all(|chunk| chunk["timings"].is_object()), "{exchange}");
    assert_eq!(chunks.last().unwrap()["timings"]["predicted_n"], 4, "{exchange}");
}
