//! What can go wrong between the hub and the disk.

use std::{io, path::PathBuf, time::Duration};

use crate::reference::ReferenceError;

/// Why a file could not be fetched. Whatever was received and may still be right stays on disk: asking again resumes.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The name cannot be read.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The name is not in the built-in table.
    #[error("no model {name:?} in the built-in table{}", did_you_mean(.near))]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// `HF_HUB_OFFLINE` is set, and the cache does not have it.
    #[error("{file} is not in the cache, and HF_HUB_OFFLINE forbids asking for it; unset it or pull it beforehand")]
    Offline {
        /// What was asked for.
        file: String,
    },
    /// The hub has no such repository, revision or file.
    #[error("{file}: the hub has no such {what} ({url}){}", listing(.available))]
    NotFound {
        /// What was asked for.
        file: String,
        /// `repository`, `revision` or `file`.
        what: &'static str,
        /// The address that was asked.
        url: String,
        /// Models that the repository does have, when it was the file that is missing.
        available: Vec<String>,
    },
    /// The repository is no model that could be run as a folder.
    #[error(
        "{repo} has no config.json with model.safetensors{}", listing(.available)
    )]
    NoFolder {
        /// What was asked for.
        repo: String,
        /// GGUF files that it has, which can be asked for by name.
        available: Vec<String>,
    },
    /// The hub wants to know who asks, or has not seen the licence accepted.
    #[error(
        "{file}: the hub answered {status}: accept the licence at {page} if it asks for that, and set HF_TOKEN to a \
         token that may read it{}; a repository that does not exist answers the same", token_note(*.token_sent)
    )]
    Forbidden {
        /// What was asked for.
        file: String,
        /// 401 or 403.
        status: u16,
        /// The repository's page.
        page: String,
        /// Whether a token went with the request.
        token_sent: bool,
    },
    /// An answer that a download cannot go on from, after all attempts.
    #[error("{url}: answered {status} in attempt {attempts}; nothing of it was stored, try again later")]
    Status {
        /// The address that was asked, without its query.
        url: String,
        /// HTTP status.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// The hub asks for more patience than the settings allow.
    #[error("{url}: the hub asks to wait {} s, which is longer than {} s; try again then", .wait.as_secs(), .longest.as_secs())]
    RateLimited {
        /// The address that was asked, without its query.
        url: String,
        /// What the hub asks for.
        wait: Duration,
        /// What the settings allow.
        longest: Duration,
    },
    /// The connection failed or broke, in every attempt.
    #[error("{url}: connection failed in attempt {attempts}: {}", chain(.source))]
    Connection {
        /// The address that was asked, without its query.
        url: String,
        /// How often it was asked.
        attempts: u32,
        /// What happened last.
        source: reqwest::Error,
    },
    /// Silence for too long, in every attempt.
    #[error("{url}: nothing came for {} s in attempt {attempts}; asking again resumes", .idle.as_secs_f32())]
    Timeout {
        /// The address that was asked, without its query.
        url: String,
        /// How long nothing came.
        idle: Duration,
        /// How often it was asked.
        attempts: u32,
    },
    /// The bytes are not those the hub described. The file was removed.
    #[error("{file}: {algorithm} is {got}, expected {expected}; the file was removed, pull it again")]
    Checksum {
        /// What was fetched.
        file: String,
        /// `sha256` or `git blob sha1`.
        algorithm: &'static str,
        /// Of the bytes received.
        got: String,
        /// According to the hub.
        expected: String,
    },
    /// The answer is shorter or longer than the hub said before.
    #[error("{file}: the server sends {got} bytes, the hub announced {expected}; nothing was stored")]
    Size {
        /// What was asked for.
        file: String,
        /// What the answer holds.
        got: u64,
        /// What was announced.
        expected: u64,
    },
    /// The file was replaced on the hub between two requests, and again when it was asked for anew.
    #[error("{file}: changed on the hub during the download (from {was:?} to {now:?}); pull it again")]
    Changed {
        /// What was asked for.
        file: String,
        /// ETag at first.
        was: String,
        /// ETag then.
        now: String,
    },
    /// The hub names something that must not become a path.
    #[error("{url}: unsafe {what} {value:?} from the hub, expected {expected}; nothing was written")]
    Unsafe {
        /// The address that was asked, without its query.
        url: String,
        /// `ETag`, `commit` or `redirect`.
        what: &'static str,
        /// What it sent.
        value: String,
        /// What is acceptable.
        expected: &'static str,
    },
    /// The hub's answer lacks what a safe download needs.
    #[error("{url}: the answer has no {header}; is this a Hugging Face hub?")]
    MissingHeader {
        /// The address that was asked, without its query.
        url: String,
        /// Name of the header.
        header: &'static str,
    },
    /// The disk cannot hold it.
    #[error(
        "{}: not enough space: needs {needed} bytes{}; what was received is kept, free some space and pull again",
        .path.display(), .free.map(|free| format!(", {free} are free")).unwrap_or_default()
    )]
    NoSpace {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free, where the disk tells.
        free: Option<u64>,
        /// Where they were to go.
        path: PathBuf,
    },
    /// The disk refused something else.
    #[error("{}: cannot {doing}: {source}", .path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The caller changed its mind.
    #[error("cancelled; what was received is kept, and asking again resumes")]
    Cancelled,
    /// The HTTP client cannot be made.
    #[error("cannot set up HTTPS: {reason}")]
    Client {
        /// What is missing.
        reason: String,
    },
    /// The file is not a GGUF file, or its header is broken.
    #[error("{file}: {reason}")]
    Header {
        /// What was asked for.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => "; `tern models` lists it".to_owned(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

fn listing(available: &[String]) -> String {
    match available {
        [] => String::new(),
        names => format!("; it has {}", names.join(", ")),
    }
}

fn token_note(sent: bool) -> &'static str {
    if sent { " (the one that was sent may not)" } else { " (none was sent)" }
}

/// reqwest's own message is only the outermost layer.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl PullError {
    /// Sorts a failure of the disk: a full one is its own case.
    pub(crate) fn disk(doing: &'static str, path: impl Into<PathBuf>, needed: u64, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { needed, free: None, path },
            _ => Self::Io { doing, path, source },
        }
    }
}
