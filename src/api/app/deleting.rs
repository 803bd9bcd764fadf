//! `DELETE /api/models/{model}`: a model's files.

use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

use crate::{
    error::ErrorReply,
    http::body::ApiJson,
    routes::ApiTags,
    state::{State, beside},
};

/// A model whose files are gone.
#[derive(Debug, Object, Serialize)]
pub struct DeletedModel {
    /// Model id.
    pub model: String,
    /// Bytes that were freed.
    pub bytes: u64,
}

/// An id to try the description with.
fn an_id() -> String {
    "qwen2.5-0.5b:q4_k_m@llama".into()
}

pub(crate) struct DeletingApi(pub State);

#[OpenApi(prefix_path = "/api/models", tag = "ApiTags::Models")]
impl DeletingApi {
    /// Delete a model
    ///
    /// Takes it out of memory and removes its files from the models folder or the cache of the hub. Refused for
    /// built-in models and those named with `--model`, and, unless `force` ends its requests, while it answers.
    #[oai(path = "/:model", method = "delete", operation_id = "deleteModel")]
    async fn delete(
        &self,
        /// Model id, as `GET /v1/models` lists them; a slash in it encoded as `%2F`.
        #[oai(example = "an_id")]
        model: Path<String>,
        /// End running requests of the model. Default false.
        force: Query<Option<bool>>,
    ) -> Result<ApiJson<DeletedModel>, ErrorReply> {
        let registry = self.0.registry.clone();
        let deleted = beside(move || Ok(registry.delete(&model.0, force.0.unwrap_or(false))?)).await?;
        Ok(ApiJson(DeletedModel { model: deleted.id, bytes: deleted.bytes }))
    }
}
