//! Kernels for ternary models, written in C (`vendor/ternary`), behind safe functions.
//!
//! Each function takes slices, asserts lengths, divisibility and alignment in release builds too, and calls the
//! implementation of a [`Path`]: an instruction set that this processor has. [`ints`] has the products of ternary
//! matrices with int8 vectors, exact on every path; [`floats`] has what stands between them (norms, rotary positions,
//! attention, heads), whose result for one token never depends on the other tokens of a batch.
//!
//! Nothing here knows a model, a file format other than the packing of weights, or a thread.

mod aligned;
mod ffi;
pub mod floats;
pub mod ints;
mod path;
mod peak;

pub use path::Path;
pub use peak::multiply_adds_per_second;
