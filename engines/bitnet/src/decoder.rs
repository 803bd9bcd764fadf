//! Text generation: the contract over the forward pass and the head.

use tern_engine::{Batch, DecodeError, Decoder, DecoderLimits, Pos, SeqId, Wanted};
use tern_ternary::floats;

use crate::{
    forward::{Forward, Place},
    head::Rows,
};

/// A ternary model that generates text.
pub(crate) struct BitnetDecoder {
    forward: Forward,
    places: Vec<Place>,
    /// The normalised vectors that the head reads, `[rows][hidden]`.
    hidden: Vec<f32>,
    wanted: Vec<Wanted>,
    logits: Vec<f32>,
    rows: usize,
}

impl BitnetDecoder {
    pub fn new(forward: Forward) -> Self {
        let (tokens, sequences) = (forward.limits.max_batch_tokens, forward.limits.max_sequences as usize);
        let graph = &forward.model.graph;
        Self {
            places: Vec::with_capacity(tokens),
            hidden: Vec::with_capacity(sequences * graph.hidden_size),
            wanted: Vec::with_capacity(sequences),
            logits: Vec::with_capacity(sequences * graph.vocab_size),
            rows: 0,
            forward,
        }
    }
}

impl Decoder for BitnetDecoder {
    fn limits(&self) -> DecoderLimits {
        self.forward.limits
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        let forward = &mut self.forward;
        let (hidden_size, vocab_size) = (forward.model.graph.hidden_size, forward.model.graph.vocab_size);
        self.rows = 0;
        forward.cells.check(batch, &forward.limits, vocab_size)?;
        self.places.clear();
        for token in batch.tokens() {
            let cell = forward.cells.push(token.seq);
            self.places.push(Place { seq: token.seq, pos: token.pos, cell });
        }
        forward.run(batch, &self.places);

        self.hidden.clear();
        self.wanted.clear();
        for (t, token) in batch.tokens().iter().enumerate().filter(|(_, token)| token.logits != Wanted::Nothing) {
            let begin = self.hidden.len();
            self.hidden.resize(begin + hidden_size, 0.0);
            let out = &mut self.hidden[begin..];
            floats::norm(
                forward.kernels,
                forward.stream(t),
                &forward.model.output_norm,
                forward.model.graph.norm_eps,
                out,
            );
            self.wanted.push(token.logits);
        }
        if self.wanted.is_empty() {
            return Ok(());
        }
        let Forward { model, pool, kernels, .. } = forward;
        let head = model.head.as_mut().expect("a model that generates has a head");
        self.logits.resize(self.wanted.len() * vocab_size, 0.0);
        head.run(*kernels, pool, Rows { hidden: &self.hidden, wanted: &self.wanted }, &mut self.logits);
        self.rows = self.wanted.len();
        Ok(())
    }

    fn logits(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "row {row} of {}: a bug of the caller", self.rows);
        let vocab_size = self.forward.model.graph.vocab_size;
        &self.logits[row * vocab_size..][..vocab_size]
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        self.forward.cells.truncate(seq, from)
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        self.forward.cells.copy(from, to, len)
    }
}
