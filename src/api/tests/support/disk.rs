//! A store whose disk can be filled and emptied.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tern_store::*;

type Result<T> = std::result::Result<T, StoreError>;

/// A store in memory that refuses to write while its disk is full.
pub struct Disk {
    store: RedbStore,
    full: AtomicBool,
    /// Progress that was written.
    pub progress: AtomicU64,
}

impl Disk {
    pub fn new() -> Self {
        Self { store: RedbStore::temporary(), full: AtomicBool::new(false), progress: AtomicU64::new(0) }
    }

    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// What is on the disk, whatever the server keeps beside it.
    pub fn store(&self) -> &RedbStore {
        &self.store
    }

    fn room(&self) -> Result<&RedbStore> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::DiskFull { path: "store.redb".into() });
        }
        Ok(&self.store)
    }
}

impl ConversationStore for Disk {
    fn list(&self, query: &ListQuery) -> Result<Page<Conversation>> {
        self.store.list(query)
    }
    fn tags(&self) -> Result<Vec<(String, u64)>> {
        self.store.tags()
    }
    fn conversation(&self, id: &str) -> Result<Conversation> {
        self.store.conversation(id)
    }
    fn messages(&self, conversation: &str) -> Result<Vec<Message>> {
        self.store.messages(conversation)
    }
    fn message(&self, conversation: &str, id: &str) -> Result<Message> {
        self.store.message(conversation, id)
    }
    fn place(&self, message: &str) -> Result<String> {
        self.store.place(message)
    }
    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<()> {
        self.room()?.create(conversation, messages)
    }
    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation> {
        self.room()?.update(id, change)
    }
    fn put_messages(&self, conversation: &str, messages: &[Message], current: Option<&str>) -> Result<Conversation> {
        self.room()?.put_messages(conversation, messages, current)
    }
    fn put_progress(&self, message: &Message) -> Result<()> {
        self.progress.fetch_add(1, Ordering::SeqCst);
        self.room()?.put_progress(message)
    }
    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation> {
        self.room()?.delete_message(conversation, id)
    }
    fn delete(&self, ids: &[String]) -> Result<u64> {
        self.room()?.delete(ids)
    }
    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<()> {
        self.room()?.put_attachment(conversation, id, bytes)
    }
    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>> {
        self.store.attachment(conversation, id)
    }
    fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>> {
        self.store.search(text, limit)
    }
    fn comparisons(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>> {
        self.store.comparisons(before, limit)
    }
    fn comparison(&self, id: &str) -> Result<Comparison> {
        self.store.comparison(id)
    }
    fn put_comparison(&self, comparison: &Comparison) -> Result<()> {
        self.room()?.put_comparison(comparison)
    }
    fn delete_comparison(&self, id: &str) -> Result<bool> {
        self.room()?.delete_comparison(id)
    }
    fn state(&self) -> StoreState {
        self.store.state()
    }
}
