//! How fast this machine reads memory: the limit of decoding, which reads every weight for every token.

use std::{hint::black_box, thread, time::Instant};

use tern_registry::machine;

/// Far more than the caches of any processor but the very largest hold.
const BUFFER_BYTES: u64 = 1 << 30;
/// With less than this the figure would be that of a cache.
const LEAST_BYTES: u64 = 128 << 20;
/// The best of these counts: everything that disturbs makes a pass slower, nothing makes one faster.
const PASSES: u32 = 5;

/// Bytes a second that `threads` threads together read from memory, and the size of the buffer. `None` when there is
/// not enough free memory to tell. Takes about a second.
pub(super) fn measure(threads: u32) -> Option<(f64, u64)> {
    // A third of what is free: measuring must not push anything out.
    let bytes = machine::memory_available().map_or(BUFFER_BYTES, |free| (free / 3).min(BUFFER_BYTES));
    (bytes >= LEAST_BYTES).then(|| (read_rate(bytes, threads.max(1)), bytes))
}

fn read_rate(bytes: u64, threads: u32) -> f64 {
    let mut words = vec![0u64; (bytes / 8) as usize];
    let share = words.len().div_ceil(threads as usize);
    // Each thread writes its own part first: pages that were never written are all the same page of zeros, and on
    // machines with several memories a page lies near the thread that wrote it first.
    thread::scope(|scope| {
        for part in words.chunks_mut(share) {
            scope.spawn(move || part.iter_mut().zip(1u64..).for_each(|(word, n)| *word = n));
        }
    });
    let mut best = f64::INFINITY;
    for _ in 0..PASSES {
        let started = Instant::now();
        thread::scope(|scope| {
            for part in words.chunks(share) {
                scope.spawn(move || black_box(sum(part)));
            }
        });
        best = best.min(started.elapsed().as_secs_f64());
    }
    (words.len() * 8) as f64 / best
}

/// The compiler makes wide loads into several sums of this; written out by hand with an array of sums it was six times
/// slower, as they then lived in memory.
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_once() {
        for length in [0, 1, 31, 32, 33, 1000] {
            let words: Vec<u64> = (1..=length).collect();
            assert_eq!(sum(&words), length * (length + 1) / 2, "{length} words");
        }
    }

    #[test]
    fn a_small_buffer_with_more_threads_than_parts_is_measured() {
        assert!(read_rate(64, 3) > 0.0);
        assert!(read_rate(8, 16) > 0.0);
    }
}
