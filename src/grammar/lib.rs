//! What an answer must look like: JSON schemas and grammars, and which tokens they allow next.

mod grammar;

pub use grammar::{Grammar, GrammarError};
