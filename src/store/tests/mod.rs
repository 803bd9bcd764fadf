//! Through the public contract, unless it is about the disk.

/// What every store promises.
mod contract;
mod support;
