//! `GET /health`, `GET /metrics` and `GET /api/server`.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::PlainText};
use serde::Serialize;
use tern_registry::machine;

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

/// What the server runs on and can do.
#[derive(Debug, Object, Serialize)]
pub struct ServerInfo {
    /// Version of the server.
    pub version: String,
    /// Processors of the machine that this process may use.
    pub processors: u32,
    /// Threads that a forward pass uses.
    pub threads: u32,
    /// Memory for models.
    pub memory: ServerMemory,
    /// What the page can offer: `chat`, `compare`, `models`.
    pub features: Vec<String>,
}

/// Memory for models, in bytes.
#[derive(Debug, Object, Serialize)]
pub struct ServerMemory {
    /// What all loaded models may take together; null if there is no limit.
    #[oai(nullable)]
    pub budget_bytes: Option<u64>,
    /// What the loaded ones take, by estimate.
    pub used_bytes: u64,
    /// What this process has in memory, files it has mapped included; null where the system does not say.
    #[oai(nullable)]
    pub rss_bytes: Option<u64>,
}

/// What this build can do that the page has a place for.
const FEATURES: [&str; 4] = ["chat", "compare", "models", "ocr"];

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

    /// What the server runs on and can do
    #[oai(path = "/api/server", method = "get", operation_id = "serverInfo")]
    async fn info(&self) -> Result<ApiJson<ServerInfo>, ErrorReply> {
        let registry = &self.0.registry;
        let budget = registry.config().memory_budget;
        let used = registry.loaded().iter().map(|model| model.cost.total_bytes()).sum();
        Ok(ApiJson(ServerInfo {
            version: self.0.config.version.into(),
            processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
            threads: registry.config().threads,
            memory: ServerMemory {
                budget_bytes: (budget != u64::MAX).then_some(budget),
                used_bytes: used,
                rss_bytes: machine::memory_resident(),
            },
            features: FEATURES.map(Into::into).to_vec(),
        }))
    }

    /// Figures for Prometheus
    ///
    /// Times to first token and between tokens, queue, prefill and decode tokens, cache hits, memory, by model.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> Result<Metrics, ErrorReply> {
        Ok(Metrics::Text(PlainText(metrics::render(&self.0.registry, &self.0.keys.used()))))
    }
}
