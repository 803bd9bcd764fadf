//! Choosing among 150 000 logits without sorting them: argmax, the k best, the fewest that reach a mass.
//!
//! The loops over the whole vocabulary are written so that the compiler turns them into vector code: fixed lanes, no
//! early exit, plain comparisons.

use std::cmp::Ordering;

use tern_engine::Token;

use crate::softmax::{exp, mass};

/// A token that may still be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Token id.
    pub token: Token,
    /// Its logit, possibly changed by penalties.
    pub logit: f32,
}

/// Most likely first; among equals the lowest id first.
pub fn likelier_first(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// Numbers handled side by side in loops over the vocabulary.
pub const LANES: usize = 16;
/// Logits whose maximum or mass is taken together.
pub const BLOCK: usize = 1024;

/// The greatest value of a block; NaN is ignored; -inf if there is nothing else.
fn block_max(block: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = block.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            // Not f32::max: this form compiles to one instruction and skips NaN as well.
            *lane = if x > *lane { x } else { *lane };
        }
    }
    rest.iter().chain(&lanes).fold(f32::NEG_INFINITY, |best, &x| if x > best { x } else { best })
}

/// The token with the greatest logit, the lowest id among equals. `None` if all are NaN or -inf.
pub fn argmax(logits: &[f32]) -> Option<Token> {
    let mut best = f32::NEG_INFINITY;
    let mut place = 0;
    for (number, block) in logits.chunks(BLOCK).enumerate() {
        let max = block_max(block);
        if max > best {
            (best, place) = (max, number * BLOCK);
        }
    }
    if best == f32::NEG_INFINITY {
        return None;
    }
    let within = logits[place..].iter().position(|&x| x == best)?;
    Some((place + within) as Token)
}

/// Puts the `k` likeliest candidates of `logits` into `out`, most likely first. NaN and -inf are never candidates.
///
/// One pass: blocks whose maximum does not beat the weakest of the best so far are skipped. Reuses `out`'s memory.
pub fn top_k(logits: &[f32], k: usize, out: &mut Vec<Candidate>) {
    out.clear();
    if k == 0 {
        return;
    }
    let room = (2 * k).max(256);
    let mut threshold = f32::NEG_INFINITY;
    for (number, block) in logits.chunks(64).enumerate() {
        // Later equals have higher ids and so lose: only what is strictly greater can still come in.
        if block_max(block) <= threshold {
            continue;
        }
        for (i, &logit) in block.iter().enumerate() {
            if logit > threshold {
                out.push(Candidate { token: (number * 64 + i) as Token, logit });
            }
        }
        if out.len() >= room {
            out.select_nth_unstable_by(k - 1, likelier_first);
            out.truncate(k);
            threshold = out[k - 1].logit;
        }
    }
    out.sort_unstable_by(likelier_first);
    out.truncate(k);
}

/// Puts every candidate with a logit of at least `least` into `out`, in order of their ids.
pub fn at_least(logits: &[f32], least: f32, out: &mut Vec<Candidate>) {
    between(logits, least, f32::INFINITY, out);
}

/// Puts every candidate with a logit from `least` up to but not including `below` into `out`, in order of their ids.
fn between(logits: &[f32], least: f32, below: f32, out: &mut Vec<Candidate>) {
    out.clear();
    for (number, block) in logits.chunks(64).enumerate() {
        let mut any = false;
        for &logit in block {
            any |= logit >= least && logit < below;
        }
        if !any {
            continue;
        }
        for (i, &logit) in block.iter().enumerate() {
            if logit >= least && logit < below && logit > f32::NEG_INFINITY {
                out.push(Candidate { token: (number * 64 + i) as Token, logit });
            }
        }
    }
}

/// A border in the order of likelihood: what is above it is kept, and of equals the lower ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// The least logit kept.
    pub logit: f32,
    /// The last token kept of those with exactly that logit.
    pub token: Token,
}

impl Cut {
    /// Keeps everything from `logit` on.
    pub fn at(logit: f32) -> Self {
        Self { logit, token: Token::MAX }
    }
}

/// Where the likeliest tokens reach the mass `target` (sum of exp(logit - max)). For distributions too flat to gather
/// their candidates: halves the range of logits by vector passes until few are left to sort. `border` is memory to
/// reuse.
pub fn cut_at_mass(logits: &[f32], max: f32, target: f64, border: &mut Vec<Candidate>) -> Cut {
    let (mut low, mut high) = (max - 88.0, max.next_up());
    if mass(logits, max, low) < target {
        // Rounding asks for a crumb more than there is.
        return Cut::at(f32::NEG_INFINITY);
    }
    // Kept: the mass from `high` on is below the target, that from `low` on is not.
    for _ in 0..16 {
        let middle = low + (high - low) / 2.0;
        if mass(logits, max, middle) >= target {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut sum = mass(logits, max, high);
    between(logits, low, high, border);
    border.sort_unstable_by(likelier_first);
    let last = border.iter().find(|c| {
        sum += f64::from(exp(c.logit - max));
        sum >= target
    });
    last.map_or(Cut::at(low), |last| Cut { logit: last.logit, token: last.token })
}

/// The greatest logit; -inf if there is none.
pub fn max(logits: &[f32]) -> f32 {
    logits.chunks(BLOCK).map(block_max).fold(f32::NEG_INFINITY, f32::max)
}

/// An entry with a place in an order: the smaller `rank`, the earlier; among equals the likelier candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Not negative, not NaN.
    pub rank: f32,
    /// How much of the mass it has.
    pub weight: f32,
    /// What it is about.
    pub candidate: Candidate,
}

fn earlier(a: &Ranked, b: &Ranked) -> Ordering {
    a.rank.total_cmp(&b.rank).then_with(|| likelier_first(&a.candidate, &b.candidate))
}

const BUCKETS: usize = 4096;
/// Buckets for each unit of rank; ranks are differences of logarithms, and those beyond 32 share the last bucket.
const BUCKETS_PER_UNIT: f32 = 128.0;

fn bucket(entry: &Ranked) -> usize {
    ((entry.rank * BUCKETS_PER_UNIT) as usize).min(BUCKETS - 1)
}

/// Keeps the fewest entries, smallest rank first, whose weights together reach `target`; at least one if there is one.
/// What is kept is in no particular order. Linear: the mass is counted in buckets of ranks, and only within the bucket
/// where the target is reached are entries compared. `masses` is memory to reuse.
pub fn fewest_reaching(entries: &mut Vec<Ranked>, target: f64, masses: &mut Vec<f64>) {
    masses.clear();
    masses.resize(BUCKETS, 0.0);
    for entry in entries.iter() {
        masses[bucket(entry)] += f64::from(entry.weight);
    }
    let mut needed = target;
    let reached = masses.iter().position(|&mass| {
        let here = mass > 0.0 && mass >= needed;
        needed -= if here { 0.0 } else { mass };
        here
    });
    // Rounding may ask for a crumb more than there is: then all are kept.
    let Some(border) = reached else { return };
    let mut inner = 0;
    for i in 0..entries.len() {
        if bucket(&entries[i]) < border {
            entries.swap(i, inner);
            inner += 1;
        }
    }
    let mut end = inner;
    for i in inner..entries.len() {
        if bucket(&entries[i]) == border {
            entries.swap(i, end);
            end += 1;
        }
    }
    entries[inner..end].sort_unstable_by(earlier);
    let mut sum = 0.0;
    let last = entries[inner..end].iter().position(|entry| {
        sum += f64::from(entry.weight);
        sum >= needed
    });
    entries.truncate(last.map_or(end, |last| inner + last + 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed, 0);
        (0..n).map(|_| ((rng.uniform() * 40.0).floor() / 2.0) as f32).collect()
    }

    fn sorted(logits: &[f32]) -> Vec<Candidate> {
        let mut all: Vec<_> =
            logits.iter().enumerate().map(|(i, &logit)| Candidate { token: i as Token, logit }).collect();
        all.retain(|c| c.logit > f32::NEG_INFINITY);
        all.sort_by(likelier_first);
        all
    }

    #[test]
    fn argmax_and_top_k_agree_with_sorting_also_among_equals_and_bad_values() {
        for n in [1, 2, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 5000] {
            let mut logits = random(n, n as u64);
            for i in (0..n).step_by(7) {
                logits[i] = [f32::NAN, f32::NEG_INFINITY][i % 2];
            }
            let expected = sorted(&logits);
            assert_eq!(argmax(&logits), expected.first().map(|c| c.token), "n = {n}");
            let mut out = Vec::new();
            for k in [1, 2, 20, 40, 300, 10_000] {
                top_k(&logits, k, &mut out);
                assert_eq!(out, expected[..k.min(expected.len())], "n = {n}, k = {k}");
            }
        }
        assert_eq!(argmax(&[f32::NAN, f32::NEG_INFINITY]), None);
        assert_eq!(argmax(&[]), None);
    }

    #[test]
    fn the_fewest_reaching_a_mass_are_those_a_sorted_sum_would_keep() {
        for (n, seed) in [(1, 1), (2, 2), (10, 3), (1000, 4), (4097, 5)] {
            // Multiples of a power of two, so that sums are exact in any order.
            let mut all: Vec<_> = sorted(&random(n, seed))
                .into_iter()
                .map(|c| Ranked { rank: 20.0 - c.logit, weight: c.logit + 0.25, candidate: c })
                .collect();
            all.sort_by(earlier);
            let total: f64 = all.iter().map(|entry| f64::from(entry.weight)).sum();
            for share in [0.0, 0.1, 0.5, 0.9, 1.0, 2.0] {
                let mut sum = 0.0;
                let reach = all.iter().position(|entry| {
                    sum += f64::from(entry.weight);
                    sum >= total * share
                });
                let expected = &all[..reach.map_or(n, |i| i + 1)];
                let mut kept = all.clone();
                kept.reverse();
                fewest_reaching(&mut kept, total * share, &mut Vec::new());
                kept.sort_by(earlier);
                assert_eq!(kept, expected, "n = {n}, share = {share}");
            }
        }
    }
}
