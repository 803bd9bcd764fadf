//! The tools of a chat request, from the shapes that clients send to the terms of `tern-chat`; and calls on their way
//! out.

use poem_openapi::Object;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use tern_chat::{ToolCall, ToolChoice};
use tern_grammar::Grammar;

use super::chat_types::ChatRequest;
use crate::error::{ApiError, shortened};

/// Most tools of one request.
const MAX_TOOLS: usize = 128;
/// Longest name of a function.
const MAX_NAME: usize = 64;

/// A tool call in a dialogue.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatToolCall {
    /// Id that the answer refers to.
    pub id: String,
    /// The function called.
    pub function: ChatFunctionCall,
}

/// The function of a tool call.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatFunctionCall {
    /// Its name.
    pub name: String,
    /// Its arguments as JSON text; an object is taken too.
    #[serde(deserialize_with = "arguments")]
    pub arguments: String,
}

/// JSON text, or the JSON itself.
fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    })
}

/// A tool that the model calls.
#[derive(Debug, Clone, Object, Serialize)]
pub struct AnswerToolCall {
    /// Id for the message with the result to refer to.
    pub id: String,
    /// `function`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    pub function: AnswerFunctionCall,
}

/// A function that the model calls.
#[derive(Debug, Clone, Object, Serialize)]
pub struct AnswerFunctionCall {
    /// Its name.
    pub name: String,
    /// Its arguments as JSON text.
    pub arguments: String,
}

impl From<ToolCall> for AnswerToolCall {
    fn from(call: ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, kind: "function".into(), function: AnswerFunctionCall { name, arguments } }
    }
}

/// More of a call. Its first delta has the id, the type and the name; those that follow have arguments only.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChunkToolCall {
    /// Which call of the answer, from 0.
    pub index: u32,
    /// Id for the message with the result to refer to.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`.
    #[oai(rename = "type", skip_serializing_if_is_none)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// More of the function.
    pub function: ChunkFunctionCall,
}

/// More of a function that the model calls.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ChunkFunctionCall {
    /// Its name.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of its arguments.
    pub arguments: String,
}

impl ChunkToolCall {
    /// The first delta of a call.
    pub(crate) fn first(index: u32, id: String, name: String) -> Self {
        let function = ChunkFunctionCall { name: Some(name), arguments: String::new() };
        Self { index, id: Some(id), kind: Some("function".into()), function }
    }

    /// A later one.
    pub(crate) fn more(index: u32, arguments: String) -> Self {
        Self { index, id: None, kind: None, function: ChunkFunctionCall { name: None, arguments } }
    }
}

/// What a request says about tools.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tools {
    /// Their definitions, each with a schema.
    pub definitions: Vec<Value>,
    pub choice: ToolChoice,
    pub several: bool,
    /// They came as `functions`, and are answered so.
    pub legacy: bool,
}

impl Tools {
    /// Reads and checks `tools`, `tool_choice`, `parallel_tool_calls`, `functions` and `function_call`.
    ///
    /// # Errors
    /// 400 naming the place.
    pub fn of(request: &ChatRequest) -> Result<Self, ApiError> {
        let functions = functions(request.functions.as_ref())?;
        let tools = request.tools.as_deref().unwrap_or_default();
        let legacy = !functions.is_empty();
        if legacy && !tools.is_empty() {
            return Err(ApiError::invalid("functions", "functions is the older name of tools; give one of them"));
        }
        let (place, tools) = if legacy { ("functions", functions.as_slice()) } else { ("tools", tools) };
        if tools.len() > MAX_TOOLS {
            let message = format!("{place} has {} entries; the most is {MAX_TOOLS}", tools.len());
            return Err(ApiError::invalid(place, message));
        }
        let mut definitions: Vec<Value> = Vec::with_capacity(tools.len());
        for (index, tool) in tools.iter().enumerate() {
            let definition = definition(&format!("{place}[{index}]"), tool, legacy)?;
            if definitions.iter().any(|other| name_of(other) == name_of(&definition)) {
                let param = format!("{place}[{index}]{}.name", if legacy { "" } else { ".function" });
                let message =
                    format!("{param} is \"{}\", as that of another tool; names must differ", name_of(&definition));
                return Err(ApiError::invalid(param, message));
            }
            definitions.push(definition);
        }
        let choice = match (&request.tool_choice, &request.function_call) {
            (None | Some(Value::Null), Some(call)) if !call.is_null() => function_choice(call)?,
            (choice, _) => tool_choice(choice.as_ref().unwrap_or(&Value::Null))?,
        };
        check_choice(&choice, &definitions, if legacy { "function_call" } else { "tool_choice" })?;
        let several = match &request.parallel_tool_calls {
            None | Some(Value::Null) => true,
            Some(Value::Bool(several)) => *several,
            Some(other) => {
                let message = format!("parallel_tool_calls is {}; true or false is allowed", short(other));
                return Err(ApiError::invalid("parallel_tool_calls", message));
            }
        };
        Ok(Self { definitions, choice, several: several && !legacy, legacy })
    }
}

/// Whether tools came as `functions`.
pub(crate) fn is_legacy(request: &ChatRequest) -> bool {
    request.functions.as_ref().and_then(Value::as_array).is_some_and(|functions| !functions.is_empty())
}

fn short(value: &Value) -> String {
    shortened(&value.to_string())
}

fn name_of(definition: &Value) -> &str {
    definition["function"]["name"].as_str().unwrap_or_default()
}

fn functions(functions: Option<&Value>) -> Result<Vec<Value>, ApiError> {
    match functions {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(functions)) => {
            Ok(functions.iter().map(|function| json!({"type": "function", "function": function})).collect())
        }
        Some(other) => {
            Err(ApiError::invalid("functions", format!("functions is {}; an array is needed", short(other))))
        }
    }
}

/// Checks one tool, and leaves out what is null.
fn definition(place: &str, tool: &Value, legacy: bool) -> Result<Value, ApiError> {
    let kind = tool.get("type").filter(|kind| !kind.is_null());
    if kind.is_some_and(|kind| kind != "function") {
        let param = format!("{place}.type");
        let found = kind.map(short).unwrap_or_default();
        return Err(ApiError::unsupported(&param, format!("{param} is {found}; only \"function\" is supported")));
    }
    let place = if legacy { place.to_owned() } else { format!("{place}.function") };
    let Some(function) = tool.get("function").and_then(Value::as_object) else {
        return Err(ApiError::invalid(&place, format!("{place} is missing; an object with a name is needed")));
    };
    let mut function: Map<String, Value> = function
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let wrong = |field: &str, expected: &str| {
        let param = format!("{place}.{field}");
        let found = function.get(field).map_or("is missing".to_owned(), |found| format!("is {}", short(found)));
        Err(ApiError::invalid(&param, format!("{param} {found}; {expected}")))
    };
    let is_name = |name: &str| {
        (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    if !function.get("name").and_then(Value::as_str).is_some_and(is_name) {
        return wrong("name", "1 to 64 letters, digits, _, - and . are needed");
    }
    if function.get("description").is_some_and(|text| !text.is_string()) {
        return wrong("description", "a string is allowed");
    }
    if function.get("strict").is_some_and(|strict| !strict.is_boolean()) {
        return wrong("strict", "true or false is allowed");
    }
    if function.get("parameters").is_some_and(|schema| !schema.is_object()) {
        return wrong("parameters", "a JSON schema, which is an object, is allowed");
    }
    let parameters = function.get("parameters").filter(|schema| schema.as_object().is_some_and(|map| !map.is_empty()));
    if function.get("strict") == Some(&Value::Bool(true))
        && let Some(parameters) = parameters
        && let Err(error) = Grammar::JsonSchema(parameters.clone()).as_lark_rule()
    {
        let param = format!("{place}.parameters{}{}", if error.path.is_empty() { "" } else { "." }, error.path);
        return Err(ApiError::invalid(&param, format!("{param} cannot be enforced: {error}")));
    }
    // Templates look into the schema. A function without one has no arguments; one with an empty one has any.
    match function.get("parameters").and_then(Value::as_object) {
        None => {
            let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
            function.insert("parameters".into(), none);
        }
        Some(schema) if schema.is_empty() => {
            function.insert("parameters".into(), json!({"type": "object", "properties": {}}));
        }
        Some(_) => {}
    }
    Ok(json!({"type": "function", "function": function}))
}

fn tool_choice(choice: &Value) -> Result<ToolChoice, ApiError> {
    let wrong = || {
        let known = "\"auto\", \"none\", \"required\", {\"type\": \"function\", \"function\": {\"name\": ...}} or \
                     {\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": ..., \"tools\": [...]}}";
        Err(ApiError::invalid("tool_choice", format!("tool_choice is {}; known are {known}", short(choice))))
    };
    match choice {
        Value::Null => Ok(ToolChoice::Auto),
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" | "any" => Ok(ToolChoice::Required),
            _ => wrong(),
        },
        Value::Object(object) => match object.get("type").and_then(Value::as_str) {
            Some("function") => match named(choice) {
                Some(name) => Ok(ToolChoice::Only { names: vec![name], required: true }),
                None => wrong(),
            },
            Some("allowed_tools") => {
                let allowed = object.get("allowed_tools").unwrap_or(choice);
                let required = match allowed.get("mode").and_then(Value::as_str) {
                    None | Some("auto") => false,
                    Some("required") => true,
                    Some(_) => return wrong(),
                };
                let tools = allowed.get("tools").and_then(Value::as_array);
                match tools.map(|tools| tools.iter().map(named).collect::<Option<Vec<_>>>()) {
                    Some(Some(names)) => Ok(ToolChoice::Only { names, required }),
                    _ => wrong(),
                }
            }
            _ => wrong(),
        },
        _ => wrong(),
    }
}

/// The function that a choice or an allowed tool names, in chat's shape or the flat one.
fn named(tool: &Value) -> Option<String> {
    let name = tool.get("function").unwrap_or(tool).get("name")?;
    name.as_str().map(ToOwned::to_owned)
}

fn function_choice(call: &Value) -> Result<ToolChoice, ApiError> {
    match (call.as_str(), call.get("name").and_then(Value::as_str)) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::None),
        (None, Some(name)) => Ok(ToolChoice::Only { names: vec![name.to_owned()], required: true }),
        _ => {
            let message =
                format!("function_call is {}; known are \"auto\", \"none\" and {{\"name\": ...}}", short(call));
            Err(ApiError::invalid("function_call", message))
        }
    }
}

fn check_choice(choice: &ToolChoice, definitions: &[Value], param: &str) -> Result<(), ApiError> {
    let (names, must): (&[String], bool) = match choice {
        ToolChoice::Auto | ToolChoice::None => return Ok(()),
        ToolChoice::Required => (&[], true),
        ToolChoice::Only { names, required } => (names, *required),
    };
    let known = |name: &str| definitions.iter().any(|definition| name_of(definition) == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let name: String = name.chars().take(MAX_NAME).collect();
        return Err(ApiError::invalid(param, format!("{param} names \"{name}\", which is not among the tools")));
    }
    if must && (definitions.is_empty() || (names.is_empty() && matches!(choice, ToolChoice::Only { .. }))) {
        return Err(ApiError::invalid(param, format!("{param} demands a call, but there are no tools to call")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: Value) -> Result<Tools, ApiError> {
        let mut request: ChatRequest = serde_json::from_value(more).unwrap();
        if request.tools.is_none() && request.functions.is_none() {
            let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
            request.tools = Some(vec![tool("a"), tool("b")]);
        }
        Tools::of(&request)
    }

    #[test]
    fn a_choice_is_read_in_all_its_forms() {
        let only = |names: &[&str], required| ToolChoice::Only {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            required,
        };
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        for (choice, expected) in [
            (json!(null), ToolChoice::Auto),
            (json!("auto"), ToolChoice::Auto),
            (json!("none"), ToolChoice::None),
            (json!("required"), ToolChoice::Required),
            (tool("b"), only(&["b"], true)),
            (json!({"type": "function", "name": "b"}), only(&["b"], true)),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("a"), tool("b")]}}),
                only(&["a", "b"], true),
            ),
            (
                json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]}),
                only(&["a"], false),
            ),
        ] {
            assert_eq!(read(json!({"tool_choice": choice})).unwrap().choice, expected, "{choice}");
        }
        for wrong in [json!("all"), json!(1), json!({"type": "x"}), json!({"type": "function"}), tool("c")] {
            let error = read(json!({"tool_choice": wrong})).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("tool_choice"), "{error}");
        }
        assert!(read(json!({"tools": [], "tool_choice": "required"})).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_tool_is_named_by_its_place() {
        let function = |function: Value| json!({"type": "function", "function": function});
        for (tools, place) in [
            (json!([{"type": "web_search"}]), "tools[0].type"),
            (json!([{"type": "function"}]), "tools[0].function"),
            (json!([3]), "tools[0].function"),
            (json!([function(json!({}))]), "tools[0].function.name"),
            (json!([function(json!({"name": "a b"}))]), "tools[0].function.name"),
            (json!([function(json!({"name": "a".repeat(65)}))]), "tools[0].function.name"),
            (json!([function(json!({"name": "a"})), function(json!({"name": "a"}))]), "tools[1].function.name"),
            (json!([function(json!({"name": "a", "parameters": []}))]), "tools[0].function.parameters"),
            (json!([function(json!({"name": "a", "strict": 1}))]), "tools[0].function.strict"),
            (json!([function(json!({"name": "a", "description": 1}))]), "tools[0].function.description"),
            (json!(vec![function(json!({"name": "a"})); 129]), "tools"),
        ] {
            let error = read(json!({"tools": tools})).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(place), "{error}");
        }
        let error = read(json!({"functions": [{"name": "a"}, {"name": ""}]})).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("functions[1].name"), "{error}");
    }

    #[test]
    fn nulls_are_as_absent_and_a_missing_schema_is_that_of_no_arguments() {
        let tool = json!({"type": "function", "function":
            {"name": "a", "description": null, "strict": null, "parameters": null}});
        let tools = read(json!({"tools": [tool], "parallel_tool_calls": false})).unwrap();
        let expected = json!({"type": "function", "function":
            {"name": "a", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}});
        assert_eq!((tools.definitions, tools.several), (vec![expected], false));
    }

    #[test]
    fn functions_are_tools_of_which_one_is_called() {
        let tools = read(json!({"functions": [{"name": "f"}], "function_call": {"name": "f"}})).unwrap();
        assert_eq!(name_of(&tools.definitions[0]), "f");
        assert_eq!(tools.choice, ToolChoice::Only { names: vec!["f".into()], required: true });
        assert!(tools.legacy && !tools.several);
    }

    #[test]
    fn arguments_in_a_dialogue_may_be_json_or_text_of_it() {
        for arguments in [json!({"a": 1}), json!("{\"a\":1}")] {
            let call: ChatToolCall =
                serde_json::from_value(json!({"id": "x", "function": {"name": "f", "arguments": arguments}})).unwrap();
            assert_eq!(call.function.arguments, "{\"a\":1}");
        }
    }
}
