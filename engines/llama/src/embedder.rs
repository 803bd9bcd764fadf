//! Texts to vectors, with the pooling the model was trained for.

use tern_engine::{Embedder, EngineError, Token, embed::normalize};

use crate::passes::Passes;

/// An [`Embedder`] over one llama.cpp context.
pub(crate) struct LlamaEmbedder {
    passes: Passes,
    vocab_size: usize,
    dimensions: usize,
}

impl LlamaEmbedder {
    pub(crate) fn new(passes: Passes, vocab_size: usize, dimensions: usize) -> Self {
        Self { passes, vocab_size, dimensions }
    }

    fn check(&self, inputs: &[Vec<Token>]) -> Result<(), EngineError> {
        for (i, input) in inputs.iter().enumerate() {
            if input.is_empty() {
                return Err(EngineError::Failed(format!("input {i} has no tokens")));
            }
            if input.len() > self.max_tokens() {
                return Err(EngineError::Failed(format!(
                    "input {i} has {} tokens, the model embeds at most {}",
                    input.len(),
                    self.max_tokens()
                )));
            }
            if let Some(token) = input.iter().find(|token| **token as usize >= self.vocab_size) {
                return Err(EngineError::Failed(format!(
                    "input {i}: token {token} of a vocabulary of {}",
                    self.vocab_size
                )));
            }
        }
        Ok(())
    }
}

impl Embedder for LlamaEmbedder {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn max_tokens(&self) -> usize {
        self.passes.max_tokens()
    }

    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check(inputs)?;
        let mut vectors = self.passes.run(inputs, cancelled)?;
        vectors.iter_mut().try_for_each(|vector| normalize(vector))?;
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_without_direction_is_an_error() {
        let mut vector = [3.0, 4.0];
        normalize(&mut vector).unwrap();
        assert_eq!(vector, [0.6, 0.8]);
        assert!(normalize(&mut [0.0, 0.0]).is_err());
        assert!(normalize(&mut [f32::NAN]).is_err());
    }
}
