//! What was asked for besides the dialogue, in the words of a chat request.

use serde_json::{Map, Value, json};

use super::request::ResponseRequest;
use crate::{
    error::{ApiError, shortened},
    http::body::parse,
    openai::{chat_types::ChatRequest, sampling::check_metadata},
};

/// A chat request without messages, and what became of the tools.
pub(crate) struct Translated {
    pub chat: ChatRequest,
    /// Of each tool that was taken, its place in the list.
    pub tools: Vec<usize>,
    /// Parameters that were accepted and change nothing.
    pub ignored: Vec<String>,
}

/// Translates everything but the input.
///
/// # Errors
/// The first field whose value means nothing here.
pub(crate) fn translate(request: &ResponseRequest) -> Result<Translated, ApiError> {
    if request.prompt.is_some() {
        let message = "prompt is not supported: templates of prompts are kept by OpenAI's own service";
        return Err(ApiError::unsupported("prompt", message));
    }
    if request.background == Some(true) && request.store == Some(false) {
        let message = "background is true and store is false; what nobody waits for must be stored";
        return Err(ApiError::invalid("background", message));
    }
    if request.previous_response_id.is_some() && request.conversation.is_some() {
        let message = "conversation and previous_response_id both say where to go on; one is allowed";
        return Err(ApiError::invalid("previous_response_id", message));
    }
    check_metadata(request.metadata.as_ref().map(|pairs| json!(pairs)).as_ref())?;
    let mut ignored = Vec::new();
    let (tools, places) = tools(request.tools.as_deref().unwrap_or_default(), &mut ignored)?;
    let choice = request.tool_choice.as_ref().map(tool_choice).transpose()?;
    let format = request.text.as_ref().and_then(|text| text.format.as_ref()).map(format).transpose()?;
    let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone());
    let include = request.include.iter().flatten();
    let logprobs = include.clone().any(|what| what == "message.output_text.logprobs") || request.top_logprobs.is_some();
    let idle = [
        ("max_tool_calls", request.max_tool_calls.is_some()),
        ("service_tier", request.service_tier.is_some()),
        ("text.verbosity", request.text.as_ref().is_some_and(|text| text.verbosity.is_some())),
    ];
    ignored.extend(idle.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned()));
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    put("messages", json!([]));
    put("model", json!(request.model));
    put("max_completion_tokens", json!(request.max_output_tokens));
    put("temperature", json!(request.temperature));
    put("top_p", json!(request.top_p));
    put("top_k", json!(request.top_k));
    put("min_p", json!(request.min_p));
    put("presence_penalty", json!(request.presence_penalty));
    put("frequency_penalty", json!(request.frequency_penalty));
    put("seed", json!(request.seed));
    put("stop", json!(request.stop));
    put("chat_template_kwargs", json!(request.chat_template_kwargs));
    put("reasoning_effort", json!(effort));
    put("parallel_tool_calls", json!(request.parallel_tool_calls));
    put("response_format", json!(format));
    put("logprobs", json!(logprobs.then_some(true)));
    put("top_logprobs", json!(request.top_logprobs));
    put("truncation", json!(request.truncation));
    put("tool_choice", json!(choice));
    if !tools.is_empty() {
        put("tools", Value::Array(tools));
    }
    // As if a client had sent it: what is wrong in what was passed on is named by its path.
    let chat = parse(&serde_json::to_vec(&Value::Object(fields)).unwrap_or_default())?;
    Ok(Translated { chat, tools: places, ignored })
}

/// Functions in the shape of chat completions. Other tools are of their vendor, who runs them himself.
fn tools(tools: &[Value], skipped: &mut Vec<String>) -> Result<(Vec<Value>, Vec<usize>), ApiError> {
    let (mut taken, mut places) = (Vec::new(), Vec::new());
    for (index, tool) in tools.iter().enumerate() {
        let place = format!("tools[{index}]");
        match (tool.as_object(), tool["type"].as_str()) {
            (Some(fields), Some("function")) => {
                // Some clients send the other shape.
                let function = match fields.get("function") {
                    Some(function) => function.clone(),
                    None => Value::Object(without_type(fields)),
                };
                taken.push(json!({"type": "function", "function": function}));
                places.push(index);
            }
            (Some(_), Some(_)) => skipped.push(place),
            (Some(_), None) => {
                return Err(ApiError::invalid(format!("{place}.type"), format!("{place}.type is missing")));
            }
            (None, _) => return Err(ApiError::invalid(&place, format!("{place} is no object"))),
        }
    }
    Ok((taken, places))
}

fn without_type(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().filter(|(name, _)| *name != "type").map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn tool_choice(choice: &Value) -> Result<Value, ApiError> {
    let named = |tool: &Value| json!({"type": "function", "function": {"name": tool["name"]}});
    let unknown = |found: String| {
        let found = shortened(&found);
        let message = format!(
            "tool_choice is {found}; known are \"auto\", \"none\", \"required\", and objects of type function or allowed_tools"
        );
        Err(ApiError::invalid("tool_choice", message))
    };
    match choice {
        Value::String(word) if matches!(word.as_str(), "auto" | "none" | "required") => Ok(choice.clone()),
        Value::Object(_) => match choice["type"].as_str() {
            // Chat's own shape is taken as well.
            Some("function") if choice.get("function").is_some() => Ok(choice.clone()),
            Some("function") if choice["name"].is_string() => Ok(named(choice)),
            Some("function") => Err(ApiError {
                code: Some("missing_required_parameter"),
                ..ApiError::invalid("tool_choice.name", "tool_choice.name is missing")
            }),
            Some("allowed_tools") if choice.get("allowed_tools").is_some() => Ok(choice.clone()),
            Some("allowed_tools") => {
                let tools = choice["tools"].as_array().into_iter().flatten();
                let tools: Vec<_> = tools.filter(|tool| tool["type"] == "function").map(named).collect();
                let mode = choice["mode"].as_str().unwrap_or("auto");
                Ok(json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}))
            }
            Some(other) => unknown(format!("of type \"{other}\", which is no tool here")),
            None => unknown("an object without a type".into()),
        },
        other => unknown(other.to_string()),
    }
}

fn format(format: &Value) -> Result<Value, ApiError> {
    let Some(fields) = format.as_object() else {
        return Err(ApiError::invalid("text.format", "text.format is no object with a type"));
    };
    Ok(match format["type"].as_str() {
        // The schema lies beside the type here, and one deeper there.
        Some("json_schema") if !fields.contains_key("json_schema") => {
            json!({"type": "json_schema", "json_schema": without_type(fields)})
        }
        _ => format.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: Value) -> Result<Translated, ApiError> {
        translate(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn functions_are_nested_and_other_tools_are_skipped_by_name() {
        let request = json!({"model": "m", "tools": [
            {"type": "web_search"},
            {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "namespace", "name": "n", "tools": []},
            {"type": "custom", "name": "patch", "format": {"type": "grammar"}}
        ], "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": false, "service_tier": "auto"});
        let translated = of(request).unwrap();
        let function = json!({"name": "look", "description": "d", "parameters": {"type": "object"}, "strict": true});
        let chat = serde_json::to_value(&translated.chat).unwrap();
        assert_eq!(chat["tools"][0]["type"], "function");
        for (name, value) in function.as_object().unwrap() {
            assert_eq!(chat["tools"][0]["function"][name], *value, "{name}");
        }
        assert_eq!(chat["tools"].as_array().unwrap().len(), 1);
        assert_eq!((translated.tools, &chat["parallel_tool_calls"]), (vec![1], &json!(false)));
        assert_eq!(translated.ignored, ["tools[0]", "tools[2]", "tools[3]", "service_tier"]);
    }

    #[test]
    fn choices_and_formats_are_nested() {
        let choice = |choice: Value| tool_choice(&choice);
        assert_eq!(choice(json!("required")).unwrap(), "required");
        let named = json!({"type": "function", "function": {"name": "f"}});
        assert_eq!(choice(json!({"type": "function", "name": "f"})).unwrap(), named);
        let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [
            {"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}]});
        let nested = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}});
        assert_eq!(choice(allowed).unwrap(), nested);
        for wrong in [json!("any"), json!({"type": "web_search_preview"}), json!({}), json!(5)] {
            assert_eq!(choice(wrong.clone()).unwrap_err().param.as_deref(), Some("tool_choice"), "{wrong}");
        }
        assert_eq!(choice(json!({"type": "function"})).unwrap_err().param.as_deref(), Some("tool_choice.name"));
        let schema = json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true});
        let nested =
            json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}});
        assert_eq!(format(&schema).unwrap(), nested);
        assert_eq!(format(&json!({"type": "text"})).unwrap(), json!({"type": "text"}));
        assert!(format(&json!("json")).is_err());
    }

    #[test]
    fn what_means_nothing_here_is_refused_by_name() {
        for (request, param) in [
            (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
            (json!({"background": true, "store": false}), "background"),
            (json!({"previous_response_id": "resp_1", "conversation": "conv_1"}), "previous_response_id"),
            (json!({"tools": ["x"]}), "tools[0]"),
            (json!({"tools": [{"name": "x"}]}), "tools[0].type"),
            (json!({"metadata": {"a": "x".repeat(513)}}), "metadata.a"),
        ] {
            let error = of(request.clone()).err().unwrap_or_else(|| panic!("{request}"));
            assert_eq!(error.param.as_deref(), Some(param), "{request}");
            assert!(error.message.contains(param), "{}", error.message);
        }
    }
}
