//! Ids and the clock.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use tern_store::Millis;

static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Letters and digits behind the prefix.
const LENGTH: usize = 24;

/// A new id: `prefix` and 24 hexadecimal digits. The standard library's randomly keyed hash of a counter, so that ids of
/// two runs do not meet.
pub(crate) fn new(prefix: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (KEYS.0.hash_one(count), KEYS.1.hash_one(count));
    format!("{prefix}{high:016x}{:08x}", low as u32)
}

/// Whether `id` has the form of our ids.
pub(crate) fn is_ours(prefix: &str, id: &str) -> bool {
    let plain = |rest: &str| rest.len() == LENGTH && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    id.strip_prefix(prefix).is_some_and(plain)
}

/// The time of day.
pub(crate) fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}
