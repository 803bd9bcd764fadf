//! What every handler has: the registry, conversations and comparisons, the settings, and the way from a model's name
//! to the model.

use std::sync::Arc;

use tern_compare::Comparisons;
use tern_conversations::Conversations;
use tern_registry::{Lease, ModelStatus, Registry, RegistryError};

use crate::{
    ApiConfig,
    error::ApiError,
    keys::{Caller, KeyRing},
    names,
    openai::Lives,
};

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct State {
    pub registry: Registry,
    pub conversations: Conversations,
    pub comparisons: Comparisons,
    /// Responses that are being written, or were lately.
    pub responses: Arc<Lives>,
    pub keys: Arc<KeyRing>,
    pub config: Arc<ApiConfig>,
}

/// Runs what may take long (rendering a template, tokenizing megabytes) beside the threads that serve streams.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let failed =
        |_| ApiError::new(500, "internal_error", "internal error; the log has the details under this request id");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

impl State {
    /// The model a request names; the key's own one, or else the fallback, for requests that name none. Where there is
    /// a fallback it answers for unknown names too.
    ///
    /// # Errors
    /// 404 for an unknown name, 403 for a model that the caller's key may not ask.
    pub async fn find(&self, name: Option<&str>) -> Result<ModelStatus, ApiError> {
        let (state, name, caller) = (self.clone(), name.map(ToOwned::to_owned), Caller::current());
        // Looking for it may read folders and headers.
        beside(move || {
            let model = state.look_up(name.as_deref(), caller.default_model())?;
            caller.check_model(&model.entry)?;
            Ok(model)
        })
        .await
    }

    /// The model of this id or name. Reads folders.
    ///
    /// # Errors
    /// Those of the registry; for an alias whose model is missing, of that model.
    pub fn named(&self, name: &str) -> Result<ModelStatus, RegistryError> {
        match self.registry.status(name) {
            Err(RegistryError::UnknownModel { name, available }) => match names::resolve(&self.config.aliases, &name) {
                Some(model) => self.registry.status(model),
                None => Err(RegistryError::UnknownModel { name, available }),
            },
            result => result,
        }
    }

    fn look_up(&self, name: Option<&str>, default: Option<&str>) -> Result<ModelStatus, ApiError> {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let fallback = self.config.fallback_model.as_deref().map(|fallback| default.unwrap_or(fallback));
        let Some(name) = name.or(default).or(fallback) else {
            let message = "the request names no model; GET /v1/models lists them";
            return Err(ApiError { code: Some("missing_required_parameter"), ..ApiError::invalid("model", message) });
        };
        match (self.named(name), fallback) {
            (Err(RegistryError::UnknownModel { .. }), Some(fallback)) if fallback != name => {
                tracing::debug!(model = name, fallback, "unknown model");
                Ok(self.named(fallback)?)
            }
            (result, _) => Ok(result?),
        }
    }

    /// The model a request names, loaded.
    pub async fn acquire(&self, name: Option<&str>) -> Result<Lease, ApiError> {
        let id = self.find(name).await?.entry.id;
        Ok(self.registry.acquire(&id).await?)
    }

    /// Changes when the same seed may give another answer: version and engine.
    pub fn fingerprint(&self, engine: &str) -> String {
        let version = self.config.version.split(' ').next().unwrap_or_default();
        format!("tern-{version}-{engine}")
    }
}
