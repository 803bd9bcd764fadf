//! The contract of a store. Synchronous: callers on an async runtime call it beside their threads.

use std::ops::Range;

use crate::{Comparison, Conversation, Message, Millis, StoreError};

/// Keeps conversations and comparisons. What a writing call has returned `Ok` for survives the process being killed.
pub trait ConversationStore: Send + Sync + 'static {
    /// A page of conversations, pinned ones first in every order.
    ///
    /// # Errors
    /// `NotFound` if `after` is no conversation (any more).
    fn list(&self, query: &ListQuery) -> Result<Page<Conversation>, StoreError>;
    /// Every tag with the number of conversations that have it, most used first.
    fn tags(&self) -> Result<Vec<(String, u64)>, StoreError>;
    /// One conversation.
    ///
    /// # Errors
    /// `NotFound`.
    fn conversation(&self, id: &str) -> Result<Conversation, StoreError>;
    /// All messages of a conversation, parents before children, siblings in the order they came.
    ///
    /// # Errors
    /// `NotFound`.
    fn messages(&self, conversation: &str) -> Result<Vec<Message>, StoreError>;
    /// One message.
    ///
    /// # Errors
    /// `NotFound`.
    fn message(&self, conversation: &str, id: &str) -> Result<Message, StoreError>;
    /// The conversation that a message is in; of several with a copy of it, one of them.
    ///
    /// # Errors
    /// `NotFound` (of a `message`).
    fn place(&self, message: &str) -> Result<String, StoreError>;

    /// Adds a conversation with its messages (empty for a new one), all or nothing. They may come in any order; the
    /// count of messages is made here.
    ///
    /// # Errors
    /// `Conflict` if the id, or one of the messages twice, is taken. `NotFound` if a parent or `current` is not among
    /// them, `Misplaced` if a message would come before itself.
    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<(), StoreError>;
    /// Changes a conversation in one transaction; `change` sees what is stored now, so that two writers do not undo
    /// each other's fields. Sets `updated_ms` unless `change` did. The id and the count of messages stay. `change` may be
    /// called a second time if the disk failed in between.
    ///
    /// # Errors
    /// `NotFound`, also for a `current` that is none of its messages.
    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation, StoreError>;
    /// Adds or replaces messages in one transaction, and shows the branch of `current` if it is given.
    ///
    /// # Errors
    /// `NotFound` if the conversation, `current`, or the parent of a new message does not exist (any more).
    /// `Misplaced` if a message would come before itself or below another parent than before.
    fn put_messages(
        &self,
        conversation: &str,
        messages: &[Message],
        current: Option<&str>,
    ) -> Result<Conversation, StoreError>;
    /// Replaces a message that is being generated; one that has ended meanwhile stays as it is. Changes neither
    /// `updated_ms` nor what a search finds. Need not survive a loss of power, only of the process.
    ///
    /// # Errors
    /// `NotFound`.
    fn put_progress(&self, message: &Message) -> Result<(), StoreError>;
    /// Removes a message and everything below it; the branch shown moves to its parent if it was in there.
    ///
    /// # Errors
    /// `NotFound`.
    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation, StoreError>;
    /// Removes conversations with all that belongs to them; unknown ids are skipped. Gives how many were there.
    fn delete(&self, ids: &[String]) -> Result<u64, StoreError>;

    /// Keeps the bytes of an attachment under its id. They go with the last message that names it, or with the
    /// conversation.
    ///
    /// # Errors
    /// `NotFound` if the conversation does not exist (any more).
    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// The bytes of an attachment.
    ///
    /// # Errors
    /// `NotFound`.
    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>, StoreError>;

    /// Conversations whose title or messages have all the words of `text` (the last may be the beginning of one),
    /// best first.
    fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>, StoreError>;

    /// Comparisons, newest first: those before `before`, at most `limit`; `total` counts all.
    ///
    /// # Errors
    /// `NotFound` if `before` is none (any more).
    fn comparisons(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>, StoreError>;
    /// One comparison.
    ///
    /// # Errors
    /// `NotFound`.
    fn comparison(&self, id: &str) -> Result<Comparison, StoreError>;
    /// Adds or replaces a comparison.
    fn put_comparison(&self, comparison: &Comparison) -> Result<(), StoreError>;
    /// Removes a comparison; gives whether it was there.
    fn delete_comparison(&self, id: &str) -> Result<bool, StoreError>;

    /// Where it is, how large it is, and whether the last write succeeded.
    fn state(&self) -> StoreState;
}

/// Which conversations, in which order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListQuery {
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only pinned ones, or only others.
    pub pinned: Option<bool>,
    /// Only archived ones, or only others; `None` is only others.
    pub archived: Option<bool>,
    /// Only those that have an answer of, or are set to, this model.
    pub model: Option<String>,
    /// In which order.
    pub order: Order,
    /// Whether the order is turned round (oldest first, Z to A).
    pub reverse: bool,
    /// Go on behind this id of the page before.
    pub after: Option<String>,
    /// At most this many, 1 or more.
    pub limit: usize,
}

/// An order of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Last changed first.
    #[default]
    Updated,
    /// Newest first.
    Created,
    /// A to Z, without regard to case.
    Title,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page<T> {
    /// The part.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// How many there are in all parts.
    pub total: u64,
}

/// A conversation that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The conversation.
    pub conversation: Conversation,
    /// The message that has the words; `None` if the title has them.
    pub message: Option<String>,
    /// Text around the words.
    pub snippet: String,
    /// Where in `snippet` the words are, as byte ranges on character borders.
    pub highlights: Vec<Range<usize>>,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoreState {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Why the last write failed (a full disk, say); `None` when all is saved.
    pub failing: Option<String>,
    /// Since when it has been failing.
    pub failing_since_ms: Option<Millis>,
}
