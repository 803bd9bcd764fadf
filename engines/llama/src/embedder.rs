//! Texts to vectors, with the pooling the model was trained for.

use tern_engine::{Embedder, EngineError, SeqId, Token, embed::normalize};

use crate::ffi::{Context, DecodeFailure, Pooling, TokenBatch};

/// Inputs computed together at most.
pub(crate) const SEQUENCES: u32 = 32;

/// Tokens computed together, unless one input is longer. Larger batches are no faster and need buffers that grow with
/// the vocabulary.
pub(crate) const BATCH_TOKENS: u32 = 512;

/// An [`Embedder`] over one llama.cpp context.
pub(crate) struct LlamaEmbedder {
    context: Context,
    batch: TokenBatch,
    pooling: Pooling,
    /// A token sees only those before it. Then a long input can be computed in pieces; otherwise it must fit a batch.
    causal: bool,
    vocab_size: usize,
    dimensions: usize,
    max_tokens: usize,
}

impl LlamaEmbedder {
    pub(crate) fn new(
        context: Context,
        pooling: Pooling,
        causal: bool,
        vocab_size: usize,
        dimensions: usize,
        max_tokens: u32,
    ) -> Self {
        let most = if causal { context.n_ctx() } else { context.n_batch() };
        let batch = TokenBatch::new(context.n_batch());
        let max_tokens = max_tokens.min(most) as usize;
        Self { context, batch, pooling, causal, vocab_size, dimensions, max_tokens }
    }

    fn check(&self, inputs: &[Vec<Token>]) -> Result<(), EngineError> {
        for (i, input) in inputs.iter().enumerate() {
            if input.is_empty() {
                return Err(EngineError::Failed(format!("input {i} has no tokens")));
            }
            if input.len() > self.max_tokens {
                return Err(EngineError::Failed(format!(
                    "input {i} has {} tokens, the model embeds at most {}",
                    input.len(),
                    self.max_tokens
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

    /// How many of `inputs` fit one batch; at least one.
    fn together(inputs: &[Vec<Token>]) -> usize {
        let mut tokens = 0;
        let fitting = inputs.iter().take(SEQUENCES as usize).take_while(|input| {
            tokens += input.len();
            tokens <= BATCH_TOKENS as usize
        });
        fitting.count().max(1)
    }

    fn run(&mut self) -> Result<(), EngineError> {
        self.context.decode(&mut self.batch).map_err(|failure| {
            EngineError::Failed(match failure {
                DecodeFailure::Full => format!("no cells for a batch of {} tokens", self.batch.len()),
                DecodeFailure::Other(said) => said,
            })
        })
    }

    fn pooled(&self, seq: SeqId) -> Result<&[f32], EngineError> {
        self.context.pooled(seq).ok_or_else(|| EngineError::Failed("llama.cpp pooled nothing".into()))
    }

    fn push(&mut self, seq: SeqId, start: usize, tokens: &[Token]) -> Result<(), EngineError> {
        for (i, &token) in tokens.iter().enumerate() {
            if !self.batch.push(token, (start + i) as u32, seq, true) {
                return Err(EngineError::Failed(format!("a batch of {} tokens is too long", tokens.len())));
            }
        }
        Ok(())
    }

    /// One forward pass for several inputs that fit it.
    fn embed_together(&mut self, inputs: &[Vec<Token>]) -> Result<Vec<Vec<f32>>, EngineError> {
        self.batch.clear();
        for (seq, input) in (0..).zip(inputs) {
            self.push(seq, 0, input)?;
        }
        self.run()?;
        (0..).zip(inputs).map(|(seq, _)| Ok(self.pooled(seq)?.to_vec())).collect()
    }

    /// Several forward passes for one input of a causal model, whose pooled pieces make the pooled whole.
    fn embed_in_pieces(&mut self, input: &[Token], cancelled: &dyn Fn() -> bool) -> Result<Vec<f32>, EngineError> {
        let mut whole = vec![0.0; self.dimensions];
        for (i, piece) in input.chunks(BATCH_TOKENS as usize).enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            self.batch.clear();
            self.push(0, i * BATCH_TOKENS as usize, piece)?;
            self.run()?;
            let pooled = self.pooled(0)?;
            match self.pooling {
                Pooling::Mean => {
                    let share = piece.len() as f32 / input.len() as f32;
                    whole.iter_mut().zip(pooled).for_each(|(sum, value)| *sum += value * share);
                }
                Pooling::Cls if i > 0 => {}
                Pooling::Cls | Pooling::Last => whole.copy_from_slice(pooled),
            }
        }
        Ok(whole)
    }

    fn forget(&mut self) {
        for seq in 0..SEQUENCES {
            self.context.remove(seq, 0);
        }
    }
}

impl Embedder for LlamaEmbedder {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
        self.check(inputs)?;
        let mut vectors = Vec::with_capacity(inputs.len());
        let mut rest = inputs;
        while !rest.is_empty() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let (now, later) = rest.split_at(Self::together(rest));
            // Also after a failed pass: what it left would be in the way of the next.
            self.forget();
            if self.causal && now[0].len() > BATCH_TOKENS as usize {
                vectors.push(self.embed_in_pieces(&now[0], cancelled)?);
            } else {
                vectors.extend(self.embed_together(now)?);
            }
            rest = later;
        }
        self.forget();
        vectors.iter_mut().try_for_each(|vector| normalize(vector))?;
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_share_a_batch_up_to_its_size_and_one_always_goes() {
        let of = |lengths: &[usize]| lengths.iter().map(|&n| vec![0; n]).collect::<Vec<Vec<Token>>>();
        assert_eq!(LlamaEmbedder::together(&of(&[200, 300, 13])), 2);
        assert_eq!(LlamaEmbedder::together(&of(&[2000, 3])), 1);
        assert_eq!(LlamaEmbedder::together(&of(&[1; 100])), SEQUENCES as usize);
    }

    #[test]
    fn a_vector_without_direction_is_an_error() {
        let mut vector = [3.0, 4.0];
        normalize(&mut vector).unwrap();
        assert_eq!(vector, [0.6, 0.8]);
        assert!(normalize(&mut [0.0, 0.0]).is_err());
        assert!(normalize(&mut [f32::NAN]).is_err());
    }
}
