//! Text embeddings (BitNet-embedding): the last token's vector behind the output norm, of length 1.

use tern_engine::{Batch, BatchToken, Embedder, EngineError, Token, Wanted};
use tern_ternary::floats;

use crate::forward::{Forward, Place};

/// A ternary model that embeds text.
pub(crate) struct BitnetEmbedder {
    forward: Forward,
}

impl BitnetEmbedder {
    pub fn new(forward: Forward) -> Self {
        Self { forward }
    }

    /// One input, in as many passes as it takes. Sequence 0 is empty before and after.
    fn embed_one(&mut self, tokens: &[Token], cancelled: &dyn Fn() -> bool) -> Result<Vec<f32>, EngineError> {
        let refused = |message: String| Err(EngineError::Failed(message));
        let limits = self.forward.limits;
        if tokens.is_empty() || tokens.len() > self.max_tokens() {
            return refused(format!("an input of {} tokens, expected 1 to {}", tokens.len(), self.max_tokens()));
        }
        let mut last = 0;
        for (number, chunk) in tokens.chunks(limits.max_batch_tokens).enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let mut batch = Batch::with_capacity(chunk.len());
            for (i, &token) in chunk.iter().enumerate() {
                let pos = (number * limits.max_batch_tokens + i) as u32;
                batch.push(BatchToken { token, pos, seq: 0, logits: Wanted::Nothing });
            }
            let forward = &mut self.forward;
            if let Err(error) = forward.cells.check(&batch, &limits, forward.model.graph.vocab_size) {
                return refused(error.to_string());
            }
            let place = |token: &BatchToken| Place { seq: 0, pos: token.pos, cell: forward.cells.push(0) };
            let places: Vec<_> = batch.tokens().iter().map(place).collect();
            forward.run(&batch, &places);
            last = chunk.len() - 1;
        }
        let graph = &self.forward.model.graph;
        let mut vector = vec![0.0; graph.hidden_size];
        let stream = self.forward.stream(last);
        floats::norm(self.forward.kernels, stream, &self.forward.model.output_norm, graph.norm_eps, &mut vector);
        let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        Ok(vector)
    }
}

impl Embedder for BitnetEmbedder {
    fn dimensions(&self) -> usize {
        self.forward.model.graph.hidden_size
    }

    fn max_tokens(&self) -> usize {
        self.forward.limits.context_length as usize
    }

    fn embed(&mut self, inputs: &[Vec<Token>], cancelled: &dyn Fn() -> bool) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut vectors = Vec::with_capacity(inputs.len());
        for input in inputs {
            let vector = self.embed_one(input, cancelled);
            self.forward.cells.truncate(0, 0).map_err(|error| EngineError::Failed(error.to_string()))?;
            vectors.push(vector?);
        }
        Ok(vectors)
    }
}
