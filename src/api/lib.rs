//! All of HTTP; the only crate that knows poem.
//!
//! A dialect translates requests into a turn of `tern-chat` and the turn's events into its own frames, nothing more.
//! Read [`app`] for the routes, `openai/chat.rs` for a dialect at work, `error.rs` for what errors look like, and
//! `http/` for what lies under every endpoint.

mod anthropic;
mod app;
mod docs;
mod error;
mod http;
mod ids;
mod keys;
mod metrics;
mod names;
mod ollama;
mod openai;
mod page;
mod routes;
mod state;
mod tasks;
mod translated;
mod turns;

pub use http::{
    server::Server,
    tls::{Tls, TlsError},
};
pub use keys::{KeyHash, KeyScope, KeySettings, NewKey};
pub use names::Alias;
pub use routes::{ApiConfig, Services, app, openapi_json};
