//! What an answer must look like: JSON schemas and grammars, and which tokens they allow next.

mod gbnf;
mod grammar;
mod lark;
mod schema;

pub use grammar::{Grammar, GrammarError};
