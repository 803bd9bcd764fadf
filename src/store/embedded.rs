//! The store in a file of the data directory.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use redb::{
    ReadableTable, StorageBackend, WriteTransaction,
    backends::{FileBackend, InMemoryBackend},
};

use crate::{
    Comparison, Conversation, ConversationStore, Hit, ListQuery, Message, Page, Status, StoreError, StoreState,
    comparisons, conversations,
    disk::{Disk, Failure, Medium},
    list::List,
    messages,
    tables::{ATTACHMENTS, COMPARISONS, CONVERSATIONS, ConversationRecord, GENERATING, MESSAGES, decode},
    upgrade::{self, Step},
};

/// Name of the database in the data directory.
const FILE: &str = "store.redb";

/// A [`ConversationStore`] in one file, or in memory. One process may have it open.
pub struct RedbStore {
    records: Arc<Records>,
    /// Held by whoever writes, so that the list in memory changes in the order of the file.
    writing: Mutex<()>,
}

/// The file and the list of what is in it.
pub(crate) struct Records {
    disk: Disk,
    list: RwLock<List>,
}

impl RedbStore {
    /// Opens the store of a data directory; makes both if they are not there. Answers that were being written when the
    /// process ended become interrupted ones.
    ///
    /// # Errors
    /// `InUse` if another process has it open, `TooNew`, `Damaged`, `DiskFull` or `Io`.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(FILE);
        fs::create_dir_all(data_dir).map_err(|source| StoreError::Io { path: data_dir.to_owned(), source })?;
        let file = path.clone();
        let medium = move || Ok(Box::new(FileBackend::new(open_file(&file)?).map_err(io::Error::other)?) as _);
        Self::with(path, Box::new(medium), upgrade::STEPS)
    }

    /// A store that touches no file and ends with the process: for tests, and for describing the API.
    #[must_use]
    pub fn temporary() -> Self {
        let medium = || Ok(Box::new(InMemoryBackend::new()) as Box<dyn StorageBackend>);
        let store = Self::with(PathBuf::from("(memory)"), Box::new(medium), upgrade::STEPS);
        store.expect("memory has neither damage nor limits: this is a bug")
    }

    pub(crate) fn with(path: PathBuf, medium: Medium, steps: &[Step]) -> Result<Self, StoreError> {
        let disk = Disk::open(path, medium)?;
        upgrade::run(&disk, steps)?;
        let records = Records { disk, list: RwLock::default() };
        records.interrupt()?;
        records.load()?;
        Ok(Self { records: Arc::new(records), writing: Mutex::new(()) })
    }

    /// Writes; `listed` then changes the list in memory.
    fn write<T>(
        &self,
        body: impl FnMut(&WriteTransaction) -> Result<T, Failure>,
        listed: impl FnOnce(&mut List, &T),
    ) -> Result<T, StoreError> {
        let _turn: MutexGuard<'_, ()> = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = self.records.disk.opened();
        let result = self.records.disk.write(body);
        match &result {
            Ok(value) => listed(&mut self.records.list_mut(), value),
            // The transaction may have been confirmed before the disk failed.
            Err(_) if self.records.disk.opened() != opened => self.records.load()?,
            Err(_) => {}
        }
        result
    }

    /// Writes something that changes one conversation.
    fn change(
        &self,
        body: impl FnMut(&WriteTransaction) -> Result<ConversationRecord, Failure>,
    ) -> Result<Conversation, StoreError> {
        let record = self.write(body, |list, record| list.put(record.clone()))?;
        Ok(record.conversation)
    }
}

/// Conversations are nobody else's business.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Records {
    pub(crate) fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn list_mut(&self) -> RwLockWriteGuard<'_, List> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the list from the file.
    fn load(&self) -> Result<(), StoreError> {
        let list = self.disk.read(|transaction| {
            let mut list = List::default();
            for item in transaction.open_table(CONVERSATIONS)?.iter()? {
                list.put(decode(item?.1.value())?);
            }
            for item in transaction.open_table(COMPARISONS)?.iter()? {
                let comparison: Comparison = decode(item?.1.value())?;
                list.comparisons.insert((comparison.created_ms, comparison.id));
            }
            Ok(list)
        })?;
        *self.list_mut() = list;
        Ok(())
    }

    /// Marks what was being generated when the process ended.
    fn interrupt(&self) -> Result<(), StoreError> {
        let generating = self.disk.read(|transaction| {
            let mut keys = Vec::new();
            for item in transaction.open_table(GENERATING)?.iter()? {
                let key = item?.0;
                let (conversation, id) = key.value();
                keys.push((conversation.to_owned(), id.to_owned()));
            }
            Ok(keys)
        })?;
        if generating.is_empty() {
            return Ok(());
        }
        self.disk.write(|transaction| {
            for (conversation, id) in &generating {
                if conversation.is_empty() {
                    let comparison = comparisons::get(&transaction.open_table(COMPARISONS)?, id)?;
                    if let Some(comparison) = comparison {
                        comparisons::put(transaction, &Comparison { status: Status::Interrupted, ..comparison })?;
                    }
                } else {
                    let message = messages::one(&transaction.open_table(MESSAGES)?, conversation, id)?;
                    if let Some(found) = message {
                        let mut record = conversations::get(transaction, conversation)?;
                        // What was saved on the way has not been seen by the index.
                        record.changed = conversations::next_generation(transaction)?;
                        let message = Message { status: Status::Interrupted, ..found.message };
                        messages::put(transaction, &mut record, &[message])?;
                        conversations::put(transaction, &record)?;
                    }
                }
            }
            Ok(())
        })
    }
}

impl ConversationStore for RedbStore {
    fn list(&self, query: &ListQuery) -> Result<Page<Conversation>, StoreError> {
        self.records.list().page(query)
    }

    fn tags(&self) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(self.records.list().tags())
    }

    fn conversation(&self, id: &str) -> Result<Conversation, StoreError> {
        Ok(self.records.list().get(id)?.record.conversation.clone())
    }

    fn messages(&self, conversation: &str) -> Result<Vec<Message>, StoreError> {
        let records = self.records.disk.read(|transaction| {
            if transaction.open_table(CONVERSATIONS)?.get(conversation)?.is_none() {
                return Err(conversations::missing(conversation).into());
            }
            messages::all(&transaction.open_table(MESSAGES)?, conversation)
        })?;
        Ok(records.into_iter().map(|record| record.message).collect())
    }

    fn message(&self, conversation: &str, id: &str) -> Result<Message, StoreError> {
        let found = self
            .records
            .disk
            .read(|transaction| messages::one(&transaction.open_table(MESSAGES)?, conversation, id))?;
        found.map(|record| record.message).ok_or_else(|| messages::missing(id))
    }

    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<(), StoreError> {
        self.change(|transaction| conversations::create(transaction, conversation, messages)).map(drop)
    }

    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation, StoreError> {
        self.change(|transaction| conversations::update(transaction, id, change))
    }

    fn put_messages(
        &self,
        conversation: &str,
        messages: &[Message],
        current: Option<&str>,
    ) -> Result<Conversation, StoreError> {
        self.change(|transaction| conversations::put_messages(transaction, conversation, messages, current))
    }

    fn put_progress(&self, message: &Message) -> Result<(), StoreError> {
        self.write(|transaction| messages::progress(transaction, message), |_, ()| {})
    }

    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation, StoreError> {
        self.change(|transaction| {
            conversations::delete_message(transaction, conversation, id).map(|(record, _)| record)
        })
    }

    fn delete(&self, ids: &[String]) -> Result<u64, StoreError> {
        let delete = |transaction: &WriteTransaction| {
            let mut gone = Vec::new();
            for id in ids {
                if conversations::delete(transaction, id)? {
                    gone.push(id.clone());
                }
            }
            if !gone.is_empty() {
                conversations::next_generation(transaction)?;
            }
            Ok(gone)
        };
        let gone = self.write(delete, |list, gone| gone.iter().for_each(|id| list.remove(id)))?;
        Ok(gone.len() as u64)
    }

    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let put = |transaction: &WriteTransaction| {
            conversations::get(transaction, conversation)?;
            transaction.open_table(ATTACHMENTS)?.insert((conversation, id), bytes)?;
            Ok(())
        };
        self.write(put, |_, ()| {})
    }

    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>, StoreError> {
        let found = self.records.disk.read(|transaction| {
            let table = transaction.open_table(ATTACHMENTS)?;
            Ok(table.get((conversation, id))?.map(|value| value.value().to_vec()))
        })?;
        found.ok_or_else(|| StoreError::NotFound { what: "attachment", id: id.to_owned() })
    }

    fn search(&self, _text: &str, _limit: usize) -> Result<Vec<Hit>, StoreError> {
        Ok(Vec::new())
    }

    fn comparisons(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>, StoreError> {
        let limit = limit.max(1);
        let (ids, total) = {
            let list = self.records.list();
            let mut newest = list.comparisons.iter().rev().map(|(_, id)| id);
            if let Some(before) = before {
                newest.find(|id| *id == before).ok_or_else(|| comparisons::missing(before))?;
            }
            (newest.take(limit + 1).cloned().collect::<Vec<_>>(), list.comparisons.len() as u64)
        };
        let data = self.records.disk.read(|transaction| {
            let table = transaction.open_table(COMPARISONS)?;
            // One that has been deleted since is not missed.
            ids.iter().take(limit).filter_map(|id| comparisons::get(&table, id).transpose()).collect()
        })?;
        Ok(Page { data, has_more: ids.len() > limit, total })
    }

    fn comparison(&self, id: &str) -> Result<Comparison, StoreError> {
        let found =
            self.records.disk.read(|transaction| comparisons::get(&transaction.open_table(COMPARISONS)?, id))?;
        found.ok_or_else(|| comparisons::missing(id))
    }

    fn put_comparison(&self, comparison: &Comparison) -> Result<(), StoreError> {
        let entry = |created| (created, comparison.id.clone());
        let listed = |list: &mut List, before: &Option<_>| {
            before.map(|before| list.comparisons.remove(&entry(before)));
            list.comparisons.insert(entry(comparison.created_ms));
        };
        self.write(|transaction| comparisons::put(transaction, comparison), listed).map(drop)
    }

    fn delete_comparison(&self, id: &str) -> Result<bool, StoreError> {
        let listed = |list: &mut List, before: &Option<_>| {
            before.map(|before| list.comparisons.remove(&(before, id.to_owned())));
        };
        Ok(self.write(|transaction| comparisons::delete(transaction, id), listed)?.is_some())
    }

    fn state(&self) -> StoreState {
        let path = self.records.disk.path();
        let failing = self.records.disk.failing();
        StoreState {
            path: path.display().to_string(),
            bytes: fs::metadata(path).map_or(0, |file| file.len()),
            failing_since_ms: failing.as_ref().map(|(_, since)| *since),
            failing: failing.map(|(reason, _)| reason),
        }
    }
}
