//! The tokens of one forward pass.

use crate::{Pos, SeqId, Token};

/// One token of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchToken {
    /// What is fed in.
    pub token: Token,
    /// Where it stands in its sequence. Positions of one sequence are consecutive and start at its KV length.
    pub pos: Pos,
    /// Which sequence it extends.
    pub seq: SeqId,
    /// Whether its logits are wanted. Rows of logits are numbered in the order of the tokens that want them.
    pub wants_logits: bool,
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
        token.wants_logits.then(|| {
            self.rows += 1;
            self.rows - 1
        })
    }

    /// Appends `tokens` to `seq` from position `pos`, asking for logits of the last one only.
    /// Returns the number of that row, or `None` when `tokens` is empty.
    pub fn push_run(&mut self, seq: SeqId, pos: Pos, tokens: &[Token]) -> Option<usize> {
        let mut row = None;
        for (i, &token) in tokens.iter().enumerate() {
            row = self.push(BatchToken { token, pos: pos + i as Pos, seq, wants_logits: i + 1 == tokens.len() });
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
