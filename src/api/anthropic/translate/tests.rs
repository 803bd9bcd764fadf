use super::*;

fn translated(body: Value) -> Result<Request, ApiError> {
    let mut request = json!({"model": "m", "max_tokens": 10});
    request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    translate(serde_json::from_value(request).unwrap())
}

/// Fields of the chat request, as JSON.
#[track_caller]
fn chat(body: Value) -> Value {
    let request = translated(body).unwrap_or_else(|error| panic!("{error}"));
    serde_json::to_value(request.translated.chat).unwrap()
}

#[track_caller]
fn refused(body: Value, param: &str) -> String {
    let error = translated(body).err().expect("it was taken");
    assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{error}");
    error.message
}

fn hi() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

/// The messages without their empty fields.
#[track_caller]
fn messages(body: Value) -> Vec<Value> {
    let mut messages = chat(body)["messages"].as_array().unwrap().clone();
    for message in &mut messages {
        message.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    messages
}

#[test]
fn a_header_that_changes_with_every_call_is_left_out_of_the_instructions() {
    let block = |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let header = "x-anthropic-billing-header: cc_version=2.1.0; cch=0f3a1;";
    let system = json!([block(header), block("Be brief."), block("Be kind.")]);
    let said = messages(json!({"system": system, "messages": hi()}));
    assert_eq!(said[0], json!({"role": "system", "content": "Be brief.\n\nBe kind."}));
    let said = messages(json!({"system": format!("{header}\nBe brief."), "messages": hi()}));
    assert_eq!(said[0]["content"], "Be brief.");
    assert_eq!(messages(json!({"system": [block(header)], "messages": hi()})).len(), 1);
    assert_eq!(messages(json!({"system": "", "messages": hi()})).len(), 1);
}

#[test]
fn blocks_become_messages_calls_and_results() {
    let said = messages(json!({"messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I must look.", "signature": "abc"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "Looking."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
            {"type": "tool_use", "id": "toolu_2", "name": "time"},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true,
             "content": [{"type": "text", "text": "no clock"}]},
            {"type": "text", "text": "And?"},
        ]},
    ]}));
    let call =
        |id: &str, name: &str, arguments: &str| json!({"id": id, "function": {"name": name, "arguments": arguments}});
    let parts = |texts: &[&str]| -> Value { texts.iter().map(|text| json!({"type": "text", "text": text})).collect() };
    let expected = [
        json!({"role": "user", "content": parts(&["Weather?"])}),
        json!({"role": "assistant", "content": "Looking.", "reasoning_content": "I must look.",
               "tool_calls": [call("toolu_1", "weather", "{\"city\":\"Bern\"}"), call("toolu_2", "time", "{}")]}),
        json!({"role": "tool", "name": "weather", "tool_call_id": "toolu_1", "content": parts(&["sunny"])}),
        json!({"role": "tool", "name": "time", "tool_call_id": "toolu_2", "content": parts(&["Error: ", "no clock"])}),
        json!({"role": "user", "content": parts(&["And?"])}),
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_answer_that_the_client_has_begun_is_gone_on_with() {
    let with = |content: Value| json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}]});
    assert_eq!(chat(with(json!("The answer is")))["continue_final_message"], true);
    assert_eq!(chat(with(json!([{"type": "text", "text": "The"}])))["continue_final_message"], true);
    assert_eq!(chat(json!({"messages": hi()}))["continue_final_message"], Value::Null);
    let call = json!([{"type": "tool_use", "id": "1", "name": "f", "input": {}}]);
    assert_eq!(chat(with(call))["continue_final_message"], Value::Null);
}

#[test]
fn images_are_given_by_their_bytes_or_their_address() {
    let image =
        |source: Value| json!({"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]});
    let url = |body: Value| messages(body)[0]["content"][0]["image_url"]["url"].clone();
    let source = json!({"type": "base64", "media_type": "image/png", "data": "QUJD"});
    assert_eq!(url(image(source)), "data:image/png;base64,QUJD");
    assert_eq!(url(image(json!({"type": "url", "url": "https://x.example/a.png"}))), "https://x.example/a.png");
    refused(image(json!({"type": "base64", "media_type": "image/png"})), "messages[0].content[0].source.data");
    let message = refused(image(json!({"type": "file", "file_id": "1"})), "messages[0].content[0].source.type");
    assert!(message.contains("\"file\"") && message.contains("base64, url"), "{message}");
}

#[test]
fn tools_are_functions_and_those_of_anthropics_servers_are_passed_over() {
    let tools = json!([
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}, "cache_control": {}},
        {"type": "custom", "name": "time", "input_schema": {"type": "object"}, "strict": true},
    ]);
    let body = |choice: Value| json!({"messages": hi(), "tools": tools, "tool_choice": choice});
    let request = translated(body(json!(null))).unwrap();
    assert_eq!((request.ignored, &request.places.tools), (vec!["tools[0]".to_owned()], &vec![1, 2]));
    let function = json!({"name": "weather", "parameters": {"type": "object"}, "description": "Tells it."});
    let tools_sent = request.translated.chat.tools.unwrap();
    assert_eq!(tools_sent[0], json!({"type": "function", "function": function}));
    assert_eq!(tools_sent[1]["function"]["strict"], true);
    for (choice, sent) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "any"}), json!("required")),
        (json!({"type": "none"}), json!("none")),
        (json!({"type": "tool", "name": "time"}), json!({"type": "function", "function": {"name": "time"}})),
    ] {
        assert_eq!(chat(body(choice))["tool_choice"], sent);
    }
    let one = chat(body(json!({"type": "auto", "disable_parallel_tool_use": true})));
    assert_eq!(one["parallel_tool_calls"], false);
    refused(body(json!({"type": "tool", "name": "web_search"})), "tool_choice.name");
    refused(body(json!({"type": "tool"})), "tool_choice.name");
    refused(body(json!({"type": "some"})), "tool_choice.type");
    refused(json!({"messages": hi(), "tool_choice": {"type": "any"}}), "tool_choice");
    let harmless = chat(json!({"messages": hi(), "tool_choice": {"type": "auto"}}));
    assert_eq!((&harmless["tools"], &harmless["tool_choice"]), (&Value::Null, &Value::Null));
    refused(json!({"messages": hi(), "tools": [{"name": "f"}]}), "tools[0].input_schema");
    refused(json!({"messages": hi(), "tools": [{"input_schema": {}}]}), "tools[0].name");
}

#[test]
fn thinking_is_bounded_switched_off_or_left_to_the_model() {
    let thinking = |value: Value| translated(json!({"messages": hi(), "thinking": value})).unwrap().translated.thinking;
    let enabled = Thinking { enabled: Some(true), budget: Some(1024) };
    assert_eq!(thinking(json!({"type": "enabled", "budget_tokens": 1024})), Some(enabled));
    assert_eq!(thinking(json!({"type": "disabled"})), Some(Thinking { enabled: Some(false), budget: None }));
    assert_eq!(thinking(json!({"type": "adaptive"})), None);
    refused(json!({"messages": hi(), "thinking": {"type": "enabled"}}), "thinking.budget_tokens");
    refused(json!({"messages": hi(), "thinking": {"type": "enabled", "budget_tokens": 0}}), "thinking.budget_tokens");
    refused(json!({"messages": hi(), "thinking": {}}), "thinking.type");
}

#[test]
fn settings_have_the_chat_apis_names() {
    let sent = chat(json!({
        "messages": hi(), "stop_sequences": ["END"], "temperature": 0.5, "top_k": 5, "top_p": 0.9,
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "metadata": {"user_id": "u"},
    }));
    assert_eq!((&sent["max_tokens"], &sent["stop"], &sent["top_k"]), (&json!(10), &json!(["END"]), &json!(5)));
    assert_eq!(sent["reasoning_effort"], "xhigh");
    assert_eq!(sent["response_format"]["json_schema"]["schema"], json!({"type": "object"}));
    let older = json!({"messages": hi(), "output_format": {"type": "json_schema", "schema": {}}});
    assert_eq!(chat(older)["response_format"]["type"], "json_schema");
    let idle = json!({"messages": hi(), "context_management": {}, "service_tier": "auto"});
    assert_eq!(translated(idle).unwrap().ignored, ["context_management", "service_tier"]);
}

#[test]
fn what_has_no_counterpart_is_refused_by_its_place() {
    let blocks = |role: &str, block: Value| json!({"messages": [{"role": role, "content": [block]}]});
    let document = json!({"type": "document", "source": {"type": "text", "data": "x"}});
    assert!(refused(blocks("user", document), "messages[0].content[0]").contains("document"));
    refused(blocks("user", json!({"type": "tool_use", "id": "1", "name": "f"})), "messages[0].content[0].type");
    refused(blocks("assistant", json!({"type": "image"})), "messages[0].content[0].type");
    refused(blocks("user", json!({"text": "no type"})), "messages[0].content[0].type");
    refused(blocks("user", json!({"type": "text"})), "messages[0].content[0].text");
    refused(blocks("user", json!({"type": "tool_result"})), "messages[0].content[0].tool_use_id");
    let result = json!({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "document"}]});
    refused(blocks("user", result), "messages[0].content[0].content[0]");
    refused(json!({"messages": hi(), "system": [{"type": "image"}]}), "system[0].type");
    refused(json!({"messages": hi(), "temperature": 1.5}), "temperature");
    refused(json!({"messages": []}), "messages");
    refused(json!({"messages": hi(), "output_config": {"format": {"type": "xml"}}}), "output_config.format.type");
}
