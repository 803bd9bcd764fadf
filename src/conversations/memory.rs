//! A store in memory: for a server that shall keep nothing, for tests, and for what a full disk refuses (`kept.rs`).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tern_store::{
    Comparison, Conversation, ConversationStore, Hit, ListQuery, Message, Order, Page, Status, StoreError, StoreState,
};

use crate::ids;

/// Keeps everything until it is dropped.
#[derive(Default)]
pub struct MemoryStore(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    conversations: HashMap<String, Shelf>,
    comparisons: BTreeMap<String, Comparison>,
}

/// A conversation with all that belongs to it.
#[derive(Default)]
struct Shelf {
    conversation: Conversation,
    messages: Vec<Message>,
    attachments: HashMap<String, Vec<u8>>,
}

fn missing(what: &'static str, id: &str) -> StoreError {
    StoreError::NotFound { what, id: id.to_owned() }
}

impl Shelves {
    fn shelf(&mut self, id: &str) -> Result<&mut Shelf, StoreError> {
        self.conversations.get_mut(id).ok_or_else(|| missing("conversation", id))
    }
}

impl Shelf {
    fn place(&self, id: &str) -> Result<usize, StoreError> {
        self.messages.iter().position(|message| message.id == id).ok_or_else(|| missing("message", id))
    }

    fn has_model(&self, model: &str) -> bool {
        let answered = |message: &Message| message.answer.as_ref().is_some_and(|answer| answer.model == model);
        self.conversation.model.as_deref() == Some(model) || self.messages.iter().any(answered)
    }

    fn touch(&mut self) -> Conversation {
        self.conversation.messages = self.messages.len() as u64;
        self.conversation.updated_ms = ids::now();
        self.conversation.clone()
    }
}

impl MemoryStore {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this conversation is here.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.shelves().conversations.contains_key(id)
    }

    /// Ids of the conversations that are here.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.shelves().conversations.keys().cloned().collect()
    }

    /// The attachments of a conversation.
    pub(crate) fn attachments(&self, id: &str) -> Vec<(String, Vec<u8>)> {
        let mut shelves = self.shelves();
        let attachments = shelves.shelf(id).map(|shelf| shelf.attachments.clone().into_iter().collect());
        attachments.unwrap_or_default()
    }

    /// Puts a conversation here as it is.
    pub(crate) fn place(&self, conversation: Conversation, messages: Vec<Message>) {
        let id = conversation.id.clone();
        self.shelves().conversations.insert(id, Shelf { conversation, messages, attachments: HashMap::new() });
    }
}

/// Whether a conversation belongs into a list.
pub(crate) fn is_listed(conversation: &Conversation, query: &ListQuery) -> bool {
    query.tag.as_ref().is_none_or(|tag| conversation.tags.contains(tag))
        && query.pinned.is_none_or(|pinned| conversation.pinned == pinned)
        && conversation.archived == query.archived.unwrap_or(false)
}

fn in_order(order: Order, a: &Conversation, b: &Conversation) -> Ordering {
    let ordering = match order {
        Order::Updated => b.updated_ms.cmp(&a.updated_ms),
        Order::Created => b.created_ms.cmp(&a.created_ms),
        Order::Title => a.title.to_lowercase().cmp(&b.title.to_lowercase()),
    };
    ordering.then_with(|| b.id.cmp(&a.id))
}

/// The order turned round if it is to be, but pinned ones first.
fn listed(query: &ListQuery, a: &Conversation, b: &Conversation) -> Ordering {
    let ordering = in_order(query.order, a, b);
    b.pinned.cmp(&a.pinned).then(if query.reverse { ordering.reverse() } else { ordering })
}

/// The part of a sorted list behind `after`.
fn part<T>(
    what: &'static str,
    mut all: Vec<T>,
    after: Option<&str>,
    limit: usize,
    id: impl Fn(&T) -> &str,
) -> Result<Page<T>, StoreError> {
    let total = all.len() as u64;
    let from = match after {
        None => 0,
        Some(after) => all.iter().position(|item| id(item) == after).ok_or_else(|| missing(what, after))? + 1,
    };
    let mut data = all.split_off(from);
    let has_more = data.len() > limit;
    data.truncate(limit);
    Ok(Page { data, has_more, total })
}

impl ConversationStore for MemoryStore {
    fn list(&self, query: &ListQuery) -> Result<Page<Conversation>, StoreError> {
        let shelves = self.shelves();
        let fits = |shelf: &&Shelf| {
            is_listed(&shelf.conversation, query) && query.model.as_ref().is_none_or(|model| shelf.has_model(model))
        };
        let mut all: Vec<_> = shelves.conversations.values().filter(fits).map(|s| s.conversation.clone()).collect();
        all.sort_by(|a, b| listed(query, a, b));
        part("conversation", all, query.after.as_deref(), query.limit, |conversation| &conversation.id)
    }

    fn tags(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for shelf in self.shelves().conversations.values() {
            for tag in &shelf.conversation.tags {
                *counts.entry(tag.clone()).or_default() += 1;
            }
        }
        let mut tags: Vec<_> = counts.into_iter().collect();
        tags.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(tags)
    }

    fn conversation(&self, id: &str) -> Result<Conversation, StoreError> {
        Ok(self.shelves().shelf(id)?.conversation.clone())
    }

    fn messages(&self, conversation: &str) -> Result<Vec<Message>, StoreError> {
        Ok(self.shelves().shelf(conversation)?.messages.clone())
    }

    fn message(&self, conversation: &str, id: &str) -> Result<Message, StoreError> {
        let mut shelves = self.shelves();
        let shelf = shelves.shelf(conversation)?;
        Ok(shelf.messages[shelf.place(id)?].clone())
    }

    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<(), StoreError> {
        if self.has(&conversation.id) {
            return Err(StoreError::Conflict { what: "conversation", id: conversation.id.clone() });
        }
        let conversation = Conversation { messages: messages.len() as u64, ..conversation.clone() };
        self.place(conversation, messages.to_vec());
        Ok(())
    }

    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation, StoreError> {
        let mut shelves = self.shelves();
        let kept = &mut shelves.shelf(id)?.conversation;
        let mut changed = kept.clone();
        change(&mut changed);
        if changed.updated_ms == kept.updated_ms {
            changed.updated_ms = ids::now();
        }
        *kept = Conversation { id: kept.id.clone(), messages: kept.messages, ..changed };
        Ok(kept.clone())
    }

    fn put_messages(
        &self,
        conversation: &str,
        messages: &[Message],
        current: Option<&str>,
    ) -> Result<Conversation, StoreError> {
        let mut shelves = self.shelves();
        let shelf = shelves.shelf(conversation)?;
        let before = shelf.messages.clone();
        for message in messages {
            match shelf.place(&message.id) {
                Ok(place) => shelf.messages[place] = message.clone(),
                Err(_) => {
                    if let Some(parent) = &message.parent
                        && let Err(error) = shelf.place(parent)
                    {
                        shelf.messages = before;
                        return Err(error);
                    }
                    shelf.messages.push(message.clone());
                }
            }
        }
        if let Some(current) = current {
            shelf.conversation.current = Some(current.to_owned());
        }
        Ok(shelf.touch())
    }

    fn put_progress(&self, message: &Message) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        let shelf = shelves.shelf(&message.conversation)?;
        let place = shelf.place(&message.id)?;
        if shelf.messages[place].status == Status::Generating {
            shelf.messages[place] = message.clone();
        }
        Ok(())
    }

    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation, StoreError> {
        let mut shelves = self.shelves();
        let shelf = shelves.shelf(conversation)?;
        let parent = shelf.messages[shelf.place(id)?].parent.clone();
        let below = crate::tree::Tree::of(&shelf.messages).below(id);
        shelf.messages.retain(|message| !below.contains(&message.id));
        if shelf.conversation.current.as_ref().is_some_and(|current| below.contains(current)) {
            shelf.conversation.current = parent;
        }
        Ok(shelf.touch())
    }

    fn delete(&self, ids: &[String]) -> Result<u64, StoreError> {
        let mut shelves = self.shelves();
        Ok(ids.iter().filter(|id| shelves.conversations.remove(*id).is_some()).count() as u64)
    }

    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.shelves().shelf(conversation)?.attachments.insert(id.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>, StoreError> {
        let mut shelves = self.shelves();
        shelves.shelf(conversation)?.attachments.get(id).cloned().ok_or_else(|| missing("attachment", id))
    }

    /// Looks at every text: enough for what fits into memory.
    fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let found = |text: &str| {
            let text = text.to_lowercase();
            !words.is_empty() && words.iter().all(|word| text.contains(word.as_str()))
        };
        let mut hits = Vec::new();
        for shelf in self.shelves().conversations.values() {
            let conversation = &shelf.conversation;
            if found(&conversation.title) {
                hits.push(hit(conversation, None, &conversation.title, &words));
            } else if let Some(message) = shelf.messages.iter().find(|message| found(&message.content)) {
                hits.push(hit(conversation, Some(message.id.clone()), &message.content, &words));
            }
        }
        hits.sort_by(|a, b| in_order(Order::Updated, &a.conversation, &b.conversation));
        hits.truncate(limit);
        Ok(hits)
    }

    fn comparisons(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>, StoreError> {
        let mut all: Vec<_> = self.shelves().comparisons.values().cloned().collect();
        all.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        part("comparison", all, before, limit, |comparison| &comparison.id)
    }

    fn comparison(&self, id: &str) -> Result<Comparison, StoreError> {
        self.shelves().comparisons.get(id).cloned().ok_or_else(|| missing("comparison", id))
    }

    fn put_comparison(&self, comparison: &Comparison) -> Result<(), StoreError> {
        self.shelves().comparisons.insert(comparison.id.clone(), comparison.clone());
        Ok(())
    }

    fn delete_comparison(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.shelves().comparisons.remove(id).is_some())
    }

    fn state(&self) -> StoreState {
        StoreState { path: "memory".to_owned(), ..StoreState::default() }
    }
}

/// The text around the first word that was found, with the words in it.
fn hit(conversation: &Conversation, message: Option<String>, text: &str, words: &[String]) -> Hit {
    const AROUND: usize = 80;
    let is = |at: usize, word: &str| {
        let mut rest = text[at..].chars();
        word.chars().all(|c| rest.next().is_some_and(|found| found.to_lowercase().eq([c])))
    };
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let first = starts.iter().position(|&at| words.iter().any(|word| is(at, word))).unwrap_or(0);
    let from = starts.get(first.saturating_sub(AROUND)).copied().unwrap_or(0);
    let to = starts.get(first + AROUND).copied().unwrap_or(text.len());
    let mut highlights = Vec::new();
    let mut at = from;
    while at < to {
        let length = words.iter().filter(|word| is(at, word)).map(|word| word.chars().count()).max().unwrap_or(0);
        let end = text[at..].char_indices().nth(length.max(1)).map_or(text.len(), |(offset, _)| at + offset);
        if length > 0 && end <= to {
            highlights.push(at - from..end - from);
        }
        at = end;
    }
    Hit { conversation: conversation.clone(), message, snippet: text[from..to].to_owned(), highlights }
}
