//! GGUF models through llama.cpp (`llama-cpp-2`).
//!
//! The mathematics is llama.cpp's; what this crate adds is that nothing a client sends and nothing a file claims ends
//! the process. llama.cpp answers broken promises with `abort()`, so a file's header is checked in Rust before
//! llama.cpp sees it, and every batch before it is run.
//!
//! Reading order: `engine` (the factory), `header`, `check`, `heads` and `rank` (what a file must be), `decoder`, `tokenizer`, `embedder`
//! and `reranker` (the four traits), `passes` and `pairs` (what the last two are made of), `projector` and `vision` (images),
//! `spans` (places to positions), `cost` (memory before load), `ffi` (the only module that names llama.cpp).

mod check;
mod cost;
mod decoder;
mod embedder;
mod engine;
mod ffi;
mod header;
mod heads;
mod pairs;
mod passes;
mod projector;
mod rank;
mod reranker;
mod spans;
mod tokenizer;
mod vision;

pub use engine::LlamaEngine;

/// The engine as the registry wants it.
pub fn engine() -> Box<dyn tern_engine::Engine> {
    Box::new(LlamaEngine::new())
}
