//! A context: sequences over a model, and the buffers of a forward pass.
//!
//! Made and driven through llama.cpp's C interface itself: the crate's own wrapper keeps its pointer to itself, and what decodes
//! an image ([`super::vision`]) needs it.

#![allow(unsafe_code)]

use std::{
    ptr::NonNull,
    slice,
    sync::{Arc, Mutex, PoisonError},
};

use llama_cpp_sys_2 as sys;
use tern_engine::{KvType, Pos, SeqId, Token};

use super::{LoadError, MAX_SEQUENCES, Model, log, refusal};

/// What the vectors of an input's tokens become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first.
    Cls,
    /// The last.
    Last,
    /// What the model's classifier says of the first or, in a causal model, the last: `n_cls_out` numbers.
    Rank,
}

/// How to make a context. All numbers are at least 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContextParams {
    pub(crate) n_ctx: u32,
    pub(crate) n_batch: u32,
    pub(crate) n_seq_max: u32,
    pub(crate) n_threads: u32,
    pub(crate) kv_type: KvType,
    /// `None`: llama.cpp chooses.
    pub(crate) flash_attention: Option<bool>,
    /// `Some`: the context computes embeddings, with this pooling.
    pub(crate) pooling: Option<Pooling>,
}

/// The state of sequences over a model, and the buffers of a forward pass.
pub(crate) struct Context {
    raw: NonNull<sys::llama_context>,
    /// Numbers that are pooled for a sequence.
    pooled_len: usize,
    /// Freed after the context, which is freed in `drop`.
    model: Arc<Model>,
}

// SAFETY: llama.cpp's context has no thread-local state: any thread may use it, one at a time, which `&mut` and the missing
// `Sync` see to.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `llama_init_from_model` and is freed once, here; its model is alive in `model`.
        unsafe { sys::llama_free(self.raw.as_ptr()) }
    }
}

/// A sequence copied out of a context: cells of every layer with their positions.
pub(crate) struct SequenceState(Vec<u8>);

impl SequenceState {
    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// What a decode that did not succeed was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeFailure {
    /// No cells; the cache is as it was (llama.cpp finds places for the whole batch before it computes).
    Full,
    /// Something else; llama.cpp's own words.
    Other(String),
}

impl DecodeFailure {
    /// What `llama_decode` returned, which was not 0.
    pub(super) fn of(code: i32) -> Self {
        match code {
            1 => Self::Full,
            code => {
                let said = log::take_errors();
                Self::Other(if said.is_empty() { format!("llama.cpp returned {code}") } else { said })
            }
        }
    }
}

impl Context {
    /// Allocates the KV cache and the buffers.
    pub(crate) fn new(model: Arc<Model>, params: &ContextParams) -> Result<Self, LoadError> {
        static CREATION: Mutex<()> = Mutex::new(());
        super::backend();
        let threads = i32::try_from(params.n_threads).unwrap_or(i32::MAX);
        let kv_type = match params.kv_type {
            KvType::F16 => sys::GGML_TYPE_F16,
            KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
            KvType::F32 => sys::GGML_TYPE_F32,
        };
        // SAFETY: takes nothing and returns a plain structure.
        let mut raw = unsafe { sys::llama_context_default_params() };
        raw.n_ctx = params.n_ctx;
        raw.n_batch = params.n_batch;
        raw.n_ubatch = params.n_batch;
        raw.n_seq_max = params.n_seq_max.clamp(1, MAX_SEQUENCES);
        raw.n_threads = threads;
        raw.n_threads_batch = threads;
        raw.type_k = kv_type;
        raw.type_v = kv_type;
        // Every sequence may use every cell, and a copied prefix costs none.
        raw.kv_unified = true;
        // A window-sized cache forgets what is outside the window of the newest token, and then no sequence can be cut or
        // copied; with unified cells it is hardly smaller (window x sequences).
        raw.swa_full = true;
        raw.flash_attn_type = match params.flash_attention {
            None => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            Some(true) => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            Some(false) => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        };
        if let Some(pooling) = params.pooling {
            raw.embeddings = true;
            raw.pooling_type = match pooling {
                Pooling::Mean => sys::LLAMA_POOLING_TYPE_MEAN,
                Pooling::Cls => sys::LLAMA_POOLING_TYPE_CLS,
                Pooling::Last => sys::LLAMA_POOLING_TYPE_LAST,
                Pooling::Rank => sys::LLAMA_POOLING_TYPE_RANK,
            };
        }
        let pooled_len = if params.pooling == Some(Pooling::Rank) { model.n_cls_out() } else { model.n_embd_out() };
        // Creating two contexts of one model at once is a data race in llama.cpp.
        let _guard = CREATION.lock().unwrap_or_else(PoisonError::into_inner);
        log::clear_errors();
        // SAFETY: the model is alive for as long as the context (`model`); the lock makes this the only creation, and what it
        // writes to the model (its context length) nobody reads through the C interface meanwhile.
        let context = unsafe { sys::llama_init_from_model(model.as_ptr(), raw) };
        match NonNull::new(context) {
            Some(raw) => Ok(Self { raw, pooled_len, model }),
            None => Err(refusal("llama.cpp cannot make a context")),
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_context {
        self.raw.as_ptr()
    }

    /// Cells, after llama.cpp's rounding.
    pub(crate) fn n_ctx(&self) -> u32 {
        // SAFETY: `raw` is a live context; this reads a number.
        unsafe { sys::llama_n_ctx(self.raw.as_ptr()) }
    }

    /// Most tokens in a batch.
    pub(crate) fn n_batch(&self) -> u32 {
        // SAFETY: as in `n_ctx`.
        unsafe { sys::llama_n_batch(self.raw.as_ptr()) }
    }

    /// Runs a batch of 1 to `n_batch` tokens of the vocabulary, whose sequences are below `n_seq_max` and whose
    /// positions continue their sequences.
    pub(crate) fn decode(&mut self, batch: &mut TokenBatch) -> Result<(), DecodeFailure> {
        log::clear_errors();
        // SAFETY: the context is live and ours alone (`&mut`); the batch's arrays have `n_tokens` entries, written by
        // `TokenBatch::push`; the caller keeps to what llama.cpp asserts.
        match unsafe { sys::llama_decode(self.raw.as_ptr(), batch.0) } {
            0 => Ok(()),
            code => Err(DecodeFailure::of(code)),
        }
    }

    /// The logits of the batch's token number `index`, which must have wanted them.
    pub(crate) fn logits(&self, index: i32) -> &[f32] {
        // SAFETY: the context is live; llama.cpp returns null for an index without logits.
        let row = unsafe { sys::llama_get_logits_ith(self.raw.as_ptr(), index) };
        assert!(!row.is_null(), "token {index} of the batch has no logits: a bug of the caller");
        // SAFETY: a row has as many numbers as the vocabulary, and lives until the next decode, which needs `&mut`.
        unsafe { slice::from_raw_parts(row, self.model.n_vocab()) }
    }

    /// What was pooled of a sequence of the last batch: `n_embd_out` numbers, or `n_cls_out` with [`Pooling::Rank`].
    pub(crate) fn pooled(&self, seq: SeqId) -> Option<&[f32]> {
        // SAFETY: the context is live; llama.cpp returns null for a sequence without a vector.
        let vector = unsafe { sys::llama_get_embeddings_seq(self.raw.as_ptr(), seq as i32) };
        // SAFETY: llama.cpp keeps `n_embd_out` numbers for a sequence, and `n_cls_out` with rank pooling, which is what `new` put
        // into `pooled_len`; they live until the next decode, which needs `&mut`.
        (!vector.is_null()).then(|| unsafe { slice::from_raw_parts(vector, self.pooled_len) })
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is live, and owns what this points to; null where a model keeps no cells, which the functions of
        // the memory take.
        unsafe { sys::llama_get_memory(self.raw.as_ptr()) }
    }

    /// Removes positions `from..` of a sequence below `n_seq_max`; false if the model's state cannot be cut there.
    pub(crate) fn remove(&mut self, seq: SeqId, from: Pos) -> bool {
        let (Ok(seq), Ok(from)) = (i32::try_from(seq), i32::try_from(from)) else { return false };
        let from = if from > 0 { from } else { -1 };
        // SAFETY: the memory belongs to our live context, which is ours alone; -1 stands for an open end.
        unsafe { sys::llama_memory_seq_rm(self.memory(), seq, from, -1) }
    }

    /// Adds the first `len` positions of `from` to `to`, or the whole sequence if `len` is `None`. Both are below
    /// `n_seq_max`.
    pub(crate) fn copy(&mut self, from: SeqId, to: SeqId, len: Option<Pos>) -> bool {
        let (Ok(from), Ok(to)) = (i32::try_from(from), i32::try_from(to)) else { return false };
        let (start, end) = match len.map(i32::try_from) {
            None => (-1, -1),
            Some(Ok(len)) => (0, len),
            Some(Err(_)) => return false,
        };
        // SAFETY: as in `remove`.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, start, end) };
        true
    }

    /// Copies a sequence below `n_seq_max` out.
    pub(crate) fn save(&mut self, seq: SeqId) -> Result<SequenceState, String> {
        let (context, seq) = (self.raw.as_ptr(), seq as i32);
        // SAFETY: the context is live and ours alone.
        let size = unsafe { sys::llama_state_seq_get_size_ext(context, seq, 0) };
        let mut bytes = vec![0; size];
        // SAFETY: as above; `bytes` has room for the `size` bytes that llama.cpp is told it may write.
        let written = unsafe { sys::llama_state_seq_get_data_ext(context, bytes.as_mut_ptr(), size, seq, 0) };
        if written != size {
            return Err(format!("llama.cpp saved {written} of {size} bytes"));
        }
        Ok(SequenceState(bytes))
    }

    /// Puts what was saved into a sequence below `n_seq_max`, which must be empty; false if there are not enough cells.
    pub(crate) fn restore(&mut self, state: &SequenceState, seq: SeqId) -> bool {
        let (bytes, len) = (state.0.as_ptr(), state.0.len());
        // SAFETY: the context is live and ours alone; `bytes` are `len` bytes that a context of the same model and settings wrote.
        unsafe { sys::llama_state_seq_set_data_ext(self.raw.as_ptr(), bytes, len, seq as i32, 0) == len }
    }

    /// The oldest position of a sequence that is still there; negative if there is none.
    pub(crate) fn oldest(&self, seq: SeqId) -> i64 {
        // SAFETY: as in `remove`, and this only reads.
        unsafe { sys::llama_memory_seq_pos_min(self.memory(), seq as i32) }.into()
    }
}

/// The tokens of one call of [`Context::decode`]; memory for a fixed number of them.
pub(crate) struct TokenBatch(sys::llama_batch, usize);

// SAFETY: plain arrays, reached through `&mut` only.
unsafe impl Send for TokenBatch {}

impl Drop for TokenBatch {
    fn drop(&mut self) {
        // SAFETY: made by `llama_batch_init`, freed once.
        unsafe { sys::llama_batch_free(self.0) }
    }
}

impl TokenBatch {
    /// Room for `capacity` tokens.
    pub(crate) fn new(capacity: u32) -> Self {
        let capacity = capacity.clamp(1, i32::MAX as u32);
        // SAFETY: allocates arrays for `capacity` tokens of one sequence each; no embeddings.
        Self(unsafe { sys::llama_batch_init(capacity as i32, 0, 1) }, capacity as usize)
    }

    /// Appends a token; false when there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, token: Token, pos: Pos, seq: SeqId, output: bool) -> bool {
        let (Ok(token), Ok(pos), Ok(seq)) = (i32::try_from(token), i32::try_from(pos), i32::try_from(seq)) else {
            return false;
        };
        let at = self.len();
        if at >= self.1 {
            return false;
        }
        let batch = &mut self.0;
        // SAFETY: `llama_batch_init` made each array with room for `capacity` entries and each `seq_id` with room for one;
        // `at` is below the capacity.
        unsafe {
            batch.token.add(at).write(token);
            batch.pos.add(at).write(pos);
            batch.n_seq_id.add(at).write(1);
            batch.seq_id.add(at).read().write(seq);
            batch.logits.add(at).write(i8::from(output));
        }
        batch.n_tokens += 1;
        true
    }

    /// Tokens in it.
    pub(crate) fn len(&self) -> usize {
        self.0.n_tokens as usize
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.0.n_tokens = 0;
    }
}
