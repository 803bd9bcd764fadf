use tern_compare::{Cache, CellState, CompareEvent, CompareRequest, Mode, Phase};
use tern_store::Status;

use crate::support::{Bench, at_most, request};

/// A script never takes less time than it says; how much more depends on what else runs here.
#[track_caller]
fn at_least(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!(found >= expected, "{found}, expected at least {expected}");
}

#[track_caller]
fn equal(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() <= 1e-6, "{found}, expected {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_of_the_scripts_pace() {
    let bench = Bench::with(|config| config.batch_size = 64);
    // 20 ms a pass, and 40 ms more for each 16 tokens of prompt: about 5 passes of prompt and 11 steps behind them.
    let model = "echo-stall?step_ms=20&prefill_ms=40&load_ms=60";
    let prompt = "x".repeat(300);
    let ended = bench.run(CompareRequest { prompts: vec![prompt], ..request(&[model]) }).await;
    assert_eq!(ended.comparison.status, Status::Complete);
    let cell = ended.cell(0, 0, 0);
    assert_eq!(cell.text, "Hello from the echo engine: one, two, three.");
    assert_eq!((cell.finish_reason.as_deref(), cell.words), (Some("stop"), Some(8)));
    assert_eq!((cell.completion_tokens, cell.token_ids.len()), (Some(12), 12));
    assert_eq!((cell.engine.as_deref(), cell.model.as_str(), cell.error.as_deref()), (Some("echo"), model, None));
    let tokens = cell.prompt_tokens.unwrap();
    assert!(tokens > 300 && cell.cached_tokens == Some(0));
    let passes = f64::from(tokens.div_ceil(64));
    let prefill = passes * 20.0 + f64::from(tokens.div_ceil(16)) * 40.0;
    at_least(cell.prefill_ms, prefill);
    equal(cell.prefill_per_second, f64::from(tokens) / cell.prefill_ms.unwrap() * 1e3);
    // The 11 tokens after the first take a pass each; the one that finds the end is no token.
    at_least(cell.decode_ms, 11.0 * 20.0);
    equal(cell.decode_per_second, 11.0 / cell.decode_ms.unwrap() * 1e3);
    assert!(cell.decode_per_second.unwrap() <= 50.0, "no faster than the script");
    at_least(cell.token_ms_p50, 20.0);
    assert!(cell.token_ms_p95 >= cell.token_ms_p50);
    assert!(cell.load_ms.unwrap() >= 60.0);
    at_least(cell.first_token_ms, cell.prefill_ms.unwrap());
    at_least(cell.total_ms, cell.first_token_ms.unwrap() + 12.0 * 20.0);
    // Loading is in neither.
    let (load, write) = (&cell.timeline[0], &cell.timeline[cell.timeline.len() - 1]);
    assert!(cell.total_ms.unwrap() <= write.to_ms - load.to_ms, "{cell:?}");
    assert_eq!(cell.threads, Some(1));
    // Scripts have no file.
    assert_eq!((cell.file_bytes, cell.bits_per_weight, cell.kv_bytes), (None, None, Some(0)));
    let phases: Vec<_> = cell.timeline.iter().map(|span| span.phase).collect();
    assert_eq!(phases.first(), Some(&Phase::Load));
    assert!(phases.contains(&Phase::Prefill) && phases.last() == Some(&Phase::Write), "{phases:?}");
    assert!(cell.timeline.windows(2).all(|pair| pair[0].to_ms <= pair[1].from_ms + 1e-6), "{:?}", cell.timeline);
    if cfg!(target_os = "linux") {
        assert!(cell.rss_before.unwrap() > 0 && cell.rss_after.unwrap() > 0);
        assert!(cell.rss_peak.is_none_or(|peak| peak >= cell.rss_after.unwrap() / 2));
    }
    assert!(cell.mean_logprob.is_none() && cell.quality_note.is_none(), "nothing was to be scored");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_cell_comes_in_its_order() {
    let bench = Bench::new();
    let ended = bench.run(CompareRequest { warmup: true, ..request(&["echo-reasoning?load_ms=50&step_ms=5"]) }).await;
    use CellState::*;
    ended.went_through(0, 0, 0, &[Waiting, Loading, Warming, Prefill, Thinking, Writing, Done]);
    assert!(ended.states(0, 0, 0).contains(&Thinking), "it lasts long enough to be seen");
    let cell = ended.cell(0, 0, 0);
    let said = |reasoning: bool| {
        let pieces = ended.events.iter().filter_map(|event| match event {
            CompareEvent::Reasoning { text, .. } if reasoning => Some(text.as_str()),
            CompareEvent::Text { text, .. } if !reasoning => Some(text.as_str()),
            _ => None,
        });
        pieces.collect::<String>()
    };
    assert_eq!(cell.text, "The answer is 4.");
    // The result has what was not read by the time it came.
    assert!(cell.reasoning.as_deref().unwrap().starts_with(&said(true)) && cell.text.starts_with(&said(false)));
    assert!(!said(true).is_empty());
    let results = ended.events.iter().filter(|event| matches!(event, CompareEvent::Result { .. })).count();
    assert_eq!(results, 1);
    let phases: Vec<_> = cell.timeline.iter().map(|span| span.phase).collect();
    assert!(phases.ends_with(&[Phase::Think, Phase::Write]) && phases.contains(&Phase::Warm), "{phases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_are_interleaved_and_no_column_is_always_first() {
    let bench = Bench::new();
    let prompts = vec!["one".into(), "two".into()];
    let ended = bench.run(CompareRequest { prompts, repetitions: 2, ..request(&["echo", "echo-pieces"]) }).await;
    let order: Vec<_> = ended
        .results
        .cells
        .iter()
        .map(|result| (result.cell.repetition, result.cell.prompt, result.cell.column))
        .collect();
    let expected = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)];
    assert_eq!(order, expected);
    assert_eq!(ended.cell(1, 0, 1).text, "two");
    assert_eq!(ended.results.summary[0].first_token_ms.n, 4);
    assert!(ended.results.summary[0].first_token_ms.deviation.is_some());
    assert_eq!(ended.results.machine.threads, 1);
    assert!(ended.results.machine.processors >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_cache_computes_every_prompt_and_a_warm_one_has_it_from_the_first_time() {
    let bench = Bench::new();
    let prompts = vec!["x".repeat(200)];
    let ask =
        |cache| CompareRequest { prompts: prompts.clone(), cache, repetitions: 2, ..request(&["echo", "echo-pieces"]) };
    let cold = bench.run(ask(Cache::Cold)).await;
    assert!(cold.results.cells.iter().all(|cell| cell.cached_tokens == Some(0) && cell.prefill_per_second.is_some()));
    let warm = bench.run(ask(Cache::Warm)).await;
    for cell in &warm.results.cells {
        assert_eq!(cell.cached_tokens, Some(cell.prompt_tokens.unwrap() - 1), "{cell:?}");
        assert_eq!(cell.prefill_per_second, None, "one token is no rate");
    }
    assert!(!cold.had(0, 0, Phase::Warm) && warm.had(0, 0, Phase::Warm));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_warmed_up_when_another_one_ran_meanwhile() {
    let bench = Bench::new();
    let alone = bench.run(CompareRequest { warmup: true, repetitions: 2, ..request(&["echo"]) }).await;
    let warmed = |ended: &crate::support::Ended, column, repetition| ended.had(column, repetition, Phase::Warm);
    assert!(warmed(&alone, 0, 0) && !warmed(&alone, 0, 1));
    let two = bench.run(CompareRequest { warmup: true, repetitions: 2, ..request(&["echo", "echo-pieces"]) }).await;
    assert!(warmed(&two, 0, 0) && warmed(&two, 1, 0) && warmed(&two, 0, 1));
    // The second round begins with the column that ran last.
    assert!(!warmed(&two, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_leave_memory_between_columns_only_when_that_is_asked() {
    let bench = Bench::new();
    let ids = |bench: &Bench| bench.registry.loaded().iter().map(|loaded| loaded.entry.id.clone()).collect::<Vec<_>>();
    bench.run(request(&["echo", "echo-pieces"])).await;
    assert_eq!(ids(&bench), ["echo", "echo-pieces"]);
    let ended = bench.run(CompareRequest { unload_between: true, ..request(&["echo", "echo-stop"]) }).await;
    assert_eq!(ids(&bench), ["echo-stop"]);
    assert!(ended.cell(0, 0, 0).load_ms.is_none() && ended.cell(0, 1, 0).load_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_run_at_once_share_the_time() {
    let bench = Bench::new();
    let models = ["echo-slow?pieces=20&step_ms=10", "echo-slow?pieces=19&step_ms=10"];
    let ended = bench.run(CompareRequest { mode: Mode::Concurrent, warmup: true, ..request(&models) }).await;
    let (a, b) = (ended.cell(0, 0, 0), ended.cell(0, 1, 0));
    assert_eq!((a.completion_tokens, b.completion_tokens), (Some(20), Some(19)));
    let writing = |cell: &tern_compare::CellResult| {
        let span = cell.timeline.iter().find(|span| span.phase == Phase::Write).unwrap();
        (cell.started_ms as f64 + span.from_ms, cell.started_ms as f64 + span.to_ms)
    };
    let ((from_a, to_a), (from_b, to_b)) = (writing(a), writing(b));
    assert!(from_a < to_b && from_b < to_a, "they overlap: {from_a} {to_a} {from_b} {to_b}");
    assert_eq!((a.rss_before, a.rss_peak), (None, None), "the process's memory is nobody's");
    assert_eq!((&a.warning, &b.warning), (&None, &None), "each other is not a disturbance");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_else_uses_the_server_is_a_warning() {
    let bench = Bench::new();
    let other = bench.registry.acquire("echo-long").await.unwrap();
    let text = other.text().unwrap();
    let go_on = tern_chat::Message::text(tern_chat::Role::User, "go on");
    let busy = tern_chat::TurnRequest::new("other", vec![go_on]);
    let turn = text.chat.start(&text.scheduler, busy).unwrap();
    let ended = bench.run(request(&["echo-pieces"])).await;
    assert!(ended.results.machine.warning.unwrap().contains("other requests"));
    assert!(ended.results.cells[0].warning.as_deref().unwrap().contains("other requests"));
    drop(turn);
    while !text.scheduler.is_idle() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let quiet = bench.run(CompareRequest { warmup: true, ..request(&["echo-pieces"]) }).await;
    assert_eq!(quiet.results.cells[0].warning, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_samples_the_same_answer_every_time() {
    let bench = Bench::new();
    let mut asked = CompareRequest { repetitions: 3, ..request(&["echo-fast", "echo-fast"]) };
    asked.parameters = at_most(30);
    asked.parameters.insert("temperature".into(), 1.5.into());
    let ended = bench.run(asked.clone()).await;
    let texts: Vec<_> = ended.results.cells.iter().map(|cell| cell.text.as_str()).collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    // The seed that was drawn is kept, another run draws another.
    let again = bench.run(asked).await;
    assert_ne!(again.results.cells[0].text, texts[0]);
    assert!(ended.comparison.request["parameters"]["seed"].is_u64());
}
