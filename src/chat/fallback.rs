//! The form of a prompt when a model has no chat template: lines that a base model continues in kind.
//!
//! ```text
//! System: Be brief.
//!
//! User: Hello!
//!
//! Assistant:
//! ```

use crate::{Message, Role};

/// What ends an answer in this form: the model going on to write the next speaker's line.
pub const STOPS: [&str; 3] = ["\nUser:", "\nSystem:", "\nAssistant:"];

/// Writes `messages`, and the beginning of the answer unless the last message is `open`. Tools are text by now.
pub fn write(messages: &[Message], open: bool) -> String {
    let mut out = String::new();
    for message in messages {
        let speaker = match message.role {
            Role::System => "System",
            Role::User | Role::Tool => "User",
            Role::Assistant => "Assistant",
        };
        out.push_str(speaker);
        out.push_str(": ");
        out.push_str(message.content.as_deref().unwrap_or_default());
        out.push_str("\n\n");
    }
    if !open {
        out.push_str("Assistant:");
    }
    out
}
