//! Declarations of vendor/ternary's functions, and every unsafe call of them.

pub mod arena;
pub mod floats;
pub mod ints;
pub mod memory;
pub mod peak;
pub mod sparse;
