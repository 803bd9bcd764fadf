//! One writer a file: among the programs that share the cache by a file lock, within this one by taking turns.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{
    sync::{MutexGuard, watch},
    time::sleep,
};

use super::{error::PullError, progress::FileState};

/// How often a lock held by another program is tried. It is held for minutes, so a tenth of a second is nothing.
const POLL: Duration = Duration::from_millis(100);

/// Files that are being fetched now.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<PathBuf, Weak<Flight>>>);

/// The fetching of one file, shared by all who want it.
pub(crate) struct Flight {
    turn: tokio::sync::Mutex<()>,
    state: watch::Sender<Option<FileState>>,
}

impl Flights {
    /// The flight of a blob, a new one if none is under way.
    pub fn join(&self, blob: &Path) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(|e| e.into_inner());
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(blob).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::new(Flight { turn: tokio::sync::Mutex::default(), state: watch::Sender::new(None) });
        flights.insert(blob.to_owned(), Arc::downgrade(&flight));
        flight
    }
}

impl Flight {
    /// Waits for the turn; meanwhile `on` hears how far the one who has it is.
    pub async fn turn(&self, on: impl Fn(FileState)) -> MutexGuard<'_, ()> {
        let mut state = self.state.subscribe();
        let turn = self.turn.lock();
        tokio::pin!(turn);
        loop {
            tokio::select! {
                biased;
                guard = &mut turn => return guard,
                changed = state.changed() => if changed.is_ok() {
                    let now = *state.borrow_and_update();
                    now.into_iter().for_each(&on);
                }
            }
        }
    }

    /// Tells those who wait.
    pub fn tell(&self, state: FileState) {
        self.state.send_replace(Some(state));
    }
}

/// Waits for the lock file that Hugging Face's library uses for the same blob. `None`: the file system has no locks
/// (some network ones), and the file is written without.
///
/// # Errors
/// [`PullError::Io`] when the lock file cannot be made.
pub(crate) async fn lock(path: &Path) -> Result<Option<Arc<File>>, PullError> {
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = open.map_err(|error| PullError::disk("open", path, 0, error))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Arc::new(file))),
            Err(TryLockError::WouldBlock) => {
                if !said {
                    tracing::info!(lock = %path.display(), "another program is fetching the same file; waiting for it");
                    said = true;
                }
                sleep(POLL).await;
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(lock = %path.display(), "no lock: {error}");
                return Ok(None);
            }
        }
    }
}
