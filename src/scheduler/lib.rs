//! One thread a loaded model: it owns the engine's decoder and decides what each forward pass computes.
//!
//! What passes between the server and this thread is plain data ([`types`]): a request in, a stream of events out,
//! a cancel. Nothing here knows dialogues, HTTP or which engine it drives.

pub mod types;

pub use types::*;
