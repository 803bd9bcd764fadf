//! Who is let in, who waits, who is set aside, and how it all ends.

use tern_scheduler::{FinishReason, GenerateError, GenerateRequest, SamplingParams};

use crate::support::{Setup, collect, prompt, request};

#[test]
fn a_full_queue_refuses_and_says_how_many_wait() {
    let model = Setup { parallel: 1, queue: 2, gated: true, ..Setup::default() }.start();
    let running = model.submit(request(prompt(1, 10)));
    model.gate.wait_for_pass(1);
    let waiting: Vec<_> = (2..4).map(|i| model.submit(request(prompt(i, 10)))).collect();
    let refused = model.scheduler.submit(request(prompt(5, 10))).err();
    assert_eq!(refused, Some(GenerateError::QueueFull { waiting: 2 }));
    // Who leaves the queue makes room at once, before the thread has looked.
    let mut waiting = waiting;
    waiting.pop();
    let late = model.submit(request(prompt(6, 10)));
    model.gate.open();
    for stream in waiting.into_iter().chain([running, late]) {
        assert!(collect(stream).error.is_none());
    }
    assert_eq!(model.stats().refused, 1);
}

#[test]
fn a_burst_that_finds_free_places_is_not_refused() {
    let model = Setup { parallel: 4, queue: 0, gated: true, ..Setup::default() }.start();
    let streams: Vec<_> = (0..4).map(|i| model.submit(request(prompt(i, 10)))).collect();
    model.gate.open();
    for stream in streams {
        assert!(collect(stream).error.is_none());
    }
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_with_both_numbers() {
    let model = Setup { script: "echo-tiny", ..Setup::default() }.start();
    let refused = model.scheduler.submit(request(prompt(1, 64))).err();
    assert_eq!(refused, Some(GenerateError::ContextLengthExceeded { prompt_tokens: 64, context_length: 64 }));
    let just_fits = model.run(GenerateRequest { max_tokens: None, ..request(prompt(1, 63)) });
    assert_eq!(just_fits.choices[0].tokens.len(), 1);
    assert_eq!(just_fits.choices[0].finish, Some(FinishReason::Length));
}

#[test]
fn without_max_tokens_an_answer_goes_to_the_context_length() {
    let model = Setup { script: "echo-tiny", ..Setup::default() }.start();
    let outcome = model.run(GenerateRequest { max_tokens: None, ..request(prompt(1, 20)) });
    assert_eq!(outcome.choices[0].tokens.len(), 44);
    assert_eq!(outcome.choices[0].finish, Some(FinishReason::Length));
}

#[test]
fn max_tokens_zero_computes_the_prompt_only() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { max_tokens: Some(0), n: 2, ..request(prompt(1, 30)) });
    assert_eq!(outcome.choices.len(), 2);
    assert!(outcome.choices.iter().all(|c| c.text.is_empty() && c.finish == Some(FinishReason::Length)));
    assert_eq!(outcome.summary.unwrap().completion_tokens, 0);
    assert_eq!(model.run(request(prompt(1, 30))).cached(), 29);
}

#[test]
fn parameters_out_of_range_are_named() {
    let model = Setup::default().start();
    let check = |param: &str, request: GenerateRequest| match model.scheduler.submit(request) {
        Err(GenerateError::InvalidParameter { param: found, message }) => {
            assert_eq!(found, param);
            assert!(message.contains(param), "{message}");
        }
        other => panic!("{param}: {:?}", other.err()),
    };
    let base = || request(prompt(1, 10));
    let sampling = |change: fn(&mut SamplingParams)| {
        let mut request = base();
        change(&mut request.sampling);
        request
    };
    check("prompt", GenerateRequest { prompt: Vec::new(), ..base() });
    check("prompt", GenerateRequest { prompt: vec![1_000_000], ..base() });
    check("n", GenerateRequest { n: 0, ..base() });
    check("n", GenerateRequest { n: 129, ..base() });
    check("logprobs", GenerateRequest { logprobs: Some(21), ..base() });
    check("temperature", sampling(|p| p.temperature = f32::NAN));
    check("temperature", sampling(|p| p.temperature = -1.0));
    check("top_p", sampling(|p| p.top_p = 1.5));
    check("min_p", sampling(|p| p.min_p = -0.1));
    check("typical_p", sampling(|p| p.typical_p = f32::INFINITY));
    check("repeat_penalty", sampling(|p| p.repeat_penalty = 0.0));
    check("repeat_last_n", sampling(|p| p.repeat_last_n = -2));
    check("logit_bias", sampling(|p| p.logit_bias = vec![(1_000_000, 1.0)]));
    check("logit_bias", sampling(|p| p.logit_bias = vec![(1, f32::NAN)]));
}

#[test]
fn a_preempted_answer_goes_on_as_if_nothing_had_happened() {
    // Two answers of 50 + 64 tokens cannot be held at once; no max_tokens, so both are let in.
    let model = Setup { cells: 160, sequences: 4, gated: true, ..Setup::default() }.start();
    let ask = |seed| GenerateRequest { max_tokens: None, ..crate::support::seeded(prompt(seed, 50), seed.into()) };
    let streams: Vec<_> = (1..=2).map(|seed| model.submit(ask(seed))).collect();
    model.gate.open();
    let together: Vec<_> = streams.into_iter().map(collect).collect();
    assert!(model.stats().preemptions > 0, "{:?}", model.stats());
    assert!(model.stats().recomputed_tokens > 0);
    for (outcome, seed) in together.iter().zip(1..) {
        let alone = Setup { cells: 160, ..Setup::default() }.start().run(ask(seed));
        assert_eq!(outcome.choices[0].text, alone.choices[0].text);
        assert_eq!(outcome.choices[0].finish, alone.choices[0].finish);
        assert_eq!(outcome.summary.unwrap().prompt_tokens, 50);
    }
    assert_eq!(model.stats().prompt_tokens_computed, 100);
}

#[test]
fn who_says_how_much_it_needs_is_not_let_in_before_there_is_room() {
    let model = Setup { cells: 200, parallel: 2, script: "echo-long?step_ms=0", ..Setup::default() }.start();
    let ask = |seed| GenerateRequest { max_tokens: Some(90), ..request(prompt(seed, 60)) };
    let streams: Vec<_> = (1..=3).map(|seed| model.submit(ask(seed))).collect();
    for stream in streams {
        assert_eq!(collect(stream).choices[0].tokens.len(), 90);
    }
    assert_eq!(model.stats().preemptions, 0);
    assert!(model.gate.passes().iter().all(|pass| pass.sequences.len() == 1));
}

#[test]
fn close_finishes_what_was_accepted_and_refuses_the_rest() {
    let model = Setup { parallel: 1, gated: true, ..Setup::default() }.start();
    let running = model.submit(request(prompt(1, 10)));
    let queued = model.submit(request(prompt(2, 10)));
    model.gate.wait_for_pass(1);
    model.scheduler.close();
    assert_eq!(model.scheduler.submit(request(prompt(3, 10))).err(), Some(GenerateError::ShuttingDown));
    assert!(!model.scheduler.is_finished());
    model.gate.open();
    assert_eq!(collect(running).choices[0].tokens.len(), 8);
    assert_eq!(collect(queued).choices[0].tokens.len(), 8);
    model.scheduler.join();
    assert!(model.scheduler.is_finished());
}

#[test]
fn abort_ends_running_and_waiting_requests() {
    let model = Setup { parallel: 1, gated: true, script: "echo-long?step_ms=0", ..Setup::default() }.start();
    let running = model.submit(GenerateRequest { max_tokens: None, ..request(prompt(1, 10)) });
    let queued = model.submit(request(prompt(2, 10)));
    model.gate.wait_for_pass(1);
    model.scheduler.abort();
    model.gate.open();
    assert_eq!(collect(running).error, Some(GenerateError::ShuttingDown));
    assert_eq!(collect(queued).error, Some(GenerateError::ShuttingDown));
    model.scheduler.join();
    assert!(model.scheduler.is_idle());
}

#[test]
fn dropping_the_last_handle_finishes_and_ends_the_thread() {
    let model = Setup { gated: true, ..Setup::default() }.start();
    let events = model.submit(request(prompt(1, 10)));
    let gate = model.gate.clone();
    let other = model.scheduler.clone();
    drop(model);
    drop(other);
    gate.open();
    assert_eq!(collect(events).choices[0].tokens.len(), 8);
}
