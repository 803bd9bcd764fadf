use std::time::Duration;

use tern_compare::{
    Assertion, AssertionKind, CellState, Change, CompareError, CompareEvent, CompareRequest, Judgement, Verdict, Vote,
};
use tern_store::Status;

use crate::support::{Bench, Ended, at_most, request};

type Reader = tern_compare::log::Reader<CompareEvent>;

/// Follows until a column writes.
async fn until_it_writes(reader: &mut Reader, column: usize) {
    loop {
        match reader.next().await.expect("it has not ended").1 {
            CompareEvent::Text { cell, .. } if cell.column == column => return,
            _ => {}
        }
    }
}

/// The whole of it, from the beginning.
async fn whole(bench: &Bench) -> Ended {
    let mut reader = bench.comparisons.events("cmp_1", 0).unwrap();
    bench.follow(&mut reader).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_fails_leaves_the_others_alone() {
    let bench = Bench::with(|config| config.memory_budget = 1000 << 20);
    let models =
        ["no-such-model", "echo-noload", "echo-error", "echo-panic", "echo-pieces?weights_mb=4000", "echo-pieces"];
    let ended = bench.run(CompareRequest { repetitions: 2, quality: true, ..request(&models) }).await;
    let error = |column| ended.cell(0, column, 1).error.clone().unwrap_or_default();
    assert!(error(0).contains("`no-such-model` does not exist"), "{}", error(0));
    assert!(error(1).contains("cannot be loaded"), "{}", error(1));
    assert!(error(2).contains("fails after 3 pieces"), "{}", error(2));
    assert!(error(3).contains("panicked"), "{}", error(3));
    assert!(error(4).contains("4000.0 MiB") || error(4).contains("3.9 GiB"), "{}", error(4));
    assert_eq!((error(5).as_str(), ended.cell(0, 5, 1).finish_reason.as_deref()), ("", Some("stop")));
    assert_eq!(ended.cell(0, 2, 0).text, "Hello from the", "what was said before it failed is kept");
    for column in 0..5 {
        assert_eq!(ended.states(0, column, 1).last(), Some(&CellState::Failed));
        assert_eq!(ended.results.summary[column].total_ms.n, 0);
        assert!(ended.results.summary[column].best.is_empty());
    }
    assert_eq!(ended.comparison.status, Status::Complete);
    let all = bench.run(request(&["no-such-model"])).await;
    assert_eq!(all.comparison.status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_does_not_fit_fails_its_cell_only() {
    let bench = Bench::new();
    let prompts = vec!["x".repeat(500), "short".into()];
    let ended = bench.run(CompareRequest { prompts, ..request(&["echo-tiny"]) }).await;
    assert!(ended.cell(0, 0, 0).error.as_deref().unwrap().contains("maximum context length is 64 tokens"));
    assert_eq!(ended.cell(1, 0, 0).error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_column_ends_its_cells_and_the_others_go_on() {
    let bench = Bench::new();
    let asked = CompareRequest { repetitions: 2, ..request(&["echo-long", "echo-pieces"]) };
    let mut reader = bench.comparisons.start("cmp_1".into(), asked).await.unwrap();
    until_it_writes(&mut reader, 0).await;
    let running = bench.comparisons.stop("cmp_1", Some(0)).unwrap();
    assert_eq!(running.status, Status::Generating);
    let ended = bench.follow(&mut bench.comparisons.events("cmp_1", 0).unwrap()).await;
    let stopped = ended.cell(0, 0, 0);
    assert_eq!((stopped.finish_reason.as_deref(), stopped.error.as_deref()), (Some("stopped"), None));
    assert!(stopped.text.starts_with(" the"), "{:?}", stopped.text);
    assert_eq!(ended.states(0, 0, 1), [CellState::Stopped]);
    assert_eq!(ended.cell(0, 1, 1).finish_reason.as_deref(), Some("stop"));
    assert_eq!((ended.results.cells.len(), ended.comparison.status), (3, Status::Complete));
    assert_eq!(ended.results.summary[0].total_ms.n, 0, "what was stopped is no measurement");
    assert!(
        matches!(bench.comparisons.stop("cmp_1", Some(2)), Err(CompareError::Invalid { param, .. }) if param == "column")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_is_alone_also_behind_one_that_was_stopped() {
    let bench = Bench::new();
    let asked = request(&["echo-slow?step_ms=1000", "echo-pieces"]);
    let mut reader = bench.comparisons.start("cmp_1".into(), asked).await.unwrap();
    until_it_writes(&mut reader, 0).await;
    bench.comparisons.stop("cmp_1", Some(0)).unwrap();
    // The pass under way takes a second; nothing is said of the cell before it has ended.
    while !matches!(reader.next().await.unwrap().1, CompareEvent::Result { cell, .. } if cell.column == 0) {}
    let loaded = bench.registry.loaded();
    let stopped = loaded.iter().find(|loaded| loaded.entry.id.starts_with("echo-slow")).unwrap();
    assert!(stopped.text().unwrap().scheduler.is_idle(), "the next cell would not be alone");
    let ended = bench.follow_rest(&mut reader).await;
    assert_eq!(ended.cell(0, 1, 0).warning, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_everything_ends_it_at_once() {
    let bench = Bench::new();
    let mode = tern_compare::Mode::Concurrent;
    for mode in [tern_compare::Mode::Sequential, mode] {
        let asked = CompareRequest { mode, repetitions: 20, quality: true, ..request(&["echo-long", "echo-fast"]) };
        let asked = CompareRequest { parameters: at_most(1_000_000), ..asked };
        let mut reader = bench.comparisons.start("cmp_1".into(), asked).await.unwrap();
        until_it_writes(&mut reader, 0).await;
        bench.comparisons.stop("cmp_1", None).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), whole(&bench)).await.unwrap();
        assert_eq!(ended.comparison.status, Status::Stopped);
        assert!(ended.results.cells.iter().all(|cell| cell.finish_reason.as_deref() == Some("stopped")));
        let idle = bench.registry.loaded().iter().all(|loaded| loaded.text().unwrap().scheduler.is_idle());
        assert!(idle, "nothing is computed for nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_to_listen() {
    let bench = Bench::new();
    let asked = CompareRequest { repetitions: 2, ..request(&["echo-slow?pieces=10&step_ms=5", "echo-pieces"]) };
    drop(bench.comparisons.start("cmp_1".into(), asked).await.unwrap());
    let ended = whole(&bench).await;
    assert_eq!((ended.comparison.status, ended.results.cells.len()), (Status::Complete, 4));
    // It is kept as it was told, with what was asked.
    let kept = bench.store.comparison("cmp_1").unwrap();
    assert_eq!(kept, ended.comparison);
    assert_eq!((kept.title.as_str(), kept.request["repetitions"].as_u64()), ("Tell me something", Some(2)));
    // Joining in the middle gives the rest.
    let mut all = bench.comparisons.events("cmp_1", 0).unwrap();
    let first = all.next().await.unwrap().0;
    let mut rest = bench.comparisons.events("cmp_1", first).unwrap();
    assert_eq!(rest.next().await, all.next().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_kept_as_they_come() {
    let bench = Bench::new();
    let asked = request(&["echo-pieces", "echo-long"]);
    let asked = CompareRequest { parameters: at_most(100_000), ..asked };
    let mut reader = bench.comparisons.start("cmp_1".into(), asked).await.unwrap();
    until_it_writes(&mut reader, 1).await;
    let kept = bench.store.comparison("cmp_1").unwrap();
    assert_eq!((kept.status, kept.results["cells"].as_array().unwrap().len()), (Status::Generating, 1));
    let page = bench.comparisons.list(None, 10).unwrap();
    assert_eq!((page.total, page.data[0].id.as_str(), page.data[0].results.is_null()), (1, "cmp_1", true));
    bench.comparisons.delete("cmp_1").unwrap();
    while reader.next().await.is_some() {}
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(bench.store.comparison("cmp_1").is_err(), "what is deleted is not written again");
    assert!(matches!(bench.comparisons.get("cmp_1"), Err(CompareError::Store(_))));
    assert!(matches!(bench.comparisons.delete("cmp_1"), Err(CompareError::Store(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn comparisons_take_turns() {
    let bench = Bench::new();
    // Longer than the look at the machine before.
    let slow = request(&["echo-slow?pieces=50&step_ms=20"]);
    let mut first = bench.comparisons.start("cmp_1".into(), slow.clone()).await.unwrap();
    until_it_writes(&mut first, 0).await;
    let mut second = bench.comparisons.start("cmp_2".into(), slow).await.unwrap();
    let (first, second) = (bench.follow_rest(&mut first).await, bench.follow(&mut second).await);
    let end = |ended: &Ended| {
        let cell = ended.cell(0, 0, 0);
        cell.started_ms as f64 + cell.timeline.last().unwrap().to_ms
    };
    assert!(second.cell(0, 0, 0).started_ms as f64 >= end(&first) - 2.0);
    assert_eq!(second.cell(0, 0, 0).warning, None);
    let page = bench.comparisons.list(None, 1).unwrap();
    assert_eq!((page.total, page.has_more, page.data.len()), (2, true, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_leaves_it_interrupted_with_what_there_is() {
    let bench = Bench::new();
    let asked = CompareRequest { repetitions: 3, ..request(&["echo-slow?pieces=10&step_ms=10"]) };
    let mut reader = bench.comparisons.start("cmp_1".into(), asked).await.unwrap();
    until_it_writes(&mut reader, 0).await;
    bench.registry.close();
    let ended = whole(&bench).await;
    assert_eq!((ended.comparison.status, ended.results.cells.len()), (Status::Interrupted, 1));
    let refused = bench.comparisons.start("cmp_2".into(), request(&["echo"])).await;
    assert!(matches!(refused, Err(CompareError::ShuttingDown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_checked_and_judged() {
    let bench = Bench::new();
    let assertion = |kind, value: &str| Assertion { kind, value: Some(value.into()) };
    let assertions = vec![
        assertion(AssertionKind::Contains, "echo"),
        assertion(AssertionKind::NotContains, "echo"),
        assertion(AssertionKind::Regex, r"two,\s+three\.$"),
        assertion(AssertionKind::Json, ""),
    ];
    let ended = bench.run(CompareRequest { assertions, ..request(&["echo-pieces", "echo-error"]) }).await;
    let known = [true, false, true, false].map(Verdict::Known);
    assert_eq!(ended.cell(0, 0, 0).assertions, known);
    let failed = &ended.cell(0, 1, 0).assertions;
    assert!(failed.len() == 4 && failed.iter().all(|verdict| matches!(verdict, Verdict::Unknown(_))));
    let vote = |vote: &str| Judgement {
        votes: vec![Vote { prompt: 0, vote: vote.into(), blind: true }],
        notes: "The first.".into(),
    };
    let change = |judgement, title: &str| Change { title: Some(title.into()), judgement: Some(judgement) };
    let changed = bench.comparisons.change("cmp_1", change(vote("0"), " Votes ")).unwrap();
    assert_eq!((changed.title.as_str(), changed.judgement["votes"][0]["vote"].as_str()), ("Votes", Some("0")));
    assert_eq!(bench.store.comparison("cmp_1").unwrap().judgement, changed.judgement);
    assert!(bench.comparisons.change("cmp_1", change(vote("2"), "x")).is_err());
    assert!(bench.comparisons.change("cmp_1", change(vote("0"), " ")).is_err());
    // Also when nothing of it is in memory any more.
    let later = tern_compare::Comparisons::new(bench.registry.clone(), bench.store.clone());
    let changed = later.change("cmp_1", change(vote("tie"), "Later")).unwrap();
    assert_eq!(later.get("cmp_1").unwrap(), changed);
    let ended = bench.follow(&mut later.events("cmp_1", 0).unwrap()).await;
    assert_eq!((ended.events.len(), ended.comparison.title.as_str()), (2, "Later"));
}
