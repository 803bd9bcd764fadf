//! The same seed gives the same answer, whoever runs beside it, and whatever the cache holds.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, ask, with};

fn question(seed: u64) -> Value {
    with(ask("echo-random", "a question about words"), json!({"temperature": 1, "seed": seed}))
}

#[tokio::test]
async fn seeded_answers_do_not_depend_on_neighbours() {
    let alone = App::start();
    let mut expected = Vec::new();
    for seed in 0..6 {
        expected.push(alone.chat(with(question(seed), json!({"cache_prompt": false}))).await.text());
    }
    assert!(expected.iter().any(|text| *text != expected[0]), "seeds make a difference");
    let busy = App::with(|registry, _| registry.parallel = 4);
    let _noise = [busy.speaking(ask("echo-long", "noise")).await, busy.speaking(ask("echo-fast", "noise")).await];
    for _ in 0..2 {
        let answers = join_all((0..6).map(|seed| busy.chat(question(seed)))).await;
        let texts: Vec<_> = answers.iter().map(|answer| answer.text()).collect();
        assert_eq!(texts, expected);
    }
    assert!(busy.stats("echo-random").prompt_tokens_cached > 0, "the second round came from the cache");
}

#[tokio::test]
async fn j105_greedy_answers_are_the_same_with_and_without_cache_hits() {
    let app = App::start();
    let body = with(ask("echo-random", "a question"), json!({"seed": 7}));
    let first = app.chat(body.clone()).await.text();
    for cache_prompt in [true, false, true] {
        assert_eq!(app.chat(with(body.clone(), json!({"cache_prompt": cache_prompt}))).await.text(), first);
    }
    let longer = ask("echo-random", "a question and more of it");
    let fresh = App::start().chat(longer.clone()).await.text();
    assert_eq!(app.chat(longer).await.text(), fresh);
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let app = App::start();
    for seed in 0..4 {
        let streamed = app.chat(with(question(seed), json!({"stream": true}))).await.said(0);
        assert_eq!(streamed, app.chat(question(seed)).await.text());
    }
}

#[tokio::test]
async fn several_answers_of_one_seed_differ_and_repeat() {
    let app = App::start();
    let body = with(question(1), json!({"n": 4}));
    let texts = async || {
        let json = app.chat(body.clone()).await.ok();
        let choices = json["choices"].as_array().unwrap().iter();
        choices.map(|choice| choice["message"]["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = texts().await;
    assert_eq!(texts().await, first);
    assert!(first[1..].iter().all(|text| *text != first[0]), "{first:?}");
}
