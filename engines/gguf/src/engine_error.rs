//! What a bad header means in the words of the engines' contract.

use std::path::Path;

use tern_engine::EngineError;

use crate::GgufError;

impl GgufError {
    /// The error about the file at `path`: a type no one here knows is `Unsupported`, what cannot be read is `Io`, and
    /// everything else is a damaged file.
    pub fn about(self, path: &Path) -> EngineError {
        match self {
            Self::Io { path, source } => EngineError::Io { path, source },
            error @ (Self::TensorType { .. } | Self::Tl2 { .. }) => {
                EngineError::Unsupported { path: path.into(), message: error.to_string() }
            }
            error => EngineError::InvalidModel { path: path.into(), message: error.to_string() },
        }
    }
}
