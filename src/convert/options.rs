//! What can be chosen, and what is told.

use tern_gguf::{TensorType, blocks::ternary::Order, rewrite::Target};

/// The type of the matrix that gives the logits. In a model with tied embeddings that is the embedding too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Head {
    /// As exact as the models are published.
    #[default]
    F16,
    /// Half the bytes.
    Q8_0,
    /// Two fifths of the bytes.
    Q6K,
}

impl Head {
    /// Its type in the file.
    pub fn kind(self) -> TensorType {
        match self {
            Self::F16 => TensorType::F16,
            Self::Q8_0 => TensorType::Q8_0,
            Self::Q6K => TensorType::Q6_K,
        }
    }
}

/// How to convert.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of a folder: the type of the head.
    pub head: Head,
    /// Of a folder: the name of the pre-tokenizer, instead of recognising it.
    pub pre: Option<String>,
    /// Of a GGUF file: the order of its I2_S codes.
    pub order: Order,
    /// Of a GGUF file: what its ternary matrices become.
    pub target: Target,
    /// Replace a file that is there.
    pub force: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { head: Head::F16, pre: None, order: Order::Blocks128, target: Target::I2s, force: false }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// The tensor that was written.
    pub what: &'a str,
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Ternary matrices made.
    pub matrices: usize,
    /// Tensors in all.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
}
