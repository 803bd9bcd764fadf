//! The int8 vectors of a step.

use super::{Aligned, row_stride};

/// Rows of `k` int8 values in -127..=127, each aligned, with their sums, which the kernels subtract.
#[derive(Debug, Clone)]
pub struct Activations {
    k: usize,
    q: Aligned<i8>,
    sums: Vec<i32>,
    len: usize,
}

/// A row to be written: its values, and their sum, which must be right when a kernel reads the row.
#[derive(Debug)]
pub struct ActivationRow<'a> {
    /// The `k` values.
    pub q: &'a mut [i8],
    /// Their sum.
    pub sum: &'a mut i32,
}

impl Activations {
    /// Room for `capacity` rows of `k` values, of which none is in use yet.
    ///
    /// # Panics
    /// If `k` is no multiple of 128.
    pub fn new(k: usize, capacity: usize) -> Self {
        assert!(k.is_multiple_of(128), "{k} columns: not a multiple of 128");
        Self { k, q: Aligned::new(capacity * row_stride(k)), sums: vec![0; capacity], len: 0 }
    }

    /// Values of a row.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Rows in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts the first `len` rows to use, with what they held before.
    ///
    /// # Panics
    /// If there is no room for as many.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.sums.len(), "{len} rows of activations, room for {}", self.sums.len());
        self.len = len;
    }

    /// The values of row `t`.
    pub fn row(&self, t: usize) -> &[i8] {
        &self.q[t * row_stride(self.k)..][..self.k]
    }

    /// Row `t` with the zeros after it, if it is in use.
    pub(crate) fn padded_row(&self, t: usize) -> &[i8] {
        &self.bytes()[t * row_stride(self.k)..][..row_stride(self.k)]
    }

    /// Row `t`, to be written.
    pub fn row_mut(&mut self, t: usize) -> ActivationRow<'_> {
        ActivationRow { q: &mut self.q[t * row_stride(self.k)..][..self.k], sum: &mut self.sums[t] }
    }

    /// The values of the rows in use, each with the zeros after it, which must stay zero, and their sums: to be written by
    /// several threads.
    pub fn parts_mut(&mut self) -> (&mut [i8], &mut [i32]) {
        (&mut self.q[..self.len * row_stride(self.k)], &mut self.sums[..self.len])
    }

    /// Copies `values` into row `t` and adds them up.
    pub fn set(&mut self, t: usize, values: &[i8]) {
        let row = self.row_mut(t);
        row.q.copy_from_slice(values);
        *row.sum = values.iter().map(|&v| i32::from(v)).sum();
    }

    /// All rows in use, `row_stride(k)` bytes from one to the next; what lies between is zero.
    pub(crate) fn bytes(&self) -> &[i8] {
        &self.q[..self.len * row_stride(self.k)]
    }

    /// The sums of the rows in use.
    pub fn sums(&self) -> &[i32] {
        &self.sums[..self.len]
    }
}
