//! Forward passes: checks the batch, waits as the script says, appends the tokens, fills the logits.

use std::{sync::Arc, thread, time::Duration};

use tern_engine::{
    Batch, DecodeError, Decoder, DecoderLimits, ImageChunk, LoadOptions, Pos, SavedSequence, SeqId, Tokenizer, Wanted,
};

use crate::{
    images::Seen,
    kv::Cache,
    reply::{Place, fill_logits},
    scripts::{Fault, Settings},
    vocabulary::Vocabulary,
};

/// Prefill tokens that one [`Settings::prefill`] pays for.
const PREFILL_TOKENS: usize = 16;

/// A script that runs.
pub struct EchoDecoder {
    settings: Settings,
    limits: DecoderLimits,
    vocabulary: Arc<Vocabulary>,
    cache: Cache,
    seen: Seen,
    logits: Vec<f32>,
}

impl EchoDecoder {
    pub(crate) fn new(settings: Settings, options: &LoadOptions) -> Self {
        let kv_cells = settings.kv_cells.min(options.kv_cells);
        let limits = DecoderLimits {
            max_sequences: options.max_sequences,
            max_batch_tokens: options.max_batch_tokens as usize,
            context_length: settings.context.min(kv_cells),
            kv_cells,
            partial_sequences: true,
            saved_bytes: options.saved_bytes,
        };
        let cache = Cache::new(limits.max_sequences, kv_cells);
        Self {
            settings,
            limits,
            vocabulary: Arc::clone(Vocabulary::shared()),
            cache,
            seen: Seen::default(),
            logits: Vec::new(),
        }
    }

    /// Checks all that the contract asks, before anything changes. Returns how many tokens are prefill: all but the
    /// last of each sequence.
    fn check(&self, batch: &Batch) -> Result<usize, DecodeError> {
        let invalid = |message: String| Err(DecodeError::InvalidBatch(message));
        if batch.is_empty() {
            return invalid("no tokens".into());
        }
        if batch.len() > self.limits.max_batch_tokens {
            return invalid(format!("{} tokens, at most {}", batch.len(), self.limits.max_batch_tokens));
        }
        let vocab_size = self.vocabulary.vocab_size();
        let mut lengths = vec![None; self.limits.max_sequences as usize];
        let mut sequences = 0;
        for token in batch.tokens() {
            let held = self.cache.get(token.seq)?.tokens.len();
            let length = lengths[token.seq as usize].get_or_insert_with(|| {
                sequences += 1;
                held
            });
            if token.token as usize >= vocab_size {
                return invalid(format!("token {} outside the vocabulary of {vocab_size}", token.token));
            }
            if token.pos as usize != *length {
                return invalid(format!("sequence {}: position {}, expected {length}", token.seq, token.pos));
            }
            *length += 1;
            if *length > self.limits.context_length as usize {
                return invalid(format!("sequence {}: more than {} tokens", token.seq, self.limits.context_length));
            }
        }
        if batch.len() > self.cache.free_cells() {
            return Err(DecodeError::KvFull { needed: batch.len() });
        }
        Ok(batch.len() - sequences)
    }

    fn wait(&self, prefill_tokens: usize) {
        let pace = self.settings.step + self.settings.prefill * prefill_tokens.div_ceil(PREFILL_TOKENS) as u32;
        if pace > Duration::ZERO {
            thread::sleep(pace);
        }
    }

    /// Fails where the script says so: at the token that makes the reply this long.
    fn fail_at(&self, history: &[u32]) -> Result<(), DecodeError> {
        let (Fault::Error(after) | Fault::Panic(after)) = self.settings.fault else { return Ok(()) };
        if Place::find(&self.vocabulary, history).position != after {
            return Ok(());
        }
        let message = format!("script \"{}\" fails after {after} pieces", self.settings.id);
        if matches!(self.settings.fault, Fault::Panic(_)) {
            panic!("{message}");
        }
        Err(DecodeError::Failed(message))
    }
}

impl Decoder for EchoDecoder {
    fn limits(&self) -> DecoderLimits {
        self.limits
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        let prefill_tokens = self.check(batch)?;
        self.wait(prefill_tokens);
        let vocab_size = self.vocabulary.vocab_size();
        self.logits.resize(batch.rows() * vocab_size, 0.0);
        let mut row = 0;
        for token in batch.tokens() {
            self.cache.push(token.seq, token.token);
            if token.logits != Wanted::Nothing {
                let sequence = self.cache.get(token.seq)?;
                let history = &sequence.tokens;
                self.fail_at(history)?;
                let logits = &mut self.logits[row * vocab_size..][..vocab_size];
                fill_logits(
                    &self.vocabulary,
                    self.settings.reply,
                    history,
                    sequence.hash(history.len()),
                    &self.seen,
                    logits,
                );
                row += 1;
            }
        }
        Ok(())
    }

    fn decode_image(&mut self, seq: SeqId, pos: Pos, image: &ImageChunk) -> Result<(), DecodeError> {
        let held = self.cache.get(seq)?.tokens.len();
        if pos as usize != held {
            return Err(DecodeError::InvalidBatch(format!("sequence {seq}: an image at {pos}, expected {held}")));
        }
        if held + image.cells() > self.limits.context_length as usize {
            let message = format!("sequence {seq}: more than {} tokens", self.limits.context_length);
            return Err(DecodeError::InvalidBatch(message));
        }
        if image.cells() > self.cache.free_cells() {
            return Err(DecodeError::KvFull { needed: image.cells() });
        }
        self.seen.note(image)?;
        self.wait(image.cells());
        image.places().for_each(|place| self.cache.push(seq, place));
        Ok(())
    }

    fn logits(&self, row: usize) -> &[f32] {
        let vocab_size = self.vocabulary.vocab_size();
        &self.logits[row * vocab_size..][..vocab_size]
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        self.cache.truncate(seq, from)
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        self.cache.copy(from, to, len)
    }

    fn kv_save(&mut self, seq: SeqId) -> Result<SavedSequence, DecodeError> {
        let tokens = self.cache.get(seq)?.tokens.clone();
        Ok(SavedSequence { bytes: 4 * tokens.len() as u64, state: Box::new(tokens) })
    }

    fn kv_restore(&mut self, saved: &SavedSequence, seq: SeqId) -> Result<(), DecodeError> {
        let Some(tokens) = saved.state.downcast_ref::<Vec<u32>>() else {
            return Err(DecodeError::InvalidBatch("another engine saved this sequence".into()));
        };
        if !self.cache.get(seq)?.tokens.is_empty() {
            return Err(DecodeError::InvalidBatch(format!("sequence {seq} is not empty")));
        }
        if tokens.len() > self.cache.free_cells() {
            return Err(DecodeError::KvFull { needed: tokens.len() });
        }
        tokens.iter().for_each(|&token| self.cache.push(seq, token));
        Ok(())
    }
}
