//! The tree that the messages of a conversation form.

use std::collections::HashMap;

use tern_store::{Message, StoreError};

/// Messages by id.
pub(crate) struct Tree<'a> {
    messages: &'a [Message],
    places: HashMap<&'a str, usize>,
}

impl<'a> Tree<'a> {
    pub fn of(messages: &'a [Message]) -> Self {
        let places = messages.iter().enumerate().map(|(place, message)| (message.id.as_str(), place)).collect();
        Self { messages, places }
    }

    pub fn get(&self, id: &str) -> Option<&'a Message> {
        self.places.get(id).map(|&place| &self.messages[place])
    }

    /// The message of this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn require(&self, id: &str) -> Result<&'a Message, StoreError> {
        self.get(id).ok_or_else(|| StoreError::NotFound { what: "message", id: id.to_owned() })
    }

    /// From the first message to `id`. A tree that bites its tail, which no store gives, ends where it began.
    pub fn path(&self, id: &str) -> Vec<&'a Message> {
        let mut path = Vec::new();
        let mut next = self.get(id);
        while let Some(message) = next {
            path.push(message);
            next = message.parent.as_deref().and_then(|parent| self.get(parent));
            if path.len() >= self.messages.len() {
                break;
            }
        }
        path.reverse();
        path
    }

    /// The ids of a message and of all below it.
    pub fn below(&self, id: &str) -> Vec<String> {
        let mut children: HashMap<&str, Vec<&str>> = HashMap::new();
        for message in self.messages {
            if let Some(parent) = &message.parent {
                children.entry(parent).or_default().push(&message.id);
            }
        }
        let (mut found, mut waiting) = (Vec::new(), vec![id]);
        while let Some(id) = waiting.pop() {
            found.push(id.to_owned());
            // Taken out, so that a circle ends.
            waiting.extend(children.remove(id).unwrap_or_default());
        }
        found
    }
}
