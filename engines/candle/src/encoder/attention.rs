//! Attention of every token to the tokens of its own sequence, for sequences that lie behind each other without padding.
//!
//! First the keys of each sequence and head are turned around (`[head_dim][length]`), so that scores of one query with many
//! keys are sums of columns; then blocks of [`QUERIES`] rows run by themselves, all heads of a block on one thread. Biases of
//! keys and queries and rotary positions are added on the way; the values' bias comes out of the sum, as weights sum to 1.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, bail};
use pulp::Arch;
use rayon::prelude::*;

use super::kernels::{LANES, exp, values};

/// Rows of a block: each key and value that was read is used so often.
const QUERIES: usize = 4;

/// Cosines and sines of positions.
#[derive(Debug, Clone)]
pub(super) struct Rotary {
    /// `[length][head_dim / 2]`
    pub cos: Vec<f32>,
    /// `[length][head_dim / 2]`
    pub sin: Vec<f32>,
}

impl Rotary {
    /// For `length` positions.
    pub fn new(length: usize, head_dim: usize, theta: f64) -> Self {
        let half = head_dim / 2;
        let angle = |i: usize| (i / half) as f64 / theta.powf((2 * (i % half)) as f64 / head_dim as f64);
        let each = |f: fn(f64) -> f64| (0..length * half).map(|i| f(f64::from(angle(i) as f32)) as f32).collect();
        Self { cos: each(f64::cos), sin: each(f64::sin) }
    }

    /// Turns the vector of one head.
    #[inline(always)]
    fn turn(&self, vector: &mut [f32], position: usize) {
        let half = vector.len() / 2;
        let (cos, sin) = (&self.cos[position * half..][..half], &self.sin[position * half..][..half]);
        let (first, second) = vector.split_at_mut(half);
        for i in 0..half {
            let (a, b) = (first[i], second[i]);
            first[i] = a * cos[i] - b * sin[i];
            second[i] = b * cos[i] + a * sin[i];
        }
    }
}

/// What is added to scores by the distance between key and query.
#[derive(Debug, Clone)]
pub(super) struct Distances {
    /// `[heads][2 * length - 1]`, distance 0 in the middle.
    pub bias: Vec<f32>,
    pub length: usize,
}

/// `[tokens, 3 * hidden]` (queries, keys, values) to `[tokens, hidden]`.
pub(super) struct Attention<'a> {
    /// Where each sequence is.
    pub sequences: &'a [Range<usize>],
    pub heads: usize,
    /// `[3 * hidden]`, or empty.
    pub bias: &'a [f32],
    pub rotary: Option<&'a Rotary>,
    pub distances: Option<&'a Distances>,
    /// Keys further away than this are not seen.
    pub window: Option<usize>,
}

/// Rows of one sequence.
struct Block<'a> {
    /// First token of the sequence, its length.
    begin: usize,
    length: usize,
    /// First row, counted in the sequence.
    row: usize,
    /// Keys of the sequence, `[heads][head_dim][padded]`.
    keys: &'a [f32],
    /// `[rows][hidden]`
    out: &'a mut [f32],
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(LANES)
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let &[tokens, wide] = layout.dims() else { bail!("attention is computed on rows") };
        let (qkv, hidden) = (values(storage, layout)?, wide / 3);
        let (head_dim, arch) = (hidden / self.heads, Arch::new());
        let total: usize = self.sequences.iter().map(|s| padded(s.len()) * hidden).sum();
        let mut keys = vec![0.0f32; total];
        let mut rest = keys.as_mut_slice();
        let mut parts = Vec::with_capacity(self.sequences.len() * self.heads);
        for sequence in self.sequences {
            for head in 0..self.heads {
                let (part, more) = rest.split_at_mut(padded(sequence.len()) * head_dim);
                parts.push((sequence.clone(), head, part));
                rest = more;
            }
        }
        parts.into_par_iter().for_each(|(sequence, head, part)| {
            arch.dispatch(
                #[inline(always)]
                || self.turn_keys(qkv, hidden, sequence, head, part),
            );
        });

        let mut out = vec![0.0f32; tokens * hidden];
        let mut rest = out.as_mut_slice();
        let mut keys = keys.as_slice();
        let mut blocks = Vec::with_capacity(tokens / QUERIES + self.sequences.len());
        for sequence in self.sequences {
            let (own, more) = keys.split_at(padded(sequence.len()) * hidden);
            keys = more;
            for row in (0..sequence.len()).step_by(QUERIES) {
                let rows = QUERIES.min(sequence.len() - row);
                let (out, more) = std::mem::take(&mut rest).split_at_mut(rows * hidden);
                rest = more;
                blocks.push(Block { begin: sequence.start, length: sequence.len(), row, keys: own, out });
            }
        }
        let scratch = || (Vec::new(), vec![0.0f32; QUERIES * head_dim]);
        blocks.into_par_iter().with_min_len(4).for_each_init(scratch, |(scores, queries), block| {
            arch.dispatch(
                #[inline(always)]
                || self.block(qkv, hidden, block, scores, queries),
            );
        });
        Ok((CpuStorage::F32(out), (tokens, hidden).into()))
    }
}

impl Attention<'_> {
    /// `vector = row[at..] + bias[at..]`, at its position.
    #[inline(always)]
    fn take(&self, row: &[f32], at: usize, position: usize, vector: &mut [f32]) {
        vector.copy_from_slice(&row[at..at + vector.len()]);
        if let Some(bias) = self.bias.get(at..at + vector.len()) {
            vector.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
        }
        if let Some(rotary) = self.rotary {
            rotary.turn(vector, position);
        }
    }

    #[inline(always)]
    fn turn_keys(&self, qkv: &[f32], hidden: usize, sequence: Range<usize>, head: usize, out: &mut [f32]) {
        let (head_dim, stride) = (hidden / self.heads, padded(sequence.len()));
        let mut key = vec![0.0f32; head_dim];
        for (position, token) in sequence.enumerate() {
            self.take(&qkv[token * 3 * hidden..][..3 * hidden], hidden + head * head_dim, position, &mut key);
            key.iter().enumerate().for_each(|(i, &x)| out[i * stride + position] = x);
        }
    }

    #[inline(always)]
    fn block(&self, qkv: &[f32], hidden: usize, block: Block<'_>, scores: &mut Vec<f32>, queries: &mut [f32]) {
        let Block { begin, length, row: first, keys, out } = block;
        let (head_dim, stride) = (hidden / self.heads, padded(length));
        let rows = out.len() / hidden;
        let scale = 1.0 / (head_dim as f32).sqrt();
        // Keys that any row of the block sees, in whole groups.
        let (from, to) = match self.window {
            None => (0, length),
            Some(window) => (first.saturating_sub(window), (first + rows + window).min(length)),
        };
        let (from, wide) = (from / LANES * LANES, to.next_multiple_of(LANES));
        scores.resize(QUERIES * stride, 0.0);
        for head in 0..self.heads {
            let at = head * head_dim;
            queries.fill(0.0);
            for (r, query) in queries.chunks_exact_mut(head_dim).enumerate().take(rows) {
                let row = &qkv[(begin + first + r) * 3 * hidden..][..3 * hidden];
                self.take(row, at, first + r, query);
                query.iter_mut().for_each(|x| *x *= scale);
            }
            let keys = &keys[at * stride..][..head_dim * stride];
            for group in (from..wide).step_by(LANES) {
                let mut sums = [[0.0f32; LANES]; QUERIES];
                for i in 0..head_dim {
                    let Some(key) = keys[i * stride + group..].first_chunk() else { break };
                    for (r, sums) in sums.iter_mut().enumerate() {
                        add_scaled(sums, queries[r * head_dim + i], key);
                    }
                }
                for (r, sums) in sums.iter().enumerate() {
                    scores[r * stride + group..][..LANES].copy_from_slice(sums);
                }
            }
            for r in 0..rows {
                let (near, far) = self.window.map_or((from, to), |window| {
                    ((first + r).saturating_sub(window), (first + r + window + 1).min(length))
                });
                let row = &mut scores[r * stride..][..wide];
                if let Some(distances) = self.distances {
                    let middle = head * (2 * distances.length - 1) + distances.length - 1;
                    let bias = &distances.bias[middle + near - (first + r)..];
                    row[near..far].iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                }
                softmax(&mut row[from..], near - from..far - from);
            }
            self.mix(&qkv[begin * 3 * hidden..], hidden, at, from..to, stride, scores, out);
        }
    }

    /// `out = scores x values + bias`, for one head.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the shapes of one product")]
    fn mix(
        &self,
        qkv: &[f32],
        hidden: usize,
        at: usize,
        seen: Range<usize>,
        stride: usize,
        scores: &[f32],
        out: &mut [f32],
    ) {
        let (head_dim, rows) = (hidden / self.heads, out.len() / hidden);
        for group in (0..head_dim).step_by(LANES) {
            let lanes = LANES.min(head_dim - group);
            let value_at = 2 * hidden + at + group;
            let mut sums = [[0.0f32; LANES]; QUERIES];
            let mut part = [0.0f32; LANES];
            for j in seen.clone() {
                let row = &qkv[j * 3 * hidden + value_at..][..lanes];
                // Arrays of a known length, or the sums are not kept in registers.
                let value = row.first_chunk().unwrap_or_else(|| {
                    part[..lanes].copy_from_slice(row);
                    &part
                });
                for (r, sums) in sums.iter_mut().enumerate() {
                    add_scaled(sums, scores[r * stride + j], value);
                }
            }
            for (r, sums) in sums.iter().enumerate().take(rows) {
                let out = &mut out[r * hidden + at + group..][..lanes];
                out.copy_from_slice(&sums[..lanes]);
                if let Some(bias) = self.bias.get(value_at..value_at + lanes) {
                    out.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                }
            }
        }
    }
}

#[inline(always)]
fn add_scaled(sums: &mut [f32; LANES], scale: f32, values: &[f32; LANES]) {
    for i in 0..LANES {
        sums[i] += scale * values[i];
    }
}

/// Of the scores in `seen`; those beside it, which fill up whole groups, become 0.
#[inline(always)]
fn softmax(row: &mut [f32], seen: Range<usize>) {
    row[..seen.start].fill(f32::NEG_INFINITY);
    row[seen.end..].fill(f32::NEG_INFINITY);
    let mut most = [f32::NEG_INFINITY; LANES];
    for group in row.chunks_exact(LANES) {
        most.iter_mut().zip(group).for_each(|(most, &x)| *most = if x > *most { x } else { *most });
    }
    let most = most.iter().fold(f32::NEG_INFINITY, |most, &x| most.max(x));
    for group in row.chunks_exact_mut(LANES) {
        group.iter_mut().for_each(|x| *x = exp(*x - most));
    }
    // Not infinitely small, as `exp` has a least value.
    row[..seen.start].fill(0.0);
    row[seen.end..].fill(0.0);
    let mut total = [0.0f32; LANES];
    for group in row.chunks_exact(LANES) {
        total.iter_mut().zip(group).for_each(|(total, &x)| *total += x);
    }
    let share = 1.0 / total.iter().sum::<f32>();
    for group in row.chunks_exact_mut(LANES) {
        group.iter_mut().for_each(|x| *x *= share);
    }
}
