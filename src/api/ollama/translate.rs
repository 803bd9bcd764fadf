//! Requests for answers as chat requests.

use serde_json::Value;
use tern_chat::Thinking;

use super::types::*;
use crate::{
    error::{ApiError, shortened},
    http::dialect::renamed,
    openai::{
        chat_types::{ChatMessage, ChatRequest, ChatRole, Content, ContentPart},
        forms::ResponseFormat,
        images::ImageRef,
        tools::{ChatFunctionCall, ChatToolCall},
    },
    translated::Translated,
};

/// A dialogue in the terms of the chat API.
pub(crate) fn dialogue(messages: Vec<OllamaMessage>) -> Result<Vec<ChatMessage>, ApiError> {
    // Ids and functions of calls that have no result yet, as results may refer to them by the function alone.
    let mut waiting: Vec<(String, String)> = Vec::new();
    messages.into_iter().enumerate().map(|(index, message)| one_message(index, message, &mut waiting)).collect()
}

fn one_message(
    index: usize,
    message: OllamaMessage,
    waiting: &mut Vec<(String, String)>,
) -> Result<ChatMessage, ApiError> {
    let mut calls = Vec::new();
    for (at, call) in message.tool_calls.into_iter().flatten().enumerate() {
        let place = format!("messages[{index}].tool_calls[{at}].function");
        if call.function.name.is_empty() {
            return Err(ApiError::invalid(format!("{place}.name"), format!("{place}.name is missing")));
        }
        let arguments = match call.function.arguments {
            Value::Null => "{}".to_owned(),
            // OpenAI's shape: the object as text.
            Value::String(text) => text,
            arguments @ Value::Object(_) => arguments.to_string(),
            _ => {
                let place = format!("{place}.arguments");
                return Err(ApiError::invalid(place.clone(), format!("{place} is no object")));
            }
        };
        let id = call.id.unwrap_or_else(|| format!("call_{index}_{at}"));
        waiting.push((id.clone(), call.function.name.clone()));
        calls.push(ChatToolCall { id, function: ChatFunctionCall { name: call.function.name, arguments } });
    }
    let (mut name, mut tool_call_id) = (None, None);
    if message.role == OllamaRole::Tool {
        let matches = |(id, function): &(String, String)| match (&message.tool_call_id, &message.tool_name) {
            (Some(wanted), _) => id == wanted,
            (None, Some(wanted)) => function == wanted,
            (None, None) => true,
        };
        let call = waiting.iter().position(matches).map(|at| waiting.remove(at));
        name = message.tool_name.or_else(|| call.as_ref().map(|(_, function)| function.clone()));
        tool_call_id = message.tool_call_id.or_else(|| call.map(|(id, _)| id));
    }
    let text = message.content.unwrap_or_default();
    let content = match message.images.filter(|images| !images.is_empty()) {
        Some(images) => Some(with_images(text, images)),
        None if text.is_empty() && !calls.is_empty() => None,
        None => Some(Content::Text(text)),
    };
    Ok(ChatMessage {
        role: match message.role {
            OllamaRole::System => ChatRole::System,
            OllamaRole::User => ChatRole::User,
            OllamaRole::Assistant => ChatRole::Assistant,
            OllamaRole::Tool => ChatRole::Tool,
        },
        content,
        name,
        tool_calls: (!calls.is_empty()).then_some(calls),
        tool_call_id,
        reasoning_content: message.thinking,
        ..ChatMessage::default()
    })
}

/// Images stand before the text, as Ollama puts them.
fn with_images(text: String, images: Vec<String>) -> Content {
    let image = |image: String| {
        // The decoder goes by the bytes, not by the type.
        let url = if image.starts_with("data:") { image } else { format!("data:image/png;base64,{image}") };
        ContentPart { kind: "image_url".into(), image_url: Some(ImageRef::Url(url)), ..ContentPart::default() }
    };
    let text = ContentPart { kind: "text".into(), text: Some(text), ..ContentPart::default() };
    Content::Parts(images.into_iter().map(image).chain([text]).collect())
}

/// The dialogue that a text of `POST /api/generate` is.
pub(crate) fn one_text(prompt: String, system: Option<String>, images: Option<Vec<String>>) -> Vec<OllamaMessage> {
    let system = system.filter(|system| !system.is_empty()).map(|system| OllamaMessage {
        role: OllamaRole::System,
        content: Some(system),
        ..OllamaMessage::default()
    });
    let prompt = OllamaMessage { content: Some(prompt), images, ..OllamaMessage::default() };
    system.into_iter().chain([prompt]).collect()
}

/// What chats and texts have in common besides their words.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub options: Option<OllamaOptions>,
    pub format: Option<Value>,
    pub think: Option<OllamaThink>,
    pub tools: Option<Vec<Value>>,
}

impl Settings {
    /// Names of what changes nothing.
    pub fn ignored(&self) -> Vec<String> {
        let Some(options) = &self.options else { return Vec::new() };
        let fields = [
            ("num_ctx", &options.num_ctx),
            ("num_keep", &options.num_keep),
            ("num_batch", &options.num_batch),
            ("num_gpu", &options.num_gpu),
            ("main_gpu", &options.main_gpu),
            ("num_thread", &options.num_thread),
            ("use_mmap", &options.use_mmap),
            ("use_mlock", &options.use_mlock),
            ("numa", &options.numa),
            ("penalize_newline", &options.penalize_newline),
            ("tfs_z", &options.tfs_z),
            ("mirostat", &options.mirostat),
            ("mirostat_tau", &options.mirostat_tau),
            ("mirostat_eta", &options.mirostat_eta),
        ];
        let given = fields.iter().filter(|(_, value)| value.is_some());
        given.map(|(name, _)| format!("options.{name}")).collect()
    }

    /// The chat request of these messages.
    ///
    /// # Errors
    /// 400 for a format or a level of thinking that is none.
    pub fn chat(self, messages: Vec<ChatMessage>) -> Result<Translated, ApiError> {
        let options = self.options.unwrap_or_default();
        let (thinking, level) = match self.think {
            None => (None, None),
            Some(OllamaThink::Switch(enabled)) => (Some(Thinking { enabled: Some(enabled), budget: None }), None),
            Some(OllamaThink::Level(level)) if ["low", "medium", "high"].contains(&level.as_str()) => {
                (None, Some(Value::String(level)))
            }
            Some(OllamaThink::Level(level)) => {
                let level = shortened(&level);
                let message = format!("think is \"{level}\"; known are true, false, \"low\", \"medium\" and \"high\"");
                return Err(ApiError::invalid("think", message));
            }
        };
        let chat = ChatRequest {
            messages,
            max_tokens: options.num_predict.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
            stop: options.stop,
            temperature: options.temperature.or(Some(0.8)),
            top_k: options.top_k.or(Some(40)),
            top_p: options.top_p.or(Some(0.9)),
            min_p: options.min_p,
            typical_p: options.typical_p,
            repeat_penalty: options.repeat_penalty,
            repeat_last_n: options.repeat_last_n,
            presence_penalty: options.presence_penalty,
            frequency_penalty: options.frequency_penalty,
            // Below 0 is none; as a number without a sign that is the upper half.
            seed: options.seed.filter(|seed| i64::try_from(*seed).is_ok()),
            response_format: response_format(self.format)?,
            tools: self.tools.filter(|tools| !tools.is_empty()),
            reasoning_effort: level,
            ..ChatRequest::default()
        };
        Ok(Translated { chat, thinking })
    }
}

fn response_format(format: Option<Value>) -> Result<Option<ResponseFormat>, ApiError> {
    match format {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if name.is_empty() => Ok(None),
        Some(Value::String(name)) if name == "json" => Ok(Some(ResponseFormat::json_object())),
        Some(schema @ Value::Object(_)) => Ok(Some(ResponseFormat::json_schema(schema))),
        Some(other) => {
            let other = shortened(&other.to_string());
            Err(ApiError::invalid("format", format!("format is {other}; \"json\" or a JSON schema is needed")))
        }
    }
}

/// Whether a model shall not stay in memory: a time of 0, as a number of seconds or a text such as `0`, `0s`, `5m`.
///
/// # Errors
/// 400 for what is no time.
pub(crate) fn unloads(keep_alive: Option<&Value>) -> Result<bool, ApiError> {
    let refuse = |value: &Value| {
        let value = shortened(&value.to_string());
        let message = format!("keep_alive is {value}; a number of seconds or a time such as \"5m\" is needed");
        Err(ApiError::invalid("keep_alive", message))
    };
    match keep_alive {
        None => Ok(false),
        Some(Value::Number(seconds)) => Ok(seconds.as_f64() == Some(0.0)),
        Some(value @ Value::String(text)) => {
            let digits = text.trim().trim_start_matches('-');
            let number = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            match number.parse::<f64>() {
                Ok(number) => Ok(number == 0.0),
                // 1h30m: several numbers.
                Err(_) if number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(is_of_time) => {
                    Ok(false)
                }
                Err(_) => refuse(value),
            }
        }
        Some(value) => refuse(value),
    }
}

fn is_of_time(c: char) -> bool {
    c.is_ascii_digit() || ".hmsun\u{b5}".contains(c)
}

/// The error with the field that the client knows.
pub(crate) fn restore(error: ApiError) -> ApiError {
    renamed(error, |param| {
        let options = [
            "temperature",
            "top_k",
            "top_p",
            "min_p",
            "typical_p",
            "repeat_penalty",
            "repeat_last_n",
            "presence_penalty",
            "frequency_penalty",
            "stop",
        ];
        match param {
            "max_tokens" | "max_completion_tokens" => Some("options.num_predict".into()),
            _ if options.contains(&param) => Some(format!("options.{param}")),
            _ => {
                if let Some(rest) = param.strip_prefix("response_format") {
                    let rest = rest.strip_prefix(".json_schema").unwrap_or(rest);
                    return Some(format!("format{}", rest.strip_prefix(".schema").unwrap_or(rest)));
                }
                // Images stand first among the parts of a message.
                let (place, part) = param.strip_suffix(".image_url")?.rsplit_once(".content[")?;
                Some(format!("{place}.images[{part}"))
            }
        }
    })
}

#[cfg(test)]
mod tests;
