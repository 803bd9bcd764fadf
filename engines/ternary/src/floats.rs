//! What stands between the ternary products: norms, rounding to int8, rotary positions, the KV cache, attention, gates and
//! heads, in f32.
//!
//! Every sum runs over lanes in the order of its data, with fused multiply-add, and is folded in one fixed order, the same
//! on every [`Path`]. So all paths agree bit for bit (but for which NaN a NaN is), and the result for one token depends
//! neither on the other tokens of a call nor on how work is split among threads.

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
    /// Values of a block.
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 => 32,
            Self::Q6K => 256,
        }
    }

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
/// `q = round_half_even(x * (127 / m))`. Returns `m / 127`, which a product of `q` is multiplied by. If a value (or the sum of
/// squares) is NaN or infinite, `q` is zero and the scale NaN, so that every product is NaN.
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

/// Widens `out.len()` packed numbers to f32: exactly, but for one rounding in `Q6K`.
///
/// # Panics
/// If the row has another size, or its blocks are not whole.
pub fn widen(path: Path, kind: RowKind, row: &[u8], out: &mut [f32]) {
    let whole = out.len().is_multiple_of(kind.block());
    assert!(whole && row.len() == kind.bytes(out.len()), "{} bytes for {} values", row.len(), out.len());
    ffi::floats::widen(path, kind, row, out);
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

/// The shape of queries: `[tokens][heads][size]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queries {
    /// Consecutive tokens of one sequence.
    pub tokens: usize,
    /// Query heads that share a key/value head.
    pub heads: usize,
    /// Numbers of a head, at most [`HEAD_MAX`].
    pub size: usize,
}

/// Largest size of a head.
pub const HEAD_MAX: usize = 256;

/// Tokens that share a conversion of keys and values in [`attend`]: calls with a multiple of it waste none.
pub const ATTEND_TOKENS: usize = 8;

impl Queries {
    /// Floats of scratch that [`attend`] needs.
    pub const fn scratch(self) -> usize {
        let tokens = if self.tokens < ATTEND_TOKENS { self.tokens } else { ATTEND_TOKENS };
        let width = self.size.next_multiple_of(16);
        tokens * self.heads * (256 + 3 * width + 4) + 16 * width
    }
}

/// `out = softmax(scale * q . k) . v`, causally: the last token sees all of `cells.seen`, the one before it all but the
/// last, and so on. `queries` and `out` have the shape; a token gets the same bits whatever the number of tokens.
///
/// # Panics
/// If lengths do not fit each other, a cell is out of range, or the first token sees none.
pub fn attend(
    path: Path,
    shape: Queries,
    queries: &[f32],
    cells: Cells<'_>,
    scale: f32,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let Queries { tokens, heads, size } = shape;
    assert!(tokens > 0 && heads > 0 && (1..=HEAD_MAX).contains(&size), "{shape:?}");
    assert!(queries.len() == tokens * heads * size && out.len() == queries.len(), "{shape:?} {}", queries.len());
    assert!(cells.kind != Cell::Q8_0 || size.is_multiple_of(32), "Q8_0 heads of {size}");
    let there = cells.keys.len().min(cells.values.len()) / cells.kind.bytes(size);
    assert!(cells.seen.len() >= tokens && cells.seen.iter().all(|&cell| (cell as usize) < there), "{there} cells");
    assert!(scratch.len() >= shape.scratch(), "{} floats of scratch for {shape:?}", scratch.len());
    ffi::floats::attend(path, shape, queries, cells, scale, scratch, out);
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

/// `out[i] = f(g[i])` with `f = exp`: relative error at most 2^-23, infinite above 88, zero below -87.3.
///
/// # Panics
/// If lengths differ.
pub fn exp(path: Path, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    ffi::floats::exp(path, x, out);
}

/// `out[t * ldo + r] = vectors[t] . rows[r]` for vectors `[n][k]` and packed rows of `k` values. Rows are read once for up
/// to 4 vectors, from the first cache for the others.
///
/// A result is a chain of `k / 32 + 5` roundings, so for rows that are exact in f32 it is off by at most
/// `g / (1 - g) |vector| |row|` with `g = (k / 32 + 5) 2^-24`.
///
/// # Panics
/// If lengths do not fit each other, or `k` is no multiple of 32 (256 for `Q6K`).
pub fn rows(path: Path, kind: RowKind, rows: &[u8], k: usize, vectors: &[f32], out: &mut [f32], ldo: usize) {
    assert!(k > 0 && k.is_multiple_of(kind.block().max(32)), "{k} values a row");
    let (row_bytes, n) = (kind.bytes(k), vectors.len() / k);
    let count = rows.len() / row_bytes;
    assert!(
        rows.len() == count * row_bytes && vectors.len() == n * k,
        "{} bytes, {} values",
        rows.len(),
        vectors.len()
    );
    assert!(n == 0 || count == 0 || (ldo >= count && out.len() >= (n - 1) * ldo + count), "{n} x {count} of {ldo}");
    ffi::floats::rows(path, kind, rows, k, vectors, out, ldo);
}

/// Columns of a block of a screen (`vendor/ternary/README.md`), and bytes of the upper and the lower bits of its codes.
pub const SCREEN_BLOCK: usize = 256;
/// See [`SCREEN_BLOCK`].
pub const SCREEN_HIGH: usize = 192;
/// See [`SCREEN_BLOCK`].
pub const SCREEN_LOW: usize = 64;
/// Most blocks of a row: eight times a sum still fits 32 bits.
pub const SCREEN_MOST: usize = 128;

/// Splits codes, whole blocks of them, into their upper 6 bits and their lower 2.
///
/// # Panics
/// If lengths do not fit each other.
pub fn split_screen(codes: &[u8], high: &mut [u8], low: &mut [u8]) {
    let blocks = codes.len() / SCREEN_BLOCK;
    assert!(codes.len().is_multiple_of(SCREEN_BLOCK), "{} codes", codes.len());
    assert!(high.len() == blocks * SCREEN_HIGH && low.len() == blocks * SCREEN_LOW, "{blocks} blocks");
    let parts = high.as_chunks_mut::<SCREEN_HIGH>().0.iter_mut().zip(low.as_chunks_mut::<SCREEN_LOW>().0);
    for (codes, (high, low)) in codes.as_chunks::<SCREEN_BLOCK>().0.iter().zip(parts) {
        for place in 0..SCREEN_LOW {
            let code = |column: usize| codes[place + 64 * column];
            let last = code(3) >> 2;
            high[place] = code(0) >> 2 | last << 6;
            high[place + 64] = code(1) >> 2 | last >> 2 << 6;
            high[place + 128] = code(2) >> 2 | last >> 4 << 6;
            low[place] = code(0) & 3 | (code(1) & 3) << 2 | (code(2) & 3) << 4 | code(3) << 6;
        }
    }
}

/// `out[t * ldo + r] = (codes >> 2)[r] . vectors[t]` for rows of `blocks` blocks and vectors `[n][256 * blocks]`, exactly. Rows
/// are read once.
///
/// # Panics
/// If lengths do not fit each other, there are more than [`SCREEN_MOST`] blocks, or a value of a vector is -128.
pub fn screen_high(path: Path, rows: &[u8], blocks: usize, vectors: &[i8], out: &mut [i32], ldo: usize) {
    assert!((1..=SCREEN_MOST).contains(&blocks), "{blocks} blocks a row");
    let (count, n) = (rows.len() / (blocks * SCREEN_HIGH), vectors.len() / (blocks * SCREEN_BLOCK));
    assert!(rows.len() == count * blocks * SCREEN_HIGH, "{} bytes of rows of {blocks} blocks", rows.len());
    assert!(vectors.len() == n * blocks * SCREEN_BLOCK, "{} values of vectors of {blocks} blocks", vectors.len());
    assert!(n == 0 || count == 0 || (ldo >= count && out.len() >= (n - 1) * ldo + count), "{n} x {count} of {ldo}");
    assert!(!vectors.contains(&i8::MIN), "vectors of -127 to 127");
    ffi::floats::screen_high(path, rows, blocks, vectors, out, ldo);
}

/// `out[t] = (codes & 3) . vectors[t]` for one row and vectors `[n][256 * blocks]`, exactly.
///
/// # Panics
/// If lengths do not fit each other or there are more than [`SCREEN_MOST`] blocks.
pub fn screen_low(path: Path, row: &[u8], vectors: &[i8], out: &mut [i32]) {
    let blocks = row.len() / SCREEN_LOW;
    assert!(row.len() == blocks * SCREEN_LOW && (1..=SCREEN_MOST).contains(&blocks), "{} bytes of a row", row.len());
    assert!(vectors.len() == out.len() * blocks * SCREEN_BLOCK, "{} values, {} results", vectors.len(), out.len());
    ffi::floats::screen_low(path, row, vectors, out);
}
