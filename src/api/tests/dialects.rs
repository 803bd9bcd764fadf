//! Calls of tools, schemas and thinking in the words of Responses, Anthropic and Ollama.

use serde_json::{Value, json};

use crate::{
    h_responses::{events, text},
    support::{App, Exchange, with},
};

fn parameters() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

fn schema() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["colour"],
        "properties": {"colour": {"enum": ["red", "green"]}}})
}

fn has_colour(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(matches!(value["colour"].as_str(), Some("red" | "green")), "{text}");
}

const CITIES: [&str; 2] = ["Zürich", "S\u{e3}o \"P\""];

// Anthropic.

fn message(model: &str, more: Value) -> Value {
    let body = json!({"model": model, "max_tokens": 400, "temperature": 0,
        "messages": [{"role": "user", "content": "Weather?"}]});
    with(body, more)
}

fn anthropic_tools() -> Value {
    json!({"tools": [{"name": "get_weather", "description": "A tool.", "input_schema": parameters()}]})
}

#[tokio::test]
async fn anthropic_calls_are_blocks_with_an_object_and_their_results_are_understood() {
    let app = App::start();
    let answer = app.post("/v1/messages", message("echo-tools-two", anthropic_tools())).await.ok();
    assert_eq!(answer["stop_reason"], "tool_use", "{answer}");
    let content = answer["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "text", "text": "Let me look."}));
    for (block, city) in content[1..].iter().zip(CITIES) {
        assert_eq!((&block["type"], &block["name"]), (&json!("tool_use"), &json!("get_weather")));
        assert_eq!(block["input"], json!({"city": city}));
    }
    assert_ne!(content[1]["id"], content[2]["id"]);
    // The next request has the calls and their results.
    let results: Vec<Value> = content[1..]
        .iter()
        .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}))
        .collect();
    let messages = json!([{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": content},
        {"role": "user", "content": results}]);
    let body = with(message("echo-tools-two", anthropic_tools()), json!({"messages": messages}));
    let answer = app.post("/v1/messages", body).await.ok();
    assert_eq!(answer["content"], json!([{"type": "text", "text": "The weather in Zurich is sunny."}]));
    assert_eq!(answer["stop_reason"], "end_turn");
}

#[tokio::test]
async fn anthropic_calls_are_streamed_as_blocks_of_json_in_pieces() {
    let body = with(message("echo-tools-two", anthropic_tools()), json!({"stream": true}));
    let exchange = App::start().post("/v1/messages", body).await;
    let events = exchange.named_events();
    let mut blocks: Vec<(Value, String)> = Vec::new();
    for event in &events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], blocks.len(), "{exchange}");
                blocks.push((event["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(event["index"], blocks.len() - 1, "{exchange}");
                let delta = &event["delta"];
                let more = delta["text"].as_str().or(delta["partial_json"].as_str()).unwrap();
                blocks.last_mut().unwrap().1.push_str(more);
            }
            _ => {}
        }
    }
    assert_eq!((blocks[0].0["type"].as_str(), blocks[0].1.as_str()), (Some("text"), "Let me look."), "{exchange}");
    for ((block, json), city) in blocks[1..].iter().zip(CITIES) {
        assert_eq!(
            (&block["type"], &block["name"], &block["input"]),
            (&json!("tool_use"), &json!("get_weather"), &json!({}))
        );
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), json!({"city": city}), "{exchange}");
    }
    assert_eq!(blocks.len(), 3, "{exchange}");
    let pieces = events.iter().filter(|event| event["delta"]["type"] == "input_json_delta").count();
    assert!(pieces > 4, "{exchange}");
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use", "{exchange}");
}

#[tokio::test]
async fn anthropic_tool_choices_and_schemas_are_kept_to() {
    let app = App::start();
    let chosen = json!({"tools": [{"name": "paint", "input_schema": schema()}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}});
    let answer = app.post("/v1/messages", message("echo-pieces", chosen)).await.ok();
    assert_eq!((answer["content"].as_array().unwrap().len(), &answer["content"][0]["name"]), (1, &json!("paint")));
    has_colour(&answer["content"][0]["input"].to_string());
    let none = with(anthropic_tools(), json!({"tool_choice": {"type": "none"}}));
    let answer = app.post("/v1/messages", message("echo-pieces", none)).await.ok();
    assert_eq!(answer["stop_reason"], "end_turn", "{answer}");
    let format = json!({"type": "json_schema", "schema": schema()});
    for more in [json!({"output_config": {"format": format}}), json!({"output_format": format})] {
        let answer = app.post("/v1/messages", message("echo", more)).await.ok();
        has_colour(answer["content"][0]["text"].as_str().unwrap());
    }
}

/// Words of thinking, and the text, of an answer of Anthropic's.
fn thought(exchange: &Exchange) -> (usize, String) {
    let content = exchange.ok()["content"].clone();
    let of = |kind: &str| content.as_array().unwrap().iter().find(|block| block["type"] == kind).cloned();
    let words = of("thinking").map_or(0, |block| block["thinking"].as_str().unwrap().split_whitespace().count());
    (words, of("text").unwrap()["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn anthropic_budgets_and_efforts_bound_what_is_thought() {
    let app = App::start();
    for (more, words) in [
        (json!({}), 50),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 10}}), 10),
        (json!({"thinking": {"type": "disabled"}}), 0),
        (json!({"thinking": {"type": "adaptive"}}), 50),
        (json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}), 50),
        (json!({"output_config": {"effort": "low"}}), 50),
    ] {
        let exchange = app.post("/v1/messages", message("echo-thinking", more.clone())).await;
        assert_eq!(thought(&exchange), (words, "The answer is 4.".to_owned()), "{more}");
        assert_eq!(exchange.header("x-ignored-params"), None, "{more}");
    }
    // Low is 1,024 tokens, max is no bound.
    let long = "echo-thinking?pieces=1200&context=4000";
    let words = async |effort: &str| {
        let more = json!({"output_config": {"effort": effort}, "max_tokens": 3000});
        thought(&app.post("/v1/messages", message(long, more)).await).0
    };
    assert_eq!((words("low").await, words("max").await), (1024, 1200));
    let unknown = json!({"output_config": {"effort": "huge"}});
    let said = app.post("/v1/messages", message("echo-thinking", unknown)).await;
    assert!(said.anthropic_error(400, "invalid_request_error").starts_with("output_config.effort"), "{said}");
    let named = json!({"thinking": {"type": "enabled", "budget_tokens": 10}, "output_config": {"effort": "low"}});
    let exchange = app.post("/v1/messages", message("echo", named)).await;
    assert_eq!(exchange.header("x-ignored-params"), Some("thinking, output_config.effort"), "{exchange}");
}

// Ollama.

fn chat(model: &str, more: Value) -> Value {
    let body = json!({"model": model, "stream": false, "options": {"temperature": 0},
        "messages": [{"role": "user", "content": "Weather?"}]});
    with(body, more)
}

fn ollama_tools() -> Value {
    json!({"tools": [{"type": "function", "function": {"name": "get_weather", "description": "A tool.",
        "parameters": parameters()}}]})
}

#[tokio::test]
async fn ollamas_calls_have_objects_whole_and_streamed_and_their_results_are_understood() {
    let app = App::start();
    let message = app.post("/api/chat", chat("echo-tools-two", ollama_tools())).await.ok()["message"].clone();
    let stream = app.post("/api/chat", with(chat("echo-tools-two", ollama_tools()), json!({"stream": true}))).await;
    let lines = stream.lines();
    let streamed: Vec<&Value> =
        lines.iter().flat_map(|line| line["message"]["tool_calls"].as_array().into_iter().flatten()).collect();
    assert_eq!((message["content"].as_str(), streamed.len()), (Some("Let me look."), 2), "{stream}");
    let calls = message["tool_calls"].as_array().unwrap();
    for ((call, streamed), city) in calls.iter().zip(streamed).zip(CITIES) {
        let function = json!({"name": "get_weather", "arguments": {"city": city}});
        assert_eq!((&call["function"], &streamed["function"]), (&function, &function), "{stream}");
    }
    assert_eq!(calls.len(), 2, "{message}");
    assert_eq!(lines.last().unwrap()["done_reason"], "stop", "{stream}");
    let result = json!({"role": "tool", "tool_name": "get_weather", "content": "sunny"});
    let messages = json!([{"role": "user", "content": "Weather?"}, message, result, result]);
    let body = with(chat("echo-tools-two", ollama_tools()), json!({"messages": messages}));
    assert_eq!(app.post("/api/chat", body).await.ok()["message"]["content"], "The weather in Zurich is sunny.");
}

#[tokio::test]
async fn ollamas_format_is_kept_to_and_its_levels_of_thinking_are_told_apart() {
    let app = App::start();
    let answer = app.post("/api/chat", chat("echo", json!({"format": schema()}))).await.ok();
    has_colour(answer["message"]["content"].as_str().unwrap());
    // Any object: this model finds no end by itself.
    let body =
        json!({"model": "echo", "prompt": "hi", "stream": false, "format": "json", "options": {"num_predict": 20}});
    let answer = app.post("/api/generate", body).await.ok();
    assert!(answer["response"].as_str().unwrap().starts_with('{'), "{answer}");
    for (think, words) in [(json!(true), 50), (json!("low"), 50), (json!(false), 0)] {
        let exchange = app.post("/api/chat", chat("echo-thinking", json!({"think": think}))).await;
        let message = exchange.ok()["message"].clone();
        let thought = message["thinking"].as_str().unwrap_or_default().split_whitespace().count();
        assert_eq!((thought, &message["content"]), (words, &json!("The answer is 4.")), "{think}");
        assert_eq!(exchange.header("x-ignored-params"), None, "{think}");
    }
    for (think, named) in [(json!(true), Some("think")), (json!("low"), Some("think")), (json!(false), None)] {
        let exchange = app.post("/api/chat", chat("echo", json!({"think": think}))).await;
        assert_eq!(exchange.header("x-ignored-params"), named, "{exchange}");
    }
}

// Responses.

fn ask(model: &str, more: Value) -> Value {
    with(json!({"model": model, "input": "Weather?", "temperature": 0, "store": false}), more)
}

fn functions() -> Value {
    json!({"tools": [{"type": "function", "name": "get_weather", "description": "A tool.", "parameters": parameters()}]})
}

#[tokio::test]
async fn h88_calls_are_items_of_their_own_in_order() {
    let app = App::start();
    for store in [false, true] {
        let body = with(ask("echo-tools-two", functions()), json!({"stream": true, "store": store}));
        let events = events(&app.post("/v1/responses", body).await);
        let of_call: Vec<(&str, u64)> = events
            .iter()
            .filter(|event| event["output_index"].as_u64().is_some_and(|index| index > 0))
            .map(|event| (event["type"].as_str().unwrap(), event["output_index"].as_u64().unwrap()))
            .collect();
        for index in [1, 2] {
            let mut kinds: Vec<&str> = of_call.iter().filter(|(_, at)| *at == index).map(|(kind, _)| *kind).collect();
            kinds.dedup();
            let expected = [
                "response.output_item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "response.output_item.done",
            ];
            assert_eq!(kinds, expected, "{events:?}");
        }
        assert!(of_call.is_sorted_by_key(|(_, index)| *index), "one behind the other: {of_call:?}");
        let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
        for (item, city) in output[1..].iter().zip(CITIES) {
            assert_eq!((&item["type"], &item["status"]), (&json!("function_call"), &json!("completed")), "{item}");
            assert!(item["call_id"].as_str().unwrap().starts_with("call_"), "{item}");
            let arguments: Value = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
            assert_eq!((&item["name"], arguments), (&json!("get_weather"), json!({"city": city})));
        }
        assert_eq!(output.len(), 3, "{output:?}");
        let whole = app.post("/v1/responses", ask("echo-tools-two", functions())).await.ok();
        assert_eq!(whole["output"][2]["arguments"], output[2]["arguments"]);
    }
}

#[tokio::test]
async fn h88_a_round_with_results_goes_on_by_id_and_by_items_and_is_shown_in_the_page() {
    let app = App::start();
    let first = app.post("/v1/responses", with(ask("echo-tools-two", functions()), json!({"store": true}))).await.ok();
    let output = first["output"].as_array().unwrap();
    let results: Vec<Value> = output[1..]
        .iter()
        .map(|item| json!({"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}))
        .collect();
    let behind = json!({"previous_response_id": first["id"], "input": results, "store": true});
    let next = app.post("/v1/responses", with(ask("echo-tools-two", functions()), behind)).await.ok();
    assert_eq!(text(&next), "The weather in Zurich is sunny.");
    let said = json!({"role": "user", "content": "Weather?"});
    let items: Vec<&Value> = std::iter::once(&said).chain(output).chain(&results).collect();
    let whole = app.post("/v1/responses", with(ask("echo-tools-two", functions()), json!({"input": items}))).await.ok();
    assert_eq!(text(&whole), "The weather in Zurich is sunny.");
    assert_eq!(whole["usage"]["input_tokens"], next["usage"]["input_tokens"], "both are the same prompt");
    // The page reads it, exports it and goes on with it.
    let id = first["conversation"]["id"].as_str().unwrap();
    let tree = app.get(&format!("/api/conversations/{id}")).await.ok()["tree"].clone();
    let roles: Vec<&str> = tree.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "assistant"]);
    let exported = app.get(&format!("/api/conversations/{id}/export?format=markdown")).await;
    assert!(exported.status == 200 && exported.body.contains("sunny"), "{exported}");
    let sent = app.post(&format!("/api/conversations/{id}/messages"), json!({"content": "Thanks"})).await.chunks();
    assert_eq!(sent.last().unwrap()["message"]["status"], "complete");
}

#[tokio::test]
async fn responses_keep_to_a_schema_and_shorten_what_does_not_fit() {
    let app = App::start();
    let format = json!({"text": {"format": {"type": "json_schema", "name": "c", "strict": true, "schema": schema()}}});
    for store in [false, true] {
        let body = with(ask("echo", format.clone()), json!({"store": store}));
        has_colour(&text(&app.post("/v1/responses", body).await.ok()));
    }
    let refused = json!({"text": {"format": {"type": "json_schema", "name": "c", "schema": {"not": {}}}}});
    app.post("/v1/responses", ask("echo", refused)).await.refused(400, "invalid_value", "text.format.schema.not");

    let turns = (0..8).flat_map(|turn| {
        let said = |role: &str, text: &str| json!({"role": role, "content": format!("{text} {turn}")});
        [said("user", "question"), said("assistant", "answer")]
    });
    let input: Vec<Value> = turns.chain([json!({"role": "user", "content": "the last"})]).collect();
    let long = ask("echo-tiny", json!({"input": input, "max_output_tokens": 4}));
    let whole = app.post("/v1/responses", long.clone()).await;
    whole.refused(400, "context_length_exceeded", "input");
    let auto = with(long.clone(), json!({"truncation": "auto"}));
    let mut seen = Vec::new();
    for (stream, store) in [(false, false), (true, false), (false, true), (true, true)] {
        let body = with(auto.clone(), json!({"stream": stream, "store": store}));
        let exchange = app.post("/v1/responses", body).await;
        assert_eq!((exchange.status, exchange.header("x-ignored-params")), (200, None), "{exchange}");
        seen.push(exchange.header("x-truncated-messages").unwrap_or_else(|| panic!("{exchange}")).to_owned());
    }
    seen.dedup();
    assert!(seen.len() == 1 && seen[0].parse::<u32>().unwrap() >= 2, "{seen:?}");
    // What is counted is what would be sent.
    let count = async |body: Value| app.post("/v1/responses/input_tokens", body).await.ok()["input_tokens"].clone();
    let used = app.post("/v1/responses", auto.clone()).await.ok()["usage"]["input_tokens"].clone();
    assert_eq!(count(auto).await, used);
    assert!(count(long).await.as_u64().unwrap() > 64);
    let unknown = ask("echo", json!({"truncation": "middle"}));
    app.post("/v1/responses", unknown).await.refused(400, "invalid_value", "truncation");
}

#[tokio::test]
async fn responses_name_an_effort_that_changes_nothing() {
    let app = App::start();
    for (model, named) in [("echo", Some("reasoning.effort")), ("echo-thinking", None)] {
        let exchange = app.post("/v1/responses", ask(model, json!({"reasoning": {"effort": "low"}}))).await;
        assert_eq!(exchange.header("x-ignored-params"), named, "{exchange}");
    }
    let none = app.post("/v1/responses", ask("echo-thinking", json!({"reasoning": {"effort": "none"}}))).await.ok();
    assert_eq!(none["output"].as_array().unwrap().len(), 1, "{none}");
}
