//! Norms, rounding to int8, rotary positions.

use tern_ternary::{
    Path,
    floats::{norm, norm_in_place, rotate_halves, rotate_neighbours, round},
    ints::ActivationRow,
};

use crate::{Random, assert_bits, assert_near, on_all_paths};

const SIZES: [usize; 14] = [1, 2, 15, 16, 17, 63, 64, 65, 100, 128, 640, 2560, 2568, 6912];
const EPS: f32 = 1e-5;

/// The codes, their sum and the scale, as floats.
fn rounded(path: Path, x: &[f32], weights: Option<&[f32]>) -> Vec<f32> {
    let (mut q, mut sum) = (vec![77; x.len()], 0);
    let scale = round(path, x, weights, EPS, ActivationRow { q: &mut q, sum: &mut sum });
    assert_eq!(sum, q.iter().map(|&q| i32::from(q)).sum::<i32>(), "{path}");
    q.iter().map(|&q| f32::from(q)).chain([sum as f32, scale]).collect()
}

#[test]
fn a_norm_divides_by_the_root_of_the_mean_square() {
    let mut random = Random(1);
    for k in SIZES {
        for size in [1e-6, 1.0, 1e6] {
            let x: Vec<f32> = random.normals(k).iter().map(|x| x * size).collect();
            let g = random.normals(k);
            let y = on_all_paths(&format!("norm of {k}"), |path| {
                let mut y = vec![0.0; k];
                norm(path, &x, &g, EPS, &mut y);
                let mut in_place = x.clone();
                norm_in_place(path, &mut in_place, &g, EPS);
                assert_bits("in place", &in_place, &y);
                y
            });
            let mean = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / k as f64;
            let exact: Vec<f64> =
                x.iter().zip(&g).map(|(&x, &g)| f64::from(x) * f64::from(g) / (mean + f64::from(EPS)).sqrt()).collect();
            // Half of the chain of k/64 + 12 roundings reaches through the root; three more follow.
            let relative = (k as f64 / 64.0 + 18.0) * 2.0_f64.powi(-24);
            assert_near("norm", &y, &exact, |i| exact[i].abs() * relative + 1e-44);
        }
    }
}

#[test]
fn rounding_is_the_formula_of_the_training_code() {
    let mut random = Random(2);
    for k in SIZES {
        for size in [1e-7, 3e-6, 1.0, 1e30] {
            let x: Vec<f32> = random.normals(k).iter().map(|x| x * size).collect();
            let got = on_all_paths(&format!("round {k}"), |path| rounded(path, &x, None));
            let m = x.iter().fold(1e-5_f32, |m, x| m.max(x.abs()));
            let codes: Vec<f32> = x.iter().map(|x| (x * (127.0 / m)).round_ties_even() + 0.0).collect();
            assert_bits("codes", &got[..k], &codes);
            assert!(codes.iter().all(|q| q.abs() <= 127.0));
            assert_bits("scale", &got[k + 1..], &[m / 127.0]);
        }
    }
}

#[test]
fn rounding_behind_a_norm_equals_the_norm_and_then_rounding() {
    let mut random = Random(3);
    for k in SIZES {
        let (x, g) = (random.normals(k), random.normals(k));
        let fused = on_all_paths("fused", |path| rounded(path, &x, Some(&g)));
        let mut y = vec![0.0; k];
        norm(Path::Reference, &x, &g, EPS, &mut y);
        assert_bits("fused", &fused, &rounded(Path::Reference, &y, None));
    }
}

#[test]
fn halves_are_rounded_to_even_codes() {
    // m = 127 makes the factor 1, so that these are the ties themselves.
    let x = [127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5];
    let got = on_all_paths("ties", |path| rounded(path, &x, None));
    assert_bits("ties", &got[..8], &[127.0, 0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 126.0]);
}

#[test]
fn a_vector_of_zeros_has_codes_of_zero_and_the_least_scale() {
    let got = on_all_paths("zeros", |path| rounded(path, &[0.0; 100], Some(&[1.0; 100])));
    assert_bits("zeros", &got[..101], &[0.0; 101]);
    assert_eq!(got[101], 1e-5 / 127.0);
}

#[test]
fn what_is_not_finite_gives_codes_of_zero_and_no_number_as_scale() {
    for k in [1, 16, 100, 2560] {
        for at in [0, k / 2, k - 1] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = vec![1.0; k];
                x[at] = bad;
                for weights in [None, Some(&vec![1.0; k][..])] {
                    let got = on_all_paths("not finite", |path| rounded(path, &x, weights));
                    assert!(got[..=k].iter().all(|&q| q == 0.0) && got[k + 1].is_nan(), "{bad} at {at} of {k}");
                }
                let mut g = vec![1.0; k];
                g[at] = bad;
                let got = on_all_paths("weights", |path| rounded(path, &vec![1.0; k], Some(&g)));
                assert!(got[k + 1].is_nan());
            }
        }
    }
    // The sum of squares overflows although no value does.
    let got = on_all_paths("overflow", |path| rounded(path, &[1e30; 64], Some(&[1.0; 64])));
    assert!(got[65].is_nan());
}

#[test]
fn rotation_turns_pairs_by_their_angles() {
    let mut random = Random(4);
    for (size, dims) in [(64, 64), (80, 80), (100, 100), (128, 128), (128, 64), (96, 20), (256, 256), (2, 2)] {
        let x = random.normals(size);
        let angles: Vec<f32> = (0..dims / 2).map(|_| random.number() * 3.0).collect();
        let (c, s): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
        for halves in [true, false] {
            let got = on_all_paths("rotation", |path| {
                let mut x = x.clone();
                if halves {
                    rotate_halves(path, &mut x, &c, &s)
                } else {
                    rotate_neighbours(path, &mut x, &c, &s)
                }
                x
            });
            let mut exact: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            for i in 0..dims / 2 {
                let (a, b) = if halves { (i, i + dims / 2) } else { (2 * i, 2 * i + 1) };
                let (p, q, c, s) = (exact[a], exact[b], f64::from(c[i]), f64::from(s[i]));
                (exact[a], exact[b]) = (p * c - q * s, p * s + q * c);
            }
            // Two products and a sum of numbers below 6.
            assert_near("rotation", &got, &exact, |_| 3.0 * 6.0 * 2.0_f64.powi(-24));
        }
    }
}
