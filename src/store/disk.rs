//! The database file: opening, transactions, and what happens when the disk fails.
//!
//! After an error of the disk redb refuses everything until it is opened again, and opening repairs. So a failed write
//! opens the file again at once. Where even that fails for want of space, the file is read through an overlay that
//! keeps the repair in memory ([`crate::backend`]); each later write first tries to open it properly. redb may panic
//! on a damaged file, therefore every call of it runs in [`guarded`].

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redb::{Database, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction};

use crate::{Millis, StoreError, backend::Backend};

/// Memory for pages of the file.
const CACHE_BYTES: usize = 32 << 20;

/// How often at most an overlay is given up to try the file again.
const RETRY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 500 });

/// What can go wrong inside a transaction.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the caller asked for is not possible; the store is well.
    Refused(StoreError),
    Database(redb::Error),
    Damaged(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Database(error.into())
            }
        })*
    };
}
from_redb!(StorageError, TableError, TransactionError, CommitError, DatabaseError, SetDurabilityError);

/// Gives the bytes of the database, each time it is opened.
pub(crate) type Medium = Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

enum State {
    Open(Database),
    /// Readable, with why it cannot be written and when that was found.
    Overlaid(Database, StoreError, Instant),
    Closed,
}

pub(crate) struct Disk {
    path: PathBuf,
    medium: Medium,
    state: RwLock<State>,
    failing: Mutex<Option<(String, Millis)>>,
    /// How often the file has been opened.
    opened: AtomicU64,
}

impl Disk {
    pub(crate) fn open(path: PathBuf, medium: Medium) -> Result<Self, StoreError> {
        let (state, failing) = (RwLock::new(State::Closed), Mutex::new(None));
        let disk = Self { path, medium, state, failing, opened: AtomicU64::new(0) };
        let database = disk.open_database(false)?;
        *disk.lock() = State::Open(database);
        Ok(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How often the file has been opened. Whoever keeps a copy of what is in it reads it again when this has changed.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    /// Why the last write failed, and since when.
    pub(crate) fn failing(&self) -> Option<(String, Millis)> {
        self.failing_lock().clone()
    }

    /// Runs `body` in a read transaction; a second time if the first found that the disk had failed.
    pub(crate) fn read<T>(&self, body: impl Fn(&ReadTransaction) -> Result<T, Failure>) -> Result<T, StoreError> {
        let run = |database: &Database| guarded(|| body(&database.begin_read()?));
        for attempt in 0.. {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let result = match &*state {
                State::Open(database) | State::Overlaid(database, ..) => run(database),
                State::Closed => Err(Failure::Database(redb::Error::PreviousIo)),
            };
            drop(state);
            match result {
                Ok(value) => return Ok(value),
                Err(Failure::Refused(error)) => return Err(error),
                Err(failure) if attempt == 0 && needs_reopening(&failure) => self.reopen()?,
                Err(failure) => return Err(self.error(failure)),
            }
        }
        unreachable!("the second attempt returns")
    }

    /// Runs `body` in a write transaction and commits it durably.
    ///
    /// # Errors
    /// The transaction is undone, or, if the disk failed while it was confirmed, may be found done.
    pub(crate) fn write<T>(
        &self,
        mut body: impl FnMut(&WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let result = self.try_write(&mut body).map_err(|failure| self.error(failure));
        let mut failing = self.failing_lock();
        match &result {
            Ok(_) => *failing = None,
            Err(error) if is_of_the_disk(error) => {
                let since = failing.as_ref().map_or_else(now_ms, |(_, since)| *since);
                *failing = Some((error.to_string(), since));
            }
            Err(_) => {}
        }
        drop(failing);
        result
    }

    fn try_write<T>(&self, body: &mut dyn FnMut(&WriteTransaction) -> Result<T, Failure>) -> Result<T, Failure> {
        self.leave_overlay()?;
        for attempt in 0.. {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let result = match &*state {
                State::Open(database) => guarded(|| {
                    let mut transaction = database.begin_write()?;
                    // A crash is then repaired without reading the whole file; costs one more sync.
                    transaction.set_quick_repair(true);
                    let value = body(&transaction)?;
                    transaction.commit()?;
                    Ok(value)
                }),
                State::Overlaid(..) | State::Closed => Err(Failure::Database(redb::Error::PreviousIo)),
            };
            drop(state);
            match result {
                Err(failure) if needs_reopening(&failure) => {
                    self.reopen()?;
                    self.leave_overlay()?;
                    // An older failure, a reader's for example, is none of this transaction.
                    if attempt > 0 || !matches!(failure, Failure::Database(redb::Error::PreviousIo)) {
                        return Err(failure);
                    }
                }
                other => return other,
            }
        }
        unreachable!("the second attempt returns")
    }

    /// If the file is overlaid, tries to open it properly, not too often.
    fn leave_overlay(&self) -> Result<(), StoreError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let State::Overlaid(_, error, since) = &*state {
            if since.elapsed() < RETRY {
                return Err(self.like(error));
            }
            drop(state);
            self.reopen()?;
            if let State::Overlaid(_, error, _) = &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
                return Err(self.like(error));
            }
        }
        Ok(())
    }

    /// Closes and opens. Waits for all readers.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        close(std::mem::replace(&mut *state, State::Closed));
        *state = match self.open_database(false) {
            Ok(database) => State::Open(database),
            Err(error @ (StoreError::DiskFull { .. } | StoreError::Io { .. })) => {
                State::Overlaid(self.open_database(true)?, error, Instant::now())
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn open_database(&self, overlaid: bool) -> Result<Database, StoreError> {
        self.opened.fetch_add(1, Ordering::AcqRel);
        let open = || {
            let inner = (self.medium)().map_err(redb::StorageError::from)?;
            let backend = if overlaid { Backend::overlaid(inner) } else { Backend::direct(inner) };
            Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
        };
        guarded(open).map_err(|failure| self.error(failure))
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing_lock(&self) -> MutexGuard<'_, Option<(String, Millis)>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, failure: Failure) -> StoreError {
        error(&self.path, failure)
    }

    /// The same error again; `io::Error` cannot be copied.
    pub(crate) fn like(&self, error: &StoreError) -> StoreError {
        let path = self.path.clone();
        match error {
            StoreError::DiskFull { .. } => StoreError::DiskFull { path },
            StoreError::Io { source, .. } => {
                StoreError::Io { path, source: io::Error::new(source.kind(), source.to_string()) }
            }
            other => StoreError::Damaged { path, message: other.to_string() },
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        close(std::mem::replace(&mut *self.lock(), State::Closed));
    }
}

/// Closing a damaged file may panic as well.
fn close(state: State) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
}

/// What a caller is told.
pub(crate) fn error(path: &Path, failure: Failure) -> StoreError {
    let path = path.to_owned();
    let damaged = |message| StoreError::Damaged { path: path.clone(), message };
    match failure {
        Failure::Refused(error) => error,
        Failure::Damaged(message) => damaged(message),
        Failure::Database(redb::Error::Io(source)) if source.kind() == io::ErrorKind::InvalidData => {
            damaged(format!("this is not a database of tern ({source}); move it away, or choose another --data-dir"))
        }
        Failure::Database(redb::Error::Io(source)) if is_full(&source) => StoreError::DiskFull { path },
        Failure::Database(redb::Error::Io(source)) if source.kind() == io::ErrorKind::UnexpectedEof => {
            damaged("the file ends too early".to_owned())
        }
        Failure::Database(redb::Error::Io(source)) => StoreError::Io { path, source },
        Failure::Database(redb::Error::PreviousIo) => {
            StoreError::Io { path, source: io::Error::other("the disk failed before") }
        }
        Failure::Database(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) => {
            StoreError::InUse { path }
        }
        Failure::Database(error) => damaged(error.to_string()),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_of_the_disk(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull { .. } | StoreError::Io { .. } | StoreError::Damaged { .. })
}

/// Whether redb refuses everything after this.
fn needs_reopening(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) | Failure::Damaged(_) => false,
        Failure::Database(error) => {
            matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::LockPoisoned(_))
        }
    }
}

/// Runs `body`; a panic in it becomes an error.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(Failure::Damaged(said(&*panic))))
}

/// The message of a panic.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

pub(crate) fn now_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| u64::try_from(past.as_millis()).unwrap_or(u64::MAX))
}
