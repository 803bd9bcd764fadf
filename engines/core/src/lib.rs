//! The contract between Tern's server and its engines.
//!
//! An [`Engine`] is a factory with three questions to answer: what is in this source ([`Engine::inspect`], header
//! only, cheap, never aborts on a hostile file), what would it cost ([`Engine::estimate`]), and [`Engine::load`].
//! A loaded model is a set of capabilities ([`LoadedModel`]), each a small trait.
//!
//! For text an engine implements only a [`Tokenizer`] and a [`Decoder`]: logits over numbered sequences, and KV
//! operations. Everything a user sees (batching, prefix reuse, sampling, stop strings, timings) is built once above
//! it, in the scheduler, and so works on every engine. There is no async, no HTTP and no OpenAI word in here.
//!
//! Start reading at [`text::Decoder`]; tasks without a dialogue are in [`tasks`].

pub mod batch;
pub mod cells;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embed;
pub mod engine;
pub mod error;
pub mod info;
pub mod tasks;
pub mod text;
pub mod vision;

pub use batch::{Batch, BatchToken, Wanted};
pub use cells::Cells;
pub use embed::Embedder;
pub use engine::{Engine, EngineBuild, LoadOptions, LoadedModel, ModelSource, Peak, Progress, TextModel};
pub use error::{DecodeError, EngineError};
pub use info::{CUT, Capability, Cost, Head, KvType, ModelInfo};
pub use tasks::{Describer, EntityTagger, Image, Reranker, Segment, SpokenWord, TextReader, Transcriber};
pub use text::{Decoder, DecoderLimits, SavedSequence, Tokenizer};
pub use vision::{IMAGE_PLACE, ImageChunk, ImageEncoder, PromptPart};

/// A token id: an index into the model's vocabulary.
pub type Token = u32;
/// The number of a sequence (one token history with its KV cache): `0..DecoderLimits::max_sequences`.
pub type SeqId = u32;
/// A place in a sequence, in KV cells, from 0: a token takes one, an image several. Engines whose models number positions
/// otherwise (M-RoPE) translate.
pub type Pos = u32;
