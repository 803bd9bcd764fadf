//! What the disk refuses is kept in memory, and written when the disk takes it again.
//!
//! A conversation is either on the disk or held here whole; so is a comparison. When a write fails for want of room, or
//! because the system fails, the conversation moves here with all its messages and the write is done here; everyone
//! reads and writes it here from then on. A thread that lives as long as something is held writes it back and lets go
//! of it. So a chat goes on over a full disk, and nothing is lost while the process lives.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tern_store::{
    Comparison, Conversation, ConversationStore, Hit, ListQuery, Message, Millis, Page, RedbStore, StoreError,
    StoreState,
};
use tokio::sync::watch;

use crate::ids;

/// Between two tries to write what a full disk refused.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// Whether everything is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// Why not; `None` when all is saved.
    pub reason: Option<String>,
    /// Since when not.
    pub since_ms: Option<Millis>,
}

/// A store that goes on when there is no room.
pub(crate) struct Kept {
    disk: Arc<dyn ConversationStore>,
    /// In memory, and made when it is first needed.
    held: LazyLock<RedbStore>,
    /// The held conversations, and how they differ from what is on the disk. Taken for reading by whoever reads or
    /// writes a conversation, and for writing by whoever moves one: so that none moves while it is in use.
    moved: RwLock<Held>,
    /// Comparisons as they would be on the disk. Held by whoever writes one, so that none is replaced by what is older.
    comparisons: Mutex<BTreeMap<String, Comparison>>,
    saved: watch::Sender<Saved>,
    /// One retry at a time.
    retrying: Mutex<()>,
    /// Whether there is a thread that tries again.
    minded: AtomicBool,
    this: Weak<Self>,
}

type Held = HashMap<String, Moved>;

/// How a held conversation differs from what is on the disk.
#[derive(Debug, Default)]
struct Moved {
    /// It is not there at all.
    is_new: bool,
    /// Messages that were removed.
    deleted: Vec<String>,
}

type Result<T> = std::result::Result<T, StoreError>;

/// Whether this passes when there is room again. Everything else is the caller's to know.
fn passes(error: &StoreError) -> bool {
    match error {
        StoreError::DiskFull { .. } | StoreError::Io { .. } => true,
        StoreError::NotFound { .. }
        | StoreError::Conflict { .. }
        | StoreError::Misplaced { .. }
        | StoreError::InUse { .. }
        | StoreError::TooNew { .. }
        | StoreError::Damaged { .. }
        | StoreError::Index(_) => false,
    }
}

impl Kept {
    pub fn new(disk: Arc<dyn ConversationStore>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            disk,
            held: LazyLock::new(RedbStore::temporary),
            moved: RwLock::default(),
            comparisons: Mutex::default(),
            saved: watch::Sender::default(),
            retrying: Mutex::default(),
            minded: AtomicBool::new(false),
            this: this.clone(),
        })
    }

    /// Tells whenever saving begins to fail or works again.
    pub fn watch(&self) -> watch::Receiver<Saved> {
        self.saved.subscribe()
    }

    /// Whether everything is on the disk.
    pub fn saved(&self) -> Saved {
        self.saved.borrow().clone()
    }

    fn moved(&self) -> RwLockReadGuard<'_, Held> {
        self.moved.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.moved.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken behind `moved` by whoever takes both.
    fn held_comparisons(&self) -> MutexGuard<'_, BTreeMap<String, Comparison>> {
        self.comparisons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where conversation `id` is.
    fn store_of(&self, moved: &Held, id: &str) -> &dyn ConversationStore {
        if moved.contains_key(id) { &*self.held } else { &*self.disk }
    }

    fn read<T>(&self, id: &str, work: impl FnOnce(&dyn ConversationStore) -> Result<T>) -> Result<T> {
        let moved = self.moved();
        work(self.store_of(&moved, id))
    }

    /// Writes to conversation `id`: on the disk if it is there and the disk takes it, else in memory.
    fn write<T>(&self, id: &str, mut work: impl FnMut(&dyn ConversationStore) -> Result<T>) -> Result<T> {
        let error = {
            let moved = self.moved();
            match work(self.store_of(&moved, id)) {
                Err(error) if passes(&error) => error,
                other => return other,
            }
        };
        let mut moved = self.moved_mut();
        if !moved.contains_key(id) {
            self.held.create(&self.disk.conversation(id)?, &self.disk.messages(id)?)?;
            moved.insert(id.to_owned(), Moved::default());
            self.failing(&error);
        }
        work(&*self.held)
    }

    fn failing(&self, error: &StoreError) {
        let reason = error.to_string();
        self.saved.send_if_modified(|saved| {
            let changed = saved.reason.as_ref() != Some(&reason);
            if changed {
                tracing::warn!("conversations are not being saved: {reason}");
                *saved = Saved { since_ms: saved.since_ms.or(Some(ids::now())), reason: Some(reason) };
            }
            changed
        });
        self.mind();
    }

    /// Tries again and again to write what the disk refused, as long as there is something.
    fn mind(&self) {
        if self.minded.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.this.clone();
        let work = move || {
            loop {
                thread::sleep(RETRY_EVERY);
                let Some(kept) = this.upgrade() else { return };
                if kept.retry() {
                    kept.minded.store(false, Ordering::Release);
                    // What failed since the retry found this thread still there.
                    if kept.saved().reason.is_none() || kept.minded.swap(true, Ordering::AcqRel) {
                        return;
                    }
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("store-retry".to_owned()).spawn(work) {
            tracing::error!("no thread to write what is not saved: {error}");
            self.minded.store(false, Ordering::Release);
        }
    }

    /// Tries to write what is held. Gives whether nothing is held any more.
    pub fn retry(&self) -> bool {
        let _one = self.retrying.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<String> = self.moved().keys().cloned().collect();
        for id in ids {
            // One at a time, so that others get at theirs meanwhile.
            let mut moved = self.moved_mut();
            let Some(how) = moved.get(&id) else { continue };
            match self.write_back(&id, how) {
                Ok(()) => {}
                Err(error) if passes(&error) => {
                    self.failing(&error);
                    return false;
                }
                // Nothing that a later try would change; what can be shown is shown until the process ends.
                Err(error) => {
                    tracing::error!("conversation {id} cannot be written: {error}");
                    continue;
                }
            }
            moved.remove(&id);
            let _ = self.held.delete(&[id]);
        }
        let ids: Vec<String> = self.held_comparisons().keys().cloned().collect();
        for id in ids {
            let mut held = self.held_comparisons();
            let Some(comparison) = held.get(&id) else { continue };
            match self.disk.put_comparison(comparison) {
                Ok(()) => drop(held.remove(&id)),
                Err(error) if passes(&error) => {
                    self.failing(&error);
                    return false;
                }
                Err(error) => tracing::error!("comparison {id} cannot be written: {error}"),
            }
        }
        // Until it is told nobody adds to what is held.
        let (moved, held) = (self.moved(), self.held_comparisons());
        let empty = moved.is_empty() && held.is_empty();
        if empty {
            self.saved.send_if_modified(|saved| {
                let changed = saved.reason.is_some();
                if changed {
                    tracing::info!("conversations are saved again");
                    *saved = Saved::default();
                }
                changed
            });
        }
        empty
    }

    fn write_back(&self, id: &str, how: &Moved) -> Result<()> {
        let (conversation, messages) = (self.held.conversation(id)?, self.held.messages(id)?);
        if how.is_new {
            match self.disk.create(&conversation, &messages) {
                // An earlier try may have come as far as this.
                Ok(()) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for file in messages.iter().flat_map(|message| &message.attachments) {
            match self.held.attachment(id, &file.id) {
                Ok(bytes) => self.disk.put_attachment(id, &file.id, &bytes)?,
                // It came before, and is on the disk.
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let there = self.disk.messages(id)?;
        let changed: Vec<Message> = messages.into_iter().filter(|message| !there.contains(message)).collect();
        if !changed.is_empty() {
            self.disk.put_messages(id, &changed, None)?;
        }
        for deleted in &how.deleted {
            if there.iter().any(|message| message.id == *deleted) {
                match self.disk.delete_message(id, deleted) {
                    // It went with one above it.
                    Ok(_) | Err(StoreError::NotFound { what: "message", .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.disk.update(id, &mut |kept| *kept = conversation.clone())?;
        Ok(())
    }
}

/// Whether a conversation belongs into a list, as far as it says itself.
fn is_listed(conversation: &Conversation, query: &ListQuery) -> bool {
    query.tag.as_ref().is_none_or(|tag| conversation.tags.contains(tag))
        && query.pinned.is_none_or(|pinned| conversation.pinned == pinned)
        && conversation.archived == query.archived.unwrap_or(false)
}

impl ConversationStore for Kept {
    fn list(&self, query: &ListQuery) -> Result<Page<Conversation>> {
        let moved = self.moved();
        let mut page = self.disk.list(query)?;
        for (id, how) in &*moved {
            let Ok(conversation) = self.held.conversation(id) else { continue };
            match page.data.iter_mut().find(|listed| listed.id == *id) {
                Some(listed) => *listed = conversation,
                // Those that are only here come first: they are the newest.
                None if how.is_new && query.after.is_none() && is_listed(&conversation, query) => {
                    page.data.insert(0, conversation);
                    page.total += 1;
                }
                None => {}
            }
        }
        Ok(page)
    }

    fn tags(&self) -> Result<Vec<(String, u64)>> {
        self.disk.tags()
    }

    fn conversation(&self, id: &str) -> Result<Conversation> {
        self.read(id, |store| store.conversation(id))
    }

    fn messages(&self, conversation: &str) -> Result<Vec<Message>> {
        self.read(conversation, |store| store.messages(conversation))
    }

    fn message(&self, conversation: &str, id: &str) -> Result<Message> {
        self.read(conversation, |store| store.message(conversation, id))
    }

    fn place(&self, message: &str) -> Result<String> {
        let moved = self.moved();
        match self.disk.place(message) {
            Err(StoreError::NotFound { .. }) if !moved.is_empty() => self.held.place(message),
            other => other,
        }
    }

    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<()> {
        match self.disk.create(conversation, messages) {
            Err(error) if passes(&error) => {
                let mut moved = self.moved_mut();
                self.held.create(conversation, messages)?;
                moved.insert(conversation.id.clone(), Moved { is_new: true, ..Moved::default() });
                self.failing(&error);
                Ok(())
            }
            other => other,
        }
    }

    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation> {
        self.write(id, |store| store.update(id, change))
    }

    fn put_messages(&self, conversation: &str, messages: &[Message], current: Option<&str>) -> Result<Conversation> {
        self.write(conversation, |store| store.put_messages(conversation, messages, current))
    }

    fn put_progress(&self, message: &Message) -> Result<()> {
        self.write(&message.conversation, |store| store.put_progress(message))
    }

    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation> {
        let changed = self.write(conversation, |store| store.delete_message(conversation, id))?;
        let mut moved = self.moved_mut();
        if let Some(how) = moved.get_mut(conversation) {
            how.deleted.push(id.to_owned());
        }
        Ok(changed)
    }

    /// Not kept for later: who deletes wants it gone, and must hear if it is not.
    fn delete(&self, ids: &[String]) -> Result<u64> {
        let mut moved = self.moved_mut();
        let only_here = ids.iter().filter(|id| moved.get(*id).is_some_and(|how| how.is_new)).count() as u64;
        let deleted = self.disk.delete(ids)?;
        let held: Vec<String> = ids.iter().filter(|id| moved.remove(*id).is_some()).cloned().collect();
        if !held.is_empty() {
            self.held.delete(&held)?;
        }
        Ok(deleted + only_here)
    }

    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<()> {
        self.write(conversation, |store| store.put_attachment(conversation, id, bytes))
    }

    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>> {
        match self.read(conversation, |store| store.attachment(conversation, id)) {
            // Of a held conversation those that came before are still on the disk.
            Err(StoreError::NotFound { .. }) => self.disk.attachment(conversation, id),
            other => other,
        }
    }

    fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>> {
        self.disk.search(text, limit)
    }

    fn comparisons(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>> {
        let held = self.held_comparisons();
        let mut page = self.disk.comparisons(before, limit)?;
        for comparison in held.values() {
            match page.data.iter_mut().find(|listed| listed.id == comparison.id) {
                Some(listed) => listed.clone_from(comparison),
                // Those that are only here come first: they are the newest.
                None if before.is_none() && self.disk.comparison(&comparison.id).is_err() => {
                    page.data.insert(0, comparison.clone());
                    page.total += 1;
                }
                None => {}
            }
        }
        Ok(page)
    }

    fn comparison(&self, id: &str) -> Result<Comparison> {
        match self.held_comparisons().get(id) {
            Some(comparison) => Ok(comparison.clone()),
            None => self.disk.comparison(id),
        }
    }

    fn put_comparison(&self, comparison: &Comparison) -> Result<()> {
        let mut held = self.held_comparisons();
        match self.disk.put_comparison(comparison) {
            Ok(()) => {
                held.remove(&comparison.id);
                Ok(())
            }
            Err(error) if passes(&error) => {
                held.insert(comparison.id.clone(), comparison.clone());
                self.failing(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn delete_comparison(&self, id: &str) -> Result<bool> {
        let mut held = self.held_comparisons();
        let there = self.disk.delete_comparison(id)?;
        Ok(held.remove(id).is_some() || there)
    }

    fn state(&self) -> StoreState {
        let state = self.disk.state();
        let saved = self.saved();
        match saved.reason {
            Some(reason) => StoreState { failing: Some(reason), failing_since_ms: saved.since_ms, ..state },
            None => state,
        }
    }
}
