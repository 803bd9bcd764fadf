//! OpenAI's dialect: one file for each family of endpoints.

mod chat;
mod chat_stream;
mod chat_types;
mod completions;
mod completions_stream;
mod embeddings;
mod images;
mod logprobs;
mod models;
mod sampling;
mod tokens;
mod usage;

pub(crate) use chat::ChatApi;
pub(crate) use completions::CompletionsApi;
pub(crate) use embeddings::EmbeddingsApi;
pub(crate) use models::ModelsApi;
pub(crate) use sampling::Strings;
pub(crate) use tokens::TokensApi;
