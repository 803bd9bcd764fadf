//! What can go wrong with a template or a turn. No message contains a dialogue: minijinja's own texts may, so they are
//! built here from the kind of the failure and its line. Only what the template itself says with `raise_exception` is
//! passed on.

use tern_scheduler::GenerateError;

/// A chat template that cannot be used at all. The caller decides whether to take
/// [`ChatModel::with_fallback`](crate::ChatModel::with_fallback) instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is not Jinja.
    #[error("the chat template does not compile: {message} (line {line})")]
    Syntax {
        /// Line in the template, from 1.
        line: usize,
        /// What the compiler said.
        message: String,
    },
    /// It does not render a dialogue of one user message.
    #[error("the chat template does not render a single user message: {message}")]
    Unusable {
        /// What happened instead.
        message: String,
    },
}

/// A turn that could not be started.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TurnError {
    /// The template refuses this dialogue or fails on it; the text is the template's own, or the kind and line of the
    /// failure.
    #[error("the model's chat template rejects these messages: {0}")]
    Template(String),
    /// The dialogue or prompt itself is not acceptable.
    #[error("{message}")]
    InvalidMessages {
        /// Name of the request field.
        param: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// The scheduler refused it.
    #[error(transparent)]
    Generate(#[from] GenerateError),
}

impl TurnError {
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::InvalidMessages { param: param.to_owned(), message: message.into() }
    }
}

/// Only a tokenizer's errors come this way, and those are the text's fault: it is too long to be tokenized.
impl From<tern_engine::EngineError> for TurnError {
    fn from(error: tern_engine::EngineError) -> Self {
        Self::invalid("messages", error.to_string())
    }
}
