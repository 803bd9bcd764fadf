//! Who shares a forward pass with whom.

use tern_scheduler::GenerateRequest;

use crate::support::{Setup, collect, prompt, request};

#[test]
fn a_long_prompt_never_stalls_running_streams_by_more_than_one_chunk() {
    let model = Setup { script: "echo-long?step_ms=0", chunk: 128, gated: true, ..Setup::default() }.start();
    let stream = model.submit(GenerateRequest { max_tokens: Some(400), ..request(prompt(1, 10)) });
    model.gate.wait_for_pass(1);
    model.gate.step();
    let running = model.gate.passes()[1].sequences[0].0;
    let long = model.submit(GenerateRequest { max_tokens: Some(1), ..request(prompt(2, 3000)) });
    model.gate.open();
    assert_eq!(collect(long).choices[0].tokens.len(), 1);
    collect(stream);
    let passes = model.gate.passes();
    // In the same pass or in one of its own before it, whichever is measured to be faster.
    let steps: Vec<_> = passes.windows(2).filter(|pair| pair[1].tokens() > 4).collect();
    assert!(steps.len() >= 3000 / 128, "{} passes with prompt tokens", steps.len());
    for pair in steps {
        let served = pair.iter().any(|pass| pass.sequences.contains(&(running, 1)));
        assert!(served, "the stream takes part in every step: {pair:?}");
        assert!(pair[1].tokens() <= 128, "{pair:?}");
    }
}

#[test]
fn a_short_prompt_is_not_starved_behind_a_huge_one() {
    let model = Setup { chunk: 100, gated: true, ..Setup::default() }.start();
    let huge = model.submit(request(prompt(1, 4000)));
    model.gate.wait_for_pass(1);
    let short = model.submit(request(prompt(2, 60)));
    model.gate.open();
    collect(short);
    let passes = model.gate.passes();
    collect(huge);
    // One pass was under way; the next two have room for the short prompt, then come its eight tokens.
    let short_prompt_done = passes.iter().position(|pass| pass.sequences.contains(&(1, 1))).unwrap();
    assert!(short_prompt_done <= 4, "{:?}", &passes[..6]);
}

#[test]
fn streams_are_decoded_together_and_join_as_they_come() {
    let model = Setup { script: "echo-long?step_ms=0", gated: true, ..Setup::default() }.start();
    let first = model.submit(GenerateRequest { max_tokens: Some(50), ..request(prompt(1, 10)) });
    model.gate.wait_for_pass(1);
    let others: Vec<_> = (2..5).map(|i| model.submit(request(prompt(i, 10)))).collect();
    for _ in 0..3 {
        model.gate.step();
    }
    assert_eq!(model.gate.passes()[3].sequences.len(), 4, "{:?}", model.gate.passes());
    model.gate.open();
    for stream in others.into_iter().chain([first]) {
        assert!(collect(stream).error.is_none());
    }
}

#[test]
fn an_idle_model_computes_nothing() {
    let model = Setup::default().start();
    model.run(request(prompt(1, 10)));
    let passes = model.gate.passes().len();
    assert!(model.scheduler.is_idle() && model.scheduler.idle_since().is_some());
    // A second request goes through the same sleeping thread; nothing ran in between.
    model.run(GenerateRequest { max_tokens: Some(0), ..request(prompt(2, 10)) });
    assert_eq!(model.gate.passes().len(), passes + 1);
}

#[test]
fn steps_are_measured_for_each_number_of_sequences() {
    let model = Setup { script: "echo-long?step_ms=0", gated: true, ..Setup::default() }.start();
    let streams: Vec<_> =
        (0..3).map(|i| model.submit(GenerateRequest { max_tokens: Some(60), ..request(prompt(i, 10)) })).collect();
    model.gate.open();
    for stream in streams {
        assert_eq!(collect(stream).choices[0].tokens.len(), 60);
    }
    let costs = model.stats().step_costs;
    assert!(costs.iter().any(|cost| cost.sequences == 3 && cost.measured >= 3), "{costs:?}");
    assert!(costs.iter().any(|cost| cost.sequences == 1 && cost.measured >= 3), "parts were tried: {costs:?}");
}
