//! `GET /health` and `GET /metrics`.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::PlainText};
use serde::Serialize;

use crate::{
    error::{ApiError, ErrorReply},
    http::body::ApiJson,
    metrics,
    routes::ApiTags,
    state::State,
};

/// State of the server.
#[derive(Debug, Object, Serialize)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// Version of the server.
    pub version: String,
    /// Models in memory.
    pub loaded: Vec<String>,
}

#[derive(ApiResponse)]
pub(crate) enum Metrics {
    /// Prometheus' text format.
    #[oai(status = 200)]
    Text(PlainText<String>),
}

pub(crate) struct ServerApi(pub State);

#[OpenApi(tag = "ApiTags::Server")]
impl ServerApi {
    /// Whether the server can serve
    ///
    /// 200 when it can, 503 while it shuts down. Needs no key.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self) -> Result<ApiJson<Health>, ErrorReply> {
        if self.0.registry.is_closing() {
            return Err(ApiError::new(503, "shutting_down", "the server is shutting down").into());
        }
        let loaded = self.0.registry.loaded().iter().map(|model| model.entry.id.clone()).collect();
        Ok(ApiJson(Health { status: "ok".into(), version: self.0.config.version.into(), loaded }))
    }

    /// Figures for Prometheus
    ///
    /// Times to first token and between tokens, queue, prefill and decode tokens, cache hits, memory, by model.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> Metrics {
        Metrics::Text(PlainText(metrics::render(&self.0.registry)))
    }
}
