//! Why a file is refused, before its path is added.

use std::path::Path;

use tern_engine::EngineError;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is damaged or contradicts itself: tensor or key, what was found, what was expected.
    #[error("{0}")]
    Invalid(String),
    /// It is sound, but not for this engine.
    #[error("{0}")]
    Unsupported(String),
    /// The load was stopped.
    #[error("cancelled")]
    Cancelled,
    /// The system refused memory or a thread.
    #[error("{0}")]
    System(String),
}

impl Refusal {
    /// The error of the contract, about this file.
    pub fn about(self, path: &Path) -> EngineError {
        match self {
            Self::Invalid(message) => EngineError::InvalidModel { path: path.into(), message },
            Self::Unsupported(message) => EngineError::Unsupported { path: path.into(), message },
            Self::Cancelled => EngineError::Cancelled,
            Self::System(message) => EngineError::Failed(message),
        }
    }
}
