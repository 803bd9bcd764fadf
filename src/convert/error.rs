//! Why a model cannot be converted: what, where, got, expected, next.

use std::{
    io,
    path::{Path, PathBuf},
};

use tern_folder::FolderError;
use tern_gguf::{blocks::ternary::TernaryError, rewrite::RewriteError};

/// Errors of conversion. No file is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Neither a folder nor a file of a kind that can be converted.
    #[error("{}: expected a folder with config.json and safetensors, or a .gguf file", path.display())]
    Source {
        /// What was given.
        path: PathBuf,
    },
    /// The new file's name is taken.
    #[error("{}: exists already; --force replaces it", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("cannot write {}: no space left on its disk; the file will have {needed} bytes", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// Bytes of the whole file.
        needed: u64,
    },
    /// Something in the folder, or the system, refuses.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A tensor that the model's graph needs is not there.
    #[error("{}: no tensor {tensor}, which a model of this kind has", path.display())]
    Missing {
        /// Which folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// Tensors that the graph has no place for: without them it would be another model.
    #[error("{}: tensors that the graph {architecture} has no place for: {}", path.display(), tensors.join(", "))]
    Unused {
        /// Which folder.
        path: PathBuf,
        /// The graph.
        architecture: &'static str,
        /// Some of their names.
        tensors: Vec<String>,
    },
    /// Weights that are damaged.
    #[error("{}: {source}", path.display())]
    Ternary {
        /// Which folder.
        path: PathBuf,
        /// What was found.
        #[source]
        source: TernaryError,
    },
    /// A GGUF file cannot be rewritten.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
}

impl ConvertError {
    /// For `map_err`: what was being done with which file when the system refused.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| FolderError::io(what, &path)(source).into()
    }

    /// A field or tensor that is not what it should be.
    pub(crate) fn wrong(
        path: &Path,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        FolderError::wrong(path, place, got, expected).into()
    }
}
