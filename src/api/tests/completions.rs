//! Texts and tokens to continue: prompts, echo, logprobs, scoring, streams of several prompts.

use serde_json::{Value, json};

use crate::support::{App, Exchange, with};

const SENTENCE: &str = "Hello from the echo engine: one, two, three.";

async fn complete(app: &App, model: &str, more: Value) -> Exchange {
    app.post("/v1/completions", with(json!({"model": model, "temperature": 0}), more)).await
}

async fn tokens(app: &App, text: &str) -> Vec<u32> {
    let json = app.post("/v1/tokenize", json!({"model": "echo", "text": text, "add_special": true})).await.ok();
    serde_json::from_value(json["tokens"].clone()).unwrap()
}

fn texts(json: &Value) -> Vec<String> {
    json["choices"].as_array().unwrap().iter().map(|choice| choice["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_scored_prompt_has_an_entry_for_the_token_behind_it_also_where_that_is_an_end() {
    let app = App::start();
    for stream in [false, true] {
        let body =
            json!({"model": "echo", "prompt": "hi", "echo": true, "logprobs": 1, "max_tokens": 50, "temperature": 0});
        let exchange = app.post("/v1/completions", with(body, json!({"stream": stream}))).await;
        let choices: Vec<Value> = if stream {
            exchange.chunks().iter().map(|chunk| chunk["choices"][0].clone()).collect()
        } else {
            vec![exchange.ok()["choices"][0].clone()]
        };
        let all = |field: &str| {
            let lists = choices.iter().filter_map(|choice| choice["logprobs"][field].as_array());
            lists.flatten().cloned().collect::<Vec<_>>()
        };
        let tokens = all("tokens");
        // The prompt, its echo, the end.
        assert_eq!(tokens.len(), all("token_logprobs").len(), "{exchange}");
        assert_eq!(tokens.last().unwrap(), "<|im_end|>", "{exchange}");
        assert!(all("token_logprobs").last().unwrap().is_number(), "{exchange}");
        let text: String = choices.iter().filter_map(|choice| choice["text"].as_str()).collect();
        assert_eq!(text, "hihi", "the end is not part of the text: {exchange}");
    }
    // Without a prompt to score it is as ever: the entries are those of the text.
    let body = json!({"model": "echo", "prompt": "hi", "logprobs": 1, "max_tokens": 50, "temperature": 0});
    let json = app.post("/v1/completions", body).await.ok();
    let spelled: String =
        json["choices"][0]["logprobs"]["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    assert_eq!(spelled, "hi", "{json}");
}

#[tokio::test]
async fn e70_a_prompt_may_be_a_text_texts_tokens_or_lists_of_tokens() {
    let app = App::start();
    let (one, two) = (tokens(&app, "one").await, tokens(&app, "two").await);
    for (prompt, expected) in [
        (json!("one"), vec!["one"]),
        (json!(["one", "two"]), vec!["one", "two"]),
        (json!(one), vec!["one"]),
        (json!([one, two]), vec!["one", "two"]),
    ] {
        let exchange = complete(&app, "echo", json!({"prompt": prompt})).await;
        let json = exchange.ok();
        assert_eq!(texts(&json), expected, "{exchange}");
        assert_eq!(json["object"], "text_completion");
        for (choice, index) in json["choices"].as_array().unwrap().iter().zip(0..) {
            assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(index), &json!("stop")), "{exchange}");
            assert_eq!(choice["logprobs"], json!(null), "{exchange}");
        }
    }
}

#[tokio::test]
async fn a_text_and_its_tokens_are_the_same_prompt() {
    let app = App::start();
    let text = complete(&app, "echo-random", json!({"prompt": "some words"})).await.ok();
    let prompt = tokens(&app, "some words").await;
    let same = complete(&app, "echo-random", json!({"prompt": prompt})).await.ok();
    assert_eq!(texts(&same), texts(&text));
    assert_eq!(same["usage"]["prompt_tokens"], text["usage"]["prompt_tokens"]);
}

#[tokio::test]
async fn usage_adds_up_over_prompts_and_answers() {
    let app = App::start();
    let one = complete(&app, "echo-pieces", json!({"prompt": "aa"})).await.ok();
    let usage = |json: &Value, key: &str| json["usage"][key].as_u64().unwrap();
    let many = complete(&app, "echo-pieces", json!({"prompt": ["aa", "bb"], "n": 2})).await.ok();
    assert_eq!(usage(&many, "prompt_tokens"), 2 * usage(&one, "prompt_tokens"));
    assert_eq!(usage(&many, "completion_tokens"), 4 * usage(&one, "completion_tokens"));
    assert_eq!(usage(&many, "total_tokens"), usage(&many, "prompt_tokens") + usage(&many, "completion_tokens"));
}

#[tokio::test]
async fn n_answers_to_each_prompt_come_in_the_order_of_the_prompts() {
    let app = App::start();
    let json = complete(&app, "echo", json!({"prompt": ["one", "two"], "n": 2})).await.ok();
    assert_eq!(texts(&json), ["one", "one", "two", "two"]);
    let indexes: Vec<_> = json["choices"].as_array().unwrap().iter().map(|c| c["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 1, 2, 3]);
}

#[tokio::test]
async fn echo_puts_the_prompt_before_the_answer() {
    let app = App::start();
    let prompt = tokens(&app, "Say").await;
    for prompt in [json!("Say"), json!(["Say"])] {
        let exchange = complete(&app, "echo-pieces", json!({"prompt": prompt, "echo": true})).await;
        assert_eq!(exchange.text(), format!("Say{SENTENCE}"), "{exchange}");
    }
    let exchange = complete(&app, "echo-pieces", json!({"prompt": prompt, "echo": true})).await;
    assert!(exchange.text().ends_with(&format!("Say{SENTENCE}")), "{exchange}");
}

/// Checks the parallel lists of a choice against each other and against its text.
#[track_caller]
fn check_logprobs(exchange: &Exchange, alternatives: usize, has_prompt: bool) -> Value {
    let json = exchange.ok();
    let choice = &json["choices"][0];
    let (text, logprobs) = (choice["text"].as_str().unwrap(), &choice["logprobs"]);
    let list = |key: &str| logprobs[key].as_array().unwrap_or_else(|| panic!("{key}: {exchange}")).clone();
    let tokens = list("tokens");
    for key in ["token_logprobs", "top_logprobs", "text_offset", "token_ids"] {
        assert_eq!(list(key).len(), tokens.len(), "{key}: {exchange}");
    }
    for (index, token) in tokens.iter().enumerate() {
        let (token, offset) = (token.as_str().unwrap(), list("text_offset")[index].as_u64().unwrap() as usize);
        let there: String = text.chars().skip(offset).take(token.chars().count()).collect();
        // A part of a character and a control token spell nothing of the text.
        let spells = !token.contains('\u{fffd}') && !token.starts_with("<|");
        assert!(there == token || !spells, "token {index} {token:?} is not at {offset}: {exchange}");
        if has_prompt && index == 0 {
            assert!(list("token_logprobs")[0].is_null() && list("top_logprobs")[0].is_null(), "{exchange}");
            continue;
        }
        assert!(list("token_logprobs")[index].as_f64().unwrap() <= 0.0, "{exchange}");
        assert!(list("top_logprobs")[index].as_object().unwrap().len() <= alternatives, "{exchange}");
    }
    logprobs.clone()
}

#[tokio::test]
async fn e70_logprobs_have_the_legacy_shape_and_offsets_into_the_text() {
    let app = App::start();
    let plain = complete(&app, "echo-pieces", json!({"prompt": "Säy", "logprobs": 3})).await;
    let logprobs = check_logprobs(&plain, 3, false);
    assert_eq!(logprobs["tokens"][0], "Hello", "{plain}");
    assert_eq!(logprobs["text_offset"][1], 5, "{plain}");
    let echoed = complete(&app, "echo-pieces", json!({"prompt": "Säy", "logprobs": 3, "echo": true})).await;
    check_logprobs(&echoed, 3, true);
    let tokens_only = complete(&app, "echo-pieces", json!({"prompt": "Say", "logprobs": 0})).await;
    check_logprobs(&tokens_only, 0, false);
}

#[tokio::test]
async fn a_prompt_is_scored_without_generating() {
    let app = App::start();
    let prompt = "the words of a prompt";
    let more = json!({"prompt": prompt, "logprobs": 1, "echo": true, "max_tokens": 0});
    let exchange = complete(&app, "echo-random", more).await;
    let json = exchange.ok();
    assert_eq!(json["choices"][0]["text"], prompt, "{exchange}");
    assert_eq!(json["choices"][0]["finish_reason"], "length", "{exchange}");
    assert_eq!(json["usage"]["completion_tokens"], 0, "{exchange}");
    let logprobs = check_logprobs(&exchange, 1, true);
    assert_eq!(logprobs["tokens"].as_array().unwrap().len() as u64, json["usage"]["prompt_tokens"], "{exchange}");
}

fn sum(logprobs: &Value, from: usize) -> f64 {
    logprobs["token_logprobs"].as_array().unwrap()[from..].iter().map(|value| value.as_f64().unwrap()).sum()
}

#[tokio::test]
async fn scoring_an_answer_gives_the_logprobs_it_was_generated_with() {
    let app = App::start();
    let prompt = tokens(&app, "once").await;
    let said = complete(&app, "echo-random", json!({"prompt": prompt, "logprobs": 0, "max_tokens": 20})).await;
    let said = said.ok()["choices"][0]["logprobs"].clone();
    let answer: Vec<u32> = serde_json::from_value(said["token_ids"].clone()).unwrap();
    let whole: Vec<u32> = prompt.iter().chain(&answer).copied().collect();
    for cache_prompt in [true, false] {
        let more = json!({"prompt": whole, "logprobs": 0, "echo": true, "max_tokens": 0, "cache_prompt": cache_prompt});
        let exchange = complete(&app, "echo-random", more).await;
        let scored = exchange.ok()["choices"][0]["logprobs"].clone();
        assert_eq!(scored["token_ids"].as_array().unwrap().len(), whole.len(), "{exchange}");
        let (expected, got) = (sum(&said, 0), sum(&scored, prompt.len()));
        assert!((expected - got).abs() < 1e-3, "generated with {expected}, scored with {got}: {exchange}");
    }
}

#[tokio::test]
async fn max_tokens_0_generates_nothing() {
    let app = App::start();
    let json = complete(&app, "echo", json!({"prompt": "x", "max_tokens": 0})).await.ok();
    assert_eq!((texts(&json), &json["usage"]["completion_tokens"]), (vec![String::new()], &json!(0)));
}

#[tokio::test]
async fn an_empty_prompt_is_the_beginning_of_a_text() {
    let app = App::start();
    for prompt in [json!(""), json!([])] {
        let json = complete(&app, "echo-pieces", json!({"prompt": prompt})).await.ok();
        assert_eq!((texts(&json)[0].as_str(), &json["usage"]["prompt_tokens"]), (SENTENCE, &json!(1)));
    }
}

#[tokio::test]
async fn stop_strings_end_a_completion_and_are_not_part_of_it() {
    let app = App::start();
    let exchange = complete(&app, "echo-stop", json!({"prompt": "x", "stop": ["STOP"], "echo": true})).await;
    assert_eq!(exchange.text(), "xalpha beta gamma ", "{exchange}");
}

#[tokio::test]
async fn a_stream_of_several_prompts_says_the_same_as_the_whole_answer() {
    let app = App::start();
    let more = json!({"prompt": ["one", "two"], "n": 2, "echo": true, "stream_options": {"include_usage": true}});
    let whole = complete(&app, "echo", more.clone()).await.ok();
    let streamed = complete(&app, "echo", with(more, json!({"stream": true}))).await;
    let said: Vec<_> = (0..4).map(|index| streamed.said(index)).collect();
    assert_eq!(said, texts(&whole), "{streamed}");
    assert_eq!(said, ["oneone", "oneone", "twotwo", "twotwo"]);
    let chunks = streamed.chunks();
    let (last, rest) = chunks.split_last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &whole["usage"]["total_tokens"]));
    for index in 0..4 {
        let mine = rest.iter().filter(|chunk| chunk["choices"][0]["index"] == index);
        let reasons: Vec<_> = mine.map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
        let ends: Vec<_> = reasons.iter().filter(|reason| !reason.is_null()).collect();
        assert_eq!((ends.len(), reasons.last()), (1, Some(&&json!("stop"))), "{streamed}");
    }
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["object"] == "text_completion"));
}

#[tokio::test]
async fn a_stream_with_echo_and_logprobs_begins_with_the_scored_prompt() {
    let app = App::start();
    let more = json!({"prompt": "Say", "echo": true, "logprobs": 1});
    let whole = complete(&app, "echo-pieces", more.clone()).await.ok()["choices"][0]["logprobs"].clone();
    let streamed = complete(&app, "echo-pieces", with(more, json!({"stream": true}))).await;
    assert_eq!(streamed.said(0), format!("Say{SENTENCE}"), "{streamed}");
    let chunks = streamed.chunks();
    for key in ["tokens", "text_offset", "token_ids", "token_logprobs"] {
        let lists = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][key].as_array());
        assert_eq!(lists.flatten().cloned().collect::<Value>(), whole[key], "{key}: {streamed}");
    }
}

#[tokio::test]
async fn an_error_in_one_of_several_prompts_ends_the_stream() {
    let app = App::start();
    let exchange = complete(&app, "echo-error", json!({"prompt": ["a", "b"], "stream": true})).await;
    let events = exchange.events();
    let errors = events.iter().filter(|event| event.data().is_some_and(|data| data.get("error").is_some())).count();
    assert_eq!(errors, 1, "{exchange}");
    assert!(events.last().unwrap().data().unwrap().get("error").is_some(), "{exchange}");
}
