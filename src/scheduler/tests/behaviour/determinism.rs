//! Same request, same answer: whatever the cache holds, whoever else runs, however steps are divided.

use tern_scheduler::{GenerateRequest, SamplingParams};

use crate::support::{Setup, collect, prompt_with_prefix, seeded};

fn requests() -> Vec<GenerateRequest> {
    let every_kind = [
        SamplingParams { temperature: 0.0, ..SamplingParams::default() },
        SamplingParams::default(),
        SamplingParams { top_k: 5, temperature: 1.5, ..SamplingParams::default() },
        SamplingParams { top_p: 0.9, min_p: 0.02, ..SamplingParams::default() },
        SamplingParams { typical_p: 0.8, repeat_penalty: 1.3, presence_penalty: 0.5, ..SamplingParams::default() },
    ];
    let kinds = every_kind.iter().cycle();
    let numbered = kinds.zip(0..20u32);
    numbered
        .map(|(sampling, i)| {
            // Some share long prefixes, some are equal but for the seed.
            let prompt = prompt_with_prefix(40 * (i as usize % 3), i % 4, 5 + i as usize % 7);
            let sampling = SamplingParams { seed: Some(u64::from(i) / 2), ..sampling.clone() };
            let n = 1 + i % 3;
            GenerateRequest { sampling, n, max_tokens: Some(20 + i), ..seeded(prompt, 0) }
        })
        .collect()
}

#[test]
fn together_with_shared_prefixes_and_preemption_every_answer_is_what_it_is_alone() {
    let alone: Vec<_> = requests()
        .into_iter()
        .map(|request| Setup { parallel: 1, ..Setup::default() }.start().run(request).choices)
        .collect();
    for (cells, chunk) in [(8192, 512), (8192, 7), (300, 64)] {
        let model = Setup { parallel: 6, cells, chunk, gated: true, ..Setup::default() }.start();
        let streams: Vec<_> = requests().into_iter().map(|request| model.submit(request)).collect();
        model.gate.open();
        for (i, (stream, alone)) in streams.into_iter().zip(&alone).enumerate() {
            let together = collect(stream).choices;
            let texts = |choices: &[crate::support::Choice]| -> Vec<_> {
                choices.iter().map(|c| (c.text.clone(), c.tokens.clone(), c.finish.clone())).collect()
            };
            assert_eq!(texts(&together), texts(alone), "request {i}, {cells} cells, chunks of {chunk}");
        }
        assert!(model.stats().prompt_tokens_cached > 0);
    }
}

#[test]
fn choices_of_a_seeded_request_differ_and_repeat() {
    let model = Setup::default().start();
    let ask = || GenerateRequest { n: 3, max_tokens: Some(20), ..seeded(prompt_with_prefix(0, 1, 10), 7) };
    let first = model.run(ask());
    let texts: Vec<_> = first.choices.iter().map(|choice| choice.text.as_str()).collect();
    assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2], "{texts:?}");
    let again = model.run(ask());
    assert_eq!(texts, again.choices.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>());
    // The first choice is what a request for one answer gives.
    assert_eq!(model.run(GenerateRequest { n: 1, ..ask() }).text(), texts[0]);
}

#[test]
fn without_a_seed_answers_differ() {
    let model = Setup::default().start();
    let ask = || {
        let sampling = SamplingParams { temperature: 2.0, ..SamplingParams::default() };
        GenerateRequest { sampling, max_tokens: Some(30), ..seeded(prompt_with_prefix(0, 1, 10), 7) }
    };
    assert_ne!(model.run(ask()).text(), model.run(ask()).text());
}
