//! Where in the request what the chat request has came from: so that an error names what the client sent.

use crate::{error::ApiError, http::dialect::renamed};

/// The places of messages and tools.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Of each message of the chat request, and of each of its parts.
    pub messages: Vec<(String, Vec<String>)>,
    /// Of each tool of the chat request.
    pub tools: Vec<usize>,
}

impl Places {
    /// The error with the field that the client knows.
    pub fn restore(&self, error: ApiError) -> ApiError {
        renamed(error, |param| self.name(param))
    }

    fn name(&self, param: &str) -> Option<String> {
        match param {
            "stop" => return Some("stop_sequences".into()),
            "max_completion_tokens" => return Some("max_tokens".into()),
            "reasoning_effort" => return Some("output_config.effort".into()),
            _ => {}
        }
        if let Some(rest) = param.strip_prefix("response_format") {
            let rest = rest.strip_prefix(".json_schema").unwrap_or(rest);
            return Some(format!("output_config.format{rest}"));
        }
        if let Some((index, rest)) = indexed(param, "tools") {
            let rest = match rest.strip_prefix(".function") {
                Some(rest) => rest.replacen(".parameters", ".input_schema", 1),
                None => rest.to_owned(),
            };
            return Some(format!("tools[{}]{rest}", self.tools.get(index)?));
        }
        let (index, rest) = indexed(param, "messages")?;
        let (place, parts) = self.messages.get(index)?;
        match indexed(rest, ".content") {
            Some((part, rest)) => {
                let rest = rest.replacen(".image_url", ".source", 1);
                Some(format!("{}{rest}", parts.get(part).unwrap_or(place)))
            }
            None => Some(format!("{place}{rest}")),
        }
    }
}

/// Splits `name[INDEX]rest`.
fn indexed<'a>(param: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let (index, rest) = param.strip_prefix(name)?.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_the_client_sent() {
        let parts = vec!["messages[0].content[1]".to_owned(), "messages[0].content[2]".to_owned()];
        let places =
            Places { messages: vec![("system".into(), Vec::new()), ("messages[0]".into(), parts)], tools: vec![3] };
        for (chat, sent) in [
            ("messages[1].content[1].image_url", "messages[0].content[2].source"),
            ("messages[0].content", "system.content"),
            ("tools[0].function.parameters.properties.x", "tools[3].input_schema.properties.x"),
            ("response_format.json_schema.schema.oneOf", "output_config.format.schema.oneOf"),
            ("stop", "stop_sequences"),
            ("reasoning_effort", "output_config.effort"),
            ("temperature", "temperature"),
            ("messages[9].content", "messages[9].content"),
        ] {
            let error = places.restore(ApiError::invalid(chat, format!("{chat} is wrong")));
            assert_eq!((error.param.as_deref(), error.message), (Some(sent), format!("{sent} is wrong")));
        }
    }
}
