//! The float kernels: every path gives the bits of the reference, the reference is near the sums in f64 that the names
//! stand for, and what a token gets does not depend on its company.

mod attention;
mod cells;
mod gates;
mod norms;
mod rows;

use tern_ternary::Path;

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as u32
    }

    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.bits() as i32 as f32 / 2147483648.0
    }

    /// Roughly normal, with deviation 1.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.number()).sum::<f32>() / 2.0
    }

    fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }
}

/// Runs `compute` on each path and compares with the reference, bit for bit; any NaN equals any other. Returns the result.
fn on_all_paths(what: &str, compute: impl Fn(Path) -> Vec<f32>) -> Vec<f32> {
    let expected = compute(Path::Reference);
    for path in Path::available() {
        assert_bits(&format!("{what} on {path}"), &compute(path), &expected);
    }
    expected
}

fn assert_bits(what: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let same = |i: &usize| got[*i].to_bits() == expected[*i].to_bits() || (got[*i].is_nan() && expected[*i].is_nan());
    if let Some(i) = (0..got.len()).find(|i| !same(i)) {
        panic!("{what}: number {i} of {} is {:e}, expected {:e}", got.len(), got[i], expected[i]);
    }
}

/// Compares with exact numbers; `allowed` is how far each may be off.
fn assert_near(what: &str, got: &[f32], exact: &[f64], allowed: impl Fn(usize) -> f64) {
    assert_eq!(got.len(), exact.len(), "{what}");
    for (i, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let off = (f64::from(got) - exact).abs();
        assert!(
            off <= allowed(i),
            "{what}: number {i} is {got:e}, expected {exact:e}, off by {off:e} > {:e}",
            allowed(i)
        );
    }
}
