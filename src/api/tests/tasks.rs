//! Names in texts and relevance: shapes, offsets, defaults, refusals.

use serde_json::{Value, json};

use crate::support::{App, with};

#[tokio::test]
async fn names_come_with_places_in_characters_and_bytes() {
    let app = App::start();
    let text = "Früh traf 🐻 Ada Lovelace in Köln ein.";
    for path in ["/api/ner", "/v1/ner"] {
        let answer = app.post(path, json!({"model": "echo-ner", "input": text})).await.ok();
        assert_eq!(answer["object"], "list");
        assert_eq!(answer["model"], "echo-ner");
        let found = answer["data"][0]["entities"].as_array().unwrap();
        let words: Vec<_> = found.iter().map(|name| name["word"].as_str().unwrap()).collect();
        assert_eq!(words, ["Ada Lovelace", "Köln"], "{answer}");
        for name in found {
            let number = |field: &str| name[field].as_u64().unwrap() as usize;
            let chars: String = text.chars().skip(number("start")).take(number("end") - number("start")).collect();
            assert_eq!(name["word"], chars.as_str());
            assert_eq!(name["word"], &text[number("byte_start")..number("byte_end")]);
        }
        assert!(answer["timings"]["total_ms"].as_f64() >= answer["timings"]["load_ms"].as_f64());
    }
}

#[tokio::test]
async fn several_texts_are_answered_in_order_and_a_score_can_be_asked_for() {
    let app = App::start();
    let body = json!({"input": ["nothing here", "We saw Paris."], "aggregation_strategy": "max"});
    let answer = app.post("/api/ner", body.clone()).await.ok();
    assert_eq!(answer["model"], "echo-ner", "the only model that can");
    assert_eq!(answer["data"][0], json!({"index": 0, "entities": []}));
    assert_eq!(answer["data"][1]["entities"][0]["word"], "Paris");
    let strict = app.post("/api/ner", with(body, json!({"min_score": 0.95}))).await.ok();
    assert_eq!(strict["data"][1]["entities"], json!([]));
}

#[tokio::test]
async fn a_million_characters_are_read() {
    let app = App::start();
    let text = "We saw Ada Lovelace. ".repeat(50_000);
    let answer = app.post("/api/ner", json!({"input": text})).await.ok();
    let found = answer["data"][0]["entities"].as_array().unwrap();
    assert_eq!(found.len(), 50_000);
    assert_eq!(found[49_999]["end"], text.len() - 2);
}

#[tokio::test]
async fn what_cannot_be_read_for_names_is_refused() {
    let app = App::start();
    for input in [json!([]), json!(null), json!(5), json!([5])] {
        app.post("/api/ner", json!({"input": input})).await.refused(400, "invalid_value", "input");
    }
    app.post("/api/ner", json!({"input": "x", "min_score": 2})).await.refused(400, "invalid_value", "min_score");
    let wrong = json!({"input": "x", "aggregation_strategy": "best"});
    app.post("/api/ner", wrong).await.refused(400, "invalid_value", "aggregation_strategy");
    app.post("/api/ner", json!({"input": "x", "model": "echo"})).await.refused(400, "unsupported_model", "model");
    let bare = App::with(|registry, _| registry.echo = false);
    let message = bare.post("/api/ner", json!({"input": "x"})).await.refused(404, "model_not_found", "model");
    assert!(message.contains("tern pull bert-base-ner"), "{message}");
}

fn birds() -> Value {
    json!({
        "model": "echo-rerank",
        "query": "birds of the sea",
        "documents": ["stones", {"text": "birds of the sea"}, "the sea"],
    })
}

#[tokio::test]
async fn documents_are_ordered_by_relevance_at_every_path() {
    let app = App::start();
    for path in ["/v1/rerank", "/v2/rerank", "/rerank"] {
        let answer = app.post(path, birds()).await.ok();
        let order: Vec<_> =
            answer["results"].as_array().unwrap().iter().map(|r| r["index"].as_u64().unwrap()).collect();
        assert_eq!(order, [1, 2, 0], "{answer}");
        assert_eq!(answer["results"][0]["relevance_score"], 1.0);
        assert!(answer["results"][0].get("document").is_none());
        assert_eq!(answer["usage"]["total_tokens"], answer["meta"]["tokens"]["input_tokens"]);
    }
}

#[tokio::test]
async fn a_reranker_in_a_gguf_file_answers_too() {
    let app = App::start();
    app.add_model("tiny.gguf", include_bytes!("../../../tests/fixtures/rerank/xlm-roberta.gguf"));
    let golden = include_str!("../../../tests/fixtures/rerank/golden.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let cases = golden["xlm-roberta"].as_array().unwrap();
    let documents: Vec<_> = cases.iter().map(|case| case["document"].clone()).collect();
    let body = json!({"model": "tiny", "query": cases[0]["query"], "documents": documents});
    let answer = app.post("/v1/rerank", body.clone()).await.ok();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), documents.len());
    assert!(results.is_sorted_by(|a, b| a["relevance_score"].as_f64() >= b["relevance_score"].as_f64()), "{answer}");
    for result in results {
        let expected = cases[result["index"].as_u64().unwrap() as usize]["score"].as_f64().unwrap();
        assert!((result["relevance_score"].as_f64().unwrap() - expected).abs() < 2e-3, "{expected}: {result}");
    }
    let tokens: usize = cases.iter().map(|case| case["tokens"].as_array().unwrap().len()).sum();
    assert_eq!(answer["usage"]["total_tokens"], tokens);
    let long = with(body, json!({"documents": ["cat ".repeat(200)]}));
    app.post("/v1/rerank", long).await.refused(400, "context_length_exceeded", "documents");
}

#[tokio::test]
async fn the_best_documents_come_with_their_texts_when_asked_for() {
    let app = App::start();
    let answer = app.post("/v1/rerank", with(birds(), json!({"top_n": 2, "return_documents": true}))).await.ok();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][1]["document"]["text"], "the sea");
}

#[tokio::test]
async fn what_cannot_be_ranked_is_refused() {
    let app = App::start();
    let refused = async |more: Value, code: &'static str, param: &'static str| {
        app.post("/v1/rerank", with(birds(), more)).await.refused(400, code, param)
    };
    refused(json!({"query": ""}), "invalid_value", "query").await;
    refused(json!({"documents": []}), "invalid_value", "documents").await;
    refused(json!({"documents": [{"title": "x"}]}), "invalid_value", "documents[0]").await;
    refused(json!({"top_n": 0}), "invalid_value", "top_n").await;
    refused(json!({"model": "echo-embed"}), "unsupported_model", "model").await;
    let message = refused(json!({"documents": ["a", "b ".repeat(600)]}), "context_length_exceeded", "documents").await;
    assert!(message.contains("document 1") && message.contains("604") && message.contains("512"), "{message}");
}
