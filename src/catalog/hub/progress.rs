//! How far a download is, and how to stop it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Asking the hub, looking at the disk, reading what an earlier attempt left.
    Checking,
    /// Bytes are coming.
    Downloading,
    /// All bytes are there; their checksum is compared and they are made durable.
    Verifying,
    /// The file has its name.
    Done,
}

/// State of a pull: all parts of a split model together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// The file it is done to, as `org/repo:file`.
    pub file: String,
    /// Bytes on disk, of all files.
    pub bytes_done: u64,
    /// Bytes of all files; 0 until the hub has been asked.
    pub bytes_total: u64,
    /// Of `bytes_done`, those that were on disk before this pull began.
    pub resumed_from: u64,
}

/// Called for every step, from the task that pulls; it should return soon.
pub type OnProgress<'a> = &'a (dyn Fn(&Progress) + Send + Sync);

/// A flag that stops a pull from anywhere. Clones are the same flag.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    /// Stops the pull at its next wait. What was received stays on disk.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was stopped.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is stopped.
    pub async fn cancelled(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// State of one file, as those who wait for the same file see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    pub stage: Stage,
    pub done: u64,
    pub resumed: u64,
}

/// Adds up the files of one pull.
pub(crate) struct Meter<'a> {
    on: OnProgress<'a>,
    total: u64,
    /// Of the files that are finished.
    done: u64,
    resumed: u64,
}

impl<'a> Meter<'a> {
    pub fn new(on: OnProgress<'a>, total: u64) -> Self {
        Self { on, total, done: 0, resumed: 0 }
    }

    pub fn report(&self, file: &str, state: FileState) {
        (self.on)(&Progress {
            stage: state.stage,
            file: file.to_owned(),
            bytes_done: self.done + state.done,
            bytes_total: self.total,
            resumed_from: self.resumed + state.resumed,
        });
    }

    /// A file is finished; `resumed` of its bytes were there before.
    pub fn add(&mut self, bytes: u64, resumed: u64) {
        self.done += bytes;
        self.resumed += resumed;
    }
}
