//! Loading on demand, unloading, keep-alive, the memory budget.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{App, Event, ask, until, with};

async fn state(app: &App, model: &str) -> Value {
    app.get(&format!("/v1/models/{}", model.replace('?', "%3F"))).await.ok()["status"].clone()
}

async fn load(app: &App, model: &str) -> Value {
    app.post("/api/models/load", json!({"model": model})).await.ok()
}

/// Ids of the models in memory.
async fn loaded(app: &App) -> Vec<String> {
    serde_json::from_value(app.get("/health").await.ok()["loaded"].clone()).unwrap()
}

#[tokio::test]
async fn the_first_request_loads_a_model() {
    let app = App::start();
    assert_eq!(state(&app, "echo").await, json!({"value": "unloaded", "progress": 0.0}));
    assert_eq!(loaded(&app).await, Vec::<String>::new());
    app.chat(ask("echo", "hi")).await.ok();
    assert_eq!(state(&app, "echo").await, json!({"value": "loaded", "progress": 1.0}));
    assert_eq!(loaded(&app).await, ["echo"]);
}

#[tokio::test]
async fn j106_a_request_waits_for_a_slow_load() {
    assert_eq!(App::start().chat(ask("echo-slowload", "patience")).await.text(), "patience");
}

#[tokio::test]
async fn a_stream_has_its_headers_and_first_chunk_while_the_model_still_loads() {
    let app = App::start();
    let body = with(ask("echo-slowload?load_ms=2000", "patience"), json!({"stream": true}));
    let mut stream = app.open("/v1/chat/completions", body).await;
    assert_eq!(stream.status, 200);
    let first = stream.next().await.unwrap();
    assert_eq!(first.data().unwrap()["choices"][0]["delta"]["role"], "assistant");
    let state = state(&app, "echo-slowload?load_ms=2000").await;
    let progress = state["progress"].as_f64().unwrap();
    assert!(state["value"] == "loading" && (0.0..1.0).contains(&progress), "{state}");
    assert_eq!(stream.rest().await.said(0), "patience");
}

#[tokio::test]
async fn requests_that_come_together_share_one_load() {
    let app = App::start();
    let (a, b) = tokio::join!(load(&app, "echo-slowload"), load(&app, "echo-slowload"));
    // Two loads would hardly take the same time to the nanosecond.
    assert_eq!(a, b);
    assert_eq!(load(&app, "echo-slowload").await, a, "a loaded model is not loaded again");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_load_others_wait_for() {
    let app = App::start();
    let leaving = app.post("/api/models/load", json!({"model": "echo-slowload"}));
    let gave_up = tokio::time::timeout(Duration::from_millis(50), leaving).await;
    assert!(gave_up.is_err());
    assert_eq!(state(&app, "echo-slowload").await["value"], "loading");
    assert_eq!(app.chat(ask("echo-slowload", "still")).await.text(), "still");
}

#[tokio::test]
async fn unloading_frees_a_model_and_says_whether_there_was_one() {
    let app = App::start();
    load(&app, "echo").await;
    let unload = async || app.post("/api/models/unload", json!({"model": "echo"})).await.ok();
    assert_eq!(unload().await, json!({"model": "echo", "unloaded": true}));
    assert_eq!(loaded(&app).await, Vec::<String>::new());
    assert_eq!(unload().await, json!({"model": "echo", "unloaded": false}));
    assert_eq!(app.chat(ask("echo", "again")).await.text(), "again");
}

#[tokio::test]
async fn a_busy_model_is_unloaded_only_by_force_and_its_streams_end_with_an_error() {
    let app = App::start();
    let stream = app.speaking(ask("echo-long", "go on")).await;
    let message =
        app.post("/api/models/unload", json!({"model": "echo-long"})).await.refused(409, "model_in_use", None);
    assert!(message.contains("1 requests") && message.contains("force"), "{message}");
    assert_eq!(loaded(&app).await, ["echo-long"]);
    app.post("/api/models/unload", json!({"model": "echo-long", "force": true})).await.ok();
    let events = stream.rest().await.events();
    let error = &events.last().unwrap().data().unwrap()["error"];
    assert_eq!(error["type"], "server_error", "{error}");
    assert!(!events.contains(&Event::Done));
    assert_eq!(loaded(&app).await, Vec::<String>::new());
    app.chat(with(ask("echo-long", "x"), json!({"max_tokens": 1}))).await.ok();
}

#[tokio::test]
async fn unloading_stops_a_load_under_way() {
    let app = App::start();
    let waiting = app.chat(ask("echo-slowload?load_ms=60000", "never"));
    let unload = async {
        let there = || app.registry.load_progress("echo-slowload?load_ms=60000").is_some();
        until("the load begins", there).await;
        app.post("/api/models/unload", json!({"model": "echo-slowload?load_ms=60000"})).await.ok()
    };
    let (exchange, unloaded) = tokio::join!(waiting, unload);
    assert_eq!(unloaded["unloaded"], true);
    exchange.refused(503, "model_unloaded", None);
}

#[tokio::test]
async fn a_model_that_nobody_used_for_the_keep_alive_time_is_unloaded() {
    let app = App::with(|registry, _| registry.keep_alive = Some(Duration::from_millis(50)));
    let busy = app.speaking(ask("echo-long", "go on")).await;
    load(&app, "echo").await;
    until("the idle model is unloaded", || app.registry.loaded().len() == 1).await;
    assert_eq!(app.registry.loaded()[0].entry.id, "echo-long", "a busy model stays");
    drop(busy);
    until("the other one too", || app.registry.loaded().is_empty()).await;
}

const BIG: [&str; 3] = ["echo?weights_mb=400", "echo-pieces?weights_mb=400", "echo-long?weights_mb=400"];

#[tokio::test]
async fn the_least_recently_used_model_makes_room_under_the_memory_budget() {
    let app = App::with(|registry, _| registry.memory_budget = 1000 << 20);
    app.chat(ask(BIG[0], "hi")).await.ok();
    app.chat(ask(BIG[1], "hi")).await.ok();
    app.chat(ask(BIG[0], "used again")).await.ok();
    load(&app, BIG[2]).await;
    assert_eq!(loaded(&app).await, [BIG[2], BIG[0]]);
}

#[tokio::test]
async fn a_busy_model_is_not_evicted_and_the_refusal_has_the_numbers() {
    let app = App::with(|registry, _| registry.memory_budget = 500 << 20);
    let busy = app.speaking(ask(BIG[2], "go on")).await;
    for stream in [false, true] {
        let exchange = app.chat(with(ask(BIG[0], "hi"), json!({"stream": stream}))).await;
        let message = exchange.refused(507, "insufficient_memory", None);
        assert_eq!(exchange.header("x-should-retry"), Some("false"), "{exchange}");
        for number in ["needs 400.0 MiB", "400.0 MiB weights", "400.0 MiB of the memory budget of 500.0 MiB", "8192"] {
            assert!(message.contains(number), "{number:?} in {message}");
        }
    }
    assert_eq!(loaded(&app).await, [BIG[2]]);
    drop(busy);
    until("the stream has ended", || app.stats(BIG[2]).running == 0).await;
    app.chat(ask(BIG[0], "hi")).await.ok();
    assert_eq!(loaded(&app).await, [BIG[0]]);
}

#[tokio::test]
async fn a_model_larger_than_the_budget_is_refused_and_evicts_nobody_in_vain() {
    let app = App::with(|registry, _| registry.memory_budget = 500 << 20);
    load(&app, BIG[0]).await;
    let body = json!({"model": "echo-pieces?weights_mb=600"});
    app.post("/api/models/load", body).await.refused(507, "insufficient_memory", None);
    assert_eq!(loaded(&app).await, [BIG[0]], "a model that never fits must not cost others their place");
}

#[tokio::test]
async fn a_script_with_a_wrong_override_is_refused_with_the_right_ones() {
    let message = App::start().chat(ask("echo?speed=1", "hi")).await.refused(400, "model_unusable", "model");
    assert!(message.contains("speed") && message.contains("step_ms"), "{message}");
}
