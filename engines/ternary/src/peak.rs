//! What the processor could do at most: the measure of the prompt kernels.

use std::{thread, time::Instant};

use crate::{Path, ffi::peak::peak};

/// About 20 ms on a processor that does 10^11 multiply-adds a second.
const ROUNDS: u64 = 3_000_000;
/// The best of these counts: whatever disturbs makes one slower.
const TRIES: u32 = 5;

/// Multiply-adds a second (int8 into int32) of the product instructions of `path`, `threads` threads together, on
/// registers alone. `None` for the reference. Takes a tenth of a second or so.
///
/// # Panics
/// If this processor lacks the path's instructions.
pub fn multiply_adds_per_second(path: Path, threads: u32) -> Option<f64> {
    let threads = threads.max(1);
    peak(path, 1)?;
    let mut best = 0.0_f64;
    for _ in 0..TRIES {
        let started = Instant::now();
        let done: u64 = thread::scope(|scope| {
            let runs: Vec<_> = (0..threads).map(|_| scope.spawn(|| peak(path, ROUNDS).unwrap_or(0))).collect();
            runs.into_iter().map(|run| run.join().unwrap_or(0)).sum()
        });
        best = best.max(done as f64 / started.elapsed().as_secs_f64());
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_with_product_instructions_has_a_peak_and_the_reference_has_none() {
        for path in Path::available() {
            let peak = peak(path, 1000);
            assert_eq!(peak.is_some(), path != Path::Reference, "{path}");
            assert!(peak.is_none_or(|done| done >= 1000 * 12 * 16), "{path}: {peak:?}");
        }
    }
}
