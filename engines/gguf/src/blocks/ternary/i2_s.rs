//! I2_S, the type of bitnet.cpp: 2 bits a weight, and one scale that multiplies.
//!
//! Weight n of the flat tensor (`n = row * columns + column`) is in byte `32 * (n / 128) + n % 32`, in the two bits from
//! `6 - 2 * (n / 32 % 4)` on; codes 0, 1, 2 are -1, 0, +1, and 3 is never written. Behind the codes stand 32 bytes: the
//! scale as a little-endian f32, and filler that may be anything.
//!
//! bitnet.cpp of November 2025 and later writes another order on ARM, without a mark in the file: blocks of 64 weights in
//! 16 bytes, byte j with weights j, j + 16, j + 32, j + 48. Both orders decode to valid codes, so whoever reads a file
//! must be told.

use super::TernaryError;
use crate::TensorType;

/// Weights of a block, and bytes.
pub const BLOCK: usize = 128;
const BLOCK_BYTES: usize = BLOCK / 4;
/// Bytes behind the codes; the first four are the scale.
pub const TAIL_BYTES: usize = 32;

/// In which order a file has its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Blocks of 128 weights: every published file.
    #[default]
    Blocks128,
    /// Blocks of 64 weights: files that bitnet.cpp quantized on ARM since November 2025.
    Blocks64,
}

impl Order {
    /// The order of files with so many weights in a block: 64, or else the 128 of all others.
    pub fn of_block(weights: u32) -> Self {
        if weights == 64 { Self::Blocks64 } else { Self::Blocks128 }
    }

    fn weights(self) -> usize {
        match self {
            Self::Blocks128 => 128,
            Self::Blocks64 => 64,
        }
    }
}

/// Packs codes -1, 0, +1 in blocks of 128.
///
/// # Panics
/// If `codes` are no whole number of blocks, `out` is not a quarter as long, or a code is another: bugs of the caller.
pub fn pack(codes: &[i8], out: &mut [u8]) {
    assert!(
        codes.len().is_multiple_of(BLOCK) && out.len() * 4 == codes.len(),
        "{} codes, {} bytes",
        codes.len(),
        out.len()
    );
    for (codes, out) in codes.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK_BYTES)) {
        for (j, byte) in out.iter_mut().enumerate() {
            *byte = (0..4).fold(0, |packed, field| packed << 2 | digit(codes[j + field * BLOCK_BYTES]));
        }
    }
}

/// 0, 1, 2 for -1, 0, +1.
pub(super) fn digit(code: i8) -> u8 {
    assert!((-1..=1).contains(&code), "code {code} is not ternary: this is a bug of the caller");
    (code + 1) as u8
}

/// Unpacks codes; a code 3 becomes 2, so check first with [`first_bad_code`].
///
/// # Panics
/// If `codes` are no whole number of blocks or `packed` is not a quarter as long: bugs of the caller.
pub fn unpack(packed: &[u8], order: Order, codes: &mut [i8]) {
    let (weights, bytes) = (order.weights(), order.weights() / 4);
    assert!(codes.len().is_multiple_of(weights) && packed.len() * 4 == codes.len());
    for (packed, codes) in packed.chunks_exact(bytes).zip(codes.chunks_exact_mut(weights)) {
        for (at, code) in codes.iter_mut().enumerate() {
            *code = (packed[at % bytes] >> (6 - 2 * (at / bytes)) & 3) as i8 - 1;
        }
    }
}

/// Where the first code 3 is in the flat tensor.
pub fn first_bad_code(packed: &[u8], order: Order) -> Option<usize> {
    // Both bits of a field are set.
    let at = packed.iter().position(|byte| byte & byte >> 1 & 0x55 != 0)?;
    let bytes = order.weights() / 4;
    let field = (0..4).find(|field| packed[at] >> (6 - 2 * field) & 3 == 3).expect("the byte has such a field");
    // The first byte need not hold the first weight: another field of the block may come before.
    let block = &packed[at / bytes * bytes..][..bytes.min(packed.len() - at / bytes * bytes)];
    let mut least = field * bytes + at % bytes;
    for (j, byte) in block.iter().enumerate() {
        for field in 0..4 {
            if byte >> (6 - 2 * field) & 3 == 3 {
                least = least.min(field * bytes + j);
            }
        }
    }
    Some(at / bytes * order.weights() + least)
}

/// Turns blocks of 64 into blocks of 128, in place.
///
/// # Panics
/// If `packed` is no whole number of blocks of 128: a bug of the caller.
pub fn reorder_64_to_128(packed: &mut [u8]) {
    assert!(packed.len().is_multiple_of(BLOCK_BYTES), "{} bytes", packed.len());
    let mut codes = [0; BLOCK];
    for block in packed.chunks_exact_mut(BLOCK_BYTES) {
        unpack(block, Order::Blocks64, &mut codes);
        // A code 3 has become 2, which `pack` would refuse: it stays visible as what it was.
        for (j, byte) in block.iter_mut().enumerate() {
            *byte = (0..4).fold(0, |packed, field| packed << 2 | (codes[j + field * BLOCK_BYTES] + 1) as u8);
        }
    }
}

/// The bytes behind the codes.
pub fn tail(scale: f32) -> [u8; TAIL_BYTES] {
    let mut tail = [0; TAIL_BYTES];
    tail[..4].copy_from_slice(&scale.to_le_bytes());
    tail
}

/// The checked data of an I2_S matrix, as it is in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct I2s<'a> {
    /// Outputs of the matrix.
    pub rows: usize,
    /// Inputs of the matrix, a multiple of 128, so that a row is `columns / 4` bytes by itself.
    pub columns: usize,
    /// Multiplies the codes; finite and above 0.
    pub scale: f32,
    /// The codes, without the tail; none is 3.
    pub codes: &'a [u8],
}

impl<'a> I2s<'a> {
    /// Checks shape, length, scale and every code. Cost: one pass over the data.
    ///
    /// # Errors
    /// `Shape`, `Bytes`, `Scale` or `Code`.
    pub fn check(tensor: &str, shape: &[u64], data: &'a [u8], order: Order) -> Result<Self, TernaryError> {
        let (rows, columns) = matrix_shape(tensor, shape, BLOCK)?;
        // The product was checked when the header was read; here it may come from anywhere.
        let code_bytes = rows.checked_mul(columns / 4).unwrap_or(usize::MAX - TAIL_BYTES);
        let expected = code_bytes.saturating_add(TAIL_BYTES);
        if data.len() != expected {
            let why = match data.len() {
                got if got == code_bytes => "; the 32 bytes with the scale are missing",
                got if got < expected => "; it is truncated",
                _ => "",
            };
            return Err(bytes_error(tensor, TensorType::I2_S, shape, data.len(), expected, why));
        }
        let (codes, tail) = data.split_at(code_bytes);
        let scale = f32::from_le_bytes(*tail.first_chunk().expect("the tail has 32 bytes"));
        check_scale(tensor, scale, code_bytes)?;
        if let Some(at) = first_bad_code(codes, order) {
            return Err(TernaryError::Code { tensor: tensor.into(), row: at / columns, column: at % columns });
        }
        Ok(Self { rows, columns, scale, codes })
    }

    /// The packed codes of a row.
    pub fn row(&self, row: usize) -> &'a [u8] {
        &self.codes[row * self.columns / 4..][..self.columns / 4]
    }
}

/// Rows and columns of a shape, whose columns must be a multiple of `block`.
pub(super) fn matrix_shape(tensor: &str, shape: &[u64], block: usize) -> Result<(usize, usize), TernaryError> {
    let fits = |size: u64| usize::try_from(size).ok().filter(|&size| size > 0);
    match shape {
        &[columns, rows] if columns.is_multiple_of(block as u64) => fits(rows).zip(fits(columns)),
        _ => None,
    }
    .ok_or_else(|| TernaryError::Shape {
        tensor: tensor.into(),
        shape: shape.into(),
        expected: format!("two dimensions, the first a multiple of {block}"),
    })
}

pub(super) fn bytes_error(
    tensor: &str,
    kind: TensorType,
    shape: &[u64],
    got: usize,
    expected: usize,
    why: &'static str,
) -> TernaryError {
    TernaryError::Bytes { tensor: tensor.into(), kind, shape: shape.into(), got, expected, why }
}

pub(super) fn check_scale(tensor: &str, got: f32, at: usize) -> Result<(), TernaryError> {
    if got.is_finite() && got > 0.0 { Ok(()) } else { Err(TernaryError::Scale { tensor: tensor.into(), got, at }) }
}
