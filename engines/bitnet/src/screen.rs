//! The head in 8 bits, with a bound of every error: which rows can be in the top.
//!
//! Row `e` is stored as `s * c` with codes `c` of 8 bits, of which the upper 6 are read of every row and the lower 2 only of
//! those that these leave in doubt. A hidden state `h` is rounded to `S q` with integers `q` of 8 bits, too: sums of products
//! are what a processor is fastest at. What is left of it, `h - S q`, is rounded once more to `S' q'` where that costs nothing
//! or spares much. The approximate logit `a = s (S (c . q) + S' (c . q'))` comes from exact integer sums, and by Cauchy and
//! Schwarz
//!
//! `|h . e - a| <= |h| r + |h - S q - S' q'| n` with `r >= |e - s c|` and `n >= |s c|`.
//!
//! The upper bits alone stand for the middle of the four codes that they may be: the same with another `c` and `r`.
//!
//! The exact kernel's own rounding comes on top: it adds `k / 32` products a lane and folds 32 lanes, so its sum is off by
//! at most `(k / 32 + 8) u / (1 - ...)` of `sum |h_i e_i| <= |h| |e| <= |h| (n + r)`, with `u = 2^-24`; twice that is used.
//! The exact logits of any k rows are a threshold: whoever's upper bound lies below the least of them is not among the k
//! largest, nor equal to one of them. Each thread computes those of the k rows of its part that look largest.

use std::{ops::Range, sync::Mutex};

use tern_engine::Wanted;
use tern_ternary::{
    Path as Kernels,
    floats::{self, SCREEN_BLOCK, SCREEN_HIGH, SCREEN_LOW},
    ints::Aligned,
};

use crate::{
    file,
    raw::{Columns, Pool},
};

/// Rows whose sums a thread has at hand at once.
pub(crate) const ROWS_AT_ONCE: usize = 128;

/// After so many rows their memory is given back while the copy is made.
const GIVE_BACK: usize = 1024;

/// What is known of a row besides its codes.
#[derive(Debug, Clone, Copy, Default)]
struct RowFacts {
    scale: f32,
    /// Upper bound of the distance between the row and its codes, and what the upper bits alone stand for.
    error: f32,
    coarse_error: f32,
    /// Upper bound of the length of either times the scale.
    length: f32,
}

/// A hidden state's integers of 8 bits, and those of what they leave.
#[derive(Debug, Clone, Default)]
struct Vector {
    /// Where its first row of integers is, and whether there is a second.
    first: usize,
    twice: bool,
    /// Half the scale of each row, and the sum of its integers.
    halves: [f32; 2],
    totals: [i32; 2],
    /// What the bound of a row multiplies its `error` and its `length` with; how many of the largest are wanted; what their
    /// upper bounds reach.
    per_error: f32,
    per_length: f32,
    wanted: usize,
    least: f32,
}

/// The largest `k` of the numbers it is shown, the least of them first, and of which rows they are.
#[derive(Debug, Clone, Default)]
struct Largest {
    k: usize,
    values: Vec<(f32, usize)>,
}

impl Largest {
    fn reset(&mut self, k: usize) {
        self.k = k;
        self.values.clear();
    }

    fn show(&mut self, value: f32, row: usize) {
        let full = self.values.len() == self.k;
        if value.is_nan() || (full && self.values.first().is_none_or(|&(least, _)| value <= least)) {
            return;
        }
        if full {
            self.values.remove(0);
        }
        let at = self.values.partition_point(|&(other, _)| other < value);
        self.values.insert(at, (value, row));
    }

    /// Puts other numbers for those of its rows.
    fn put(&mut self, number: impl Fn(usize) -> f32) {
        self.values.iter_mut().for_each(|(value, row)| *value = number(*row));
        self.values.retain(|(value, _)| !value.is_nan());
        self.values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// The k-th largest, or -inf while there are fewer.
    fn least(&self) -> f32 {
        if self.values.len() < self.k { f32::NEG_INFINITY } else { self.values[0].0 }
    }
}

/// The codes, and the hidden states of the pass under way.
pub(crate) struct Screen {
    width: usize,
    /// Blocks of a row.
    blocks: usize,
    /// The codes: their upper bits, their lower.
    high: Aligned<u8>,
    low: Aligned<u8>,
    facts: Vec<RowFacts>,
    /// The mean of what rows lose by rounding, as a part of their length.
    mean_error: f32,
    vectors: Vec<Vector>,
    /// Their integers, rows of whole blocks: one or two of a vector.
    rounded: Vec<i8>,
    count: usize,
    /// What rounding leaves of the vector at hand.
    left: Vec<f64>,
    found: Vec<Mutex<Found>>,
}

/// What a thread works with.
#[derive(Default)]
struct Found {
    /// Sums of the rows at hand.
    sums: Vec<i32>,
    /// For each vector the rows of its part that look largest.
    largest: Vec<Largest>,
}

impl Screen {
    /// Whether there can be a screen of rows of this width.
    pub fn fits(width: usize) -> bool {
        width.div_ceil(SCREEN_BLOCK) <= floats::SCREEN_MOST
    }

    /// Rounds all rows, on all threads.
    pub fn new(rows: &file::Rows, pool: &mut Pool) -> Self {
        let (count, width, workers) = (rows.count, rows.width, pool.threads());
        let blocks = width.div_ceil(SCREEN_BLOCK);
        let (high_bytes, low_bytes) = (blocks * SCREEN_HIGH, blocks * SCREEN_LOW);
        let (mut high, mut low) =
            (Aligned::in_huge_pages(count * high_bytes), Aligned::in_huge_pages(count * low_bytes));
        let mut facts = vec![RowFacts::default(); count];
        let high_parts = Columns::new(&mut high, count * high_bytes, high_bytes, workers);
        let low_parts = Columns::new(&mut low, count * low_bytes, low_bytes, workers);
        let fact_parts = Columns::new(&mut facts, count, 1, workers);
        pool.run(&|worker| {
            let (mut high, mut low) = (high_parts.take(worker), low_parts.take(worker));
            let mut facts = fact_parts.take(worker);
            let range = facts.columns();
            let bits = high.row_mut(0).chunks_exact_mut(high_bytes).zip(low.row_mut(0).chunks_exact_mut(low_bytes));
            let (mut values, mut codes) = (vec![0.0; width], vec![128; blocks * SCREEN_BLOCK]);
            for (row, (facts, (high, low))) in range.clone().zip(facts.row_mut(0).iter_mut().zip(bits)) {
                rows.read(row, &mut values);
                *facts = round_row(&values, &mut codes);
                floats::split_screen(&codes, high, low);
                // What was read is given back on the way: later only the few rows that can matter are read again.
                if (row + 1).is_multiple_of(GIVE_BACK) || row + 1 == range.end {
                    rows.release((row + 1).saturating_sub(GIVE_BACK)..row + 1);
                }
            }
        });
        let found = (0..workers).map(|_| Mutex::default()).collect();
        let lost = |facts: &RowFacts| f64::from(facts.error) / f64::from(facts.length).max(f64::MIN_POSITIVE);
        let mean_error = (facts.iter().map(lost).sum::<f64>() / count as f64) as f32;
        let (vectors, rounded, left) = (Vec::new(), Vec::new(), Vec::new());
        Self { width, blocks, high, low, facts, mean_error, vectors, rounded, count: 0, left, found }
    }

    /// Takes in the hidden states `[n][width]` of a pass, and how many of the largest logits are wanted of each.
    pub fn prepare(&mut self, hidden: &[f32], wanted: &[Wanted]) {
        self.count = wanted.len();
        if self.vectors.len() < self.count {
            self.vectors.resize_with(self.count, Vector::default);
        }
        self.rounded.clear();
        for ((h, wanted), vector) in hidden.chunks_exact(self.width).zip(wanted).zip(&mut self.vectors) {
            let Wanted::Top(k) = wanted else { unreachable!("only rows whose top is wanted are screened") };
            vector.wanted = (*k as usize).clamp(1, self.facts.len());
            // A second row of integers is free for one vector, which waits for memory; among several it costs as much as
            // another vector would, and pays if a few large values make the steps coarse.
            let alone = self.count == 1;
            self.left.clear();
            self.left.extend(h.iter().map(|&x| f64::from(x)));
            let again = |lost| alone || lost > 2.0 * self.mean_error;
            vector.round(&mut self.left, self.blocks * SCREEN_BLOCK, again, &mut self.rounded);
        }
        for found in &self.found {
            let Found { sums, largest } = &mut *found.lock().expect("no thread panics with it");
            sums.resize(ROWS_AT_ONCE * (self.rounded.len() / (self.blocks * SCREEN_BLOCK)), 0);
            largest.resize_with(self.count.max(largest.len()), Largest::default);
            largest.iter_mut().zip(&self.vectors).for_each(|(largest, vector)| largest.reset(vector.wanted));
        }
    }

    /// Writes the approximate logits of those rows, columns of `out`, that `worker` gets hold of, for all vectors. The upper
    /// bits are read once. Of the rows that look largest it notes the logits that `exact` gives for a vector and a row.
    pub fn approximate(
        &self,
        kernels: Kernels,
        worker: usize,
        out: &Columns<'_, f32>,
        exact: impl Fn(usize, usize) -> f32,
    ) {
        let Found { sums, largest } = &mut *self.found[worker].lock().expect("each thread locks its own");
        let bytes = self.blocks * SCREEN_HIGH;
        while let Some(mut out) = out.next(worker, ROWS_AT_ONCE) {
            let rows = out.columns();
            let high = &self.high[rows.start * bytes..rows.end * bytes];
            floats::screen_high(kernels, high, self.blocks, &self.rounded, sums, ROWS_AT_ONCE);
            let facts = &self.facts[rows.clone()];
            for (t, (vector, largest)) in self.vectors[..self.count].iter().zip(largest.iter_mut()).enumerate() {
                let sums = vector.rows().map(|row| &sums[row * ROWS_AT_ONCE..][..facts.len()]);
                let out = out.row_mut(t);
                for ((logit, facts), (&first, &second)) in out.iter_mut().zip(facts).zip(sums[0].iter().zip(sums[1])) {
                    *logit = vector.coarse(facts, [first, second]);
                }
                for (row, &logit) in rows.clone().zip(&*out) {
                    largest.show(logit, row);
                }
            }
        }
        for (t, largest) in largest[..self.count].iter_mut().enumerate() {
            largest.put(|row| exact(t, row));
        }
    }

    /// Finds for each vector what an upper bound must reach: the k-th largest of the exact logits that all threads noted.
    pub fn settle(&mut self) {
        let mut all = Largest::default();
        for (t, vector) in self.vectors[..self.count].iter_mut().enumerate() {
            all.reset(vector.wanted);
            for found in &self.found {
                let found = found.lock().expect("no thread panics with it");
                found.largest[t].values.iter().for_each(|&(value, row)| all.show(value, row));
            }
            vector.least = all.least();
        }
    }

    /// Puts the exact logit of vector `t` for the approximate one wherever it can be in the top, and -inf elsewhere. `logits`
    /// are those of the rows `range`.
    pub fn refine(
        &self,
        kernels: Kernels,
        t: usize,
        range: Range<usize>,
        logits: &mut [f32],
        exact: impl Fn(usize, usize) -> f32,
    ) {
        let vector = &self.vectors[t];
        let least = vector.least;
        let mut below = [false; ROWS_AT_ONCE];
        for (logits, first) in logits.chunks_mut(ROWS_AT_ONCE).zip(range.step_by(ROWS_AT_ONCE)) {
            // Most are below: that is found out for many at a time.
            for ((below, &logit), facts) in below.iter_mut().zip(&*logits).zip(&self.facts[first..]) {
                *below = logit + vector.bound(facts, facts.coarse_error, logit) < least;
            }
            for ((row, logit), below) in (first..).zip(logits).zip(below) {
                let out = below || !self.may_reach(kernels, t, row, *logit);
                *logit = if out { f32::NEG_INFINITY } else { exact(t, row) };
            }
        }
    }

    /// Whether row `row`, with this approximate logit of its upper bits, can be in the top of vector `t` by all of them. True
    /// for what is not a number.
    fn may_reach(&self, kernels: Kernels, t: usize, row: usize, logit: f32) -> bool {
        let (vector, facts) = (&self.vectors[t], &self.facts[row]);
        let bytes = self.blocks * SCREEN_LOW;
        let length = self.blocks * SCREEN_BLOCK;
        let rounded = &self.rounded[vector.first * length..(vector.first + 1 + usize::from(vector.twice)) * length];
        let mut sums = [0; 2];
        floats::screen_low(kernels, &self.low[row * bytes..][..bytes], rounded, &mut sums[..rounded.len() / length]);
        let logit = logit + vector.rest(facts, sums);
        let below = logit + vector.bound(facts, facts.error, logit) < vector.least;
        !below
    }
}

impl Vector {
    /// Appends its integers to `rows`, a row of `row` of them, and leaves in `left` what they are off by; a second row if `again`
    /// says so of the part of its length that one loses.
    fn round(&mut self, left: &mut [f64], row: usize, again: impl FnOnce(f32) -> bool, rows: &mut Vec<i8>) {
        self.first = rows.len() / row;
        let length = norm(left);
        let mut round = |left: &mut [f64]| {
            let (half, total) = round_vector(left, rows);
            rows.resize(rows.len().next_multiple_of(row), 0);
            (half, total)
        };
        (self.halves[0], self.totals[0]) = round(left);
        self.twice = again((norm(left) / length) as f32);
        (self.halves[1], self.totals[1]) = if self.twice { round(left) } else { (0.0, 0) };
        let rounding = 2.0 * (left.len() as f64 / 32.0 + 8.0) * f64::from(f32::EPSILON) / 2.0;
        self.per_error = up(length * (1.0 + rounding));
        self.per_length = up(norm(left) + length * rounding);
    }

    /// Where its rows of integers are; the first again if there is one only.
    fn rows(&self) -> [usize; 2] {
        [self.first, self.first + usize::from(self.twice)]
    }

    /// The approximate logit of a row from the sums of its upper bits. A code is 4 of them, the middle of what the lower
    /// may be, less 128: in halves `8 high - 253`.
    fn coarse(&self, facts: &RowFacts, sums: [i32; 2]) -> f32 {
        self.logit(facts, sums, 8, 253)
    }

    /// What the sums of the lower bits add to that.
    fn rest(&self, facts: &RowFacts, sums: [i32; 2]) -> f32 {
        self.logit(facts, sums, 2, 3)
    }

    /// That of codes whose halves are `step` times what was summed, less `shift`.
    fn logit(&self, facts: &RowFacts, sums: [i32; 2], step: i32, shift: i32) -> f32 {
        let part = |i: usize| (step * sums[i] - shift * self.totals[i]) as f32 * self.halves[i];
        facts.scale * (part(0) + part(1))
    }

    /// How far the exact logit of a row may lie from an approximate one with this error of the row. The last term is the
    /// rounding of the approximate logit, whose parts are at most twice `|h|` times the row's length and the logit; what
    /// is added to that covers the rounding of the bounds themselves.
    fn bound(&self, facts: &RowFacts, error: f32, logit: f32) -> f32 {
        let rounding = (logit.abs() + self.per_error * facts.length) * 8.0 * f32::EPSILON;
        (self.per_error * error + self.per_length * facts.length + rounding) * 1.000_01 + f32::MIN_POSITIVE
    }
}

/// Rounds numbers to integers of 8 bits times a scale, appends those and leaves what they are off by. What is not a number
/// becomes 0, and stays. Returns half the scale and the sum of the integers.
fn round_vector(left: &mut [f64], rows: &mut Vec<i8>) -> (f32, i32) {
    let most = left.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let half = (most / 254.0) as f32;
    let scale = 2.0 * f64::from(half);
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let mut total = 0;
    rows.extend(left.iter_mut().map(|x| {
        let q = (*x * inverse).round_ties_even().clamp(-127.0, 127.0) as i8;
        *x -= scale * f64::from(q);
        total += i32::from(q);
        q
    }));
    (half, total)
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Codes are integers of -127 to 127, plus 128.
fn round_row(row: &[f32], codes: &mut [u8]) -> RowFacts {
    let most = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let scale = most / 127.0;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let (mut error, mut length, mut coarse_error, mut coarse_length) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for (&x, code) in row.iter().zip(codes) {
        let rounded = (x * inverse).round_ties_even().clamp(-127.0, 127.0);
        *code = (rounded as i8 as u8).wrapping_add(128);
        let value = f64::from(scale) * f64::from(*code as f32 - 128.0);
        let coarse = f64::from(scale) * (f64::from(*code & !3) + 1.5 - 128.0);
        let x = f64::from(x);
        error += (x - value) * (x - value);
        length += value * value;
        coarse_error += (x - coarse) * (x - coarse);
        coarse_length += coarse * coarse;
    }
    let length = up(length.max(coarse_length).sqrt());
    RowFacts { scale, error: up(error.sqrt()), coarse_error: up(coarse_error.sqrt()), length }
}

/// Not below the exact number: sums in f64 are off by far less than this.
fn up(x: f64) -> f32 {
    (x * (1.0 + 1e-6)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_and_what_is_no_number_is_not() {
        let mut largest = Largest::default();
        largest.reset(3);
        for (row, value) in [1.0, f32::NAN, 5.0].into_iter().enumerate() {
            largest.show(value, row);
        }
        assert_eq!(largest.least(), f32::NEG_INFINITY);
        for (row, value) in (3..).zip([3.0, 4.0, f32::NAN, 0.0, 4.0]) {
            largest.show(value, row);
        }
        assert_eq!(largest.values, [(4.0, 7), (4.0, 4), (5.0, 2)]);
        largest.put(|row| if row == 4 { f32::NAN } else { -(row as f32) });
        assert_eq!((largest.values.clone(), largest.least()), (vec![(-7.0, 7), (-2.0, 2)], f32::NEG_INFINITY));
    }
}
