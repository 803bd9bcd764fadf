//! What stands between the ternary products: norms, rounding to int8, rotary positions, the KV cache, attention, gates and
//! heads, in f32.
//!
//! The result for one token never depends on other tokens of a call: every sum runs over 16 lanes in the order of its data
//! and is folded in one fixed order. It does depend on the [`Path`], because of fused multiply-add.

use crate::{Path, ffi, ints::ActivationRow};

/// How a cell of the KV cache holds a head's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// 16-bit floats.
    F16,
    /// Blocks of 32 int8 with one scale: 34 bytes.
    Q8_0,
    /// 32-bit floats.
    F32,
}

impl Cell {
    /// Bytes of `n` numbers.
    pub fn bytes(self, n: usize) -> usize {
        match self {
            Self::F16 => 2 * n,
            Self::F32 => 4 * n,
            Self::Q8_0 => n.div_ceil(32) * 34,
        }
    }
}

/// The function of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `relu(g)^2`.
    Relu2,
    /// `g * sigmoid(g)`.
    Silu,
    /// The tanh form of GELU.
    Gelu,
}

/// How the rows of a matrix are packed (ggml's names).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// The upper halves of 32-bit floats.
    BF16,
    /// Blocks of 32: a half and int8.
    Q8_0,
    /// Superblocks of 256: 6 bits a value.
    Q6K,
}

impl RowKind {
    /// Bytes of a row of `k` values, a multiple of the block.
    pub fn bytes(self, k: usize) -> usize {
        match self {
            Self::F32 => 4 * k,
            Self::F16 | Self::BF16 => 2 * k,
            Self::Q8_0 => k / 32 * 34,
            Self::Q6K => k / 256 * 210,
        }
    }
}

/// `out = x * weights / sqrt(mean(x^2) + eps)` (RMSNorm). All of one length.
///
/// # Panics
/// If lengths differ.
pub fn norm(path: Path, x: &[f32], weights: &[f32], eps: f32, out: &mut [f32]) {
    assert!(x.len() == weights.len() && x.len() == out.len(), "{} {} {}", x.len(), weights.len(), out.len());
    ffi::floats::norm(path, x, weights, eps, out);
}

/// [`norm`] in place.
///
/// # Panics
/// If lengths differ.
pub fn norm_in_place(path: Path, x: &mut [f32], weights: &[f32], eps: f32) {
    assert_eq!(x.len(), weights.len());
    ffi::floats::norm_in_place(path, x, weights, eps);
}

/// Rounds a vector, normalised first if there are weights, to int8 as BitNet b1.58 does: `m = max(1e-5, max|x|)`,
/// `q = round_half_even(x * (127 / m))`. Returns `m / 127`, which a product of `q` is multiplied by. What is not a number
/// becomes -127.
///
/// # Panics
/// If lengths differ.
pub fn round(path: Path, x: &[f32], weights: Option<&[f32]>, eps: f32, row: ActivationRow<'_>) -> f32 {
    assert!(weights.is_none_or(|weights| weights.len() == x.len()) && row.q.len() == x.len());
    ffi::floats::round(path, x, weights, eps, row.q, row.sum)
}

/// Rotates the first `2 * cosine.len()` numbers of a head: number `i` with number `i + cosine.len()`.
///
/// # Panics
/// If the head is shorter.
pub fn rotate_halves(path: Path, head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    assert!(cosine.len() == sine.len() && head.len() >= 2 * cosine.len());
    ffi::floats::rotate(path, true, head, cosine, sine);
}

/// As [`rotate_halves`]: number `2i` with number `2i + 1`.
///
/// # Panics
/// If the head is shorter.
pub fn rotate_neighbours(path: Path, head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    assert!(cosine.len() == sine.len() && head.len() >= 2 * cosine.len());
    ffi::floats::rotate(path, false, head, cosine, sine);
}

/// Writes a head's numbers into a cell.
///
/// # Panics
/// If the cell has another size, or `Q8_0` numbers are no multiple of 32.
pub fn store(path: Path, kind: Cell, head: &[f32], cell: &mut [u8]) {
    assert!(cell.len() == kind.bytes(head.len()) && (kind != Cell::Q8_0 || head.len().is_multiple_of(32)));
    ffi::floats::store(path, kind, head, cell);
}

/// Keys and values of one key/value head: `[cells][Cell::bytes(size)]` each.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// How a cell is packed.
    pub kind: Cell,
    /// Keys of all cells.
    pub keys: &'a [u8],
    /// Values of all cells.
    pub values: &'a [u8],
    /// The cells that are seen, in order.
    pub seen: &'a [u32],
}

/// Floats of scratch that [`attend`] needs for `heads` heads and `seen` cells.
pub const fn attend_scratch(heads: usize, seen: usize) -> usize {
    heads * seen.next_multiple_of(16)
}

/// `out = softmax(scale * q . k) . v` for the query heads `[heads][size]` of one token that share `cells`.
///
/// # Panics
/// If lengths do not fit each other, a cell is out of range, or none is seen.
pub fn attend(
    path: Path,
    size: usize,
    queries: &[f32],
    cells: Cells<'_>,
    scale: f32,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let heads = queries.len() / size;
    let bytes = cells.kind.bytes(size);
    assert!(queries.len() == heads * size && out.len() == queries.len() && heads > 0, "{heads} heads of {size}");
    assert!(cells.kind != Cell::Q8_0 || size.is_multiple_of(32), "Q8_0 heads of {size}");
    let there = cells.keys.len().min(cells.values.len()) / bytes;
    assert!(!cells.seen.is_empty() && cells.seen.iter().all(|&cell| (cell as usize) < there), "{there} cells");
    assert!(scratch.len() >= attend_scratch(heads, cells.seen.len()));
    ffi::floats::attend(path, size, queries, cells, scale, scratch, out);
}

/// `out = f(g * scales.0) * (u * scales.1)`.
///
/// # Panics
/// If lengths differ.
pub fn gate_sums(path: Path, function: Function, g: &[i32], u: &[i32], scales: (f32, f32), out: &mut [f32]) {
    assert!(g.len() == out.len() && u.len() == out.len());
    ffi::floats::gate_sums(path, function, g, u, scales, out);
}

/// `out = f(g) * out`.
///
/// # Panics
/// If lengths differ.
pub fn gate(path: Path, function: Function, g: &[f32], out: &mut [f32]) {
    assert_eq!(g.len(), out.len());
    ffi::floats::gate(path, function, g, out);
}

/// `out[t * ldo + r] = vectors[t] . rows[r]` for vectors `[n][k]` and packed rows of `k` values.
///
/// # Panics
/// If lengths do not fit each other, or `k` is no multiple of 32 (256 for `Q6K`).
pub fn rows(path: Path, kind: RowKind, rows: &[u8], k: usize, vectors: &[f32], out: &mut [f32], ldo: usize) {
    assert!(k > 0 && k.is_multiple_of(if kind == RowKind::Q6K { 256 } else { 32 }), "{k} values a row");
    let (row_bytes, n) = (kind.bytes(k), vectors.len() / k);
    let count = rows.len() / row_bytes;
    assert!(rows.len() == count * row_bytes && vectors.len() == n * k);
    assert!(n == 0 || count == 0 || (ldo >= count && out.len() >= (n - 1) * ldo + count), "{n} x {count} of {ldo}");
    ffi::floats::rows(path, kind, rows, row_bytes, count, k, vectors, n, out, ldo);
}

/// `out[r] = rows[r] . vector` for int8 rows, exactly.
///
/// # Panics
/// If lengths do not fit each other, or a sum could exceed 32 bits (`127 * max|vector| * k >= 2^31`).
pub fn screen(path: Path, rows: &[i8], vector: &[i16], out: &mut [i32]) {
    assert_eq!(rows.len(), vector.len() * out.len());
    let most = vector.iter().map(|v| u64::from(v.unsigned_abs())).max().unwrap_or(0);
    assert!(128 * most * (vector.len() as u64) < 1 << 31, "{most} over {} values", vector.len());
    ffi::floats::screen(path, rows, vector, out);
}
