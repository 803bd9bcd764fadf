//! Whatever a template forbids or forgets, every message reaches the prompt.

use proptest::prelude::*;
use tern_chat::{ChatModel, Message};

use crate::support::*;

#[test]
fn a_template_that_takes_any_messages_gets_them_unchanged() {
    let dialogue = vec![system("S1"), system("S2"), user("U1"), user("U2"), assistant("A"), system("S3")];
    assert_eq!(
        prompt(&model("chatml"), dialogue),
        "<|im_start|>system\nS1<|im_end|>\n<|im_start|>system\nS2<|im_end|>\n<|im_start|>user\nU1<|im_end|>\n\
         <|im_start|>user\nU2<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>system\nS3<|im_end|>\n\
         <|im_start|>assistant\n"
    );
}

#[test]
fn system_text_stands_before_the_first_question_where_there_is_no_system_role() {
    assert_eq!(
        prompt(&model("gemma"), vec![system("Be brief."), user("Hi"), system("In French.")]),
        "<|bos|><start_of_turn>user\nBe brief.\n\nIn French.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
    );
}

#[test]
fn a_template_that_keeps_only_the_last_system_message_gets_one() {
    let text = prompt(&model("r1"), vec![system("One."), system("Two."), user("Hi"), assistant("A"), system("Three.")]);
    assert!(text.starts_with("<|bos|>One.\n\nTwo.\n\nThree.<｜User｜>Hi"), "{text}");
}

#[test]
fn neighbours_of_one_role_are_merged_where_turns_must_alternate() {
    assert_eq!(
        prompt(
            &model("mistral"),
            vec![system("S"), user("U1"), user("U2"), assistant("A1"), assistant("A2"), user("U3")]
        ),
        "<|bos|>[INST]U1\n\nU2[/INST]A1\n\nA2<|im_end|>[INST]S\n\nU3[/INST]"
    );
}

#[test]
fn an_assistant_that_speaks_first_answers_an_empty_question_where_it_must() {
    let text = prompt(&model("gemma"), vec![assistant("Welcome."), user("Hi")]);
    assert!(text.starts_with("<|bos|><start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\nWelcome."), "{text}");
}

#[test]
fn tools_become_text_where_a_template_leaves_them_out() {
    let dialogue = vec![user("Weather?"), call("c1", "get_weather", r#"{"city":"Oslo"}"#), result("c1", "rain")];
    let text = prompt(&model("gemma"), dialogue);
    assert!(text.contains("model\nTool call (get_weather): {\"city\":\"Oslo\"}<end_of_turn>"), "{text}");
    assert!(text.contains("user\nTool result (get_weather): rain<end_of_turn>"), "{text}");
}

#[test]
fn tools_are_structured_where_a_template_knows_them() {
    let dialogue = vec![user("Weather?"), call("c1", "get_weather", r#"{"city":"Oslo"}"#), result("c1", "rain")];
    let text = prompt(&model("hermes"), dialogue);
    assert!(
        text.contains("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>")
    );
    assert!(text.contains("<tool_response>\nrain\n</tool_response>"), "{text}");
}

#[test]
fn ids_of_tool_calls_are_shortened_where_a_template_insists() {
    let dialogue = vec![
        user("Weather?"),
        call("call_1234567890", "get_weather", r#"{"city":"Oslo"}"#),
        result("call_1234567890", "rain"),
    ];
    let text = prompt(&model("mistral"), dialogue);
    assert_eq!(text.matches("call00000").count(), 2, "{text}");
}

#[test]
fn content_is_given_in_parts_where_a_template_reads_only_parts() {
    assert_eq!(prompt(&model("parts"), vec![user("Hi")]), "<|bos|>User: Hi<end_of_utterance>\nAssistant:");
}

#[test]
fn reasoning_of_the_current_turn_is_given_to_the_template() {
    let thought = Message { reasoning: Some("because".to_owned()), ..call("c1", "f", "{}") };
    let source = "{% for m in messages %}[{{ m.reasoning_content }}|{{ m.content or '' }}]{% endfor %}";
    let text = prompt(&custom(source), vec![user("Hi"), thought, result("c1", "42")]);
    assert!(text.contains("[because|"), "{text}");
}

#[test]
fn a_template_that_refuses_what_no_probe_tried_gets_everything_merged() {
    let source = "{% if messages|length > 6 %}{{ raise_exception('too many') }}{% endif %}\
                  {% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    let dialogue = (0..9).map(|i| user(&format!("word{i}"))).collect();
    let text = prompt(&custom(source), dialogue);
    assert!((0..9).all(|i| text.contains(&format!("word{i}"))), "{text}");
}

/// A dialogue of `kinds`, with a word of its own in each message.
fn dialogue(kinds: &[u8]) -> (Vec<Message>, Vec<String>) {
    let mut words = Vec::new();
    let mut messages = Vec::new();
    for (i, kind) in kinds.iter().enumerate() {
        let word = format!("word{i}x");
        match kind {
            0 => messages.push(system(&word)),
            1 | 2 => messages.push(user(&word)),
            3 | 4 => messages.push(assistant(&word)),
            _ => {
                let id = format!("call_{i}");
                messages.push(call(&id, &format!("tool{i}x"), &format!(r#"{{"q":"argument{i}x"}}"#)));
                messages.push(result(&id, &word));
                words.extend([format!("tool{i}x"), format!("argument{i}x")]);
            }
        }
        words.push(word);
    }
    (messages, words)
}

fn check(name: &str, model: &ChatModel, kinds: &[u8]) {
    let (messages, words) = dialogue(kinds);
    let text = match model.render(&turn(messages)) {
        Ok(rendered) => rendered.prompt,
        Err(error) => panic!("{name}, {kinds:?}: {error}"),
    };
    for word in words {
        assert!(text.contains(&word), "{name}, {kinds:?}: {word} is not in {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_word_of_any_dialogue_is_in_the_prompt(kinds in proptest::collection::vec(0u8..6, 1..8)) {
        for (name, model) in MODELS.iter() {
            check(name, model, &kinds);
        }
    }
}

static MODELS: std::sync::LazyLock<Vec<(&str, ChatModel)>> = std::sync::LazyLock::new(|| {
    let mut models: Vec<_> = TEMPLATES.iter().map(|name| (*name, model(name))).collect();
    models.push(("plain form", plain()));
    models
});

#[test]
#[ignore = "needs templates of real models: TERN_TEMPLATES=folder"]
fn every_word_is_in_the_prompt_of_real_templates() {
    let folder = std::env::var("TERN_TEMPLATES").expect("TERN_TEMPLATES is set");
    let (mut good, mut bad) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jinja") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let model = match ChatModel::new(config(Some(source)), tern_echo::Vocabulary::shared().clone()) {
            Ok(model) => model,
            Err(error) => {
                bad.push(format!("{name}: {error}"));
                continue;
            }
        };
        for kinds in [
            &[1][..],
            &[0, 1],
            &[0, 0, 1, 3, 1],
            &[0, 1, 3, 0, 1],
            &[1, 1, 3, 3, 1],
            &[3, 1],
            &[0],
            &[0, 3, 1],
            &[1, 5, 1],
            &[1, 5, 5, 3, 1],
            &[0, 5, 0, 5],
            &[5, 1, 3, 3, 0],
        ] {
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&name, &model, kinds))) {
                Ok(()) => good += 1,
                Err(panic) => bad.push(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
            }
        }
    }
    println!("{}\n{good} complete, {} not", bad.join("\n"), bad.len());
    assert!(bad.len() * 20 < good, "more than one in twenty is not complete");
}
