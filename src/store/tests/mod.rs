//! Through the public contract, unless it is about the disk.

/// What every store promises.
mod contract;
/// Full, broken and forgetful disks; damaged files.
mod disk;
/// What is found by which words.
mod search;
mod support;
