//! Calls of tools, whole and streamed. Numbers are those of the list of checks.

use serde_json::{Value, json};

use crate::support::{App, Exchange, ask, with};

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "A tool.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false,
    }}})
}

fn weather(model: &str, more: Value) -> Value {
    with(with(ask(model, "Weather?"), json!({"tools": [tool("get_weather")]})), more)
}

/// The calls of answer `index` of a stream, put together as clients do.
fn assembled(exchange: &Exchange, index: u64) -> Vec<Value> {
    let mut calls: Vec<Value> = Vec::new();
    for chunk in exchange.chunks() {
        for choice in chunk["choices"].as_array().unwrap().iter().filter(|choice| choice["index"] == index) {
            for delta in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let at = delta["index"].as_u64().expect("d58: every delta has an index") as usize;
                let more = delta["function"]["arguments"].as_str().expect("d62: arguments are a string");
                if at == calls.len() {
                    assert_eq!((delta["type"].as_str(), more), (Some("function"), ""), "d55 and d61: {exchange}");
                    assert!(delta["id"].as_str().unwrap().starts_with("call_"), "d60: {exchange}");
                    calls.push(json!({"id": delta["id"], "type": "function",
                        "function": {"name": delta["function"]["name"].as_str().unwrap(), "arguments": ""}}));
                    continue;
                }
                assert_eq!(at + 1, calls.len(), "d59: calls come one behind the other: {exchange}");
                let keys: Vec<_> = delta.as_object().unwrap().keys().cloned().collect();
                assert_eq!(keys, ["index", "function"], "d56: {exchange}");
                assert_eq!(delta["function"].as_object().unwrap().len(), 1, "d57: {exchange}");
                let so_far = calls[at]["function"]["arguments"].as_str().unwrap().to_owned();
                calls[at]["function"]["arguments"] = (so_far + more).into();
            }
        }
    }
    calls
}

fn finish(exchange: &Exchange) -> Vec<Value> {
    let chunks = exchange.chunks();
    let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
    choices.map(|choice| choice["finish_reason"].clone()).filter(|reason| !reason.is_null()).collect()
}

/// Name and parsed arguments of each call.
fn read(calls: &Value) -> Vec<(String, Value)> {
    let one = |call: &Value| {
        let function = &call["function"];
        let arguments = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
        (function["name"].as_str().unwrap().to_owned(), arguments)
    };
    calls.as_array().into_iter().flatten().map(one).collect()
}

fn city(name: &str) -> (String, Value) {
    ("get_weather".into(), json!({"city": name}))
}

const FAMILIES: [(&str, usize); 9] = [
    ("echo-tools", 1),
    ("echo-tools-smollm", 2),
    ("echo-tools-llama", 2),
    ("echo-tools-python", 1),
    ("echo-tools-mistral", 2),
    ("echo-tools-mistral-list", 2),
    ("echo-tools-deepseek", 2),
    ("echo-tools-coder", 2),
    ("echo-tools-plain", 1),
];

#[tokio::test]
async fn d55_to_d64_calls_of_every_family_are_the_same_whole_and_streamed() {
    let app = App::start();
    for (model, count) in FAMILIES {
        let exchange = app.chat(weather(model, json!({}))).await;
        let choice = exchange.ok()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls", "{exchange}");
        assert_eq!(choice["message"]["content"], Value::Null, "d65: {exchange}");
        assert_eq!(read(&choice["message"]["tool_calls"]), [city("Zurich"), city("Oslo")][..count], "{exchange}");
        let stream = app.chat(weather(model, json!({"stream": true}))).await;
        assert_eq!(read(&json!(assembled(&stream, 0))), [city("Zurich"), city("Oslo")][..count], "{stream}");
        assert_eq!((stream.said(0).as_str(), finish(&stream)), ("", vec![json!("tool_calls")]), "{stream}");
        for mark in ["tool_call>", "[TOOL_CALLS]", "python_tag", "｜tool", "<function"] {
            let leaked = exchange.body.contains(mark) || stream.body.contains(mark);
            assert!(!leaked, "d66: {mark} in {exchange}{stream}");
        }
    }
}

#[tokio::test]
async fn d55_the_first_delta_of_a_call_comes_before_its_arguments_and_they_come_in_pieces() {
    let stream = App::start().chat(weather("echo-tools", json!({"stream": true}))).await;
    let chunks = stream.chunks();
    let deltas: Vec<_> =
        chunks.iter().filter(|chunk| chunk["choices"][0]["delta"].get("tool_calls").is_some()).collect();
    assert!(deltas.len() > 4, "{stream}");
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}), "{stream}");
}

#[tokio::test]
async fn d59_and_d65_text_stays_before_several_calls_and_each_has_an_index_and_id_of_its_own() {
    let app = App::start();
    let expected = [city("Zürich"), city("S\u{e3}o \"P\"")];
    let exchange = app.chat(weather("echo-tools-two", json!({}))).await;
    let message = exchange.ok()["choices"][0]["message"].clone();
    assert_eq!((message["content"].as_str(), read(&message["tool_calls"])), (Some("Let me look."), expected.to_vec()));
    let stream = app.chat(weather("echo-tools-two", json!({"stream": true}))).await;
    let calls = assembled(&stream, 0);
    assert_eq!((stream.said(0).as_str(), read(&json!(calls))), ("Let me look.", expected.to_vec()), "{stream}");
    assert_ne!(calls[0]["id"], calls[1]["id"], "{stream}");
}

#[tokio::test]
async fn d63_a_call_without_arguments_has_an_empty_object() {
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    let body = with(ask("echo", "x"), json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false}));
    let app = App::start();
    let call = app.chat(body.clone()).await.ok()["choices"][0]["message"]["tool_calls"][0].clone();
    assert!(
        serde_json::from_str::<Value>(call["function"]["arguments"].as_str().unwrap()).unwrap().is_object(),
        "{call}"
    );
    let stream = app.chat(with(body, json!({"stream": true}))).await;
    assert!(read(&json!(assembled(&stream, 0)))[0].1.is_object(), "{stream}");
}

#[tokio::test]
async fn d64_a_call_that_was_cut_off_ends_by_length() {
    let app = App::start();
    for stream in [false, true] {
        let exchange = app.chat(weather("echo-tools", json!({"max_tokens": 16, "stream": stream}))).await;
        if stream {
            assert_eq!(finish(&exchange), ["length"], "{exchange}");
            assert_eq!(assembled(&exchange, 0)[0]["function"]["arguments"], "{\"city\": \"", "{exchange}");
        } else {
            let choice = exchange.ok()["choices"][0].clone();
            assert_eq!(choice["finish_reason"], "length", "{exchange}");
            assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"city\": \"", "{exchange}");
        }
    }
}

#[tokio::test]
async fn d68_reasoning_before_a_call_goes_apart() {
    let exchange = App::start().chat(weather("echo-tools-thinking", json!({}))).await;
    let message = exchange.ok()["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_content"], "I call <tool_call> for that.", "{exchange}");
    assert_eq!(read(&message["tool_calls"]), [city("Zurich")], "{exchange}");
}

#[tokio::test]
async fn several_answers_call_each_for_itself() {
    let stream = App::start().chat(weather("echo-tools-two", json!({"n": 2, "stream": true}))).await;
    for index in 0..2 {
        assert_eq!(assembled(&stream, index).len(), 2, "{stream}");
        assert_eq!(stream.said(index), "Let me look.", "{stream}");
    }
    assert_eq!(finish(&stream), ["tool_calls", "tool_calls"], "{stream}");
}

#[tokio::test]
async fn logprobs_come_with_text_and_calls_and_cover_every_token() {
    let app = App::start();
    let more = json!({"logprobs": true, "top_logprobs": 2});
    let whole = app.chat(weather("echo-tools-two", more.clone())).await;
    let json = whole.ok();
    let entries = json["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    assert_eq!(entries.len() as u64 + 1, json["usage"]["completion_tokens"].as_u64().unwrap() + 1, "{whole}");
    let stream = app.chat(weather("echo-tools-two", with(more, json!({"stream": true})))).await;
    let chunks = stream.chunks();
    let streamed: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array().cloned())
        .flatten()
        .collect();
    let tokens = |entries: &[Value]| entries.iter().map(|entry| entry["bytes"].clone()).collect::<Vec<_>>();
    assert_eq!(tokens(&streamed), tokens(&entries), "{stream}");
    // The word before the call goes with the text, the opening of the arguments with them.
    let place = |text: &str| {
        chunks.iter().position(|chunk| {
            let entries = chunk["choices"][0]["logprobs"]["content"].as_array();
            entries.into_iter().flatten().any(|entry| entry["token"] == text)
        })
    };
    let with_word = &chunks[place(" look").unwrap()]["choices"][0]["delta"];
    assert!(with_word["content"].as_str().is_some(), "{stream}");
    assert!(chunks[place("_weather").unwrap()]["choices"][0]["delta"]["tool_calls"].is_array(), "{stream}");
}

#[tokio::test]
async fn c46_the_choice_is_kept_in_all_its_forms() {
    let app = App::start();
    let tools = json!([tool("get_weather"), tool("get_time")]);
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (choice, expected) in [
        (json!(null), Some("get_weather")),
        (json!("auto"), Some("get_weather")),
        (json!("none"), None),
        (json!("required"), Some("get_weather")),
        (named("get_time"), Some("get_time")),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("get_time")]}}),
            Some("get_time"),
        ),
        (json!({"type": "allowed_tools", "mode": "auto", "tools": [named("get_weather")]}), Some("get_weather")),
    ] {
        let more = json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": false, "max_tokens": 300});
        let exchange = app.chat(weather("echo-tools", more)).await;
        let message = exchange.ok()["choices"][0]["message"].clone();
        let called = message["tool_calls"][0]["function"]["name"].as_str();
        assert_eq!(called, expected, "{choice}: {exchange}");
        assert_eq!(message["content"].is_null(), expected.is_some(), "{choice}: {exchange}");
    }
}

#[tokio::test]
async fn c46_a_model_that_would_talk_calls_where_it_must_and_may_talk_otherwise() {
    let app = App::start();
    assert_eq!(
        app.chat(weather("echo-pieces", json!({}))).await.text(),
        "Hello from the echo engine: one, two, three."
    );
    let more = json!({"tool_choice": "required", "parallel_tool_calls": false, "max_tokens": 400});
    let exchange = app.chat(weather("echo-pieces", more)).await;
    let message = exchange.ok()["choices"][0]["message"].clone();
    assert_eq!(message["tool_calls"][0]["function"]["name"], "get_weather", "{exchange}");
}

#[tokio::test]
async fn c47_tools_without_a_schema_and_with_nulls_are_taken() {
    let app = App::start();
    let none = || ("get_weather".to_owned(), json!({}));
    for (function, expected) in [
        (json!({"name": "get_weather", "parameters": {}, "strict": true}), city("Zurich")),
        (json!({"name": "get_weather"}), none()),
        (json!({"name": "get_weather", "description": null, "parameters": null, "strict": null}), none()),
    ] {
        let more = json!({"tools": [{"type": "function", "function": function}], "parallel_tool_calls": false});
        let exchange = app.chat(weather("echo-tools", more)).await;
        let message = exchange.ok()["choices"][0]["message"].clone();
        assert_eq!(read(&message["tool_calls"]), [expected], "{exchange}");
    }
}

#[tokio::test]
async fn c48_without_parallel_calls_there_is_one() {
    let app = App::start();
    for (model, count) in FAMILIES {
        let exchange = app.chat(weather(model, json!({"parallel_tool_calls": false}))).await;
        let calls = read(&exchange.ok()["choices"][0]["message"]["tool_calls"]);
        assert_eq!(calls, [city("Zurich")], "{model} would make {count}: {exchange}");
    }
}

#[tokio::test]
async fn c54_functions_are_answered_in_their_own_shape() {
    let app = App::start();
    let functions = json!([tool("get_weather")["function"]]);
    let body = with(ask("echo-tools-two", "Weather?"), json!({"functions": functions, "function_call": "auto"}));
    let exchange = app.chat(body.clone()).await;
    let choice = exchange.ok()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "function_call", "{exchange}");
    let call = json!({"name": "get_weather", "arguments": "{\"city\": \"Zürich\"}"});
    assert_eq!(choice["message"]["function_call"], call, "{exchange}");
    assert!(choice["message"].get("tool_calls").is_none(), "{exchange}");
    let stream = app.chat(with(body, json!({"stream": true}))).await;
    let chunks = stream.chunks();
    let deltas: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("function_call")).collect();
    assert_eq!(*deltas[0], json!({"name": "get_weather", "arguments": ""}), "{stream}");
    let arguments: String = deltas.iter().map(|delta| delta["arguments"].as_str().unwrap()).collect();
    assert_eq!(
        (arguments.as_str(), finish(&stream)),
        ("{\"city\": \"Zürich\"}", vec![json!("function_call")]),
        "{stream}"
    );
    let messages = json!([{"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "function_call": call},
        {"role": "function", "name": "get_weather", "content": "sunny"}]);
    let answered = app.chat(json!({"model": "echo-tools", "temperature": 0, "messages": messages})).await;
    assert_eq!(answered.text(), "The weather in Zurich is sunny.");
}

#[tokio::test]
async fn a_round_with_a_result_is_answered_and_the_prompt_shows_tools_and_calls() {
    let app = App::start();
    let first = app.chat(weather("echo-tools", json!({}))).await.ok()["choices"][0]["message"].clone();
    // As clients send it back, and with arguments that are JSON.
    let mut with_object = first.clone();
    with_object["tool_calls"][0]["function"]["arguments"] = json!({"city": "Zurich"});
    for said in [first, with_object] {
        let result = json!({"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "sunny"});
        let messages = json!([{"role": "user", "content": "Weather?"}, said, result]);
        let body = weather("echo-tools", json!({"messages": messages}));
        assert_eq!(app.chat(body.clone()).await.text(), "The weather in Zurich is sunny.");
        let prompt = app.post("/v1/chat/render", body).await.ok()["prompt"].as_str().unwrap().to_owned();
        assert!(prompt.contains("\"description\": \"A tool.\""), "{prompt}");
        assert!(
            prompt.contains("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zurich\"}}"),
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn tools_that_cannot_be_offered_are_refused_by_their_place() {
    let app = App::start();
    let function = |function: Value| json!({"type": "function", "function": function});
    let not = json!({"type": "object", "properties": {"a": {"not": {"type": "string"}}}});
    for (more, code, param) in [
        (json!({"tools": [tool("f"), {"type": "web_search"}]}), "unsupported_parameter", "tools[1].type"),
        (json!({"tools": [{"type": "function"}]}), "invalid_value", "tools[0].function"),
        (json!({"tools": [function(json!({"name": "a b"}))]}), "invalid_value", "tools[0].function.name"),
        (json!({"tools": [tool("f"), tool("f")]}), "invalid_value", "tools[1].function.name"),
        (json!({"tools": vec![tool("f"); 129]}), "invalid_value", "tools"),
        (
            json!({"tools": [function(json!({"name": "f", "strict": true, "parameters": not}))]}),
            "invalid_value",
            "tools[0].function.parameters.properties.a.not",
        ),
        (json!({"tools": [], "tool_choice": "required"}), "invalid_value", "tool_choice"),
        (json!({"tool_choice": "sometimes"}), "invalid_value", "tool_choice"),
        (json!({"tool_choice": {"type": "function", "function": {"name": "g"}}}), "invalid_value", "tool_choice"),
        (json!({"parallel_tool_calls": "no"}), "invalid_value", "parallel_tool_calls"),
        (json!({"functions": [{"name": "f"}]}), "invalid_value", "functions"),
        (json!({"tools": null, "functions": {}}), "invalid_value", "functions"),
        (
            json!({"tools": null, "functions": [{"name": "f"}], "function_call": {"name": "g"}}),
            "invalid_value",
            "function_call",
        ),
    ] {
        for stream in [false, true] {
            let body = with(weather("echo-tools", more.clone()), json!({"stream": stream}));
            let message = app.chat(body).await.refused(400, code, param);
            assert!(message.contains(param.rsplit('.').next().unwrap()), "{message}");
        }
    }
}

#[tokio::test]
async fn a_schema_that_cannot_be_enforced_makes_the_arguments_any_object() {
    let parameters = json!({"type": "object", "properties": {"a": {"not": {"type": "string"}}}});
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]);
    let exchange = App::start().chat(weather("echo-tools", json!({"tools": tools}))).await;
    assert_eq!(read(&exchange.ok()["choices"][0]["message"]["tool_calls"]), [city("Zurich")], "{exchange}");
}
