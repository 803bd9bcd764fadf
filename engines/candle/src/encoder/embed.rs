//! Vectors of texts.

use tern_engine::{Embedder, EngineError, Token, embed::normalize};

use super::{batch, model::Encoder, pooling::Recipe};

/// An encoder that embeds.
pub(super) struct EncoderEmbedder {
    encoder: Encoder,
    recipe: Recipe,
    max_tokens: usize,
}

impl EncoderEmbedder {
    pub fn new(encoder: Encoder, recipe: Recipe) -> Self {
        let most = encoder.config.max_tokens();
        let max_tokens = recipe.max_tokens.map_or(most, |wanted| wanted.min(most));
        Self { encoder, recipe, max_tokens }
    }
}

impl Embedder for EncoderEmbedder {
    fn dimensions(&self) -> usize {
        self.recipe.dimensions(self.encoder.config.hidden)
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
        for (i, input) in inputs.iter().enumerate() {
            let (got, most, vocab_size) = (input.len(), self.max_tokens, self.encoder.config.vocab_size);
            if got == 0 || got > most {
                return Err(EngineError::Failed(format!("input {i} has {got} tokens, expected 1 to {most}")));
            }
            if let Some(token) = input.iter().find(|&&token| token as usize >= vocab_size) {
                return Err(EngineError::Failed(format!("input {i}: token {token} of a vocabulary of {vocab_size}")));
            }
        }
        let hidden = self.encoder.config.hidden;
        let mut vectors = Vec::with_capacity(inputs.len());
        batch::each(inputs.iter().map(|input| (&input[..], &[][..])), cancelled, |_, packed| {
            let states = self.encoder.forward(packed)?.flatten_all()?.to_vec1::<f32>()?;
            for sequence in &packed.sequences {
                let own = &states[sequence.start * hidden..sequence.end * hidden];
                vectors.push(self.recipe.apply(own, hidden)?);
            }
            Ok(())
        })?;
        vectors.iter_mut().try_for_each(|vector| normalize(vector))?;
        Ok(vectors)
    }
}
