//! Embeddings without a model: each token has a fixed direction, and a text is the normalised sum of its tokens'.
//! Texts that share words are therefore close, which is all that a test of a search needs.

use std::{thread, time::Duration};

use tern_engine::{Embedder, EngineError, Token, Tokenizer};

use crate::{reply::noise, scripts::Settings, vocabulary::Vocabulary};

/// Length of a vector.
pub const DIMENSIONS: usize = 64;
/// The fewest dimensions a vector may be shortened to.
pub const MIN_DIMENSIONS: usize = 16;
// The share of a token's direction that depends on where it stands, so that the order of words matters a little.
const POSITION_SHARE: f32 = 0.1;

/// The embedding script.
pub struct EchoEmbedder {
    step: Duration,
    max_tokens: usize,
    vocab_size: usize,
}

impl EchoEmbedder {
    pub(crate) fn new(settings: &Settings) -> Self {
        let vocab_size = Vocabulary::shared().vocab_size();
        Self { step: settings.step, max_tokens: settings.context as usize, vocab_size }
    }

    fn vector(&self, tokens: &[Token]) -> Vec<f32> {
        let mut vector = vec![0.0_f32; DIMENSIONS];
        for (place, &token) in tokens.iter().enumerate() {
            for (dimension, value) in vector.iter_mut().enumerate() {
                let direction = noise(token.into(), dimension as u64) - 0.5;
                let position = noise(u64::from(token) << 32 | place as u64, dimension as u64) - 0.5;
                *value += direction + POSITION_SHARE * position;
            }
        }
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= length);
        vector
    }
}

impl Embedder for EchoEmbedder {
    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn min_dimensions(&self) -> Option<usize> {
        Some(MIN_DIMENSIONS)
    }

    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut vectors = Vec::with_capacity(inputs.len());
        for (index, tokens) in inputs.iter().enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            if tokens.is_empty() || tokens.len() > self.max_tokens {
                let (got, most) = (tokens.len(), self.max_tokens);
                return Err(EngineError::Failed(format!("input {index} has {got} tokens, expected 1 to {most}")));
            }
            if let Some(token) = tokens.iter().find(|&&token| token as usize >= self.vocab_size) {
                let vocab_size = self.vocab_size;
                return Err(EngineError::Failed(format!(
                    "input {index}: token {token} outside the vocabulary of {vocab_size}"
                )));
            }
            if !self.step.is_zero() {
                thread::sleep(self.step);
            }
            vectors.push(self.vector(tokens));
        }
        Ok(vectors)
    }
}
