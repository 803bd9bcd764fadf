//! Ids and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use tern_chat::new_id as new;
use tern_store::Millis;

/// Letters and digits behind the prefix.
const LENGTH: usize = 24;

/// Whether `id` has the form of our ids.
pub(crate) fn is_ours(prefix: &str, id: &str) -> bool {
    let plain = |rest: &str| rest.len() == LENGTH && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    id.strip_prefix(prefix).is_some_and(plain)
}

/// The time of day.
pub(crate) fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}
