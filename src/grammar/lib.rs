//! What an answer must look like: JSON schemas and grammars, and which tokens they allow next.
//!
//! A [`Grammar`] is data, as it was asked for. [`check`] tells whether it can be enforced, before a model is loaded for
//! it; nothing is enforced in part. A [`Vocabulary`] is built once a model; it compiles forms, and a [`Matcher`]
//! follows one answer: before a token is chosen it says which may come ([`Matcher::mask`]), and behind it whether the
//! answer is complete.
//!
//! llguidance does the work and is known to this crate alone.

mod compile;
mod depth;
mod gbnf;
mod grammar;
mod lark;
mod limits;
mod matcher;
mod schema;
mod vocabulary;

pub use compile::{Compiled, check};
pub use grammar::{Grammar, GrammarError};
pub use matcher::{Mask, Matcher};
pub use vocabulary::Vocabulary;
