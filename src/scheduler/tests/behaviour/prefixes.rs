//! What is computed once although many ask for it.

use tern_scheduler::GenerateRequest;

use crate::support::{Setup, collect, prompt, prompt_with_prefix, request};

#[test]
fn clients_with_one_system_prompt_compute_it_once_also_when_they_arrive_together() {
    let model = Setup { parallel: 8, chunk: 100, gated: true, sequences: 16, ..Setup::default() }.start();
    // The first pass is under way when the others arrive, so that they all stand at the same place.
    let clients: Vec<_> = (0..8).map(|i| model.submit(request(prompt_with_prefix(600, i, 20)))).collect();
    model.gate.open();
    for client in clients {
        let outcome = collect(client);
        assert_eq!(outcome.choices[0].tokens.len(), 8);
    }
    let stats = model.stats();
    assert_eq!(stats.prompt_tokens_computed, 600 + 8 * 20, "the shared prefix is computed once");
    assert_eq!(stats.prompt_tokens_cached, 7 * 600);
}

#[test]
fn a_client_goes_on_itself_when_the_one_it_waited_for_leaves() {
    let model = Setup { chunk: 100, gated: true, ..Setup::default() }.start();
    let first = model.submit(request(prompt_with_prefix(600, 1, 20)));
    model.gate.wait_for_pass(1);
    let second = model.submit(request(prompt_with_prefix(600, 2, 20)));
    model.gate.step();
    model.gate.step();
    drop(first);
    model.gate.open();
    let outcome = collect(second);
    let expected = Setup::default().start().run(request(prompt_with_prefix(600, 2, 20)));
    assert_eq!(outcome.text(), expected.text());
    // Three passes were under way or done: what they computed is kept, and nothing is computed twice.
    assert_eq!(outcome.cached(), 300);
    assert_eq!(model.stats().prompt_tokens_computed, 620);
    assert_eq!(model.stats().cancelled, 1);
}

#[test]
fn the_next_turn_of_a_dialogue_continues_in_place() {
    let model = Setup::default().start();
    let first = model.run(request(prompt(1, 50)));
    let mut next = prompt(1, 50);
    next.extend(&first.choices[0].tokens);
    next.extend(prompt(2, 10));
    let second = model.run(request(next));
    // The last token generated was never fed in.
    assert_eq!(second.cached(), 50 + 7);
    assert_eq!(model.gate.copies(), 0);
    assert_eq!(model.stats().kv_cells_used, 50 + 8 + 10 + 7);
}

#[test]
fn the_same_prompt_again_computes_one_token_and_keeps_the_longer_history() {
    let model = Setup::default().start();
    let first = model.run(request(prompt(1, 50)));
    let again = model.run(request(prompt(1, 50)));
    assert_eq!(again.cached(), 49);
    assert_eq!(again.text(), first.text());
    // The first answer's history is still there for its next turn.
    let mut next = prompt(1, 50);
    next.extend(&first.choices[0].tokens);
    next.extend(prompt(2, 10));
    assert_eq!(model.run(request(next)).cached(), 57);
}

#[test]
fn a_running_sequence_is_shared_too() {
    let model = Setup { script: "echo-long?step_ms=0", gated: true, ..Setup::default() }.start();
    let running = model.submit(GenerateRequest { max_tokens: Some(100), ..request(prompt_with_prefix(100, 1, 5)) });
    model.gate.wait_for_pass(1);
    model.gate.step();
    model.gate.step();
    let late = model.submit(request(prompt_with_prefix(100, 2, 5)));
    model.gate.open();
    assert_eq!(collect(late).cached(), 100);
    assert_eq!(collect(running).choices[0].tokens.len(), 100);
}

#[test]
fn with_use_cache_off_everything_is_computed() {
    let model = Setup::default().start();
    model.run(request(prompt(1, 50)));
    let again = model.run(GenerateRequest { use_cache: false, ..request(prompt(1, 50)) });
    assert_eq!(again.cached(), 0);
    assert_eq!(model.stats().prompt_tokens_computed, 100);
}

#[test]
fn several_answers_compute_their_prompt_once() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { n: 3, ..request(prompt(1, 50)) });
    assert_eq!(outcome.choices.len(), 3);
    assert!(outcome.choices.iter().all(|choice| choice.text == outcome.choices[0].text && choice.finish.is_some()));
    let stats = model.stats();
    assert_eq!((stats.prompt_tokens_computed, stats.recomputed_tokens), (50, 0));
    assert_eq!(outcome.summary.unwrap().completion_tokens, 24);
}

#[test]
fn more_answers_than_places_are_given_one_after_the_other() {
    let model = Setup { parallel: 2, ..Setup::default() }.start();
    let outcome = model.run(GenerateRequest { n: 7, ..request(prompt(1, 50)) });
    assert_eq!(outcome.choices.len(), 7);
    assert!(outcome.choices.iter().all(|choice| choice.text == outcome.choices[0].text && choice.finish.is_some()));
    assert_eq!(model.stats().prompt_tokens_computed, 50);
    assert!(model.gate.passes().iter().all(|pass| pass.sequences.len() <= 2));
}

#[test]
fn the_idle_sequence_least_recently_used_goes_first() {
    let model = Setup { sequences: 3, ..Setup::default() }.start();
    for seed in [1, 2, 3] {
        model.run(request(prompt(seed, 40)));
    }
    assert_eq!(model.run(request(prompt(1, 40))).cached(), 39, "1 is still there, and is now the youngest");
    model.run(request(prompt(4, 40)));
    assert_eq!(model.run(request(prompt(1, 40))).cached(), 39);
    assert!(model.stats().evictions > 0);
    assert!(model.run(request(prompt(2, 40))).cached() < 5, "2 was the oldest; a few letters are common by chance");
}

#[test]
fn idle_sequences_give_their_cells_to_those_who_need_them() {
    let model = Setup { cells: 256, ..Setup::default() }.start();
    for seed in 0..12 {
        let outcome = model.run(request(prompt(seed, 60)));
        assert_eq!(outcome.choices[0].tokens.len(), 8);
    }
    let stats = model.stats();
    assert!(stats.evictions >= 8, "{stats:?}");
    assert!(stats.kv_cells_used <= 256);
    assert_eq!(stats.kv_cells_used, stats.kv_cells_cached);
    assert_eq!(stats.preemptions, 0);
}

#[test]
fn a_recurrent_model_reuses_whole_histories_only() {
    let model = Setup { partial: false, ..Setup::default() }.start();
    let first = model.run(request(prompt(1, 50)));
    assert_eq!(model.run(request(prompt(1, 50))).cached(), 0, "its state lies behind the prompt's end");
    let mut next = prompt(1, 50);
    next.extend(&first.choices[0].tokens);
    next.extend(prompt(2, 10));
    let second = model.run(request(next.clone()));
    assert_eq!(second.cached(), 57);
    assert_eq!(second.text(), Setup::default().start().run(request(next)).text());
    let several = model.run(GenerateRequest { n: 3, ..request(prompt(5, 30)) });
    assert_eq!(several.choices.len(), 3);
    assert_eq!(several.choices[2].text, several.choices[0].text);
}
