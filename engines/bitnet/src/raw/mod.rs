//! The only module with unsafe code: threads that share a closure, a buffer they write together, a mapped file.
//!
//! What leaves it is safe to use in any way.
#![allow(unsafe_code)]

mod map;
mod pool;
mod shared;

pub(crate) use map::Map;
pub(crate) use pool::Pool;
pub(crate) use shared::{Columns, ColumnsPart, MOST_THREADS, Tiles, share};
