//! A disk that is full, and works again.

use std::sync::Arc;

use serde_json::{Value, json};
use tern_store::{ConversationStore, Status};

use crate::support::{App, disk::Disk, talk::Said, until};

async fn store_state(app: &App) -> Value {
    app.get("/api/store").await.ok()
}

#[tokio::test]
async fn a_chat_goes_on_over_a_full_disk_and_nothing_is_lost_when_it_works_again() {
    let disk = Arc::new(Disk::new());
    let app = App::over(disk.clone(), |_, _| {});
    let talk = app.talk("echo").await;
    let unwanted = talk.say(json!({"content": "one"})).await;
    let first = talk.again(unwanted.asked(), json!({})).await;
    assert_eq!(store_state(&app).await["saved"], true);

    disk.fill(true);
    let files = json!([{"name": "a.txt", "media_type": "text/plain", "data": "aGVsbG8="}]);
    let second = talk.say(json!({"content": "two", "attachments": files})).await;
    assert!(second.text.ends_with("two"), "{}", second.text);
    let told = second.all("saved", "saved");
    assert_eq!(told, [json!(false)], "{:?}", second.events);
    assert!(second.all("saved", "reason")[0].as_str().unwrap().contains("full"));
    let state = store_state(&app).await;
    assert_eq!(state["saved"], false);
    assert!(state["reason"].as_str().unwrap().contains("full") && state["since_ms"].is_u64(), "{state}");
    // Everything is there to be read and changed, and the next message knows the last.
    let third = talk.say(json!({"content": "three"})).await;
    let whole = talk.whole().await;
    assert_eq!((&whole["messages"], whole["tree"].as_array().unwrap().len()), (&json!(7), 7));
    assert_eq!(talk.message(third.asked()).await["parent"], second.id());
    app.patch(&talk.path(""), json!({"pinned": true})).await.ok();
    let file = talk.message(second.asked()).await["attachments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.get(&talk.path(&format!("/attachments/{file}"))).await.body, "hello");
    for gone in [third.id(), unwanted.id()] {
        app.delete(&talk.path(&format!("/messages/{gone}"))).await.ok();
    }
    // So is a conversation begun meanwhile, first in the list.
    let other = app.talk("echo").await;
    other.say(json!({"content": "new"})).await;
    let list = app.get("/api/conversations").await.ok();
    assert_eq!((&list["total"], list["data"].as_array().unwrap().len()), (&json!(2), 2));
    // Nothing of it is on the disk.
    assert_eq!(disk.store().messages(&talk.id).unwrap().len(), 3);
    assert!(disk.store().conversation(&other.id).is_err());
    // Who deletes must hear that it is still there.
    app.delete(&talk.path("")).await.refused(507, "disk_full", None);

    disk.fill(false);
    until("it is written", || app.conversations.saved().reason.is_none()).await;
    assert_eq!(store_state(&app).await["saved"], true);
    let kept = disk.store().messages(&talk.id).unwrap();
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().all(|message| message.status == Status::Complete));
    assert_eq!(kept[0].id, first.asked());
    assert!(disk.store().conversation(&talk.id).unwrap().pinned);
    assert_eq!(disk.store().attachment(&talk.id, &file).unwrap(), b"hello");
    assert_eq!(disk.store().messages(&other.id).unwrap().len(), 2);
    assert_eq!(talk.whole().await["tree"].as_array().unwrap().len(), 5);
    let list = app.get("/api/conversations").await.ok();
    assert_eq!((&list["total"], list["data"].as_array().unwrap().len()), (&json!(2), 2));
}

#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_an_answer_does_not_stop_it() {
    let disk = Arc::new(Disk::new());
    let app = App::over(disk.clone(), |_, _| {});
    let talk = app.talk("echo-slow?step_ms=10&pieces=120").await;
    let (stream, id) = talk.speaking(json!({"content": "go"})).await;
    disk.fill(true);
    until("it is noticed", || app.conversations.saved().reason.is_some()).await;
    disk.fill(false);
    let said = Said::of(&stream.rest().await);
    assert_eq!(said.text.split_whitespace().count(), 120);
    assert_eq!(said.all("saved", "saved").first(), Some(&json!(false)));
    until("it is written", || app.conversations.saved().reason.is_none()).await;
    assert_eq!(disk.store().message(&talk.id, &id).unwrap().content, said.text);
}

#[tokio::test]
async fn what_is_not_yet_written_is_tried_once_more_at_the_end() {
    let disk = Arc::new(Disk::new());
    let app = App::over(disk.clone(), |_, _| {});
    let talk = app.talk("echo").await;
    disk.fill(true);
    let said = talk.say(json!({"content": "last words"})).await;
    disk.fill(false);
    app.conversations.shut_down().await;
    assert_eq!(disk.store().message(&talk.id, said.id()).unwrap().content, "last words");
    app.post(&talk.path("/messages"), json!({"content": "x"})).await.refused(503, "shutting_down", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_a_full_disk_refused_is_there_and_is_written_when_there_is_room() {
    let disk = Arc::new(Disk::new());
    let app = App::over(disk.clone(), |_, _| {});
    let asked = json!({"prompt": "one", "columns": [{"model": "echo"}], "warmup": false, "quality": false});
    let compared = |exchange: crate::support::Exchange| exchange.chunks().pop().unwrap()["comparison"].clone();
    let before = compared(app.post("/api/compare", asked.clone()).await);
    disk.fill(true);
    let refused = compared(app.post("/api/compare", asked).await);
    let id = refused["id"].as_str().unwrap();
    let rename = json!({"title": "renamed"});
    app.patch(&format!("/api/compare/{}", before["id"].as_str().unwrap()), rename).await.ok();
    assert_eq!(store_state(&app).await["saved"], false);
    let list = app.get("/api/compare").await.ok();
    let titles: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| &one["title"]).collect();
    assert_eq!((&list["total"], titles), (&json!(2), vec![&json!("one"), &json!("renamed")]));
    assert!(disk.store().comparison(id).is_err());
    assert_eq!(disk.store().comparison(before["id"].as_str().unwrap()).unwrap().title, "one");
    app.delete(&format!("/api/compare/{id}")).await.refused(507, "disk_full", None);

    // Nobody asks for anything meanwhile.
    disk.fill(false);
    until("it is written", || app.conversations.saved().reason.is_none()).await;
    assert_eq!(disk.store().comparison(id).unwrap().results, refused["results"]);
    assert_eq!(disk.store().comparison(before["id"].as_str().unwrap()).unwrap().title, "renamed");
    assert_eq!(app.get("/api/compare").await.ok()["total"], 2);
}
