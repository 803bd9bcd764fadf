//! Ollama's dialect: dialogues, texts, vectors, models and downloads, as its clients ask for them.
//!
//! `translate.rs` makes a chat request of a request, `answers.rs` makes lines of the events of a turn, and the other
//! files have the operations. Nothing here knows how an answer is made.

mod answer_types;
mod answers;
mod chat;
mod embed;
mod errors;
mod model_types;
mod models;
mod names;
mod pull;
mod raw;
mod template;
mod translate;
mod types;

pub(crate) use chat::OllamaChatApi;
pub(crate) use embed::OllamaEmbedApi;
pub(crate) use errors::{OllamaError, is_path};
pub(crate) use models::OllamaModelsApi;
pub(crate) use pull::OllamaPullApi;
