//! Whose API a request speaks, told by its path, and the shape that its errors have.
//!
//! Everywhere below, an error is an [`ApiError`] and becomes OpenAI's JSON. Here, at the edge, the errors of the other
//! dialects get their own shape, whoever made them: a handler, the parser of bodies, the router, or the check of hosts.

use std::marker::PhantomData;

use poem::{Body, IntoResponse, Request, Response, http::header};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
    types::Type,
};

use crate::{
    anthropic::MessagesError,
    error::{ApiError, ErrorBody, ErrorReply},
    ollama::{OllamaError, is_path},
};

/// Whose API a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI's, and our own.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's.
    Ollama,
}

impl Dialect {
    /// Reads the path as tolerantly as the router does, and the header that only Anthropic's clients send.
    pub fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let segments: Vec<&str> = path.split('/').filter(|s| !str::is_empty(s)).skip_while(|s| *s == "v1").collect();
        match segments.as_slice() {
            ["messages", ..] => Self::Anthropic,
            ["models", ..] if request.header("anthropic-version").is_some() => Self::Anthropic,
            ["api", rest @ ..] if is_path(rest) => Self::Ollama,
            _ => Self::OpenAi,
        }
    }

    /// The response with its error, if it is one, in the shape of this dialect.
    pub async fn shape(self, response: Response, request_id: &str) -> Response {
        let status = response.status();
        if self == Self::OpenAi || !(status.is_client_error() || status.is_server_error()) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let bytes = body.into_bytes().await.unwrap_or_default();
        let shaped = serde_json::from_slice::<ErrorBody>(&bytes).ok().and_then(|body| match self {
            Self::OpenAi => None,
            Self::Anthropic => {
                serde_json::to_vec(&MessagesError::new(status.as_u16(), &body.error, Some(request_id))).ok()
            }
            Self::Ollama => serde_json::to_vec(&OllamaError { error: body.error.message }).ok(),
        });
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, shaped.map_or_else(|| Body::from(bytes), Body::from))
    }
}

/// A refusal by an operation of another dialect than OpenAI's: described with the errors of that dialect, whose type is
/// `B`, and given their shape at the edge.
pub(crate) struct Refused<B> {
    error: ApiError,
    shape: PhantomData<fn() -> B>,
}

impl<B> From<ApiError> for Refused<B> {
    fn from(error: ApiError) -> Self {
        Self { error, shape: PhantomData }
    }
}

impl<B: Type> IntoResponse for Refused<B> {
    fn into_response(self) -> Response {
        self.error.response()
    }
}

impl<B: Type> From<Refused<B>> for poem::Error {
    fn from(refused: Refused<B>) -> Self {
        Self::from_response(refused.into_response())
    }
}

impl<B: Type> ApiResponse for Refused<B> {
    fn meta() -> MetaResponses {
        let mut meta = ErrorReply::meta();
        for media in meta.responses.iter_mut().flat_map(|response| &mut response.content) {
            media.schema = B::schema_ref();
        }
        meta
    }

    fn register(registry: &mut Registry) {
        B::register(registry);
    }
}

/// The error with the field it names under the name that the client knows. Refusals begin with the name of their field,
/// or have it in backquotes or alone; whatever else they say stays.
pub(crate) fn renamed(error: ApiError, name: impl Fn(&str) -> Option<String>) -> ApiError {
    let Some((old, new)) = error.param.as_deref().and_then(|old| Some((old.to_owned(), name(old)?))) else {
        return error;
    };
    let message = match error.message.strip_prefix(&old) {
        Some(rest) => format!("{new}{rest}"),
        None => error.message,
    };
    ApiError { message, param: Some(new), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_whose_client_asks() {
        let of = |path: &str, version: bool| {
            let request = Request::builder().uri_str(path);
            Dialect::of(&if version { request.header("anthropic-version", "2023-06-01") } else { request }.finish())
        };
        for path in ["/v1/messages", "/messages", "//v1/v1/messages/", "/v1/messages?beta=true", "/v1/messages/batches"]
        {
            assert_eq!(of(path, false), Dialect::Anthropic, "{path}");
        }
        assert_eq!(of("/v1/models", true), Dialect::Anthropic);
        for path in ["/api/chat", "/api/tags/", "/api/pull"] {
            assert_eq!(of(path, true), Dialect::Ollama, "{path}");
        }
        for path in ["/v1/models", "/api/models/pull", "/api/conversations", "/chat", "/v1/chat/messages", "/", "/api"]
        {
            assert_eq!(of(path, false), Dialect::OpenAi, "{path}");
        }
    }

    #[test]
    fn a_field_is_called_what_the_client_called_it() {
        let named = |message: &str| {
            renamed(ApiError::invalid("stop", message), |name| (name == "stop").then(|| "stop_sequences".into()))
        };
        let error = named("stop has 40 strings; the most is 32");
        assert_eq!(error.message, "stop_sequences has 40 strings; the most is 32");
        assert_eq!(error.param.as_deref(), Some("stop_sequences"));
        assert_eq!(named("too many").message, "too many");
    }
}
