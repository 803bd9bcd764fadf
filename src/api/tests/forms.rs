//! Answers of a form: `response_format` and its relatives, on chat and completions, in one piece and as a stream.

use serde_json::{Value, json};

use crate::support::{App, ask, with};

fn schema() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": ["colour", "count"],
        "properties": { "colour": { "enum": ["red", "green"] }, "count": { "type": "integer", "minimum": 0, "maximum": 99 } } })
}

fn satisfies(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(matches!(value["colour"].as_str(), Some("red" | "green")), "{text}");
    assert!(value["count"].as_u64().is_some_and(|count| count < 100), "{text}");
}

/// All ways to ask for the schema.
fn ways() -> Vec<Value> {
    let text = schema().to_string();
    vec![
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "c", "strict": true, "schema": schema()}}}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"schema": schema(), "description": "d"}}}),
        json!({"response_format": {"type": "json_object", "schema": schema()}}),
        json!({"json_schema": schema()}),
        json!({"guided_json": schema()}),
        json!({"guided_json": text}),
        json!({"structured_outputs": {"json": schema()}}),
        json!({"grammar": format!("start: %json {text}")}),
        json!({"grammar": {"type": "lark", "definition": format!("start: %json {text}")}}),
    ]
}

#[tokio::test]
async fn c44_c69_every_way_to_ask_for_a_schema_gives_json_of_it_on_chat_and_completions() {
    let app = App::start();
    for way in ways() {
        let answer = app.chat(with(ask("echo", "hi"), way.clone())).await.ok();
        satisfies(answer["choices"][0]["message"]["content"].as_str().unwrap());
        assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{way}");
        let stream = app.chat(with(with(ask("echo", "hi"), way.clone()), json!({"stream": true}))).await;
        assert_eq!(stream.said(0), answer["choices"][0]["message"]["content"].as_str().unwrap(), "{way}");
        let last =
            stream.chunks().into_iter().rev().find(|chunk| chunk["choices"][0]["finish_reason"].is_string()).unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], "stop");

        let body = with(json!({"model": "echo", "prompt": ["hi", "you"], "n": 2, "max_tokens": 200}), way.clone());
        let answer = app.post("/v1/completions", body).await.ok();
        for choice in answer["choices"].as_array().unwrap() {
            satisfies(choice["text"].as_str().unwrap());
            assert_eq!(choice["finish_reason"], "stop", "{way}");
        }
    }
}

#[tokio::test]
async fn other_forms_are_kept_too() {
    let app = App::start();
    let cases = [
        (json!({"regex": "[0-9]{3}-x"}), "0-x"),
        (json!({"guided_regex": "abc"}), "abc"),
        (json!({"grammar": "root ::= \"yes\" | \"yes\""}), "yes"),
        (json!({"grammar": {"type": "gbnf", "value": "root ::= \"no\""}}), "no"),
        (json!({"grammar": {"type": "regex", "value": "a|a"}}), "a"),
        (json!({"guided_grammar": "start: \"q\""}), "q"),
        (json!({"guided_choice": ["a+b (c)"]}), "a+b (c)"),
        (json!({"structured_outputs": {"choice": ["x|y"]}}), "x|y"),
    ];
    for (way, expected) in cases {
        let text = app.chat(with(ask("echo", "hi"), way.clone())).await.text();
        if expected == "0-x" {
            assert!(text.len() == 5 && text.ends_with("-x"), "{text}");
        } else {
            assert_eq!(text, expected, "{way}");
        }
    }
    let object = json!({"response_format": {"type": "json_object"}, "max_tokens": 40, "stop": ["}"]});
    assert!(app.chat(with(ask("echo", "hi"), object)).await.text().starts_with('{'));
    let any = json!({"response_format": {"type": "text"}});
    assert_eq!(app.chat(with(ask("echo", "hi"), any)).await.text(), "hi");
}

#[tokio::test]
async fn what_cannot_be_enforced_is_a_400_that_names_its_path() {
    let app = App::start();
    let bad = |extra: Value| json!({"type": "object", "properties": {"age": extra}});
    let named = |schema: Value| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    let cases: Vec<(Value, &'static str)> = vec![
        (named(bad(json!({"not": {}}))), "response_format.json_schema.schema.properties.age.not"),
        (named(bad(json!({"type": "strnig"}))), "response_format.json_schema.schema.properties.age.type"),
        (
            named(bad(json!({"anyOf": [{"format": "x"}]}))),
            "response_format.json_schema.schema.properties.age.anyOf[0].format",
        ),
        (
            named(json!({"$ref": "#/$defs/a", "$defs": {"a": {"if": {}}}})),
            "response_format.json_schema.schema.$defs.a.if",
        ),
        (named(bad(json!({"pattern": "(?=a)b"}))), "response_format.json_schema.schema.properties.age.pattern"),
        (named(json!(false)), "response_format.json_schema.schema"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            "response_format.json_schema.schema",
        ),
        (json!({"response_format": {"type": "json_object", "schema": {"not": {}}}}), "response_format.schema.not"),
        (json!({"json_schema": {"uniqueItems": true}}), "json_schema.uniqueItems"),
        (json!({"guided_json": "{"}), "guided_json"),
        (json!({"structured_outputs": {"json": {"not": {}}}}), "structured_outputs.json.not"),
        (json!({"regex": "("}), "regex"),
        (json!({"grammar": "nothing"}), "grammar"),
        (json!({"grammar": "root ::= x"}), "grammar"),
        (json!({"grammar": "start: x("}), "grammar"),
        (json!({"guided_choice": []}), "guided_choice"),
        (json!({"regex": "a", "json_schema": {}}), "regex"),
        (json!({"regex": "a", "response_format": {"type": "json_object"}}), "regex"),
        (json!({"guided_regex": "a", "structured_outputs": {"regex": "a"}}), "structured_outputs.regex"),
    ];
    for (more, param) in cases {
        for stream in [false, true] {
            let more = with(more.clone(), json!({"stream": stream}));
            let message = app.chat(with(ask("echo", "hi"), more.clone())).await.refused(400, "invalid_value", param);
            assert!(!message.is_empty());
            let body = with(json!({"model": "echo", "prompt": "x"}), more);
            app.post("/v1/completions", body).await.refused(400, "invalid_value", param);
        }
    }
    // Before a model is looked for.
    let body = with(ask("no-such-model", "hi"), named(bad(json!({"not": {}}))));
    app.chat(body).await.refused(400, "invalid_value", "response_format.json_schema.schema.properties.age.not");
    // A token that the model does not have is known only with the model.
    let message = app.chat(with(ask("echo", "hi"), json!({"grammar": "start: <|nothing|>"}))).await.refused(
        400,
        "invalid_value",
        "grammar",
    );
    assert!(message.contains("nothing"), "{message}");
}

#[tokio::test]
async fn c45_the_model_is_told_the_schema_in_its_system_message() {
    let app = App::start();
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema()}}});
    let prompt =
        async |body: Value| app.post("/v1/chat/render", body).await.ok()["prompt"].as_str().unwrap().to_owned();
    let told = prompt(with(ask("echo", "hi"), format.clone())).await;
    assert!(told.contains("system\nAnswer with JSON that is valid under this schema"), "{told}");
    assert!(told.contains(&schema().to_string()), "{told}");
    let messages = json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]});
    let told = prompt(with(with(ask("echo", "hi"), messages), format)).await;
    assert!(told.contains("Be brief.\n\nAnswer with JSON"), "{told}");
    let told = prompt(with(ask("echo", "hi"), json!({"response_format": {"type": "json_object"}}))).await;
    assert!(told.contains("Answer with a JSON object"), "{told}");
    assert!(!prompt(with(ask("echo", "hi"), json!({"regex": "a"}))).await.contains("Answer"));
}

#[tokio::test]
async fn a_form_goes_with_n_logprobs_stop_and_max_tokens() {
    let app = App::start();
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema()}}});
    let many = with(format.clone(), json!({"n": 3, "temperature": 1, "logprobs": true, "top_logprobs": 2}));
    let answer = app.chat(with(ask("echo", "hi"), many)).await.ok();
    for choice in answer["choices"].as_array().unwrap() {
        let text = choice["message"]["content"].as_str().unwrap();
        satisfies(text);
        let spelled: String = choice["logprobs"]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["token"].as_str().unwrap())
            .collect();
        assert_eq!(spelled, text);
    }
    let cut = app.chat(with(ask("echo", "hi"), with(format.clone(), json!({"max_tokens": 3})))).await.ok();
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    let stopped = app.chat(with(ask("echo", "hi"), with(format, json!({"stop": "count"})))).await.ok();
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert!(!stopped["choices"][0]["message"]["content"].as_str().unwrap().contains("count"));
}
