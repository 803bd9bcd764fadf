//! The output matrix: hidden states to logits.
//!
//! In published files it is F16 and more than half of what a decoded token reads. [`Screen`] is a copy in 8 bits that is
//! read instead when only the top of a row is wanted: it gives each logit with a bound of its error, so the rows that can
//! be in the top are known, and only those are computed from the matrix itself. The result is the same bit for bit.

use std::sync::Mutex;

use tern_engine::{Head as HeadKind, Wanted};
use tern_gguf::{TensorType, blocks};
use tern_ternary::{
    Path as Kernels,
    floats::{self, RowKind},
};

use crate::{
    error::Refusal,
    file,
    raw::{Columns, Pool, share},
    screen::Screen,
};

/// Above so many wanted logits the whole matrix is read.
const MOST_SCREENED: u32 = 256;
/// Rows a thread takes at once: their results stay in the first cache.
const ROWS_AT_ONCE: usize = 256;

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
        // A row of 8 bits is read in place of one of 16 or 32.
        let pays = matches!(kind, RowKind::F32 | RowKind::F16 | RowKind::BF16);
        let screen = (wanted == HeadKind::Screened && pays).then(|| Screen::new(&rows, pool));
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
            let mut part = out.take(worker);
            let columns = part.columns();
            if n == 1 {
                let rows = &bytes[columns.start * stride..columns.end * stride];
                return floats::rows(kernels, self.kind, rows, width, hidden, part.row_mut(0), columns.len());
            }
            // The kernel wants the results of its rows side by side.
            let mut block = vec![0.0; n * ROWS_AT_ONCE];
            for first in columns.clone().step_by(ROWS_AT_ONCE) {
                let count = ROWS_AT_ONCE.min(columns.end - first);
                let rows = &bytes[first * stride..(first + count) * stride];
                floats::rows(kernels, self.kind, rows, width, hidden, &mut block, ROWS_AT_ONCE);
                for (t, results) in block.chunks_exact(ROWS_AT_ONCE).enumerate() {
                    part.row_mut(t)[first - columns.start..][..count].copy_from_slice(&results[..count]);
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
    let screen = &*screen;
    let columns = Columns::new(&mut *out, vocab, 1, workers);
    pool.run(&|worker| {
        let mut part = columns.take(worker);
        let range = part.columns();
        for t in 0..of.wanted.len() {
            screen.approximate(kernels, worker, t, range.clone(), part.row_mut(t));
        }
    });
    let columns = Columns::new(out, vocab, 1, workers);
    pool.run(&|worker| {
        let mut part = columns.take(worker);
        let range = part.columns();
        for (t, hidden) in of.hidden.chunks_exact(width).enumerate() {
            let least = screen.least(t);
            for (row, logit) in range.clone().zip(part.row_mut(t)) {
                if screen.may_reach(t, row, *logit, least) {
                    let row = &bytes[row * stride..][..stride];
                    floats::rows(kernels, kind, row, width, hidden, std::slice::from_mut(logit), 1);
                } else {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    });
}

/// The rows in another type, by all threads.
fn convert(rows: &file::Rows, target: TensorType, pool: &mut Pool) -> file::Rows {
    let stride = target.bytes(rows.width as u64).expect("rows are whole blocks") as usize;
    let mut data = vec![0; rows.count * stride];
    let workers = pool.threads();
    let mut rest = &mut data[..];
    let mut parts = Vec::new();
    for worker in 0..workers {
        let range = share(rows.count, worker, workers);
        let (part, after) = rest.split_at_mut(range.len() * stride);
        parts.push(Mutex::new((range, part)));
        rest = after;
    }
    pool.run(&|worker| {
        let mut part = parts[worker].lock().expect("each thread locks its own");
        let (range, out) = &mut *part;
        let (mut values, mut packed) = (vec![0.0; rows.width], Vec::with_capacity(stride));
        for (row, out) in range.clone().zip(out.chunks_exact_mut(stride)) {
            rows.read(row, &mut values);
            packed.clear();
            blocks::quantize(target, &values, &mut packed).expect("F32, Q8_0 and Q6_K can be made of whole blocks");
            out.copy_from_slice(&packed);
        }
    });
    drop(parts);
    file::Rows::owned(target, rows.count, rows.width, data)
}
