//! Ids, and the clock.

pub(crate) use tern_chat::new_id as new;

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
