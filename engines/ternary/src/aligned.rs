//! Memory that kernels read in whole cache lines.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use crate::ffi::memory::{HUGE_PAGE, prefer_huge_pages};

/// Bytes of a cache line, the alignment of everything kernels load in vectors.
pub const LINE: usize = 64;

/// A slice whose first element is at a multiple of [`LINE`] bytes. Its length is fixed.
pub struct Aligned<T> {
    /// Longer than the slice by a line; never grows, so the slice stays where it is.
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` elements of value `T::default()`. Large ones are fresh pages: memory is taken as it is written.
    pub fn new(len: usize) -> Self {
        let memory = vec![T::default(); len + LINE / size_of::<T>().max(1)];
        let start = memory.as_ptr().align_offset(LINE);
        Self { memory, start, len }
    }
}

impl Aligned<u8> {
    /// As [`Aligned::new`], in pages of 2 MB as far as it is long enough for them and the system has them. A stream over
    /// weights is 1.4 times as fast: no prefetch waits for the address of a small page.
    pub fn in_huge_pages(len: usize) -> Self {
        if len < 2 * HUGE_PAGE {
            return Self::new(len);
        }
        let mut memory = vec![0; len + HUGE_PAGE];
        let start = memory.as_ptr().align_offset(HUGE_PAGE);
        prefer_huge_pages(&mut memory[start..start + len]);
        Self { memory, start, len }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T> fmt::Debug for Aligned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aligned[{}]", self.len)
    }
}
