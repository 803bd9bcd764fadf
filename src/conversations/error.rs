//! Why something about a conversation cannot be done.

use tern_chat::{TurnError, parameters::WrongParameter};
use tern_registry::RegistryError;
use tern_store::StoreError;

/// Errors before an answer begins. What goes wrong later is part of the answer.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model cannot be had.
    #[error(transparent)]
    Model(#[from] RegistryError),
    /// The model cannot answer this dialogue.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// Nobody says which model is to answer.
    #[error("neither the request nor the conversation names a model; GET /v1/models lists them")]
    NoModel,
    /// A field has a value that cannot be used.
    #[error("{message}")]
    Invalid {
        /// Name of the field.
        param: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// A file that is no export of conversations.
    #[error("{0}")]
    File(String),
    /// A file of a kind that no model here can use.
    #[error("{message}")]
    Attachment {
        /// Name of the field.
        param: String,
        /// Why not.
        message: String,
    },
    /// The answer is being written.
    #[error("the answer {id} is still being written; stop it first")]
    Running {
        /// Its id.
        id: String,
    },
    /// There is nothing to go on with.
    #[error("the answer {id} is complete; only one that was stopped, interrupted or cut off at max_tokens goes on")]
    Complete {
        /// Its id.
        id: String,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A bug; the log has more.
    #[error("internal error; the log has the details")]
    Internal,
}

impl ConversationError {
    /// A field with a value that cannot be used.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { param: param.into(), message: message.into() }
    }
}

impl From<WrongParameter> for ConversationError {
    fn from(error: WrongParameter) -> Self {
        Self::invalid(format!("parameters.{}", error.name), error.to_string())
    }
}
