//! Tools in a whole turn on the echo engine: shown to the model, called in its own form, held to their schemas.

use serde_json::{Value, json};
use tern_chat::{Answer, Message, Role, Thinking, ToolCall, ToolChoice, TurnError, TurnEvent, TurnRequest, gather};
use tern_grammar::Grammar;
use tern_scheduler::FinishReason;

use crate::{
    support::{FORMS, turn, user},
    turns::start,
};

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false,
    }}})
}

fn ask() -> TurnRequest {
    TurnRequest { tools: vec![weather()], ..turn(vec![user("Weather?")]) }
}

/// What `script` answers, gathered, and how many calls the answers say they made.
fn answers(script: &str, request: TurnRequest) -> (Vec<Answer>, u32) {
    let (chat, scheduler) = start(script);
    let mut turn = chat.start(&scheduler, request).unwrap();
    let (mut answers, mut counted) = (Vec::new(), 0);
    while let Some(event) = turn.blocking_next() {
        match event {
            TurnEvent::Failed(error) => panic!("{script}: {error}"),
            TurnEvent::Finish { tool_calls, .. } => counted += tool_calls,
            _ => {}
        }
        gather(&mut answers, event);
    }
    (answers, counted)
}

fn answer(script: &str, request: TurnRequest) -> Answer {
    answers(script, request).0.remove(0)
}

fn calls(answer: &Answer) -> Vec<(&str, Value)> {
    let read =
        |call: &ToolCall| serde_json::from_str(&call.arguments).unwrap_or_else(|error| panic!("{error}: {call:?}"));
    answer.tool_calls.iter().map(|call| (call.name.as_str(), read(call))).collect()
}

fn city(name: &str) -> (&'static str, Value) {
    ("get_weather", json!({"city": name}))
}

#[test]
fn every_family_calls_in_its_own_form_and_no_mark_is_seen() {
    let two = [city("Zurich"), city("Oslo")];
    for (script, expected) in [
        ("echo-tools", &two[..1]),
        ("echo-tools-smollm", &two[..]),
        ("echo-tools-llama", &two[..]),
        ("echo-tools-python", &two[..1]),
        ("echo-tools-mistral", &two[..]),
        ("echo-tools-mistral-list", &two[..]),
        ("echo-tools-deepseek", &two[..]),
        ("echo-tools-coder", &two[..]),
        ("echo-tools-plain", &two[..1]),
    ] {
        for choice in [ToolChoice::Auto, ToolChoice::Required] {
            let (answers, counted) = answers(script, TurnRequest { tool_choice: choice.clone(), ..ask() });
            let answer = &answers[0];
            assert_eq!(calls(answer), expected, "{script} {choice:?}: {answer:?}");
            assert_eq!((answer.text.as_str(), counted as usize), ("", expected.len()), "{script} {choice:?}");
            assert_eq!(answer.finish, Some(FinishReason::Stop(None)), "{script}");
            assert!(answer.tool_calls.iter().all(|call| call.id.starts_with("call_")), "{answer:?}");
        }
    }
}

#[test]
fn text_before_calls_stays_and_cut_characters_and_escapes_are_whole() {
    let answer = answer("echo-tools-two", ask());
    assert_eq!(answer.text, "Let me look.");
    assert_eq!(calls(&answer), [city("Zürich"), city("S\u{e3}o \"P\"")]);
    assert_ne!(answer.tool_calls[0].id, answer.tool_calls[1].id);
}

#[test]
fn a_call_named_in_the_reasoning_is_no_call() {
    let answer = answer("echo-tools-thinking", ask());
    assert_eq!(answer.reasoning.as_deref(), Some("I call <tool_call> for that."));
    assert_eq!((answer.text.as_str(), calls(&answer)), ("", vec![city("Zurich")]));
}

#[test]
fn without_tools_or_with_the_choice_none_the_text_stays_text() {
    let written = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zurich\"}}\n</tool_call>";
    for request in [turn(vec![user("Weather?")]), TurnRequest { tool_choice: ToolChoice::None, ..ask() }] {
        let answer = answer("echo-tools", request);
        assert_eq!((answer.text.as_str(), answer.tool_calls.len()), (written, 0));
    }
}

#[test]
fn at_most_one_call_comes_where_only_one_may() {
    for script in
        ["echo-tools-two", "echo-tools-mistral", "echo-tools-deepseek", "echo-tools-smollm", "echo-tools-llama"]
    {
        let answer = answer(script, TurnRequest { parallel_tool_calls: false, ..ask() });
        assert_eq!(answer.tool_calls.len(), 1, "{script}: {answer:?}");
        assert_eq!(answer.finish, Some(FinishReason::Stop(None)), "{script}");
    }
}

#[test]
fn a_model_that_would_rather_talk_calls_where_it_must() {
    let mut request = TurnRequest { tool_choice: ToolChoice::Required, ..ask() };
    request.generation.max_tokens = Some(400);
    for script in ["echo", "echo-random", "echo-thinking"] {
        let answer = answer(script, request.clone());
        assert_eq!(answer.text, "", "{script}: {answer:?}");
        assert!(!answer.tool_calls.is_empty(), "{script}: {answer:?}");
        if answer.finish == Some(FinishReason::Stop(None)) {
            let called = calls(&answer);
            assert!(called.iter().all(|(name, arguments)| *name == "get_weather" && arguments["city"].is_string()));
        }
    }
}

#[test]
fn only_the_named_functions_are_called_and_their_schemas_are_kept() {
    let level = json!({"type": "function", "function": {"name": "set_level", "parameters": {
        "type": "object", "properties": {"level": {"enum": [3]}}, "required": ["level"], "additionalProperties": false,
    }}});
    let only = ToolChoice::Only { names: vec!["set_level".to_owned()], required: true };
    let request = TurnRequest { tools: vec![weather(), level], tool_choice: only, parallel_tool_calls: false, ..ask() };
    for script in ["echo-tools", "echo-tools-mistral", "echo-tools-coder", "echo-tools-plain"] {
        let answer = answer(script, request.clone());
        assert_eq!(calls(&answer), [("set_level", json!({"level": 3}))], "{script}: {answer:?}");
    }
}

#[test]
fn random_weights_write_valid_calls_in_every_familys_form() {
    let set = json!({"type": "function", "function": {"name": "set", "strict": true, "parameters": {
        "type": "object", "required": ["level", "on", "kind", "more"], "additionalProperties": false, "properties": {
            "level": {"type": "integer", "minimum": 1, "maximum": 3}, "on": {"type": "boolean"},
            "kind": {"type": "string", "enum": ["a b", "c\"d"]}, "more": {"$ref": "#/$defs/more"},
        },
        "$defs": {"more": {"type": "array", "items": {"enum": [null, "x"]}, "minItems": 1, "maxItems": 2}},
    }}});
    for template in FORMS {
        let (chat, _) = start(template);
        let (_, scheduler) = start("echo-random");
        for seed in 0..6 {
            let choice = if seed % 2 == 0 { ToolChoice::Required } else { ToolChoice::Auto };
            let mut request = TurnRequest { tools: vec![set.clone()], tool_choice: choice, ..ask() };
            request.parallel_tool_calls = seed % 3 == 0;
            request.generation.sampling.temperature = 1.0;
            request.generation.sampling.seed = Some(seed);
            request.generation.max_tokens = Some(600);
            request.thinking = Thinking { enabled: None, budget: Some(20) };
            let mut turn = chat.start(&scheduler, request).unwrap();
            let mut answers = Vec::new();
            while let Some(event) = turn.blocking_next() {
                assert!(!matches!(event, TurnEvent::Failed(_)), "{template} {seed}: {event:?}");
                gather(&mut answers, event);
            }
            let answer = &answers[0];
            assert!(seed % 2 == 1 || !answer.tool_calls.is_empty(), "{template} {seed}: {answer:?}");
            if answer.finish == Some(FinishReason::Length) {
                continue;
            }
            for (name, arguments) in calls(answer) {
                let kind = ["a b", "c\"d"].contains(&arguments["kind"].as_str().unwrap());
                let level = (1..=3).contains(&arguments["level"].as_i64().unwrap());
                let more = (1..=2).contains(&arguments["more"].as_array().unwrap().len());
                let whole = arguments.as_object().unwrap().len() == 4 && arguments["on"].is_boolean();
                assert!(name == "set" && kind && level && more && whole, "{template} {seed}: {arguments}");
            }
        }
    }
}

#[test]
fn an_answer_is_a_call_or_has_the_form_that_was_asked_for() {
    let mut request = ask();
    request.generation.grammar = Some(Grammar::JsonSchema(json!({"enum": [17]})));
    let called = answer("echo-tools", request.clone());
    assert_eq!(calls(&called), [city("Zurich")]);
    let said = answer("echo-pieces", request);
    assert!(said.text == "17" || !said.tool_calls.is_empty(), "{said:?}");
}

#[test]
fn json_that_begins_like_a_bare_call_may_be_an_answer() {
    for template in ["echo-tools-llama", "echo-tools-plain"] {
        let (chat, _) = start(template);
        let (_, scheduler) = start("echo");
        let said = r#"{"name": "Bob", "parameters": {"a": 1}}"#;
        let mut turn = chat.start(&scheduler, TurnRequest { messages: vec![user(said)], ..ask() }).unwrap();
        let mut answers = Vec::new();
        while let Some(event) = turn.blocking_next() {
            gather(&mut answers, event);
        }
        assert_eq!((answers[0].text.as_str(), answers[0].tool_calls.len()), (said, 0), "{template}");
    }
}

#[test]
fn a_call_that_is_cut_off_ends_by_length() {
    let mut request = ask();
    request.generation.max_tokens = Some(16);
    let cut = answer("echo-tools", request.clone());
    assert_eq!((cut.text.as_str(), cut.finish), ("", Some(FinishReason::Length)));
    assert_eq!(cut.tool_calls[0].arguments, "{\"city\": \"");
    request.generation.max_tokens = Some(5);
    let cut = answer("echo-tools", request.clone());
    assert_eq!((cut.text.as_str(), cut.tool_calls.len(), cut.finish), ("", 0, Some(FinishReason::Length)));
    request.generation.max_tokens = None;
    request.generation.stop = vec!["rich".to_owned()];
    assert_eq!(answer("echo-tools", request).finish, Some(FinishReason::Length));
}

#[test]
fn logprobs_go_with_the_text_and_with_the_arguments() {
    let mut request = ask();
    request.generation.logprobs = Some(0);
    request.generation.n = 2;
    let (answers, counted) = answers("echo-tools-two", request);
    assert_eq!((answers.len(), counted), (2, 4));
    for answer in answers {
        let bytes: Vec<u8> = answer.logprobs.iter().flat_map(|logprob| logprob.bytes.clone()).collect();
        let spelled = String::from_utf8(bytes).unwrap();
        assert!(spelled.starts_with("Let me look.\n<tool_call>\n{\"name\"") && spelled.contains("Zürich"), "{spelled}");
    }
}

#[test]
fn a_template_that_knows_no_tools_is_told_of_them_and_of_calls_that_were_made() {
    let (chat, _) = start("echo-tools-plain");
    let mut request = ask();
    request.messages.push(Message {
        content: Some("Hm.".to_owned()),
        tool_calls: vec![ToolCall {
            id: "c1".into(),
            name: "get_weather".into(),
            arguments: r#"{"city":"Oslo"}"#.into(),
        }],
        ..Message::text(Role::Assistant, "")
    });
    request.messages.push(Message { tool_call_id: Some("c1".into()), ..Message::text(Role::Tool, "rain") });
    let prompt = chat.render(&request).unwrap().prompt;
    assert!(prompt.starts_with("<|im_start|>system\nYou can call functions."), "{prompt}");
    assert!(
        prompt.contains("\"name\":\"get_weather\"") && prompt.contains("<tool_call>{\"name\": \"NAME\""),
        "{prompt}"
    );
    let call = "Hm.\n<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Oslo\"}}</tool_call>";
    assert!(prompt.contains(call), "{prompt}");
    assert!(prompt.contains("Tool result (get_weather): rain"), "{prompt}");
    let quiet = chat.render(&TurnRequest { tool_choice: ToolChoice::None, ..ask() }).unwrap().prompt;
    assert!(!quiet.contains("get_weather"), "{quiet}");
}

#[test]
fn a_schema_that_cannot_be_enforced_is_refused_if_it_is_strict() {
    let tool = |strict: bool| {
        json!({"type": "function", "function": {"name": "get_weather", "strict": strict, "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}, "x": {"not": {"type": "string"}}},
        }}})
    };
    let (chat, scheduler) = start("echo-tools");
    let request = |strict| TurnRequest { tools: vec![tool(strict)], ..ask() };
    let Err(TurnError::InvalidMessages { param, message }) = chat.start(&scheduler, request(true)).map(drop) else {
        panic!("a strict schema was not refused");
    };
    assert!(param.starts_with("tools[0].function.parameters.properties.x"), "{param}: {message}");
    assert_eq!(calls(&answer("echo-tools", request(false))), [city("Zurich")]);
}

#[test]
fn reasoning_ends_when_its_budget_is_spent() {
    let think = |script: &str, thinking: Thinking| {
        let answer = answer(script, TurnRequest { thinking, ..turn(vec![user("2 + 2?")]) });
        assert_eq!(answer.text, "The answer is 4.", "{script} {thinking:?}: {answer:?}");
        answer.reasoning.unwrap_or_default().split_whitespace().count()
    };
    let budget = |budget| Thinking { enabled: Some(true), budget: Some(budget) };
    for (script, all) in [("echo-thinking", 50), ("echo-thinking-always", 49)] {
        assert_eq!(think(script, Thinking::default()), all);
        assert_eq!(think(script, budget(20)), 20);
        assert_eq!(think(script, budget(1000)), all);
        assert_eq!(think(script, Thinking::of_effort("none").unwrap()), 0);
    }
}

#[test]
fn forced_tokens_are_counted_reported_and_pass_through_a_form() {
    let mut request =
        TurnRequest { thinking: Thinking { enabled: None, budget: Some(3) }, ..turn(vec![user("2 + 2?")]) };
    request.generation.logprobs = Some(0);
    let answer = answer("echo-thinking", request.clone());
    let bytes: Vec<u8> = answer.logprobs.iter().flat_map(|logprob| logprob.bytes.clone()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), "<think> the of and\n</think>\n\nThe answer is 4.");
    request.generation.grammar = Some(Grammar::Regex("[a-z]{3}".to_owned()));
    let formed = self::answer("echo-thinking", request);
    assert_eq!(formed.reasoning.as_deref(), Some(" the of and"), "{formed:?}");
    assert!(formed.text.len() == 3 && formed.text.bytes().all(|byte| byte.is_ascii_lowercase()), "{formed:?}");
}
