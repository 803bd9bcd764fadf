//! What an error looks like to Ollama's clients, and which paths they ask.

use poem_openapi::Object;
use serde::Serialize;

/// What every error of these operations looks like, also as the last line of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
pub struct OllamaError {
    /// What happened, with the values that matter.
    pub error: String,
}

/// Whether what stands behind `/api` is of Ollama's API: none of it is a path of our own. Those that it has and we do
/// not are refused in its shape too.
pub(crate) fn is_path(segments: &[&str]) -> bool {
    let known = [
        "version",
        "tags",
        "show",
        "ps",
        "chat",
        "generate",
        "embed",
        "embeddings",
        "pull",
        "delete",
        "push",
        "create",
        "copy",
    ];
    match segments {
        [one] => known.contains(one),
        ["blobs", _] => true,
        _ => false,
    }
}
