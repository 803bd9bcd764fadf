//! Ids of requests, answers, calls and conversations: unique and unguessable enough to be quoted, not secrets.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A new id: `prefix` and 24 hexadecimal digits. The standard library's randomly keyed hash of a counter, so that ids
/// of two runs do not meet.
pub fn new_id(prefix: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (KEYS.0.hash_one(count), KEYS.1.hash_one(count));
    format!("{prefix}{high:016x}{:08x}", low as u32)
}
