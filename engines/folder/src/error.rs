//! Why a folder cannot be read: what, where, got, expected.

use std::{
    io,
    path::{Path, PathBuf},
};

use tern_engine::EngineError;

/// Errors of reading a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refuses.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not JSON.
    #[error("{}: not JSON: {source}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Something in a file is not what it should be.
    #[error("{}: {place}: {got}, expected {expected}", path.display())]
    Wrong {
        /// Which file or folder.
        path: PathBuf,
        /// Which field or tensor.
        place: String,
        /// What it is.
        got: String,
        /// What it should be, and what to do about it.
        expected: String,
    },
}

impl FolderError {
    /// For `map_err`: what was being done with which file when the system refused.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// A field or tensor that is not what it should be.
    pub fn wrong(path: &Path, place: impl Into<String>, got: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Wrong { path: path.into(), place: place.into(), got: got.into(), expected: expected.into() }
    }
}

impl From<FolderError> for EngineError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Io { path, source, .. } => Self::Io { path, source },
            FolderError::Json { path, source } => Self::InvalidModel { path, message: format!("not JSON: {source}") },
            FolderError::Wrong { path, place, got, expected } => {
                Self::InvalidModel { path, message: format!("{place}: {got}, expected {expected}") }
            }
        }
    }
}
