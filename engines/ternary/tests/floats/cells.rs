//! Cells of the KV cache and packed rows, to f32 and back.

use tern_ternary::{
    Path,
    floats::{Cell, RowKind, store, widen},
};

use crate::{Random, on_all_paths};

/// A half as the formula of its bits.
fn half(bits: u16) -> f64 {
    let (sign, power, rest) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match power {
        0 => rest * 2.0_f64.powi(-24),
        31 if rest == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + rest / 1024.0) * 2.0_f64.powi(power - 15),
    };
    if sign == 1 { -size } else { size }
}

fn widened(path: Path, kind: RowKind, row: &[u8], n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    widen(path, kind, row, &mut out);
    out
}

/// The bytes as floats, so that they can be compared in one way.
fn stored(path: Path, kind: Cell, x: &[f32]) -> Vec<f32> {
    let mut cell = vec![0; kind.bytes(x.len())];
    store(path, kind, x, &mut cell);
    cell.into_iter().map(f32::from).collect()
}

fn bytes(stored: &[f32]) -> Vec<u8> {
    stored.iter().map(|&x| x as u8).collect()
}

#[test]
fn every_half_is_widened_exactly_and_stored_again() {
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let wide = on_all_paths("halves", |path| widened(path, RowKind::F16, &all, 1 << 16));
    for (bits, &x) in (0..=u16::MAX).zip(&wide) {
        let exact = half(bits);
        assert!(f64::from(x) == exact || (x.is_nan() && exact.is_nan()), "{bits:04x} became {x}");
    }
    for path in Path::available() {
        let again = bytes(&stored(path, Cell::F16, &wide));
        for (bits, (pair, x)) in (0..=u16::MAX).zip(again.chunks_exact(2).zip(&wide)) {
            let got = u16::from_le_bytes([pair[0], pair[1]]);
            assert!(got == bits || (x.is_nan() && half(got).is_nan()), "{bits:04x} was stored as {got:04x} by {path}");
        }
    }
}

#[test]
fn floats_are_stored_as_the_nearest_half() {
    let mut random = Random(8);
    let mut x: Vec<f32> = (0..100_000).map(|_| f32::from_bits(random.bits())).filter(|x| !x.is_nan()).collect();
    // Between neighbours, at the ends and in the subnormal range.
    x.extend((0..20_000_u32).map(|_| f32::from_bits(((random.bits() & 0x0fff_ffff) + 0x3000_0000) & !0xfff)));
    x.extend([65504.0, 65519.9, 65520.0, 1e10, f32::INFINITY, 5.9e-8, 2.98e-8, 2.99e-8, 6.1e-5, -0.0]);
    let got = bytes(&on_all_paths("halves", |path| stored(path, Cell::F16, &x)));
    for (pair, &x) in got.chunks_exact(2).zip(&x) {
        let bits = u16::from_le_bytes([pair[0], pair[1]]);
        if half(bits).is_infinite() {
            assert!(x.abs() >= 65520.0, "{x:e}");
            continue;
        }
        // No neighbour is nearer, and of two that are as near the even one is taken.
        let distance = (half(bits) - f64::from(x)).abs();
        for other in [bits.wrapping_sub(1), bits.wrapping_add(1)] {
            let away = (half(other) - f64::from(x)).abs();
            let tie = away == distance && half(other) != half(bits);
            assert!(
                away.is_nan() || distance < away || (tie && bits & 1 == 0) || half(other) == -half(bits),
                "{x:e} {bits:04x}"
            );
        }
    }
}

#[test]
fn floats_are_stored_in_blocks_of_int8_within_half_a_step() {
    let mut random = Random(9);
    for size in [32, 64, 96, 256] {
        for scale in [1e-3, 1.0, 1e3] {
            let x: Vec<f32> = random.normals(size).iter().map(|x| x * scale).collect();
            let cell = bytes(&on_all_paths("Q8_0", |path| stored(path, Cell::Q8_0, &x)));
            let back = on_all_paths("Q8_0", |path| widened(path, RowKind::Q8_0, &cell, size));
            for (block, back) in x.chunks_exact(32).zip(back.chunks_exact(32)) {
                let most = block.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                for (x, back) in block.iter().zip(back) {
                    // Half a step, and up to 127 times the rounding of d to a half (2^-11 of it, 2^-25 if subnormal).
                    let allowed = most / 127.0 * (0.5 + 127.0 / 2048.0) * 1.001 + 127.0 * 2.0_f32.powi(-25);
                    assert!((x - back).abs() <= allowed, "{x} became {back}");
                }
            }
        }
    }
    let back = on_all_paths("Q8_0 of zeros", |path| {
        widened(path, RowKind::Q8_0, &bytes(&stored(path, Cell::Q8_0, &[0.0; 32])), 32)
    });
    assert_eq!(back, [0.0; 32]);
    let mut x = [1.0; 32];
    x[9] = f32::NAN;
    let back = widened(Path::Reference, RowKind::Q8_0, &bytes(&stored(Path::best(), Cell::Q8_0, &x)), 32);
    assert!(back.iter().all(|x| x.is_nan()));
}

#[test]
fn rows_are_widened_as_their_formats_say() {
    let mut random = Random(10);
    for n in [1, 31, 32, 33, 80, 100] {
        let plain: Vec<u8> = (0..2 * n).map(|_| random.bits() as u8).collect();
        let wide = on_all_paths("BF16", |path| widened(path, RowKind::BF16, &plain, n));
        for (pair, x) in plain.chunks_exact(2).zip(&wide) {
            let exact = f32::from_bits(u32::from(u16::from_le_bytes([pair[0], pair[1]])) << 16);
            assert!(exact.to_bits() == x.to_bits() || exact.is_nan());
        }
    }
    for _ in 0..50 {
        let mut block: Vec<u8> = (0..210).map(|_| random.bits() as u8).collect();
        block[209] = block[209] & 0x83 | 0x2c; // a d of some 2^-4
        let wide = on_all_paths("Q6_K", |path| widened(path, RowKind::Q6K, &block, 256));
        let d = half(u16::from_le_bytes([block[208], block[209]])) as f32;
        for (i, &x) in wide.iter().enumerate() {
            let (run, j, l) = (i / 128, i % 128 / 32, i % 32);
            let low = block[run * 64 + j % 2 * 32 + l] >> (4 * (j / 2)) & 15;
            let high = block[128 + run * 32 + l] >> (2 * j) & 3;
            let code = f32::from(low | high << 4) - 32.0;
            assert_eq!(x, d * f32::from(block[192 + i / 16] as i8) * code, "value {i}");
        }
    }
}
