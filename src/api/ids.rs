//! Ids of requests and answers: unique and unguessable enough to be quoted, not secrets.

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
pub(crate) fn new(prefix: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (high, low) = (KEYS.0.hash_one(count), KEYS.1.hash_one(count));
    format!("{prefix}{high:016x}{:08x}", low as u32)
}

/// Seconds since 1970, as OpenAI's `created` fields want them.
pub(crate) fn unix_time() -> u64 {
    seconds(std::time::SystemTime::now())
}

/// Milliseconds since 1970, as what is kept has its times.
pub(crate) fn unix_time_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Seconds since 1970.
pub(crate) fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time as RFC 3339 writes it, in UTC. What no calendar has is 1970.
pub(crate) fn timestamp(time: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
