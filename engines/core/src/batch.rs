//! The tokens of one forward pass.

use crate::{Pos, SeqId, Token};

/// Which logits of a token the caller will read after the pass. An engine may always compute the whole row; one whose
/// head is the larger part of a step reads less of it when the top suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// None: the token only enters the cache.
    #[default]
    Nothing,
    /// The whole row.
    Row,
    /// The largest this many, and whatever equals the least of them: these are what [`Wanted::Row`] would give, bit for
    /// bit. Any other may be `f32::NEG_INFINITY` instead. 1 or more.
    Top(u32),
}

/// One token of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchToken {
    /// What is fed in.
    pub token: Token,
    /// Where it stands in its sequence. Positions of one sequence are consecutive and start at its KV length.
    pub pos: Pos,
    /// Which sequence it extends.
    pub seq: SeqId,
    /// Which logits are wanted. Rows of logits are numbered in the order of the tokens that want any.
    pub logits: Wanted,
}

/// The tokens computed together in one forward pass, possibly of several sequences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    tokens: Vec<BatchToken>,
    rows: usize,
}

impl Batch {
    /// An empty batch with room for `capacity` tokens.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { tokens: Vec::with_capacity(capacity), rows: 0 }
    }

    /// Appends a token. Returns the number of its logits row if it wants logits.
    pub fn push(&mut self, token: BatchToken) -> Option<usize> {
        self.tokens.push(token);
        (token.logits != Wanted::Nothing).then(|| {
            self.rows += 1;
            self.rows - 1
        })
    }

    /// Appends `tokens` to `seq` from position `pos`, asking for the row of logits of the last one only.
    /// Returns the number of that row, or `None` when `tokens` is empty.
    pub fn push_run(&mut self, seq: SeqId, pos: Pos, tokens: &[Token]) -> Option<usize> {
        let mut row = None;
        for (i, &token) in tokens.iter().enumerate() {
            let logits = if i + 1 == tokens.len() { Wanted::Row } else { Wanted::Nothing };
            row = self.push(BatchToken { token, pos: pos + i as Pos, seq, logits });
        }
        row
    }

    /// The tokens in order.
    pub fn tokens(&self) -> &[BatchToken] {
        &self.tokens
    }

    /// How many rows of logits the batch asks for.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many tokens the batch holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the batch holds no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.rows = 0;
    }
}
