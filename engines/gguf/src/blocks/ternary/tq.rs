//! TQ2_0 and TQ1_0 of ggml: 256 codes and a scale of their own, as a half at the end of the block.
//!
//! TQ2_0: two times 32 bytes; byte m holds codes m, m + 32, m + 64, m + 96 of its 128 from the lowest bits up.
//! TQ1_0: 48 bytes of five codes and 4 bytes of four. With v the codes as digits of base 3, the first the highest, a
//! byte is `ceil(256 v / 243)`; the highest digit of a fraction is then what overflows when it is multiplied by 3.
//! The first 32 bytes hold codes m + 32 n, the next 16 codes 160 + m + 16 n, the last four codes 240 + m + 4 n.

use super::{super::half, i2_s::digit};

/// Codes of a block.
pub const BLOCK: usize = 256;
/// Bytes of a block of TQ2_0.
pub const TQ2_0_BYTES: usize = 66;
/// Bytes of a block of TQ1_0.
pub const TQ1_0_BYTES: usize = 54;

const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
// Bytes of a run, digits of each of its bytes, its first byte and its first code.
const RUNS: [(usize, usize, usize, usize); 3] = [(32, 5, 0, 0), (16, 5, 32, 160), (4, 4, 48, 240)];

/// Codes of a TQ2_0 block, and its scale. Damaged blocks may have codes of 2.
pub fn unpack_tq2_0(block: &[u8; TQ2_0_BYTES], codes: &mut [i8; BLOCK]) -> f32 {
    for (at, code) in codes.iter_mut().enumerate() {
        *code = (block[at / 128 * 32 + at % 32] >> (at / 32 % 4 * 2) & 3) as i8 - 1;
    }
    half::at(block, TQ2_0_BYTES - 2)
}

/// Codes of a TQ1_0 block, and its scale.
pub fn unpack_tq1_0(block: &[u8; TQ1_0_BYTES], codes: &mut [i8; BLOCK]) -> f32 {
    for (bytes, digits, byte, code) in RUNS {
        for n in 0..digits {
            for m in 0..bytes {
                let fraction = block[byte + m].wrapping_mul(POWERS[n]);
                codes[code + n * bytes + m] = ((u16::from(fraction) * 3) >> 8) as i8 - 1;
            }
        }
    }
    half::at(block, TQ1_0_BYTES - 2)
}

/// Makes a TQ2_0 block; `scale` is the bits of a half.
///
/// # Panics
/// If a code is not -1, 0 or +1: a bug of the caller.
pub fn pack_tq2_0(codes: &[i8; BLOCK], scale: u16) -> [u8; TQ2_0_BYTES] {
    let mut block = [0; TQ2_0_BYTES];
    for (at, &code) in codes.iter().enumerate() {
        block[at / 128 * 32 + at % 32] |= digit(code) << (at / 32 % 4 * 2);
    }
    block[TQ2_0_BYTES - 2..].copy_from_slice(&scale.to_le_bytes());
    block
}

/// Makes a TQ1_0 block; `scale` is the bits of a half.
///
/// # Panics
/// If a code is not -1, 0 or +1: a bug of the caller.
pub fn pack_tq1_0(codes: &[i8; BLOCK], scale: u16) -> [u8; TQ1_0_BYTES] {
    let mut block = [0; TQ1_0_BYTES];
    for (bytes, digits, byte, code) in RUNS {
        for m in 0..bytes {
            let number = (0..digits).fold(0, |number, n| number * 3 + u16::from(digit(codes[code + n * bytes + m])));
            // Four digits are the highest of five.
            let number = number * 3_u16.pow(5 - digits as u32);
            block[byte + m] = (number * 256).div_ceil(243) as u8;
        }
    }
    block[TQ1_0_BYTES - 2..].copy_from_slice(&scale.to_le_bytes());
    block
}

/// Values of a TQ2_0 block.
pub(in super::super) fn tq2_0_values(block: &[u8], out: &mut [f32]) {
    let mut codes = [0; BLOCK];
    let scale = unpack_tq2_0(super::super::part(block, 0), &mut codes);
    out.iter_mut().zip(codes).for_each(|(value, code)| *value = f32::from(code) * scale);
}

/// Values of a TQ1_0 block.
pub(in super::super) fn tq1_0_values(block: &[u8], out: &mut [f32]) {
    let mut codes = [0; BLOCK];
    let scale = unpack_tq1_0(super::super::part(block, 0), &mut codes);
    out.iter_mut().zip(codes).for_each(|(value, code)| *value = f32::from(code) * scale);
}
