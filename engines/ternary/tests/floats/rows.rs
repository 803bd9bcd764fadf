//! Rows of a head, and its screen.

use tern_ternary::{
    Path,
    floats::{
        Cell, RowKind, SCREEN_BLOCK, SCREEN_HIGH, SCREEN_LOW, SCREEN_MOST, rows, screen_high, screen_low, split_screen,
        store, widen,
    },
};

use crate::{Random, assert_bits, assert_near, on_all_paths};

const KINDS: [RowKind; 5] = [RowKind::F32, RowKind::F16, RowKind::BF16, RowKind::Q8_0, RowKind::Q6K];

/// Packed rows of normal numbers (of random bits, for the formats that have no packer here).
fn packed(kind: RowKind, count: usize, k: usize, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        let x = random.normals(k);
        match kind {
            RowKind::F32 => x.iter().for_each(|x| out.extend(x.to_le_bytes())),
            RowKind::BF16 => x.iter().for_each(|x| out.extend(((x.to_bits() >> 16) as u16).to_le_bytes())),
            RowKind::F16 | RowKind::Q8_0 => {
                let cell = if kind == RowKind::F16 { Cell::F16 } else { Cell::Q8_0 };
                let mut row = vec![0; cell.bytes(k)];
                store(Path::Reference, cell, &x, &mut row);
                out.extend(row);
            }
            RowKind::Q6K => {
                for _ in 0..k / 256 {
                    out.extend((0..208).map(|_| random.bits() as u8));
                    out.extend([random.bits() as u8, 0x08]);
                }
            }
        }
    }
    out
}

fn run(path: Path, kind: RowKind, bytes: &[u8], k: usize, h: &[f32], ldo: usize) -> Vec<f32> {
    let count = bytes.len() / kind.bytes(k);
    let mut out = vec![f32::NAN; h.len() / k * ldo];
    rows(path, kind, bytes, k, h, &mut out, ldo);
    out.chunks_exact(ldo).flat_map(|row| &row[..count]).copied().collect()
}

#[test]
fn a_row_times_a_vector_is_their_product_on_every_path() {
    let mut random = Random(70);
    for kind in KINDS {
        for k in [32, 64, 96, 256, 512, 2560].into_iter().filter(|k| k % kind.block() == 0) {
            for (count, n) in [(1, 1), (2, 1), (3, 2), (5, 3), (4, 4), (7, 5), (3, 8), (2, 13)] {
                let bytes = packed(kind, count, k, &mut random);
                let h = random.normals(n * k);
                let what = format!("{kind:?} {count} rows of {k}, {n} vectors");
                let got = on_all_paths(&what, |path| run(path, kind, &bytes, k, &h, count + 3));
                let (mut exact, mut lengths) = (Vec::new(), Vec::new());
                for h in h.chunks_exact(k) {
                    for row in bytes.chunks_exact(kind.bytes(k)) {
                        let mut wide = vec![0.0; k];
                        widen(Path::Reference, kind, row, &mut wide);
                        let products = wide.iter().zip(h).map(|(&a, &b)| f64::from(a) * f64::from(b));
                        exact.push(products.clone().sum::<f64>());
                        lengths.push(products.map(f64::abs).sum::<f64>());
                    }
                }
                // A chain of k/32 fused steps, one sum of the two halves, four folds.
                let relative = (k as f64 / 32.0 + 5.0) * 2.0_f64.powi(-24) * 1.001;
                assert_near(&what, &got, &exact, |i| lengths[i] * relative);
            }
        }
    }
}

#[test]
fn a_vector_gets_the_same_bits_in_any_company_and_a_row_in_any_range() {
    let mut random = Random(71);
    for kind in KINDS {
        let (k, count, n) = (512, 9, 13);
        let (bytes, h) = (packed(kind, count, k, &mut random), random.normals(13 * 512));
        for path in Path::available() {
            let all = run(path, kind, &bytes, k, &h, count);
            for t in 0..n {
                let alone = run(path, kind, &bytes, k, &h[t * k..(t + 1) * k], count);
                assert_bits(&format!("{path} {kind:?} vector {t}"), &alone, &all[t * count..(t + 1) * count]);
            }
            let split: Vec<f32> =
                bytes.chunks(kind.bytes(k) * 4).flat_map(|bytes| run(path, kind, bytes, k, &h[..k], 4)).collect();
            assert_bits(&format!("{path} {kind:?} ranges"), &split, &all[..count]);
        }
    }
}

#[test]
fn no_number_in_a_vector_spoils_its_own_results_alone() {
    let mut random = Random(72);
    let (bytes, mut h) = (packed(RowKind::F16, 5, 256, &mut random), random.normals(3 * 256));
    let clean = run(Path::best(), RowKind::F16, &bytes, 256, &h, 5);
    h[256 + 7] = f32::NAN;
    let got = on_all_paths("NaN", |path| run(path, RowKind::F16, &bytes, 256, &h, 5));
    assert!(got[5..10].iter().all(|x| x.is_nan()));
    assert_bits("others", &got[..5], &clean[..5]);
    assert_bits("others", &got[10..], &clean[10..]);
}

#[test]
fn screens_are_exact_up_to_the_largest_values() {
    let mut random = Random(73);
    for blocks in [1, 2, 10, SCREEN_MOST] {
        let k = blocks * SCREEN_BLOCK;
        for n in [1, 2, 5, 8, 13] {
            let mut codes: Vec<u8> = (0..7 * k).map(|_| random.bits() as u8).collect();
            let mut h: Vec<i8> = (0..n * k).map(|_| (random.bits() as i8).max(-127)).collect();
            // All products at the ends of their range, of one sign.
            codes[..k].fill(0);
            codes[k..2 * k].fill(255);
            h[..k].fill(127);
            let (mut high, mut low) = (vec![0; 7 * blocks * SCREEN_HIGH], vec![0; 7 * blocks * SCREEN_LOW]);
            split_screen(&codes, &mut high, &mut low);
            let sum = |row: &[u8], h: &[i8], part: fn(u8) -> u8| -> i32 {
                row.iter().zip(h).map(|(&code, &h)| i32::from(part(code)) * i32::from(h)).sum()
            };
            for path in Path::available() {
                let mut out = vec![0; n * 8];
                screen_high(path, &high, blocks, &h, &mut out, 8);
                for (r, row) in codes.chunks_exact(k).enumerate() {
                    let mut rest = vec![0; n];
                    screen_low(path, &low[r * blocks * SCREEN_LOW..][..blocks * SCREEN_LOW], &h, &mut rest);
                    for (t, h) in h.chunks_exact(k).enumerate() {
                        assert_eq!(out[t * 8 + r], sum(row, h, |code| code >> 2), "{path} {blocks} row {r} vector {t}");
                        assert_eq!(rest[t], sum(row, h, |code| code & 3), "{path} {blocks} row {r} vector {t}");
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "values a row")]
fn superblocks_that_are_not_whole_are_refused() {
    rows(Path::best(), RowKind::Q6K, &[0; 210], 128, &[0.0; 128], &mut [0.0], 1);
}

#[test]
#[should_panic(expected = "of 2")]
fn results_that_would_overlap_are_refused() {
    run(Path::best(), RowKind::F16, &[0; 3 * 64], 32, &[0.0; 64], 2);
}
