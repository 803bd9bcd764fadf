//! Reads GGUF files safely: metadata and the table of tensors, from a file or from its first bytes, and the values and
//! codes in the blocks of tensors.
//!
//! Nothing in a file is believed before it is checked. A hostile file costs at most the memory of the bytes it really
//! has (times a small constant, see [`limits`]), never a panic and never an allocation by a length it claims. What is
//! read here can therefore be given to C code that is less careful.
//!
//! Start at [`Header`]; [`summary`] turns one into the [`tern_engine::ModelInfo`] that the server shows.
//!
//! The format is described by ggml's `docs/gguf.md`; block sizes are those of `ggml-common.h` (llama.cpp, 2026).

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod blocks;
mod cursor;
mod engine_error;
pub mod error;
pub mod file_type;
pub mod header;
pub mod limits;
#[cfg(feature = "write")]
pub mod rewrite;
pub mod split;
pub mod summary;
pub mod tensors;
pub mod types;
pub mod value;
#[cfg(feature = "write")]
pub mod write;

pub use error::GgufError;
pub use header::Header;
pub use tensors::TensorInfo;
pub use types::TensorType;
pub use value::{Array, Value, ValueType};
