//! The tools of one request, and which of them may be called.

use std::fmt::Write as _;

use serde_json::Value;

use super::CallFormat;
use crate::{Message, Role, ToolCall, ToolChoice, TurnRequest};

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Which of the request's tools, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The JSON schema of its arguments.
    pub parameters: Value,
    /// Whether a schema that cannot be enforced is an error.
    pub strict: bool,
}

/// What one request offers to its model.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// How the model writes calls.
    pub format: CallFormat,
    /// The functions that may be called.
    pub tools: Vec<Tool>,
    /// Whether one must be called.
    pub must: bool,
    /// Whether several may be called.
    pub several: bool,
}

impl Offer {
    /// What `turn` offers to a model that writes calls as `format` says; `None` where nothing may be called. Tools that
    /// are not functions are passed over.
    pub fn of(turn: &TurnRequest, format: &CallFormat) -> Option<Self> {
        let (names, must) = match &turn.tool_choice {
            ToolChoice::Auto => (None, false),
            ToolChoice::Required => (None, true),
            ToolChoice::Only { names, required } => (Some(names), *required),
            ToolChoice::None => return None,
        };
        let tools: Vec<Tool> = turn
            .tools
            .iter()
            .enumerate()
            .filter_map(|(index, tool)| Tool::read(index, tool))
            .filter(|tool| names.is_none_or(|names| names.contains(&tool.name)))
            .collect();
        let offer = Self { format: format.clone(), tools, must, several: turn.parallel_tool_calls };
        (!offer.tools.is_empty()).then_some(offer)
    }

    /// Whether a function of this name may be called.
    pub fn may_call(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name)
    }

    /// The text of an argument that came without quotes, as its schema wants it.
    pub fn typed(&self, function: &str, key: &str, text: String) -> Value {
        let tool = self.tools.iter().find(|tool| tool.name == function);
        let schema = tool.and_then(|tool| tool.parameters.get("properties")?.get(key));
        if schema.is_some_and(is_text) {
            return Value::String(text);
        }
        serde_json::from_str(text.trim()).unwrap_or(Value::String(text))
    }
}

/// Whether values of this schema are strings.
pub fn is_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(kind) => kind == "string",
        None => {
            let all_text = |values: &Value| values.as_array().is_some_and(|all| all.iter().all(Value::is_string));
            schema.get("enum").is_some_and(all_text) || schema.get("const").is_some_and(Value::is_string)
        }
    }
}

impl Tool {
    fn read(index: usize, tool: &Value) -> Option<Self> {
        let function = tool.get("function")?;
        let parameters = function.get("parameters").filter(|schema| schema.is_object() || schema.is_boolean());
        let empty = |schema: &&Value| schema.as_object().is_none_or(|schema| !schema.is_empty());
        Some(Self {
            index,
            name: function.get("name")?.as_str()?.to_owned(),
            parameters: parameters.filter(empty).cloned().unwrap_or_else(|| serde_json::json!({"type": "object"})),
            strict: function.get("strict").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// A tool as its model sees it: whether its schema is strict is said to the server.
pub fn shown(tool: &Value) -> Value {
    let mut tool = tool.clone();
    if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
        function.shift_remove("strict");
    }
    tool
}

/// What a model is told about tools where its template does not.
pub fn instructions(tools: &[Value], format: &CallFormat) -> String {
    let mut text = "You can call functions. Each line describes one, in JSON:\n".to_owned();
    for tool in tools {
        let tool = shown(tool);
        let _ = writeln!(text, "{}", tool.get("function").unwrap_or(&tool));
    }
    text.push_str("To call a function, answer with nothing but this, and with your values in it:\n");
    text.push_str(&format.write("NAME", "{...}"));
    text.push_str(
        "\nIts result comes back in the next message. Call a function only where it helps; otherwise answer in words.",
    );
    text
}

/// The calls of a dialogue as text, in the form that [`instructions`] ask for, and the results under their functions'
/// names.
pub fn written(messages: &[Message], format: &CallFormat) -> Vec<Message> {
    let mut messages = messages.to_vec();
    let calls: Vec<ToolCall> = messages.iter().flat_map(|message| message.tool_calls.clone()).collect();
    for message in &mut messages {
        if message.role == Role::Tool && message.name.is_none() {
            let called = calls.iter().find(|call| Some(&call.id) == message.tool_call_id.as_ref());
            message.name = called.map(|call| call.name.clone());
        }
        for call in std::mem::take(&mut message.tool_calls) {
            let content = message.content.get_or_insert_default();
            if !content.is_empty() {
                content.push('\n');
            }
            content.push_str(&format.write(&call.name, &call.arguments));
        }
    }
    messages
}
