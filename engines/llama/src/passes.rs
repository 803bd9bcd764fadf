//! Forward passes over texts of which something is pooled: a vector, or what a reranker's classifier says.

use tern_engine::{EngineError, SeqId, Token};

use crate::ffi::{Context, DecodeFailure, Pooling, TokenBatch};

/// Texts computed together at most.
pub(crate) const SEQUENCES: u32 = 32;

/// Tokens computed together, unless one text is longer. Larger batches are no faster and need buffers that grow with
/// the vocabulary.
pub(crate) const BATCH_TOKENS: u32 = 512;

/// One llama.cpp context that pools.
pub(crate) struct Passes {
    context: Context,
    batch: TokenBatch,
    pooling: Pooling,
    /// A token sees only those before it. Then a long text can be computed in pieces; otherwise it must fit a batch.
    causal: bool,
    max_tokens: usize,
}

impl Passes {
    /// Over a context that pools by `pooling`, for texts of at most `max_tokens`, or fewer if the context has no room.
    pub(crate) fn new(context: Context, pooling: Pooling, causal: bool, max_tokens: u32) -> Self {
        let most = if causal { context.n_ctx() } else { context.n_batch() };
        let batch = TokenBatch::new(context.n_batch());
        let max_tokens = max_tokens.min(most) as usize;
        Self { context, batch, pooling, causal, max_tokens }
    }

    /// Most tokens of one text.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// What is pooled of each text, in order. Each must have 1 to `max_tokens` tokens of the vocabulary. `cancelled` is
    /// asked before each pass; after an error the next call begins anew.
    ///
    /// # Errors
    /// `Cancelled`, `Failed`.
    pub(crate) fn run(
        &mut self,
        texts: &[Vec<Token>],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut found = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let (now, later) = rest.split_at(together(rest));
            // Also after a failed pass: what it left would be in the way of the next.
            self.forget();
            if self.causal && now[0].len() > BATCH_TOKENS as usize {
                found.push(self.in_pieces(&now[0], cancelled)?);
            } else {
                found.extend(self.at_once(now)?);
            }
            rest = later;
        }
        self.forget();
        Ok(found)
    }

    /// One forward pass for several texts that fit it.
    fn at_once(&mut self, texts: &[Vec<Token>]) -> Result<Vec<Vec<f32>>, EngineError> {
        self.batch.clear();
        for (seq, text) in (0..).zip(texts) {
            self.push(seq, 0, text)?;
        }
        self.decode()?;
        (0..).zip(texts).map(|(seq, _)| Ok(self.pooled(seq)?.to_vec())).collect()
    }

    /// Several forward passes for one text of a causal model, whose pooled pieces make the pooled whole.
    fn in_pieces(&mut self, text: &[Token], cancelled: &dyn Fn() -> bool) -> Result<Vec<f32>, EngineError> {
        let mut whole = Vec::new();
        for (i, piece) in text.chunks(BATCH_TOKENS as usize).enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            self.batch.clear();
            self.push(0, i * BATCH_TOKENS as usize, piece)?;
            self.decode()?;
            let pooled = self.pooled(0)?;
            whole.resize(pooled.len(), 0.0);
            match self.pooling {
                Pooling::Mean => {
                    let share = piece.len() as f32 / text.len() as f32;
                    whole.iter_mut().zip(pooled).for_each(|(sum, value)| *sum += value * share);
                }
                Pooling::Cls if i > 0 => {}
                Pooling::Cls | Pooling::Last | Pooling::Rank => whole.copy_from_slice(pooled),
            }
        }
        Ok(whole)
    }

    fn push(&mut self, seq: SeqId, start: usize, tokens: &[Token]) -> Result<(), EngineError> {
        for (i, &token) in tokens.iter().enumerate() {
            if !self.batch.push(token, (start + i) as u32, seq, true) {
                return Err(EngineError::Failed(format!("a batch of {} tokens is too long", tokens.len())));
            }
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<(), EngineError> {
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

    fn forget(&mut self) {
        for seq in 0..SEQUENCES {
            self.context.remove(seq, 0);
        }
    }
}

/// How many of `texts` fit one batch; at least one.
fn together(texts: &[Vec<Token>]) -> usize {
    let mut tokens = 0;
    let fitting = texts.iter().take(SEQUENCES as usize).take_while(|text| {
        tokens += text.len();
        tokens <= BATCH_TOKENS as usize
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_share_a_batch_up_to_its_size_and_one_always_goes() {
        let of = |lengths: &[usize]| lengths.iter().map(|&n| vec![0; n]).collect::<Vec<Vec<Token>>>();
        assert_eq!(together(&of(&[200, 300, 13])), 2);
        assert_eq!(together(&of(&[2000, 3])), 1);
        assert_eq!(together(&of(&[1; 100])), SEQUENCES as usize);
    }
}
