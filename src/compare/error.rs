//! What can go wrong with a comparison as a whole. What goes wrong with one of its columns is a result.

use tern_store::StoreError;

/// Why a comparison could not be begun, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A field of the request.
    #[error("{message}")]
    Invalid {
        /// Its path, such as `columns[1].model`.
        param: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// It is running, and what was asked needs it to have ended.
    #[error("comparison {id} is running; stop it first, or wait for its end")]
    Running {
        /// Its id.
        id: String,
    },
    /// The store failed, or has none of this id.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl CompareError {
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { param: param.into(), message: message.into() }
    }
}
