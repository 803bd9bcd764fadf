//! Deltas: whole characters, no stop string.

use tern_scheduler::{FinishReason, GenerateRequest};

use crate::support::{Setup, request, words};

#[test]
fn characters_cut_by_token_borders_arrive_whole() {
    let model = Setup { script: "echo-utf8", ..Setup::default() }.start();
    let outcome = model.run(GenerateRequest { max_tokens: None, ..request(words("hi")) });
    assert_eq!(outcome.text(), "Café 👨‍👩‍👧‍👦 🇨🇭 日本語 e\u{301}.");
    let family = outcome.choices[0].deltas.iter().filter(|delta| delta.text.contains('👨')).collect::<Vec<_>>();
    assert!(family.len() == 1 && family[0].text.contains("👨‍👩‍👧‍👦"), "{family:?}");
    assert!(outcome.choices[0].deltas.iter().any(|delta| delta.text.contains("🇨🇭")));
}

#[test]
fn a_stop_string_over_several_tokens_ends_the_answer_before_it() {
    let model = Setup { script: "echo-stop", ..Setup::default() }.start();
    let ask = |stop: &str| GenerateRequest { max_tokens: None, stop: vec![stop.into()], ..request(words("hi")) };
    let outcome = model.run(ask("STOP"));
    assert_eq!(outcome.text(), "alpha beta gamma ");
    assert_eq!(outcome.choices[0].finish, Some(FinishReason::Stop(Some("STOP".into()))));
    let inside = model.run(ask("pha be"));
    assert_eq!(inside.text(), "al");
    let never = model.run(ask("gamma STOX"));
    assert!(never.text().starts_with("alpha beta gamma STOP delta"), "{}", never.text());
    assert_eq!(never.choices[0].finish, Some(FinishReason::Stop(None)));
}

#[test]
fn what_was_held_back_is_delivered_when_the_answer_ends() {
    let model = Setup { script: "echo-stop", ..Setup::default() }.start();
    let ask = GenerateRequest { max_tokens: Some(2), stop: vec!["pha beyond".into()], ..request(words("hi")) };
    let outcome = model.run(ask);
    assert_eq!(outcome.text(), "alpha");
    assert_eq!(outcome.choices[0].finish, Some(FinishReason::Length));
    assert_eq!(outcome.choices[0].tokens.len(), 2);
}
