//! IQ2_BN of ik_llama.cpp (type 135): each row is its scale as a little-endian f32, then 64 codes in 16 bytes each; byte
//! j of a block holds codes j, j + 16, j + 32, j + 48 from the lowest bits up.

use super::i2_s::digit;

/// Codes of a block.
pub const BLOCK: usize = 64;
const BLOCK_BYTES: usize = 16;
/// Bytes of the scale in front of a row.
pub const SCALE_BYTES: usize = 4;

/// Codes of a row, and its scale. Damaged rows may have codes of 2.
///
/// # Panics
/// If `codes` are no whole number of blocks or `row` has not the bytes for them: bugs of the caller.
pub fn unpack_row(row: &[u8], codes: &mut [i8]) -> f32 {
    let (scale, packed) = row.split_first_chunk().expect("a row begins with its scale");
    assert!(codes.len().is_multiple_of(BLOCK) && packed.len() * 4 == codes.len());
    for (at, code) in codes.iter_mut().enumerate() {
        let byte = packed[at / BLOCK * BLOCK_BYTES + at % BLOCK_BYTES];
        *code = (byte >> (at % BLOCK / BLOCK_BYTES * 2) & 3) as i8 - 1;
    }
    f32::from_le_bytes(*scale)
}

/// Appends a row to `out`.
///
/// # Panics
/// If `codes` are no whole number of blocks, or not -1, 0, +1: bugs of the caller.
pub fn pack_row(codes: &[i8], scale: f32, out: &mut Vec<u8>) {
    assert!(codes.len().is_multiple_of(BLOCK), "{} codes", codes.len());
    out.extend(scale.to_le_bytes());
    for block in codes.chunks_exact(BLOCK) {
        let byte = |j| (0..4).fold(0, |packed, field| packed | digit(block[j + field * BLOCK_BYTES]) << (2 * field));
        out.extend((0..BLOCK_BYTES).map(byte));
    }
}
