//! What was said to get a response, page by page.

use std::collections::HashMap;

use tern_conversations::ConversationError;
use tern_store::{ConversationStore, Message};

use super::{events::ItemList, items::InputItem, stored};
use crate::error::{ApiError, shortened};

/// Most items of a page.
const MAX_LIMIT: u32 = 100;

/// Which part of a list.
pub(crate) struct Page {
    limit: usize,
    is_reversed: bool,
    after: Option<String>,
}

impl Page {
    /// Checks what was asked for.
    pub fn new(limit: Option<u32>, order: Option<&str>, after: Option<String>) -> Result<Self, ApiError> {
        let limit = limit.unwrap_or(20);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::invalid("limit", format!("limit is {limit}; the range is 1 to {MAX_LIMIT}")));
        }
        let is_reversed = match order {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(other) => {
                let other = shortened(other);
                return Err(ApiError::invalid("order", format!("order is \"{other}\"; known are asc and desc")));
            }
        };
        Ok(Self { limit: limit as usize, is_reversed, after })
    }

    /// The part of `items`, which are the oldest first.
    pub fn cut(self, mut items: Vec<InputItem>) -> Result<ItemList, ApiError> {
        if self.is_reversed {
            items.reverse();
        }
        if let Some(after) = self.after {
            let Some(at) = items.iter().position(|item| item.id.as_ref() == Some(&after)) else {
                let after = shortened(&after);
                let message = format!("after is \"{after}\", which is no item of this response's input");
                return Err(ApiError::invalid("after", message));
            };
            items.drain(..=at);
        }
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let id = |item: Option<&InputItem>| item.and_then(|item| item.id.clone());
        let (first_id, last_id) = (id(items.first()), id(items.last()));
        Ok(ItemList { object: "list".into(), data: items, first_id, last_id, has_more })
    }
}

/// The items of an answer's input, the oldest first. Of an answer of the page: what was said since the one before.
pub(crate) fn of(answer: &Message, store: &dyn ConversationStore) -> Result<Vec<InputItem>, ConversationError> {
    let messages = store.messages(&answer.conversation)?;
    let by_id: HashMap<&str, &Message> = messages.iter().map(|message| (message.id.as_str(), message)).collect();
    let previous = stored::settings(answer).previous;
    let (mut said, mut above) = (Vec::new(), answer.parent.as_deref());
    while let Some(message) = above.and_then(|id| by_id.get(id)) {
        if previous.as_ref() == Some(&message.id) || message.answer.is_some() {
            break;
        }
        said.push(*message);
        above = message.parent.as_deref();
    }
    let mut items = Vec::new();
    for message in said.into_iter().rev() {
        items.extend(stored::items(message, store)?);
    }
    Ok(items)
}
