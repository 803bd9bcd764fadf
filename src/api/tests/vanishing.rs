//! Clients that go away: queued, in prefill, while decoding; and a queue that is full. Over a real socket, since only
//! that shows what a closed connection does.

use serde_json::{Value, json};
use tern_scheduler::Stats;

use crate::support::{
    App, ask,
    live::{Live, read_until},
    stats, until, with,
};

const CHAT: &str = "/v1/chat/completions";

fn idle(stats: &Stats) -> bool {
    (stats.running, stats.waiting, stats.parked) == (0, 0, 0)
}

fn streamed(body: Value, stream: bool) -> Value {
    with(body, json!({"stream": stream}))
}

/// A question of about this many tokens; each prefill step of 16 tokens takes 50 ms.
fn stalling(tokens: usize) -> Value {
    ask("echo-stall", &"x".repeat(tokens))
}

#[tokio::test]
async fn j103_a_client_that_leaves_while_decoding_frees_its_place() {
    let live = Live::start(|_| {}).await;
    for stream in [true, false] {
        let before = stats(&live.registry, "echo-long");
        let mut socket = live.send(CHAT, &streamed(ask("echo-long", "go on"), stream)).await;
        if stream {
            read_until(&mut socket, " the").await;
        }
        until("it decodes", || stats(&live.registry, "echo-long").generated_tokens > before.generated_tokens + 2).await;
        drop(socket);
        until("its place is free", || idle(&stats(&live.registry, "echo-long"))).await;
        assert_eq!(stats(&live.registry, "echo-long").cancelled, before.cancelled + 1);
    }
    assert_eq!(live.registry.loaded()[0].leases(), 0);
    live.shut_down().await;
}

#[tokio::test]
async fn j103_a_client_that_leaves_in_prefill_stops_it() {
    let live = Live::start(|registry| registry.batch_size = 16).await;
    for stream in [true, false] {
        let before = stats(&live.registry, "echo-stall");
        let socket = live.send(CHAT, &with(streamed(stalling(4000), stream), json!({"cache_prompt": false}))).await;
        let computed = || stats(&live.registry, "echo-stall").prompt_tokens_computed - before.prompt_tokens_computed;
        until("prefill is under way", || computed() > 0).await;
        drop(socket);
        until("it has stopped", || idle(&stats(&live.registry, "echo-stall"))).await;
        assert!(computed() < 2000, "{} tokens of 4000 were computed for nobody", computed());
        assert_eq!(stats(&live.registry, "echo-stall").cancelled, before.cancelled + 1);
    }
    live.shut_down().await;
}

#[tokio::test]
async fn j103_a_client_that_leaves_the_queue_is_never_run() {
    let live = Live::start(|registry| registry.parallel = 1).await;
    let running = live.send(CHAT, &streamed(ask("echo-long", "go on"), true)).await;
    until("one runs", || stats(&live.registry, "echo-long").running == 1).await;
    for stream in [true, false] {
        let queued = live.send(CHAT, &streamed(ask("echo-long", "me too"), stream)).await;
        until("one waits", || stats(&live.registry, "echo-long").waiting == 1).await;
        drop(queued);
        until("nobody waits", || stats(&live.registry, "echo-long").waiting == 0).await;
        assert_eq!(stats(&live.registry, "echo-long").running, 1, "the running one goes on");
    }
    drop(running);
    until("nobody runs", || idle(&stats(&live.registry, "echo-long"))).await;
    let stats = stats(&live.registry, "echo-long");
    assert_eq!((stats.cancelled, stats.completed), (3, 0));
    live.shut_down().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_the_model_loads_leaves_nothing_behind() {
    let live = Live::start(|_| {}).await;
    for stream in [true, false] {
        let socket = live.send(CHAT, &streamed(ask("echo-slowload", "go on"), stream)).await;
        until("the load begins", || live.registry.load_progress("echo-slowload").is_some()).await;
        drop(socket);
        until("the model is there", || live.registry.loaded().len() == 1).await;
        until("nobody holds it", || live.registry.loaded()[0].leases() == 0).await;
        assert_eq!(stats(&live.registry, "echo-slowload").requests, 0);
        live.registry.unload("echo-slowload", false).unwrap();
    }
    live.shut_down().await;
}

#[tokio::test]
async fn completions_of_several_prompts_are_all_cancelled() {
    let live = Live::start(|_| {}).await;
    for stream in [true, false] {
        let before = stats(&live.registry, "echo-long").cancelled;
        let body = json!({"model": "echo-long", "prompt": ["a", "b", "c"], "stream": stream});
        let socket = live.send("/v1/completions", &body).await;
        until("all run", || stats(&live.registry, "echo-long").running == 3).await;
        drop(socket);
        until("none runs", || idle(&stats(&live.registry, "echo-long"))).await;
        assert_eq!(stats(&live.registry, "echo-long").cancelled, before + 3);
    }
    live.shut_down().await;
}

#[tokio::test]
async fn a_full_queue_refuses_with_retry_after_and_takes_again_when_there_is_room() {
    let app = App::with(|registry, _| (registry.parallel, registry.queue) = (1, 1));
    let running = app.speaking(ask("echo-long", "go on")).await;
    let waiting = app.open(CHAT, streamed(ask("echo-long", "me too"), true)).await;
    until("one waits", || app.stats("echo-long").waiting == 1).await;
    for stream in [false, true] {
        let exchange = app.chat(streamed(ask("echo-long", "and me"), stream)).await;
        let message = exchange.refused(503, "overloaded", None);
        assert!(message.contains("1 requests waiting"), "{message}");
        assert!(exchange.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1, "{exchange}");
        assert_eq!(exchange.header("x-should-retry"), None, "{exchange}");
        let body = json!({"model": "echo-long", "prompt": "x", "stream": stream});
        app.post("/v1/completions", body).await.refused(503, "overloaded", None);
    }
    assert_eq!(app.stats("echo-long").refused, 4);
    drop(waiting);
    until("nobody waits", || app.stats("echo-long").waiting == 0).await;
    drop(running);
    app.chat(with(ask("echo-long", "now me"), json!({"max_tokens": 1}))).await.ok();
}

#[tokio::test]
async fn a_shutdown_finishes_running_answers_and_refuses_new_ones() {
    let live = Live::start(|_| {}).await;
    let mut socket = live.send(CHAT, &streamed(ask("echo-slow", "go on"), true)).await;
    let mut other = live.send(CHAT, &ask("echo", "hi")).await;
    read_until(&mut other, "\"hi\"").await;
    read_until(&mut socket, " of").await;
    let registry = live.registry.clone();
    let ended = tokio::spawn(live.shut_down());
    until("it closes", || registry.is_closing()).await;
    assert!(registry.acquire("echo").await.is_err());
    let rest = read_until(&mut socket, "data: [DONE]").await;
    assert!(rest.contains("\"finish_reason\":\"stop\""), "{rest}");
    ended.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn j104_a_stream_in_prefill_is_never_silent_for_longer_than_ten_seconds() {
    // The clock of the server stands still but for its timers; the model computes meanwhile.
    let app = App::with(|registry, _| registry.batch_size = 16);
    let exchange = app.chat(streamed(stalling(100), true)).await;
    assert!(exchange.body.contains(": keep-alive\n\n"), "{exchange}");
    assert_eq!(exchange.said(0), "Hello from the echo engine: one, two, three.");
}
