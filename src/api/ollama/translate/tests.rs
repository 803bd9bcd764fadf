use serde_json::json;

use super::*;

fn messages(messages: Value) -> Result<Vec<Value>, ApiError> {
    let sent = dialogue(serde_json::from_value(messages).unwrap())?;
    let sent = sent.into_iter().map(|message| {
        let mut message = serde_json::to_value(message).unwrap();
        message.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        message
    });
    Ok(sent.collect())
}

#[test]
fn results_find_their_calls_by_id_by_function_or_by_order() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {"city": "Bern"}}});
    let sent = messages(json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call("weather"), call("time"), call("weather")]},
        {"role": "tool", "tool_name": "time", "content": "noon"},
        {"role": "tool", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_1_2", "content": "rainy"},
    ]));
    let sent = sent.unwrap();
    assert_eq!(sent[1]["tool_calls"][0]["id"], "call_1_0");
    assert_eq!(sent[1]["tool_calls"][0]["function"]["arguments"], "{\"city\":\"Bern\"}");
    assert_eq!((&sent[1]["content"], &sent[1]["reasoning_content"]), (&Value::Null, &json!("hm")));
    let results: Vec<_> = sent[2..].iter().map(|m| (m["tool_call_id"].clone(), m["name"].clone())).collect();
    let expected = [("call_1_1", "time"), ("call_1_0", "weather"), ("call_1_2", "weather")];
    assert_eq!(results, expected.map(|(id, name)| (json!(id), json!(name))));
}

#[test]
fn arguments_are_objects_or_their_text() {
    let with = |arguments: Value| {
        let call = json!({"id": "c", "function": {"name": "f", "arguments": arguments}});
        messages(json!([{"role": "assistant", "tool_calls": [call]}]))
    };
    assert_eq!(with(json!("{}")).unwrap()[0]["tool_calls"][0]["function"]["arguments"], "{}");
    let error = with(json!([1])).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("messages[0].tool_calls[0].function.arguments"));
    let error = messages(json!([{"role": "assistant", "tool_calls": [{"function": {}}]}])).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("messages[0].tool_calls[0].function.name"));
}

#[test]
fn images_stand_before_their_text_and_errors_name_them() {
    let sent =
        messages(json!([{"role": "user", "content": "What?", "images": ["QUJD", "data:image/gif;base64,QUJD"]}]));
    let content = &sent.unwrap()[0]["content"];
    assert_eq!(content[0]["image_url"], "data:image/png;base64,QUJD");
    assert_eq!(content[1]["image_url"], "data:image/gif;base64,QUJD");
    assert_eq!(content[2], json!({"type": "text", "text": "What?"}));
    let named = |param: &str| restore(ApiError::invalid(param, format!("{param} is wrong"))).message;
    assert_eq!(named("messages[0].content[1].image_url"), "messages[0].images[1] is wrong");
    assert_eq!(named("temperature"), "options.temperature is wrong");
    assert_eq!(named("max_tokens"), "options.num_predict is wrong");
    assert_eq!(named("response_format.json_schema.schema.oneOf"), "format.oneOf is wrong");
    assert_eq!(named("tools[0]"), "tools[0] is wrong");
}

fn chat(settings: Value) -> Result<Translated, ApiError> {
    let field = |name: &str| settings.get(name).cloned();
    let settings = Settings {
        options: field("options").map(|options| serde_json::from_value(options).unwrap()),
        format: field("format"),
        think: field("think").map(|think| serde_json::from_value(think).unwrap()),
        tools: None,
    };
    settings.chat(Vec::new())
}

#[test]
fn options_have_ollamas_defaults_and_its_ways_to_say_none() {
    let plain = chat(json!({})).unwrap().chat;
    let chosen = (plain.temperature, plain.top_k, plain.top_p, plain.repeat_penalty);
    assert_eq!(chosen, (Some(0.8), Some(40), Some(0.9), None));
    assert_eq!((plain.max_tokens, plain.seed, plain.response_format), (None, None, None));
    let none = chat(json!({"options": {"num_predict": -1, "seed": -1}, "format": ""})).unwrap().chat;
    assert_eq!((none.max_tokens, none.seed, none.response_format), (None, None, None));
    let given = json!({"options": {"num_predict": 5, "seed": 7, "temperature": 0, "stop": ["x"], "num_ctx": 4096}});
    let given = chat(given).unwrap().chat;
    assert_eq!((given.max_tokens, given.seed, given.temperature), (Some(5), Some(7), Some(0.0)));
    let settings = Settings {
        options: serde_json::from_value(json!({"num_ctx": 4096, "mirostat": 1, "top_k": 1})).unwrap(),
        ..Settings::default()
    };
    assert_eq!(settings.ignored(), ["options.num_ctx", "options.mirostat"]);
}

#[test]
fn formats_and_levels_of_thinking_are_those_that_exist() {
    let format =
        |format: Value| chat(json!({"format": format})).map(|t| serde_json::to_value(t.chat.response_format).unwrap());
    assert_eq!(format(json!("json")).unwrap(), json!({"type": "json_object"}));
    assert_eq!(format(json!({"type": "object"})).unwrap()["json_schema"]["schema"], json!({"type": "object"}));
    assert_eq!(format(json!("xml")).unwrap_err().param.as_deref(), Some("format"));
    let think = |think: Value| chat(json!({"think": think}));
    assert_eq!(think(json!(false)).unwrap().thinking, Some(Thinking { enabled: Some(false), budget: None }));
    assert_eq!(think(json!("low")).unwrap().chat.reasoning_effort, Some(json!("low")));
    assert_eq!(think(json!("much")).unwrap_err().param.as_deref(), Some("think"));
}

#[test]
fn only_a_time_of_zero_unloads() {
    let unload = |value: Value| unloads(Some(&value)).map_err(|error| error.param);
    for zero in [json!(0), json!(0.0), json!("0"), json!("0s"), json!("0m")] {
        assert_eq!(unload(zero.clone()), Ok(true), "{zero}");
    }
    for time in
        [json!(-1), json!(300), json!("5m"), json!("-1"), json!("-1m"), json!("24h"), json!("1h30m"), json!("1.5h")]
    {
        assert_eq!(unload(time.clone()), Ok(false), "{time}");
    }
    for wrong in [json!("soon"), json!(""), json!([1]), json!("m"), json!(true)] {
        assert_eq!(unload(wrong.clone()), Err(Some("keep_alive".into())), "{wrong}");
    }
    assert_eq!(unloads(None), Ok(false));
}
