//! A client that goes away stops costing within a step, wherever its request is.

use tern_scheduler::GenerateRequest;

use crate::support::{Setup, collect, prompt, request};

#[test]
fn dropping_a_decoding_request_frees_its_place() {
    let model = Setup { script: "echo-long?step_ms=0", parallel: 1, gated: true, ..Setup::default() }.start();
    let endless = model.submit(GenerateRequest { max_tokens: None, ..request(prompt(1, 10)) });
    model.gate.wait_for_pass(1);
    model.gate.step();
    model.gate.step();
    let next = model.submit(request(prompt(2, 10)));
    drop(endless);
    model.gate.open();
    assert_eq!(collect(next).choices[0].tokens.len(), 8);
    let passes = model.gate.passes();
    // Three passes of the first (the third was under way), then the second alone.
    assert!(passes[3..].iter().all(|pass| pass.sequences.len() == 1));
    assert_eq!(passes[3].tokens(), 10, "{passes:?}");
    let stats = model.stats();
    assert_eq!((stats.cancelled, stats.completed, stats.running), (1, 1, 0));
}

#[test]
fn dropping_a_request_in_prefill_stops_it_between_chunks() {
    let model = Setup { chunk: 100, gated: true, ..Setup::default() }.start();
    let long = model.submit(request(prompt(1, 5000)));
    model.gate.wait_for_pass(1);
    model.gate.step();
    drop(long);
    model.gate.open();
    let next = model.run(request(prompt(2, 10)));
    assert_eq!(next.choices[0].tokens.len(), 8);
    assert_eq!(model.stats().prompt_tokens_computed, 200 + 10);
    // What was computed is kept.
    assert_eq!(model.run(request(prompt(1, 300))).cached(), 200);
}

#[test]
fn dropping_a_queued_request_costs_nothing() {
    let model = Setup { parallel: 1, gated: true, ..Setup::default() }.start();
    let first = model.submit(request(prompt(1, 10)));
    model.gate.wait_for_pass(1);
    let queued = model.submit(request(prompt(2, 1000)));
    assert_eq!(model.stats().waiting, 1);
    drop(queued);
    assert_eq!(model.stats().waiting, 0);
    model.gate.open();
    collect(first);
    model.run(request(prompt(3, 10)));
    assert_eq!(model.stats().prompt_tokens_computed, 20);
    assert_eq!(model.stats().cancelled, 1);
    assert!(model.scheduler.is_idle());
}

#[test]
fn the_thread_notices_a_cancel_while_it_has_nothing_else_to_do() {
    let model = Setup { parallel: 1, gated: true, ..Setup::default() }.start();
    let only = model.submit(request(prompt(1, 10)));
    model.gate.wait_for_pass(1);
    drop(only);
    model.gate.open();
    model.scheduler.close();
    model.scheduler.join();
    assert_eq!(model.gate.passes().len(), 1);
    assert!(model.scheduler.is_idle());
}
