//! Products that skip what is zero, for one token: exact, and reading only the weights that count.

use std::ops::Range;

use super::{Activations, Aligned, Arena, BadCode, Piece};
use crate::{Path, ffi};

/// Whether `path` has kernels of its own for [`ByRows`] and [`ByColumns`]. Others have the reference's, which are slow:
/// use dense products there.
pub fn skips_zeros(path: Path) -> bool {
    matches!(path, Path::Avx2 | Path::AvxVnni | Path::Avx512 | Path::Amx)
}

/// A ternary matrix by rows, as in a file: for products with some of its rows.
#[derive(Debug, Clone)]
pub struct ByRows {
    k: usize,
    data: Piece,
}

impl ByRows {
    /// Copies `src`, rows in the I2_S layout of a file, `k / 4` bytes each.
    ///
    /// # Errors
    /// The first row with a code 3.
    ///
    /// # Panics
    /// If `k` is no multiple of 128 or `src` too short.
    pub fn new(src: &[u8], rows: usize, k: usize, arena: &Arena) -> Result<Self, BadCode> {
        assert!(k > 0 && k.is_multiple_of(128), "{k} columns: not a multiple of 128");
        let src = &src[..rows * (k / 4)];
        if let Some(at) = src.iter().position(|byte| byte & (byte >> 1) & 0x55 != 0) {
            return Err(BadCode { row: at / (k / 4) });
        }
        let mut data = arena.take(src.len());
        data.copy_from_slice(src);
        Ok(Self { k, data })
    }

    /// `out[i]` = row `list[i]` times row `t` of `acts`. Give the list in rising order: memory likes it.
    ///
    /// # Panics
    /// If a row is not there, lengths do not fit, or the processor lacks the path's instructions.
    pub fn product(&self, path: Path, list: &[u32], acts: &Activations, t: usize, out: &mut [i32]) {
        assert_eq!(self.k, acts.k(), "columns of the matrix, length of the vectors");
        ffi::sparse::rows(path, &self.data, self.k, list, acts.padded_row(t), acts.sums()[t], out);
    }
}

/// The values of a vector that are not zero.
#[derive(Debug, Clone)]
pub struct NonZero {
    k: usize,
    /// As many as `q` has; the last up to three fill up to a multiple of 4, with value 0.
    list: Vec<u32>,
    q: Aligned<i8>,
    len: usize,
}

impl NonZero {
    /// For vectors of `k` values.
    pub fn new(k: usize) -> Self {
        Self { k, list: Vec::with_capacity(k + 4), q: Aligned::new(k + 4), len: 0 }
    }

    /// Takes those of `values`.
    ///
    /// # Panics
    /// If it has not `k`.
    pub fn collect(&mut self, values: &[i8]) {
        assert_eq!(values.len(), self.k, "length of the vector");
        self.list.clear();
        self.list.resize(self.k + 4, 0);
        self.len = 0;
        // Without a branch: which values are zero cannot be guessed.
        for (i, &value) in (0..).zip(values) {
            self.list[self.len] = i;
            self.q[self.len] = value;
            self.len += usize::from(value != 0);
        }
        let whole = self.len.next_multiple_of(4);
        self.list[self.len..whole].fill(0);
        self.q[self.len..whole].fill(0);
        self.list.truncate(whole);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all are zero.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A ternary matrix by columns (i2c): for products with the columns whose value is not zero.
#[derive(Debug, Clone)]
pub struct ByColumns {
    rows: usize,
    k: usize,
    stride: usize,
    data: Piece,
}

impl ByColumns {
    /// Rows of a piece.
    pub const PIECE: usize = 256;

    /// Packs `src`, rows in the I2_S layout of a file, `k / 4` bytes each.
    ///
    /// # Errors
    /// The first row with a code 3.
    ///
    /// # Panics
    /// If `k` is no multiple of 128 up to 2^17, or `src` too short.
    pub fn pack(src: &[u8], rows: usize, k: usize, arena: &Arena) -> Result<Self, BadCode> {
        assert!((128..=ffi::sparse::COLUMNS_MAX).contains(&k), "{k} columns: not between 128 and 2^17");
        let stride = rows.div_ceil(256) * 64;
        let mut data = arena.take(k * stride);
        ffi::sparse::pack_columns(src, rows, k, stride, &mut data).map_err(|row| BadCode { row })?;
        Ok(Self { rows, k, stride, data })
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Pieces of 256 rows, the last filled up with zeros: threads share the work by pieces.
    pub fn piece_count(&self) -> usize {
        self.stride / 64
    }

    /// `out[r]` = row `256 * pieces.start + r` times the vector that `values` was taken from.
    ///
    /// # Panics
    /// If `out` has not 256 results for each piece, lengths do not fit, or the processor lacks the path's instructions.
    pub fn product(&self, path: Path, pieces: Range<usize>, values: &NonZero, out: &mut [i32]) {
        assert_eq!(self.k, values.k, "columns of the matrix, length of the vector");
        assert_eq!(out.len(), pieces.len() * 256, "results of {} pieces", pieces.len());
        ffi::sparse::columns(path, &self.data, self.stride, pieces.start, &values.list, &values.q, out);
    }
}
