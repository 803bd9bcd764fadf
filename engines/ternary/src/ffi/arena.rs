//! Memory for many matrices that are read one after the other.
#![allow(unsafe_code)]

use std::{
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::{Arc, Mutex},
};

use crate::aligned::{Aligned, LINE};

/// Bytes of the slabs of a model.
const SLAB: usize = 64 << 20;

/// Gives out pieces of large slabs, in pages of 2 MB where the system has them. A stream over weights is 1.4 times as fast
/// there (no prefetch waits for the address of a small page), and most matrices alone are shorter than one such page. A slab
/// lives as long as any of its pieces.
#[derive(Debug)]
pub struct Arena {
    slab_bytes: usize,
    /// The slab in use, and how many of its bytes were given out.
    slab: Mutex<Option<(Arc<Slab>, usize)>>,
}

impl Arena {
    /// For the matrices of a model. Memory is taken as it is written.
    pub fn new() -> Self {
        Self::with_slabs_of(SLAB)
    }

    /// For matrices of so many bytes together; with none, each has memory of its own.
    pub fn with_slabs_of(bytes: usize) -> Self {
        Self { slab_bytes: bytes, slab: Mutex::default() }
    }

    /// `len` bytes, all zero.
    pub fn take(&self, len: usize) -> Piece {
        let mut current = self.slab.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((slab, used)) = &mut *current {
            let begin = used.next_multiple_of(LINE);
            if begin <= slab.len && len <= slab.len - begin {
                *used = begin + len;
                return Piece { slab: Arc::clone(slab), begin, len };
            }
        }
        let slab = Arc::new(Slab::new(len.max(self.slab_bytes)));
        *current = Some((Arc::clone(&slab), len));
        Piece { slab, begin: 0, len }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

/// Zeroed memory that pieces share.
#[derive(Debug)]
struct Slab {
    start: NonNull<u8>,
    len: usize,
    /// What `start` points into. Only kept: while there are pieces, the memory is theirs.
    _memory: Aligned<u8>,
}

// SAFETY: it is plain memory, which any thread may free; who may read and write it is a matter of its pieces.
unsafe impl Send for Slab {}
// SAFETY: a shared slab is only asked where it begins.
unsafe impl Sync for Slab {}

impl Slab {
    fn new(len: usize) -> Self {
        let mut memory = Aligned::in_huge_pages(len);
        Self { start: NonNull::from(&mut *memory).cast(), len, _memory: memory }
    }
}

/// A part of a slab that nothing else uses.
pub struct Piece {
    slab: Arc<Slab>,
    begin: usize,
    len: usize,
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `Arena::take` gave `begin .. begin + len` of this slab, which it checked to lie within, to this piece and
        // to no other; the bytes were zeroed when the slab was made. The borrow of `self` keeps writers away.
        unsafe { std::slice::from_raw_parts(self.slab.start.add(self.begin).as_ptr(), self.len) }
    }
}

impl DerefMut for Piece {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; `self` is borrowed exclusively, and no other piece has these bytes.
        unsafe { std::slice::from_raw_parts_mut(self.slab.start.add(self.begin).as_ptr(), self.len) }
    }
}

impl Clone for Piece {
    fn clone(&self) -> Self {
        let mut copy = Arena::with_slabs_of(self.len).take(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece[{}]", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::memory::HUGE_PAGE;

    #[test]
    fn pieces_are_zero_aligned_and_apart_and_outlive_the_arena() {
        let arena = Arena::with_slabs_of(1000);
        // The third does not fit any more; the fourth is larger than a slab.
        let mut pieces: Vec<Piece> = [300, 500, 400, 5000, 0, 64].map(|len| arena.take(len)).into();
        drop(arena);
        for (i, piece) in pieces.iter_mut().enumerate() {
            assert!(piece.as_ptr().addr().is_multiple_of(LINE));
            assert!(piece.iter().all(|&byte| byte == 0), "piece {i}");
            piece.fill(i as u8 + 1);
        }
        let copy = pieces[1].clone();
        assert!(pieces.iter().enumerate().all(|(i, piece)| piece.iter().all(|&byte| byte == i as u8 + 1)));
        drop(pieces);
        assert_eq!(*copy, [2; 500]);
    }

    #[test]
    fn large_slabs_begin_at_a_page_of_two_megabytes() {
        let arena = Arena::with_slabs_of(2 * HUGE_PAGE);
        let (first, second) = (arena.take(100), arena.take(3 * HUGE_PAGE));
        assert!(first.as_ptr().addr().is_multiple_of(HUGE_PAGE));
        assert!(second.as_ptr().addr().is_multiple_of(HUGE_PAGE));
    }
}
