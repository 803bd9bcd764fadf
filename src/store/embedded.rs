//! The store in a file of the data directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use redb::{ReadableTable, StorageBackend, WriteTransaction, backends::InMemoryBackend};

use crate::{
    Comparison, Conversation, ConversationStore, Hit, ListQuery, Message, Page, Status, StoreError, StoreState,
    comparisons, conversations,
    disk::{self, Disk, Failure, Medium},
    file,
    growing::{Entry, Growing},
    index::{self, Change, Index, Mark, Place},
    list::List,
    messages, places,
    tables::{
        ATTACHMENTS, COMPARISONS, CONVERSATIONS, ConversationRecord, GENERATING, MESSAGES, META, META_GENERATION,
        META_IDENTITY, PLACES, decode,
    },
    upgrade::{self, Step},
};

/// Name of the database in the data directory.
const FILE: &str = "store.redb";
/// Name of the folder of the search index there.
const INDEX: &str = "index";

/// A [`ConversationStore`] in one file, or in memory. One process may have it open.
pub struct RedbStore {
    /// Before the records: its thread ends with it, and holds them.
    index: Index,
    records: Arc<Records>,
    /// Held by whoever writes, so that the list in memory changes in the order of the file.
    writing: Mutex<()>,
    pub(crate) growing: Growing,
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
        file::make(&path).map_err(|failure| disk::error(&path, failure))?;
        let index = Place::Folder(data_dir.join(INDEX));
        let store = Self::with(path.clone(), file::medium(path.clone()), index, upgrade::STEPS)?;
        file::tidy(&path);
        Ok(store)
    }

    /// A store that touches no file and ends with the process: for tests, and for describing the API.
    #[must_use]
    pub fn temporary() -> Self {
        let medium = || Ok(Box::new(InMemoryBackend::new()) as Box<dyn StorageBackend>);
        let store = Self::with(PathBuf::from("(memory)"), Box::new(medium), Place::Memory, upgrade::STEPS);
        store.expect("memory has neither damage nor limits: this is a bug")
    }

    pub(crate) fn with(path: PathBuf, medium: Medium, place: Place, steps: &[Step]) -> Result<Self, StoreError> {
        let disk = Disk::open(path, medium)?;
        upgrade::run(&disk, steps)?;
        let records = Arc::new(Records { disk, list: RwLock::default() });
        records.interrupt()?;
        records.load()?;
        let index = Index::start(records.clone(), place, records.mark()?)?;
        Ok(Self { index, records, writing: Mutex::default(), growing: Growing::default() })
    }

    /// Waits for the turn to write.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes. `listed` then changes the list in memory, and says what the index has to look at.
    fn write<T>(
        &self,
        body: impl FnMut(&WriteTransaction) -> Result<T, Failure>,
        listed: impl FnOnce(&mut List, &T) -> Option<(Change, u64)>,
    ) -> Result<T, StoreError> {
        self.write_in_turn(&self.turn(), body, listed)
    }

    fn write_in_turn<T>(
        &self,
        _turn: &MutexGuard<'_, ()>,
        body: impl FnMut(&WriteTransaction) -> Result<T, Failure>,
        listed: impl FnOnce(&mut List, &T) -> Option<(Change, u64)>,
    ) -> Result<T, StoreError> {
        let opened = self.records.disk.opened();
        let result = self.records.disk.write(body);
        if let Ok(value) = &result {
            let change = listed(&mut self.records.list_mut(), value);
            if let Some((change, generation)) = change {
                self.index.tell(change, generation);
            }
        } else if self.records.disk.opened() != opened {
            // The transaction may have been confirmed before the disk failed.
            self.records.load()?;
            let told = self.index.told();
            let mut unknown: Vec<_> = {
                let list = self.records.list();
                let records = list.entries().map(|entry| &entry.record).filter(|record| record.changed > told);
                records.map(|record| (record.changed, record.conversation.id.clone())).collect()
            };
            unknown.sort_unstable();
            for (generation, id) in unknown {
                self.index.tell(Change::Conversation(id), generation);
            }
        }
        result
    }

    /// Writes something about one conversation; `change` says what the index has to look at if it concerns it.
    fn change(
        &self,
        body: impl FnMut(&WriteTransaction) -> Result<ConversationRecord, Failure>,
        change: impl FnOnce(&str) -> Change,
    ) -> Result<Conversation, StoreError> {
        let listed = |list: &mut List, record: &ConversationRecord| {
            let id = &record.conversation.id;
            let before = list.get(id).ok().map(|entry| entry.record.changed);
            list.put(record.clone());
            (before != Some(record.changed)).then(|| (change(id), record.changed))
        };
        Ok(self.write(body, listed)?.conversation)
    }
}

impl Records {
    pub(crate) fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message, if it is there.
    pub(crate) fn message(&self, conversation: &str, id: &str) -> Result<Option<Message>, StoreError> {
        let found =
            self.disk.read(|transaction| messages::one(&transaction.open_table(MESSAGES)?, conversation, id))?;
        Ok(found.map(|record| record.message))
    }

    /// All messages of a conversation; none if it is not there.
    pub(crate) fn messages(&self, conversation: &str) -> Result<Vec<Message>, StoreError> {
        let found = self.disk.read(|transaction| messages::all(&transaction.open_table(MESSAGES)?, conversation))?;
        Ok(found.into_iter().map(|record| record.message).collect())
    }

    /// Whose store this is, and how far it is.
    fn mark(&self) -> Result<Mark, StoreError> {
        self.disk.read(|transaction| {
            let meta = transaction.open_table(META)?;
            let number = |name| Ok::<_, Failure>(meta.get(name)?.map_or(0, |value| value.value()));
            Ok(Mark { identity: number(META_IDENTITY)?, generation: number(META_GENERATION)? })
        })
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
        self.records.list().get(conversation)?;
        self.records.messages(conversation)
    }

    fn message(&self, conversation: &str, id: &str) -> Result<Message, StoreError> {
        self.records.message(conversation, id)?.ok_or_else(|| messages::missing(id))
    }

    fn place(&self, message: &str) -> Result<String, StoreError> {
        let found = self.records.disk.read(|transaction| places::find(&transaction.open_table(PLACES)?, message))?;
        found.ok_or_else(|| messages::missing(message))
    }

    fn create(&self, conversation: &Conversation, messages: &[Message]) -> Result<(), StoreError> {
        let create = |transaction: &WriteTransaction| conversations::create(transaction, conversation, messages);
        self.change(create, |id| Change::Conversation(id.to_owned())).map(drop)
    }

    fn update(&self, id: &str, change: &mut dyn FnMut(&mut Conversation)) -> Result<Conversation, StoreError> {
        let update = |transaction: &WriteTransaction| conversations::update(transaction, id, change);
        self.change(update, |id| Change::Title(id.to_owned()))
    }

    fn put_messages(
        &self,
        conversation: &str,
        messages: &[Message],
        current: Option<&str>,
    ) -> Result<Conversation, StoreError> {
        let put =
            |transaction: &WriteTransaction| conversations::put_messages(transaction, conversation, messages, current);
        let ids = || messages.iter().map(|message| message.id.clone()).collect();
        self.change(put, |id| Change::Messages(id.to_owned(), ids()))
    }

    fn put_progress(&self, message: &Message) -> Result<(), StoreError> {
        let outcome = self.growing.add(message);
        let turn = self.turn();
        // Whoever had the turn before may have taken it along.
        if let Ok(outcome) = outcome.try_recv() {
            return outcome;
        }
        let batch = self.growing.take();
        let body = |transaction: &WriteTransaction| {
            let one = |entry: &Entry| match messages::progress(transaction, &entry.message) {
                Ok(()) => Ok(Ok(())),
                // The others are written all the same.
                Err(Failure::Refused(error)) => Ok(Err(error)),
                Err(failure) => Err(failure),
            };
            batch.iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        match self.write_in_turn(&turn, body, |_, _| None) {
            Ok(outcomes) => batch.iter().zip(outcomes).for_each(|(entry, outcome)| entry.tell(outcome)),
            Err(error) => batch.iter().for_each(|entry| entry.tell(Err(self.records.disk.like(&error)))),
        }
        outcome.recv().unwrap_or_else(|_| Err(messages::missing(&message.id)))
    }

    fn delete_message(&self, conversation: &str, id: &str) -> Result<Conversation, StoreError> {
        let delete = |transaction: &WriteTransaction| conversations::delete_message(transaction, conversation, id);
        self.change(delete, |id| Change::Conversation(id.to_owned()))
    }

    fn delete(&self, ids: &[String]) -> Result<u64, StoreError> {
        let delete = |transaction: &WriteTransaction| {
            let mut gone = Vec::new();
            for id in ids {
                if conversations::delete(transaction, id)? {
                    gone.push(id.clone());
                }
            }
            let generation = if gone.is_empty() { 0 } else { conversations::next_generation(transaction)? };
            Ok((gone, generation))
        };
        let listed = |list: &mut List, (gone, generation): &(Vec<String>, u64)| {
            let numbers: Vec<_> = gone.iter().filter_map(|id| list.remove(id)).collect();
            (*generation > 0).then_some((Change::Gone(numbers), *generation))
        };
        Ok(self.write(delete, listed)?.0.len() as u64)
    }

    fn put_attachment(&self, conversation: &str, id: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let put = |transaction: &WriteTransaction| {
            conversations::get(transaction, conversation)?;
            transaction.open_table(ATTACHMENTS)?.insert((conversation, id), bytes)?;
            Ok(())
        };
        self.write(put, |_, ()| None)
    }

    fn attachment(&self, conversation: &str, id: &str) -> Result<Vec<u8>, StoreError> {
        let found = self.records.disk.read(|transaction| {
            let table = transaction.open_table(ATTACHMENTS)?;
            Ok(table.get((conversation, id))?.map(|value| value.value().to_vec()))
        })?;
        found.ok_or_else(|| StoreError::NotFound { what: "attachment", id: id.to_owned() })
    }

    fn search(&self, text: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
        index::search(&self.index, &self.records, text, limit)
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
            None
        };
        self.write(|transaction| comparisons::put(transaction, comparison), listed).map(drop)
    }

    fn delete_comparison(&self, id: &str) -> Result<bool, StoreError> {
        let listed = |list: &mut List, before: &Option<_>| {
            before.map(|before| list.comparisons.remove(&(before, id.to_owned())));
            None
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
