//! What can go wrong in an engine, sorted by what a caller can do about it.

use std::path::PathBuf;

/// Errors of inspecting, loading and using a model.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is damaged or not what it claims to be.
    #[error("{}: {message}", path.display())]
    InvalidModel {
        /// Which file.
        path: PathBuf,
        /// What was found, where, and what was expected.
        message: String,
    },
    /// The file is sound, but this engine cannot run it.
    #[error("{}: {message}", path.display())]
    Unsupported {
        /// Which file.
        path: PathBuf,
        /// Which tensor, type or architecture, and what would run it.
        message: String,
    },
    /// The engine is not compiled into this binary.
    #[error("engine \"{engine}\" is not in this build; rebuild with --features {feature}")]
    NotBuilt {
        /// Name of the engine.
        engine: &'static str,
        /// Cargo feature that brings it.
        feature: &'static str,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// What was given is nothing that the model can take: too long, a language that it does not know. The caller can do better.
    #[error("{0}")]
    InvalidInput(String),
    /// The engine itself failed.
    #[error("engine failure: {0}")]
    Failed(String),
}

/// Errors of a forward pass or a KV operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No KV cells for this batch. The cache is unchanged; freeing sequences helps.
    #[error("the KV cache is full ({needed} more cells needed)")]
    KvFull {
        /// Tokens of the batch.
        needed: usize,
    },
    /// The batch breaks a limit of the decoder. The cache is unchanged.
    #[error("invalid batch: {0}")]
    InvalidBatch(String),
    /// This model cannot do that operation. The cache is unchanged.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The engine failed; the sequences of the batch must be dropped.
    #[error("engine failure: {0}")]
    Failed(String),
}
