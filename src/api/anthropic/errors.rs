//! What an error looks like to Anthropic's clients.

use poem_openapi::Object;
use serde::Serialize;

use crate::error::ErrorObject;

/// What every error of these operations looks like.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct MessagesError {
    /// `error`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The error.
    pub error: MessagesErrorObject,
    /// Id of the request, as in the header `request-id`; not in a stream.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct MessagesErrorObject {
    /// `invalid_request_error`, `authentication_error`, `permission_error`, `not_found_error`, `request_too_large`,
    /// `rate_limit_error`, `overloaded_error` or `api_error`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, with the values that matter.
    pub message: String,
}

impl MessagesError {
    /// The shape of an error with this status.
    pub(crate) fn new(status: u16, error: &ErrorObject, request_id: Option<&str>) -> Self {
        let kind = match status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        let too_long = error.code.as_deref() == Some("context_length_exceeded");
        let message = too_long.then(|| prompt_is_too_long(&error.message)).flatten();
        Self {
            kind: "error".into(),
            error: MessagesErrorObject { kind: kind.into(), message: message.unwrap_or_else(|| error.message.clone()) },
            request_id: request_id.map(Into::into),
        }
    }
}

/// The sentence by which clients know that they must shorten a dialogue, with the two numbers of ours, of which the
/// first is the limit.
fn prompt_is_too_long(message: &str) -> Option<String> {
    let digits = message.split(|c: char| !c.is_ascii_digit());
    let mut numbers = digits.filter_map(|digits| digits.parse::<u64>().ok());
    let (limit, prompt) = (numbers.next()?, numbers.next()?);
    Some(format!("prompt is too long: {prompt} tokens > {limit} maximum"))
}

#[cfg(test)]
mod tests {
    use tern_scheduler::GenerateError;

    use super::*;
    use crate::error::ApiError;

    #[test]
    fn a_prompt_that_does_not_fit_is_told_in_the_words_that_clients_look_for() {
        let error = GenerateError::ContextLengthExceeded { prompt_tokens: 107, context_length: 64 };
        let body = ApiError::from(error).body();
        let shaped = MessagesError::new(400, &body.error, None);
        assert_eq!(shaped.error.message, "prompt is too long: 107 tokens > 64 maximum");
        assert_eq!(shaped.error.kind, "invalid_request_error");
    }

    #[test]
    fn every_status_has_its_kind() {
        let kind = |status| {
            let body = ApiError::new(status, "code", "message").body();
            MessagesError::new(status, &body.error, Some("req_1")).error.kind
        };
        let statuses = [400, 401, 403, 404, 405, 409, 413, 429, 500, 503, 507];
        let kinds = statuses.map(kind);
        let expected = [
            "invalid_request_error",
            "authentication_error",
            "permission_error",
            "not_found_error",
            "invalid_request_error",
            "invalid_request_error",
            "request_too_large",
            "rate_limit_error",
            "api_error",
            "overloaded_error",
            "api_error",
        ];
        assert_eq!(kinds, expected);
    }
}
