//! Responses that are kept: threads of the page, going on, joining, cancelling, deleting.

use std::sync::Arc;

use poem::http::Method;
use serde_json::{Value, json};
use tern_store::RedbStore;

use crate::{
    h_responses::{events, picture, text},
    support::{App, Event, Open, live::Live, stats, until, with},
};

fn ask(model: &str, input: impl Into<Value>) -> Value {
    json!({"model": model, "input": input.into(), "temperature": 0})
}

async fn create(app: &App, body: Value) -> Value {
    app.post("/v1/responses", body).await.ok()
}

fn path(response: &Value) -> String {
    format!("/v1/responses/{}", response["id"].as_str().unwrap())
}

/// The message that a response is.
fn message_of(response: &Value) -> String {
    response["id"].as_str().unwrap().replace("resp_", "msg_")
}

async fn conversation(app: &App, response: &Value) -> Value {
    app.get(&format!("/api/conversations/{}", response["conversation"]["id"].as_str().unwrap())).await.ok()
}

async fn count(app: &App) -> u64 {
    app.get("/api/conversations").await.ok()["total"].as_u64().unwrap()
}

/// A stream that has begun to speak, and its response.
async fn speaking(app: &App, body: Value) -> (Open, Value) {
    let mut open = app.open("/v1/responses", with(body, json!({"stream": true}))).await;
    let mut response = Value::Null;
    while let Some(event) = open.next().await {
        let Event::Data(data) = event else { continue };
        if data["type"] == "response.created" {
            response = data["response"].clone();
        }
        if data["type"] == "response.output_text.delta" {
            return (open, response);
        }
    }
    panic!("no word came: {}", open.request)
}

#[tokio::test]
async fn a_thread_begun_by_a_program_is_a_conversation_of_the_page() {
    let app = App::start();
    let first = create(&app, with(ask("echo", "How are birds? Tell me."), json!({"metadata": {"a": "b"}}))).await;
    assert_eq!(app.get(&path(&first)).await.ok(), first);
    let listed = app.get("/api/conversations").await.ok();
    assert_eq!((&listed["data"][0]["title"], &listed["data"][0]["model"]), (&json!("How are birds?"), &json!("echo")));
    assert_eq!(listed["data"][0]["id"], first["conversation"]["id"]);
    let tree = conversation(&app, &first).await["tree"].clone();
    assert_eq!((&tree[0]["role"], &tree[0]["content"]), (&json!("user"), &json!("How are birds? Tell me.")));
    assert_eq!((&tree[1]["id"], &tree[1]["status"]), (&json!(message_of(&first)), &json!("complete")));
    // The page goes on with it, and the program behind the page.
    let id = first["conversation"]["id"].as_str().unwrap();
    let said = app.post(&format!("/api/conversations/{id}/messages"), json!({"content": "And fish?"})).await.chunks();
    let answer = said.last().unwrap()["message"].clone();
    assert_eq!((&answer["content"], &said[0]["messages"][0]["parent"]), (&json!("And fish?"), &tree[1]["id"]));
    let page = answer["id"].as_str().unwrap();
    let shown = app.get(&format!("/v1/responses/resp_{page}")).await.ok();
    assert_eq!((text(&shown).as_str(), &shown["conversation"]["id"]), ("And fish?", &json!(id)));
    let behind = json!({"previous_response_id": shown["id"], "model": null});
    let last = create(&app, with(ask("echo", "Thanks"), behind)).await;
    assert_eq!((&last["previous_response_id"], &last["model"]), (&shown["id"], &json!("echo")));
    assert_eq!((&last["conversation"]["id"], count(&app).await), (&json!(id), 1));
    assert_eq!(conversation(&app, &first).await["current"], message_of(&last));
}

#[tokio::test]
async fn the_dialogue_goes_on_behind_a_response_without_its_instructions() {
    let app = App::start();
    let first = create(&app, with(ask("echo", "one"), json!({"instructions": "Be brief."}))).await;
    let rendered = async |messages: Value| {
        app.post("/v1/chat/render", json!({"model": "echo", "messages": messages})).await.ok()["count"].clone()
    };
    let behind = json!({"previous_response_id": first["id"]});
    let second = create(&app, with(ask("echo", "two"), behind.clone())).await;
    let dialogue = json!([{"role": "user", "content": "one"}, {"role": "assistant", "content": "one"},
        {"role": "user", "content": "two"}]);
    assert_eq!(second["usage"]["input_tokens"], rendered(dialogue.clone()).await);
    let instructed = with(ask("echo", "two"), with(behind, json!({"instructions": "Be long."})));
    let mut with_system = dialogue.as_array().unwrap().clone();
    with_system.insert(0, json!({"role": "system", "content": "Be long."}));
    let counted = app.post("/v1/responses/input_tokens", instructed.clone()).await.ok();
    assert_eq!(counted["input_tokens"], rendered(json!(with_system)).await);
    // Two answers behind one are branches.
    create(&app, instructed).await;
    // Nothing new need be said, but what is asked for is checked all the same.
    let again = json!({"previous_response_id": first["id"], "store": false, "temperature": 0});
    assert_eq!(text(&create(&app, again.clone()).await), "one");
    let none = with(again, json!({"max_output_tokens": 0}));
    app.post("/v1/responses", none).await.refused(400, "invalid_value", "max_output_tokens");
    let tree = conversation(&app, &first).await["tree"].clone();
    let below = tree.as_array().unwrap().iter().filter(|m| m["parent"] == message_of(&first)).count();
    assert_eq!((tree.as_array().unwrap().len(), below), (6, 2));
}

#[tokio::test]
async fn a_conversation_is_gone_on_with_by_its_id() {
    let app = App::start();
    let talk = app.talk("echo").await;
    app.patch(&talk.path(""), json!({"system_prompt": "Be kind."})).await.ok();
    for (number, param) in [json!(talk.id), json!({"id": talk.id})].into_iter().enumerate() {
        let body = json!({"input": format!("number {number}"), "conversation": param, "temperature": 0});
        let response = create(&app, body).await;
        assert_eq!((&response["conversation"]["id"], &response["model"]), (&json!(talk.id), &json!("echo")));
        assert_eq!(response["previous_response_id"], Value::Null);
    }
    let tree = talk.whole().await["tree"].clone();
    assert_eq!((tree.as_array().unwrap().len(), &tree[2]["parent"]), (4, &tree[1]["id"]));
    let both = json!({"input": "x", "conversation": talk.id, "previous_response_id": "resp_x"});
    app.post("/v1/responses", both).await.refused(400, "invalid_value", "previous_response_id");
}

#[tokio::test]
async fn a_dialogue_that_is_sent_whole_each_time_stays_one_conversation() {
    let app = App::start();
    let mut input =
        vec![json!({"role": "developer", "content": "Be brief."}), json!({"role": "user", "content": "one"})];
    let first = create(&app, ask("echo", json!(input))).await;
    input.extend(first["output"].as_array().unwrap().iter().cloned());
    input.push(
        json!({"role": "user", "content": [{"type": "input_text", "text": "tw"}, {"type": "input_text", "text": "o"}]}),
    );
    let second = create(&app, ask("echo", json!(input))).await;
    assert_eq!((&second["conversation"], &second["previous_response_id"]), (&first["conversation"], &Value::Null));
    input.push(json!({"type": "item_reference", "id": second["output"][0]["id"]}));
    input.push(json!({"role": "user", "content": "three"}));
    let third = create(&app, ask("echo", json!(input))).await;
    let tree = conversation(&app, &first).await["tree"].clone();
    let contents: Vec<_> = tree.as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["Be brief.", "one", "one", "two", "two", "three", "three"]);
    let own = app.get(&format!("{}/input_items", path(&third))).await.ok();
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    // One whose beginning is another is another conversation.
    input[1]["content"] = json!("eins");
    let other = create(&app, ask("echo", json!(input))).await;
    assert_ne!(other["conversation"], first["conversation"]);
    assert_eq!(conversation(&app, &other).await["tree"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn store_false_keeps_nothing() {
    let app = App::start();
    let response = create(&app, with(ask("echo", "hi"), json!({"store": false}))).await;
    assert_eq!(count(&app).await, 0);
    app.get(&path(&response)).await.refused(404, "response_not_found", None);
    // But it may go on behind what is kept.
    let kept = create(&app, ask("echo", "one")).await;
    let behind = json!({"previous_response_id": kept["id"], "store": false});
    create(&app, with(ask("echo", "two"), behind)).await;
    assert_eq!(conversation(&app, &kept).await["tree"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn calls_and_their_results_are_kept_and_shown() {
    let app = App::start();
    let history = json!([
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs_x", "summary": [], "content": [{"type": "reasoning_text", "text": "Look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
        {"role": "user", "content": "Thanks"}
    ]);
    let first = create(&app, ask("echo", history)).await;
    let tree = conversation(&app, &first).await["tree"].clone();
    let roles: Vec<_> = tree.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user", "assistant"]);
    assert_eq!(tree[1]["tool_calls"], json!([{"id": "call_1", "name": "look", "arguments": "{\"a\":1}"}]));
    assert_eq!((&tree[2]["tool_call_id"], &tree[2]["content"]), (&json!("call_1"), &json!("sun")));
    // What the model is given later is the same dialogue.
    let behind = with(ask("echo", "Bye"), json!({"previous_response_id": first["id"]}));
    let counted = app.post("/v1/responses/input_tokens", behind).await.ok();
    let messages = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "reasoning_content": "Look.", "tool_calls":
            [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "Thanks"},
        {"role": "user", "content": "Bye"}
    ]);
    let rendered = app.post("/v1/chat/render", json!({"model": "echo", "messages": messages})).await.ok();
    assert_eq!(counted["input_tokens"], rendered["count"]);
    // As items.
    let items = app.get(&format!("{}/input_items?order=asc", path(&first))).await.ok();
    let kinds: Vec<_> = items["data"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "reasoning", "function_call", "function_call_output", "message"]);
    let (call, output) = (&items["data"][2], &items["data"][3]);
    assert_eq!(
        (&call["name"], &call["arguments"], &call["call_id"]),
        (&json!("look"), &json!("{\"a\":1}"), &output["call_id"])
    );
    assert_eq!(output["output"], "sun");
    // They can be named, each by its id.
    let references: Vec<_> = items["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| json!({"type": "item_reference", "id": item["id"]}))
        .collect();
    let counted = app.post("/v1/responses/input_tokens", ask("echo", json!(references))).await.ok();
    assert_eq!(counted["input_tokens"], first["usage"]["input_tokens"]);
    // The page exports them.
    let id = first["conversation"]["id"].as_str().unwrap();
    let markdown = app.get(&format!("/api/conversations/{id}/export?format=markdown")).await;
    assert!(markdown.body.contains("look({\"a\":1})") && markdown.body.contains("## Tool\n\nsun"), "{markdown}");
}

#[tokio::test]
async fn input_items_are_paged() {
    let app = App::start();
    let input: Vec<_> = (0..5).map(|number| json!({"role": "user", "content": format!("number {number}")})).collect();
    let first = create(&app, ask("echo", json!(input))).await;
    let page = async |query: &str| app.get(&format!("{}/input_items{query}", path(&first))).await.ok();
    let texts = |page: &Value| -> Vec<String> {
        let items = page["data"].as_array().unwrap().iter();
        items.map(|item| item["content"][0]["text"].as_str().unwrap().replace("number ", "")).collect()
    };
    assert_eq!(texts(&page("").await), ["4", "3", "2", "1", "0"]);
    let two = page("?order=asc&limit=2").await;
    assert_eq!((texts(&two), &two["has_more"]), (vec!["0".into(), "1".into()], &json!(true)));
    assert_eq!((&two["first_id"], &two["last_id"]), (&two["data"][0]["id"], &two["data"][1]["id"]));
    let rest = page(&format!("?order=asc&limit=3&after={}", two["last_id"].as_str().unwrap())).await;
    assert_eq!((texts(&rest), &rest["has_more"]), (vec!["2".into(), "3".into(), "4".into()], &json!(false)));
    for (query, param) in
        [("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order"), ("after=msg_x", "after")]
    {
        app.get(&format!("{}/input_items?{query}", path(&first))).await.refused(400, "invalid_value", param);
    }
    // Of what goes on behind it only its own.
    let second = create(&app, with(ask("echo", "more"), json!({"previous_response_id": first["id"]}))).await;
    let own = app.get(&format!("{}/input_items", path(&second))).await.ok();
    assert_eq!(own["data"][0]["content"][0]["text"], "more");
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn images_are_kept_at_their_places() {
    let app = App::start();
    let parts = json!([{"type": "input_text", "text": "This "}, {"type": "input_image", "image_url": picture(64, 32)},
        {"type": "input_text", "text": "and that "}, {"type": "input_image", "image_url": picture(10, 20)}]);
    let first = create(&app, ask("echo-vision", json!([{"role": "user", "content": parts}]))).await;
    let items = app.get(&format!("{}/input_items", path(&first))).await.ok();
    let kept = items["data"][0]["content"].as_array().unwrap();
    let shown: Vec<_> = kept.iter().map(|part| part["text"].as_str().or(part["image_url"].as_str()).unwrap()).collect();
    assert_eq!(shown, ["This ", &picture(64, 32), "and that ", &picture(10, 20)]);
    let behind = json!({"previous_response_id": first["id"]});
    let second = create(&app, with(ask("echo-vision", "Again?"), behind.clone())).await;
    assert_eq!(text(&second), "2 images: 64x32, 10x20.");
    // The prompt is the same as before, image by image: all of it is in the cache.
    let cached = second["usage"]["input_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached >= first["usage"]["input_tokens"].as_u64().unwrap(), "{second}");
    // A model that cannot see is told where they were.
    assert_eq!(text(&create(&app, with(ask("echo", "And you?"), behind)).await), "And you?");
    let file = &conversation(&app, &first).await["tree"][0]["attachments"][0];
    assert_eq!((&file["media_type"], &file["name"]), (&json!("image/bmp"), &json!("image.bmp")));
}

#[tokio::test]
async fn a_background_response_goes_on_alone_and_is_joined() {
    let app = App::start();
    let body = with(ask("echo-slow?step_ms=4&pieces=60", "go"), json!({"background": true}));
    let begun = create(&app, body.clone()).await;
    assert_eq!((&begun["status"], &begun["background"]), (&json!("in_progress"), &json!(true)));
    let joined = app.get(&format!("{}?stream=true", path(&begun))).await;
    let whole = events(&joined);
    assert_eq!(whole.last().unwrap()["type"], "response.completed");
    assert_eq!(whole[0]["response"]["id"], begun["id"]);
    assert_eq!(app.get(&path(&begun)).await.ok(), whole.last().unwrap()["response"]);
    // From the middle, and from behind the end: the last event is always sent.
    for seen in [0, 7, whole.len() - 2] {
        let rest = app.get(&format!("{}?stream=true&starting_after={seen}", path(&begun))).await;
        assert_eq!(events(&rest), whole[seen + 1..], "behind {seen}");
    }
    let rest = app.get(&format!("{}?stream=true&starting_after=9999", path(&begun))).await;
    assert_eq!(events(&rest), whole[whole.len() - 1..]);
    // One whose client streams and leaves.
    let (open, begun) = speaking(&app, body).await;
    drop(open);
    let joined = events(&app.get(&format!("{}?stream=true&starting_after=3", path(&begun))).await);
    assert_eq!(
        (&joined[0]["sequence_number"], &joined.last().unwrap()["type"]),
        (&json!(4), &json!("response.completed"))
    );
    let refused = json!({"background": true, "store": false});
    app.post("/v1/responses", with(ask("echo", "hi"), refused)).await.refused(400, "invalid_value", "background");
}

#[tokio::test]
async fn of_one_that_ended_long_ago_the_events_are_made_anew() {
    let app = App::start();
    let talk = app.talk("echo-reasoning").await;
    // Nobody kept the events of an answer of the page.
    let said = talk.say(json!({"content": "2 + 2?"})).await;
    let made = events(&app.get(&format!("/v1/responses/resp_{}?stream=true", said.id())).await);
    let kinds: Vec<_> = made.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| kind.ends_with(".delta")).count(), 2, "{kinds:?}");
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("response.created", "response.completed"));
    assert_eq!(text(&made.last().unwrap()["response"]), "The answer is 4.");
    let behind = format!("/v1/responses/{}?stream=true&starting_after=9999", said.id());
    assert_eq!(events(&app.get(&behind).await).len(), 1);
    // One that the page is still writing is told when it has ended.
    let (_stream, id) = talk.speaking(json!({"content": "go", "model": "echo-slow?step_ms=2"})).await;
    let told = events(&app.get(&format!("/v1/responses/{id}?stream=true")).await);
    assert_eq!(text(&told.last().unwrap()["response"]).split_whitespace().count(), 50);
}

#[tokio::test]
async fn a_cancelled_response_keeps_what_it_has() {
    let app = App::start();
    let (open, begun) = speaking(&app, with(ask("echo-long", "go"), json!({"background": true}))).await;
    let running = app.get(&path(&begun)).await.ok();
    assert_eq!(running["status"], "in_progress");
    assert!(!text(&running).is_empty(), "{running}");
    let behind = with(ask("echo", "x"), json!({"previous_response_id": begun["id"]}));
    app.post("/v1/responses", behind.clone()).await.refused(400, "response_in_progress", "previous_response_id");
    let by_conversation = with(ask("echo", "x"), json!({"conversation": begun["conversation"]}));
    app.post("/v1/responses", by_conversation).await.refused(400, "response_in_progress", "conversation");
    let cancelled = app.post(&format!("{}/cancel", path(&begun)), json!({})).await.ok();
    assert_eq!((&cancelled["status"], &cancelled["output"][0]["status"]), (&json!("cancelled"), &json!("incomplete")));
    let last = events(&open.rest().await).pop().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("cancelled")));
    assert_eq!(text(&last["response"]), text(&cancelled));
    assert_eq!(app.post(&format!("{}/cancel", path(&begun)), json!({})).await.ok(), cancelled);
    until("nobody runs", || app.stats("echo-long").running == 0).await;
    assert_eq!(text(&create(&app, behind).await), "x", "it can be gone on with now");
    // The page's own stop is the same.
    let (open, begun) = speaking(&app, ask("echo-long", "go")).await;
    let id = begun["conversation"]["id"].as_str().unwrap();
    app.post(&format!("/api/conversations/{id}/messages/{}/stop", message_of(&begun)), json!({})).await.ok();
    assert_eq!(events(&open.rest().await).pop().unwrap()["response"]["status"], "cancelled");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_response_and_the_rest_is_kept() {
    let app = App::start();
    let (open, begun) = speaking(&app, ask("echo-long", "go")).await;
    drop(open);
    until("nobody runs", || app.stats("echo-long").running == 0).await;
    let kept = events(&app.get(&format!("{}?stream=true&starting_after=3", path(&begun))).await).pop().unwrap();
    assert_eq!(
        (&kept["response"]["status"], &kept["response"]["incomplete_details"]),
        (&json!("incomplete"), &Value::Null)
    );
    let message = conversation(&app, &begun).await["tree"][1].clone();
    assert_eq!((&message["status"], message["content"].as_str().unwrap().is_empty()), (&json!("interrupted"), false));
    // One that waits for JSON, over a real socket.
    let live = Live::start(|_| {}).await;
    let socket = live.send("/v1/responses", &ask("echo-long", "go")).await;
    until("it runs", || stats(&live.registry, "echo-long").running == 1).await;
    drop(socket);
    until("it ends", || stats(&live.registry, "echo-long").running == 0).await;
    live.shut_down().await;
}

#[tokio::test]
async fn deleting_takes_what_was_said_for_it_and_spares_what_follows() {
    let app = App::start();
    let gone = async |response: &Value| {
        app.get(&path(response)).await.refused(404, "response_not_found", None);
        app.send(Method::DELETE, &path(response), &[], "").await.refused(404, "response_not_found", None);
        let behind = with(ask("echo", "x"), json!({"previous_response_id": response["id"]}));
        app.post("/v1/responses", behind).await.refused(400, "previous_response_not_found", "previous_response_id");
    };
    let delete = async |response: &Value| {
        let deleted = app.delete(&path(response)).await.ok();
        assert_eq!(deleted, json!({"id": response["id"], "object": "response", "deleted": true}));
    };
    // All of a thread.
    let only =
        create(&app, ask("echo", json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]))).await;
    delete(&only).await;
    gone(&only).await;
    assert_eq!(count(&app).await, 0);
    // The first of two: the second stays, without its words.
    let first = create(&app, ask("echo", "one")).await;
    let second = create(&app, with(ask("echo", "two"), json!({"previous_response_id": first["id"]}))).await;
    delete(&first).await;
    gone(&first).await;
    let tree = conversation(&app, &second).await["tree"].clone();
    assert_eq!((tree.as_array().unwrap().len(), &tree[1]["content"]), (4, &json!("")));
    assert_eq!(app.get(&path(&second)).await.ok()["output"], second["output"]);
    // With the second the rest goes.
    delete(&second).await;
    assert_eq!(count(&app).await, 0);
    // One of two branches.
    let first = create(&app, ask("echo", "one")).await;
    let behind = json!({"previous_response_id": first["id"]});
    let left = create(&app, with(ask("echo", "left"), behind.clone())).await;
    create(&app, with(ask("echo", "right"), behind)).await;
    delete(&left).await;
    let tree = conversation(&app, &first).await["tree"].clone();
    let contents: Vec<_> = tree.as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["one", "one", "right", "right"]);
    // An answer of the page: its question is a person's.
    let talk = app.talk("echo").await;
    let said = talk.say(json!({"content": "hi"})).await;
    app.delete(&format!("/v1/responses/{}", said.id())).await.ok();
    assert_eq!(talk.whole().await["tree"].as_array().unwrap().len(), 1);
    // One that runs.
    let (open, begun) = speaking(&app, with(ask("echo-long", "go"), json!({"background": true}))).await;
    delete(&begun).await;
    assert_eq!(events(&open.rest().await).pop().unwrap()["response"]["status"], "cancelled");
    gone(&begun).await;
}

#[tokio::test]
async fn unknown_ids_are_a_404_on_every_route() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let said = talk.say(json!({"content": "hi"})).await;
    // What a person said is no response.
    for id in ["resp_gone", "resp_0123456789abcdef01234567", said.asked(), "%00", "resp_"] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::GET, "?stream=true"),
            (Method::DELETE, ""),
            (Method::POST, "/cancel"),
            (Method::GET, "/input_items"),
        ] {
            let path = format!("/v1/responses/{id}{rest}");
            app.send(method, &path, &[], "").await.refused(404, "response_not_found", None);
        }
    }
}

#[tokio::test]
async fn responses_outlast_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let open = || App::over(Arc::new(RedbStore::open(folder.path()).unwrap()), |_, _| {});
    let app = open();
    let more = json!({"instructions": "Be brief.", "metadata": {"a": "b"}});
    let first = create(&app, with(ask("echo", "one"), more)).await;
    let (stream, begun) = speaking(&app, with(ask("echo-long", "go"), json!({"background": true}))).await;
    app.conversations.shut_down().await;
    let last = events(&stream.rest().await).pop().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("incomplete")));
    drop(app);
    let app = open();
    assert_eq!(app.get(&path(&first)).await.ok(), first);
    assert_eq!(app.get(&path(&begun)).await.ok()["status"], "incomplete");
    let second = create(&app, with(ask("echo", "two"), json!({"previous_response_id": first["id"]}))).await;
    assert_eq!(second["conversation"]["id"], first["conversation"]["id"]);
}
