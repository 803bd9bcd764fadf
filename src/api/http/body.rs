//! JSON in and out. The schema comes from poem-openapi, parsing from serde: only serde can say which field was wrong
//! (`param`), refuse a number where a string belongs, and take `16.0` for an integer.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use poem::{Body, IntoResponse, Request, RequestBody, Response, error::ReadBodyError};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    payload::Payload,
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ApiError, ErrorReply};

/// Most bytes of a request body; set once for all routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub usize);

/// Longest message about a wrong body: parsers quote what they saw, which may be a whole image.
const MAX_MESSAGE: usize = 400;

/// How long a body that is refused is read on.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A JSON request body. The content type is not looked at: `curl -d` sends another one.
pub struct ApiBody<T>(pub T);

impl<T: DeserializeOwned> ApiBody<T> {
    pub(crate) async fn read(request: &Request, body: &mut RequestBody) -> Result<Self, ApiError> {
        parse(&read(request, body, body_limit(request)).await?).map(Self)
    }
}

/// The names of a request's fields that say something: not null.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<String>);

impl Given {
    /// The names, in the order in which they were sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Given;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let says = map.next_value::<Option<IgnoredAny>>()?.is_some();
                    // No field that means something has a longer name.
                    if says && name.len() <= MAX_NAME && !names.contains(&name) && names.len() < MAX_NAMES {
                        names.push(name);
                    }
                }
                Ok(Given(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// Longest name of a field that is remembered.
const MAX_NAME: usize = 60;
/// Most names that are remembered.
const MAX_NAMES: usize = 200;

/// A JSON request body, and which fields it has: also those that the type does not know.
pub(crate) struct NamedBody<T>(pub T, pub Given);

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for NamedBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        ApiBody::<T>::request_meta()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let named = async {
            let bytes = read(request, body, body_limit(request)).await?;
            let value = parse(&bytes)?;
            // It was an object a moment ago.
            Ok::<_, ApiError>(Self(value, serde_json::from_slice(&bytes).unwrap_or_default()))
        };
        named.await.map_err(|error| ErrorReply::from(error).into())
    }
}

/// The bytes of a request body, `limit` at most.
async fn read(request: &Request, body: &mut RequestBody, limit: usize) -> Result<Vec<u8>, ApiError> {
    let bytes = admit(request, body, limit).await?.into_bytes_limit(limit).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => too_large(limit),
        other => unreadable(&other),
    })?;
    Ok(bytes.into())
}

/// How long the body is, as its client says.
fn declared(request: &Request) -> Option<usize> {
    request.header("content-length")?.parse().ok()
}

/// Most bytes that a body of this request may have.
pub(crate) fn body_limit(request: &Request) -> usize {
    request.data::<BodyLimit>().map_or(usize::MAX, |limit| limit.0)
}

/// The body, unless it is declared to be larger than `limit` bytes.
pub(crate) async fn admit(request: &Request, body: &mut RequestBody, limit: usize) -> Result<Body, ApiError> {
    let body = body.take().map_err(|error| ApiError::new(400, "invalid_body", error.to_string()))?;
    if declared(request).is_some_and(|n| n > limit) {
        drain(body.into_bytes_stream()).await;
        return Err(too_large(limit));
    }
    Ok(body)
}

pub(crate) fn too_large(limit: usize) -> ApiError {
    ApiError::new(413, "request_too_large", format!("the request body is larger than {limit} bytes (--body-limit)"))
}

pub(crate) fn unreadable(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(400, "invalid_body", format!("the request body could not be read: {error}"))
}

/// Most bytes of a document, where the limit of bodies is not even higher. An export of years has hundreds of
/// megabytes.
const MAX_DOCUMENT: usize = 256 << 20;

/// One document larger than the limit of bodies is in memory at a time.
static LARGE: Semaphore = Semaphore::const_new(1);

/// Any JSON document as a request body: what it has to be, the handler decides. May be larger than other bodies, if its
/// client says beforehand how large it is.
pub struct ApiDocument {
    /// The text, which is JSON.
    pub text: String,
    _turn: Option<SemaphorePermit<'static>>,
}

impl<'a> ApiExtractor<'a> for ApiDocument {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let example = Some(crate::app::an_export());
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema { example, ..MetaSchema::ANY }));
        let content = vec![MetaMediaType { content_type: "application/json", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let document = async {
            let usual = body_limit(request);
            let is_large = declared(request).is_some_and(|length| length > usual);
            let turn = match LARGE.try_acquire() {
                _ if !is_large => None,
                Ok(turn) => Some(turn),
                Err(_) => {
                    let message = "another large file is being read; try again in a moment";
                    return Err(ApiError::new(503, "busy", message));
                }
            };
            let bytes = read(request, body, if is_large { usual.max(MAX_DOCUMENT) } else { usual }).await?;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Err(ApiError::new(400, "invalid_body", "the request body is empty; expected JSON"));
            }
            // A file of many megabytes takes a while.
            crate::state::beside(move || {
                let wrong = |error: &dyn std::fmt::Display| {
                    ApiError::new(400, "invalid_json", format!("the request body is not valid JSON: {error}"))
                };
                serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|error| wrong(&error))?;
                let text = String::from_utf8(bytes).map_err(|error| wrong(&error))?;
                Ok(Self { text, _turn: turn })
            })
            .await
        };
        document.await.map_err(|error| ErrorReply::from(error).into())
    }
}

/// Reads what a client still sends and throws it away, for a while: closing the connection under it would lose the
/// answer that says why.
pub(crate) async fn drain<T, E>(chunks: impl Stream<Item = Result<T, E>>) {
    let mut chunks = std::pin::pin!(chunks);
    let all = async { while let Some(Ok(_)) = chunks.next().await {} };
    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}

/// Parses a JSON object.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    match first {
        None => return Err(ApiError::new(400, "invalid_body", "the request body is empty; expected a JSON object")),
        // Any other JSON value would be reported as "invalid type" without saying that the whole body is meant.
        Some(b'{') => {}
        Some(_) => {
            let what = match serde_json::from_slice::<serde_json::Value>(bytes) {
                Ok(_) => "the request body is JSON, but not an object".to_owned(),
                Err(error) => format!("the request body is not valid JSON: {error}"),
            };
            return Err(ApiError::new(400, "invalid_body", what));
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_syntax() || inner.is_eof() {
            return ApiError::new(400, "invalid_json", shorten(format!("the request body is not valid JSON: {inner}")));
        }
        let message = shorten(format!("{inner}"));
        let place = match (path.as_str(), missing_field(&message)) {
            (".", param) => return ApiError { param, ..ApiError::new(400, "invalid_value", message) },
            (path, Some(field)) => format!("{path}.{field}"),
            (path, None) => path.to_owned(),
        };
        ApiError::invalid(&place, format!("{place}: {message}"))
    })?;
    deserializer.end().map_err(|error| {
        ApiError::new(400, "invalid_json", format!("the request body goes on after the JSON object: {error}"))
    })?;
    Ok(value)
}

/// The name in "missing field `x`".
fn missing_field(message: &str) -> Option<String> {
    Some(message.strip_prefix("missing field `")?.split_once('`')?.0.to_owned())
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE).rev().find(|&i| message.is_char_boundary(i)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for ApiBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Self::read(request, body).await.map_err(|error| ErrorReply::from(error).into())
    }
}

/// A JSON response.
#[derive(Debug, Clone)]
pub struct ApiJson<T>(pub T);

impl<T: Type> Payload for ApiJson<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for ApiJson<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder().content_type("application/json").body(body),
            Err(error) => ApiError::new(500, "internal_error", error.to_string()).response(),
        }
    }
}

impl<T: Type + Serialize + Send> poem_openapi::ApiResponse for ApiJson<T> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        let response =
            MetaResponse { description: "", status: Some(200), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Body {
        model: String,
        items: Option<Vec<Item>>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Item {
        role: String,
    }

    #[track_caller]
    fn check(body: &str, param: Option<&str>, code: &str) {
        let error = parse::<Body>(body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.param.as_deref(), error.code), (400, param, Some(code)), "{error:?}");
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        check(r#"{"model":"m","items":[{"role":"x"},{"role":5}]}"#, Some("items[1].role"), "invalid_value");
        check(r#"{"model":5}"#, Some("model"), "invalid_value");
        check(r#"{"items":[]}"#, Some("model"), "invalid_value");
        check(r#"{"model":"m","items":[{}]}"#, Some("items[0].role"), "invalid_value");
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        check("", None, "invalid_body");
        check("  \n", None, "invalid_body");
        check("[1]", None, "invalid_body");
        check("null", None, "invalid_body");
        check("hello", None, "invalid_body");
        check(r#"{"model":"m""#, None, "invalid_json");
        check(r#"{"model":"m"} x"#, None, "invalid_json");
        check(r#"{"model":NaN}"#, None, "invalid_json");
    }

    #[test]
    fn a_long_wrong_value_is_not_echoed_whole() {
        let error = parse::<Body>(format!(r#"{{"model":"m","items":"{}"}}"#, "é".repeat(5000)).as_bytes()).unwrap_err();
        assert!(error.message.len() < 500, "{} bytes", error.message.len());
    }
}
