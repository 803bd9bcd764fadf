//! What a user of the scheduler would miss, on the echo engine. Each module says in its first line what belongs there.

mod admission;
mod batching;
mod cancel;
mod determinism;
mod failures;
mod forms; // schemas and grammars
mod images;
mod prefixes;
mod sampling;
mod shelf; // conversations put aside outside the cache
mod support;
mod text;
