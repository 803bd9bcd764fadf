//! One turn: messages in, a stream of events out. Knows dialogues; knows nothing of HTTP and of no engine.
//!
//! Read in this order: `types` (what goes in and out), `model` ([`ChatModel`]: a dialogue becomes a prompt),
//! [`template`] (Jinja as Hugging Face runs it), `support` (what a template can express, found by trying it),
//! `dialogue` (what is merged or rewritten so that nothing is dropped), `control` (control tokens spelled in a
//! message stay text), `told` (which form the model is told to give its answer), `turn` (the events of the scheduler
//! become events of a turn), [`reasoning`] (which part of the text is reasoning), `thinking` (how much of it there may
//! be) and `tools` (which part of the text calls functions).

mod answers;
mod complete;
mod control;
mod dialogue;
mod error;
mod fallback;
mod framing;
mod generation;
mod ids;
mod images;
mod model;
pub mod parameters;
mod pyjson;
mod reasoning;
mod splitter;
mod support;
pub mod template;
mod thinking;
mod told;
mod tools;
mod truncation;
mod turn;
mod types;

pub use answers::{Answer, Answered, gather};
pub use complete::{CompletionRequest, Prompt, complete};
pub use error::{TemplateError, TurnError};
pub use ids::new_id;
pub use images::MAX_IMAGES;
pub use model::{ChatModel, ChatModelConfig, Rendered};
pub use reasoning::{ReasoningMode, template_thinks};
pub use template::Clock;
pub use turn::{TimedToken, Turn};
pub use types::*;
