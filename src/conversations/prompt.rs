//! A branch of a conversation as the dialogue that a model is given.

use tern_chat as chat;
use tern_store::{Attachment, ConversationStore, Message, Role, StoreError, ToolCall};

use crate::attachments::{self, Contents};

/// The dialogue up to the end of `path`. Answers that say nothing (failed, or stopped before the first word) are left
/// out, and so is what the model thought, as it was not meant for the dialogue; but for what it thought before it
/// called a tool, which it goes on from when the result comes.
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
            Role::User => messages.push(with_files(message, store)?),
            Role::Tool => {
                let said = with_files(message, store)?;
                let tool_call_id = message.tool_call_id.clone();
                messages.push(chat::Message { role: chat::Role::Tool, tool_call_id, ..said });
            }
            Role::Assistant if message.tool_calls.is_empty() && message.content.is_empty() => {}
            Role::Assistant if message.tool_calls.is_empty() => {
                messages.push(chat::Message::text(chat::Role::Assistant, &*message.content));
            }
            Role::Assistant => messages.push(chat::Message {
                content: Some(message.content.clone()).filter(|text| !text.is_empty()),
                reasoning: message.reasoning.clone(),
                tool_calls: message.tool_calls.iter().map(called).collect(),
                ..chat::Message::text(chat::Role::Assistant, "")
            }),
        }
    }
    Ok(messages)
}

fn with_files(message: &Message, store: &dyn ConversationStore) -> Result<chat::Message, StoreError> {
    let files = message.attachments.iter().map(|file| contents(file, message, store));
    Ok(attachments::written(&message.content, &files.collect::<Result<Vec<_>, _>>()?))
}

fn called(call: &ToolCall) -> chat::ToolCall {
    chat::ToolCall { id: call.id.clone(), name: call.name.clone(), arguments: call.arguments.clone() }
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
