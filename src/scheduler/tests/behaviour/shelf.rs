//! Conversations put aside outside the cache while others run.

use tern_scheduler::GenerateRequest;

use crate::support::{Model, Outcome, Setup, collect, prompt, request};

/// The prompt of the next turn of a dialogue.
fn next_turn(seed: u32, first: &Outcome) -> Vec<u32> {
    [prompt(seed, 80), first.choices[0].tokens.clone(), prompt(seed + 500, 10)].concat()
}

fn runs(model: &Model, seeds: std::ops::Range<u32>) -> Vec<Outcome> {
    seeds.map(|seed| model.run(request(prompt(seed, 80)))).collect()
}

#[test]
fn more_dialogues_than_sequences_are_remembered_and_go_on_as_if_they_had_never_left() {
    let (plain, model) =
        (Setup::default().start(), Setup { sequences: 2, saved: 1 << 20, parallel: 2, ..Setup::default() }.start());
    let first = runs(&model, 1..9);
    assert_eq!(model.stats().evictions, 0);
    for (seed, first) in (1..9).zip(&first) {
        let outcome = model.run(request(next_turn(seed, first)));
        // The last token generated was never fed in.
        assert_eq!(outcome.cached(), 80 + 7, "dialogue {seed}");
        assert_eq!(outcome.text(), plain.run(request(next_turn(seed, first))).text());
    }
}

#[test]
fn idle_dialogues_leave_the_cache_while_another_runs_and_only_then() {
    let model = Setup { saved: 1 << 20, ..Setup::default() }.start();
    let first = model.run(request(prompt(1, 80)));
    assert_eq!((model.gate.saves(), model.stats().kv_cells_cached), (0, 87), "nobody is in anybody's way");
    assert_eq!(model.run(request(next_turn(1, &first))).cached(), 87);
    assert_eq!(model.gate.saves(), 0, "a dialogue that goes on stays where it is");
    model.run(request(prompt(2, 80)));
    assert_eq!(model.gate.saves(), 1);
    assert_eq!(model.stats().kv_cells_cached, 87, "that of the one which ran last");
}

#[test]
fn what_does_not_fit_outside_is_forgotten_oldest_first() {
    // Room for two dialogues of 87 tokens.
    let model = Setup { sequences: 2, saved: 700, parallel: 1, ..Setup::default() }.start();
    let first = runs(&model, 1..6);
    assert_eq!(model.stats().evictions, 2, "of five one is in the cache and two are outside");
    assert_eq!(model.run(request(next_turn(5, &first[4]))).cached(), 87);
    assert_eq!(model.run(request(next_turn(4, &first[3]))).cached(), 87);
    assert!(model.run(request(next_turn(1, &first[0]))).cached() < 16);
}

#[test]
fn the_beginning_of_a_dialogue_outside_serves_another_and_the_dialogue_stays() {
    let model = Setup { sequences: 2, saved: 1 << 20, parallel: 1, ..Setup::default() }.start();
    let first = runs(&model, 1..4);
    let other = [&prompt(1, 80)[..40], &prompt(77, 20)].concat();
    assert_eq!(model.run(request(other)).cached(), 40);
    assert_eq!(model.run(request(next_turn(1, &first[0]))).cached(), 87);
}

#[test]
fn a_dialogue_comes_back_only_if_its_cells_can_be_had() {
    let model = Setup { cells: 256, sequences: 4, saved: 1 << 20, gated: true, ..Setup::default() }.start();
    let open = |model: &Model| model.gate.open();
    let running = model.submit(GenerateRequest { max_tokens: Some(60), ..request(prompt(1, 100)) });
    model.gate.wait_for_pass(1);
    let waiting = model.submit(request(prompt(2, 80)));
    open(&model);
    collect(waiting);
    collect(running);
    for seed in 3..6 {
        let outcome = model.run(request(prompt(seed, 200)));
        assert_eq!(outcome.choices[0].tokens.len(), 8);
    }
    assert_eq!(model.stats().preemptions, 0);
    assert!(model.stats().kv_cells_used <= 256);
    assert_eq!(model.run(request([prompt(2, 80), prompt(9, 4)].concat())).cached(), 80);
}

#[test]
fn a_recurrent_model_s_dialogues_come_back_whole() {
    let model = Setup { partial: false, sequences: 2, parallel: 1, saved: 1 << 20, ..Setup::default() }.start();
    let first = runs(&model, 1..5);
    assert_eq!(model.run(request(next_turn(2, &first[1]))).cached(), 87);
    assert_eq!(model.run(request(prompt(3, 80))).cached(), 0, "its state lies behind the prompt's end");
}
