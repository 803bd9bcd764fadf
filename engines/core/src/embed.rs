//! Text embeddings.

use crate::{EngineError, Token};

/// A model that turns a text into one vector. Owned by one thread.
pub trait Embedder: Send {
    /// Length of a vector.
    fn dimensions(&self) -> usize;

    /// Most tokens one input may have.
    fn max_tokens(&self) -> usize;

    /// Whether vectors may be shortened (Matryoshka models): the fewest dimensions that make sense, or `None`.
    fn min_dimensions(&self) -> Option<usize> {
        None
    }

    /// Embeds each input; returns one vector `[dimensions]` for each, L2-normalised, in order. Blocks.
    ///
    /// `cancelled` is asked between forward passes.
    ///
    /// # Errors
    /// `EngineError::Cancelled` when `cancelled` said so; `EngineError::Failed` when the model cannot embed an input: it
    /// is longer than `max_tokens` or has a token outside the vocabulary. The embedder can be used again after either.
    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError>;
}
