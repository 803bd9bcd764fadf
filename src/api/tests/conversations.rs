//! Conversations: creating, listing, changing, deleting, searching.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::App;

const LIST: &str = "/api/conversations";

fn titles(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|c| c["title"].as_str().unwrap()).collect()
}

async fn create(app: &App, body: Value) -> String {
    app.post(LIST, body).await.ok()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_conversation_is_as_it_was_created() {
    let app = App::start();
    let hostile = "<img src=x onerror=alert(1)> \u{202E}evil\u{202C} 👋 'q' \"";
    let body = json!({"title": hostile, "tags": [" a ", "b", "a", ""], "system_prompt": "Be kind.", "model": "echo",
        "parameters": {"temperature": 0.5, "stop": ["x"], "top_p": null}});
    let created = app.post(LIST, body).await.ok();
    assert_eq!((created["title"].as_str(), &created["title_is_given"]), (Some(hostile), &json!(true)));
    assert_eq!((&created["tags"], &created["messages"]), (&json!(["a", "b"]), &json!(0)));
    assert_eq!(created["parameters"], json!({"temperature": 0.5, "stop": ["x"]}));
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("conv_") && id.len() == 29, "{id}");
    let whole = app.get(&format!("{LIST}/{id}")).await.ok();
    assert_eq!((&whole["title"], &whole["tree"]), (&created["title"], &json!([])));
    let empty = app.post(LIST, json!({})).await.ok();
    assert_eq!((&empty["title"], &empty["title_is_given"]), (&json!(""), &json!(false)));
}

#[tokio::test]
async fn wrong_values_are_named() {
    let app = App::start();
    let id = create(&app, json!({})).await;
    let path = format!("{LIST}/{id}");
    for (body, param) in [
        (json!({"title": 5}), "title"),
        (json!({"title": "x".repeat(501)}), "title"),
        (json!({"tags": "a"}), "tags"),
        (json!({"tags": [1]}), "tags[0]"),
        (json!({"tags": ["a", "x".repeat(101)]}), "tags[1]"),
        (json!({"tags": vec!["a"; 51]}), "tags"),
        (json!({"model": {}}), "model"),
        (json!({"parameters": {"top_k": 1.5}}), "parameters.top_k"),
        (json!({"parameters": {"min_p": -1}}), "parameters.min_p"),
    ] {
        app.post(LIST, body.clone()).await.refused(400, "invalid_value", param);
        app.patch(&path, body).await.refused(400, "invalid_value", param);
    }
    app.patch(&path, json!({"current": "msg_x"})).await.refused(400, "invalid_value", "current");
    app.patch(&path, json!({"pinned": "yes"})).await.refused(400, "invalid_value", "pinned");
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("order=size", "order"),
        ("pinned=5", "pinned"),
    ] {
        app.get(&format!("{LIST}?{query}")).await.refused(400, "invalid_value", param);
    }
    app.get(&format!("{LIST}?after=conv_gone")).await.refused(404, "not_found", None);
}

#[tokio::test]
async fn a_stale_link_is_a_404_on_every_route() {
    let app = App::start();
    let known = create(&app, json!({"model": "echo"})).await;
    for (id, message) in [("conv_gone", "msg_gone"), (known.as_str(), "msg_gone")] {
        let path = format!("{LIST}/{id}/messages/{message}");
        for (method, path, body) in [
            (Method::PATCH, path.clone(), json!({"content": "x"})),
            (Method::DELETE, path.clone(), Value::Null),
            (Method::GET, format!("{path}/events"), Value::Null),
            (Method::POST, format!("{path}/stop"), json!({})),
            (Method::POST, format!("{path}/answer"), json!({})),
            (Method::POST, format!("{path}/continue"), json!({})),
            (Method::POST, format!("{LIST}/{id}/branch"), json!({"message": message})),
            (Method::GET, format!("{LIST}/{id}/attachments/file_gone"), Value::Null),
        ] {
            app.send(method, &path, &[], body.to_string()).await.refused(404, "not_found", None);
        }
    }
    for (method, rest, body) in [
        (Method::GET, "", Value::Null),
        (Method::PATCH, "", json!({"pinned": true})),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/title", json!({})),
        (Method::POST, "/messages", json!({"content": "x"})),
        (Method::GET, "/export", Value::Null),
    ] {
        let path = format!("{LIST}/conv_gone{rest}");
        app.send(method, &path, &[], body.to_string()).await.refused(404, "not_found", None);
    }
}

#[tokio::test]
async fn lists_are_paged_filtered_and_ordered() {
    let app = App::start();
    for (title, tag) in [("Cherry", "red"), ("apple", "red"), ("Banana", "yellow")] {
        create(&app, json!({"title": title, "tags": [tag], "model": "echo"})).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let list = async |query: &str| app.get(&format!("{LIST}?{query}")).await.ok();
    assert_eq!(titles(&list("").await), ["Banana", "apple", "Cherry"]);
    assert_eq!(titles(&list("order=title").await), ["apple", "Banana", "Cherry"]);
    assert_eq!(titles(&list("order=created&reverse=true").await), ["Cherry", "apple", "Banana"]);
    assert_eq!(titles(&list("tag=red").await), ["apple", "Cherry"]);
    let page = list("limit=2").await;
    assert_eq!((&page["has_more"], &page["total"], &page["object"]), (&json!(true), &json!(3), &json!("list")));
    let rest = list(&format!("limit=2&after={}", page["data"][1]["id"].as_str().unwrap())).await;
    assert_eq!((titles(&rest), &rest["has_more"]), (vec!["Cherry"], &json!(false)));
    let id = page["data"][0]["id"].as_str().unwrap();
    app.patch(&format!("{LIST}/{id}"), json!({"archived": true})).await.ok();
    assert_eq!(titles(&list("").await), ["apple", "Cherry"]);
    assert_eq!(titles(&list("archived=true").await), ["Banana"]);
    assert_eq!(titles(&list("model=other").await), Vec::<&str>::new());
    let tags = app.get("/api/conversations/tags").await.ok();
    assert_eq!(tags["data"][0], json!({"tag": "red", "count": 2}));
}

#[tokio::test]
async fn null_takes_away_and_absent_stays() {
    let app = App::start();
    let id = create(&app, json!({"system_prompt": "Be kind.", "model": "echo", "title": "T", "tags": ["a"]})).await;
    let path = format!("{LIST}/{id}");
    let changed = app.patch(&path, json!({"pinned": true, "tags": null})).await.ok();
    assert_eq!(
        (&changed["system_prompt"], &changed["pinned"], &changed["tags"]),
        (&json!("Be kind."), &json!(true), &json!(["a"]))
    );
    let changed = app.patch(&path, json!({"system_prompt": null, "model": null, "tags": []})).await.ok();
    assert_eq!(
        (&changed["system_prompt"], &changed["model"], &changed["tags"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!(changed["title"], "T");
}

#[tokio::test]
async fn a_title_is_suggested_once_and_a_given_one_stays() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let title = async |body: Value| app.post(&talk.path("/title"), body).await.ok()["title"].clone();
    assert_eq!(title(json!({})).await, "New chat");
    app.patch(&talk.path(""), json!({"title": ""})).await.ok();
    let said = talk.say(json!({"content": "# **What** is `Tern`? And why?"})).await;
    assert_eq!(said.conversation()["title"], "What is Tern?");
    app.patch(&talk.path(""), json!({"title": "Mine"})).await.ok();
    assert_eq!(talk.say(json!({"content": "something else entirely"})).await.conversation()["title"], "Mine");
    assert_eq!(title(json!({})).await, "Mine");
    assert_eq!(title(json!({"force": true})).await, "What is Tern?");
}

#[tokio::test]
async fn several_are_deleted_at_once() {
    let app = App::start();
    let (a, b) = (create(&app, json!({})).await, create(&app, json!({})).await);
    let kept = create(&app, json!({})).await;
    let body = json!({"ids": [a, "conv_gone", b]});
    assert_eq!(app.post("/api/conversations/delete", body).await.ok(), json!({"deleted": 2}));
    let list = app.get(LIST).await.ok();
    assert_eq!((&list["total"], &list["data"][0]["id"]), (&json!(1), &json!(kept)));
    app.post("/api/conversations/delete", json!({"ids": "all"})).await.refused(400, "invalid_value", "ids");
}

#[tokio::test]
async fn a_branch_is_a_copy_of_the_path() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let files = json!([{"name": "a.txt", "data": "aGVsbG8="}]);
    let one = talk.say(json!({"content": "one", "attachments": files})).await;
    talk.say(json!({"content": "two"})).await;
    talk.again(one.asked(), json!({"model": "echo-pieces"})).await;
    let copy = app.post(&talk.path("/branch"), json!({"message": one.id()})).await.ok();
    assert_eq!((&copy["messages"], &copy["title"]), (&json!(2), &one.conversation()["title"]));
    let id = copy["id"].as_str().unwrap();
    let tree = app.get(&format!("{LIST}/{id}")).await.ok()["tree"].clone();
    assert_eq!(tree[1]["content"], one.message()["content"]);
    assert_ne!(tree[1]["id"], one.id());
    assert_eq!(copy["current"], tree[1]["id"]);
    // It is a conversation of its own: the first may go.
    app.delete(&talk.path("")).await.ok();
    let file = tree[0]["attachments"][0]["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("{LIST}/{id}/attachments/{file}")).await.body, "hello");
}

#[tokio::test]
async fn a_text_is_changed_in_its_place() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let said = talk.say(json!({"content": "hi"})).await;
    let path = talk.path(&format!("/messages/{}", said.id()));
    let changed = app.patch(&path, json!({"content": "better <b>words</b>"})).await.ok();
    assert_eq!((&changed["content"], &changed["answer"]), (&json!("better <b>words</b>"), &said.message()["answer"]));
    assert_eq!(talk.message(said.id()).await, changed);
    app.patch(&path, json!({})).await.refused(400, "invalid_value", "content");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_store_is_described() {
    let app = App::with(|_, api| api.body_limit = 2000);
    let talk = app.talk("echo").await;
    let large = json!({"content": "x".repeat(3000)});
    app.post(&talk.path("/messages"), large).await.refused(413, "request_too_large", None);
    let import = "/api/conversations/import";
    let large = json!([{"mapping": {"a": {"message": {"author": {"role": "user"}, "content": {"parts": ["x".repeat(3000)]}}}}}]);
    app.post(import, large.clone()).await.refused(413, "request_too_large", None);
    // A file may be larger than a message, if it says so beforehand; not without end.
    let large = large.to_string();
    let declared = |length: usize| length.to_string();
    let taken = app.send(Method::POST, import, &[("content-length", &declared(large.len()))], large.clone()).await.ok();
    assert_eq!(taken["imported"].as_array().unwrap().len(), 1, "{taken}");
    let endless = app.send(Method::POST, import, &[("content-length", &declared(257 << 20))], large).await;
    endless.refused(413, "request_too_large", None);
    let state = app.get("/api/store").await.ok();
    assert_eq!((&state["saved"], &state["reason"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn the_server_says_what_it_runs_on() {
    let app = App::with(|registry, _| registry.memory_budget = 1 << 30);
    app.post("/api/models/load", json!({"model": "echo?weights_mb=100"})).await.ok();
    let info = app.get("/api/server").await.ok();
    assert_eq!((&info["threads"], &info["memory"]["budget_bytes"]), (&json!(1), &json!(1 << 30)));
    assert!(info["memory"]["used_bytes"].as_u64().unwrap() >= 100 << 20, "{info}");
    assert!(info["features"].as_array().unwrap().contains(&json!("chat")), "{info}");
}

#[tokio::test]
async fn models_of_the_folder_are_deleted_and_others_are_not() {
    let app = App::start();
    app.delete("/api/models/echo").await.refused(409, "model_not_deletable", None);
    app.delete("/api/models/nobody").await.refused(404, "model_not_found", "model");
}
