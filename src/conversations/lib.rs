//! Conversations whose answers the server owns: they go on when the client leaves, and are kept. Knows neither HTTP nor
//! which store keeps them.
//!
//! Read in this order: `service` ([`Conversations`], the door), `asking` (what is checked and stored before an answer
//! begins), `answering` (the task that writes it), `log` and `events` (how any number of clients follow it, from
//! anywhere), `running` (the table of them), `kept` (what a full disk refuses), `prompt` and `attachments` (what the
//! model is given), `responding` (answers that a program asks for, with all its own settings), then `import`, `export`
//! and `title`.

mod answering;
mod asking;
pub mod attachments;
mod error;
mod events;
pub mod export;
mod ids;
mod import;
mod kept;
mod log;
mod prompt;
mod responding;
mod retracting;
mod running;
mod service;
pub mod title;
mod tree;

pub use asking::{AnswerWith, NewMessage};
pub use attachments::NewAttachment;
pub use error::ConversationError;
pub use events::{AnswerEvent, Stage};
pub use import::{Import, Skipped};
pub use kept::Saved;
pub use log::Reader;
pub use responding::{Branch, NewExchange, Owned};
pub use retracting::{PREVIOUS, is_retracted};
pub use service::{Change, Conversations, NewConversation, Settings};
