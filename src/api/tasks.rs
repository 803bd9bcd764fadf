//! What requests to models without a dialogue have in common: which model answers, and how long it took.

use std::time::{Duration, Instant};

use poem_openapi::Object;
use serde::Serialize;
use tern_engine::Capability;
use tern_registry::{Lease, ModelStatus, RegistryError};

use crate::{
    error::ApiError,
    keys::Caller,
    state::{State, beside},
};

/// What a model must be able to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needed {
    pub capability: Capability,
    /// In a sentence: "no model for ... is installed".
    pub what: &'static str,
    /// How to get one, for people.
    pub hint: &'static str,
}

/// How long a task took.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TaskTimings {
    /// From the request being read to the answer, loading included.
    pub total_ms: f64,
    /// Waiting for the model to be loaded; about 0 when it was in memory.
    pub load_ms: f64,
}

impl TaskTimings {
    pub(crate) fn since(started: Instant, load: Duration) -> Self {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Self { total_ms: ms(started.elapsed()), load_ms: ms(load) }
    }
}

/// A number between 0 and 1 as it is shown: more digits would be noise.
pub(crate) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

impl State {
    /// The model for a task: the one that the request names; without a name one that is in memory, or else the smallest
    /// that is installed. `None` when there is none.
    ///
    /// # Errors
    /// For a name that is unknown, or that of a model which cannot do this.
    pub async fn find_able(&self, name: Option<&str>, capability: Capability) -> Result<Option<ModelStatus>, ApiError> {
        let (state, caller) = (self.clone(), Caller::current());
        let name = name.map(str::trim).filter(|name| !name.is_empty()).map(ToOwned::to_owned);
        beside(move || {
            if let Some(name) = name {
                let model = state.named(&name)?;
                caller.check_model(&model.entry)?;
                return Ok(Some(model));
            }
            let able = |entry: &tern_registry::ModelEntry| {
                entry.info.capabilities.contains(&capability) && caller.may_ask(entry)
            };
            if let Some(loaded) = state.registry.loaded().into_iter().find(|loaded| able(&loaded.entry)) {
                return Ok(Some(state.registry.status(&loaded.entry.id)?));
            }
            let models = state.registry.list().into_iter().filter(|model| able(&model.entry));
            Ok(models.min_by_key(|model| model.entry.info.weights_bytes))
        })
        .await
    }

    /// The model for a task, loaded, and how long that took.
    ///
    /// # Errors
    /// As [`State::find_able`]; 404 where no model can do this; those of a load.
    pub async fn acquire_able(&self, name: Option<&str>, needed: Needed) -> Result<(Lease, Duration), ApiError> {
        let Needed { capability, what, hint } = needed;
        let Some(model) = self.find_able(name, capability).await? else {
            let message = format!("no model for {what} is installed; {hint}");
            return Err(ApiError { param: Some("model".into()), ..ApiError::new(404, "model_not_found", message) });
        };
        let entry = model.entry;
        if !entry.info.capabilities.contains(&capability) {
            let has = entry.info.capabilities.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
            return Err(RegistryError::MissingCapability { id: entry.id, wanted: what, has }.into());
        }
        let started = Instant::now();
        let lease = self.registry.acquire(&entry.id).await?;
        Ok((lease, started.elapsed()))
    }
}
