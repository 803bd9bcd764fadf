//! Which cells of the KV cache hold what. A cell is one token's place; sequences that share a prefix share its cells.

use tern_engine::{DecodeError, Pos, SeqId, Token};

use crate::reply::extend_hash;

/// One sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence {
    /// The tokens it holds.
    pub tokens: Vec<Token>,
    // For each token the hash of the history up to and with it, so that logits of any prefix cost no pass over it.
    hashes: Vec<u64>,
    cells: Vec<u32>,
}

impl Sequence {
    /// The hash of the first `len` tokens.
    pub fn hash(&self, len: usize) -> u64 {
        len.checked_sub(1).map_or(0, |last| self.hashes[last])
    }
}

/// The cache: sequences, and how many of them use each cell.
#[derive(Debug)]
pub(crate) struct Cache {
    sequences: Vec<Sequence>,
    uses: Vec<u32>,
    free: Vec<u32>,
}

impl Cache {
    pub fn new(sequences: u32, cells: u32) -> Self {
        Self {
            sequences: vec![Sequence::default(); sequences as usize],
            uses: vec![0; cells as usize],
            free: (0..cells).rev().collect(),
        }
    }

    pub fn free_cells(&self) -> usize {
        self.free.len()
    }

    pub fn get(&self, seq: SeqId) -> Result<&Sequence, DecodeError> {
        self.sequences.get(seq as usize).ok_or_else(|| {
            DecodeError::InvalidBatch(format!(
                "sequence {seq}, but they are numbered 0 to {}",
                self.sequences.len() - 1
            ))
        })
    }

    /// Appends a token. The caller has checked that a cell is free.
    pub fn push(&mut self, seq: SeqId, token: Token) {
        let cell = self.free.pop().expect("decode counts the free cells first; running out here is a bug of it");
        self.uses[cell as usize] = 1;
        let sequence = &mut self.sequences[seq as usize];
        let hash = extend_hash(sequence.hash(sequence.tokens.len()), token);
        sequence.tokens.push(token);
        sequence.hashes.push(hash);
        sequence.cells.push(cell);
    }

    pub fn truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        self.get(seq)?;
        let sequence = &mut self.sequences[seq as usize];
        let from = (from as usize).min(sequence.tokens.len());
        sequence.tokens.truncate(from);
        sequence.hashes.truncate(from);
        for cell in sequence.cells.drain(from..) {
            let uses = &mut self.uses[cell as usize];
            *uses -= 1;
            if *uses == 0 {
                self.free.push(cell);
            }
        }
        Ok(())
    }

    pub fn copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        let len = len as usize;
        let source = self.get(from)?;
        let holds = source.tokens.len();
        if len > holds {
            return Err(DecodeError::Unsupported(format!(
                "copy of {len} tokens of sequence {from}, which holds {holds}"
            )));
        }
        let occupied = self.get(to)?.tokens.len();
        if occupied > 0 {
            return Err(DecodeError::Unsupported(format!(
                "copy to sequence {to}, which holds {occupied} tokens already"
            )));
        }
        let copy = Sequence {
            tokens: source.tokens[..len].to_vec(),
            hashes: source.hashes[..len].to_vec(),
            cells: source.cells[..len].to_vec(),
        };
        for &cell in &copy.cells {
            self.uses[cell as usize] += 1;
        }
        self.sequences[to as usize] = copy;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_prefix_counts_once_and_lives_until_its_last_user_goes() {
        let mut cache = Cache::new(2, 8);
        for token in 0..6 {
            cache.push(0, token);
        }
        cache.copy(0, 1, 4).unwrap();
        assert_eq!(cache.free_cells(), 2);
        cache.truncate(0, 0).unwrap();
        assert_eq!(cache.free_cells(), 4);
        assert_eq!(cache.get(1).unwrap().tokens, [0, 1, 2, 3]);
        cache.truncate(1, 0).unwrap();
        assert_eq!(cache.free_cells(), 8);
    }

    #[test]
    fn a_copy_that_cannot_be_made_leaves_the_cache_alone() {
        let mut cache = Cache::new(2, 8);
        cache.push(0, 1);
        cache.push(1, 2);
        assert!(matches!(cache.copy(0, 1, 1), Err(DecodeError::Unsupported(_))));
        cache.truncate(1, 0).unwrap();
        assert!(matches!(cache.copy(0, 1, 2), Err(DecodeError::Unsupported(_))));
        assert!(matches!(cache.copy(0, 2, 1), Err(DecodeError::InvalidBatch(_))));
        assert_eq!(cache.free_cells(), 7);
    }
}
