//! Files in and out: import, export, attachments.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, talk::Said};

const IMPORT: &str = "/api/conversations/import";

#[tokio::test]
async fn an_export_of_all_comes_back_in_another_server() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let files = json!([{"name": "data.csv", "media_type": "text/csv", "data": "data:text/csv;base64,YSxi"}]);
    let one = talk.say(json!({"content": "<b>one</b>", "attachments": files})).await;
    talk.again(one.asked(), json!({"model": "echo-reasoning"})).await;
    let other = app.talk("echo").await;
    other.say(json!({"content": "two"})).await;
    app.patch(&other.path(""), json!({"archived": true, "tags": ["x"]})).await.ok();

    let export = app.get("/api/conversations/export?format=json").await;
    assert!(export.header("content-disposition").unwrap().contains("conversations.json"), "{export}");
    let there = App::start();
    let result = there.post(IMPORT, export.json()).await.ok();
    assert_eq!((&result["skipped"], result["imported"].as_array().unwrap().len()), (&json!([]), 2));
    for talk in [&talk, &other] {
        let whole = |app| async move { App::get(app, &talk.path("")).await.ok() };
        let (mut before, mut after): (Value, Value) = (whole(&app).await, whole(&there).await);
        for side in [&mut before, &mut after] {
            side["updated_ms"] = Value::Null;
        }
        assert_eq!(before, after);
    }
    let file = talk.message(one.asked()).await["attachments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(there.get(&talk.path(&format!("/attachments/{file}"))).await.body, "a,b");
    // Again into the first: beside what is there.
    let again = app.post(IMPORT, export.json()).await.ok();
    assert_eq!(again["imported"].as_array().unwrap().len(), 2);
    assert_ne!(again["imported"][0], talk.id.as_str());
    assert_eq!(app.get("/api/conversations/export").await.json()["conversations"].as_array().unwrap().len(), 4);
    // What came in is a conversation like any other.
    let said = Said::of(&there.post(&talk.path("/messages"), json!({"content": "and on"})).await);
    assert_eq!(said.text, "and on");
}

#[tokio::test]
async fn one_conversation_is_exported_to_be_read() {
    let app = App::start();
    let talk = app.talk("echo").await;
    talk.say(json!({"content": "What is \"Käse\"? Tell."})).await;
    let markdown = app.get(&talk.path("/export?format=markdown")).await;
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(markdown.body.starts_with("# What is \"Käse\"?\n") && markdown.body.contains("\n## echo\n"), "{markdown}");
    let disposition = markdown.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; ") && disposition.contains("K%C3%A4se"), "{disposition}");
    let text = app.get(&talk.path("/export?format=text")).await;
    assert!(text.body.contains("\nYou:\nWhat is \"Käse\"? Tell.\n"), "{text}");
    let json = app.get(&talk.path("/export")).await.json();
    assert_eq!(json["conversations"][0]["id"], talk.id.as_str());
    app.get(&talk.path("/export?format=pdf")).await.refused(400, "invalid_value", "format");
}

#[tokio::test]
async fn files_that_are_no_export_are_refused_and_bad_parts_skipped() {
    let app = App::start();
    for (body, code) in [
        ("", "invalid_body"),
        (" \n", "invalid_body"),
        ("not json", "invalid_json"),
        ("PK\u{3}\u{4}", "invalid_json"),
        ("[", "invalid_json"),
        (&*"[".repeat(100_000), "invalid_json"),
        ("{\"a\": 1e999}", "unknown_format"),
        ("\"\\ud800\"", "unknown_format"),
        ("null", "unknown_format"),
        ("5", "unknown_format"),
        ("[]", "unknown_format"),
        ("{}", "unknown_format"),
        ("[{\"title\": \"x\"}]", "unknown_format"),
        ("{\"format\": \"tern-conversations\", \"version\": 2, \"conversations\": []}", "unknown_format"),
    ] {
        app.send(Method::POST, IMPORT, &[], body).await.refused(400, code, None);
    }
    let cyclic = json!({"title": "circle", "mapping": {
        "a": {"parent": "b", "message": {"author": {"role": "user"}, "content": {"parts": ["one"]}, "create_time": 1e300}},
        "b": {"parent": "a", "message": {"author": {"role": "assistant"}, "content": {"parts": ["two", {"x": 1}, null]}}},
        "c": {"parent": "gone", "message": {"author": {"role": "user"}, "content": {"parts": ["three"]}, "create_time": -5}}
    }, "current_node": "nowhere"});
    let result = app.post(IMPORT, json!([null, cyclic, {"mapping": {"x": 5}}])).await.ok();
    assert_eq!(result["imported"].as_array().unwrap().len(), 1);
    assert_eq!(result["skipped"].as_array().unwrap().iter().map(|s| &s["index"]).collect::<Vec<_>>(), [0, 2]);
    let id = result["imported"][0].as_str().unwrap();
    let whole = app.get(&format!("/api/conversations/{id}")).await.ok();
    assert_eq!((whole["tree"].as_array().unwrap().len(), &whole["title"]), (3, &json!("circle")));
}

#[tokio::test]
async fn text_files_reach_the_model_and_come_back_harmless() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let html = "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="; // <script>alert(1)</script>
    let said = talk
        .say(json!({"content": "What is this?", "attachments": [
            {"name": "evil \"x\".html", "media_type": "text/html", "data": html},
            {"name": "a.json", "media_type": "application/json", "data": "e30="}]}))
        .await;
    assert_eq!(
        said.text,
        "File \"evil \"x\".html\":\n```html\n<script>alert(1)</script>\n```\n\nFile \"a.json\":\n```json\n{}\n```\n\nWhat is this?"
    );
    let files = talk.message(said.asked()).await["attachments"].clone();
    assert_eq!((&files[0]["bytes"], &files[0]["media_type"]), (&json!(25), &json!("text/html")));
    let fetched = app.get(&talk.path(&format!("/attachments/{}", files[0]["id"].as_str().unwrap()))).await;
    assert_eq!(fetched.body, "<script>alert(1)</script>");
    assert_eq!(fetched.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(fetched.header("x-content-type-options"), Some("nosniff"));
    assert!(fetched.header("content-disposition").unwrap().starts_with("attachment; "), "{fetched}");
    // A message may be a file alone.
    let said = talk.say(json!({"content": "", "attachments": [{"name": "a.txt", "data": "aGk="}]})).await;
    assert!(said.text.contains("hi"), "{}", said.text);
}
