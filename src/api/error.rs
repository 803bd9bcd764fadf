//! The one place where an error becomes a status and OpenAI's JSON.
//!
//! Every body is exactly `{"error": {"message", "type", "param", "code"}}`; requests of other dialects get theirs at
//! the edge (`http/dialect.rs`). The matches are exhaustive, with no wildcard arm: a new domain error cannot reach
//! users undecided.

use poem::{Response, http::StatusCode};
use poem_openapi::{ApiResponse, Object, error::ParseParamError};
use serde::{Deserialize, Serialize};
use tern_catalog::PullError;
use tern_chat::TurnError;
use tern_compare::CompareError;
use tern_conversations::ConversationError;
use tern_engine::EngineError;
use tern_registry::{DeleteError, RegistryError, TaskError};
use tern_scheduler::GenerateError;
use tern_store::StoreError;

use crate::http::body::ApiJson;

/// Most characters of a value that an error repeats.
const SHOWN: usize = 60;

/// The beginning of what was sent, for an error that names it.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// What every error looks like.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ErrorObject {
    /// What happened, with the values that matter.
    pub message: String,
    /// `invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or `server_error`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The field of the request that caused it.
    #[oai(nullable)]
    pub param: Option<String>,
    /// A word for programs.
    #[oai(nullable)]
    pub code: Option<String>,
}

/// Error replies, as the description lists them.
#[derive(Debug, Clone, ApiResponse)]
pub enum ErrorReply {
    /// The request is wrong.
    #[oai(status = 400)]
    BadRequest(ApiJson<ErrorBody>),
    /// A key is wanted, or the one that was sent is wrong.
    #[oai(status = 401)]
    Unauthorized(ApiJson<ErrorBody>, #[oai(header = "www-authenticate")] String),
    /// This host, origin or key may not ask for this.
    #[oai(status = 403)]
    Forbidden(ApiJson<ErrorBody>),
    /// No such model, conversation or route.
    #[oai(status = 404)]
    NotFound(ApiJson<ErrorBody>),
    /// The model is in use, or the answer is being written.
    #[oai(status = 409)]
    Conflict(ApiJson<ErrorBody>),
    /// The body is too large.
    #[oai(status = 413)]
    TooLarge(ApiJson<ErrorBody>),
    /// The key's limit is reached: of requests or tokens a minute, or of requests at the same time.
    #[oai(status = 429)]
    RateLimited(ApiJson<ErrorBody>, #[oai(header = "retry-after")] String),
    /// The server failed. `x-should-retry: false` where a retry cannot help.
    #[oai(status = 500)]
    Internal(ApiJson<ErrorBody>, #[oai(header = "x-should-retry")] String),
    /// A program that this needs is not installed; the message says how to get it.
    #[oai(status = 501)]
    NotInstalled(ApiJson<ErrorBody>, #[oai(header = "x-should-retry")] String),
    /// Another server this one asked failed.
    #[oai(status = 502)]
    Upstream(ApiJson<ErrorBody>),
    /// Busy or shutting down.
    #[oai(status = 503)]
    Unavailable(ApiJson<ErrorBody>, #[oai(header = "retry-after")] String),
    /// Not enough room on the disk or in memory; a retry does not help by itself.
    #[oai(status = 507)]
    InsufficientStorage(ApiJson<ErrorBody>, #[oai(header = "x-should-retry")] String),
}

/// An error on its way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// What happened.
    pub message: String,
    /// Field of the request.
    pub param: Option<String>,
    /// A word for programs.
    pub code: Option<&'static str>,
}

impl ApiError {
    /// An error without a field.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: Some(code) }
    }

    /// 400 about the field `param`.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), param: Some(param.into()), code: Some("invalid_value") }
    }

    /// 400 about a parameter that is known but cannot be honoured.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into(), param: Some(param.into()), code: Some("unsupported_parameter") }
    }

    /// The body of the reply.
    pub fn body(&self) -> ErrorBody {
        let kind = match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let error = ErrorObject {
            message: self.message.clone(),
            kind: kind.into(),
            param: self.param.clone(),
            code: self.code.map(Into::into),
        };
        ErrorBody { error }
    }

    /// The reply for statuses that an operation does not describe (404 of the router, 405, ...).
    pub fn response(&self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::builder().status(status).content_type("application/json");
        if matches!(self.status, 429 | 503) {
            response = response.header("retry-after", "1");
        }
        if matches!(self.status, 500 | 501 | 507) {
            response = response.header("x-should-retry", "false");
        }
        response.body(body)
    }
}

impl From<ApiError> for ErrorReply {
    fn from(error: ApiError) -> Self {
        let body = ApiJson(error.body());
        match error.status {
            401 => Self::Unauthorized(body, "Bearer realm=\"tern\"".into()),
            403 => Self::Forbidden(body),
            404 => Self::NotFound(body),
            409 => Self::Conflict(body),
            413 => Self::TooLarge(body),
            429 => Self::RateLimited(body, "1".into()),
            501 => Self::NotInstalled(body, "false".into()),
            502 => Self::Upstream(body),
            503 => Self::Unavailable(body, "1".into()),
            507 => Self::InsufficientStorage(body, "false".into()),
            500.. => Self::Internal(body, "false".into()),
            _ => Self::BadRequest(body),
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        match error {
            RegistryError::UnknownModel { .. } | RegistryError::UnknownEngine { .. } => {
                Self { status: 404, message, param: Some("model".into()), code: Some("model_not_found") }
            }
            RegistryError::Unusable { .. } => {
                Self { status: 400, message, param: Some("model".into()), code: Some("model_unusable") }
            }
            RegistryError::MissingCapability { .. } => {
                Self { status: 400, message, param: Some("model".into()), code: Some("unsupported_model") }
            }
            RegistryError::OutOfMemory { .. } => Self::new(507, "insufficient_memory", message),
            RegistryError::Load { source, .. } => match &*source {
                EngineError::Io { .. }
                | EngineError::InvalidModel { .. }
                | EngineError::Unsupported { .. }
                | EngineError::NotBuilt { .. } => {
                    Self { status: 400, message, param: Some("model".into()), code: Some("model_unusable") }
                }
                EngineError::Cancelled => Self::new(503, "model_unloaded", message),
                EngineError::InvalidInput(_) | EngineError::Failed(_) => Self::new(500, "model_load_failed", message),
            },
            RegistryError::InUse { .. } => Self::new(409, "model_in_use", message),
            RegistryError::ShuttingDown => Self::new(503, "shutting_down", message),
        }
    }
}

impl From<GenerateError> for ApiError {
    fn from(error: GenerateError) -> Self {
        let message = error.to_string();
        match error {
            GenerateError::ContextLengthExceeded { .. } => {
                Self { status: 400, message, param: Some("messages".into()), code: Some("context_length_exceeded") }
            }
            GenerateError::InvalidParameter { param, .. } => Self::invalid(param, message),
            GenerateError::QueueFull { .. } => Self::new(503, "overloaded", message),
            GenerateError::ShuttingDown => Self::new(503, "shutting_down", message),
            GenerateError::Engine(_) => Self::new(500, "engine_error", message),
        }
    }
}

impl From<TurnError> for ApiError {
    fn from(error: TurnError) -> Self {
        let message = error.to_string();
        match error {
            TurnError::Template(_) => {
                Self { status: 400, message, param: Some("messages".into()), code: Some("template_error") }
            }
            TurnError::InvalidMessages { param, .. } => Self::invalid(param, message),
            TurnError::Generate(error) => error.into(),
        }
    }
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        let message = error.to_string();
        match error {
            TaskError::QueueFull(_) => Self::new(503, "overloaded", message),
            TaskError::Engine(EngineError::InvalidInput(_)) => Self::invalid("input", message),
            TaskError::Engine(EngineError::Cancelled) => Self::new(503, "model_unloaded", message),
            TaskError::Engine(_) => Self::new(500, "engine_error", message),
        }
    }
}

impl From<PullError> for ApiError {
    fn from(error: PullError) -> Self {
        let message = error.to_string();
        match error {
            PullError::UnknownName { .. } | PullError::NotFound { .. } | PullError::NoFolder { .. } => {
                Self { status: 404, message, param: Some("model".into()), code: Some("model_not_found") }
            }
            PullError::Reference(_) => Self::invalid("model", message),
            PullError::Offline { .. } => Self::new(400, "offline", message),
            PullError::Forbidden { .. } => Self::new(403, "hub_forbidden", message),
            PullError::NoSpace { .. } => Self::new(507, "insufficient_storage", message),
            PullError::Cancelled => Self::new(503, "cancelled", message),
            PullError::Io { .. } | PullError::Client { .. } => Self::new(500, "download_failed", message),
            PullError::Status { .. }
            | PullError::RateLimited { .. }
            | PullError::Connection { .. }
            | PullError::Timeout { .. }
            | PullError::Checksum { .. }
            | PullError::Size { .. }
            | PullError::Changed { .. }
            | PullError::Unsafe { .. }
            | PullError::MissingHeader { .. }
            | PullError::Header { .. } => Self::new(502, "download_failed", message),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::new(404, "not_found", message),
            StoreError::Conflict { .. } => Self::new(409, "conflict", message),
            StoreError::Misplaced { .. } => Self::new(409, "misplaced", message),
            StoreError::DiskFull { .. } => Self::new(507, "disk_full", message),
            StoreError::Io { .. } => Self::new(500, "store_failed", message),
            StoreError::Index(_) => Self::new(500, "search_failed", message),
            StoreError::InUse { .. } | StoreError::TooNew { .. } | StoreError::Damaged { .. } => {
                Self::new(500, "store_unusable", message)
            }
        }
    }
}

impl From<ConversationError> for ApiError {
    fn from(error: ConversationError) -> Self {
        let message = error.to_string();
        match error {
            ConversationError::Store(error) => error.into(),
            ConversationError::Model(error) => error.into(),
            ConversationError::Turn(error) => error.into(),
            ConversationError::NoModel => {
                Self { code: Some("missing_required_parameter"), ..Self::invalid("model", message) }
            }
            ConversationError::Invalid { param, .. } => Self::invalid(param, message),
            ConversationError::File(_) => Self::new(400, "unknown_format", message),
            ConversationError::Attachment { param, .. } => {
                Self { code: Some("unsupported_attachment"), ..Self::invalid(param, message) }
            }
            ConversationError::Running { .. } => Self::new(409, "answer_running", message),
            ConversationError::Complete { .. } => Self::new(409, "answer_complete", message),
            ConversationError::ShuttingDown => Self::new(503, "shutting_down", message),
            ConversationError::Internal => Self::new(500, "internal_error", message),
        }
    }
}

impl From<CompareError> for ApiError {
    fn from(error: CompareError) -> Self {
        let message = error.to_string();
        match error {
            CompareError::Invalid { param, .. } => Self::invalid(param, message),
            CompareError::Running { .. } => Self::new(409, "comparison_running", message),
            CompareError::Store(error) => error.into(),
            CompareError::ShuttingDown => Self::new(503, "shutting_down", message),
        }
    }
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        let message = error.to_string();
        match error {
            DeleteError::Registry(error) => error.into(),
            DeleteError::NotOurs { .. } => Self::new(409, "model_not_deletable", message),
            DeleteError::Io { .. } => Self::new(500, "delete_failed", message),
        }
    }
}

impl From<StoreError> for ErrorReply {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ConversationError> for ErrorReply {
    fn from(error: ConversationError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<CompareError> for ErrorReply {
    fn from(error: CompareError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<RegistryError> for ErrorReply {
    fn from(error: RegistryError) -> Self {
        ApiError::from(error).into()
    }
}

/// Gives every error that is not in our shape yet (the router's 404 and 405, poem's own) that shape.
pub(crate) async fn shape(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        // Of the query, the path or a header.
        return ApiError::invalid(error.name, format!("{}: {}", error.name, error.reason)).response();
    }
    let status = error.status().as_u16();
    let (code, message) = match status {
        404 => ("unknown_url", "Unknown URL; the API is described at /docs".to_owned()),
        405 => ("method_not_allowed", "Method not allowed on this URL; the API is described at /docs".to_owned()),
        413 => ("request_too_large", error.to_string()),
        400..=499 => ("bad_request", error.to_string()),
        _ => {
            tracing::error!("unexpected error: {error}");
            ("internal_error", "internal error; the log has the details under this request id".to_owned())
        }
    };
    ApiError::new(status, code, message).response()
}
