//! The model under test, with the few motions the checks are made of.

use std::sync::Arc;

use super::{Failure, Load, Tolerance, comparison, options};
use crate::{
    Batch, BatchToken, DecodeError, Decoder, DecoderLimits, Pos, SavedSequence, SeqId, Token, Tokenizer, Wanted,
};

/// A loaded text model, and how long its sequences are.
pub(super) struct Subject {
    pub decoder: Box<dyn Decoder>,
    pub tokenizer: Arc<dyn Tokenizer>,
    pub limits: DecoderLimits,
    pub tolerance: Tolerance,
    // Tokens that are not control tokens, to make prompts from.
    plain: Vec<Token>,
    lengths: Vec<Pos>,
}

impl Subject {
    pub fn load(load: Load<'_>, tolerance: Tolerance) -> Result<Self, Failure> {
        let text = load(&options()).text.ok_or_else(|| Failure("the model under test generates no text".into()))?;
        let limits = text.decoder.limits();
        let vocab_size = text.tokenizer.vocab_size() as Token;
        let plain: Vec<_> = (0..vocab_size)
            .filter(|&token| !text.tokenizer.is_control(token) && !text.tokenizer.is_end_of_generation(token))
            .collect();
        let room = limits.max_sequences >= 3 && limits.max_batch_tokens >= 32 && limits.context_length >= 64;
        if !room || plain.len() < 16 {
            let needed = "3 sequences, batches of 32, a context of 64 and 16 plain tokens";
            return Err(Failure(format!("{limits:?} with {} plain tokens; the checks need {needed}", plain.len())));
        }
        let lengths = vec![0; limits.max_sequences as usize];
        Ok(Self { decoder: text.decoder, tokenizer: text.tokenizer, limits, tolerance, plain, lengths })
    }

    /// `len` tokens, the same for the same `seed`, different for others.
    pub fn prompt(&self, seed: u64, len: usize) -> Vec<Token> {
        // Knuth's linear congruential generator (MMIX); its upper bits are good enough to pick tokens.
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.plain[(state >> 33) as usize % self.plain.len()]
        };
        (0..len).map(|_| next()).collect()
    }

    pub fn len(&self, seq: SeqId) -> Pos {
        self.lengths[seq as usize]
    }

    /// Runs a batch and returns its rows of logits.
    pub fn decode(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, DecodeError> {
        self.decoder.decode(batch)?;
        for token in batch.tokens() {
            self.lengths[token.seq as usize] += 1;
        }
        Ok((0..batch.rows()).map(|row| self.decoder.logits(row).to_vec()).collect())
    }

    /// Appends tokens in as many batches as it takes; returns the logits of the last.
    pub fn feed(&mut self, seq: SeqId, tokens: &[Token]) -> Result<Vec<f32>, Failure> {
        let mut last = Vec::new();
        for chunk in tokens.chunks(self.limits.max_batch_tokens) {
            last = self.feed_together(&[(seq, chunk)])?.remove(0);
        }
        Ok(last)
    }

    /// Appends tokens of several sequences in one batch; returns the logits of the last token of each.
    pub fn feed_together(&mut self, runs: &[(SeqId, &[Token])]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut batch = Batch::default();
        for &(seq, tokens) in runs {
            batch.push_run(seq, self.len(seq), tokens);
        }
        let lengths: Vec<_> = runs.iter().map(|run| run.1.len()).collect();
        self.decode(&batch).map_err(|error| Failure(format!("decode of runs of {lengths:?} tokens: {error}")))
    }

    /// A batch of `tokens` behind what `seq` holds, without running it.
    pub fn batch(&self, seq: SeqId, tokens: &[Token]) -> Batch {
        let mut batch = Batch::default();
        batch.push_run(seq, self.len(seq), tokens);
        batch
    }

    /// One token that wants logits.
    pub fn token(token: Token, pos: Pos, seq: SeqId) -> BatchToken {
        BatchToken { token, pos, seq, logits: Wanted::Row }
    }

    pub fn truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), Failure> {
        let outcome = self.decoder.kv_truncate(seq, from);
        outcome.map_err(|error| Failure(format!("kv_truncate of sequence {seq} from {from}: {error}")))?;
        self.lengths[seq as usize] = self.len(seq).min(from);
        Ok(())
    }

    pub fn copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), Failure> {
        let outcome = self.decoder.kv_copy(from, to, len);
        outcome.map_err(|error| Failure(format!("kv_copy of {len} tokens of sequence {from} to {to}: {error}")))?;
        self.lengths[to as usize] = len;
        Ok(())
    }

    pub fn save(&mut self, seq: SeqId) -> Result<SavedSequence, Failure> {
        self.decoder.kv_save(seq).map_err(|error| Failure(format!("kv_save of sequence {seq}: {error}")))
    }

    /// Restores a sequence of `len` tokens.
    pub fn restore(&mut self, saved: &SavedSequence, seq: SeqId, len: Pos) -> Result<(), Failure> {
        let outcome = self.decoder.kv_restore(saved, seq);
        outcome.map_err(|error| Failure(format!("kv_restore of {len} tokens to sequence {seq}: {error}")))?;
        self.lengths[seq as usize] = len;
        Ok(())
    }

    pub fn agree(&self, what: &str, got: &[f32], expected: &[f32]) -> Result<(), Failure> {
        comparison::agree(what, got, expected, self.tolerance)
    }
}

/// The logits after `tokens`, from a model that has seen nothing else.
pub(super) fn fresh(load: Load<'_>, tolerance: Tolerance, tokens: &[Token]) -> Result<Vec<f32>, Failure> {
    Subject::load(load, tolerance)?.feed(0, tokens)
}
