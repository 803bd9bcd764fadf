//! The head in 8 bits, with a bound of every error: which rows can be in the top.
//!
//! Row `e` is stored as `s * c` with int8 codes `c`, its error `r >= |e - s c|` and its length `n >= |s c|`. A hidden state
//! `h` is rounded to `S q` with integers `q` of 8 bits, too: sums of products are what a processor is fastest at. The approximate logit `a = s S (c . q)` is an exact integer sum, and by
//! Cauchy and Schwarz
//!
//! `|h . e - a| <= |h| r + |h - S q| n`.
//!
//! The exact kernel's own rounding comes on top: it adds `k / 32` products a lane and folds 32 lanes, so its sum is off by
//! at most `(k / 32 + 8) u / (1 - ...)` of `sum |h_i e_i| <= |h| |e| <= |h| (n + r)`, with `u = 2^-24`; twice that is used.
//! Whoever's upper bound lies below the k-th largest lower bound is not among the k largest, nor equal to one of them.

use std::{ops::Range, sync::Mutex};

use tern_engine::Wanted;
use tern_ternary::{Path as Kernels, floats, ints::Aligned};

use crate::{
    file,
    raw::{Columns, ColumnsPart, Pool},
};

/// Rows whose sums a thread has at hand at once.
const ROWS_AT_ONCE: usize = 128;

/// After so many rows their memory is given back while the copy is made.
const GIVE_BACK: usize = 1024;

/// What is known of a row besides its codes.
#[derive(Debug, Clone, Copy, Default)]
struct RowFacts {
    scale: f32,
    /// Upper bound of the distance between the row and its codes.
    error: f32,
    /// Upper bound of the length of the codes times the scale.
    length: f32,
}

/// A rounded hidden state.
#[derive(Debug, Clone, Default)]
struct Vector {
    scale: f32,
    /// What the bound of a row multiplies its `error` and its `length` with.
    per_error: f32,
    per_length: f32,
    wanted: usize,
}

/// The largest `k` of the numbers it is shown, the least of them first.
#[derive(Debug, Clone, Default)]
struct Largest {
    k: usize,
    values: Vec<f32>,
}

impl Largest {
    fn reset(&mut self, k: usize) {
        self.k = k;
        self.values.clear();
    }

    fn show(&mut self, value: f32) {
        if value.is_nan() || (self.values.len() == self.k && self.values.first().is_none_or(|&least| value <= least)) {
            return;
        }
        if self.values.len() == self.k {
            self.values.remove(0);
        }
        let at = self.values.partition_point(|&other| other < value);
        self.values.insert(at, value);
    }

    /// The k-th largest, or -inf while there are fewer.
    fn least(&self) -> f32 {
        if self.values.len() < self.k { f32::NEG_INFINITY } else { self.values[0] }
    }
}

/// The codes, and the hidden states of the pass under way.
pub(crate) struct Screen {
    width: usize,
    codes: Aligned<i8>,
    facts: Vec<RowFacts>,
    vectors: Vec<Vector>,
    /// Their integers, `[count][width]`.
    rounded: Vec<i8>,
    count: usize,
    /// For each thread and vector the largest lower bounds it has met.
    found: Vec<Mutex<Vec<Largest>>>,
}

impl Screen {
    /// Rounds all rows, on all threads.
    pub fn new(rows: &file::Rows, pool: &mut Pool) -> Self {
        let (count, width, workers) = (rows.count, rows.width, pool.threads());
        let (mut codes, mut facts) = (Aligned::in_huge_pages(count * width), vec![RowFacts::default(); count]);
        let code_parts = Columns::new(&mut codes, count * width, width, workers);
        let fact_parts = Columns::new(&mut facts, count, 1, workers);
        pool.run(&|worker| {
            let (mut codes, mut facts) = (code_parts.take(worker), fact_parts.take(worker));
            let range = facts.columns();
            let (codes, facts) = (codes.row_mut(0), facts.row_mut(0));
            let mut values = vec![0.0; width];
            // What was read is given back on the way: later only the few rows that can matter are read again.
            let give_back = |row: usize| rows.release(row.saturating_sub(GIVE_BACK)..row);
            for (row, (codes, facts)) in range.clone().zip(codes.chunks_exact_mut(width).zip(facts)) {
                rows.read(row, &mut values);
                *facts = round_row(&values, codes);
                if (row + 1).is_multiple_of(GIVE_BACK) || row + 1 == range.end {
                    give_back(row + 1);
                }
            }
        });
        let found = (0..workers).map(|_| Mutex::default()).collect();
        Self { width, codes, facts, vectors: Vec::new(), rounded: Vec::new(), count: 0, found }
    }

    /// Takes in the hidden states `[n][width]` of a pass, and how many of the largest logits are wanted of each.
    pub fn prepare(&mut self, hidden: &[f32], wanted: &[Wanted]) {
        self.count = wanted.len();
        if self.vectors.len() < self.count {
            self.vectors.resize_with(self.count, Vector::default);
        }
        self.rounded.resize(self.count * self.width, 0);
        let rounded = self.rounded.chunks_exact_mut(self.width);
        for (((h, wanted), q), vector) in
            hidden.chunks_exact(self.width).zip(wanted).zip(rounded).zip(&mut self.vectors)
        {
            let Wanted::Top(k) = wanted else { unreachable!("only rows whose top is wanted are screened") };
            vector.round(h, q, (*k as usize).clamp(1, self.facts.len()));
        }
        for found in &self.found {
            let mut found = found.lock().expect("no thread panics with it");
            let vectors = self.count.max(found.len());
            found.resize_with(vectors, Largest::default);
            found.iter_mut().zip(&self.vectors).for_each(|(largest, vector)| largest.reset(vector.wanted));
        }
    }

    /// Writes the approximate logits of the rows `range`, the columns of `out`, for all vectors, and notes their lower
    /// bounds. The codes are read once.
    pub fn approximate(&self, kernels: Kernels, worker: usize, range: Range<usize>, out: &mut ColumnsPart<'_, f32>) {
        let mut found = self.found[worker].lock().expect("each thread locks its own");
        let mut sums = vec![0; ROWS_AT_ONCE * self.count];
        for first in range.clone().step_by(ROWS_AT_ONCE) {
            let rows = first..(first + ROWS_AT_ONCE).min(range.end);
            let codes = &self.codes[rows.start * self.width..rows.end * self.width];
            floats::screen(kernels, codes, self.width, &self.rounded, &mut sums, ROWS_AT_ONCE);
            let facts = &self.facts[rows.clone()];
            for (t, sums) in sums.chunks_exact(ROWS_AT_ONCE).enumerate() {
                let (vector, largest) = (&self.vectors[t], &mut found[t]);
                let out = &mut out.row_mut(t)[rows.start - range.start..rows.end - range.start];
                for ((logit, facts), &sum) in out.iter_mut().zip(facts).zip(sums) {
                    *logit = sum as f32 * (facts.scale * vector.scale);
                    largest.show(*logit - vector.bound(facts, *logit));
                }
            }
        }
    }

    /// For vector `t` what an upper bound must reach: the k-th largest lower bound of all threads.
    pub fn least(&self, t: usize) -> f32 {
        let mut all = Largest::default();
        all.reset(self.vectors[t].wanted);
        for found in &self.found {
            let found = found.lock().expect("no thread panics with it");
            found[t].values.iter().for_each(|&value| all.show(value));
        }
        all.least()
    }

    /// Whether row `row`, with this approximate logit, can be in the top of vector `t`. True for what is not a number.
    pub fn may_reach(&self, t: usize, row: usize, logit: f32, least: f32) -> bool {
        let upper = logit + self.vectors[t].bound(&self.facts[row], logit);
        upper >= least || upper.is_nan()
    }
}

impl Vector {
    fn round(&mut self, h: &[f32], q: &mut [i8], wanted: usize) {
        self.wanted = wanted;
        let most = h.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = f64::from(most) / 127.0;
        let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
        // What is not a number becomes 0 here, and makes the bounds NaN below.
        let round = |x: f32| (f64::from(x) * inverse).round_ties_even().clamp(-127.0, 127.0) as i8;
        q.iter_mut().zip(h).for_each(|(q, &x)| *q = round(x));
        self.scale = scale as f32;
        let square = |x: f64| x * x;
        let length = h.iter().map(|&x| square(f64::from(x))).sum::<f64>().sqrt();
        let rest = h.iter().zip(&*q).map(|(&x, &q)| square(f64::from(x) - f64::from(self.scale) * f64::from(q)));
        let rest = rest.sum::<f64>().sqrt();
        let rounding = 2.0 * (h.len() as f64 / 32.0 + 8.0) * f64::from(f32::EPSILON) / 2.0;
        self.per_error = up(length * (1.0 + rounding));
        self.per_length = up(rest + length * rounding);
    }

    /// How far the exact logit of a row may lie from this one. The last term is the rounding of the approximate logit and
    /// of the bounds themselves.
    fn bound(&self, facts: &RowFacts, logit: f32) -> f32 {
        (self.per_error * facts.error + self.per_length * facts.length + logit.abs() * 4.0 * f32::EPSILON) * 1.000_01
    }
}

fn round_row(row: &[f32], codes: &mut [i8]) -> RowFacts {
    let most = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let scale = most / 127.0;
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let (mut error, mut length) = (0.0_f64, 0.0_f64);
    for (&x, code) in row.iter().zip(codes) {
        *code = (x * inverse).round_ties_even().clamp(-127.0, 127.0) as i8;
        let value = f64::from(scale) * f64::from(*code);
        error += (f64::from(x) - value) * (f64::from(x) - value);
        length += value * value;
    }
    RowFacts { scale, error: up(error.sqrt()), length: up(length.sqrt()) }
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
        for value in [1.0, f32::NAN, 5.0] {
            largest.show(value);
        }
        assert_eq!(largest.least(), f32::NEG_INFINITY);
        for value in [3.0, 4.0, f32::NAN, 0.0, 4.0] {
            largest.show(value);
        }
        assert_eq!(largest.values, [4.0, 4.0, 5.0]);
    }
}
