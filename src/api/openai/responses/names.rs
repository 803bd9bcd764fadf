//! Errors about the request that was made of a request name its fields; clients know their own.

use crate::error::ApiError;

/// What became of what.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Of each message: what it was made of, and the field that became its content.
    pub messages: Vec<Source>,
    /// Of each tool: its place in the list that came.
    pub tools: Vec<usize>,
}

/// What a message was made of.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Such as `input[2]`.
    pub place: String,
    /// Such as `content`; empty where the place is itself the text.
    pub field: &'static str,
}

impl Source {
    fn content(&self) -> String {
        if self.field.is_empty() { self.place.clone() } else { format!("{}.{}", self.place, self.field) }
    }
}

impl Names {
    /// The error in the client's words.
    pub fn rename(&self, error: ApiError) -> ApiError {
        let Some(param) = &error.param else { return error };
        let Some(renamed) = self.field(param) else { return error };
        // "messages" alone may be any word of a sentence.
        let message = match param.as_str() {
            "messages" => error.message.clone(),
            param => error.message.replace(param, &renamed),
        };
        ApiError { param: Some(renamed), message, ..error }
    }

    /// The same for an error about the whole prompt, as those have that come later: other fields have been renamed by
    /// then.
    pub fn rename_prompt(&self, error: ApiError) -> ApiError {
        if error.param.as_deref() == Some("messages") { self.rename(error) } else { error }
    }

    /// What a field of the request that was made is called in the one that came.
    fn field(&self, param: &str) -> Option<String> {
        let end = param.find(['.', '[']).unwrap_or(param.len());
        let (name, rest) = param.split_at(end);
        let known = match name {
            "messages" if rest.is_empty() => "input".into(),
            "messages" => {
                let (index, rest) = numbered(rest)?;
                let source = self.messages.get(index)?;
                match rest.strip_prefix(".content") {
                    Some(rest) => source.content() + rest,
                    None if rest.starts_with(".tool_calls") => source.place.clone(),
                    None => format!("{}{rest}", source.place),
                }
            }
            "tools" if !rest.is_empty() => {
                let (index, rest) = numbered(rest)?;
                format!("tools[{}]{}", self.tools.get(index)?, rest.strip_prefix(".function").unwrap_or(rest))
            }
            "tool_choice" => {
                let rest = rest.strip_prefix(".function").or_else(|| rest.strip_prefix(".allowed_tools"));
                format!("tool_choice{}", rest?)
            }
            "response_format" => format!("text.format{}", rest.strip_prefix(".json_schema").unwrap_or(rest)),
            "max_completion_tokens" | "max_tokens" => "max_output_tokens".into(),
            "reasoning_effort" => "reasoning.effort".into(),
            _ => return None,
        };
        Some(known)
    }
}

/// `[2].content` as the number and what follows.
fn numbered(rest: &str) -> Option<(usize, &str)> {
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_names_that_the_client_knows() {
        let source = |place: &str, field| Source { place: place.into(), field };
        let names = Names {
            messages: vec![source("instructions", ""), source("input[1]", "content"), source("input[3]", "output")],
            tools: vec![1, 4],
        };
        for (made, came) in [
            ("messages[0].content", "instructions"),
            ("messages[1].content[2].image_url", "input[1].content[2].image_url"),
            ("messages[2].content", "input[3].output"),
            ("messages[1].tool_calls[0].function.arguments", "input[1]"),
            ("messages", "input"),
            ("tools[1].function.parameters.type", "tools[4].parameters.type"),
            ("tool_choice.function.name", "tool_choice.name"),
            ("response_format.json_schema.schema.not", "text.format.schema.not"),
            ("response_format", "text.format"),
            ("max_completion_tokens", "max_output_tokens"),
            ("reasoning_effort", "reasoning.effort"),
            ("top_p", "top_p"),
            ("messages[9].content", "messages[9].content"),
        ] {
            let error = names.rename(ApiError::invalid(made, format!("{made} is wrong")));
            assert_eq!(
                (error.param.as_deref(), error.message),
                (Some(came), if made == "messages" { "messages is wrong".into() } else { format!("{came} is wrong") })
            );
        }
    }
}
