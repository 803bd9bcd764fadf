//! Taking back an answer that a program asked for, with what it was asked.

use serde_json::json;
use tern_store::{ConversationStore, Message, Status};

use crate::{ConversationError, Conversations, running::Ending, tree::Tree};

/// Where the settings of a response, which are otherwise their owner's affair, have the message behind which it was
/// asked.
pub const PREVIOUS: &str = "previous";

/// Whether an answer was taken back: its place in the tree is kept for what follows it.
pub fn is_retracted(message: &Message) -> bool {
    message.answer.as_ref().is_some_and(|answer| answer.response["retracted"] == true)
}

impl Conversations {
    /// Takes back an answer; one that is being written ends. What a program said to get it goes with it, and so does
    /// the conversation if that was all. Of an answer that others follow only the text goes, as those hang on it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn retract(&self, answer: Message) -> Result<(), ConversationError> {
        if let Some(answering) = self.0.running.running(&answer.conversation, &answer.id) {
            answering.end(Ending::Discarded);
            answering.wait().await;
        }
        self.with_store(move |store| retract(store, &answer)).await
    }
}

fn retract(store: &dyn ConversationStore, answer: &Message) -> Result<(), ConversationError> {
    let (id, conversation) = (answer.id.as_str(), answer.conversation.as_str());
    let messages = store.messages(conversation)?;
    let tree = Tree::of(&messages);
    let kept = tree.require(id)?;
    let children = |parent: Option<&str>| messages.iter().filter(|m| m.parent.as_deref() == parent).count();
    if children(Some(id)) > 0 {
        let mut made = kept.answer.clone().unwrap_or_default();
        made.response = json!({"retracted": true, PREVIOUS: previous(kept).unwrap_or(kept.parent.as_deref())});
        made.error = None;
        let emptied = Message {
            content: String::new(),
            reasoning: None,
            attachments: Vec::new(),
            tool_calls: Vec::new(),
            status: Status::Complete,
            answer: Some(made),
            ..kept.clone()
        };
        store.put_messages(conversation, &[emptied], None)?;
        return Ok(());
    }
    let above = |message: &Message| message.parent.as_deref().and_then(|parent| tree.get(parent));
    let mut top = kept;
    loop {
        let behind = previous(top);
        while let (Some(behind), Some(parent)) = (&behind, above(top))
            && *behind != Some(parent.id.as_str())
            && parent.answer.is_none()
            && children(Some(&parent.id)) == 1
        {
            top = parent;
        }
        // One that was taken back before was only kept for this.
        match above(top) {
            Some(parent) if is_retracted(parent) && children(Some(&parent.id)) == 1 => top = parent,
            _ => break,
        }
    }
    if top.parent.is_none() && children(None) == 1 {
        store.delete(&[conversation.to_owned()])?;
    } else {
        store.delete_message(conversation, &top.id)?;
    }
    Ok(())
}

/// The message behind which a program asked for this answer, if one did.
fn previous(answer: &Message) -> Option<Option<&str>> {
    let response = &answer.answer.as_ref()?.response;
    (!response.is_null()).then(|| response[PREVIOUS].as_str())
}
