//! Answers in conversations: streams, joining, stopping, going on, branches, failures.

use std::{collections::HashSet, time::Duration};

use poem::http::Method;
use serde_json::{Value, json};
use tern_store::ConversationStore;

use crate::support::{
    App, Event,
    live::{Live, read_until},
    numbered_events, stats,
    talk::Said,
    until, with,
};

fn says(text: &str) -> Value {
    json!({ "content": text })
}

/// Says the same each time, whatever the server's default.
fn greedy() -> Value {
    json!({"content": "go on", "parameters": {"temperature": 0}})
}

#[tokio::test]
async fn a_message_is_stored_answered_and_named() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let said = talk.say(says("Two and two? I wonder.")).await;
    let first = &said.events[0];
    assert_eq!(first["type"], "messages");
    let [user, answer] = &first["messages"].as_array().unwrap()[..] else { panic!("{first}") };
    assert_eq!((&user["role"], &user["content"]), (&json!("user"), &json!("Two and two? I wonder.")));
    assert_eq!((&answer["status"], &answer["parent"]), (&json!("generating"), &user["id"]));
    assert_eq!((&first["conversation"]["title"], &first["conversation"]["current"]), (&json!(""), &answer["id"]));
    assert_eq!(said.text, "Two and two? I wonder.");
    let end = said.message();
    assert_eq!((&end["content"], &end["status"]), (&json!(said.text), &json!("complete")));
    assert_eq!(said.conversation()["title"], "Two and two?");
    let made = &end["answer"];
    assert_eq!(
        (&made["model"], &made["engine"], &made["finish_reason"]),
        (&json!("echo"), &json!("echo"), &json!("stop"))
    );
    assert_eq!(made["parameters"], json!({"temperature": 0.0}));
    assert!(made["usage"]["completion_tokens"].as_u64().unwrap() > 3, "{made}");
    let times = &made["timings"];
    assert!(times["total_ms"].as_f64() >= times["first_token_ms"].as_f64(), "{times}");
    assert!(times["first_token_ms"].as_f64().unwrap() > 0.0, "{times}");
    // What was sent is what is kept.
    let whole = talk.whole().await;
    assert_eq!(whole["tree"].as_array().unwrap().len(), 2);
    assert_eq!(whole["tree"][1], *end);
    assert_eq!((&whole["messages"], &whole["title"]), (&json!(2), &json!("Two and two?")));
}

#[tokio::test]
async fn the_dialogue_is_what_the_branch_says() {
    let app = App::start();
    let talk = app.talk("echo").await;
    app.patch(&talk.path(""), json!({"system_prompt": "Be brief."})).await.ok();
    talk.say(says("one")).await;
    let second = talk.say(says("two")).await;
    let count = |said: &Said| said.message()["answer"]["usage"]["prompt_tokens"].as_u64().unwrap();
    // The same dialogue by the other door has as many tokens.
    let messages = json!([
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "one"},
        {"role": "assistant", "content": "one"}, {"role": "user", "content": "two"}
    ]);
    let rendered = app.post("/v1/chat/render", json!({"model": "echo", "messages": messages})).await.ok();
    assert_eq!(count(&second), rendered["count"].as_u64().unwrap());
}

#[tokio::test]
async fn states_say_what_is_being_done() {
    let app = App::with(|registry, _| registry.batch_size = 16);
    let talk = app.talk("echo-slowload?load_ms=400").await;
    let said = talk.say(says("hello there")).await;
    let states = said.all("state", "state");
    assert_eq!((states.first(), states.last()), (Some(&json!("loading")), Some(&json!("writing"))), "{states:?}");
    assert!(said.message()["answer"]["timings"]["load_ms"].as_f64().unwrap() >= 300.0);

    let long = with(says(&"word ".repeat(100)), json!({"model": "echo-stall?prefill_ms=30"}));
    app.post("/api/models/load", json!({"model": "echo-stall?prefill_ms=30"})).await.ok();
    let said = talk.say(long).await;
    let shares: Vec<f64> = said.all("state", "share").iter().filter_map(Value::as_f64).collect();
    // A slow reader may miss some: of states in a row only the last is told.
    assert!(shares.len() > 1 && shares.is_sorted() && shares.last() > Some(&0.5), "{shares:?}");
    assert!(said.all("state", "state").contains(&json!("prefill")));
    assert_eq!(said.message()["answer"]["timings"]["load_ms"], 0.0);

    let said = talk.say(with(says("2 + 2"), json!({"model": "echo-reasoning"}))).await;
    assert_eq!(said.text, "The answer is 4.");
    assert!(said.reasoning.contains("wants a sum"), "{}", said.reasoning);
    let states = said.all("state", "state");
    assert!(states.ends_with(&[json!("thinking"), json!("writing")]), "{states:?}");
    assert_eq!(said.message()["reasoning"], said.reasoning);
    assert!(said.message()["answer"]["usage"]["reasoning_tokens"].as_u64().unwrap() > 5);
}

#[tokio::test]
async fn whoever_joins_from_anywhere_hears_the_same() {
    let app = App::start();
    let talk = app.talk("echo-slow?step_ms=4&pieces=60").await;
    let (first, id) = talk.speaking(says("go")).await;
    let mut joined = talk.join(&id, 0).await;
    assert_eq!(joined.next().await.unwrap().data().unwrap()["type"], "messages");
    // From the middle: what the first client has seen so far is not sent again.
    let whole = first.rest().await;
    let numbered = numbered_events(&whole.body);
    let text_from = |events: &[(Option<u64>, Event)], after: u64| -> String {
        let later = events.iter().filter(|(number, _)| number.is_some_and(|number| number > after));
        later.filter_map(|(_, event)| event.data()?["text"].as_str().map(str::to_owned)).collect()
    };
    let numbers: Vec<u64> = numbered.iter().filter_map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted() && numbers.len() > 10, "{numbers:?}");
    let joined = Said::of(&joined.rest().await);
    assert_eq!(joined.text, Said::of(&whole).text);
    for place in [numbers[2], numbers[numbers.len() / 2], numbers[numbers.len() - 2]] {
        let rest = talk.join(&id, place).await.rest().await;
        assert_eq!(text_from(&numbered_events(&rest.body), place), text_from(&numbered, place), "behind {place}");
    }
    // As a browser does it by itself.
    let headers = [("last-event-id", numbers[3].to_string())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = talk.path(&format!("/messages/{id}/events"));
    let rest = app.send(Method::GET, &path, &headers, "").await;
    assert_eq!(text_from(&numbered_events(&rest.body), numbers[3]), text_from(&numbered, numbers[3]));
    // A number from before a restart gives everything.
    assert_eq!(Said::of(&talk.join(&id, 1_000_000).await.rest().await).text, joined.text);
}

#[tokio::test]
async fn of_an_answer_that_ended_long_ago_there_is_the_end() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let said = talk.say(says("hi")).await;
    let asked = talk.join(said.asked(), 7).await.rest().await;
    let numbered = numbered_events(&asked.body);
    assert_eq!(numbered[0].0, Some(8));
    assert_eq!(Said::of(&asked).message()["content"], "hi");
}

#[tokio::test]
async fn a_client_that_vanishes_does_not_stop_the_answer() {
    let live = Live::start(|_| {}).await;
    let created =
        read_until(&mut live.send("/api/conversations", &json!({"model": "echo-slow"})).await, "\"messages\"").await;
    let id = created.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut socket = live.send(&format!("/api/conversations/{id}/messages"), &greedy()).await;
    read_until(&mut socket, " of").await;
    drop(socket);
    until("it is finished", || stats(&live.registry, "echo-slow").completed == 1).await;
    assert_eq!(stats(&live.registry, "echo-slow").cancelled, 0);
    let store = live.conversations.store();
    until("it is kept", || store.messages(&id).unwrap()[1].status == tern_store::Status::Complete).await;
    assert_eq!(store.messages(&id).unwrap()[1].content.split_whitespace().count(), 50);
    live.shut_down().await;
}

#[tokio::test]
async fn a_shutdown_keeps_what_was_said_and_it_can_be_continued() {
    let live = Live::start(|_| {}).await;
    let created =
        read_until(&mut live.send("/api/conversations", &json!({"model": "echo-long"})).await, "\"messages\"").await;
    let id = created.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut socket = live.send(&format!("/api/conversations/{id}/messages"), &greedy()).await;
    read_until(&mut socket, " of").await;
    let store = live.conversations.store();
    let ended = tokio::spawn(live.shut_down());
    let rest = read_until(&mut socket, "data: [DONE]").await;
    assert!(rest.contains("\"status\":\"interrupted\""), "{rest}");
    ended.await.unwrap();
    let answer = &store.messages(&id).unwrap()[1];
    assert_eq!(answer.status, tern_store::Status::Interrupted);
    assert!(answer.content.starts_with(" the of") || answer.content.starts_with("the of"), "{}", answer.content);
}

#[tokio::test]
async fn stopping_keeps_the_text_frees_the_model_and_lets_it_go_on() {
    let app = App::start();
    let talk = app.talk("echo-long").await;
    let (stream, id) = talk.speaking(says("go")).await;
    let stopped = talk.stop(&id).await;
    assert_eq!(stopped["status"], "stopped");
    let text = stopped["content"].as_str().unwrap();
    assert!(text.contains("the"), "{text}");
    let said = Said::of(&stream.rest().await);
    assert_eq!((said.text.as_str(), said.message()), (text, &stopped));
    assert!(stopped["answer"]["usage"]["completion_tokens"].as_u64().unwrap() >= 1, "{stopped}");
    until("nobody runs", || app.stats("echo-long").running == 0).await;
    // A second stop changes nothing.
    assert_eq!(talk.stop(&id).await, stopped);

    let parameters = json!({"parameters": {"max_tokens": 5}});
    let gone_on = talk.go_on(&id, parameters).await;
    assert_eq!((gone_on.id(), &gone_on.events[0]["messages"][0]["content"]), (&*id, &stopped["content"]));
    let whole = gone_on.message()["content"].as_str().unwrap();
    assert_eq!(whole, format!("{text}{}", gone_on.text));
    assert_eq!(gone_on.text.split_whitespace().count(), 5);
    assert_eq!(gone_on.message()["answer"]["finish_reason"], "length");
    assert!(
        gone_on.message()["answer"]["usage"]["completion_tokens"].as_u64().unwrap()
            >= stopped["answer"]["usage"]["completion_tokens"].as_u64().unwrap() + 5
    );
    // Cut off at max_tokens: goes on once more. The tree has not grown.
    talk.go_on(&id, json!({"parameters": {"max_tokens": 2}})).await;
    assert_eq!(talk.whole().await["tree"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stop_while_the_model_loads_or_others_run_ends_at_once() {
    let app = App::with(|registry, _| registry.parallel = 1);
    let talk = app.talk("echo-slowload?load_ms=60000").await;
    let mut stream = talk.open(says("never")).await;
    let first = stream.next().await.unwrap();
    let id = first.data().unwrap()["messages"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(talk.stop(&id).await["status"], "stopped");
    Said::of(&stream.rest().await);

    let running = app.speaking(crate::support::ask("echo-long", "go")).await;
    let other = app.talk("echo-long").await;
    let mut queued = other.open(says("wait")).await;
    let mut id = String::new();
    loop {
        let event = queued.next().await.unwrap();
        let data = event.data().unwrap();
        if data["type"] == "messages" {
            id = data["messages"][1]["id"].as_str().unwrap().to_owned();
        }
        if data["state"] == "queued" {
            break;
        }
    }
    assert_eq!(other.stop(&id).await["status"], "stopped");
    until("nobody waits", || app.stats("echo-long").waiting == 0).await;
    drop(running);
}

#[tokio::test]
async fn only_what_is_not_complete_goes_on() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let said = talk.say(says("hi")).await;
    let path = |id: &str| talk.path(&format!("/messages/{id}/continue"));
    app.post(&path(said.id()), json!({})).await.refused(409, "answer_complete", None);
    app.post(&path(said.asked()), json!({})).await.refused(400, "invalid_value", "message");
    let (_stream, id) = talk.speaking(json!({"content": "go", "model": "echo-long"})).await;
    app.post(&path(&id), json!({})).await.refused(409, "answer_running", None);
    app.patch(&talk.path(&format!("/messages/{id}")), says("x")).await.refused(409, "answer_running", None);
    talk.stop(&id).await;
}

#[tokio::test]
async fn regenerating_with_another_model_makes_a_branch() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let first = talk.say(says("hi")).await;
    let second = talk.again(first.asked(), json!({"model": "echo-pieces", "parameters": {"seed": 7}})).await;
    assert_eq!(second.text, "Hello from the echo engine: one, two, three.");
    assert_eq!(second.events[0]["messages"].as_array().unwrap().len(), 1, "the person's message is not new");
    assert_eq!((second.asked(), second.conversation()["current"].as_str()), (first.asked(), Some(second.id())));
    assert_eq!(second.message()["answer"]["parameters"]["seed"], 7);
    assert_eq!(second.conversation()["model"], "echo", "one answer by another model is no change of the conversation");
    let tree = talk.whole().await["tree"].clone();
    assert_eq!(tree.as_array().unwrap().len(), 3);
    let refused = app.post(&talk.path(&format!("/messages/{}/answer", first.id())), json!({})).await;
    refused.refused(400, "invalid_value", "message");
}

#[tokio::test]
async fn an_edited_message_is_a_branch_and_the_old_one_stays() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let one = talk.say(says("one")).await;
    let two = talk.say(says("two")).await;
    let edited = talk.say(json!({"content": "zwei", "parent": one.id(), "edit": true})).await;
    let root = talk.say(json!({"content": "eins", "parent": null, "edit": true})).await;
    let tree = talk.whole().await["tree"].clone();
    let parents: Vec<_> = tree.as_array().unwrap().iter().map(|m| (&m["content"], &m["parent"])).collect();
    assert!(
        parents.contains(&(&json!("two"), &json!(one.id()))) && parents.contains(&(&json!("zwei"), &json!(one.id())))
    );
    assert!(parents.contains(&(&json!("eins"), &Value::Null)) && parents.contains(&(&json!("one"), &Value::Null)));
    assert_eq!(root.conversation()["current"], root.id());
    // Back to another branch, and on from there.
    app.patch(&talk.path(""), json!({"current": two.id()})).await.ok();
    let next = talk.say(says("three")).await;
    assert_eq!(talk.message(next.asked()).await["parent"], two.id());
    assert_ne!(edited.asked(), two.asked());
    app.post(&talk.path("/messages"), json!({"content": "x", "edit": true})).await.refused(
        400,
        "missing_required_parameter",
        "parent",
    );
}

#[tokio::test]
async fn two_windows_that_write_at_once_make_two_branches() {
    let app = App::start();
    let talk = app.talk("echo").await;
    let start = talk.say(says("start")).await;
    let (a, b) = tokio::join!(
        talk.say(json!({"content": "from A", "parent": start.id()})),
        talk.say(json!({"content": "from B", "parent": start.id()}))
    );
    assert_eq!((a.text.as_str(), b.text.as_str()), ("from A", "from B"));
    // The one shows a branch whose answer is still being written; the other does not wait for it.
    let (stream, id) = talk.speaking(json!({"content": "slowly", "model": "echo-long", "parent": start.id()})).await;
    let beside = talk.say(json!({"content": "meanwhile", "model": "echo"})).await;
    assert_eq!(talk.message(beside.asked()).await["parent"], start.id());
    let below = app.post(&talk.path("/messages"), json!({"content": "x", "parent": id})).await;
    below.refused(409, "answer_running", None);
    talk.stop(&id).await;
    Said::of(&stream.rest().await);
    let tree = talk.whole().await["tree"].clone();
    let ids: HashSet<_> = tree.as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), tree.as_array().unwrap().len()), (10, 10));
}

#[tokio::test]
async fn a_conversation_deleted_in_another_window_ends_its_answer() {
    let app = App::start();
    let talk = app.talk("echo-long").await;
    let (stream, id) = talk.speaking(says("go")).await;
    assert_eq!(app.delete(&talk.path("")).await.ok(), json!({"deleted": 1}));
    let said = Said::of(&stream.rest().await);
    assert!(said.message()["answer"]["error"].as_str().unwrap().contains("deleted"), "{:?}", said.message());
    until("nobody runs", || app.stats("echo-long").running == 0).await;
    app.get(&talk.path("")).await.refused(404, "not_found", None);
    app.post(&talk.path("/messages"), says("x")).await.refused(404, "not_found", None);
    app.send(Method::GET, &talk.path(&format!("/messages/{id}/stop")), &[], "").await;

    // A message of it: the answer does not come back with its last write.
    let talk = app.talk("echo-long").await;
    let (stream, id) = talk.speaking(says("go")).await;
    let left = app.delete(&talk.path(&format!("/messages/{id}"))).await.ok();
    assert_eq!(left["messages"], 1);
    Said::of(&stream.rest().await);
    assert_eq!(talk.whole().await["tree"].as_array().unwrap().len(), 1);
    // And the whole exchange.
    let (stream, id) = talk.speaking(says("again")).await;
    let user = talk.message(&id).await["parent"].as_str().unwrap().to_owned();
    app.delete(&talk.path(&format!("/messages/{user}"))).await.ok();
    Said::of(&stream.rest().await);
    assert_eq!(talk.whole().await["tree"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_can_be_known_is_refused_before_anything_is_stored() {
    let app = App::with(|registry, _| (registry.parallel, registry.queue) = (1, 0));
    let talk = app.talk("echo").await;
    let path = talk.path("/messages");
    let cases = [
        (json!({"content": "x", "model": "nobody"}), 404, "model_not_found", "model"),
        (json!({"content": "x", "model": "echo-embed"}), 400, "unsupported_model", "model"),
        (json!({"content": "x", "parameters": {"temperature": 101}}), 400, "invalid_value", "parameters.temperature"),
        (json!({"content": "x", "parameters": {"temperature": "hot"}}), 400, "invalid_value", "parameters.temperature"),
        (json!({"content": "x", "parameters": {"max_tokens": 0}}), 400, "invalid_value", "parameters.max_tokens"),
        (json!({"content": " \n"}), 400, "invalid_value", "content"),
        (json!({"content": 5}), 400, "invalid_value", "content"),
        (json!({"content": "x", "parent": "msg_gone"}), 400, "invalid_value", "parent"),
        (
            json!({"content": "x", "attachments": [{"name": "a.png", "media_type": "image/png", "data": "iVBORw0KGgo="}]}),
            400,
            "unsupported_attachment",
            "attachments.0",
        ),
        (json!({"content": "x", "attachments": [{"name": "a", "data": "%"}]}), 400, "invalid_value", "attachments.0"),
    ];
    for (body, status, code, param) in cases {
        app.post(&path, body).await.refused(status, code, param);
    }
    // With the model in memory also a prompt that does not fit, and a full queue.
    app.post("/api/models/load", json!({"model": "echo-tiny"})).await.ok();
    let long = json!({"content": "word ".repeat(200), "model": "echo-tiny"});
    let message = app.post(&path, long).await.refused(400, "context_length_exceeded", "messages");
    assert!(message.contains("64 tokens"), "{message}");
    let running = app.speaking(crate::support::ask("echo-long", "go")).await;
    let full = app.post(&path, json!({"content": "x", "model": "echo-long"})).await;
    full.refused(503, "overloaded", None);
    assert!(full.header("retry-after").is_some());
    drop(running);
    assert_eq!(talk.whole().await["tree"], json!([]));
    assert_eq!(talk.whole().await["model"], "echo", "a model that was refused is not remembered");
}

#[tokio::test]
async fn what_cannot_be_known_before_is_an_answer_that_says_why() {
    let app = App::start();
    let talk = app.talk("echo-noload").await;
    let said = talk.say(says("precious words")).await;
    let message = said.message();
    assert_eq!((&message["status"], &message["content"]), (&json!("failed"), &json!("")));
    assert!(message["answer"]["error"].as_str().unwrap().contains("could not be loaded"), "{message}");
    assert_eq!(talk.message(said.asked()).await["content"], "precious words");
    assert_eq!(said.conversation()["title"], "precious words");
    // A prompt that does not fit into a model that had to be loaded first.
    let long = json!({"content": "word ".repeat(200), "model": "echo-tiny"});
    let said = talk.say(long).await;
    assert!(said.message()["answer"]["error"].as_str().unwrap().contains("maximum context length is 64"));
    // An engine that fails or panics in the middle: what it said stays, and the next answer is a fresh one.
    for model in ["echo-error", "echo-panic"] {
        let said = talk.say(json!({"content": "go", "model": model, "parent": null})).await;
        let message = said.message();
        assert_eq!((&message["status"], &message["content"]), (&json!("failed"), &json!(said.text)), "{message}");
        assert!(said.text.starts_with("Hello from"), "{}", said.text);
        assert!(message["answer"]["error"].is_string());
    }
    let again = talk.again(said.asked(), json!({"model": "echo-pieces"})).await;
    assert_eq!(again.message()["status"], "complete");
}

#[tokio::test]
async fn a_model_unloaded_by_force_fails_its_answer_and_keeps_the_text() {
    let app = App::start();
    let talk = app.talk("echo-long").await;
    let (stream, _) = talk.speaking(says("go")).await;
    app.post("/api/models/unload", json!({"model": "echo-long", "force": true})).await.ok();
    let said = Said::of(&stream.rest().await);
    assert_eq!(said.message()["status"], "failed");
    assert!(said.message()["answer"]["error"].as_str().unwrap().contains("unloaded"));
    assert_eq!(said.message()["content"], said.text);
}

#[tokio::test]
async fn parameters_of_the_message_lie_over_those_of_the_conversation() {
    let app = App::start();
    let talk = app.talk("echo-slow?step_ms=0").await;
    app.patch(&talk.path(""), json!({"parameters": {"temperature": 0.25, "max_tokens": 3}})).await.ok();
    let said = talk.say(json!({"content": "go", "parameters": {"max_tokens": 5, "seed": null}})).await;
    assert_eq!(said.message()["answer"]["parameters"], json!({"temperature": 0.25, "max_tokens": 5}));
    assert_eq!(said.text.split_whitespace().count(), 5);
    assert_eq!(talk.say(says("go")).await.text.split_whitespace().count(), 3);
    let wrong = app.patch(&talk.path(""), json!({"parameters": {"top_p": 2}})).await;
    wrong.refused(400, "invalid_value", "parameters.top_p");
    // The same seed gives the same answer.
    let random = json!({"content": "go", "model": "echo-random", "parent": null, "parameters": {"seed": 3, "max_tokens": 12, "temperature": 5}});
    assert_eq!(talk.say(random.clone()).await.text, talk.say(random).await.text);
}

#[tokio::test]
async fn without_a_temperature_answers_vary_but_for_the_models_that_chance_leads_astray() {
    use tern_conversations::{AnswerEvent, Conversations, NewConversation, NewMessage, Settings};
    let app = App::start();
    let settings = Settings { greedy_models: vec!["echo".into()], ..Settings::default() };
    let conversations =
        Conversations::new(std::sync::Arc::new(tern_store::RedbStore::temporary()), app.registry.clone(), settings);
    for (model, temperature) in [("echo", 0.0), ("echo-pieces", 0.7)] {
        let new = NewConversation { model: Some(model.into()), ..NewConversation::default() };
        let id = conversations.create(new).await.unwrap().id;
        let message = NewMessage { content: "hi".into(), ..NewMessage::default() };
        let (_, first) = conversations.send(id, message).await.unwrap().next().await.unwrap();
        let AnswerEvent::Messages { messages, .. } = first else { panic!("{first:?}") };
        assert_eq!(messages[1].answer.as_ref().unwrap().parameters["temperature"], temperature);
    }
}

#[tokio::test]
async fn the_model_of_a_message_is_the_next_ones_too() {
    let app = App::start();
    let created = app.post("/api/conversations", json!({})).await.ok();
    let path = format!("/api/conversations/{}/messages", created["id"].as_str().unwrap());
    app.post(&path, says("who?")).await.refused(400, "missing_required_parameter", "model");
    let said = Said::of(&app.post(&path, json!({"content": "hi", "model": "echo"})).await);
    assert_eq!(said.conversation()["model"], "echo");
    assert_eq!(Said::of(&app.post(&path, says("hi again")).await).text, "hi again");
}

#[tokio::test]
async fn a_megabyte_and_texts_of_every_kind_come_back_whole() {
    let app = App::with(|registry, _| registry.ctx_size = Some(4_000_000));
    let talk = app.talk("echo?context=4000000").await;
    for text in ["<script>alert(1)</script> & \"q\"", "مرحبا بالعالم \u{202E}abc", "👨‍👩‍👧‍👦🇨🇭 e\u{301}", "a\u{0}b\r\nc"]
    {
        let said = talk.say(says(text)).await;
        assert_eq!(talk.message(said.asked()).await["content"], text);
    }
    let large = "long ".repeat(1 << 18);
    let said = talk.say(json!({"content": large, "parameters": {"max_tokens": 4}, "parent": null})).await;
    assert_eq!(talk.message(said.asked()).await["content"].as_str().unwrap().len(), large.len());
}

#[tokio::test]
async fn a_growing_answer_is_written_a_few_times_a_second() {
    let disk = std::sync::Arc::new(crate::support::disk::Disk::new());
    let app = App::over(disk.clone(), |_, _| {});
    let talk = app.talk("echo-slow?step_ms=5&pieces=200").await;
    let began = std::time::Instant::now();
    let (stream, id) = talk.speaking(says("go")).await;
    let written = |least: usize| {
        let message = disk.store().message(&talk.id, &id).unwrap();
        message.status == tern_store::Status::Generating && message.content.len() >= least
    };
    until("some of it is on the disk before the end", || written(100)).await;
    Said::of(&stream.rest().await);
    let writes = disk.progress.load(std::sync::atomic::Ordering::SeqCst);
    // Of 200 pieces: one each 250 ms, and the first and the last.
    let most = 2 + began.elapsed().as_millis() as u64 / 250;
    assert!((1..=most).contains(&writes), "{writes} writes, more than {most}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(disk.progress.load(std::sync::atomic::Ordering::SeqCst), writes, "nothing is written behind the end");
}
