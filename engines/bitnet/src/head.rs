//! The output matrix: hidden states to logits.
//!
//! In published files it is F16 and more than half of what a decoded token reads. [`Screen`] is a copy in 8 bits, most of it
//! in 6, that is read instead when only the top of a row is wanted: it gives each logit with a bound of its error, so the rows
//! that can be in the top are known, and only those are computed from the matrix itself. The result is the same bit for bit.

use tern_engine::{Head as HeadKind, Wanted};
use tern_gguf::{TensorType, blocks};
use tern_ternary::{
    Path as Kernels,
    floats::{self, RowKind},
};

use crate::{
    error::Refusal,
    file,
    raw::{Columns, Pool},
    screen::{self, Screen},
};

/// Above so many wanted logits the whole matrix is read.
const MOST_SCREENED: u32 = 256;
/// Rows a thread takes at once: their results stay in the first cache.
const ROWS_AT_ONCE: usize = 256;
/// The same of a screened pass, whose second part has little to do for each.
const ROWS_REFINED: usize = 16 * screen::ROWS_AT_ONCE;

/// The head of a model that generates.
pub(crate) struct Head {
    rows: file::Rows,
    kind: RowKind,
    screen: Option<Screen>,
}

/// Vectors whose logits are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[rows][hidden]`, behind the output norm.
    pub hidden: &'a [f32],
    /// What is wanted of each; never nothing.
    pub wanted: &'a [Wanted],
}

fn kernel_of(kind: TensorType) -> Option<RowKind> {
    Some(match kind {
        TensorType::F32 => RowKind::F32,
        TensorType::F16 => RowKind::F16,
        TensorType::BF16 => RowKind::BF16,
        TensorType::Q8_0 => RowKind::Q8_0,
        TensorType::Q6_K => RowKind::Q6K,
        _ => return None,
    })
}

impl Head {
    /// A head that is kept as `wanted` says. Types without a kernel of their own are widened to F32, which is exact.
    pub fn new(rows: file::Rows, wanted: HeadKind, pool: &mut Pool) -> Result<Self, Refusal> {
        let target = match wanted {
            HeadKind::Q8_0 => TensorType::Q8_0,
            HeadKind::Q6K if rows.width.is_multiple_of(256) => TensorType::Q6_K,
            HeadKind::Q6K => {
                let width = rows.width;
                return Err(Refusal::Unsupported(format!(
                    "--head q6_k needs rows of a multiple of 256 values, this model's have {width}; use q8_0"
                )));
            }
            HeadKind::Screened | HeadKind::F16 if kernel_of(rows.kind).is_some() => rows.kind,
            HeadKind::Screened | HeadKind::F16 => TensorType::F32,
        };
        // Rounding what is smaller already would only lose.
        let smaller = target.bytes(256) >= rows.kind.bytes(256) && kernel_of(rows.kind).is_some();
        let rows = if target == rows.kind || smaller { rows } else { convert(&rows, target, pool) };
        let kind = kernel_of(rows.kind).expect("converted to a type with a kernel");
        // A row of 6 bits a value is read in place of one of 16 or 32.
        let pays = matches!(kind, RowKind::F32 | RowKind::F16 | RowKind::BF16);
        let screen =
            (wanted == HeadKind::Screened && pays && Screen::fits(rows.width)).then(|| Screen::new(&rows, pool));
        Ok(Self { rows, kind, screen })
    }

    /// Writes the logits of each row of `of` into `out` `[rows][vocab]`.
    pub fn run(&mut self, kernels: Kernels, pool: &mut Pool, of: Rows<'_>, out: &mut [f32]) {
        let screened = |wanted: &Wanted| matches!(wanted, Wanted::Top(k) if *k <= MOST_SCREENED);
        match &mut self.screen {
            Some(screen) if of.wanted.iter().all(screened) => {
                run_screened(&self.rows, self.kind, screen, kernels, pool, of, out);
            }
            _ => self.run_whole(kernels, pool, of.hidden, out),
        }
    }

    fn run_whole(&self, kernels: Kernels, pool: &mut Pool, hidden: &[f32], out: &mut [f32]) {
        let (vocab, width, stride) = (self.rows.count, self.rows.width, self.rows.row_bytes());
        let (n, workers, bytes) = (hidden.len() / width, pool.threads(), self.rows.bytes());
        let out = Columns::new(out, vocab, 1, workers);
        pool.run(&|worker| {
            // The kernel wants the results of its rows side by side.
            let mut block = if n == 1 { Vec::new() } else { vec![0.0; n * ROWS_AT_ONCE] };
            while let Some(mut part) = out.next(worker, ROWS_AT_ONCE) {
                let columns = part.columns();
                let rows = &bytes[columns.start * stride..columns.end * stride];
                if n == 1 {
                    floats::rows(kernels, self.kind, rows, width, hidden, part.row_mut(0), columns.len());
                    continue;
                }
                floats::rows(kernels, self.kind, rows, width, hidden, &mut block, ROWS_AT_ONCE);
                for (t, results) in block.chunks_exact(ROWS_AT_ONCE).enumerate() {
                    part.row_mut(t).copy_from_slice(&results[..columns.len()]);
                }
            }
        });
    }
}

/// Approximate logits of all rows; then the exact ones of those that can be in the top, and -inf for the others.
fn run_screened(
    rows: &file::Rows,
    kind: RowKind,
    screen: &mut Screen,
    kernels: Kernels,
    pool: &mut Pool,
    of: Rows<'_>,
    out: &mut [f32],
) {
    let (vocab, width, stride) = (rows.count, rows.width, rows.row_bytes());
    let (workers, bytes) = (pool.threads(), rows.bytes());
    screen.prepare(of.hidden, of.wanted);
    let exact = |t: usize, row: usize| {
        let mut logit = 0.0;
        let hidden = &of.hidden[t * width..][..width];
        floats::rows(
            kernels,
            kind,
            &bytes[row * stride..][..stride],
            width,
            hidden,
            std::slice::from_mut(&mut logit),
            1,
        );
        logit
    };
    let columns = Columns::new(&mut *out, vocab, 1, workers);
    pool.run(&|worker| screen.approximate(kernels, worker, &columns, exact));
    screen.settle();
    let columns = Columns::new(out, vocab, 1, workers);
    pool.run(&|worker| {
        while let Some(mut part) = columns.next(worker, ROWS_REFINED) {
            for t in 0..of.wanted.len() {
                screen.refine(kernels, t, part.columns(), part.row_mut(t), exact);
            }
        }
    });
}

/// The rows in another type, by all threads.
fn convert(rows: &file::Rows, target: TensorType, pool: &mut Pool) -> file::Rows {
    let stride = target.bytes(rows.width as u64).expect("rows are whole blocks") as usize;
    let mut data = vec![0; rows.count * stride];
    let workers = pool.threads();
    let parts = Columns::new(&mut data, rows.count * stride, stride, workers);
    pool.run(&|worker| {
        let mut part = parts.take(worker);
        let first = part.columns().start / stride;
        let (mut values, mut packed) = (vec![0.0; rows.width], Vec::with_capacity(stride));
        for (row, out) in (first..).zip(part.row_mut(0).chunks_exact_mut(stride)) {
            rows.read(row, &mut values);
            packed.clear();
            blocks::quantize(target, &values, &mut packed).expect("F32, Q8_0 and Q6_K can be made of whole blocks");
            out.copy_from_slice(&packed);
        }
    });
    file::Rows::owned(target, rows.count, rows.width, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCAB: usize = 700;

    /// Numbers of a normal distribution, nearly: the same for the same seed.
    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..len).map(|_| uniform() + uniform() + uniform() + uniform()).collect()
    }

    /// A head with rows that are hard to tell apart: doubles, and rows that differ in one half by its last bit.
    fn head(width: usize, pool: &mut Pool) -> Head {
        let mut bits: Vec<u16> = noise(1, VOCAB * width).into_iter().map(blocks::half::to_f16).collect();
        for row in (0..VOCAB - 2).step_by(50) {
            bits.copy_within(row * width..(row + 1) * width, (row + 1) * width);
            bits.copy_within(row * width..(row + 1) * width, (row + 2) * width);
            bits[(row + 2) * width + 7] ^= 1;
        }
        let data = bits.into_iter().flat_map(u16::to_le_bytes).collect();
        Head::new(file::Rows::owned(TensorType::F16, VOCAB, width, data), HeadKind::Screened, pool).unwrap()
    }

    #[test]
    fn the_screened_top_is_the_top_of_the_whole_matrix_bit_for_bit() {
        let (states, left) = left_out(256, 1530);
        assert_eq!(states, 5202);
        // Else it would be right by computing everything.
        assert!(left as f64 > 0.6 * (states * VOCAB) as f64, "{left} rows of {} were left out", states * VOCAB);
        // Not a whole block of the screen: bounds are wider, but still leave some out.
        let (states, left) = left_out(96, 130);
        assert!(left as f64 > 0.2 * (states * VOCAB) as f64, "{left} rows of {} were left out", states * VOCAB);
    }

    /// Compares the screened with the whole head on one or four hidden states of each seed; returns how many these were, and
    /// how many of their rows were left out.
    fn left_out(width: usize, seeds: u64) -> (usize, usize) {
        let mut pool = Pool::new(2).unwrap();
        let mut head = head(width, &mut pool);
        let kernels = Kernels::best();
        let (mut whole, mut part) = (vec![0.0; 4 * VOCAB], vec![0.0; 4 * VOCAB]);
        let (mut states, mut left) = (0, 0);
        for seed in 0..seeds {
            let mut hidden = noise(seed + 2, 4 * width);
            // Directions of rows, so that some logits stand out; a zero vector; very large and very small ones; a value
            // that is much larger than the others.
            let mut row = vec![0.0; width];
            head.rows.read(seed as usize % VOCAB, &mut row);
            hidden[..width].iter_mut().zip(&row).for_each(|(h, r)| *h = 0.2 * *h + r);
            let scale = [1.0, 1e-6, 1e6, 0.0][seed as usize % 4];
            hidden[width..2 * width].iter_mut().for_each(|h| *h *= scale);
            hidden[2 * width + seed as usize % width] *= 40.0;
            // One alone, or four.
            let wanted = [Wanted::Top(1), Wanted::Top(1), Wanted::Top(8), Wanted::Top(40)];
            let wanted = &wanted[..if seed % 5 == 4 { 1 } else { 4 }];
            let hidden = &hidden[..wanted.len() * width];
            let (whole, part) = (&mut whole[..wanted.len() * VOCAB], &mut part[..wanted.len() * VOCAB]);
            head.run_whole(kernels, &mut pool, hidden, whole);
            head.run(kernels, &mut pool, Rows { hidden, wanted }, part);
            for (t, wanted) in wanted.iter().enumerate() {
                let Wanted::Top(k) = wanted else { unreachable!() };
                let (whole, part) = (&whole[t * VOCAB..][..VOCAB], &part[t * VOCAB..][..VOCAB]);
                let mut sorted = whole.to_vec();
                sorted.sort_unstable_by(|a, b| b.total_cmp(a));
                let least = sorted[*k as usize - 1];
                for (token, (whole, part)) in whole.iter().zip(part).enumerate() {
                    let left_out = *whole < least && *part == f32::NEG_INFINITY;
                    assert!(
                        whole.to_bits() == part.to_bits() || left_out,
                        "state {seed}.{t}: token {token} has {part}, not {whole}; top {k} from {least}"
                    );
                    left += usize::from(*part == f32::NEG_INFINITY);
                }
                states += 1;
            }
        }
        (states, left)
    }
}
