//! Answers with a form: what comes out has it, whatever the model would rather say, and everything else about a request
//! stays.

use serde_json::{Value, json};
use tern_engine::Tokenizer;
use tern_grammar::Grammar;
use tern_scheduler::{FinishReason, GenerateError, GenerateRequest, SamplingParams};

use crate::support::{Choice, Setup, collect, prompt, request, seeded, words};

fn schema() -> Grammar {
    Grammar::JsonSchema(
        json!({ "type": "object", "additionalProperties": false, "required": ["kind", "count", "note", "tags"],
        "properties": { "kind": { "enum": ["red", "green"] }, "count": { "type": "integer", "minimum": 0, "maximum": 99 },
            "note": { "type": "string", "maxLength": 12 },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "minItems": 1, "maxItems": 2 } } }),
    )
}

fn formed(request: GenerateRequest) -> GenerateRequest {
    GenerateRequest { grammar: Some(schema()), max_tokens: Some(400), ..request }
}

fn check(choice: &Choice) {
    assert_eq!(choice.finish, Some(FinishReason::Stop(None)), "{}", choice.text);
    let value: Value = serde_json::from_str(&choice.text).unwrap_or_else(|error| panic!("{error}: {}", choice.text));
    assert!(matches!(value["kind"].as_str(), Some("red" | "green")), "{value}");
    assert!(value["count"].as_u64().is_some_and(|count| count <= 99), "{value}");
    assert!(value["note"].as_str().is_some_and(|note| note.chars().count() <= 12), "{value}");
    assert!(value["tags"].as_array().is_some_and(|tags| (1..=2).contains(&tags.len())), "{value}");
}

#[test]
fn every_way_of_choosing_keeps_to_the_form() {
    let model = Setup::default().start();
    let base = || SamplingParams { seed: Some(3), ..SamplingParams::default() };
    let ways = [
        SamplingParams { temperature: 0.0, ..base() },
        base(),
        SamplingParams { top_k: 5, ..base() },
        SamplingParams { top_p: 0.5, ..base() },
        SamplingParams { min_p: 0.1, ..base() },
        SamplingParams { typical_p: 0.5, ..base() },
        SamplingParams { repeat_penalty: 1.5, presence_penalty: 1.0, frequency_penalty: 0.5, ..base() },
        SamplingParams { logit_bias: vec![(u32::from(b'x'), 100.0)], ..base() },
        SamplingParams { temperature: 5.0, top_k: 40, top_p: 0.9, min_p: 0.01, ..base() },
    ];
    for sampling in ways {
        let outcome = model.run(GenerateRequest { sampling: sampling.clone(), ..formed(request(words("hi"))) });
        assert_eq!(outcome.error, None, "{sampling:?}");
        check(&outcome.choices[0]);
    }
}

#[test]
fn every_answer_of_a_request_has_the_form_and_its_own_content() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { n: 3, ..formed(seeded(words("hi"), 5)) });
    outcome.choices.iter().for_each(check);
    assert_eq!(outcome.choices.len(), 3);
    assert!(outcome.choices[0].text != outcome.choices[1].text || outcome.choices[1].text != outcome.choices[2].text);
}

#[test]
fn a_complete_form_ends_without_another_pass_even_where_the_models_end_is_ignored() {
    for ignore_eos in [false, true] {
        let model = Setup::default().start();
        let grammar = Some(Grammar::Regex("ab".into()));
        let outcome = model.run(GenerateRequest { grammar, ignore_eos, ..request(words("hi")) });
        assert_eq!((outcome.text(), &outcome.choices[0].finish), ("ab", &Some(FinishReason::Stop(None))));
        // The prompt gives the first token, a pass the second.
        assert_eq!(outcome.choices[0].tokens.len(), 2);
        assert_eq!(model.stats().steps, 2);
    }
}

#[test]
fn where_the_form_may_go_on_the_models_end_counts_unless_it_is_ignored() {
    let model = Setup { script: "echo", ..Setup::default() }.start();
    let ask = |ignore_eos| GenerateRequest {
        grammar: Some(Grammar::Regex("h[a-z]*".into())),
        ignore_eos,
        max_tokens: Some(9),
        ..request(words("<|im_start|>user\nh<|im_end|>\n<|im_start|>assistant\n"))
    };
    let outcome = model.run(ask(false));
    assert_eq!((outcome.text(), &outcome.choices[0].finish), ("h", &Some(FinishReason::Stop(None))));
    let outcome = model.run(ask(true));
    assert_eq!((outcome.choices[0].tokens.len(), &outcome.choices[0].finish), (9, &Some(FinishReason::Length)));
}

#[test]
fn max_tokens_and_stop_strings_cut_a_form() {
    let model = Setup::default().start();
    let whole = model.run(formed(seeded(words("hi"), 1)));
    let cut = model.run(GenerateRequest { max_tokens: Some(5), ..formed(seeded(words("hi"), 1)) });
    assert_eq!(cut.choices[0].finish, Some(FinishReason::Length));
    assert!(whole.text().starts_with(cut.text()), "{} of {}", cut.text(), whole.text());
    let stopped = model.run(GenerateRequest { stop: vec!["\"count".into()], ..formed(seeded(words("hi"), 1)) });
    assert_eq!(stopped.choices[0].finish, Some(FinishReason::Stop(Some("\"count".into()))));
    assert_eq!(whole.text().split("\"count").next(), Some(stopped.text()));
}

#[test]
fn the_last_token_that_is_allowed_may_complete_the_form() {
    let model = Setup::default().start();
    let grammar = Some(Grammar::Regex("abc".into()));
    let outcome = model.run(GenerateRequest { grammar, max_tokens: Some(3), ..request(words("hi")) });
    assert_eq!(outcome.choices[0].finish, Some(FinishReason::Stop(None)));
}

#[test]
fn logprobs_are_those_of_the_model_without_a_form() {
    let model = Setup::default().start();
    let plain = model.run(GenerateRequest { logprobs: Some(2), ..request(words("hi")) });
    let formed = model.run(GenerateRequest { logprobs: Some(2), ..formed(request(words("hi"))) });
    check(&formed.choices[0]);
    let first = |choice: &Choice| choice.deltas.iter().flat_map(|delta| delta.logprobs.clone()).next().unwrap();
    let (plain, formed) = (first(&plain.choices[0]), first(&formed.choices[0]));
    assert_eq!(plain.top, formed.top);
    assert!(formed.bytes.starts_with(b"{"), "{formed:?}");
    assert!(formed.logprob.unwrap() < -10.0, "{formed:?}");
}

#[test]
fn preemption_and_neighbours_change_nothing() {
    let model = Setup { cells: 160, sequences: 4, gated: true, ..Setup::default() }.start();
    let ask = |seed: u32| GenerateRequest { max_tokens: None, ..formed(seeded(prompt(seed, 50), seed.into())) };
    let mut streams: Vec<_> = (1..=3).map(|seed| model.submit(ask(seed))).collect();
    streams.push(model.submit(seeded(prompt(9, 40), 9)));
    model.gate.open();
    let mut together: Vec<_> = streams.into_iter().map(collect).collect();
    assert!(model.stats().preemptions > 0 && model.stats().recomputed_tokens > 0, "{:?}", model.stats());
    let alone = Setup::default().start();
    assert_eq!(together.pop().unwrap().text(), alone.run(seeded(prompt(9, 40), 9)).text());
    for (outcome, seed) in together.iter().zip(1..) {
        check(&outcome.choices[0]);
        assert_eq!(outcome.text(), alone.run(ask(seed)).text());
    }
}

#[test]
fn an_answer_without_room_for_its_first_token_is_empty() {
    let model = Setup::default().start();
    let outcome = model.run(GenerateRequest { max_tokens: Some(0), ..formed(request(words("hi"))) });
    assert_eq!((outcome.text(), &outcome.choices[0].finish), ("", &Some(FinishReason::Length)));
    let outcome = model.run(GenerateRequest { grammar: Some(Grammar::Regex(String::new())), ..request(words("hi")) });
    assert_eq!((outcome.text(), &outcome.choices[0].finish), ("", &Some(FinishReason::Stop(None))));
}

#[test]
fn a_form_that_cannot_be_followed_is_refused_or_ends_with_an_error() {
    let model = Setup::default().start();
    let refused = |grammar| {
        let result = model.scheduler.submit(GenerateRequest { grammar: Some(grammar), ..request(words("hi")) });
        match result.err() {
            Some(GenerateError::InvalidParameter { param, message }) => (param, message),
            other => panic!("{other:?}"),
        }
    };
    let (param, message) = refused(Grammar::JsonSchema(json!({ "properties": { "a": { "not": {} } } })));
    assert!(param == "grammar" && message.starts_with("properties.a.not: "), "{message}");
    assert!(refused(Grammar::Lark("start: <|nothing|>".into())).1.contains("nothing"));
    // Ambiguous without end, so that following it takes more and more.
    let explosive = Grammar::Lark("start: s\ns: s s | s s s | \"a\" | \"a\" \"a\"".into());
    let outcome =
        model.run(GenerateRequest { grammar: Some(explosive), max_tokens: Some(5000), ..request(words("hi")) });
    match outcome.error {
        Some(GenerateError::Engine(message)) => assert!(message.contains("form"), "{message}"),
        other => assert_eq!(other, None),
    }
    // The model goes on answering others.
    check(&model.run(formed(request(words("hi")))).choices[0]);
}

#[test]
fn a_bias_against_the_only_token_that_is_allowed_does_not_break_the_form() {
    let model = Setup::default().start();
    let vocabulary = tern_echo::Vocabulary::shared();
    // Whatever spells it is forbidden.
    let never = (0..vocabulary.vocab_size() as u32).filter(|&token| {
        let mut bytes = Vec::new();
        vocabulary.decode(token, true, &mut bytes);
        bytes == b"z"
    });
    let logit_bias = never.map(|token| (token, f32::MIN)).collect();
    let sampling = SamplingParams { logit_bias, temperature: 0.0, ..SamplingParams::default() };
    let outcome =
        model.run(GenerateRequest { grammar: Some(Grammar::Regex("zz".into())), sampling, ..request(words("hi")) });
    // A bias is a wish and the form is not: it is written all the same.
    assert_eq!(outcome.text(), "zz");
}
