//! Batches to logits: one llama.cpp context whose sequences share their cells.
//!
//! llama.cpp aborts the process on a batch it does not like, so everything about a batch is checked here first. The
//! lengths of the sequences are kept here too: llama.cpp knows positions, and only of cells it has not reused.

use tern_engine::{Batch, DecodeError, Decoder, DecoderLimits, ImageChunk, Pos, SavedSequence, SeqId, Wanted};

use crate::{
    ffi::{Chunk, Context, DecodeFailure, SequenceState, TokenBatch},
    spans::Spans,
    vision::Encoded,
};

/// What the decoder must know of the model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelShape {
    /// Tokens in the vocabulary, and logits in a row.
    pub(crate) vocab_size: usize,
    /// Tokens a sequence may hold, as the model was trained.
    pub(crate) context_length: u32,
    /// Tokens that sliding-window layers look back at; `None` when the header does not say.
    pub(crate) window: Option<u32>,
    /// Whether sequences have a recurrent state.
    pub(crate) recurrent: bool,
    /// Most bytes of saved sequences.
    pub(crate) saved_bytes: u64,
}

/// What [`LlamaDecoder`] saves of a sequence.
struct Saved {
    state: SequenceState,
    length: Pos,
    spans: Spans,
}

/// A [`Decoder`] over one llama.cpp context.
pub(crate) struct LlamaDecoder {
    context: Context,
    batch: TokenBatch,
    shape: ModelShape,
    limits: DecoderLimits,
    /// What images were and are computed with; `None` for a model that cannot see.
    images: Option<Encoded>,
    /// Cells of each sequence.
    lengths: Vec<Pos>,
    /// The images of each sequence.
    spans: Vec<Spans>,
    /// The lengths as they would be after the batch being checked; kept for its memory.
    next: Vec<Pos>,
    /// For each row of logits, the number of its token in the last batch.
    rows: Vec<i32>,
}

impl LlamaDecoder {
    pub(crate) fn new(context: Context, shape: ModelShape, max_sequences: u32, max_batch_tokens: u32) -> Self {
        let kv_cells = context.n_ctx();
        let limits = DecoderLimits {
            max_sequences,
            max_batch_tokens: max_batch_tokens.min(context.n_batch()) as usize,
            context_length: shape.context_length.min(kv_cells),
            kv_cells,
            partial_sequences: !shape.recurrent,
            saved_bytes: shape.saved_bytes,
        };
        Self {
            batch: TokenBatch::new(context.n_batch()),
            context,
            shape,
            limits,
            images: None,
            lengths: vec![0; max_sequences as usize],
            spans: vec![Spans::default(); max_sequences as usize],
            next: Vec::with_capacity(max_sequences as usize),
            rows: Vec::new(),
        }
    }

    /// The same with a projector.
    pub(crate) fn with_images(self, images: Option<Encoded>) -> Self {
        Self { images, ..self }
    }

    /// Checks everything llama.cpp would abort on, and fills `self.batch` and `self.next`.
    fn check(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        let limits = &self.limits;
        let invalid = |what: String| Err(DecodeError::InvalidBatch(what));
        if batch.is_empty() {
            return invalid("it holds no token".into());
        }
        if batch.len() > limits.max_batch_tokens {
            return invalid(format!("{} tokens, at most {} at once", batch.len(), limits.max_batch_tokens));
        }
        self.batch.clear();
        self.next.clone_from(&self.lengths);
        for (i, entry) in batch.tokens().iter().enumerate() {
            let Some(expected) = self.next.get_mut(entry.seq as usize) else {
                return invalid(format!("token {i}: sequence {} of {}", entry.seq, limits.max_sequences));
            };
            if entry.token as usize >= self.shape.vocab_size {
                return invalid(format!("token {i}: id {} of a vocabulary of {}", entry.token, self.shape.vocab_size));
            }
            if entry.pos != *expected {
                return invalid(format!(
                    "token {i}: position {} of sequence {}, expected {expected}",
                    entry.pos, entry.seq
                ));
            }
            if entry.pos >= limits.context_length {
                return invalid(format!("token {i}: position {}, context length {}", entry.pos, limits.context_length));
            }
            *expected += 1;
            let pos = self.spans[entry.seq as usize].end_position(entry.pos);
            if !self.batch.push(entry.token, pos, entry.seq, entry.logits != Wanted::Nothing) {
                return invalid(format!("token {i} does not fit"));
            }
        }
        Ok(())
    }

    fn length(&self, seq: SeqId) -> Result<Pos, DecodeError> {
        self.lengths
            .get(seq as usize)
            .copied()
            .ok_or_else(|| DecodeError::InvalidBatch(format!("sequence {seq} of {}", self.limits.max_sequences)))
    }

    /// The model's position of place `at` of `seq`.
    fn position(&self, seq: SeqId, at: Pos) -> Result<Pos, DecodeError> {
        let inside = || DecodeError::Unsupported(format!("place {at} of sequence {seq} is inside an image"));
        self.spans[seq as usize].position(at).ok_or_else(inside)
    }

    /// Whether everything that token `len` of `seq` would look at is still there. Sliding-window layers may have
    /// reused the cells of tokens that the newest token no longer sees, and an older token would miss them.
    fn window_is_whole(&self, seq: SeqId, len: Pos) -> bool {
        let needed = self.shape.window.map_or(0, |window| i64::from(len) - i64::from(window)).max(0);
        (0..=needed).contains(&self.context.oldest(seq))
    }
}

impl Decoder for LlamaDecoder {
    fn limits(&self) -> DecoderLimits {
        self.limits
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.rows.clear();
        self.check(batch)?;
        match self.context.decode(&mut self.batch) {
            Ok(()) => {
                std::mem::swap(&mut self.lengths, &mut self.next);
                let wanted = batch.tokens().iter().zip(0..).filter(|(entry, _)| entry.logits != Wanted::Nothing);
                self.rows.extend(wanted.map(|(_, index)| index));
                Ok(())
            }
            Err(DecodeFailure::Full) => Err(DecodeError::KvFull { needed: batch.len() }),
            Err(DecodeFailure::Other(said)) => {
                // Whatever llama.cpp kept of them, the caller may only drop these sequences now, and that must work
                // whether they had tokens before or not.
                for entry in batch.tokens() {
                    let seq = entry.seq as usize;
                    self.lengths[seq] = self.lengths[seq].max(self.next[seq]);
                }
                Err(DecodeError::Failed(said))
            }
        }
    }

    fn decode_image(&mut self, seq: SeqId, pos: Pos, image: &ImageChunk) -> Result<(), DecodeError> {
        self.rows.clear();
        let length = self.length(seq)?;
        let Some(images) = &mut self.images else {
            return Err(DecodeError::Unsupported("this model has no projector for images".into()));
        };
        let Some(chunk) = image.state().downcast_ref::<Chunk>() else {
            return Err(DecodeError::InvalidBatch("another engine prepared this image".into()));
        };
        if pos != length {
            return Err(DecodeError::InvalidBatch(format!("an image at {pos} of sequence {seq}, expected {length}")));
        }
        let cells = chunk.n_tokens;
        if pos.checked_add(cells).is_none_or(|end| end > self.limits.context_length) {
            let context_length = self.limits.context_length;
            let message = format!("an image of {cells} tokens at {pos}, context length {context_length}");
            return Err(DecodeError::InvalidBatch(message));
        }
        if images.vision().is_non_causal(chunk) && cells as usize > self.limits.max_batch_tokens {
            let most = self.limits.max_batch_tokens;
            return Err(DecodeError::InvalidBatch(format!("an image of {cells} tokens, at most {most} at once")));
        }
        let embeddings = images.get(image.hash(), chunk).map_err(DecodeError::Failed)?;
        let spans = &mut self.spans[seq as usize];
        let (n_past, n_batch) = (spans.end_position(pos), self.limits.max_batch_tokens as u32);
        match images.vision().decode(&mut self.context, chunk, &embeddings, n_past, seq, n_batch) {
            Ok(()) => {
                spans.push(pos, cells, chunk.n_pos);
                self.lengths[seq as usize] = pos + cells;
                Ok(())
            }
            Err(DecodeFailure::Full) => Err(DecodeError::KvFull { needed: cells as usize }),
            Err(DecodeFailure::Other(said)) => Err(DecodeError::Failed(said)),
        }
    }

    fn logits(&self, row: usize) -> &[f32] {
        let index =
            *self.rows.get(row).unwrap_or_else(|| panic!("row {row} of {}: a bug of the caller", self.rows.len()));
        self.context.logits(index)
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        let length = self.length(seq)?;
        if from >= length {
            return Ok(());
        }
        let position = self.position(seq, from)?;
        if from > 0 {
            if self.shape.recurrent {
                return Err(DecodeError::Unsupported(format!(
                    "sequence {seq} has a recurrent state and can only be dropped whole"
                )));
            }
            if !self.window_is_whole(seq, position) {
                return Err(DecodeError::Unsupported(format!(
                    "sequence {seq} cannot be cut at {from}: its sliding window has moved on"
                )));
            }
        }
        if !self.context.remove(seq, position) {
            return Err(DecodeError::Unsupported(format!("llama.cpp cannot cut sequence {seq} at {from}")));
        }
        self.lengths[seq as usize] = from;
        self.spans[seq as usize].truncate(from);
        Ok(())
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        let (have, taken) = (self.length(from)?, self.length(to)?);
        if from == to || taken != 0 {
            return Err(DecodeError::InvalidBatch(format!(
                "sequence {to} holds {taken} tokens and cannot be copied to"
            )));
        }
        if len > have {
            return Err(DecodeError::InvalidBatch(format!("{len} tokens of sequence {from}, which holds {have}")));
        }
        if len == 0 {
            return Ok(());
        }
        let position = self.position(from, len)?;
        if self.shape.recurrent && len < have {
            return Err(DecodeError::Unsupported(format!(
                "sequence {from} has a recurrent state and can only be copied whole"
            )));
        }
        if !self.shape.recurrent && !self.window_is_whole(from, position) {
            return Err(DecodeError::Unsupported(format!(
                "{len} tokens of sequence {from} cannot be copied: its sliding window has moved on"
            )));
        }
        let part = (!self.shape.recurrent).then_some(position);
        if !self.context.copy(from, to, part) {
            return Err(DecodeError::Unsupported(format!("llama.cpp cannot copy sequence {from}")));
        }
        self.lengths[to as usize] = len;
        self.spans[to as usize] = self.spans[from as usize].clone();
        self.spans[to as usize].truncate(len);
        Ok(())
    }

    fn kv_save(&mut self, seq: SeqId) -> Result<SavedSequence, DecodeError> {
        let length = self.length(seq)?;
        let state =
            self.context.save(seq).map_err(|said| DecodeError::Unsupported(format!("sequence {seq}: {said}")))?;
        let spans = self.spans[seq as usize].clone();
        Ok(SavedSequence { bytes: state.bytes() as u64, state: Box::new(Saved { state, length, spans }) })
    }

    fn kv_restore(&mut self, saved: &SavedSequence, seq: SeqId) -> Result<(), DecodeError> {
        let Some(saved) = saved.state.downcast_ref::<Saved>() else {
            return Err(DecodeError::InvalidBatch("another engine saved this sequence".into()));
        };
        let taken = self.length(seq)?;
        if taken != 0 {
            return Err(DecodeError::InvalidBatch(format!(
                "sequence {seq} holds {taken} tokens and cannot be restored to"
            )));
        }
        // The cells are the one thing it can lack: the state is of a context of the same model and settings.
        if !self.context.restore(&saved.state, seq) {
            self.context.remove(seq, 0);
            return Err(DecodeError::KvFull { needed: saved.length as usize });
        }
        self.lengths[seq as usize] = saved.length;
        self.spans[seq as usize] = saved.spans.clone();
        Ok(())
    }
}
