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

/// Scales a vector to length 1, as [`Embedder::embed`] gives it.
///
/// # Errors
/// `EngineError::Failed` for a vector of length 0, or of none: the model computed no numbers.
pub fn normalize(vector: &mut [f32]) -> Result<(), EngineError> {
    let length = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(EngineError::Failed(format!("the model gave a vector of length {length}")));
    }
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    Ok(())
}
