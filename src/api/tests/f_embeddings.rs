//! Vectors, their formats, inputs that are refused. Numbers are those of the list of checks.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{App, Exchange, with};

async fn embed(app: &App, more: Value) -> Exchange {
    app.post("/v1/embeddings", with(json!({"model": "echo-embed"}), more)).await
}

fn vector(json: &Value, index: usize) -> Vec<f32> {
    serde_json::from_value(json["data"][index]["embedding"].clone()).unwrap()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

async fn tokens(app: &App, text: &str, add_special: bool) -> Value {
    let body = json!({"model": "echo-embed", "text": text, "add_special": add_special});
    app.post("/v1/tokenize", body).await.ok()["tokens"].clone()
}

#[tokio::test]
async fn f74_base64_holds_the_same_numbers_as_the_array() {
    let app = App::start();
    let floats = vector(&embed(&app, json!({"input": "words", "encoding_format": "float"})).await.ok(), 0);
    let exchange = embed(&app, json!({"input": "words", "encoding_format": "base64"})).await;
    let text = exchange.ok()["data"][0]["embedding"].as_str().unwrap().to_owned();
    let bytes = STANDARD.decode(text).unwrap();
    let decoded: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(decoded, floats, "{exchange}");
    assert_eq!(floats.len(), 64);
    assert!((dot(&floats, &floats) - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn f75_the_default_is_numbers() {
    let app = App::start();
    let floats = vector(&embed(&app, json!({"input": "words", "encoding_format": "float"})).await.ok(), 0);
    assert_eq!(vector(&embed(&app, json!({"input": "words"})).await.ok(), 0), floats);
}

#[tokio::test]
async fn f76_tokens_of_the_model_are_the_same_as_their_text() {
    let app = App::start();
    let texts = embed(&app, json!({"input": ["some words", "and others"]})).await.ok();
    for special in [false, true] {
        let lists = json!([tokens(&app, "some words", special).await, tokens(&app, "and others", special).await]);
        let exchange = embed(&app, json!({"input": lists})).await;
        let json = exchange.ok();
        assert_eq!((vector(&json, 0), vector(&json, 1)), (vector(&texts, 0), vector(&texts, 1)), "{exchange}");
        assert_eq!(json["usage"], texts["usage"], "{exchange}");
        let one = embed(&app, json!({"input": lists[0]})).await.ok();
        assert_eq!(vector(&one, 0), vector(&texts, 0));
    }
}

#[tokio::test]
async fn f76_tokens_of_another_vocabulary_are_refused_with_a_hint() {
    let app = App::start();
    // "hello world" in cl100k, LangChain's default; and ids that exist here but are not what we would encode.
    for input in [json!([[15339, 1917]]), json!([15339, 1917]), json!([[119, 120], [300, 301, 301, 119, 4_000_000]])] {
        let message = embed(&app, json!({"input": input})).await.refused(400, "foreign_token_ids", "input");
        assert!(message.contains("check_embedding_ctx_length=False"), "{message}");
    }
}

#[tokio::test]
async fn f77_vectors_come_in_the_order_of_the_inputs() {
    let app = App::start();
    let inputs: Vec<String> = (0..20).map(|i| format!("input number {i}")).collect();
    let json = embed(&app, json!({"input": inputs})).await.ok();
    assert_eq!(json["data"].as_array().unwrap().len(), 20);
    for (index, input) in inputs.iter().enumerate() {
        assert_eq!(json["data"][index]["index"], index);
        assert_eq!(vector(&json, index), vector(&embed(&app, json!({"input": input})).await.ok(), 0));
    }
}

#[tokio::test]
async fn f77_texts_that_share_words_are_closer_than_those_that_do_not() {
    let app = App::start();
    let inputs = ["the cat is on the roof", "the cat was on the roof", "quantum flux 77"];
    let json = embed(&app, json!({"input": inputs})).await.ok();
    let (a, b, c) = (vector(&json, 0), vector(&json, 1), vector(&json, 2));
    assert!(dot(&a, &b) > dot(&a, &c) + 0.1, "{} {}", dot(&a, &b), dot(&a, &c));
}

#[tokio::test]
async fn f77_empty_inputs_are_refused() {
    let app = App::start();
    for input in [json!(""), json!([""]), json!(["a", ""]), json!([]), json!([[]]), json!([[1], []]), json!(null)] {
        embed(&app, json!({"input": input})).await.refused(400, "invalid_value", "input");
    }
    embed(&app, json!({})).await.refused(400, "invalid_value", "input");
    let message = embed(&app, json!({"input": vec!["x"; 2049]})).await.refused(400, "invalid_value", "input");
    assert!(message.contains("2048"), "{message}");
}

#[tokio::test]
async fn f78_a_shortened_vector_is_the_beginning_of_the_long_one_at_length_one() {
    let app = App::start();
    let long = vector(&embed(&app, json!({"input": "words"})).await.ok(), 0);
    for dimensions in [16, 17, 63, 64] {
        let short = vector(&embed(&app, json!({"input": "words", "dimensions": dimensions})).await.ok(), 0);
        assert_eq!(short.len(), dimensions);
        assert!((dot(&short, &short) - 1.0).abs() < 1e-5);
        let scale = dot(&long[..dimensions], &long[..dimensions]).sqrt();
        assert!(short.iter().zip(&long).all(|(short, long)| (short - long / scale).abs() < 1e-5));
    }
    for dimensions in [0, 15, 65, 3000] {
        let exchange = embed(&app, json!({"input": "words", "dimensions": dimensions})).await;
        assert!(exchange.refused(400, "invalid_value", "dimensions").contains("16 to 64"));
    }
}

#[tokio::test]
async fn f79_tokens_are_counted() {
    let app = App::start();
    let count = tokens(&app, "some words", true).await.as_array().unwrap().len();
    let json = embed(&app, json!({"input": ["some words", "some words"]})).await.ok();
    assert_eq!(json["usage"], json!({"prompt_tokens": 2 * count, "total_tokens": 2 * count}));
    assert_eq!((&json["object"], &json["data"][0]["object"]), (&json!("list"), &json!("embedding")));
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_with_both_numbers_and_its_place() {
    let app = App::start();
    let exchange = embed(&app, json!({"input": ["short", "x".repeat(600)]})).await;
    let message = exchange.refused(400, "context_length_exceeded", "input");
    assert!(message.contains("maximum context length is 512 tokens") && message.contains("input 1"), "{message}");
    assert!(message.contains("60"), "{message}");
}
