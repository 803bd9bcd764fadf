//! What ternary GGUF files say, for the engines that run them: the graph that an architecture stands for ([`graph`]), and
//! what published files say wrongly ([`published`]).

pub mod error;
pub mod graph;
pub mod published;
