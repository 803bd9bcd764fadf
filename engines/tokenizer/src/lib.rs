//! Tokenizers for engines that do not bring their own: from a GGUF header ([`GgufTokenizer`]) and from a folder with a
//! `tokenizer.json` ([`HfTokenizer`]).
//!
//! A GGUF vocabulary is read as llama.cpp reads it, so that a model answers alike whichever engine runs it. Its two
//! algorithms are written here: byte-level BPE (`src/bpe.rs`) and SentencePiece's merging by score (`src/spm.rs`); both are
//! O(n log n) in the longest word and use no recursion. A `tokenizer.json` describes its own algorithm and is run by
//! the `tokenizers` crate.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod alphabet;
mod bpe;
mod ending;
mod error;
mod folder;
mod gguf;
mod huggingface;
mod metadata;
mod pieces;
mod places;
mod pre;
mod spelled;
mod spm;
mod wordpiece;

pub use error::TokenizerError;
pub use gguf::{GgufTokenizer, Overrides};
pub use huggingface::HfTokenizer;
pub use places::{Pair, Piece};

/// Longest text that is tokenized, in bytes: several times what fits the longest contexts there are. The llama engine
/// has the same limit.
pub const TEXT_LIMIT: usize = 8 << 20;

fn check_length(text: &str) -> Result<(), tern_engine::EngineError> {
    if text.len() <= TEXT_LIMIT {
        return Ok(());
    }
    let got = text.len();
    Err(tern_engine::EngineError::Failed(format!(
        "a text of {got} bytes is too long to tokenize, at most {TEXT_LIMIT}"
    )))
}
