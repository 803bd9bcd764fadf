use tern_compare::{CompareError, CompareEvent, CompareRequest};
use tern_store::Status;

use crate::support::{Bench, Ended, at_most, request};

async fn rerun(bench: &Bench, prompt: usize, column: usize) -> Ended {
    let mut reader = bench.comparisons.rerun("cmp_1", prompt, column).await.unwrap();
    bench.follow(&mut reader).await
}

fn asked() -> CompareRequest {
    let prompts = vec!["one".into(), "two".into()];
    let request = request(&["echo-random", "echo-slow?step_ms=0"]);
    CompareRequest { prompts, repetitions: 2, quality: true, parameters: at_most(10), ..request }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cell_runs_again_and_the_others_stay() {
    let bench = Bench::new();
    let before = bench.run(asked()).await;
    // From what was kept, as after a restart.
    let later = tern_compare::Comparisons::new(bench.registry.clone(), bench.store.clone());
    let mut reader = later.rerun("cmp_1", 1, 1).await.unwrap();
    let after = bench.follow(&mut reader).await;
    assert_eq!((after.results.cells.len(), after.comparison.status), (8, Status::Complete));
    for cell in &before.results.cells {
        let now = after.cell(cell.cell.prompt, cell.cell.column, cell.cell.repetition);
        if (cell.cell.prompt, cell.cell.column) == (1, 1) {
            assert!(now.started_ms > cell.started_ms, "it ran again");
            assert_eq!((&now.text, now.kl, now.top1_agreement), (&cell.text, cell.kl, cell.top1_agreement));
        } else {
            assert_eq!(now, cell);
        }
    }
    assert!(after.cell(1, 1, 1).kl.is_some(), "the reference's answer is scored again for it");
    let about: Vec<_> = after.events.iter().filter_map(CompareEvent::cell).collect();
    assert!(about.iter().all(|cell| (cell.prompt, cell.column) == (1, 1)), "{about:?}");
    assert_eq!(later.get("cmp_1").unwrap(), after.comparison);
    assert_eq!(after.results.machine, before.results.machine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_says_the_same_again_leaves_the_comparison_valid() {
    let bench = Bench::new();
    let before = bench.run(asked()).await;
    let after = rerun(&bench, 0, 0).await;
    assert_eq!(after.cell(0, 1, 0).kl, before.cell(0, 1, 0).kl);
    assert_eq!(after.cell(0, 0, 0).mean_logprob, before.cell(0, 0, 0).mean_logprob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_says_something_else_ends_it() {
    let bench = Bench::new();
    bench.run(asked()).await;
    // As if the model had been another one then.
    let mut kept = bench.store.comparison("cmp_1").unwrap();
    for cell in kept.results["cells"].as_array_mut().unwrap() {
        cell["token_ids"] = serde_json::json!([1, 2, 3]);
    }
    bench.store.put_comparison(&kept).unwrap();
    let later = tern_compare::Comparisons::new(bench.registry.clone(), bench.store.clone());
    let after = bench.follow(&mut later.rerun("cmp_1", 0, 0).await.unwrap()).await;
    assert!(after.cell(0, 1, 0).kl.is_none());
    assert!(after.cell(0, 1, 0).quality_note.as_deref().unwrap().contains("run this cell again"));
    assert!(after.cell(1, 1, 0).kl.is_some(), "other prompts are not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_events_go_on_and_what_runs_is_not_run_twice() {
    let bench = Bench::new();
    bench.run(asked()).await;
    let mut reader = bench.comparisons.events("cmp_1", 0).unwrap();
    let mut last = 0;
    while let Some((number, _)) = reader.next().await {
        last = number;
    }
    let mut again = bench.comparisons.rerun("cmp_1", 0, 1).await.unwrap();
    assert!(again.next().await.unwrap().0 > last);
    match bench.comparisons.rerun("cmp_1", 0, 1).await {
        Err(CompareError::Running { id }) => assert_eq!(id, "cmp_1"),
        Err(other) => panic!("{other}"),
        // It may have ended by now.
        Ok(_) => {}
    }
    while again.next().await.is_some() {}
    let wrong = |result: Result<_, CompareError>| match result {
        Err(CompareError::Invalid { param, .. }) => param,
        _ => panic!("was accepted"),
    };
    assert_eq!(wrong(bench.comparisons.rerun("cmp_1", 2, 0).await), "prompt");
    assert_eq!(wrong(bench.comparisons.rerun("cmp_1", 0, 2).await), "column");
    assert!(matches!(bench.comparisons.rerun("cmp_none", 0, 0).await, Err(CompareError::Store(_))));
}
