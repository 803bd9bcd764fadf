//! The exponential function and gates.

use tern_ternary::floats::{Function, exp, gate, gate_sums};

use crate::{Random, assert_near, on_all_paths};

fn exact(function: Function, g: f64) -> f64 {
    match function {
        Function::Relu2 => g.max(0.0) * g.max(0.0),
        Function::Silu => g / (1.0 + (-g).exp()),
        Function::Gelu => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g * g * g);
            // (1 + tanh y) / 2, without its cancellation.
            g / (1.0 + (-2.0 * inner).exp())
        }
    }
}

#[test]
fn the_exponential_function_is_within_two_to_the_minus_23() {
    let mut random = Random(5);
    let x: Vec<f32> = (0..200_001).map(|i| i as f32 / 200_000.0 * 175.3 - 87.3 + random.number() * 1e-4).collect();
    let x: Vec<f32> =
        x.into_iter().map(|x| x.clamp(-87.3, 88.0)).chain((0..1000).map(|_| random.number() * 1e-3)).collect();
    let y = on_all_paths("exp", |path| {
        let mut y = vec![0.0; x.len()];
        exp(path, &x, &mut y);
        y
    });
    let exact: Vec<f64> = x.iter().map(|&x| f64::from(x).exp()).collect();
    assert_near("exp", &y, &exact, |i| exact[i] * 2.0_f64.powi(-23));
}

#[test]
fn the_exponential_function_ends_in_zero_and_infinity() {
    let x = [0.0, -0.0, -87.31, -88.0, -1e30, f32::NEG_INFINITY, 88.1, 1e30, f32::INFINITY, f32::NAN];
    let y = on_all_paths("ends", |path| {
        let mut y = vec![7.0; x.len()];
        exp(path, &x, &mut y);
        y
    });
    assert_eq!(y[..9], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY]);
    assert!(y[9].is_nan());
}

#[test]
fn gates_are_their_functions_times_the_other_half() {
    let mut random = Random(6);
    for function in [Function::Relu2, Function::Silu, Function::Gelu] {
        for n in [1, 8, 16, 17, 100, 6912] {
            let g: Vec<f32> = (0..n).map(|_| random.normal() * 8.0).collect();
            let u = random.normals(n);
            let z = on_all_paths("gate", |path| {
                let mut z = u.clone();
                gate(path, function, &g, &mut z);
                z
            });
            let exact: Vec<f64> = g.iter().zip(&u).map(|(&g, &u)| exact(function, g.into()) * f64::from(u)).collect();
            // GELU's inner product reaches 90 before it saturates, and each of its 5 roundings is multiplied by that.
            let relative = 500.0 * 2.0_f64.powi(-24);
            assert_near("gate", &z, &exact, |i| exact[i].abs() * relative + 1e-35);
        }
    }
}

#[test]
fn gates_of_sums_are_gates_of_scaled_numbers() {
    let mut random = Random(7);
    for function in [Function::Relu2, Function::Silu, Function::Gelu] {
        for n in [1, 8, 24, 640] {
            let sums = |random: &mut Random| (0..n).map(|_| random.bits() as i32 >> 12).collect::<Vec<_>>();
            let (g, u) = (sums(&mut random), sums(&mut random));
            let got = on_all_paths("sums", |path| {
                let mut z = vec![0.0; n];
                gate_sums(path, function, &g, &u, (1e-5, 2e-6), &mut z);
                z
            });
            let scaled: Vec<f32> = g.iter().map(|&g| g as f32 * 1e-5).collect();
            let mut expected: Vec<f32> = u.iter().map(|&u| u as f32 * 2e-6).collect();
            gate(tern_ternary::Path::Reference, function, &scaled, &mut expected);
            crate::assert_bits("sums", &got, &expected);
        }
    }
}

#[test]
fn no_number_stays_no_number_in_a_gate() {
    for function in [Function::Relu2, Function::Silu, Function::Gelu] {
        let z = on_all_paths("gate of NaN", |path| {
            let mut z = [1.0; 3];
            gate(path, function, &[f32::NAN, 1e30, -1e30], &mut z);
            z.to_vec()
        });
        assert!(z[0].is_nan() && z[1] > 0.0 && z[2] == 0.0, "{z:?}");
    }
}
