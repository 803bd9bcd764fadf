//! Files from a Hugging Face hub: described, fetched by ranges that resume, checked, and put where other programs
//! find them too.
//!
//! The order of a download: a HEAD request gives commit, hash and size ([`remote`](self)); nothing is believed that
//! could lead out of the cache. Space is looked at before anything is written. The bytes grow in
//! `blobs/ETAG.incomplete` under a lock; an interrupted one goes on where it was. Only when size and hash are right
//! does the file get its name, and the snapshot its link.
//!
//! The token goes to the hub's own scheme, host and port, and to no other.

pub(crate) mod cache;
mod download;
mod error;
mod http;
mod lock;
mod partial;
mod progress;
mod remote;
mod settings;
mod transfer;

pub use error::PullError;
pub use http::tls;
pub use progress::{Cancel, OnProgress, Progress, Stage};
pub use settings::{DEFAULT_ENDPOINT, FreeSpace, Retry, Settings, SettingsError, Token};

use http::Http;
use lock::Flights;

/// A client of one hub and one cache.
pub(crate) struct Hub {
    http: Http,
    flights: Flights,
}

impl Hub {
    pub fn new(settings: Settings) -> Self {
        Self { http: Http::new(settings), flights: Flights::default() }
    }

    pub fn settings(&self) -> &Settings {
        &self.http.settings
    }
}
