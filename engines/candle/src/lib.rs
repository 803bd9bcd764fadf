//! Hugging Face folders (`config.json`, `tokenizer.json`, safetensors) in full precision, on candle's tensors.
//!
//! In reading order: [`engine`] (the factory; it asks each family whether a folder is its own), `family` (what a family of
//! architectures has to give), `source` (a folder: its settings and weights), then one folder for each family.

mod encoder;
pub mod engine;
mod family;
mod source;
mod speech;
mod text;
mod threads;
mod vision;

pub use engine::CandleEngine;
