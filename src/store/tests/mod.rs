//! Through the public contract, unless it is about the disk.

/// What every store promises.
mod contract;
/// Killed processes.
mod crash;
/// Full, broken and forgetful disks; damaged files.
mod disk;
/// Files of older versions, and of newer ones.
mod older;
/// What is found by which words.
mod search;
mod support;
