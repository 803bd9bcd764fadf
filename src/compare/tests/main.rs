//! Comparisons through their door, on the echo engine, whose scripts have a pace and fail where they are told to.

mod support; // a service over an empty folder, requests, and what was said

mod endings; // stopping, failing, shutting down, deleting; what is kept
mod figures; // times, counts, caches, warm-up, order
mod quality; // probabilities of own and other answers
mod reruns; // one cell again
mod similarity; // answers by their meaning; files before prompts
