//! A request of the messages API as a chat request.

use serde_json::{Value, json};
use tern_chat::Thinking;

use super::{
    dialogue::{Dialogue, missing, plain_text, said, unknown},
    places::Places,
    types::*,
};
use crate::{
    error::ApiError,
    openai::{
        Strings,
        chat_types::{ChatRequest, ChatRole},
        forms::ResponseFormat,
    },
    translated::Translated,
};

/// A request in the terms of the chat API.
pub(crate) struct Request {
    pub translated: Translated,
    pub places: Places,
    /// Names of what was accepted and changes nothing.
    pub ignored: Vec<String>,
}

/// Translates a request; what has no counterpart is refused by its name.
pub(crate) fn translate(request: MessagesRequest) -> Result<Request, ApiError> {
    let mut places = Places::default();
    let mut ignored = ignored(&request);
    if request.messages.is_empty() {
        return Err(ApiError::invalid("messages", "messages is empty; at least one is needed"));
    }
    if let Some(temperature) = request.temperature.filter(|t| !(0.0..=1.0).contains(t)) {
        let message = format!("temperature is {temperature}; the range is 0 to 1");
        return Err(ApiError::invalid("temperature", message));
    }
    let mut chat = ChatRequest {
        model: request.model,
        max_tokens: request.max_tokens,
        stop: request.stop_sequences.map(Strings::Many),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        ..ChatRequest::default()
    };
    if let Some(text) = request.system.map(|system| plain_text(system, "system")).transpose()?
        && !text.is_empty()
    {
        places.messages.push(("system".into(), Vec::new()));
        chat.messages.push(said(ChatRole::System, text));
    }
    let mut dialogue = Dialogue { messages: chat.messages, places, calls: Vec::new() };
    let last = request.messages.len() - 1;
    for (index, message) in request.messages.into_iter().enumerate() {
        let role = message.role;
        dialogue.add(index, message)?;
        // An answer that the client has begun is gone on with; one that ends with a call is waiting for its result.
        let open = dialogue.messages.last().is_some_and(|message| message.tool_calls.is_none());
        if index == last && role == MessagesRole::Assistant && open {
            chat.continue_final_message = Some(true);
        }
    }
    chat.messages = dialogue.messages;
    let mut places = dialogue.places;
    let tools = request.tools.unwrap_or_default();
    chat.tools = custom_tools(tools, &mut places, &mut ignored)?;
    if let Some(choice) = request.tool_choice {
        choose(&choice, &mut chat)?;
    }
    let format = match request.output_config {
        Some(MessagesOutput { effort, format }) => {
            chat.reasoning_effort = effort.map(|effort| Value::String(known_effort(effort)));
            format.or(request.output_format)
        }
        None => request.output_format,
    };
    chat.response_format = format.map(response_format).transpose()?;
    let thinking = request.thinking.map(|thinking| thinking_of(&thinking)).transpose()?.flatten();
    Ok(Request { translated: Translated { chat, thinking }, places, ignored })
}

fn ignored(request: &MessagesRequest) -> Vec<String> {
    let fields = [
        ("context_management", &request.context_management),
        ("service_tier", &request.service_tier),
        ("mcp_servers", &request.mcp_servers),
        ("container", &request.container),
    ];
    fields.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| (*name).to_owned()).collect()
}

/// Those tools that the client runs itself, as functions.
fn custom_tools(
    tools: Vec<MessagesTool>,
    places: &mut Places,
    ignored: &mut Vec<String>,
) -> Result<Option<Vec<Value>>, ApiError> {
    let mut functions = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let place = format!("tools[{index}]");
        if tool.kind.as_ref().is_some_and(|kind| kind != "custom") {
            ignored.push(place);
            continue;
        }
        if tool.name.is_empty() {
            return Err(missing(&place, "name"));
        }
        let mut function = json!({
            "name": tool.name,
            "parameters": tool.input_schema.ok_or_else(|| missing(&place, "input_schema"))?,
        });
        if let Some(description) = tool.description {
            function["description"] = description.into();
        }
        if let Some(strict) = tool.strict {
            function["strict"] = strict.into();
        }
        functions.push(json!({"type": "function", "function": function}));
        places.tools.push(index);
    }
    Ok((!functions.is_empty()).then_some(functions))
}

fn choose(choice: &MessagesToolChoice, chat: &mut ChatRequest) -> Result<(), ApiError> {
    let tools = chat.tools.as_deref().unwrap_or_default();
    let has = |name: &str| tools.iter().any(|tool| tool["function"]["name"] == name);
    let chosen = match (choice.kind.as_str(), &choice.name) {
        ("auto", _) => json!("auto"),
        ("none", _) => json!("none"),
        ("any", _) if tools.is_empty() => {
            let message = "tool_choice is \"any\", but there are no tools that this server can offer";
            return Err(ApiError::invalid("tool_choice", message));
        }
        ("any", _) => json!("required"),
        ("tool", None) => return Err(missing("tool_choice", "name")),
        ("tool", Some(name)) if has(name) => json!({"type": "function", "function": {"name": name}}),
        ("tool", Some(name)) => {
            let message = format!("tool_choice.name is \"{name}\", which is none of the tools that can be called");
            return Err(ApiError::invalid("tool_choice.name", message));
        }
        (other, _) => return Err(unknown("tool_choice", other, "auto, any, tool, none")),
    };
    // Without tools the default says the same.
    if !tools.is_empty() {
        chat.tool_choice = Some(chosen);
        chat.parallel_tool_calls = choice.disable_parallel_tool_use.map(|disable| (!disable).into());
    }
    Ok(())
}

/// Efforts beyond the highest that the chat API knows are that one.
fn known_effort(effort: String) -> String {
    if effort == "max" { "xhigh".into() } else { effort }
}

fn response_format(format: MessagesFormat) -> Result<ResponseFormat, ApiError> {
    if format.kind != "json_schema" {
        return Err(unknown("output_config.format", &format.kind, "json_schema"));
    }
    let schema = format.schema.ok_or_else(|| missing("output_config.format", "schema"))?;
    Ok(ResponseFormat::json_schema(schema))
}

fn thinking_of(thinking: &MessagesThinking) -> Result<Option<Thinking>, ApiError> {
    match (thinking.kind.as_str(), thinking.budget_tokens) {
        ("enabled", Some(budget)) if budget > 0 => Ok(Some(Thinking { enabled: Some(true), budget: Some(budget) })),
        ("enabled", Some(_)) => {
            Err(ApiError::invalid("thinking.budget_tokens", "thinking.budget_tokens is 0; the least is 1"))
        }
        ("enabled", None) => Err(missing("thinking", "budget_tokens")),
        ("disabled", _) => Ok(Some(Thinking { enabled: Some(false), budget: None })),
        ("adaptive", _) => Ok(None),
        (other, _) => Err(unknown("thinking", other, "enabled, disabled, adaptive")),
    }
}

#[cfg(test)]
mod tests;
