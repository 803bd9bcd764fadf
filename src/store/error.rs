//! What can go wrong with a store.

use std::{io, path::PathBuf};

/// Why a call of the store failed. Nothing that was stored before is harmed by any of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none of this id (any more).
    #[error("there is no {what} {id}")]
    NotFound {
        /// `conversation`, `message`, `attachment` or `comparison`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The id is taken.
    #[error("{what} {id} exists already")]
    Conflict {
        /// What was to be added.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A message would come before itself, or is to move below another parent.
    #[error("message {id} cannot be put below its parent: it would come before itself, or move")]
    Misplaced {
        /// Its id.
        id: String,
    },
    /// Another process has the store open.
    #[error("{} is in use by another tern server; stop it, or choose another --data-dir", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} has schema version {found}; this version of tern reads up to {known}. Update tern, or choose another --data-dir", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The disk is full.
    #[error("the disk of {} is full", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is damaged, or is none of ours.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The index of words failed; everything but searching works.
    #[error("the search index failed: {0}")]
    Index(String),
}
