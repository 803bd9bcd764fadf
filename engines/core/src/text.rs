//! The two traits behind every text model.

use std::any::Any;

use crate::{Batch, DecodeError, EngineError, ImageChunk, Pos, SeqId, Token};

/// Text to tokens and back. Shared between threads; every call is pure.
pub trait Tokenizer: Send + Sync {
    /// Number of tokens in the vocabulary, which is also the length of a row of logits.
    fn vocab_size(&self) -> usize;

    /// Tokenizes `text`.
    ///
    /// `add_special` adds what the model wants around a text (BOS, sometimes EOS). `parse_special` reads the
    /// spelling of control tokens (`<|im_start|>`) as those tokens; user content must be tokenized without it.
    ///
    /// # Errors
    /// `EngineError::Failed` when the engine cannot tokenize the text.
    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError>;

    /// The bytes of one token, appended to `out`; they need not be whole UTF-8 characters. Control tokens give their
    /// spelling when `special`, nothing otherwise. An id outside the vocabulary gives nothing.
    fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>);

    /// Whether generation ends at this token (EOS, end of turn, and what the model adds).
    fn is_end_of_generation(&self, token: Token) -> bool;

    /// Whether this is a control token, which is never shown.
    fn is_control(&self, token: Token) -> bool;

    /// The token a sequence begins with, if the model has one.
    fn bos(&self) -> Option<Token>;

    /// The main end-of-sequence token, if the model has one.
    fn eos(&self) -> Option<Token>;
}

/// What a [`Decoder`] can hold. Exceeding a limit is an error, never an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderLimits {
    /// Sequences are numbered `0..max_sequences`.
    pub max_sequences: u32,
    /// Most tokens in one batch.
    pub max_batch_tokens: usize,
    /// Most tokens one sequence may hold.
    pub context_length: u32,
    /// KV cells shared by all sequences. A prefix shared by [`Decoder::kv_copy`] counts once.
    pub kv_cells: u32,
    /// Whether [`Decoder::kv_truncate`] may cut a sequence anywhere and [`Decoder::kv_copy`] may copy any prefix.
    /// Recurrent models can only drop a sequence whole or copy it whole.
    pub partial_sequences: bool,
    /// Most bytes of sequences that may be kept outside the cache ([`Decoder::kv_save`]); 0 where the decoder cannot
    /// save, or saving is of no use: where idle sequences cost running ones nothing and cells are plenty.
    pub saved_bytes: u64,
}

/// A sequence outside the cache. Only the decoder that made it can read it.
pub struct SavedSequence {
    /// Bytes that it takes.
    pub bytes: u64,
    /// What the decoder keeps of it.
    pub state: Box<dyn Any + Send>,
}

/// A model that turns batches of tokens into logits, over numbered sequences with their KV cache.
///
/// Owned by one thread (the scheduler of that model), which is why it needs no lock.
pub trait Decoder: Send {
    /// The limits of this decoder; they do not change.
    fn limits(&self) -> DecoderLimits;

    /// Runs one forward pass and appends the keys and values of every token to its sequence. Blocks.
    ///
    /// The logits of the tokens that want them are then read with [`Decoder::logits`].
    ///
    /// # Errors
    /// `DecodeError::KvFull` when the cells do not suffice and `DecodeError::InvalidBatch` when the batch breaks a
    /// limit: the cache is as it was. `DecodeError::Failed`: the sequences of the batch are in an unknown state; the
    /// caller drops them.
    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError>;

    /// Computes `image` and appends it to `seq`, whose next free place is `pos`: [`ImageChunk::cells`] cells. Blocks; between
    /// two calls running answers get on, so an image that is cut into tiles comes in several. No logits are given, and those
    /// of the last batch are gone.
    ///
    /// # Errors
    /// `DecodeError::Unsupported` when the model cannot see; otherwise as [`Decoder::decode`].
    fn decode_image(&mut self, seq: SeqId, pos: Pos, image: &ImageChunk) -> Result<(), DecodeError> {
        Err(DecodeError::Unsupported(format!("this model cannot see {image:?} at {pos} of sequence {seq}")))
    }

    /// The logits `[vocab_size]` (f32, unnormalised) of row `row` of the last successful [`Decoder::decode`].
    ///
    /// # Panics
    /// If the last batch had no such row: this is a bug of the caller.
    fn logits(&self, row: usize) -> &[f32];

    /// Drops all tokens of `seq` from position `from` on; 0 frees the sequence.
    ///
    /// # Errors
    /// `DecodeError::Unsupported` when the model cannot cut a sequence there (inside an image, say), any error when there is no such sequence;
    /// the cache is as it was. Cutting at or behind the end changes nothing.
    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError>;

    /// Makes the first `len` tokens of `from` also the first of `to`, which must be empty. Cheap: shares cells
    /// where the engine can.
    ///
    /// # Errors
    /// `DecodeError::Unsupported` when the model cannot copy that prefix; any error when a sequence does not exist,
    /// `from` is shorter than `len` or `to` is not empty. The cache is as it was.
    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError>;

    /// Copies a sequence out of the cache, which stays as it is: an idle one can then be freed and brought back.
    ///
    /// # Errors
    /// `DecodeError::Unsupported` when the decoder cannot, any error when there is no such sequence.
    fn kv_save(&mut self, seq: SeqId) -> Result<SavedSequence, DecodeError> {
        Err(DecodeError::Unsupported(format!("this engine cannot save sequence {seq}")))
    }

    /// Makes `seq`, which must be empty, what was saved, whichever sequence it was saved from.
    ///
    /// # Errors
    /// `DecodeError::KvFull` when the cells do not suffice; any error when `seq` is not empty or another decoder saved
    /// it. The cache is as it was.
    fn kv_restore(&mut self, saved: &SavedSequence, seq: SeqId) -> Result<(), DecodeError> {
        let _ = saved;
        Err(DecodeError::Unsupported(format!("this engine cannot restore sequence {seq}")))
    }
}
