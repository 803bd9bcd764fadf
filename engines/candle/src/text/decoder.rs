//! The contract over the forward pass.

use tern_engine::{Batch, Cells, DecodeError, Decoder, DecoderLimits, Pos, SeqId, Wanted};

use super::forward::Forward;
use crate::source::plain;

/// A decoder-only model that generates text.
pub(crate) struct TextDecoder {
    forward: Forward,
    limits: DecoderLimits,
    cells: Cells,
    /// `[rows][vocab_size]`
    logits: Vec<f32>,
    rows: usize,
}

impl TextDecoder {
    pub fn new(forward: Forward, limits: DecoderLimits) -> Self {
        Self { cells: Cells::new(&limits), forward, limits, logits: Vec::new(), rows: 0 }
    }

    fn run(&mut self, batch: &Batch) -> candle_core::Result<()> {
        let rows = batch.tokens().iter().enumerate().filter(|(_, token)| token.logits != Wanted::Nothing);
        let wanted: Vec<u32> = rows.map(|(row, _)| row as u32).collect();
        if let Some(hidden) = self.forward.run(batch, &self.cells, &wanted)? {
            self.logits = self.forward.model.head.forward(&hidden)?.flatten_all()?.to_vec1()?;
        }
        self.rows = wanted.len();
        Ok(())
    }
}

impl Decoder for TextDecoder {
    fn limits(&self) -> DecoderLimits {
        self.limits
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.rows = 0;
        self.cells.check(batch, &self.limits, self.forward.model.config.vocab_size)?;
        for token in batch.tokens() {
            self.cells.push(token.seq);
        }
        self.run(batch).map_err(|error| DecodeError::Failed(plain(&error)))
    }

    fn logits(&self, row: usize) -> &[f32] {
        assert!(row < self.rows, "row {row} of {}: a bug of the caller", self.rows);
        let vocab_size = self.forward.model.config.vocab_size;
        &self.logits[row * vocab_size..][..vocab_size]
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        self.cells.truncate(seq, from)
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        self.cells.copy(from, to, len)
    }
}
