//! OpenAI's dialect: one file for each family of endpoints.

mod audio;
mod audio_types;
mod chat;
mod chat_stream;
mod chat_types;
mod completions;
mod completions_stream;
mod embeddings;
mod forms;
mod images;
mod languages;
mod logprobs;
mod models;
mod rerank;
mod sampling;
mod subtitles;
mod thinking;
mod tokens;
mod tools;
mod usage;

pub(crate) use audio::AudioApi;
pub(crate) use chat::ChatApi;
pub(crate) use completions::CompletionsApi;
pub(crate) use embeddings::EmbeddingsApi;
pub(crate) use models::ModelsApi;
pub(crate) use rerank::RerankApi;
pub(crate) use sampling::Strings;
pub(crate) use tokens::TokensApi;
