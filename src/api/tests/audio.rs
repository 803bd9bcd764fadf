//! Speech to text over HTTP: the five formats, events, and what is refused. `echo-speech` says how loud each second is.

use serde_json::{Value, json};

use crate::support::{App, Exchange};

/// A WAV file at 8 kHz: a second of half of full scale, and half a second of a quarter.
fn recording() -> Vec<u8> {
    let samples = [16_384i16; 8000].into_iter().chain([8192; 4000]);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(8000u32.to_le_bytes());
    out.extend(16_000u32.to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

async fn ask(app: &App, path: &str, fields: &[(&str, &str)]) -> Exchange {
    let recording = recording();
    let mut form: Vec<(&str, Option<&str>, &[u8])> =
        fields.iter().map(|(name, value)| (*name, None, value.as_bytes())).collect();
    // Clients send the file last, and call it whatever they like.
    form.push(("file", Some("memo.bin"), &recording));
    app.form(path, &form).await
}

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// Resampling rings a little at the steps: the loudest sample is within two hundredths.
fn loudness(text: &str) -> Vec<i32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn near(got: &[i32], expected: &[i32]) {
    let close = got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 12);
    assert!(close, "{got:?}, expected about {expected:?}");
}

#[tokio::test]
async fn json_has_the_text_and_the_seconds() {
    let app = App::start();
    let answer = ask(&app, TRANSCRIPTIONS, &[("model", "echo-speech"), ("prompt", "Tern")]).await.ok();
    let text = answer["text"].as_str().unwrap();
    assert!(text.starts_with("Tern loud"), "{text}");
    near(&loudness(text), &[50, 25]);
    assert_eq!(answer["usage"], json!({"type": "duration", "seconds": 1.5}));
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
}

#[tokio::test]
async fn without_a_model_one_that_hears_is_found() {
    let app = App::start();
    let answer = ask(&app, TRANSCRIPTIONS, &[]).await.ok();
    assert!(answer["text"].as_str().unwrap().starts_with("loud"));
}

#[tokio::test]
async fn verbose_json_has_segments_and_words_as_they_are_asked_for() {
    let app = App::start();
    let fields = [("model", "echo-speech"), ("response_format", "verbose_json"), ("language", "German")];
    let answer = ask(&app, TRANSCRIPTIONS, &fields).await.ok();
    assert_eq!((&answer["task"], &answer["language"]), (&json!("transcribe"), &json!("german")));
    assert_eq!(answer["duration"], 1.5);
    assert_eq!(answer["segments"].as_array().unwrap().len(), 2);
    assert_eq!((&answer["segments"][1]["id"], &answer["segments"][1]["seek"]), (&json!(1), &json!(100)));
    assert_eq!((&answer["segments"][1]["start"], &answer["segments"][1]["end"]), (&json!(1.0), &json!(1.5)));
    assert!(answer.get("words").is_none());
    let words = [&fields[..], &[("timestamp_granularities[]", "word")]].concat();
    let answer = ask(&app, TRANSCRIPTIONS, &words).await.ok();
    assert_eq!(answer["words"][0], json!({"word": "loud", "start": 0.0, "end": 0.5}));
    assert!(answer.get("segments").is_none());
    let both = [&words[..], &[("timestamp_granularities[]", "segment")]].concat();
    let answer = ask(&app, TRANSCRIPTIONS, &both).await.ok();
    assert_eq!((answer["words"].as_array().unwrap().len(), answer["segments"].as_array().unwrap().len()), (4, 2));
}

#[tokio::test]
async fn text_and_subtitles_are_plain_text() {
    let app = App::start();
    let formats = [
        ("text", "loud "),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\nloud "),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nloud "),
    ];
    for (format, begins) in formats {
        let answer = ask(&app, TRANSCRIPTIONS, &[("model", "echo-speech"), ("response_format", format)]).await;
        assert_eq!(answer.status, 200, "{format}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{format}");
        assert!(answer.body.starts_with(begins), "{format}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_stream_sends_each_segment_and_then_the_whole() {
    let app = App::start();
    let answer = ask(&app, TRANSCRIPTIONS, &[("model", "echo-speech"), ("stream", "true")]).await;
    let events: Vec<Value> = answer.events().iter().filter_map(|event| event.data().cloned()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["transcript.text.delta", "transcript.text.delta", "transcript.text.done"]);
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(events[2]["text"], deltas.as_str());
    assert_eq!(events[2]["usage"]["total_tokens"], 75 + 6);
}

#[tokio::test]
async fn a_verbose_stream_has_times_as_soon_as_they_are_known() {
    let app = App::start();
    let fields = [
        ("model", "echo-speech"),
        ("stream", "true"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "segment"),
        ("timestamp_granularities[]", "word"),
    ];
    let answer = ask(&app, TRANSCRIPTIONS, &fields).await;
    let events: Vec<Value> = answer.events().iter().filter_map(|event| event.data().cloned()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let [delta, segment, done] = ["delta", "segment", "done"].map(|kind| format!("transcript.text.{kind}"));
    assert_eq!(kinds, [&delta, &segment, &delta, &segment, &done]);
    assert_eq!((&events[3]["id"], &events[3]["start"], &events[3]["end"]), (&json!(1), &json!(1.0), &json!(1.5)));
    assert_eq!((&events[4]["language"], &events[4]["duration"]), (&json!("english"), &json!(1.5)));
    assert_eq!(events[4]["segments"].as_array().unwrap().len(), 2);
    assert_eq!(events[4]["words"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn translations_are_in_english() {
    let app = App::start();
    let fields = [("model", "echo-speech"), ("response_format", "verbose_json")];
    let answer = ask(&app, "/v1/audio/translations", &fields).await.ok();
    assert_eq!(answer["task"], "translate");
    assert!(answer["text"].as_str().unwrap().starts_with("translated"));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = App::start();
    let wrong = [
        ("response_format", "mp3", "response_format"),
        ("temperature", "1.5", "temperature"),
        ("language", "xx", "language"),
        ("timestamp_granularities[]", "letter", "timestamp_granularities"),
        // There is no place for times in plain JSON.
        ("timestamp_granularities[]", "word", "timestamp_granularities"),
        ("stream", "perhaps", "stream"),
    ];
    for (field, value, param) in wrong {
        let answer = ask(&app, TRANSCRIPTIONS, &[("model", "echo-speech"), (field, value)]).await;
        answer.refused(400, "invalid_value", param);
    }
    let streamed = [("model", "echo-speech"), ("stream", "true"), ("response_format", "srt")];
    ask(&app, TRANSCRIPTIONS, &streamed).await.refused(400, "invalid_value", "stream");
    ask(&app, TRANSCRIPTIONS, &[("model", "nobody")]).await.refused(404, "model_not_found", "model");
    assert_eq!(ask(&app, TRANSCRIPTIONS, &[("model", "echo")]).await.status, 400);
    let no_file = app.form(TRANSCRIPTIONS, &[("model", None, b"echo-speech")]).await;
    no_file.refused(400, "invalid_value", "file");
    for file in [&b"not a sound"[..], &recording()[..40], b"\x89PNG\r\n\x1a\n"] {
        let fields: &[(&str, Option<&str>, &[u8])] = &[("model", None, b"echo-speech"), ("file", Some("a.wav"), file)];
        app.form(TRANSCRIPTIONS, fields).await.refused(400, "invalid_value", "file");
    }
}
