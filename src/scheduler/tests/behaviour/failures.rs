//! What an engine's failure does to the request that met it, and does not do to others.

use tern_scheduler::{GenerateError, GenerateRequest};

use crate::support::{Setup, Trouble, collect, prompt, request};

/// A token that only the request to blame feeds in.
const BAD: u32 = 33;

fn bad_prompt() -> Vec<u32> {
    let mut tokens = prompt(9, 10);
    tokens.push(BAD);
    tokens
}

#[test]
fn a_failing_request_does_not_take_its_neighbours_along() {
    let model = Setup { gated: true, ..Setup::default() }.start();
    model.gate.make_trouble(Some(Trouble::FailOn(BAD)));
    let good = model.submit(request(prompt(1, 20)));
    model.gate.wait_for_pass(1);
    model.gate.step();
    let bad = model.submit(request(bad_prompt()));
    model.gate.open();
    assert_eq!(collect(bad).error, Some(GenerateError::Engine("engine failure: asked to fail".into())));
    assert_eq!(collect(good).text(), Setup::default().start().run(request(prompt(1, 20))).text());
    assert_eq!(model.stats().failed, 1);
}

#[test]
fn a_panic_of_the_engine_ends_its_batch_and_the_model_goes_on() {
    let model = Setup { parallel: 1, ..Setup::default() }.start();
    model.run(request(prompt(3, 20)));
    model.gate.make_trouble(Some(Trouble::PanicOn(BAD)));
    let bad = model.submit(request(bad_prompt()));
    let good = model.submit(request(prompt(1, 20)));
    match collect(bad).error {
        Some(GenerateError::Engine(message)) => assert!(message.contains("asked to panic"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(collect(good).text(), Setup::default().start().run(request(prompt(1, 20))).text());
    assert_eq!(model.run(request(prompt(1, 20))).cached(), 19, "the cache works as before");
    assert!(model.run(request(prompt(3, 20))).cached() < 5, "what was cached before the panic is not trusted");
}

#[test]
fn a_script_that_fails_or_panics_after_three_tokens_has_delivered_them() {
    for script in ["echo-error", "echo-panic"] {
        let model = Setup { script, ..Setup::default() }.start();
        let outcome = model.run(GenerateRequest { max_tokens: None, ..request(prompt(1, 20)) });
        assert_eq!(outcome.text(), "Hello from the", "{script}");
        assert!(matches!(outcome.error, Some(GenerateError::Engine(_))), "{script}: {outcome:?}");
        assert!(outcome.summary.is_none());
        let stats = model.stats();
        assert_eq!((stats.failed, stats.running), (1, 0));
    }
}

#[test]
fn an_engine_that_runs_out_of_cells_early_makes_requests_wait_and_not_fail() {
    let model = Setup { gated: true, ..Setup::default() }.start();
    model.gate.make_trouble(Some(Trouble::FullAbove(1)));
    let streams: Vec<_> = (1..=3).map(|seed| model.submit(request(prompt(seed, 20)))).collect();
    model.gate.open();
    for (stream, seed) in streams.into_iter().zip(1..) {
        let outcome = collect(stream);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.text(), Setup::default().start().run(request(prompt(seed, 20))).text());
    }
}

#[test]
fn logits_that_are_no_numbers_end_the_request_instead_of_inventing_text() {
    let model = Setup::default().start();
    model.gate.make_trouble(Some(Trouble::Nan));
    assert!(matches!(model.run(request(prompt(1, 20))).error, Some(GenerateError::Engine(_))));
    model.gate.make_trouble(None);
    assert_eq!(model.run(request(prompt(2, 20))).error, None);
}
