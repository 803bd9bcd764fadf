//! What can be wrong with a vocabulary.

use std::path::{Path, PathBuf};

use tern_engine::EngineError;

/// Errors of building a tokenizer. Each says what was found, where, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A key that a vocabulary needs is missing or has another type.
    #[error("{key}: {got}, expected {expected}")]
    Key {
        /// The key of the header, or the file and field.
        key: String,
        /// What is there.
        got: String,
        /// What should be.
        expected: String,
    },
    /// One element of a list is wrong.
    #[error("{key}: element {index} is {got}, expected {expected}")]
    Element {
        /// The key of the header, or the file and field.
        key: String,
        /// Position in the list, from 0.
        index: usize,
        /// What is there.
        got: String,
        /// What should be.
        expected: String,
    },
    /// The vocabulary is sound, but of a kind that is not implemented. Reading it as another kind would give a model
    /// tokens that it was not trained on.
    #[error("{key}: \"{got}\" is not supported; supported are {supported}")]
    Unsupported {
        /// The key of the header, or the file and field.
        key: String,
        /// The name found.
        got: String,
        /// The names that would do.
        supported: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What was found, where, and what was expected.
        message: String,
    },
}

impl TokenizerError {
    pub(crate) fn key(key: &str, got: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Key { key: key.into(), got: got.into(), expected: expected.into() }
    }

    pub(crate) fn element(key: &str, index: usize, got: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Element { key: key.into(), index, got: got.into(), expected: expected.into() }
    }

    /// The engine's error for the model at `path`.
    pub fn in_model(self, path: &Path) -> EngineError {
        match self {
            Self::Io { path, source } => EngineError::Io { path, source },
            Self::Invalid { path, message } => EngineError::InvalidModel { path, message },
            Self::Unsupported { .. } => EngineError::Unsupported { path: path.into(), message: self.to_string() },
            Self::Key { .. } | Self::Element { .. } => {
                EngineError::InvalidModel { path: path.into(), message: self.to_string() }
            }
        }
    }
}
