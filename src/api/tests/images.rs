//! Images in messages, on a script that says what it sees.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{App, with};

/// A BMP of one colour: 54 bytes of header, then rows of 3 bytes a pixel padded to 4.
fn bmp(width: u32, height: u32, grey: u8) -> Vec<u8> {
    let row = (width * 3).div_ceil(4) * 4;
    let pixels = row * height;
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels, 0, 54, 40, width, height, 1 | 24 << 16, 0, pixels, 0, 0, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize((54 + pixels) as usize, grey);
    bytes
}

fn image(width: u32, height: u32, grey: u8) -> Value {
    let data = STANDARD.encode(bmp(width, height, grey));
    json!({"type": "image_url", "image_url": {"url": format!("data:image/bmp;base64,{data}"), "detail": "low"}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn ask(parts: Value) -> Value {
    json!({"model": "echo-vision", "temperature": 0, "messages": [{"role": "user", "content": parts}], "temperature": 0})
}

#[tokio::test]
async fn a_model_that_sees_is_given_every_image_in_its_place() {
    let app = App::start();
    let one = app.chat(ask(json!([text("What is this?"), image(64, 32, 9)]))).await;
    assert_eq!(one.text(), "1 image: 64x32.");
    let several = json!({"model": "echo-vision", "temperature": 0, "messages": [
        {"role": "user", "content": [image(10, 20, 1), text("and"), image(300, 40, 2)]},
        {"role": "assistant", "content": "Nice."},
        {"role": "user", "content": [image(33, 33, 3), text("now?")]},
    ]});
    assert_eq!(app.chat(several.clone()).await.text(), "3 images: 10x20, 300x40, 33x33.");
    let stream = app.chat(with(several, json!({"stream": true}))).await;
    assert_eq!(stream.said(0), "3 images: 10x20, 300x40, 33x33.");
    let none =
        json!({"model": "echo-vision", "temperature": 0, "messages": [{"role": "user", "content": "Do you see?"}]});
    assert_eq!(app.chat(none).await.text(), "no image.");
}

#[tokio::test]
async fn images_count_as_prompt_tokens_and_the_same_image_is_cached() {
    let app = App::start();
    let usage = |value: Value| value["usage"].clone();
    let plain = usage(app.chat(ask(json!([text("x"), text("y")]))).await.json());
    // 100 x 70 pixels take 4 x 3 cells.
    let first = usage(app.chat(ask(json!([text("x"), image(100, 70, 5), text("y")]))).await.json());
    assert_eq!(first["prompt_tokens"].as_u64(), plain["prompt_tokens"].as_u64().map(|n| n + 12));
    let again = usage(app.chat(ask(json!([text("x"), image(100, 70, 5), text("y")]))).await.json());
    let cached = |usage: &Value| usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert_eq!(cached(&again) + 1, again["prompt_tokens"].as_u64().unwrap());
    // Another picture of the same size shares what stands before it and no more.
    let other = usage(app.chat(ask(json!([text("x"), image(100, 70, 6), text("y")]))).await.json());
    assert!(cached(&other) + 13 <= cached(&again), "{other} {again}");
}

#[tokio::test]
async fn a_prompt_with_an_image_can_be_looked_at() {
    let app = App::start();
    let shown = app.post("/v1/chat/render", ask(json!([text("a"), image(40, 40, 7), text("b")]))).await.json();
    assert!(shown["prompt"].as_str().unwrap().contains("a<image>b"), "{shown}");
    let places = shown["tokens"].as_array().unwrap().iter().filter(|token| token.as_u64().unwrap() >= 1 << 31).count();
    assert_eq!(places, 4);
}

#[tokio::test]
async fn a_model_without_eyes_names_those_that_have_some() {
    let app = App::start();
    let body = with(ask(json!([text("what?"), image(8, 8, 0)])), json!({"model": "echo"}));
    for body in [body.clone(), with(body, json!({"stream": true}))] {
        let message = app.chat(body).await.refused(400, "model_without_vision", "messages[0].content[1].image_url");
        assert!(message.contains("`echo` cannot see") && message.contains("`echo-vision"), "{message}");
    }
}

#[tokio::test]
async fn images_that_cannot_be_had_are_refused_by_place_and_reason() {
    let app = App::start();
    let place = "messages[0].content[0].image_url";
    let url = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    for (parts, reason) in [
        (url("https://example.com/a.png"), "--allow-image-urls"),
        (url("file:///etc/passwd"), "is not a data URL"),
        (url("data:image/png;base64,%%%"), "base64"),
        (url("data:image/png;base64,aGVsbG8="), "expected PNG"),
        (url("data:image/png;base64,iVBORw0KGgo="), "PNG image cannot be decoded"),
        (json!([{"type": "image_url", "image_url": "gopher://x"}]), "is not a data URL"),
    ] {
        let message = app.chat(ask(parts)).await.refused(400, "invalid_image_url", place);
        assert!(message.contains(reason), "{message}");
    }
    let missing = ask(json!([{"type": "image_url"}]));
    app.chat(missing).await.refused(400, "invalid_value", place);
    // What the model itself cannot take.
    let message = app.chat(ask(json!([image(5000, 1, 0)]))).await.refused(400, "invalid_value", "messages");
    assert!(message.contains("image 1 of the messages: 5000x1 pixels"), "{message}");
}

#[tokio::test]
async fn with_the_flag_urls_are_fetched_but_not_from_inside() {
    let app = App::with(|_, api| api.allow_image_urls = true);
    for inside in ["http://127.0.0.1:1/a.png", "http://localhost:1/a.png", "http://[::ffff:10.0.0.1]/a.png"] {
        let parts = json!([{"type": "image_url", "image_url": {"url": inside}}]);
        let refused = app.chat(ask(parts)).await;
        let message = refused.refused(400, "invalid_image_url", "messages[0].content[0].image_url");
        assert!(message.contains("not on the public internet"), "{message}");
    }
}

#[tokio::test]
async fn the_character_that_stands_for_an_image_means_nothing_in_a_message() {
    let app = App::start();
    let forged: String = ('\u{10FEFC}'..='\u{10FFFD}').collect();
    let answer = app.chat(ask(json!([text(&forged), image(16, 16, 1), text(&forged)]))).await;
    assert_eq!(answer.text(), "1 image: 16x16.");
    let none = json!({"model": "echo-vision", "temperature": 0, "messages": [{"role": "user", "content": forged}]});
    assert_eq!(app.chat(none).await.text(), "no image.");
}

#[tokio::test]
async fn an_image_attached_to_a_message_is_kept_and_seen_in_every_later_turn() {
    let app = App::start();
    let talk = app.talk("echo-vision").await;
    let file = |width| json!({"name": "p.bmp", "media_type": "image/bmp", "data": STANDARD.encode(bmp(width, 20, 3))});
    let one = talk.say(json!({"content": "What is this?", "attachments": [file(30)]})).await;
    assert_eq!(one.text, "1 image: 30x20.");
    let two = talk.say(json!({"content": "And these?", "attachments": [file(40), file(50)]})).await;
    assert_eq!(two.text, "3 images: 30x20, 40x20, 50x20.");
    // Another model goes on, and cannot see.
    let blind = talk.say(json!({"content": "Go on.", "model": "echo"})).await;
    assert_eq!(blind.text, "Go on.");
    let refused = app.post(&talk.path("/messages"), json!({"content": "x", "attachments": [file(8)]})).await;
    let message = refused.refused(400, "unsupported_attachment", "attachments.0");
    assert!(message.contains("`echo` cannot see"), "{message}");
}
