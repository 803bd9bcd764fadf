use tern_compare::{CellState, CompareEvent, CompareRequest};

use crate::support::{Bench, at_most, map, request};

fn scored(models: &[&str]) -> CompareRequest {
    CompareRequest { quality: true, parameters: at_most(40), ..request(models) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_agrees_with_itself() {
    let bench = Bench::new();
    let ended = bench.run(CompareRequest { repetitions: 2, ..scored(&["echo-random", "echo-random"]) }).await;
    for repetition in 0..2 {
        let (reference, other) = (ended.cell(0, 0, repetition), ended.cell(0, 1, repetition));
        assert_eq!((reference.top1_agreement, reference.kl), (None, None), "the reference is compared with nothing");
        assert_eq!((other.top1_agreement, other.kl), (Some(1.0), Some(0.0)));
        assert_eq!(reference.mean_logprob, other.mean_logprob);
        // The script's token has a probability of about 0.73, see the echo engine.
        let mean = reference.mean_logprob.unwrap();
        assert!((-0.5..-0.2).contains(&mean), "{mean}");
        assert_eq!(reference.perplexity, Some((-mean).exp()));
    }
    use CellState::*;
    ended.went_through(0, 1, 1, &[Waiting, Prefill, Writing, Scoring, Done]);
    let results: Vec<_> = ended
        .events
        .iter()
        .filter_map(|event| match event {
            CompareEvent::Result { cell, result } if cell.column == 1 && cell.repetition == 0 => Some(result.kl),
            _ => None,
        })
        .collect();
    assert!(
        results.ends_with(&[Some(0.0)]) && results.len() <= 3,
        "a result comes again when it is scored, and when its likeness is known: {results:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_those_of_the_engine_itself() {
    let bench = Bench::new();
    let ended = bench.run(scored(&["echo-pieces"])).await;
    // The same answer with logprobs while it is written.
    let lease = bench.registry.acquire("echo-pieces").await.unwrap();
    let text = lease.text().unwrap();
    let question = tern_chat::Message::text(tern_chat::Role::User, "Tell me something");
    let mut turn = tern_chat::TurnRequest::new("check", vec![question]);
    turn.generation.sampling.temperature = 0.0;
    turn.generation.logprobs = Some(0);
    let mut turn = text.chat.start(&text.scheduler, turn).unwrap();
    let mut logprobs = Vec::new();
    while let Some(event) = turn.next().await {
        if let tern_chat::TurnEvent::Text(delta) = event {
            logprobs.extend(delta.logprobs.iter().map(|entry| f64::from(entry.logprob.unwrap())));
        }
    }
    assert_eq!(logprobs.len(), 12);
    let mean = logprobs.iter().sum::<f64>() / 12.0;
    let found = ended.cell(0, 0, 0).mean_logprob.unwrap();
    assert!((found - mean).abs() < 1e-9, "{found} {mean}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_reads_the_references_answer() {
    let bench = Bench::new();
    // Both say words of one list, and the second expects other ones than the first has written.
    let ended = bench.run(scored(&["echo-random", "echo-slow?step_ms=0"])).await;
    let other = ended.cell(0, 1, 0);
    assert!(other.top1_agreement.unwrap() < 0.3, "{:?}", other.top1_agreement);
    assert!(other.kl.unwrap() > 0.5, "{:?}", other.kl);
    assert_eq!(other.quality_note, None);
    // The other way round the reference is the second column.
    let turned = bench.run(CompareRequest { reference: 1, ..scored(&["echo-random", "echo-slow?step_ms=0"]) }).await;
    assert!(turned.cell(0, 0, 0).kl.is_some() && turned.cell(0, 1, 0).kl.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_sampled_agrees_with_itself_too() {
    let bench = Bench::new();
    let mut asked = scored(&["echo-random", "echo-random"]);
    asked.parameters.insert("temperature".into(), 2.0.into());
    let ended = bench.run(asked).await;
    let other = ended.cell(0, 1, 0);
    assert_eq!((other.top1_agreement, other.kl), (Some(1.0), Some(0.0)));
    assert!(other.mean_logprob.unwrap() < -0.5, "unlikely words were taken: {:?}", other.mean_logprob);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_there_is_nothing_to_compare_with() {
    let bench = Bench::new();
    let ended = bench.run(scored(&["echo-error", "echo-pieces"])).await;
    let other = ended.cell(0, 1, 0);
    assert!(other.mean_logprob.is_some() && other.kl.is_none());
    assert!(other.quality_note.as_deref().unwrap().contains("the reference has no answer"));
    // An answer without a token has no mean.
    let mut empty = scored(&["echo-pieces?pieces=0"]);
    empty.parameters = map(serde_json::json!({}));
    let ended = bench.run(empty).await;
    assert_eq!((ended.cell(0, 0, 0).completion_tokens, ended.cell(0, 0, 0).mean_logprob), (Some(0), None));
    assert_eq!(ended.cell(0, 0, 0).first_token_ms, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fills_the_context_is_scored_as_far_as_it_fits() {
    let bench = Bench::new();
    let mut asked = scored(&["echo-tiny"]);
    asked.parameters = map(serde_json::json!({"max_tokens": 1000}));
    let ended = bench.run(asked).await;
    let cell = ended.cell(0, 0, 0);
    assert_eq!(cell.finish_reason.as_deref(), Some("length"));
    assert_eq!(cell.prompt_tokens.unwrap() + cell.completion_tokens.unwrap(), 64);
    assert!(cell.mean_logprob.is_some(), "{:?}", cell.quality_note);
}
