//! Scripted engine: the test double, and the template for new engines.
//!
//! There are no weights. A model is a [`Script`]: what it says, at what pace, and where it fails. Everything else is
//! as in an engine with weights: logits are a pure function of the tokens a sequence holds, the KV cache has cells
//! that run out, batches are checked. What the scheduler and the API do with a real model they therefore do here,
//! and a test can say exactly what must come out.
//!
//! Read [`scripts`] for what there is, [`reply`] for how the next token follows from the history, [`decoder`] for the
//! KV cache, [`vocabulary`] for the tokens, [`pictures`] for models that see,
//! [`speech`] for one that hears.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod calls;
pub mod decoder;
pub mod embedder;
pub mod engine;
mod images;
mod kv;
pub mod pictures;
mod ranking;
pub mod reply;
pub mod scripts;
pub mod speech;
mod tagger;
pub mod vocabulary;

pub use engine::EchoEngine;
pub use scripts::{Script, Settings};
pub use vocabulary::Vocabulary;
