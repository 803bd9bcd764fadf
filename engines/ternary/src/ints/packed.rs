//! Packed ternary matrices. vendor/ternary/README.md has the layouts to the byte.

use std::{fmt, ops::Range};

use super::{Arena, Piece};
use crate::ffi;

/// How weights are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 2 bits a weight (i2x8).
    I2,
    /// 5 weights a byte (t5x8): four fifths of the memory, more work.
    T5,
}

impl Format {
    /// Both, for tests and figures.
    pub const ALL: [Self; 2] = [Self::I2, Self::T5];

    /// Bytes of `groups` groups of 8 rows of `k` weights.
    pub fn bytes(self, groups: usize, k: usize) -> usize {
        groups * self.blocks(k) * 8 * 32
    }

    fn blocks(self, k: usize) -> usize {
        match self {
            Self::I2 => k / 128,
            Self::T5 => k.div_ceil(160),
        }
    }
}

/// Row `row` of the source holds a code 3, which stands for nothing: the file is damaged or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCode {
    /// The first such row of the matrix, or of the part that was packed; counted from the matrix's first.
    pub row: usize,
}

impl fmt::Display for BadCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} has a weight with code 3, which no ternary matrix has", self.row)
    }
}

impl std::error::Error for BadCode {}

/// A ternary matrix of `rows` x `k` weights, as kernels read it: in groups of 8 rows, the last filled up with zeros.
#[derive(Debug, Clone)]
pub struct Packed {
    format: Format,
    rows: usize,
    k: usize,
    data: Piece,
}

impl Packed {
    /// Memory for a matrix; [`Packed::parts_mut`] fills it.
    ///
    /// # Panics
    /// If `k` is no multiple of 128, or not between 128 and 2^20.
    pub fn new(format: Format, rows: usize, k: usize, arena: &Arena) -> Self {
        assert!(k.is_multiple_of(128) && (128..=1 << 20).contains(&k), "{k} columns: not a multiple of 128 up to 2^20");
        Self { format, rows, k, data: arena.take(format.bytes(rows.div_ceil(8), k)) }
    }

    /// Packs `src`, rows in the I2_S layout of a file, `k / 4` bytes each, into memory of its own.
    ///
    /// # Errors
    /// The first row with a code 3.
    pub fn pack(format: Format, src: &[u8], rows: usize, k: usize) -> Result<Self, BadCode> {
        let mut packed = Self::new(format, rows, k, &Arena::with_slabs_of(0));
        let groups = packed.group_count();
        packed.parts_mut(groups.max(1)).try_for_each(|mut part| part.pack(src))?;
        Ok(packed)
    }

    /// The matrix in pieces of `groups` groups (the last may have fewer), to be packed by one thread each.
    pub fn parts_mut(&mut self, groups: usize) -> impl Iterator<Item = PackedPart<'_>> {
        let (format, rows, k) = (self.format, self.rows, self.k);
        let pieces = self.data.chunks_mut(format.bytes(groups, k)).enumerate();
        pieces.map(move |(i, data)| {
            let first = i * groups * 8;
            PackedPart { format, first, rows: (groups * 8).min(rows - first), k, data }
        })
    }

    /// The layout.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Groups of 8 rows.
    pub fn group_count(&self) -> usize {
        self.rows.div_ceil(8)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The weights of the groups `range`: rows `8 * range.start .. 8 * range.end`.
    pub fn groups(&self, range: Range<usize>) -> Weights<'_> {
        let stride = self.format.bytes(1, self.k);
        Weights { format: self.format, k: self.k, data: &self.data[range.start * stride..range.end * stride] }
    }

    /// All the weights.
    pub fn weights(&self) -> Weights<'_> {
        self.groups(0..self.group_count())
    }

    /// The codes of a row, 0, 1, 2 for -1, 0, +1; rows that fill up the last group are there too. For tests and tools.
    pub fn codes(&self, row: usize) -> Vec<u8> {
        let blocks = self.format.blocks(self.k);
        let byte = |block: usize, j: usize| self.data[((row / 8 * blocks + block) * 8 + row % 8) * 32 + j];
        let code = |c: usize| match self.format {
            Format::I2 => (byte(c / 128, c % 32) >> (6 - 2 * (c / 32 % 4))) & 3,
            Format::T5 => byte(c / 160, c % 32) / [1, 3, 9, 27, 81][c % 160 / 32] % 3,
        };
        (0..self.k).map(code).collect()
    }

    /// The rows whose weights are all zero.
    pub fn zero_rows(&self) -> Vec<usize> {
        let blocks = self.format.blocks(self.k);
        // Five codes 1: 1 + 3 + 9 + 27 + 81.
        let zero = match self.format {
            Format::I2 => [0x55; 32],
            Format::T5 => [121; 32],
        };
        let is_zero = |row: usize| {
            (0..blocks).all(|block| self.data[((row / 8 * blocks + block) * 8 + row % 8) * 32..][..32] == zero)
        };
        (0..self.rows).filter(|&row| is_zero(row)).collect()
    }
}

/// Some groups of a matrix that is being packed.
#[derive(Debug)]
pub struct PackedPart<'a> {
    format: Format,
    first: usize,
    rows: usize,
    k: usize,
    data: &'a mut [u8],
}

impl PackedPart<'_> {
    /// The rows of the matrix that are packed here.
    pub fn rows(&self) -> Range<usize> {
        self.first..self.first + self.rows
    }

    /// Packs these rows. `src` is the whole matrix in the I2_S layout of a file, `k / 4` bytes a row.
    ///
    /// # Errors
    /// The first of these rows with a code 3; the memory then holds nothing useful.
    pub fn pack(&mut self, src: &[u8]) -> Result<(), BadCode> {
        let src = &src[self.first * (self.k / 4)..];
        ffi::ints::pack(self.format, src, self.rows, self.k, self.data).map_err(|row| BadCode { row: self.first + row })
    }
}

/// The weights of some groups of 8 rows, as a kernel reads them.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    format: Format,
    k: usize,
    data: &'a [u8],
}

impl<'a> Weights<'a> {
    /// The layout.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Columns.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Rows, a multiple of 8: as many results for each vector.
    pub fn rows(&self) -> usize {
        self.data.len() / self.format.bytes(1, self.k) * 8
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.data
    }
}
