//! Hugging Face model folders: `config.json` and its companions, and the tensors of safetensors files.
//!
//! Nothing here knows what a model computes. Headers are checked before anything is allocated by what they say, and weights
//! are read tensor by tensor, not mapped: a file that shrinks while it is read is an error, not the end of the process.

mod error;
mod json;
pub mod ternary;
mod weights;

pub use crate::{
    error::FolderError,
    json::{Json, one_or_many, shown},
    weights::{Dtype, Tensor, Weights},
};
