//! `POST /api/models/load` and `POST /api/models/unload`.

use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};

use crate::{
    error::ErrorReply,
    http::body::{ApiBody, ApiJson},
    routes::ApiTags,
    state::State,
};

/// Which model to load.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct LoadRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
}

impl poem_openapi::types::Example for LoadRequest {
    fn example() -> Self {
        Self { model: Some("tern-guide".into()) }
    }
}

/// Which model to unload.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct UnloadRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// End running requests of the model. Default false.
    #[oai(nullable)]
    pub force: Option<bool>,
}

impl poem_openapi::types::Example for UnloadRequest {
    fn example() -> Self {
        Self { model: Some("tern-guide".into()), force: None }
    }
}

/// A model that was loaded.
#[derive(Debug, Object, Serialize)]
pub struct LoadedModel {
    /// Model id.
    pub model: String,
    /// How long loading took; also when it was loaded before this request.
    pub load_seconds: f64,
}

/// A model that is not in memory any more.
#[derive(Debug, Object, Serialize)]
pub struct UnloadedModel {
    /// Model id.
    pub model: String,
    /// Whether it was in memory.
    pub unloaded: bool,
}

pub(crate) struct LoadingApi(pub State);

#[OpenApi(prefix_path = "/api/models", tag = "ApiTags::Models")]
impl LoadingApi {
    /// Load a model
    ///
    /// Answers when it is ready. `GET /v1/models/{model}` shows the progress meanwhile.
    #[oai(path = "/load", method = "post", operation_id = "loadModel")]
    async fn load(&self, request: ApiBody<LoadRequest>) -> Result<ApiJson<LoadedModel>, ErrorReply> {
        let lease = self.0.acquire(request.0.model.as_deref()).await?;
        Ok(ApiJson(LoadedModel { model: lease.entry.id.clone(), load_seconds: lease.load_seconds }))
    }

    /// Unload a model
    ///
    /// Frees its memory; a load under way is stopped. Refused while it answers requests, unless `force` ends them.
    #[oai(path = "/unload", method = "post", operation_id = "unloadModel")]
    async fn unload(&self, request: ApiBody<UnloadRequest>) -> Result<ApiJson<UnloadedModel>, ErrorReply> {
        let model = self.0.find(request.0.model.as_deref()).await?.entry.id;
        let unloaded = self.0.registry.unload(&model, request.0.force.unwrap_or(false))?;
        Ok(ApiJson(UnloadedModel { model, unloaded }))
    }
}
