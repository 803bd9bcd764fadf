//! What those who follow an answer hear.

use serde::Serialize;
use tern_store::{Conversation, Message};

/// An event of an answer. `Messages` comes first and `End` last.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerEvent {
    /// The person's message, if it is new, and the answer, which grows from here.
    Messages {
        /// The conversation with them.
        conversation: Box<Conversation>,
        /// Both, or the answer alone.
        messages: Vec<Message>,
    },
    /// What is being done.
    State {
        /// What.
        state: Stage,
        /// Of loading or computing the prompt: the share that is done, 0 to 1.
        share: Option<f64>,
    },
    /// More of the reasoning.
    Reasoning {
        /// The piece.
        text: String,
    },
    /// More of the text.
    Text {
        /// The piece.
        text: String,
    },
    /// Writing to the disk fails, or works again.
    Saved {
        /// Whether all is saved.
        saved: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// The answer as it is kept.
    End {
        /// It.
        message: Box<Message>,
        /// The conversation, with the title that was perhaps suggested.
        conversation: Box<Conversation>,
    },
}

/// What is being done for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waiting for a place in the model.
    Queued,
    /// The model is being loaded.
    Loading,
    /// The prompt is being computed.
    Prefill,
    /// The model reasons.
    Thinking,
    /// The model writes.
    Writing,
}
