//! Ternary (BitNet b1.58) models from GGUF files, with the integer numerics they were trained with.
//!
//! A weight is -1, 0 or +1 under one scale a matrix; an activation is an int8 under one scale a token; a product of the two
//! is an exact int32 (`vendor/ternary`, [`tern_ternary`]). Everything else is f32. What a token's logits are depends on the
//! tokens before it and on nothing else: not on its neighbours in the batch, the threads, or how the prompt was cut.
//!
//! Reading order: `engine` (the factory), `tern_bitnet_file::graph` (what a file computes), `file` and `model` (weights), `forward` (the
//! forward pass), `pace` (when zeros are left out), `kv` (the cache), `head` and `screen`, `decoder` and `embedder` (the
//! contract), `twin` (which models llama.cpp computes rightly), `raw` (threads and memory: the only unsafe code here).
//!
//! Sources: Ma et al., "The Era of 1-bit LLMs" (2024) and the BitNet b1.58 2B4T report (2025); Hugging Face transformers
//! (`models/bitnet`, `integrations/bitnet.py`) for the numerics, which the golden tests hold it to.

mod cost;
mod decoder;
mod embedder;
mod engine;
mod file;
mod forward;
mod head;
mod kv;
mod model;
mod ops;
mod pace;
mod raw;
mod screen;
mod twin;

// What a file says is read by every engine that runs such files.
use tern_bitnet_file::{error, graph, published};

pub use engine::BitnetEngine;
pub use twin::llama_cpp_computes_it;
