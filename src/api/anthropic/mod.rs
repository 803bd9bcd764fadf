//! Anthropic's dialect: messages, their token counts, and the list of models in its shape.
//!
//! `translate.rs` and `dialogue.rs` make a chat request of a request, `blocks.rs` makes content blocks of the events of
//! a turn, and `messages.rs` has the operations. Nothing here knows how an answer is made.

mod answer_types;
mod blocks;
mod dialogue;
mod errors;
mod messages;
mod models;
mod places;
mod stream;
mod translate;
mod types;

pub(crate) use errors::MessagesError;
pub(crate) use messages::AnthropicApi;
pub(crate) use models::{AnthropicModel, AnthropicModels};
