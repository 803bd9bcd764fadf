//! Parameters and logprobs as a client sees them.

use tern_scheduler::{GenerateRequest, SamplingParams};

use crate::support::{Setup, prompt, request, words};

#[test]
fn logprobs_are_of_the_tokens_delivered_and_sum_to_one() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { logprobs: Some(20), ..request(prompt(1, 10)) });
    let mut seen = 0;
    for delta in &outcome.choices[0].deltas {
        assert_eq!(delta.logprobs.len(), delta.tokens.len());
        for (entry, &token) in delta.logprobs.iter().zip(&delta.tokens) {
            seen += 1;
            assert_eq!(entry.token, token);
            assert_eq!(entry.top.len(), 20);
            assert_eq!(entry.top[0].token, token, "greedy takes the most likely");
            assert_eq!(entry.logprob, Some(entry.top[0].logprob));
            assert!(entry.top.windows(2).all(|pair| pair[0].logprob >= pair[1].logprob));
            let sum: f32 = entry.top.iter().map(|top| top.logprob.exp()).sum();
            assert!((0.99..=1.0001).contains(&sum), "echo's 17 words carry nearly everything: {sum}");
        }
    }
    assert_eq!(seen, 8);
}

#[test]
fn logprobs_do_not_follow_temperature_penalties_or_bias() {
    let model = Setup::default().start();
    let plain = model.run(GenerateRequest { logprobs: Some(3), max_tokens: Some(1), ..request(prompt(1, 10)) });
    let top = plain.choices[0].deltas[0].logprobs[0].top.clone();
    let sampling = SamplingParams { temperature: 0.0, logit_bias: vec![(top[1].token, 100.0)], ..Default::default() };
    let biased =
        model.run(GenerateRequest { sampling, logprobs: Some(3), max_tokens: Some(1), ..request(prompt(1, 10)) });
    let entry = &biased.choices[0].deltas[0].logprobs[0];
    assert_eq!(entry.token, top[1].token);
    assert_eq!(entry.top, top);
    assert_eq!(entry.logprob, Some(top[1].logprob));
}

#[test]
fn zero_alternatives_still_give_the_chosen_token_its_logprob() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { logprobs: Some(0), ..request(prompt(1, 10)) });
    let entry = &outcome.choices[0].deltas[0].logprobs[0];
    assert!(entry.top.is_empty() && entry.logprob.is_some_and(|p| (-1.0..0.0).contains(&p)));
}

#[test]
fn logprobs_of_a_prompt_do_not_depend_on_cache_or_chunks() {
    let ask = |length| GenerateRequest { prompt_logprobs: Some(2), ..request(prompt(1, length)) };
    let whole = Setup { chunk: 512, ..Setup::default() }.start();
    let expected = whole.run(ask(200));
    let entries = expected.prompt.as_ref().unwrap();
    assert_eq!(entries.len(), 200);
    assert_eq!((entries[0].logprob, entries[0].top.len()), (None, 0));
    assert!(entries[1..].iter().all(|entry| entry.logprob.is_some() && entry.top.len() == 2));
    assert_eq!(entries.iter().map(|entry| entry.token).collect::<Vec<_>>(), prompt(1, 200));
    // The place after the prompt's first 100 tokens says what a request that ends there generates.
    let generated = whole.run(request(prompt(1, 100)));
    assert_eq!(entries[100].top[0].token, generated.choices[0].tokens[0]);
    let again = whole.run(ask(200));
    assert_eq!((again.prompt.as_ref(), again.cached()), (expected.prompt.as_ref(), 0));
    let chunked = Setup { chunk: 7, ..Setup::default() }.start().run(ask(200));
    assert_eq!(chunked.prompt, expected.prompt);
    assert_eq!(chunked.text(), expected.text());
}

#[test]
fn progress_counts_up_to_the_whole_prompt() {
    let model = Setup { chunk: 100, ..Setup::default() }.start();
    let outcome = model.run(GenerateRequest { return_progress: true, ..request(prompt(1, 250)) });
    assert_eq!(outcome.progress, [100, 200, 250]);
}

#[test]
fn end_of_generation_is_hidden_and_can_be_ignored() {
    let model = Setup { script: "echo-pieces", ..Setup::default() }.start();
    let ask = || GenerateRequest { max_tokens: Some(14), ..request(words("hi")) };
    let ended = model.run(ask());
    assert_eq!(ended.text(), "Hello from the echo engine: one, two, three.");
    assert_eq!(ended.summary.unwrap().completion_tokens, 12);
    let on = model.run(GenerateRequest { ignore_eos: true, ..ask() });
    assert_eq!(on.text(), ended.text());
    assert_eq!(on.choices[0].tokens.len(), 14);
    let shown = model.run(GenerateRequest { ignore_eos: true, show_control: true, ..ask() });
    assert_eq!(shown.text(), format!("{}<|im_end|><|im_end|>", ended.text()));
}
