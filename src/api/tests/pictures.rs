//! Text in images, and captions: forms and JSON, images that are none, models that are not there.

use base64::{Engine, engine::general_purpose::STANDARD};
use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, with};

/// A BMP of this size, grey. The header may say another one.
fn bmp_that_says(width: u32, height: u32, (real_width, real_height): (u32, u32)) -> Vec<u8> {
    let row = (real_width * 3).next_multiple_of(4);
    let pixels = vec![0x80; (row * real_height) as usize];
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels.len() as u32, 0, 54, 40, width, height] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend(pixels);
    bytes
}

fn bmp(width: u32, height: u32) -> Vec<u8> {
    bmp_that_says(width, height, (width, height))
}

/// The same as a data URL.
pub fn data_url(width: u32, height: u32) -> String {
    url(&bmp(width, height))
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/bmp;base64,{}", STANDARD.encode(bytes))
}

async fn ocr(app: &App, more: Value) -> crate::support::Exchange {
    app.post("/api/ocr", with(json!({"image": data_url(90, 60)}), more)).await
}

#[tokio::test]
async fn a_form_and_json_ask_the_same() {
    let app = App::start();
    let body = json!({"language": ["eng", "deu"], "detect_orientation": true, "layout": "block"});
    let mut by_json = ocr(&app, body).await.ok();
    let image = bmp(90, 60);
    let fields: &[(&str, Option<&str>, &[u8])] = &[
        ("language", None, b"eng"),
        ("unknown", None, b"whatever"),
        ("file", Some("scan.bmp"), &image),
        ("language", None, b"deu"),
        ("detect_orientation", None, b"true"),
        ("layout", None, b"block"),
    ];
    let mut by_form = app.form("/api/ocr", fields).await.ok();
    assert_eq!(by_json["text"], "90 by 60\n\nin eng deu\n\nblock");
    for answer in [&mut by_json, &mut by_form] {
        assert!(answer["timings"]["total_ms"].as_f64() >= answer["timings"]["load_ms"].as_f64());
        answer["timings"] = Value::Null;
    }
    assert_eq!(by_json, by_form);
    assert_eq!((&by_json["model"], &by_json["rotation"]), (&json!("echo-ocr"), &json!(0)));
    assert_eq!((&by_json["width"], &by_json["height"]), (&json!(90), &json!(60)));
    let line = &by_json["lines"][1];
    assert_eq!((&line["block"], &line["paragraph"], &line["confidence"]), (&json!(0), &json!(1), &json!(0.5)));
    let word = &line["words"][2];
    assert_eq!(word["text"], "deu");
    assert_eq!(word["polygon"], json!([[60, 20], [90, 20], [90, 40], [60, 40]]));
    assert_eq!(word["box"], json!({"x": 60, "y": 20, "width": 30, "height": 20}));
}

#[tokio::test]
async fn an_image_is_described_and_questions_about_it_are_answered() {
    let app = App::start();
    let image = bmp(4, 3);
    let said = app.form("/api/caption", &[("file", Some("a"), &image)]).await.ok();
    assert_eq!((&said["text"], &said["model"]), (&json!("an image of 4 by 3 pixels"), &json!("echo-caption")));
    assert_eq!(said["usage"]["completion_tokens"], 7);
    let ask = |more: Value| app.post("/api/caption", with(json!({"image": data_url(4, 3)}), more));
    let said = ask(json!({"prompt": " a photo of ", "max_tokens": 2.0})).await.ok();
    assert_eq!(said["text"], "a photo of an image");
    assert_eq!(ask(json!({"question": "why?", "prompt": ""})).await.ok()["text"], "you asked: why?");
    ask(json!({"question": "why?", "prompt": "a"})).await.refused(400, "invalid_value", "prompt");
    ask(json!({"question": "w".repeat(481)})).await.refused(400, "invalid_value", "question");
    ask(json!({"max_tokens": 0})).await.refused(400, "invalid_value", "max_tokens");
    ask(json!({"max_tokens": 501})).await.refused(400, "invalid_value", "max_tokens");
}

#[tokio::test]
async fn what_is_no_image_is_refused_in_our_shape_and_the_next_one_is_read() {
    let app = App::start();
    let good = bmp(40, 30);
    let cut = &good[..good.len() / 2];
    let bomb = bmp_that_says(60_000, 60_000, (1, 1));
    let empty = bmp_that_says(0, 0, (0, 0));
    let long = bmp(40_000, 1);
    for (name, bytes, status, code) in [
        ("no image", b"<svg onload=alert(1)>".as_slice(), 400, "invalid_image"),
        ("cut", cut, 400, "invalid_image"),
        ("bomb", &bomb, 413, "image_too_large"),
        ("empty", &empty, 400, "invalid_image"),
        ("long", &long, 413, "image_too_large"),
    ] {
        for path in ["/api/ocr", "/api/caption"] {
            println!("{name} {path}");
            let message = app.form(path, &[("file", Some("x.png"), bytes)]).await.refused(status, code, "file");
            assert!(!message.contains("onload"), "{message}");
            app.post(path, json!({"image": url(bytes)})).await.refused(status, code, "image");
        }
    }
    for (body, code) in [
        (json!({"image": "https://example.org/a.png"}), "invalid_image"),
        (json!({"image": "/etc/passwd"}), "invalid_image"),
        (json!({"image": "data:image/png;base64,!!!"}), "invalid_image"),
        (json!({}), "missing_required_parameter"),
    ] {
        app.post("/api/ocr", body.clone()).await.refused(400, code, "image");
        app.post("/api/caption", body).await.refused(400, code, "image");
    }
    // What a browser sends for a file that nobody chose.
    app.form("/api/ocr", &[("file", Some(""), b"")]).await.refused(400, "missing_required_parameter", "image");
    app.form("/api/ocr", &[("file", None, &good)]).await.ok();
}

#[tokio::test]
async fn forms_that_are_too_large_or_no_forms_are_refused() {
    let app = App::with(|_, api| api.body_limit = 100_000);
    let large = vec![0; 100_000];
    app.form("/api/ocr", &[("file", Some("a"), &large)]).await.refused(413, "request_too_large", None);
    let text = vec![b'x'; 70_000];
    app.form("/api/caption", &[("prompt", None, &text)]).await.refused(413, "field_too_large", "prompt");
    let image = bmp(4, 3);
    app.form("/api/ocr", &[("file", Some("a"), &image), ("layout", None, b"poem")]).await.refused(
        400,
        "invalid_value",
        "layout",
    );
    let twice: &[(&str, Option<&str>, &[u8])] = &[("file", Some("a"), &image), ("file", Some("b"), &image)];
    app.form("/api/ocr", twice).await.refused(400, "invalid_value", "file");
    for kind in ["multipart/form-data", "multipart/form-data; boundary=YY"] {
        let exchange = app.send(Method::POST, "/api/ocr", &[("content-type", kind)], "--XX\r\n\r\n--XX--\r\n").await;
        exchange.refused(400, "invalid_body", None);
    }
}

#[tokio::test]
async fn the_model_is_found_by_what_it_can_do() {
    let app = App::start();
    assert_eq!(ocr(&app, json!({})).await.ok()["model"], "echo-ocr");
    assert_eq!(ocr(&app, json!({"model": "echo-ocr?step_ms=0"})).await.ok()["model"], "echo-ocr?step_ms=0");
    ocr(&app, json!({"model": "echo"})).await.refused(400, "unsupported_model", "model");
    ocr(&app, json!({"model": "echo-caption"})).await.refused(400, "unsupported_model", "model");
    ocr(&app, json!({"model": "nothing"})).await.refused(404, "model_not_found", "model");
    let message = ocr(&app, json!({"language": "eng+xyz"})).await.refused(400, "language_not_installed", "language");
    assert!(message.contains("\"xyz\"") && message.contains("eng, deu"), "{message}");
    let status = app.get("/api/ocr").await.ok();
    assert_eq!((&status["available"], &status["languages"]), (&json!(true), &json!(["eng", "deu"])));
    assert!(status["install"].is_null());
}

#[tokio::test]
async fn without_the_program_or_a_model_the_answer_says_what_to_install() {
    let app = App::with(|registry, _| {
        registry.echo = false;
        registry.tesseract = Some("/nowhere/tesseract".into());
    });
    for model in [json!(null), json!("tesseract")] {
        let exchange = ocr(&app, json!({"model": model})).await;
        let message = exchange.refused(501, "program_not_installed", None);
        assert!(message.contains("apt install tesseract-ocr") && message.contains("--tesseract"), "{message}");
        assert_eq!(exchange.header("x-should-retry"), Some("false"));
    }
    let status = app.get("/api/ocr").await.ok();
    assert_eq!((&status["available"], &status["languages"]), (&json!(false), &json!([])));
    assert!(status["install"].as_str().unwrap().contains("tesseract-ocr"));
    let captions = app.post("/api/caption", json!({"image": data_url(4, 3)})).await;
    assert!(captions.refused(404, "model_not_found", "model").contains("tern pull blip-base"));
}
