//! Taking back an answer that a program asked for, with what it was asked.

use serde_json::json;
use tern_store::{ConversationStore, Message, Status};

use crate::{ConversationError, Conversations, running::Ending, tree::Tree};

/// Whether an answer was taken back: its place in the tree is kept for what follows it.
pub fn is_retracted(message: &Message) -> bool {
    message.answer.as_ref().is_some_and(|answer| answer.response["retracted"] == true)
}

impl Conversations {
    /// Takes back an answer; one that is being written ends. What was said for it alone, from behind the message `behind`,
    /// goes with it, and so does the conversation if that was all. Of an answer that others follow only the text goes, as
    /// those hang on it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn retract(&self, answer: Message, behind: Option<String>) -> Result<(), ConversationError> {
        if let Some(answering) = self.0.running.running(&answer.conversation, &answer.id) {
            answering.end(Ending::Discarded);
            answering.wait().await;
        }
        self.with_store(move |store| retract(store, &answer, behind.as_deref())).await
    }
}

fn retract(
    store: &dyn ConversationStore,
    answer: &Message,
    behind: Option<&str>,
) -> Result<(), ConversationError> {
    let (id, conversation) = (answer.id.as_str(), answer.conversation.as_str());
    let messages = store.messages(conversation)?;
    let tree = Tree::of(&messages);
    let kept = tree.require(id)?;
    let children = |parent: Option<&str>| messages.iter().filter(|m| m.parent.as_deref() == parent).count();
    if children(Some(id)) > 0 {
        let mut made = kept.answer.clone().unwrap_or_default();
        made.response = json!({"retracted": true});
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
    let mut top = kept;
    while let Some(parent) = top.parent.as_deref().and_then(|parent| tree.get(parent)) {
        let is_asked = Some(parent.id.as_str()) != behind && parent.answer.is_none() && behind_reaches(&tree, top, behind);
        if children(Some(&parent.id)) > 1 || !(is_asked || is_retracted(parent)) {
            break;
        }
        top = parent;
    }
    if top.parent.is_none() && children(None) == 1 {
        store.delete(&[conversation.to_owned()])?;
    } else {
        store.delete_message(conversation, &top.id)?;
    }
    Ok(())
}

/// Whether `behind` is above `message`, or there is none: above it nothing was said for this answer.
fn behind_reaches(tree: &Tree<'_>, message: &Message, behind: Option<&str>) -> bool {
    behind.is_none_or(|behind| tree.path(&message.id).iter().any(|above| above.id == behind))
}
