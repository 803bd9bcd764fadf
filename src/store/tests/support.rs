//! Conversations and messages to test with.

use crate::{Answer, Conversation, Message, Role, Status};

pub fn conversation(id: &str) -> Conversation {
    Conversation { id: id.to_owned(), created_ms: 1_000, updated_ms: 1_000, ..Default::default() }
}

pub fn user(id: &str, parent: Option<&str>, content: &str) -> Message {
    Message {
        id: id.to_owned(),
        parent: parent.map(ToOwned::to_owned),
        content: content.to_owned(),
        ..Default::default()
    }
}

pub fn assistant(id: &str, parent: &str, content: &str, model: &str) -> Message {
    Message {
        role: Role::Assistant,
        answer: Some(Answer { model: model.to_owned(), ..Default::default() }),
        ..user(id, Some(parent), content)
    }
}

pub fn generating(message: Message) -> Message {
    Message { status: Status::Generating, ..message }
}

pub fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.id.as_str()).collect()
}
