//! Q6_K: 256 values; 128 bytes of lower nibbles, 64 of upper two bits, 16 signed scales, `d`. Codes are -32 to 31.

use super::{half, part};

const SUB: usize = 16;
const SCALES_AT: usize = 192;
const D_AT: usize = 208;
/// Largest magnitude of a code and of a scale.
const MOST_CODE: f32 = 32.0;
const MOST_SCALE: f32 = 128.0;

/// Where value `at` has its bits: byte and shift of the nibble, byte and shift of the upper two.
fn place(at: usize) -> [usize; 4] {
    let (half, quarter, l) = (at / 128, at % 128 / 32, at % 32);
    [half * 64 + quarter % 2 * 32 + l, quarter / 2 * 4, 128 + half * 32 + l, quarter * 2]
}

pub(super) fn dequantize(block: &[u8], out: &mut [f32]) {
    let scales: &[u8; 16] = part(block, SCALES_AT);
    let d = half::at(block, D_AT);
    for (at, value) in out.iter_mut().enumerate() {
        let [low, low_shift, high, high_shift] = place(at);
        let code = block[low] >> low_shift & 15 | (block[high] >> high_shift & 3) << 4;
        *value = d * f32::from(scales[at / SUB] as i8) * f32::from(code as i8 - 32);
    }
}

pub(super) fn quantize(values: &[f32], block: &mut [u8]) {
    block.fill(0);
    let mut scales = [0.0; 16];
    scales.iter_mut().zip(values.chunks_exact(SUB)).for_each(|(scale, values)| *scale = best_scale(values));
    let largest = scales.iter().fold(0.0_f32, |most, &scale| if scale.abs() > most.abs() { scale } else { most });
    // The largest scale becomes -128, of which there is one more than of +128.
    let d = half::from_f16(half::to_f16(largest / -MOST_SCALE));
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    block[D_AT..].copy_from_slice(&half::to_f16(d).to_le_bytes());
    for (sub, values) in values.chunks_exact(SUB).enumerate() {
        let scale = (scales[sub] * inverse).round_ties_even().clamp(-MOST_SCALE, MOST_SCALE - 1.0);
        block[SCALES_AT + sub] = scale as i8 as u8;
        let inverse = if d * scale == 0.0 { 0.0 } else { 1.0 / (d * scale) };
        for (j, value) in values.iter().enumerate() {
            let code = (code(value * inverse) + MOST_CODE) as u8;
            let [low, low_shift, high, high_shift] = place(sub * SUB + j);
            block[low] |= (code & 15) << low_shift;
            block[high] |= code >> 4 << high_shift;
        }
    }
}

fn code(scaled: f32) -> f32 {
    scaled.round_ties_even().clamp(-MOST_CODE, MOST_CODE - 1.0)
}

/// The scale under which rounding costs least, each value's error weighted by its square: for each way to place the
/// largest value near the end of the codes, the least-squares scale of the codes it gives.
fn best_scale(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0.0_f32, |most, &value| if value.abs() > most.abs() { value } else { most });
    if largest.abs() < 1e-15 {
        return 0.0;
    }
    let mut best = (0.0, 0.0);
    for step in -9_i8..=9 {
        let inverse = -(MOST_CODE + 0.1 * f32::from(step)) / largest;
        let (mut product, mut square) = (0.0_f32, 0.0_f32);
        for &value in values {
            let (code, weight) = (code(value * inverse), value * value);
            product += weight * value * code;
            square += weight * code * code;
        }
        if square > 0.0 && product * product > best.0 * square {
            best = (product * product / square, product / square);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_within_a_code_of_their_sub_block() {
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        for spread in [1e-2, 1.0, 300.0] {
            let values: Vec<f32> = (0..256).map(|_| spread * (random() + random() + random())).collect();
            let (mut block, mut back) = ([0; 210], [0.0; 256]);
            quantize(&values, &mut block);
            dequantize(&block, &mut back);
            let error: f32 = values.iter().zip(&back).map(|(a, b)| (a - b).powi(2)).sum();
            let power: f32 = values.iter().map(|a| a * a).sum();
            // The largest of 16 values is about 1.9 of their spread: a step of 1.9 / 32, of which rounding costs 1 / sqrt(12).
            assert!((error / power).sqrt() < 0.02, "relative error {}", (error / power).sqrt());
        }
    }

    #[test]
    fn zeros_stay_zeros_and_one_large_value_is_kept() {
        let (mut block, mut back) = ([9; 210], [1.0; 256]);
        quantize(&[0.0; 256], &mut block);
        dequantize(&block, &mut back);
        assert_eq!(back, [0.0; 256]);
        let mut values = [0.0; 256];
        values[200] = -5.0;
        quantize(&values, &mut block);
        dequantize(&block, &mut back);
        assert!((back[200] + 5.0).abs() < 0.01, "{}", back[200]);
        assert!(back.iter().enumerate().all(|(j, &value)| j == 200 || value == 0.0));
    }
}
