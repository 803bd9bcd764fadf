//! Why a model cannot be had.

use std::{io, sync::Arc};

use tern_engine::EngineError;

/// Errors of finding and loading a model. Cheap to clone: everyone who waits for a load gets the same one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// There is no such model.
    #[error("The model `{name}` does not exist. {}", available_text(.available))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        available: Vec<String>,
    },
    /// The id names an engine Tern does not have.
    #[error("The model `{name}` names engine \"{engine}\"; engines: {known}")]
    UnknownEngine {
        /// What was asked for.
        name: String,
        /// The part behind `@`.
        engine: String,
        /// Engines there are.
        known: String,
    },
    /// The file is there but cannot be used.
    #[error("The model `{id}` cannot be used: {reason}")]
    Unusable {
        /// Model id.
        id: String,
        /// What the engine said.
        reason: String,
    },
    /// The model lacks a capability.
    #[error("The model `{id}` does not support {wanted}; it supports: {has}")]
    MissingCapability {
        /// Model id.
        id: String,
        /// What was asked of it.
        wanted: &'static str,
        /// What it can do.
        has: String,
    },
    /// It would not fit into memory.
    #[error(
        "The model `{id}` needs {} ({} weights, {} KV cache for {context_tokens} tokens, {} buffers), but {} of the \
         memory budget of {} is in use by models that cannot be unloaded now. Use a smaller context (--ctx-size), \
         a smaller quantization, or a larger budget (--memory-budget).",
        size(*.needed), size(*.weights), size(*.kv), size(*.fixed), size(*.used), size(*.budget)
    )]
    OutOfMemory {
        /// Model id.
        id: String,
        /// Bytes it needs in all.
        needed: u64,
        /// Of these, weights.
        weights: u64,
        /// Of these, KV cache.
        kv: u64,
        /// Of these, buffers.
        fixed: u64,
        /// Tokens of context the estimate is for.
        context_tokens: u32,
        /// Bytes in use that cannot be freed.
        used: u64,
        /// Bytes allowed.
        budget: u64,
    },
    /// The engine could not load it.
    #[error("The model `{id}` could not be loaded: {source}")]
    Load {
        /// Model id.
        id: String,
        /// What the engine said.
        #[source]
        source: Arc<EngineError>,
    },
    /// The model is in use and cannot be unloaded without force.
    #[error("The model `{id}` is answering {requests} requests; ask with \"force\": true to end them")]
    InUse {
        /// Model id.
        id: String,
        /// Requests running.
        requests: usize,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Why the files of a model cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is no such model, or it is in use.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It is built in, or was named by the user.
    #[error("The model `{id}` is built in, or its file was named with --model: it is not deleted from here.")]
    NotOurs {
        /// Model id.
        id: String,
    },
    /// The system refuses.
    #[error("The files of the model `{id}` cannot be deleted: {source}")]
    Io {
        /// Model id.
        id: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn available_text(available: &[String]) -> String {
    if available.is_empty() {
        return "No models are available: put a .gguf file into the models directory or run `tern pull NAME`.".into();
    }
    let shown: Vec<_> = available.iter().take(20).map(|id| format!("`{id}`")).collect();
    let more = available.len().saturating_sub(20);
    let more = if more > 0 { format!(" and {more} more (GET /v1/models)") } else { String::new() };
    format!("Available models: {}{more}.", shown.join(", "))
}

/// Bytes as a person reads them.
pub(crate) fn size(bytes: u64) -> String {
    let (value, unit) = match bytes {
        b if b >= 1 << 30 => (b as f64 / f64::from(1u32 << 30), "GiB"),
        b if b >= 1 << 20 => (b as f64 / f64::from(1u32 << 20), "MiB"),
        b => (b as f64 / 1024.0, "KiB"),
    };
    format!("{value:.1} {unit}")
}
