//! Products of ternary matrices with int8 vectors.
//!
//! A matrix is [`Packed`] once, at load, from the I2_S layout of a file; a caller may do that with several threads
//! ([`Packed::parts_mut`]). The int8 vectors of a step are [`Activations`]. [`gemv`] multiplies up to [`GEMV_MAX`] of
//! them while it reads the weights once; [`gemm`] any number; [`product`] picks. Each takes a range of groups of 8 rows
//! ([`Packed::groups`]), so that threads share a matrix, each with a buffer of its own for the results.
//!
//! For one token [`ByRows`] and [`ByColumns`] skip what is zero: rows whose result is not needed, columns whose value is 0.
//!
//! All results are exact: `d[r] = sum_k w[r][k] * q[k]` with `w` in -1, 0, +1. Scales are the caller's.

mod activations;
mod packed;
mod sparse;

pub use crate::{
    aligned::{Aligned, LINE},
    ffi::arena::{Arena, Piece},
};
pub use activations::{ActivationRow, Activations};
pub use packed::{BadCode, Format, Packed, PackedPart, Weights};
pub use sparse::{ByColumns, ByRows, NonZero, skips_zeros};

use crate::{Path, ffi};

/// Most activation rows of a [`gemv`].
pub const GEMV_MAX: usize = 8;

/// Bytes from one row of activations to the next: whole blocks of 128 and of 160, and whole lines.
pub const fn row_stride(k: usize) -> usize {
    (k.div_ceil(160) * 160).next_multiple_of(LINE)
}

/// Bytes of scratch that a [`gemm`] of `k` columns needs.
pub const fn panel_bytes(k: usize) -> usize {
    32 * row_stride(k)
}

/// Scratch memory of a thread that calls [`gemm`]: a panel of 32 rows, a byte each weight.
#[derive(Debug, Clone)]
pub struct Scratch(Aligned<u8>);

impl Scratch {
    /// For matrices of up to `max_k` columns.
    pub fn new(max_k: usize) -> Self {
        Self(Aligned::new(panel_bytes(max_k)))
    }
}

/// `out[t * ldd + r] = sum_k w[r][k] * q[t][k]` for the rows of `weights` (r counts from the first of them) and all of
/// `acts`, of which there are at most [`GEMV_MAX`]. Reads each weight once.
///
/// `ldd` is at least `weights.rows()`, always a multiple of 8; `out` holds `(n - 1) * ldd + weights.rows()` or more.
///
/// # Panics
/// If lengths do not fit each other, or the processor lacks the path's instructions.
pub fn gemv(path: Path, weights: Weights<'_>, acts: &Activations, out: &mut [i32], ldd: usize) {
    ffi::ints::gemv(path, operands(weights, acts, out, ldd));
}

/// As [`gemv`] for any number of activation rows; the faster one from about a dozen on.
///
/// # Panics
/// As [`gemv`], and if `scratch` is for fewer columns.
pub fn gemm(path: Path, weights: Weights<'_>, acts: &Activations, out: &mut [i32], ldd: usize, scratch: &mut Scratch) {
    ffi::ints::gemm(path, operands(weights, acts, out, ldd), &mut scratch.0);
}

/// [`gemv`] or [`gemm`], by the number of activation rows.
///
/// # Panics
/// As [`gemm`].
pub fn product(
    path: Path,
    weights: Weights<'_>,
    acts: &Activations,
    out: &mut [i32],
    ldd: usize,
    scratch: &mut Scratch,
) {
    if acts.len() <= GEMV_MAX {
        gemv(path, weights, acts, out, ldd);
    } else {
        gemm(path, weights, acts, out, ldd, scratch);
    }
}

fn operands<'a>(weights: Weights<'a>, acts: &'a Activations, out: &'a mut [i32], ldd: usize) -> ffi::ints::Product<'a> {
    assert_eq!(weights.k(), acts.k(), "columns of the matrix, length of the vectors");
    ffi::ints::Product {
        format: weights.format(),
        weights: weights.bytes(),
        groups: weights.rows() / 8,
        k: weights.k(),
        q: acts.bytes(),
        ldq: row_stride(acts.k()),
        sums: acts.sums(),
        out,
        ldd,
    }
}
