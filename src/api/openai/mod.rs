//! OpenAI's dialect: one file for each family of endpoints.

mod audio;
mod audio_types;
pub(crate) mod chat;
mod chat_stream;
pub(crate) mod chat_types;
pub(crate) mod completions;
mod completions_stream;
pub(crate) mod embeddings;
pub(crate) mod forms;
pub(crate) mod images;
mod languages;
mod logprobs;
pub(crate) mod models;
pub(crate) mod parameters;
mod rerank;
mod responses;
pub(crate) mod sampling;
mod subtitles;
pub(crate) mod thinking;
mod tokens;
pub(crate) mod tools;
mod usage;

pub(crate) use audio::AudioApi;
pub(crate) use chat::ChatApi;
pub(crate) use completions::CompletionsApi;
pub(crate) use embeddings::EmbeddingsApi;
pub(crate) use models::ModelsApi;
pub(crate) use rerank::RerankApi;
pub(crate) use responses::{Lives, ResponsesApi};
pub(crate) use sampling::Strings;
pub(crate) use tokens::TokensApi;
