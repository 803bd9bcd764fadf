//! K-quants: 256 values in sub-blocks, whose own scales are small integers under a scale of the whole (Q6_K is apart).

use super::{half, part};

/// 16 bytes of scales (low nibble) and least values (high nibble), 64 bytes of 2-bit codes, `d`, `dmin`.
/// Sub-blocks of 16; the codes of 128 values are four bit fields of 32 bytes.
pub(super) fn q2_k(block: &[u8], out: &mut [f32]) {
    let (scales, codes): (&[u8; 16], &[u8; 64]) = (part(block, 0), part(block, 16));
    let (d, dmin) = (half::at(block, 80), half::at(block, 82));
    for (sub, out) in out.chunks_exact_mut(16).enumerate() {
        let (scale, least) = (d * f32::from(scales[sub] & 15), dmin * f32::from(scales[sub] >> 4));
        let (begin, shift) = field(sub);
        for (value, code) in out.iter_mut().zip(&codes[begin..]) {
            *value = scale * f32::from(code >> shift & 3) - least;
        }
    }
}

/// 32 bytes of third bits (set: code is not 4 less), 64 bytes of 2-bit codes as in Q2_K, 12 bytes of 16 scales, `d`.
pub(super) fn q3_k(block: &[u8], out: &mut [f32]) {
    let (third, codes): (&[u8; 32], &[u8; 64]) = (part(block, 0), part(block, 32));
    let packed: &[u8; 12] = part(block, 96);
    let d = half::at(block, 108);
    for (sub, out) in out.chunks_exact_mut(16).enumerate() {
        // Six bits: the lower four in nibbles of the first eight bytes, the upper two in fields of the last four.
        let low = packed[sub % 8] >> (sub / 8 * 4) & 15;
        let high = packed[8 + sub % 4] >> (sub / 4 * 2) & 3;
        let scale = d * f32::from((low | high << 4) as i8 - 32);
        let (begin, shift) = field(sub);
        let (bit, byte) = (sub / 2, sub % 2 * 16);
        for (j, value) in out.iter_mut().enumerate() {
            let code = (codes[begin + j] >> shift & 3) as i8 - if third[byte + j] >> bit & 1 == 1 { 0 } else { 4 };
            *value = scale * f32::from(code);
        }
    }
}

/// Where the 2-bit codes of a sub-block of 16 begin, and in which bits they are.
fn field(sub: usize) -> (usize, usize) {
    (sub / 8 * 32 + sub % 2 * 16, sub % 8 / 2 * 2)
}

/// `d`, `dmin`, 12 bytes of eight scales and least values, 128 bytes: of each 32 the low nibbles are a sub-block of 32
/// and the high ones the next.
pub(super) fn q4_k(block: &[u8], out: &mut [f32]) {
    let codes: &[u8; 128] = part(block, 16);
    for (sub, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(block, sub);
        for (value, byte) in out.iter_mut().zip(&codes[sub / 2 * 32..]) {
            *value = scale * f32::from(byte >> (sub % 2 * 4) & 15) - least;
        }
    }
}

/// As Q4_K, with 32 bytes of fifth bits before the codes: bit n for sub-block n.
pub(super) fn q5_k(block: &[u8], out: &mut [f32]) {
    let (fifth, codes): (&[u8; 32], &[u8; 128]) = (part(block, 16), part(block, 48));
    for (sub, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(block, sub);
        for ((value, byte), bits) in out.iter_mut().zip(&codes[sub / 2 * 32..]).zip(fifth) {
            *value = scale * f32::from(byte >> (sub % 2 * 4) & 15 | (bits >> sub & 1) << 4) - least;
        }
    }
}

/// Of Q4_K and Q5_K: six bits each. The first four have theirs in bytes of their own; of the others the lower four bits
/// share bytes 8 to 11, and the upper two stand above those of the first four.
fn scale_and_least(block: &[u8], sub: usize) -> (f32, f32) {
    let packed: &[u8; 12] = part(block, 4);
    let (scale, least) = match sub {
        0..4 => (packed[sub] & 63, packed[sub + 4] & 63),
        _ => (packed[sub + 4] & 15 | packed[sub - 4] >> 6 << 4, packed[sub + 4] >> 4 | packed[sub] >> 6 << 4),
    };
    (half::at(block, 0) * f32::from(scale), half::at(block, 2) * f32::from(least))
}
