//! Blocks of 32 values with a scale (`_0`), or a scale and a least value (`_1`), as halves in front; and Q2_0.

use super::{half, part};

const VALUES: usize = 32;

/// `d` (2 bytes), 32 signed bytes.
pub(super) fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half::at(block, 0);
    let codes: &[u8; VALUES] = part(block, 2);
    out.iter_mut().zip(codes).for_each(|(value, &code)| *value = f32::from(code as i8) * d);
}

/// `d`, 16 bytes: the low nibbles are values 0 to 15, the high ones 16 to 31.
pub(super) fn q4_0(block: &[u8], out: &mut [f32]) {
    nibbles(part(block, 2), 0, half::at(block, 0), -8, 0.0, out);
}

/// `d`, `m`, 16 bytes as in Q4_0.
pub(super) fn q4_1(block: &[u8], out: &mut [f32]) {
    nibbles(part(block, 4), 0, half::at(block, 0), 0, half::at(block, 2), out);
}

/// `d`, 32 fifth bits, 16 bytes as in Q4_0.
pub(super) fn q5_0(block: &[u8], out: &mut [f32]) {
    nibbles(part(block, 6), u32::from_le_bytes(*part(block, 2)), half::at(block, 0), -16, 0.0, out);
}

/// `d`, `m`, 32 fifth bits, 16 bytes as in Q4_0.
pub(super) fn q5_1(block: &[u8], out: &mut [f32]) {
    nibbles(part(block, 8), u32::from_le_bytes(*part(block, 4)), half::at(block, 0), 0, half::at(block, 2), out);
}

/// Value j is `d * (code j + least) + m`; a code is a nibble with bit j of `fifth` above it.
fn nibbles(codes: &[u8; VALUES / 2], fifth: u32, d: f32, least: i8, m: f32, out: &mut [f32]) {
    for (j, &byte) in codes.iter().enumerate() {
        for (j, nibble) in [(j, byte & 15), (j + VALUES / 2, byte >> 4)] {
            let code = nibble | ((fifth >> j & 1) as u8) << 4;
            out[j] = f32::from(code as i8 + least) * d + m;
        }
    }
}

/// 64 values: `d`, 16 bytes of four consecutive codes each, the lowest bits first; code 0 is -1.
pub(super) fn q2_0(block: &[u8], out: &mut [f32]) {
    let d = half::at(block, 0);
    for (&byte, out) in block[2..].iter().zip(out.chunks_exact_mut(4)) {
        out.iter_mut().enumerate().for_each(|(j, value)| *value = (f32::from(byte >> (2 * j) & 3) - 1.0) * d);
    }
}

/// ggml's way: the scale is the largest magnitude over 127, codes are rounded half away from zero with the scale as it
/// was before it became a half.
pub(super) fn to_q8_0(values: &[f32], block: &mut [u8]) {
    let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let d = largest / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    block[..2].copy_from_slice(&half::to_f16(d).to_le_bytes());
    block[2..].iter_mut().zip(values).for_each(|(code, value)| *code = (value * inverse).round() as i8 as u8);
}
