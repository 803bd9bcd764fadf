//! A projector (mmproj) beside its model: pixels to chunks, chunks to embeddings, embeddings into a sequence (llama.cpp's mtmd).
//!
//! Pixels come in decoded; llama.cpp's own readers of image files are never called.

#![allow(unsafe_code)]

use std::{
    ffi::CString,
    path::Path,
    ptr::{self, NonNull},
    slice,
    sync::{Arc, Mutex, PoisonError},
};

use llama_cpp_sys_2 as sys;
use tern_engine::{Pos, SeqId, Token, tasks::Image};

use super::{Context, DecodeFailure, LoadError, Model, log, refusal};

/// A loaded projector.
pub(crate) struct Vision {
    raw: NonNull<sys::mtmd_context>,
    /// Encoding writes to the context, one at a time.
    encoding: Mutex<()>,
    /// The projector reads its vocabulary, so it must live as long.
    model: Arc<Model>,
}

// SAFETY: mtmd.h calls tokenizing thread-safe on a shared context; encoding takes the lock; nothing else is called.
unsafe impl Send for Vision {}
// SAFETY: as above.
unsafe impl Sync for Vision {}

impl Drop for Vision {
    fn drop(&mut self) {
        // SAFETY: made by `mtmd_init_from_file`, freed once; its model is alive in `model`.
        unsafe { sys::mtmd_free(self.raw.as_ptr()) }
    }
}

/// A part of what an image becomes.
pub(crate) enum Piece {
    /// Tokens around and between.
    Tokens(Vec<Token>),
    /// An image, or a tile of it.
    Image(Chunk),
}

/// An image or a tile, resized and normalised.
pub(crate) struct Chunk {
    raw: NonNull<sys::mtmd_input_chunk>,
    /// Embeddings it becomes, one a KV cell.
    pub(crate) n_tokens: u32,
    /// Positions it takes: fewer than cells where positions have two dimensions (M-RoPE).
    pub(crate) n_pos: u32,
}

// SAFETY: a chunk is data that nothing changes after it was made.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: made by `mtmd_input_chunk_copy`, which gives it to us; freed once.
        unsafe { sys::mtmd_input_chunk_free(self.raw.as_ptr()) }
    }
}

/// The chunks of one call of `mtmd_tokenize`, freed with all that is in them.
struct Chunks(NonNull<sys::mtmd_input_chunks>);

impl Drop for Chunks {
    fn drop(&mut self) {
        // SAFETY: made by `mtmd_input_chunks_init`, freed once.
        unsafe { sys::mtmd_input_chunks_free(self.0.as_ptr()) }
    }
}

struct Bitmap(NonNull<sys::mtmd_bitmap>);

impl Drop for Bitmap {
    fn drop(&mut self) {
        // SAFETY: made by `mtmd_bitmap_init`, freed once.
        unsafe { sys::mtmd_bitmap_free(self.0.as_ptr()) }
    }
}

/// What a null pointer of one of mtmd's constructors means.
const NO_MEMORY: &str = "llama.cpp has no memory for the image";

impl Vision {
    /// Loads the projector at `path`, whose header must have been checked: llama.cpp aborts on some that are wrong.
    pub(crate) fn load(path: &Path, model: Arc<Model>, n_threads: u32, gpu: bool) -> Result<Self, LoadError> {
        super::backend();
        let text = path.to_str().and_then(|path| CString::new(path).ok());
        let text = text.ok_or_else(|| LoadError::Refused("its path is not UTF-8".into()))?;
        log::clear_errors();
        // SAFETY: takes nothing and returns a plain structure, whose strings are constants of the library.
        let mut params = unsafe { sys::mtmd_context_params_default() };
        params.use_gpu = gpu;
        params.print_timings = false;
        params.n_threads = i32::try_from(n_threads).unwrap_or(i32::MAX);
        // A first pass over a large image to size its buffers: seconds, at every load.
        params.warmup = false;
        // Without the first pass nobody finds out whether it works; it was made for these encoders' sizes on processors.
        params.flash_attn_type =
            if gpu { sys::LLAMA_FLASH_ATTN_TYPE_DISABLED } else { sys::LLAMA_FLASH_ATTN_TYPE_ENABLED };
        // SAFETY: the path ends in NUL and is only read during the call; the model lives as long as the context (`model`).
        let raw = unsafe { sys::mtmd_init_from_file(text.as_ptr(), model.as_ptr(), params) };
        let raw = NonNull::new(raw).ok_or_else(|| refusal("llama.cpp cannot load the projector"))?;
        let this = Self { raw, encoding: Mutex::new(()), model };
        // SAFETY: the context is live; this reads a flag.
        if !unsafe { sys::mtmd_support_vision(this.raw.as_ptr()) } {
            return Err(LoadError::Refused("the projector is not for images".into()));
        }
        Ok(this)
    }

    /// What `image` becomes. Any thread.
    ///
    /// # Errors
    /// llama.cpp's words.
    pub(crate) fn tokenize(&self, image: &Image) -> Result<Vec<Piece>, String> {
        log::clear_errors();
        let said = |otherwise: &str| {
            let said = log::take_errors();
            if said.is_empty() { otherwise.to_owned() } else { said }
        };
        // SAFETY: `Image` promises width * height * 3 bytes, which are copied during the call.
        let bitmap = unsafe { sys::mtmd_bitmap_init(image.width(), image.height(), image.rgb().as_ptr()) };
        let bitmap = Bitmap(NonNull::new(bitmap).ok_or(NO_MEMORY)?);
        // SAFETY: takes nothing.
        let chunks = Chunks(NonNull::new(unsafe { sys::mtmd_input_chunks_init() }).ok_or(NO_MEMORY)?);
        // SAFETY: the marker is a constant string of the library that ends in NUL.
        let marker = unsafe { sys::mtmd_default_marker() };
        let text = sys::mtmd_input_text {
            text: marker,
            // SAFETY: as above.
            text_len: unsafe { std::ffi::CStr::from_ptr(marker) }.count_bytes(),
            add_special: false,
            parse_special: true,
        };
        let mut bitmaps = [bitmap.0.as_ptr().cast_const()];
        // SAFETY: all of these are live; there is one bitmap for the one marker; tokenizing is thread-safe.
        let code = unsafe {
            sys::mtmd_tokenize(
                self.raw.as_ptr(),
                chunks.0.as_ptr(),
                &raw const text,
                bitmaps.as_mut_ptr(),
                bitmaps.len(),
            )
        };
        if code != 0 {
            return Err(said("llama.cpp cannot prepare it"));
        }
        // SAFETY: the list is live.
        let len = unsafe { sys::mtmd_input_chunks_size(chunks.0.as_ptr()) };
        (0..len).map(|index| Self::piece(&chunks, index)).collect()
    }

    fn piece(chunks: &Chunks, index: usize) -> Result<Piece, String> {
        // SAFETY: the list is live and `index` below its length.
        let chunk = unsafe { sys::mtmd_input_chunks_get(chunks.0.as_ptr(), index) };
        // SAFETY: the list owns the chunk, and lives longer than this function.
        let kind = unsafe { sys::mtmd_input_chunk_get_type(chunk) };
        if kind == sys::MTMD_INPUT_CHUNK_TYPE_TEXT {
            let mut len = 0;
            // SAFETY: as above; `len` is written.
            let tokens = unsafe { sys::mtmd_input_chunk_get_tokens_text(chunk, &raw mut len) };
            if tokens.is_null() || len == 0 {
                return Ok(Piece::Tokens(Vec::new()));
            }
            // SAFETY: `len` tokens lie there for as long as the chunk lives.
            let tokens = unsafe { slice::from_raw_parts(tokens, len) };
            // A model without one of the tokens that its kind of projector wants has -1 there.
            return Ok(Piece::Tokens(tokens.iter().filter_map(|&token| Token::try_from(token).ok()).collect()));
        }
        if kind != sys::MTMD_INPUT_CHUNK_TYPE_IMAGE {
            return Err("the projector makes something else than an image of it".into());
        }
        // SAFETY: the chunk is live; the copy is ours.
        let (raw, n_tokens, n_pos) = unsafe {
            let copy = sys::mtmd_input_chunk_copy(chunk);
            (copy, sys::mtmd_input_chunk_get_n_tokens(chunk), sys::mtmd_input_chunk_get_n_pos(chunk))
        };
        let raw = NonNull::new(raw).ok_or(NO_MEMORY)?;
        match (u32::try_from(n_tokens), u32::try_from(n_pos)) {
            (Ok(n_tokens), Ok(n_pos)) if n_tokens > 0 && n_pos > 0 => Ok(Piece::Image(Chunk { raw, n_tokens, n_pos })),
            _ => {
                drop(Chunk { raw, n_tokens: 0, n_pos: 0 });
                Err(format!("the projector makes {n_tokens} tokens of it"))
            }
        }
    }

    /// The embeddings of a chunk, `[n_tokens][n_embd]`. Blocks for the vision tower's pass.
    pub(crate) fn encode(&self, chunk: &Chunk) -> Result<Vec<f32>, String> {
        let _guard = self.encoding.lock().unwrap_or_else(PoisonError::into_inner);
        log::clear_errors();
        // SAFETY: both are live, and the lock makes this the only one that encodes.
        if unsafe { sys::mtmd_encode_chunk(self.raw.as_ptr(), chunk.raw.as_ptr()) } != 0 {
            let said = log::take_errors();
            return Err(if said.is_empty() { "llama.cpp cannot encode the image".into() } else { said });
        }
        // SAFETY: the result of the encoding above, which stays until the next one, and that needs the lock.
        let embeddings = unsafe { sys::mtmd_get_output_embd(self.raw.as_ptr()) };
        let len = self.model.n_embd_inp() * chunk.n_tokens as usize;
        if embeddings.is_null() || len == 0 {
            return Err("llama.cpp gave no embeddings of the image".into());
        }
        // SAFETY: mtmd.h: `n_embd_inp` numbers for each token of the chunk.
        Ok(unsafe { slice::from_raw_parts(embeddings, len) }.to_vec())
    }

    /// Whether the tokens of a chunk see each other, so that all must be in one batch.
    pub(crate) fn is_non_causal(&self, chunk: &Chunk) -> bool {
        // SAFETY: both are live; this reads flags.
        unsafe { sys::mtmd_decode_use_non_causal(self.raw.as_ptr(), chunk.raw.as_ptr()) }
    }

    /// Appends the embeddings of `chunk` to `seq` (below `n_seq_max`) from position `n_past`, in batches of at most `n_batch`
    /// tokens, which is at least 1. After a failure the sequence is cut at `n_past`.
    pub(crate) fn decode(
        &self,
        context: &mut Context,
        chunk: &Chunk,
        embeddings: &[f32],
        n_past: Pos,
        seq: SeqId,
        n_batch: u32,
    ) -> Result<(), DecodeFailure> {
        assert_eq!(embeddings.len(), self.model.n_embd_inp() * chunk.n_tokens as usize, "embeddings of another chunk");
        let mut embeddings = embeddings.to_vec();
        let mut new_n_past = 0;
        log::clear_errors();
        // SAFETY: all are live; the context is ours alone (`&mut`); `embeddings` has the numbers of every token of the chunk
        // (asserted) and is not kept; there is no callback.
        let code = unsafe {
            sys::mtmd_helper_decode_image_chunk(
                self.raw.as_ptr(),
                context.as_ptr(),
                chunk.raw.as_ptr(),
                embeddings.as_mut_ptr(),
                n_past as i32,
                seq as i32,
                n_batch.clamp(1, i32::MAX as u32) as i32,
                &raw mut new_n_past,
                None,
                ptr::null_mut(),
            )
        };
        if code == 0 {
            return Ok(());
        }
        // Some of its batches may be there already.
        let failure = DecodeFailure::of(code);
        context.remove(seq, n_past);
        Err(failure)
    }
}
