//! A branch of a conversation as the dialogue that a model is given.

use tern_chat as chat;
use tern_store::{Attachment, ConversationStore, Message, Role, StoreError};

use crate::attachments::{self, Contents};

/// The dialogue up to the end of `path`. Answers without text (failed, or stopped before the first word) are left out,
/// and so is what the model thought, as it was not meant for the dialogue.
pub(crate) fn dialogue(
    system_prompt: Option<&str>,
    path: &[&Message],
    store: &dyn ConversationStore,
) -> Result<Vec<chat::Message>, StoreError> {
    let mut messages = Vec::with_capacity(path.len() + 1);
    if let Some(text) = system_prompt.filter(|text| !text.trim().is_empty()) {
        messages.push(chat::Message::text(chat::Role::System, text));
    }
    for message in path {
        match message.role {
            Role::System => messages.push(chat::Message::text(chat::Role::System, &*message.content)),
            Role::User => {
                let files = message.attachments.iter().map(|file| contents(file, message, store));
                let files = files.collect::<Result<Vec<_>, _>>()?;
                messages.push(attachments::written(&message.content, &files));
            }
            Role::Assistant if message.content.is_empty() => {}
            Role::Assistant => messages.push(chat::Message::text(chat::Role::Assistant, &*message.content)),
        }
    }
    Ok(messages)
}

fn contents(
    file: &Attachment,
    message: &Message,
    store: &dyn ConversationStore,
) -> Result<(Attachment, Contents), StoreError> {
    let contents = match store.attachment(&message.conversation, &file.id) {
        Ok(bytes) => attachments::read(file, &bytes),
        // An import may name files that it did not bring.
        Err(StoreError::NotFound { .. }) => Contents::Text("(this file is not here any more)".to_owned()),
        Err(error) => return Err(error),
    };
    Ok((file.clone(), contents))
}
