//! The only module that touches llama.cpp. Names inside are upstream's (`n_ctx`, `n_batch`), so that its documentation
//! applies; what leaves is ours.
//!
//! What makes it sound:
//! - The backend is initialised once and never freed, so it outlives every model.
//! - A model is shared by `Arc` and immutable: llama.cpp reads it only (vocabulary, weights). The one exception is
//!   the creation of a context, which may write to the model; [`Context::new`] holds a lock for it.
//! - A [`Context`] and a [`Vision`] own their model's `Arc` and are freed before it. A context is `Send` and not `Sync`, as
//!   llama.cpp's is: any thread may use it, one at a time.
//! - llama.cpp aborts the process where its asserts fail. The callers of this module check what they pass; each
//!   function says what.

use std::{
    path::Path,
    sync::{Arc, OnceLock, mpsc},
    thread,
};

use llama_cpp_2::{
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};
use llama_cpp_sys_2 as sys;
use tern_engine::{Progress, Token};

mod build;
mod context;
mod log;
mod vision;

pub(crate) use build::{system_features, version};
pub(crate) use context::{Context, ContextParams, DecodeFailure, Pooling, SequenceState, TokenBatch};
pub(crate) use vision::{Chunk, Piece, Vision};

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

    /// The model of llama.cpp. It lives as long as `self`.
    #[allow(unsafe_code)]
    fn as_ptr(&self) -> *mut sys::llama_model {
        // `LlamaModel` is one pointer and shows it to nobody; its version is pinned.
        const { assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>()) };
        // SAFETY: a structure as large as its one field, the pointer to the model, has it at its beginning; a copy of a pointer
        // owns nothing.
        unsafe { std::mem::transmute_copy::<LlamaModel, *mut sys::llama_model>(&self.0) }
    }

    /// Width of what stands in a batch for a token.
    #[allow(unsafe_code)]
    pub(crate) fn n_embd_inp(&self) -> usize {
        // SAFETY: the model is live; this reads a number.
        usize::try_from(unsafe { sys::llama_model_n_embd_inp(self.as_ptr()) }).unwrap_or(0)
    }

    /// Tokens in the vocabulary.
    pub(crate) fn n_vocab(&self) -> usize {
        usize::try_from(self.0.n_vocab()).unwrap_or(0)
    }

    /// Width of an embedding.
    pub(crate) fn n_embd_out(&self) -> usize {
        usize::try_from(self.0.n_embd_out()).unwrap_or(0)
    }

    /// Numbers that a reranker's classifier puts out.
    pub(crate) fn n_cls_out(&self) -> usize {
        self.0.n_cls_out() as usize
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
