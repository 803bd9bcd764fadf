//! Who asks, for whatever runs for a request.
//!
//! It is kept with the task that answers, not handed from function to function: every dialect would have to pass it on,
//! and one that forgot would be open. What goes on behind the handler (a stream) takes its [`Meter`] along when it
//! begins; a task that is spawned for a request runs in `Caller::current().scope(...)`.

use std::{future::Future, sync::Arc};

use tern_registry::ModelEntry;
use tokio::sync::OwnedSemaphorePermit;

use super::{KeyScope, meter::Meter, ring::Key};
use crate::error::ApiError;

tokio::task_local! {
    static CALLER: Caller;
}

/// The key of a request; none where none is needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(super) key: Option<Arc<Key>>,
    /// Its place among the requests that the key may have running. Free when nobody is left who works for it.
    pub(super) place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Caller {
    /// Who the running task answers.
    pub fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` for this caller.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, work)
    }

    /// The model for requests that name none, where the key has one of its own.
    pub fn default_model(&self) -> Option<&str> {
        self.key.as_deref()?.settings.default_model.as_deref()
    }

    /// Whether only some models may be asked.
    pub fn is_restricted(&self) -> bool {
        self.key.as_deref().is_some_and(|key| !key.settings.models.is_empty())
    }

    /// Whether this model may be asked.
    pub fn may_ask(&self, model: &ModelEntry) -> bool {
        let Some(key) = self.key.as_deref() else { return true };
        let allowed = &key.settings.models;
        let fits = |pattern: &String| {
            model.answers_to(pattern)
                || crate::names::fits(pattern, &model.id)
                || model.aliases.iter().any(|alias| crate::names::fits(pattern, alias))
        };
        allowed.is_empty() || allowed.iter().any(fits)
    }

    /// As [`Caller::may_ask`].
    ///
    /// # Errors
    /// 403, naming the key and what it may ask.
    pub fn check_model(&self, model: &ModelEntry) -> Result<(), ApiError> {
        if self.may_ask(model) {
            return Ok(());
        }
        let settings = self.key.as_deref().map(|key| &key.settings);
        let (name, allowed) = settings.map(|s| (s.name.to_string(), s.models.join(", "))).unwrap_or_default();
        let message = format!("the key \"{name}\" may not ask the model `{}`; it may ask {allowed}", model.id);
        Err(ApiError { param: Some("model".into()), ..ApiError::new(403, "model_not_allowed", message) })
    }

    /// Whether models may be loaded and unloaded at will.
    pub fn is_admin(&self) -> bool {
        self.key.as_deref().is_none_or(|key| key.settings.scope == KeyScope::Admin)
    }

    /// As [`Caller::is_admin`].
    ///
    /// # Errors
    /// 403, naming the key; `what` needs an admin's.
    pub fn check_admin(&self, what: &str) -> Result<(), ApiError> {
        if self.is_admin() {
            return Ok(());
        }
        let name = self.key.as_deref().map(|key| key.settings.name.to_string()).unwrap_or_default();
        let message = format!("the key \"{name}\" has the scope chat; {what} needs one with the scope admin");
        Err(ApiError::new(403, "insufficient_scope", message))
    }

    /// Refuses work of which neither the models nor the tokens are watched to a key that is limited in those.
    ///
    /// # Errors
    /// 403, naming the key.
    pub fn check_unlimited(&self, what: &str) -> Result<(), ApiError> {
        match self.key.as_deref().map(|key| &key.settings) {
            Some(settings) if settings.tokens_per_minute.is_some() || !settings.models.is_empty() => {
                let message = format!(
                    "the key \"{}\" is limited in its models or its tokens a minute, which are not watched in {what}; use a \
                     key that is not",
                    settings.name
                );
                Err(ApiError::new(403, "key_limited", message))
            }
            _ => Ok(()),
        }
    }

    /// Counts what is computed for this caller.
    pub fn meter(&self) -> Meter {
        Meter::new(self.clone())
    }
}
