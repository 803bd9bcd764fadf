//! Which sequences are computed together: as many as have [`TOKENS`] tokens. Lengths may differ, as nothing is padded.

use tern_engine::{EngineError, tasks::Cancelled};

use super::model::Packed;
use crate::source::plain;

/// Tokens of a pass, unless one sequence is longer. More are hardly faster, and what is between the products of a wide layer
/// would leave the cache.
pub(super) const TOKENS: usize = 1024;

/// Runs `pass` on batch after batch of `sequences` (tokens and types each). `pass` gets the number of the batch's first
/// sequence.
pub(super) fn each<'a>(
    sequences: impl Iterator<Item = (&'a [u32], &'a [u32])>,
    cancelled: Cancelled<'_>,
    mut pass: impl FnMut(usize, &Packed) -> candle_core::Result<()>,
) -> Result<(), EngineError> {
    let (mut packed, mut first) = (Packed::default(), 0);
    let mut run = |first: usize, packed: &Packed| {
        if cancelled() {
            return Err(EngineError::Cancelled);
        }
        pass(first, packed).map_err(|error| EngineError::Failed(plain(&error)))
    };
    for (tokens, types) in sequences {
        if !packed.tokens.is_empty() && packed.tokens.len() + tokens.len() > TOKENS {
            run(first, &packed)?;
            first += packed.sequences.len();
            packed = Packed::default();
        }
        packed.push(tokens, types);
    }
    if packed.sequences.is_empty() { Ok(()) } else { run(first, &packed) }
}
