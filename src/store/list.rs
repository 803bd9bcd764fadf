//! All conversations without their messages, in memory: a list is filtered by five things, ordered by three and
//! counted, which needs every one of them anyway. Ten thousand take a few megabytes and are ordered in a few
//! milliseconds; secondary tables would cost a write each and still have to be read for the count.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{Conversation, ListQuery, Millis, Order, Page, StoreError, tables::ConversationRecord};

#[derive(Default)]
pub(crate) struct List {
    entries: HashMap<String, Arc<Entry>>,
    /// Conversations by the number that the index knows them by.
    numbers: HashMap<u64, String>,
    /// Comparisons by age.
    pub comparisons: BTreeSet<(Millis, String)>,
}

pub(crate) struct Entry {
    pub record: ConversationRecord,
    /// The title in the letters it is ordered by.
    title: String,
}

impl Entry {
    fn conversation(&self) -> &Conversation {
        &self.record.conversation
    }
}

impl List {
    pub(crate) fn put(&mut self, record: ConversationRecord) {
        let id = record.conversation.id.clone();
        self.numbers.insert(record.number, id.clone());
        let title = record.conversation.title.to_lowercase();
        self.entries.insert(id, Arc::new(Entry { record, title }));
    }

    /// Gives the number it had.
    pub(crate) fn remove(&mut self, id: &str) -> Option<u64> {
        let entry = self.entries.remove(id)?;
        self.numbers.remove(&entry.record.number);
        Some(entry.record.number)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Arc<Entry>, StoreError> {
        self.entries.get(id).ok_or_else(|| StoreError::NotFound { what: "conversation", id: id.to_owned() })
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Arc<Entry>> {
        self.entries.get(self.numbers.get(&number)?)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    pub(crate) fn page(&self, query: &ListQuery) -> Result<Page<Conversation>, StoreError> {
        let mut found: Vec<_> = self.entries.values().filter(|entry| matches(entry, query)).collect();
        let total = found.len() as u64;
        if let Some(after) = &query.after {
            // By its place in the order, not in the list: it may have left the list since.
            let after = self.get(after)?;
            found.retain(|entry| compare(after, entry, query) == Ordering::Less);
        }
        let limit = query.limit.max(1);
        let has_more = found.len() > limit;
        if has_more {
            found.select_nth_unstable_by(limit, |a, b| compare(a, b, query));
            found.truncate(limit);
        }
        found.sort_unstable_by(|a, b| compare(a, b, query));
        Ok(Page { data: found.into_iter().map(|entry| entry.conversation().clone()).collect(), has_more, total })
    }

    pub(crate) fn tags(&self) -> Vec<(String, u64)> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for tag in self.entries.values().flat_map(|entry| &entry.conversation().tags) {
            *counts.entry(tag).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(tag, count)| (tag.to_owned(), count)).collect();
        counts.sort_unstable_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
        counts
    }
}

fn matches(entry: &Entry, query: &ListQuery) -> bool {
    let conversation = entry.conversation();
    conversation.archived == query.archived.unwrap_or(false)
        && query.pinned.is_none_or(|pinned| conversation.pinned == pinned)
        && query.tag.as_ref().is_none_or(|tag| conversation.tags.contains(tag))
        && query
            .model
            .as_ref()
            .is_none_or(|model| conversation.model.as_ref() == Some(model) || entry.record.models.contains_key(model))
}

fn compare(a: &Entry, b: &Entry, query: &ListQuery) -> Ordering {
    let (x, y) = (a.conversation(), b.conversation());
    let order = match query.order {
        Order::Updated => (y.updated_ms, y.created_ms).cmp(&(x.updated_ms, x.created_ms)),
        Order::Created => y.created_ms.cmp(&x.created_ms),
        Order::Title => (&a.title, y.created_ms).cmp(&(&b.title, x.created_ms)),
    };
    // Ids make the order total, without which pages would repeat and skip.
    let order = order.then_with(|| x.id.cmp(&y.id));
    y.pinned.cmp(&x.pinned).then(if query.reverse { order.reverse() } else { order })
}
