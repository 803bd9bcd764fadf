//! A number for a seed that nobody gave.

use std::hash::{BuildHasher, RandomState};

/// 64 random bits, from the standard library's randomly keyed hash.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(())
}
