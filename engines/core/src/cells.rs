//! Which cells of the KV cache hold what. A cell is one token's place; sequences that share a prefix share its cells.
//!
//! Sequences are lists of cells, so copying a prefix copies a list and no keys or values.

use crate::{Batch, DecodeError, DecoderLimits, Pos, SeqId};

/// The sequences, and how many of them use each cell.
#[derive(Debug)]
pub struct Cells {
    sequences: Vec<Vec<u32>>,
    uses: Vec<u32>,
    // Highest first, so that a fresh sequence gets neighbouring cells and reads them in order.
    free: Vec<u32>,
    // Scratch of `check`: the length each sequence would have; 0 means not met yet.
    lengths: Vec<u32>,
}

impl Cells {
    /// All free.
    pub fn new(limits: &DecoderLimits) -> Self {
        let sequences = limits.max_sequences as usize;
        // All memory now, so that decoding allocates nothing.
        let longest = limits.context_length as usize;
        Self {
            sequences: (0..sequences).map(|_| Vec::with_capacity(longest)).collect(),
            uses: vec![0; limits.kv_cells as usize],
            free: (0..limits.kv_cells).rev().collect(),
            lengths: vec![0; sequences],
        }
    }

    /// The cells of a sequence, by position.
    pub fn of(&self, seq: SeqId) -> &[u32] {
        &self.sequences[seq as usize]
    }

    /// How many cells there are, free or not.
    pub fn capacity(&self) -> usize {
        self.uses.len()
    }

    fn existing(&self, seq: SeqId) -> Result<&[u32], DecodeError> {
        let cells = self.sequences.get(seq as usize);
        cells.map(Vec::as_slice).ok_or_else(|| {
            DecodeError::InvalidBatch(format!(
                "sequence {seq}, but they are numbered 0 to {}",
                self.sequences.len() - 1
            ))
        })
    }

    /// Checks all that the contract asks of a batch, before anything changes.
    pub fn check(&mut self, batch: &Batch, limits: &DecoderLimits, vocab_size: usize) -> Result<(), DecodeError> {
        let invalid = |message: String| Err(DecodeError::InvalidBatch(message));
        if batch.is_empty() {
            return invalid("no tokens".into());
        }
        if batch.len() > limits.max_batch_tokens {
            return invalid(format!("{} tokens, at most {}", batch.len(), limits.max_batch_tokens));
        }
        self.lengths.fill(0);
        for token in batch.tokens() {
            let held = self.existing(token.seq)?.len() as u32;
            if token.token as usize >= vocab_size {
                return invalid(format!("token {} outside the vocabulary of {vocab_size}", token.token));
            }
            let length = &mut self.lengths[token.seq as usize];
            *length = (*length).max(held);
            if token.pos != *length {
                return invalid(format!("sequence {}: position {}, expected {length}", token.seq, token.pos));
            }
            if *length >= limits.context_length {
                return invalid(format!("sequence {}: more than {} tokens", token.seq, limits.context_length));
            }
            *length += 1;
        }
        if batch.len() > self.free.len() {
            return Err(DecodeError::KvFull { needed: batch.len() });
        }
        Ok(())
    }

    /// Appends a place to a sequence of a batch that was checked.
    pub fn push(&mut self, seq: SeqId) -> u32 {
        let cell = self.free.pop().expect("`check` counts the free cells; running out here is a bug of it");
        self.uses[cell as usize] = 1;
        self.sequences[seq as usize].push(cell);
        cell
    }

    /// Drops what lies behind `from`.
    pub fn truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        let from = (from as usize).min(self.existing(seq)?.len());
        let cells = &mut self.sequences[seq as usize];
        // The last first: the next sequence then gets them in order.
        while cells.len() > from
            && let Some(cell) = cells.pop()
        {
            let uses = &mut self.uses[cell as usize];
            *uses -= 1;
            if *uses == 0 {
                self.free.push(cell);
            }
        }
        Ok(())
    }

    /// Shares the first `len` cells of `from` with `to`, which is empty.
    pub fn copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        let len = len as usize;
        let (holds, occupied) = (self.existing(from)?.len(), self.existing(to)?.len());
        let refused = |message: String| Err(DecodeError::InvalidBatch(message));
        if from == to || occupied > 0 {
            return refused(format!("copy to sequence {to}, which holds {occupied} tokens already"));
        }
        if len > holds {
            return refused(format!("copy of {len} tokens of sequence {from}, which holds {holds}"));
        }
        let mut copy = std::mem::take(&mut self.sequences[to as usize]);
        copy.extend_from_slice(&self.sequences[from as usize][..len]);
        copy.iter().for_each(|&cell| self.uses[cell as usize] += 1);
        self.sequences[to as usize] = copy;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(count: u32) -> Cells {
        Cells::new(&DecoderLimits {
            max_sequences: 2,
            max_batch_tokens: 8,
            context_length: count,
            kv_cells: count,
            partial_sequences: true,
            saved_bytes: 0,
        })
    }

    fn fill(cells: &mut Cells, count: usize) {
        for _ in 0..count {
            cells.push(0);
        }
    }

    #[test]
    fn a_shared_prefix_counts_once_and_lives_until_its_last_user_goes() {
        let mut cells = cells(8);
        fill(&mut cells, 6);
        cells.copy(0, 1, 4).unwrap();
        assert_eq!(cells.free.len(), 2);
        cells.truncate(0, 0).unwrap();
        assert_eq!((cells.free.len(), cells.of(1)), (4, &[0, 1, 2, 3][..]));
        cells.truncate(1, 0).unwrap();
        assert_eq!(cells.free.len(), 8);
    }

    #[test]
    fn freed_cells_are_given_out_in_order_again() {
        let mut cells = cells(8);
        fill(&mut cells, 5);
        cells.truncate(0, 2).unwrap();
        fill(&mut cells, 3);
        assert_eq!(cells.of(0), [0, 1, 2, 3, 4]);
    }
}
