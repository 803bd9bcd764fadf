//! Clients that send the whole dialogue each time, as items of responses that are kept: what they add goes on behind
//! the last of those, so that a dialogue stays one conversation.

use super::{
    ids, input,
    items::InputItem,
    request::{ResponseInput, ResponseRequest},
    stored,
};
use crate::{
    error::ApiError,
    openai::chat_types::{ChatMessage, ChatRole, Content},
    state::State,
};

/// The last item of an input that may be part of a response.
pub(crate) fn last_named(request: &ResponseRequest) -> Option<String> {
    let Some(ResponseInput::Items(items)) = &request.input else { return None };
    let is_said_by_a_model = |item: &&InputItem| match item.kind.as_deref() {
        Some("item_reference" | "reasoning" | "function_call") => true,
        _ => item.role.as_deref() == Some("assistant"),
    };
    items.iter().rev().filter(is_said_by_a_model).find_map(|item| item.id.clone())
}

/// A message that is kept, behind which a dialogue goes on.
pub(crate) struct Continued {
    pub conversation: String,
    pub message: String,
    /// How many messages of the dialogue are kept already.
    pub known: usize,
}

/// Finds the answer that item `named` is part of, if `dialogue` begins as the branch up to it does.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find(state: &State, named: &str, dialogue: &[ChatMessage]) -> Result<Option<Continued>, ApiError> {
    let Ok(message) = state.conversations.find(ids::message_of_item(named)).await else { return Ok(None) };
    if !stored::is_response(&message) {
        return Ok(None);
    }
    let (conversation, id) = (message.conversation.clone(), message.id.clone());
    // One that is still being written cannot have been sent back whole.
    let Ok(branch) = state.conversations.branch_to(message).await else { return Ok(None) };
    let path = branch.path;
    let items = state.conversations.with_store(move |store| {
        let mut items = Vec::new();
        for message in &path {
            items.extend(stored::items(message, store)?);
        }
        Ok(items)
    });
    let items = items.await?.into_iter().map(|item| (String::new(), item));
    let Ok(kept) = input::of_items(items) else { return Ok(None) };
    let known = kept.messages.len();
    let is_same = dialogue.len() >= known && kept.messages.iter().zip(dialogue).all(|(a, b)| is_same(a, b));
    Ok(is_same.then_some(Continued { conversation, message: id, known }))
}

/// Whether two messages say the same. What was thought is not always sent back.
fn is_same(one: &ChatMessage, other: &ChatMessage) -> bool {
    let role = |message: &ChatMessage| match message.role {
        ChatRole::Developer => ChatRole::System,
        role => role,
    };
    let calls = |message: &ChatMessage| -> Vec<(String, String, String)> {
        let calls = message.tool_calls.iter().flatten();
        calls.map(|call| (call.id.clone(), call.function.name.clone(), call.function.arguments.clone())).collect()
    };
    role(one) == role(other)
        && one.tool_call_id == other.tool_call_id
        && calls(one) == calls(other)
        && said(one) == said(other)
}

/// The text of a message, however it was cut into parts, and its images.
fn said(message: &ChatMessage) -> (String, Vec<&str>) {
    match &message.content {
        None => (String::new(), Vec::new()),
        Some(Content::Text(text)) => (text.clone(), Vec::new()),
        Some(Content::Parts(parts)) => {
            let texts = parts.iter().filter_map(|part| part.text.as_deref().or(part.refusal.as_deref()));
            let images = parts.iter().filter_map(|part| part.image_url.as_ref()).map(|image| image.url());
            (texts.collect(), images.collect())
        }
    }
}
