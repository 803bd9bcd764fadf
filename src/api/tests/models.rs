//! Tokens, rendered prompts, health, metrics, catalogue.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{App, ask, with};

const TEXTS: [&str; 5] = ["Hello from the house", "Café 👨‍👩‍👧‍👦 日本語 e\u{301}", " \n\t ", "<|im_start|>user\n", "x"];

#[tokio::test]
async fn a_tokenizer_is_shown_for_clients_that_count_as_the_model_does() {
    let app = App::start();
    // lm-evaluation-harness asks without /v1.
    let info = app.get("/tokenizer_info?model=echo").await.ok();
    let eos = info["eos_token"].as_str().unwrap();
    let tokens = app.post("/tokenize", json!({"model": "echo", "prompt": eos})).await.ok();
    assert_eq!(tokens["count"], 1, "{tokens}");
    assert!(info["chat_template"].as_str().unwrap().contains("messages"), "{info}");
    assert!(info["vocab_size"].as_u64().unwrap() > 256 && info["pad_token"].is_null(), "{info}");
    app.get("/v1/tokenizer_info?model=gpt-9").await.refused(404, "model_not_found", "model");
    app.get("/v1/tokenizer_info").await.refused(400, "missing_required_parameter", "model");
}

#[tokio::test]
async fn tokens_spell_the_text_they_were_made_of() {
    let app = App::start();
    for text in TEXTS {
        for (add_special, parse_special) in [(false, true), (false, false)] {
            let body = json!({"model": "echo", "text": text, "add_special": add_special,
                "parse_special": parse_special, "with_pieces": true});
            let json = app.post("/v1/tokenize", body).await.ok();
            assert_eq!(json["count"], json["tokens"].as_array().unwrap().len());
            assert_eq!(json["pieces"].as_array().unwrap().len(), json["count"].as_u64().unwrap() as usize);
            assert_eq!(json["max_model_len"], 8192);
            let body = json!({"model": "echo", "tokens": json["tokens"]});
            let back = app.post("/v1/detokenize", body).await.ok();
            assert_eq!((&back["text"], &back["content"], &back["prompt"]), (&json!(text), &json!(text), &json!(text)));
        }
    }
}

#[tokio::test]
async fn special_tokens_are_added_and_read_as_asked() {
    let app = App::start();
    let count = async |more: Value| {
        let body = with(json!({"model": "echo", "text": "<|im_end|>"}), more);
        app.post("/v1/tokenize", body).await.ok()["count"].as_u64().unwrap()
    };
    assert_eq!(count(json!({})).await, 1);
    assert_eq!(count(json!({"add_special": true})).await, 2);
    assert_eq!(count(json!({"parse_special": false})).await, 10);
}

#[tokio::test]
async fn the_text_may_come_under_other_servers_names() {
    let app = App::start();
    let expected = app.post("/v1/tokenize", json!({"model": "echo", "text": "words"})).await.ok();
    for name in ["content", "prompt"] {
        assert_eq!(app.post("/v1/tokenize", json!({"model": "echo", name: "words"})).await.ok(), expected);
    }
    app.post("/v1/tokenize", json!({"model": "echo"})).await.refused(400, "invalid_value", "text");
    app.post("/v1/detokenize", json!({"model": "echo"})).await.refused(400, "invalid_value", "tokens");
    let body = json!({"model": "echo", "tokens": [1, 99_999_999]});
    let message = app.post("/v1/detokenize", body).await.refused(400, "invalid_value", "tokens");
    assert!(message.contains("99999999"), "{message}");
}

#[tokio::test]
async fn a_rendered_prompt_is_the_one_that_chat_uses() {
    let app = App::start();
    let body = ask("echo-random", "a question");
    let rendered = app.post("/v1/chat/render", body.clone()).await.ok();
    assert!(rendered["prompt"].as_str().unwrap().ends_with("a question<|im_end|>\n<|im_start|>assistant\n"));
    let answer = app.chat(body).await;
    assert_eq!(rendered["count"], answer.ok()["usage"]["prompt_tokens"]);
    assert_eq!(rendered["tokens"].as_array().unwrap().len() as u64, rendered["count"].as_u64().unwrap());
    let tokens = json!({"model": "echo-random", "temperature": 0, "prompt": rendered["tokens"]});
    assert_eq!(app.post("/v1/completions", tokens).await.text(), answer.text());
}

#[tokio::test]
async fn a_model_without_a_template_gets_plain_lines() {
    let app = App::start();
    let rendered = app.post("/v1/chat/render", ask("echo-notemplate", "hi")).await.ok();
    assert!(rendered["prompt"].as_str().unwrap().ends_with("User: hi\n\nAssistant:"), "{rendered}");
    assert_eq!(app.chat(ask("echo-notemplate", "hi")).await.text().trim(), "hi");
}

#[tokio::test]
async fn j107_health_is_200_until_the_server_closes_and_then_503() {
    let app = App::start();
    let health = app.get("/health").await.ok();
    assert_eq!((&health["status"], &health["loaded"]), (&json!("ok"), &json!([])));
    app.registry.close();
    let closed = app.get("/health").await;
    closed.refused(503, "shutting_down", None);
    assert!(closed.header("retry-after").is_some(), "{closed}");
    app.chat(ask("echo", "hi")).await.refused(503, "shutting_down", None);
}

/// Prometheus' text format: every sample, with its labels as they are written, and the kind of every family.
fn samples(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut kinds, mut helped) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped.insert(help.split_once(' ').unwrap().0.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(helped.contains(name) && kinds.insert(name.into(), kind.into()).is_none(), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            let bare = name.split('{').next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count"].map(|suffix| bare.strip_suffix(suffix));
            let family = suffixes.into_iter().flatten().find(|family| kinds.contains_key(*family)).unwrap_or(bare);
            assert!(kinds.contains_key(family), "no family for {line}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    (samples, kinds)
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_count_what_happens() {
    let app = App::start();
    app.chat(ask("echo-pieces", "hi")).await.ok();
    let exchange = app.get("/metrics").await;
    assert!(exchange.header("content-type").unwrap().starts_with("text/plain"), "{exchange}");
    let (before, kinds) = samples(&exchange.body);
    app.chat(ask("echo-pieces", "hi")).await.ok();
    let (after, _) = samples(&app.get("/metrics").await.body);
    let moved = |name: &str| {
        let key = format!("{name}{{model=\"echo-pieces\"}}");
        after.get(&key).unwrap_or_else(|| panic!("no {key}")) - before[&key]
    };
    assert_eq!(moved("tern_requests_total"), 1.0);
    assert_eq!(moved("tern_requests_completed_total"), 1.0);
    assert_eq!(moved("tern_decode_tokens_total"), 12.0);
    assert!(moved("tern_prefill_tokens_cached_total") > 0.0);
    assert_eq!(moved("tern_time_to_first_token_seconds_count"), 1.0);
    assert_eq!(moved("tern_requests_failed_total"), 0.0);
    for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let bucket = format!("{name}_bucket{{model=\"echo-pieces\",le=\"");
        let bound = |key: &String| key[bucket.len()..key.len() - 2].replace("+Inf", "inf").parse::<f64>().unwrap();
        let mut buckets: Vec<_> =
            after.iter().filter(|(key, _)| key.starts_with(&bucket)).map(|(key, count)| (bound(key), *count)).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.iter().map(|(_, count)| count).is_sorted(), "{name}: {buckets:?}");
        let (last, count) = *buckets.last().unwrap();
        assert_eq!((last, count), (f64::INFINITY, after[&format!("{name}_count{{model=\"echo-pieces\"}}")]), "{name}");
    }
}

#[tokio::test]
async fn the_catalogue_names_what_can_be_pulled() {
    let exchange = App::start().get("/api/catalog").await;
    let json = exchange.ok();
    let models = json["data"].as_array().unwrap();
    let names: Vec<_> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"qwen2.5-0.5b") && names.contains(&"bitnet-2b-4t"), "{names:?}");
    for file in models.iter().flat_map(|model| model["files"].as_array().unwrap()) {
        assert!(file["repository"].as_str().unwrap().contains('/') && file["on_disk"] == false, "{file}");
    }
}

#[tokio::test]
async fn pulling_an_unknown_name_is_a_404_before_anything_is_asked() {
    let app = App::start();
    let body = json!({"model": "qwen2.5-0.6b"});
    let message = app.post("/api/models/pull", body).await.refused(404, "model_not_found", "model");
    assert!(message.contains("qwen2.5-0.5b"), "{message}");
    app.post("/api/models/pull", json!({})).await.refused(400, "invalid_value", "model");
    app.post("/api/models/pull", json!({"model": ""})).await.refused(400, "invalid_value", "model");
}

#[tokio::test]
async fn pulling_offline_ends_with_the_error_of_that_name() {
    let exchange = App::start().post("/api/models/pull", json!({"model": "qwen2.5-0.5b"})).await;
    let events = exchange.events();
    assert_eq!(events.last().unwrap().data().unwrap()["error"]["code"], "offline", "{exchange}");
}
