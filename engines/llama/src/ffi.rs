//! The only module that touches llama.cpp. Names inside are upstream's (`n_ctx`, `n_batch`), so that its documentation
//! applies; what leaves is ours.
//!
//! What makes it sound:
//! - The backend is initialised once and never freed, so it outlives every model.
//! - A model is shared by `Arc` and immutable: llama.cpp reads it only (vocabulary, weights). The one exception is
//!   the creation of a context, which may write to the model; [`Context::new`] holds a lock for it.
//! - A [`Context`] owns its model's `Arc` and is dropped before it (`self_cell`). It is `Send` and not `Sync`, as
//!   llama.cpp's is: any thread may use it, one at a time.
//! - llama.cpp aborts the process where its asserts fail. The callers of this module check what they pass; each
//!   function says what.

use std::{
    num::NonZeroU32,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use llama_cpp_2::{
    DecodeError,
    context::{
        LlamaContext,
        params::{KvCacheType, LlamaContextParams, LlamaPoolingType},
        session::{LlamaStateSeqFlags, SeqState},
    },
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};
use llama_cpp_sys_2 as sys;
use tern_engine::{KvType, Pos, Progress, SeqId, Token};

mod build;
mod log;

pub(crate) use build::{system_features, version};

/// Most sequences a context can hold (`LLAMA_MAX_SEQ`).
pub(crate) const MAX_SEQUENCES: u32 = 256;

/// Stack of the thread that loads: as much as a main thread has, which is what llama.cpp is tried with.
const LOAD_STACK_BYTES: usize = 8 << 20;

/// The initialised backend. Never dropped: dropping it would free state that models use.
fn backend() -> &'static LlamaBackend {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    BACKEND.get_or_init(|| {
        log::install();
        #[cfg(feature = "dynamic-backends")]
        llama_cpp_2::llama_backend::load_backends();
        LlamaBackend::init().expect("nothing else in this process initialises llama.cpp")
    })
}

/// Why a model or a context was not made.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The caller's progress function said so.
    Cancelled,
    /// llama.cpp refused; its own words.
    Refused(String),
}

/// What llama.cpp said on this thread, or `otherwise`.
fn refusal(otherwise: &str) -> LoadError {
    let said = log::take_errors();
    LoadError::Refused(if said.is_empty() { otherwise.to_owned() } else { said })
}

/// A loaded model: weights and vocabulary. Immutable, shared between threads.
pub(crate) struct Model(LlamaModel);

impl Model {
    /// Loads `path`, memory-mapped. The header must have been checked: llama.cpp aborts on some that are wrong.
    ///
    /// llama.cpp loads on a thread of its own; `progress` is called on this one. So a panic in it cannot unwind into
    /// C++: it cancels the load and goes on here.
    pub(crate) fn load(path: &Path, n_gpu_layers: u32, progress: Progress<'_>) -> Result<Arc<Self>, LoadError> {
        let backend = backend();
        thread::scope(|scope| {
            let (share_tx, share_rx) = mpsc::channel::<f32>();
            let (answer_tx, answer_rx) = mpsc::channel::<bool>();
            let loader = thread::Builder::new().name("llama-load".into()).stack_size(LOAD_STACK_BYTES);
            let loader = loader.spawn_scoped(scope, move || {
                log::clear_errors();
                let params = LlamaModelParams::default()
                    .with_n_gpu_layers(n_gpu_layers)
                    .with_use_mmap(true)
                    .with_progress_callback(move |share| {
                        share_tx.send(share).is_ok() && answer_rx.recv().unwrap_or(false)
                    });
                LlamaModel::load_from_file(backend, path, &params)
                    .map_err(|error| refusal(&format!("llama.cpp cannot load it: {error}")))
            });
            let loader = loader.map_err(|error| LoadError::Refused(format!("cannot start a thread: {error}")))?;

            let mut cancelled = false;
            while let Ok(share) = share_rx.recv() {
                cancelled |= !progress(share);
                if answer_tx.send(!cancelled).is_err() {
                    break;
                }
            }
            match loader.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(_) if cancelled => Err(LoadError::Cancelled),
                Ok(loaded) => loaded.map(|model| Arc::new(Self(model))),
            }
        })
    }

    /// Tokens in the vocabulary.
    pub(crate) fn n_vocab(&self) -> usize {
        usize::try_from(self.0.n_vocab()).unwrap_or(0)
    }

    /// Width of an embedding.
    pub(crate) fn n_embd_out(&self) -> usize {
        usize::try_from(self.0.n_embd_out()).unwrap_or(0)
    }

    /// Context length of the training.
    pub(crate) fn n_ctx_train(&self) -> u32 {
        self.0.n_ctx_train()
    }

    /// Whether the state of a sequence is (partly) a recurrence, which cannot be cut at a position.
    pub(crate) fn has_recurrent_state(&self) -> bool {
        self.0.is_recurrent() || self.0.is_hybrid()
    }

    /// Tokenizes. `text` must be at most [`i32::MAX`]/4 bytes long: llama.cpp counts in `int`.
    /// With `add_special`, the special tokens the vocabulary wants to add must exist.
    pub(crate) fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<Token> {
        let tokens = self.0.vocab().tokenize(text.as_bytes(), add_special, parse_special);
        tokens.into_iter().map(|token| token.0 as Token).collect()
    }

    /// The bytes of a token, which must be in the vocabulary.
    pub(crate) fn piece(&self, token: Token, special: bool) -> Vec<u8> {
        self.0.vocab().token_to_piece(LlamaToken(token as i32), special, None)
    }

    /// Whether a token ends generation. It must be in the vocabulary.
    pub(crate) fn is_eog(&self, token: Token) -> bool {
        self.0.vocab().is_eog(LlamaToken(token as i32))
    }

    /// Whether a token is a control token. It must be in the vocabulary.
    pub(crate) fn is_control(&self, token: Token) -> bool {
        self.0.vocab().is_control(LlamaToken(token as i32))
    }

    /// The beginning-of-sequence token.
    pub(crate) fn bos(&self) -> Option<Token> {
        Token::try_from(self.0.vocab().bos().0).ok()
    }

    /// The end-of-sequence token.
    pub(crate) fn eos(&self) -> Option<Token> {
        Token::try_from(self.0.vocab().eos().0).ok()
    }

    /// The separator token (BERT).
    pub(crate) fn sep(&self) -> Option<Token> {
        Token::try_from(self.0.vocab().sep().0).ok()
    }

    /// Whether the vocabulary adds a BOS token.
    pub(crate) fn adds_bos(&self) -> bool {
        self.0.vocab().should_add_bos()
    }

    /// Whether the vocabulary adds an EOS token.
    pub(crate) fn adds_eos(&self) -> bool {
        self.0.vocab().should_add_eos()
    }
}

/// What the vectors of an input's tokens become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first.
    Cls,
    /// The last.
    Last,
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

self_cell::self_cell! {
    struct OwnedContext {
        owner: Arc<Model>,
        #[covariant]
        dependent: LlamaContext,
    }
}

/// The state of sequences over a model, and the buffers of a forward pass.
pub(crate) struct Context(OwnedContext);

/// A sequence copied out of a context: cells of every layer with their positions.
pub(crate) struct SequenceState(SeqState);

impl SequenceState {
    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.byte_len()
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

impl Context {
    /// Allocates the KV cache and the buffers.
    pub(crate) fn new(model: Arc<Model>, params: &ContextParams) -> Result<Self, LoadError> {
        static CREATION: Mutex<()> = Mutex::new(());
        let threads = i32::try_from(params.n_threads).unwrap_or(i32::MAX);
        let kv_type = match params.kv_type {
            KvType::F16 => KvCacheType::F16,
            KvType::Q8_0 => KvCacheType::Q8_0,
            KvType::F32 => KvCacheType::F32,
        };
        let mut raw = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(params.n_ctx))
            .with_n_batch(params.n_batch)
            .with_n_ubatch(params.n_batch)
            .with_n_seq_max(params.n_seq_max.clamp(1, MAX_SEQUENCES))
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_type_k(kv_type)
            .with_type_v(kv_type)
            // Every sequence may use every cell, and a copied prefix costs none.
            .with_kv_unified(true)
            // A window-sized cache forgets what is outside the window of the newest token, and then no sequence can
            // be cut or copied; with unified cells it is hardly smaller (window x sequences).
            .with_swa_full(true)
            .with_flash_attention_policy(match params.flash_attention {
                None => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
                Some(true) => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
                Some(false) => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
            });
        if let Some(pooling) = params.pooling {
            raw = raw.with_embeddings(true).with_pooling_type(match pooling {
                Pooling::Mean => LlamaPoolingType::Mean,
                Pooling::Cls => LlamaPoolingType::Cls,
                Pooling::Last => LlamaPoolingType::Last,
            });
        }
        // Creating two contexts of one model at once is a data race in llama.cpp.
        let _guard = CREATION.lock().unwrap_or_else(PoisonError::into_inner);
        log::clear_errors();
        OwnedContext::try_new(model, |model| model.0.new_context(backend(), raw))
            .map(Self)
            .map_err(|error| refusal(&format!("llama.cpp cannot make a context: {error}")))
    }

    fn raw(&self) -> &LlamaContext<'_> {
        self.0.borrow_dependent()
    }

    fn with_raw<T>(&mut self, f: impl FnOnce(&mut LlamaContext<'_>) -> T) -> T {
        self.0.with_dependent_mut(|_, context| f(context))
    }

    /// Cells, after llama.cpp's rounding.
    pub(crate) fn n_ctx(&self) -> u32 {
        self.raw().n_ctx()
    }

    /// Most tokens in a batch.
    pub(crate) fn n_batch(&self) -> u32 {
        self.raw().n_batch()
    }

    /// Runs a batch of 1 to `n_batch` tokens of the vocabulary, whose sequences are below `n_seq_max` and whose
    /// positions continue their sequences.
    pub(crate) fn decode(&mut self, batch: &mut TokenBatch) -> Result<(), DecodeFailure> {
        log::clear_errors();
        self.with_raw(|context| context.decode(&mut batch.0)).map_err(|error| match error {
            DecodeError::NoKvCacheSlot => DecodeFailure::Full,
            other => {
                let said = log::take_errors();
                DecodeFailure::Other(if said.is_empty() { other.to_string() } else { said })
            }
        })
    }

    /// The logits of the batch's token number `index`, which must have wanted them.
    pub(crate) fn logits(&self, index: i32) -> &[f32] {
        self.raw().get_logits_ith(index)
    }

    /// The pooled vector of a sequence of the last batch.
    pub(crate) fn pooled(&self, seq: SeqId) -> Option<&[f32]> {
        self.raw().embeddings_seq_ith(seq as i32).ok()
    }

    /// Removes positions `from..` of a sequence below `n_seq_max`; false if the model's state cannot be cut there.
    pub(crate) fn remove(&mut self, seq: SeqId, from: Pos) -> bool {
        let from = (from > 0).then_some(from);
        self.with_raw(|context| context.clear_kv_cache_seq(Some(seq), from, None)).unwrap_or(false)
    }

    /// Adds the first `len` positions of `from` to `to`, or the whole sequence if `len` is `None`. Both are below
    /// `n_seq_max`.
    pub(crate) fn copy(&mut self, from: SeqId, to: SeqId, len: Option<Pos>) -> bool {
        let start = len.map(|_| 0);
        self.with_raw(|context| context.kv_cache_seq_cp(from as i32, to as i32, start, len)).is_ok()
    }

    /// Copies a sequence below `n_seq_max` out.
    pub(crate) fn save(&self, seq: SeqId) -> Result<SequenceState, String> {
        self.raw().state_seq_get(seq as i32, LlamaStateSeqFlags::empty()).map(SequenceState).map_err(|e| e.to_string())
    }

    /// Puts what was saved into a sequence below `n_seq_max`, which must be empty; false if there are not enough cells.
    pub(crate) fn restore(&mut self, state: &SequenceState, seq: SeqId) -> bool {
        self.with_raw(|context| context.state_seq_set(&state.0, seq as i32)).is_ok()
    }

    /// The oldest position of a sequence that is still there; negative if there is none.
    pub(crate) fn oldest(&self, seq: SeqId) -> i64 {
        self.raw().kv_cache_seq_pos_min(seq as i32).into()
    }
}

/// The tokens of one call of [`Context::decode`]; memory for a fixed number of them.
pub(crate) struct TokenBatch(LlamaBatch<'static>);

impl TokenBatch {
    /// Room for `capacity` tokens.
    pub(crate) fn new(capacity: u32) -> Self {
        Self(LlamaBatch::new(capacity as usize, 1))
    }

    /// Appends a token; false when there is no room.
    #[must_use]
    pub(crate) fn push(&mut self, token: Token, pos: Pos, seq: SeqId, output: bool) -> bool {
        let (Ok(token), Ok(pos), Ok(seq)) = (i32::try_from(token), i32::try_from(pos), i32::try_from(seq)) else {
            return false;
        };
        self.0.add(LlamaToken(token), pos, &[seq], output).is_ok()
    }

    /// Tokens in it.
    pub(crate) fn len(&self) -> usize {
        self.0.n_tokens() as usize
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
