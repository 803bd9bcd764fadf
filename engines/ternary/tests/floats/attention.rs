//! Attention over the cells of a cache.

use tern_ternary::{
    Path,
    floats::{Cell, Cells, Queries, RowKind, attend, store, widen},
};

use crate::{Random, assert_bits, assert_near, on_all_paths};

/// A cache of one key/value head, and queries.
struct Case {
    kind: Cell,
    shape: Queries,
    keys: Vec<u8>,
    values: Vec<u8>,
    seen: Vec<u32>,
    queries: Vec<f32>,
    scale: f32,
}

impl Case {
    fn new(kind: Cell, shape: Queries, n: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let (there, bytes) = (n + 9, kind.bytes(shape.size));
        let (mut keys, mut values) = (vec![0; there * bytes], vec![0; there * bytes]);
        for cell in keys.chunks_exact_mut(bytes).chain(values.chunks_exact_mut(bytes)) {
            store(Path::Reference, kind, &random.normals(shape.size), cell);
        }
        // Mostly one after the other, with jumps and a turn.
        let mut seen: Vec<u32> = (0..n as u32).map(|c| if c % 50 < 40 { c } else { c + 9 }).collect();
        if n > 60 {
            seen[20..60].reverse();
        }
        let queries = random.normals(shape.tokens * shape.heads * shape.size);
        Self { kind, shape, keys, values, seen, queries, scale: 1.0 / (shape.size as f32).sqrt() }
    }

    fn run(&self, path: Path) -> Vec<f32> {
        self.run_some(path, self.shape, &self.queries, self.seen.len())
    }

    fn run_some(&self, path: Path, shape: Queries, queries: &[f32], seen: usize) -> Vec<f32> {
        // What the scratch held before must not matter.
        let (mut scratch, mut out) = (vec![f32::NAN; shape.scratch()], vec![f32::NAN; queries.len()]);
        let cells = Cells { kind: self.kind, keys: &self.keys, values: &self.values, seen: &self.seen[..seen] };
        attend(path, shape, queries, cells, self.scale, &mut scratch, &mut out);
        out
    }

    fn wide(&self, packed: &[u8], cell: u32) -> Vec<f64> {
        let bytes = self.kind.bytes(self.shape.size);
        let kind = match self.kind {
            Cell::F16 => RowKind::F16,
            Cell::Q8_0 => RowKind::Q8_0,
            Cell::F32 => RowKind::F32,
        };
        let mut out = vec![0.0; self.shape.size];
        widen(Path::Reference, kind, &packed[cell as usize * bytes..][..bytes], &mut out);
        out.into_iter().map(f64::from).collect()
    }

    /// In f64, by the definition.
    fn exact(&self) -> Vec<f64> {
        let Queries { tokens, heads, size } = self.shape;
        let mut out = Vec::new();
        let keys: Vec<_> = self.seen.iter().map(|&cell| self.wide(&self.keys, cell)).collect();
        let values: Vec<_> = self.seen.iter().map(|&cell| self.wide(&self.values, cell)).collect();
        for (row, q) in self.queries.chunks_exact(size).enumerate() {
            let seen = self.seen.len() - tokens + 1 + row / heads;
            let dot = |k: &Vec<f64>| k.iter().zip(q).map(|(k, &q)| k * f64::from(q)).sum::<f64>();
            let scores: Vec<f64> = keys[..seen].iter().map(|k| dot(k) * f64::from(self.scale)).collect();
            let most = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..size {
                out.push(weights.iter().zip(&values).map(|(w, v)| w * v[i]).sum::<f64>() / total);
            }
        }
        out
    }
}

const SHAPES: [(usize, usize, usize); 12] = [
    (1, 4, 128),
    (1, 1, 64),
    (3, 2, 80),
    (2, 3, 96),
    (1, 5, 100),
    (9, 4, 128),
    (1, 4, 256),
    (5, 1, 256),
    (1, 2, 8),
    (2, 7, 17),
    (1, 8, 128),
    (17, 3, 32),
];

#[test]
fn attention_is_the_softmax_of_scores_times_values_on_every_path() {
    for (seed, (tokens, heads, size)) in (20..).zip(SHAPES) {
        let shape = Queries { tokens, heads, size };
        for n in [0, 1, 3, 15, 16, 17, 40, 255, 256, 257, 600].map(|n| n + tokens) {
            for kind in [Cell::F16, Cell::Q8_0, Cell::F32] {
                if kind == Cell::Q8_0 && size % 32 != 0 {
                    continue;
                }
                let case = Case::new(kind, shape, n, seed);
                let what = format!("{shape:?} {kind:?} {n} cells");
                let got = on_all_paths(&what, |path| case.run(path));
                // Scores below 6 are off by some 2^-20, weights by as much; values are below 6.
                assert_near(&what, &got, &case.exact(), |_| 6.0 * 2.0_f64.powi(-19));
            }
        }
    }
}

#[test]
fn a_token_of_many_gets_the_bits_of_a_token_alone() {
    for (seed, (tokens, heads, size)) in (40..).zip(SHAPES) {
        for n in [tokens, tokens + 20, tokens + 250, tokens + 600] {
            let case = Case::new(Cell::F16, Queries { tokens, heads, size }, n, seed);
            for path in Path::available() {
                let together = case.run(path);
                let one = Queries { tokens: 1, heads, size };
                let each = case.queries.chunks_exact(heads * size).enumerate();
                let alone = each.flat_map(|(t, q)| case.run_some(path, one, q, n - tokens + 1 + t));
                assert_bits(&format!("{path} {tokens} {heads} {size} {n}"), &together, &alone.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_head_gets_the_same_bits_whichever_heads_are_beside_it() {
    let case = Case::new(Cell::F16, Queries { tokens: 1, heads: 5, size: 128 }, 300, 60);
    for path in Path::available() {
        let together = case.run(path);
        for (part, heads) in [(0..2, 2), (2..5, 3), (4..5, 1)] {
            let range = part.start * 128..part.end * 128;
            let shape = Queries { tokens: 1, heads, size: 128 };
            let alone = case.run_some(path, shape, &case.queries[range.clone()], 300);
            assert_bits(&format!("{path} {part:?}"), &alone, &together[range]);
        }
    }
}

#[test]
fn scores_far_apart_neither_overflow_nor_divide_by_zero() {
    for at in [3, 299, 400] {
        let mut case = Case::new(Cell::F32, Queries { tokens: 1, heads: 2, size: 64 }, 500, 61);
        case.scale = 1000.0;
        // One key that answers both queries far better than all others.
        for i in 0..64 {
            let q = (case.queries[i] + case.queries[64 + i]) * 20.0;
            let cell = case.seen[at] as usize;
            case.keys[cell * 256 + 4 * i..][..4].copy_from_slice(&q.to_le_bytes());
        }
        let got = on_all_paths("far apart", |path| case.run(path));
        let value = case.wide(&case.values, case.seen[at]);
        assert_near("the one value", &got[..64], &value, |i| value[i].abs() * 1e-6);
        assert!(got.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn no_number_in_a_query_spoils_its_own_head_alone() {
    let mut case = Case::new(Cell::F16, Queries { tokens: 2, heads: 2, size: 128 }, 300, 62);
    let clean = case.run(Path::best());
    case.queries[128 + 5] = f32::NAN;
    let got = on_all_paths("NaN", |path| case.run(path));
    assert!(got[128..256].iter().all(|x| x.is_nan()));
    assert_bits("the others", &got[..128], &clean[..128]);
    assert_bits("the others", &got[256..], &clean[256..]);
}

#[test]
#[should_panic(expected = "cells")]
fn a_cell_out_of_range_is_refused() {
    let mut case = Case::new(Cell::F16, Queries { tokens: 1, heads: 1, size: 64 }, 20, 63);
    case.seen[7] = 29;
    case.run(Path::best());
}

#[test]
#[should_panic(expected = "cells")]
fn a_token_that_would_see_nothing_is_refused() {
    let case = Case::new(Cell::F16, Queries { tokens: 4, heads: 1, size: 64 }, 20, 64);
    case.run_some(Path::best(), case.shape, &case.queries, 3);
}
