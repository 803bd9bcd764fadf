//! The thread that keeps the index behind the database.
//!
//! Every transaction that changes what a search finds has a generation. The thread is told of each after it has been
//! committed, reads the present state from the database and commits the index with the generation it has reached. So
//! an index that was left behind (a killed process, a full disk) knows from where on to catch up, and nothing has to be
//! in both or in neither.

use std::{
    collections::{HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tantivy::{IndexReader, Searcher, TantivyError};

use super::files::{Fields, Files, Mark, Place};
use crate::{StoreError, disk::said, embedded::Records};

/// How long changes are collected before they are made searchable, if no one searches: a commit costs more than what it
/// commits.
const COLLECT: Duration = Duration::from_millis(300);
/// How many changes are collected at most.
const COLLECTED: usize = 2000;
/// How long a search waits for what was written before it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long after a failure the index is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How many conversations are made searchable at a time while catching up.
const PIECE: usize = 2000;

/// What a transaction changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Everything of a conversation.
    Conversation(String),
    Title(String),
    /// Messages of a conversation, changed or removed.
    Messages(String, Vec<String>),
    /// Conversations that are gone, by number.
    Gone(Vec<u64>),
}

pub(crate) struct Index {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    changes: VecDeque<Change>,
    /// Generation of the last change.
    told: u64,
    /// Generation that a search sees.
    reached: u64,
    /// Searches that wait.
    waiting: usize,
    stop: bool,
    open: Option<(IndexReader, Fields)>,
    failed: Option<String>,
}

impl Index {
    /// Starts the thread; it opens the index at once only if there is something to find.
    pub(crate) fn start(records: Arc<Records>, place: Place, mark: Mark) -> Result<Self, StoreError> {
        let state = State { told: mark.generation, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let keeper = Keeper { shared: shared.clone(), records, place, identity: mark.identity };
        let thread = thread::Builder::new().name("search index".to_owned()).spawn(move || keeper.run());
        Ok(Self { shared, thread: Some(thread.map_err(|error| StoreError::Index(error.to_string()))?) })
    }

    /// To be called after the commit, in the order of commits.
    pub(crate) fn tell(&self, change: Change, generation: u64) {
        let mut state = self.shared.lock();
        state.changes.push_back(change);
        state.told = generation;
        self.shared.changed.notify_all();
    }

    /// Generation of the last change it was told of.
    pub(crate) fn told(&self) -> u64 {
        self.shared.lock().told
    }

    /// The index with all that was written before now, unless that takes too long.
    pub(crate) fn searcher(&self) -> Result<(Searcher, Fields), StoreError> {
        let mut state = self.shared.lock();
        let (told, start) = (state.told, Instant::now());
        state.waiting += 1;
        self.shared.changed.notify_all();
        while (state.reached < told || state.open.is_none()) && state.failed.is_none() {
            let Some(left) = PATIENCE.checked_sub(start.elapsed()) else { break };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
        match (&state.failed, &state.open) {
            (Some(reason), _) => Err(StoreError::Index(reason.clone())),
            (None, Some((reader, fields))) => Ok((reader.searcher(), *fields)),
            (None, None) => Err(StoreError::Index("it is being made anew; try again in a moment".to_owned())),
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` or `until`; gives whether to go on.
    fn wait(&self, until: Option<Instant>, ready: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !state.stop && !ready(&state) {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        !state.stop
    }
}

struct Keeper {
    shared: Arc<Shared>,
    records: Arc<Records>,
    place: Place,
    identity: u64,
}

/// Why the index has to be opened again.
type Broken = String;

impl Keeper {
    fn run(self) {
        if self.records.list().is_empty() {
            self.shared.wait(None, |state| state.waiting > 0 || !state.changes.is_empty());
            let state = self.shared.lock();
            if state.stop && state.changes.is_empty() {
                return;
            }
        }
        loop {
            let result = catch_unwind(AssertUnwindSafe(|| self.follow())).unwrap_or_else(|panic| Err(said(&*panic)));
            let Err(reason) = result else { return };
            let mut state = self.shared.lock();
            state.failed = Some(reason);
            state.open = None;
            drop(state);
            self.shared.changed.notify_all();
            if !self.shared.wait(Some(Instant::now() + RETRY), |_| false) {
                return;
            }
        }
    }

    /// Opens the index and follows the database until the store is closed.
    fn follow(&self) -> Result<(), Broken> {
        let broken = |error: TantivyError| error.to_string();
        let (mut files, mark) = Files::open(&self.place, self.identity).map_err(broken)?;
        self.catch_up(&mut files, mark)?;
        loop {
            if !self.shared.wait(None, |state| !state.changes.is_empty()) && self.shared.lock().changes.is_empty() {
                return Ok(());
            }
            self.shared
                .wait(Some(Instant::now() + COLLECT), |state| state.waiting > 0 || state.changes.len() >= COLLECTED);
            let (changes, told) = {
                let mut state = self.shared.lock();
                (std::mem::take(&mut state.changes), state.told)
            };
            for change in merged(changes) {
                self.apply(&files, &change)?;
            }
            files.commit(Mark { identity: self.identity, generation: told }).map_err(broken)?;
            self.reached(&files, told);
        }
    }

    fn reached(&self, files: &Files, generation: u64) {
        let mut state = self.shared.lock();
        state.reached = generation;
        state.open = Some((files.reader.clone(), files.fields));
        state.failed = None;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Brings an index that was left behind up to now.
    fn catch_up(&self, files: &mut Files, mark: Mark) -> Result<(), Broken> {
        let broken = |error: TantivyError| error.to_string();
        let told = {
            let mut state = self.shared.lock();
            // All of these are in the list already.
            state.changes.clear();
            state.told
        };
        // From the future if an older copy of the database was put back.
        let from = if mark.generation > told { 0 } else { mark.generation };
        if mark.generation != told {
            for number in self.unknown(files).map_err(broken)? {
                files.remove(number);
            }
            let behind: Vec<_> = {
                let list = self.records.list();
                let behind = list.entries().filter(|entry| mark.generation > told || entry.record.changed > from);
                behind.map(|entry| entry.record.conversation.id.clone()).collect()
            };
            for (index, conversation) in behind.into_iter().enumerate() {
                if index > 0 && index % PIECE == 0 {
                    if self.shared.lock().stop {
                        return Ok(());
                    }
                    // Found from now on, though the index is not complete.
                    files.commit(Mark { generation: from, ..mark }).map_err(broken)?;
                    self.reached(files, from);
                }
                self.apply(files, &Change::Conversation(conversation))?;
            }
            files.commit(Mark { generation: told, ..mark }).map_err(broken)?;
        }
        self.reached(files, told);
        Ok(())
    }

    /// Numbers in the index of conversations that are gone.
    fn unknown(&self, files: &Files) -> Result<HashSet<u64>, TantivyError> {
        let mut unknown = HashSet::new();
        let list = self.records.list();
        for segment in files.reader.searcher().segment_readers() {
            let numbers = segment.fast_fields().u64("number")?.first_or_default_col(0);
            for document in segment.doc_ids_alive() {
                let number = numbers.get_val(document);
                if list.by_number(number).is_none() {
                    unknown.insert(number);
                }
            }
        }
        Ok(unknown)
    }

    fn apply(&self, files: &Files, change: &Change) -> Result<(), Broken> {
        let broken = |error: TantivyError| error.to_string();
        let number_and_title = |id: &str| {
            let list = self.records.list();
            let record = &list.get(id).ok()?.record;
            Some((record.number, record.conversation.title.clone()))
        };
        match change {
            Change::Gone(numbers) => numbers.iter().for_each(|number| files.remove(*number)),
            Change::Title(id) => {
                if let Some((number, title)) = number_and_title(id) {
                    files.put_title(number, id, &title).map_err(broken)?;
                }
            }
            Change::Messages(id, messages) => {
                let Some((number, _)) = number_and_title(id) else { return Ok(()) };
                for message in messages {
                    match self.records.message(id, message).map_err(|error| error.to_string())? {
                        Some(message) => files.put_message(number, &message).map_err(broken)?,
                        None => files.remove_message(id, message),
                    }
                }
            }
            Change::Conversation(id) => {
                let Some((number, title)) = number_and_title(id) else { return Ok(()) };
                files.remove(number);
                files.put_title(number, id, &title).map_err(broken)?;
                for message in self.records.messages(id).map_err(|error| error.to_string())? {
                    files.put_message(number, &message).map_err(broken)?;
                }
            }
        }
        Ok(())
    }
}

/// Without changes that the same one follows later: each reads the present state.
fn merged(changes: VecDeque<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        if merged.last() != Some(&change) {
            merged.push(change);
        }
    }
    merged
}
