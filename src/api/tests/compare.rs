//! Comparisons over HTTP. How they are run and measured is tested where that is done (`src/compare/tests`); here is
//! what goes over the wire: every event, the errors, the files, and a client that leaves.

use std::time::Duration;

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{
    App, Exchange,
    live::{Live, read_until},
    numbered_events, until, with,
};

const COMPARE: &str = "/api/compare";

/// One prompt, put to these models, without what takes time.
fn request(models: &[&str]) -> Value {
    let columns: Vec<_> = models.iter().map(|model| json!({"model": model})).collect();
    json!({"prompt": "Tell me something", "columns": columns, "warmup": false, "quality": false})
}

/// What a comparison says, event by event. Checks what holds for every one.
#[track_caller]
fn events(exchange: &Exchange) -> Vec<Value> {
    let numbers: Vec<_> = numbered_events(&exchange.body).into_iter().filter_map(|(number, _)| number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "numbers go up: {numbers:?}");
    let events = exchange.chunks();
    assert_eq!(numbers.len(), events.len(), "every event has a number: {exchange}");
    assert_eq!(events[0]["type"], "comparison", "{exchange}");
    assert_eq!(events[events.len() - 1]["type"], "end", "{exchange}");
    events
}

/// A comparison that has ended.
async fn ended(app: &App, request: Value) -> Value {
    let exchange = app.post(COMPARE, request).await;
    events(&exchange).pop().unwrap()["comparison"].clone()
}

fn id(comparison: &Value) -> String {
    comparison["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_in_order_and_the_result_has_all_of_it() {
    let app = App::start();
    let models = ["echo-reasoning?load_ms=300&step_ms=10", "echo-pieces"];
    let exchange = app.post(COMPARE, with(request(&models), json!({"quality": true, "warmup": true}))).await;
    let events = events(&exchange);
    let of = |column: u64| events.iter().filter(move |event| event["column"] == column);
    let mut told = Vec::new();
    for event in of(0) {
        assert_eq!((&event["prompt"], &event["repetition"]), (&json!(0), &json!(0)));
        let what = match event["type"].as_str().unwrap() {
            "cell" => event["state"].as_str().unwrap(),
            other => other,
        };
        if told.last() != Some(&what) {
            told.push(what);
        }
    }
    let expected = [
        "waiting",
        "loading",
        "warming",
        "prefill",
        "thinking",
        "reasoning",
        "writing",
        "text",
        "result",
        "scoring",
        "result",
        "done",
    ];
    // Of what follows faster than it is read only the last is told.
    let mut rest = expected.iter();
    assert!(told.iter().all(|what| rest.any(|other| other == what)), "{told:?}");
    assert!(told.contains(&"reasoning") && told.ends_with(&["result", "done"]), "{told:?}");
    let said = |column, kind| {
        of(column).filter(|event| event["type"] == kind).filter_map(|event| event["text"].as_str()).collect::<String>()
    };
    let results: Vec<_> = of(0).filter(|event| event["type"] == "result").map(|event| &event["result"]).collect();
    let last = results[results.len() - 1];
    // The result has all of it.
    assert_eq!(last["text"], "The answer is 4.");
    for kind in ["text", "reasoning"] {
        assert!(last[kind].as_str().unwrap().starts_with(&said(0, kind)), "{kind}: {last}");
    }
    assert!(last["perplexity"].is_number() && (results.len() == 1 || results[0]["perplexity"].is_null()));
    let waiting = of(1).find(|event| event["state"] == "waiting").unwrap();
    assert_eq!(waiting["position"], 2, "of the first round");
    let (first, end) = (&events[0]["comparison"], &events[events.len() - 1]["comparison"]);
    assert_eq!((&first["status"], &end["status"]), (&json!("generating"), &json!("complete")));
    assert_eq!(end["results"]["cells"].as_array().unwrap().len(), 2);
    assert_eq!(end["results"]["cells"][0], *last);
    assert_eq!(end["results"]["summary"][1]["total_ms"]["n"], 1);
    assert!(end["results"]["machine"]["processors"].as_u64().unwrap() >= 1);
    // What was left out is in the request, so that it can be made again.
    let asked = &end["request"];
    assert_eq!((&asked["parameters"]["temperature"], &asked["parameters"]["max_tokens"]), (&json!(0), &json!(512)));
    assert!(asked["parameters"]["seed"].is_u64() && asked["mode"] == "sequential" && asked["cache"] == "cold");
    assert_eq!(asked["title"], "Tell me something");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named() {
    let app = App::start();
    let good = request(&["echo", "echo-pieces"]);
    for (change, param) in [
        (json!({"columns": []}), "columns"),
        (json!({"columns": [{"model": "echo"}, {"model": ""}]}), "columns[1].model"),
        (json!({"columns": [{"model": "echo"}, {"label": "x"}]}), "columns[1].model"),
        (json!({"columns": [{"model": 5}]}), "columns[0].model"),
        (json!({"prompt": ""}), "prompts[0]"),
        (json!({"prompt": null}), "prompts"),
        (json!({"prompts": ["a"]}), "prompt"),
        (json!({"repetitions": 0}), "repetitions"),
        (json!({"repetitions": -1}), "repetitions"),
        (json!({"reference": 2}), "reference"),
        (json!({"mode": "fast"}), "mode"),
        (json!({"mode": "concurrent", "unload_between": true}), "unload_between"),
        (json!({"parameters": {"temperature": -1}}), "parameters.temperature"),
        (json!({"columns": [{"model": "echo", "parameters": {"max_tokens": 0}}]}), "columns[0].parameters.max_tokens"),
        (json!({"assertions": [{"kind": "regex", "value": "("}]}), "assertions[0].value"),
        (json!({"assertions": [{"kind": "rhymes", "value": "x"}]}), "assertions[0].kind"),
    ] {
        app.post(COMPARE, with(good.clone(), change)).await.refused(400, "invalid_value", param);
    }
    assert_eq!(app.get(COMPARE).await.ok()["total"], 0, "nothing was begun");
    for (method, path) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::PATCH, ""),
        (Method::POST, "/stop"),
        (Method::POST, "/rerun"),
        (Method::GET, "/events"),
        (Method::GET, "/export"),
    ] {
        let body = if method == Method::GET { "" } else { r#"{"prompt": 0, "column": 0}"# };
        let exchange = app.send(method, &format!("{COMPARE}/cmp_none{path}"), &[], body).await;
        exchange.refused(404, "not_found", None);
    }
    app.get("/api/compare?before=cmp_none").await.refused(404, "not_found", None);
    app.get("/api/compare?limit=0").await.refused(400, "invalid_value", "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_fails_says_why() {
    let app = App::with(|registry, _| registry.memory_budget = 1000 << 20);
    let models = ["nothing", "echo-error", "echo-noload", "echo-pieces?weights_mb=2000", "echo-tiny", "echo-embed"];
    let prompt = json!({"prompt": "x".repeat(200), "columns": request(&models)["columns"]});
    let comparison = ended(&app, with(request(&models), prompt)).await;
    let error = |column: usize| comparison["results"]["cells"][column]["error"].as_str().unwrap().to_owned();
    for (column, wanted) in [
        "`nothing` does not exist",
        "fails after 3 pieces",
        "cannot be loaded",
        "memory budget of 1000.0 MiB",
        "maximum context length is 64 tokens",
        "does not support text generation",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(error(column).contains(wanted), "{}", error(column));
    }
    assert_eq!(comparison["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_can_be_stopped_judged_run_again_and_deleted() {
    let app = App::start();
    let asked = with(request(&["echo-long", "echo-pieces"]), json!({"parameters": {"max_tokens": 100_000}}));
    let mut open = app.open(COMPARE, asked).await;
    let first = open.next().await.unwrap().data().cloned().unwrap();
    let path = format!("{COMPARE}/{}", id(&first["comparison"]));
    while open.next().await.unwrap().data().unwrap()["type"] != "text" {}
    app.post(&format!("{path}/rerun"), json!({"prompt": 0, "column": 0})).await.refused(
        409,
        "comparison_running",
        None,
    );
    app.post(&format!("{path}/stop"), json!({"column": 2})).await.refused(400, "invalid_value", "column");
    let running = app.post(&format!("{path}/stop"), json!({"column": 0})).await.ok();
    assert_eq!(running["status"], "generating");
    let exchange = open.rest().await;
    let comparison = events(&exchange).pop().unwrap()["comparison"].clone();
    let reason = |comparison: &Value, cell: usize| comparison["results"]["cells"][cell]["finish_reason"].clone();
    assert_eq!((reason(&comparison, 0), reason(&comparison, 1)), (json!("stopped"), json!("stop")));

    let judgement = json!({"votes": [{"prompt": 0, "vote": "1", "blind": true}], "notes": "The second."});
    let change = |body: Value| {
        let (app, path) = (&app, path.clone());
        async move { app.send(Method::PATCH, &path, &[], body.to_string()).await }
    };
    let changed = change(json!({"title": "Which?", "judgement": judgement})).await.ok();
    assert_eq!((&changed["title"], &changed["judgement"]), (&json!("Which?"), &judgement));
    let wrong = json!({"judgement": {"votes": [{"prompt": 0, "vote": "2"}]}});
    change(wrong).await.refused(400, "invalid_value", "judgement.votes[0].vote");
    change(json!({"title": " "})).await.refused(400, "invalid_value", "title");
    assert_eq!(app.get(&path).await.ok(), changed, "a link to it shows what is kept");

    let again = app.post(&format!("{path}/rerun"), json!({"prompt": 0, "column": 1})).await;
    let told = events(&again);
    assert!(told.iter().all(|event| event["column"].is_null() || event["column"] == 1));
    let comparison = told[told.len() - 1]["comparison"].clone();
    assert_eq!(comparison["results"]["cells"].as_array().unwrap().len(), 2);
    assert_eq!(comparison["title"], "Which?");
    app.post(&format!("{path}/rerun"), json!({"prompt": 1, "column": 1})).await.refused(400, "invalid_value", "prompt");

    let list = app.get(COMPARE).await.ok();
    assert_eq!((&list["total"], &list["data"][0]["results"]), (&json!(1), &Value::Null));
    assert_eq!(app.send(Method::DELETE, &path, &[], "").await.ok(), json!({"deleted": 1}));
    app.get(&path).await.refused(404, "not_found", None);
    assert_eq!(app.get(COMPARE).await.ok()["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_late_gets_the_rest_and_nothing_twice() {
    let app = App::start();
    let comparison = ended(&app, request(&["echo-pieces", "echo-reasoning"])).await;
    let path = format!("{COMPARE}/{}/events", id(&comparison));
    let whole = app.get(&path).await;
    let all = numbered_events(&whole.body);
    assert_eq!(events(&whole).pop().unwrap()["comparison"], comparison);
    for (at, (number, _)) in all.iter().enumerate() {
        let Some(number) = number else { continue };
        let rest = numbered_events(&app.get(&format!("{path}?after={number}")).await.body);
        assert_eq!(rest, all[at + 1..], "behind {number}");
        let header = app.send(Method::GET, &path, &[("last-event-id", &number.to_string())], "").await;
        assert_eq!(numbered_events(&header.body), rest);
    }
    app.get(&format!("{path}?after=x")).await.refused(400, "invalid_value", "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_nothing() {
    let live = Live::start(|_| {}).await;
    let asked = with(request(&["echo-slow?step_ms=5", "echo-pieces"]), json!({"repetitions": 2}));
    let mut socket = live.send(COMPARE, &asked).await;
    let head = read_until(&mut socket, "\"type\":\"text\"").await;
    let id = head.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    drop(socket);
    let status = || async {
        let mut socket = live.get(&format!("{COMPARE}/{id}")).await;
        let text = read_until(&mut socket, "\"judgement\"").await;
        text.contains("\"status\":\"complete\"")
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !status().await {
        assert!(std::time::Instant::now() < deadline, "it never ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    live.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shuts_down_ends_a_comparison_after_the_cell_under_way() {
    let live = Live::start(|_| {}).await;
    let asked = with(request(&["echo-slow?step_ms=5", "echo-pieces"]), json!({"repetitions": 20}));
    let mut socket = live.send(COMPARE, &asked).await;
    read_until(&mut socket, "\"type\":\"text\"").await;
    let registry = live.registry.clone();
    let down = tokio::spawn(live.shut_down());
    until("it closes", || registry.is_closing()).await;
    let rest = read_until(&mut socket, "data: [DONE]").await;
    assert!(rest.contains("\"status\":\"interrupted\""), "{rest}");
    down.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_may_run_at_once() {
    let app = App::start();
    let asked = with(request(&["echo-slow?step_ms=5", "echo-slow?step_ms=6"]), json!({"mode": "concurrent"}));
    let exchange = app.post(COMPARE, asked).await;
    let texts: Vec<u64> = events(&exchange)
        .iter()
        .filter(|event| event["type"] == "text")
        .map(|event| event["column"].as_u64().unwrap())
        .collect();
    let turns = texts.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns > 4, "they write at the same time: {texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_a_file_in_three_formats() {
    let app = App::start();
    let asked = json!({
        "title": "a/b: \"c\"", "prompts": ["=1+1", "two"], "columns": [{"model": "echo", "label": "the | echo"}],
        "warmup": false, "quality": false, "assertions": [{"kind": "contains", "value": "o"}],
    });
    let comparison = ended(&app, asked).await;
    let export = |format: &'static str| {
        let (app, path) = (&app, format!("{COMPARE}/{}/export?format={format}", id(&comparison)));
        async move { app.get(&path).await }
    };
    let json = export("json").await;
    assert_eq!(json.ok(), comparison);
    let name = json.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"a_b_ _c_.json\""), "{name}");
    let csv = export("csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows: Vec<&str> = csv.body.split("\r\n").collect();
    assert_eq!(rows.len(), 4, "a header, two cells, and the end: {csv}");
    assert!(rows[0].starts_with("prompt,column,repetition,label,model,"), "{csv}");
    assert!(rows[1].contains(",\"'=1+1\","), "no formula: {csv}");
    let markdown = export("markdown").await;
    assert_eq!(markdown.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(markdown.body.contains("### the \\| echo\n"), "{markdown}");
    assert!(markdown.body.contains("- contains `o`: **does not hold**"), "{markdown}");
    export("pdf").await.refused(400, "invalid_value", "format");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_as_it_is() {
    let app = App::start();
    let example = crate::support::schema::DESCRIPTION["components"]["schemas"]["CompareRequest"]["example"].clone();
    let comparison = ended(&app, example.clone()).await;
    // The built-in models are not here.
    assert_eq!(comparison["results"]["cells"].as_array().unwrap().len(), 4);
    let columns = json!({"columns": [{"model": "echo"}, {"model": "echo-pieces"}]});
    let comparison = ended(&app, with(example, columns)).await;
    assert_eq!(comparison["status"], "complete");
    assert_eq!(comparison["results"]["cells"][0]["assertions"], json!([false]));
    let path = format!("{COMPARE}/{}", id(&comparison));
    let schemas = &crate::support::schema::DESCRIPTION["components"]["schemas"];
    app.post(&format!("{path}/rerun"), schemas["RerunRequest"]["example"].clone()).await.chunks();
    app.post(&format!("{path}/stop"), schemas["StopRequest"]["example"].clone()).await.ok();
    let change = schemas["ComparisonChange"]["example"].to_string();
    app.send(Method::PATCH, &path, &[], change).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_likeness_are_told_kept_and_exported() {
    let app = App::start();
    let asked = json!({
        "prompt": "What is the word?", "columns": [{"model": "echo"}, {"model": "echo"}], "warmup": false,
        "attachments": [{"name": "a.txt", "data": "data:text/plain;base64,d2FscnVz"}],
    });
    let comparison = ended(&app, asked).await;
    assert_eq!(
        comparison["request"]["attachments"][0],
        json!({"name": "a.txt", "media_type": "text/plain", "data": "d2FscnVz"})
    );
    let cell = &comparison["results"]["cells"][1];
    assert!(cell["text"].as_str().unwrap().contains("walrus"), "{cell}");
    assert_eq!(cell["similarity_model"], "echo-embed");
    assert!(cell["similarity"].as_f64().unwrap() > 0.999, "{cell}");
    let path = format!("{COMPARE}/{}/export?format=", id(&comparison));
    assert!(app.get(&format!("{path}csv")).await.body.contains(",echo-embed,"));
    let markdown = app.get(&format!("{path}markdown")).await.body;
    assert!(
        markdown.contains("similarity 1.000 by echo-embed") && markdown.contains("With every prompt: `a.txt`"),
        "{markdown}"
    );
    let picture = json!([{"name": "p.png", "media_type": "image/png", "data": "iVBORw=="}]);
    let asked = json!({"prompt": "x", "columns": [{"model": "echo"}], "attachments": picture});
    app.post(COMPARE, asked).await.refused(400, "invalid_value", "attachments.0");
}
