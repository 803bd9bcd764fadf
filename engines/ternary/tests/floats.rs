//! Every set of float kernels against the portable one, and every token's independence of the others.

use proptest::{collection::vec, prelude::*};
use tern_ternary::{
    Path,
    floats::{self, Cell, Cells, Function, RowKind},
    ints::Activations,
};

/// Sums of up to 7000 products with fused multiply-add against sums without.
const TOLERANCE: f32 = 2e-5;

fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[track_caller]
fn close(what: &str, got: &[f32], expected: &[f32]) {
    let most = expected.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (got - expected).abs();
        assert!(off <= TOLERANCE * most, "{what}: number {i} is {got}, expected {expected}");
    }
}

fn others() -> Vec<Path> {
    Path::available().into_iter().filter(|path| *path != Path::Reference).collect()
}

#[test]
fn norms_agree_at_every_length() {
    for k in [1, 15, 16, 17, 64, 80, 100, 2560, 6912] {
        let (x, g) = (numbers(1, k), numbers(2, k));
        let mut expected = vec![0.0; k];
        floats::norm(Path::Reference, &x, &g, 1e-5, &mut expected);
        let mean: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / k as f64 + 1e-5;
        let exact: Vec<_> =
            x.iter().zip(&g).map(|(&x, &g)| (f64::from(x) / mean.sqrt() * f64::from(g)) as f32).collect();
        close("the reference", &expected, &exact);
        for path in others() {
            let mut got = x.clone();
            floats::norm_in_place(path, &mut got, &g, 1e-5);
            close(&format!("{path} {k}"), &got, &expected);
        }
    }
}

#[test]
fn rounding_is_half_to_even_and_floors_the_largest() {
    for path in Path::available() {
        let mut acts = Activations::new(128, 1);
        acts.set_len(1);
        let mut x = vec![0.0_f32; 128];
        (x[0], x[1], x[2], x[3], x[4], x[5]) = (127.0, 0.5, 1.5, -2.5, -127.0, f32::NAN);
        let scale = floats::round(path, &x, None, 1e-5, acts.row_mut(0));
        assert_eq!((scale, &acts.row(0)[..6]), (1.0, &[127, 0, 2, -2, -127, -127][..]), "{path}");
        assert_eq!(acts.sums(), [127 + 2 - 2 - 127 - 127], "{path}");
        let scale = floats::round(path, &[1e-9; 128], None, 1e-5, acts.row_mut(0));
        assert_eq!(scale, 1e-5 / 127.0, "{path}");
        assert!(acts.row(0).iter().all(|&q| q == 0), "{path}");
    }
}

#[test]
fn a_rounded_norm_is_the_norm_rounded() {
    for path in Path::available() {
        for k in [128, 256, 2560, 6912] {
            let (x, g) = (numbers(3, k), numbers(4, k));
            let mut normed = vec![0.0; k];
            floats::norm(path, &x, &g, 1e-5, &mut normed);
            let mut acts = Activations::new(k, 2);
            acts.set_len(2);
            let together = floats::round(path, &x, Some(&g), 1e-5, acts.row_mut(0));
            let apart = floats::round(path, &normed, None, 1e-5, acts.row_mut(1));
            assert_eq!((together, acts.row(0)), (apart, acts.row(1)), "{path} {k}");
        }
    }
}

#[test]
fn attention_agrees_for_every_cell_and_head_size() {
    for (size, heads) in [(128, 4), (64, 1), (64, 4), (80, 3), (100, 5), (256, 4), (8, 2)] {
        for kind in [Cell::F16, Cell::Q8_0, Cell::F32] {
            if kind == Cell::Q8_0 && size % 32 != 0 {
                continue;
            }
            for seen in [1, 2, 16, 17, 45] {
                let attend = |path: Path| {
                    let bytes = kind.bytes(size);
                    let (mut keys, mut values) = (vec![0; 50 * bytes], vec![0; 50 * bytes]);
                    for cell in 0..50 {
                        let (k, v) = (numbers(cell as u64 + 10, size), numbers(cell as u64 + 90, size));
                        floats::store(path, kind, &k, &mut keys[cell * bytes..][..bytes]);
                        floats::store(path, kind, &v, &mut values[cell * bytes..][..bytes]);
                    }
                    // Not in order, as after a shared prefix.
                    let list: Vec<u32> = (0..seen).map(|i| (i * 7 + 3) % 50).collect();
                    let queries = numbers(5, heads * size);
                    let mut out = vec![0.0; heads * size];
                    let mut scratch = vec![0.0; floats::attend_scratch(heads, list.len())];
                    let cells = Cells { kind, keys: &keys, values: &values, seen: &list };
                    floats::attend(path, size, &queries, cells, 0.3, &mut scratch, &mut out);
                    out
                };
                let expected = attend(Path::Reference);
                for path in others() {
                    close(&format!("{path} {kind:?} {heads}x{size} {seen}"), &attend(path), &expected);
                }
            }
        }
    }
}

#[test]
fn gates_are_what_their_formulas_say() {
    let g: Vec<i32> = (-300..301).collect();
    let u: Vec<i32> = g.iter().map(|g| 7 - g).collect();
    let (sg, su) = (0.05_f32, 0.5_f32);
    for (function, formula) in [
        (Function::Relu2, (|g: f64| g.max(0.0).powi(2)) as fn(f64) -> f64),
        (Function::Silu, |g| g / (1.0 + (-g).exp())),
        (Function::Gelu, |g| 0.5 * g * (1.0 + (0.797_884_560_802_865_4 * (g + 0.044715 * g.powi(3))).tanh())),
    ] {
        let exact: Vec<f32> = g
            .iter()
            .zip(&u)
            .map(|(&g, &u)| (formula(f64::from(g as f32 * sg)) * f64::from(u as f32 * su)) as f32)
            .collect();
        for path in Path::available() {
            let mut out = vec![0.0; g.len()];
            floats::gate_sums(path, function, &g, &u, (sg, su), &mut out);
            close(&format!("{path} {function:?}"), &out, &exact);
        }
    }
}

fn packed(kind: RowKind, count: usize, k: usize) -> Vec<u8> {
    // Halves that are ordinary numbers; all other bytes may be anything.
    let half = |value: u32| (0x3000 | (value & 0x83FF)) as u16;
    let mut random = numbers(77, count * kind.bytes(k)).into_iter().map(f32::to_bits);
    let mut bytes = Vec::new();
    while bytes.len() < count * kind.bytes(k) {
        let r = random.next().unwrap();
        match kind {
            RowKind::F32 => bytes.extend((r as f32 / 4e9).to_le_bytes()),
            RowKind::F16 => bytes.extend(half(r).to_le_bytes()),
            RowKind::BF16 => bytes.extend((0x3E00_u16 | (r & 0x80FF) as u16).to_le_bytes()),
            RowKind::Q8_0 if bytes.len() % 34 == 0 => bytes.extend(half(r).to_le_bytes()),
            RowKind::Q6K if bytes.len() % 210 == 208 => bytes.extend(half(r).to_le_bytes()),
            RowKind::Q8_0 | RowKind::Q6K => bytes.push(r as u8),
        }
    }
    bytes
}

#[test]
fn heads_agree_and_a_vector_does_not_see_its_neighbours() {
    for kind in [RowKind::F32, RowKind::F16, RowKind::BF16, RowKind::Q8_0, RowKind::Q6K] {
        let (k, count) = (512, 37);
        let rows = packed(kind, count, k);
        let vectors = numbers(6, 9 * k);
        let mut expected = vec![0.0; 9 * count];
        floats::rows(Path::Reference, kind, &rows, k, &vectors, &mut expected, count);
        for path in Path::available() {
            let mut together = vec![0.0; 9 * count];
            floats::rows(path, kind, &rows, k, &vectors, &mut together, count);
            close(&format!("{path} {kind:?}"), &together, &expected);
            for n in 0..9 {
                let mut alone = vec![0.0; count];
                floats::rows(path, kind, &rows, k, &vectors[n * k..][..k], &mut alone, count);
                assert_eq!(alone, together[n * count..][..count], "{path} {kind:?} vector {n}");
            }
        }
    }
}

proptest! {
    #[test]
    fn screens_are_exact(codes in vec(-127_i8..=127, 96), vector in vec(-6000_i16..=6000, 96)) {
        let exact: i32 = codes.iter().zip(&vector).map(|(&c, &v)| i32::from(c) * i32::from(v)).sum();
        for path in Path::available() {
            let mut out = [0];
            floats::screen(path, &codes, &vector, &mut out);
            prop_assert_eq!(out[0], exact);
        }
    }
}
