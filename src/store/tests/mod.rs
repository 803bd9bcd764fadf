//! Through the public contract, unless it is about the disk.

/// What every store promises.
mod contract;
/// What is found by which words.
mod search;
mod support;
