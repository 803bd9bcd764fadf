//! A form as it is asked for, before it meets a vocabulary.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an answer must look like, from its first to its last byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that is valid under this schema.
    JsonSchema(Value),
    /// A text that this regular expression (Rust's syntax, anchored at both ends) matches.
    Regex(String),
    /// A text of this grammar, in llguidance's dialect of Lark; the rule `start` is where it begins.
    Lark(String),
    /// A text of this grammar in llama.cpp's notation; the rule `root` is where it begins.
    Gbnf(String),
}

impl Grammar {
    /// One of these texts.
    pub fn one_of(texts: &[impl AsRef<str>]) -> Self {
        let escaped = |text: &str| {
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                if "\\.+*?()|[]{}^$#&-~".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            out
        };
        Self::Regex(texts.iter().map(|text| escaped(text.as_ref())).collect::<Vec<_>>().join("|"))
    }
}

/// Why a form cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GrammarError {
    /// Where in the schema, as a path from its root (`properties.age.not`); empty where there is no such place.
    pub path: String,
    /// What cannot be enforced, and why.
    pub message: String,
}

impl GrammarError {
    /// An error that belongs to no place of a schema.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    /// An error at a place of a schema.
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
