//! The steps between matrix products, each in one pass over its rows, for every instruction set that `pulp` knows.
//!
//! Loops are written over blocks of [`LANES`] values so that they become vector instructions; sums therefore run in an order of
//! their own. `erf` is off by at most 2e-7, `exp` by 3e-7 of its value.

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, bail};
use pulp::Arch;
use rayon::prelude::*;

pub(super) const LANES: usize = 16;

/// Rows that one thread takes at once.
const ROWS: usize = 16;

/// The function between two products of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// With the error function.
    Gelu,
    /// With the hyperbolic tangent.
    GeluTanh,
    Relu,
    Silu,
    Tanh,
}

impl Activation {
    /// By its name in `config.json`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" => Self::GeluTanh,
            "relu" => Self::Relu,
            "silu" | "swish" => Self::Silu,
            "tanh" => Self::Tanh,
            _ => return None,
        })
    }

    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + tanh(0.797_884_6 * x * (1.0 + 0.044_715 * x * x))),
            Self::Relu => x.max(0.0),
            Self::Silu => x / (1.0 + exp(-x)),
            Self::Tanh => tanh(x),
        }
    }

    /// Of each value.
    #[inline(always)]
    pub fn apply(self, row: &mut [f32]) {
        // Matched outside, so that each loop has one function in it.
        match self {
            Self::Gelu => row.iter_mut().for_each(|x| *x = Self::Gelu.of(*x)),
            Self::GeluTanh => row.iter_mut().for_each(|x| *x = Self::GeluTanh.of(*x)),
            Self::Relu => row.iter_mut().for_each(|x| *x = Self::Relu.of(*x)),
            Self::Silu => row.iter_mut().for_each(|x| *x = Self::Silu.of(*x)),
            Self::Tanh => row.iter_mut().for_each(|x| *x = Self::Tanh.of(*x)),
        }
    }
}

/// e to the x, without a branch: 2 to the nearest whole number in the exponent, a polynomial for the rest.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let poly =
        ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 0.166_666_65) * r + 0.5;
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (poly * r * r + r + 1.0) * power
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let poly = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - poly * exp(-a * a)).copysign(x)
}

/// Sum of `f` over the row.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let blocks = row.chunks_exact(LANES);
    let rest: f32 = blocks.remainder().iter().map(|&x| f(x)).sum();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f(x);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Brings a row to mean 0 and variance 1, then to the layer's scale and shift (empty: none).
#[inline(always)]
fn normalize(row: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let count = row.len() as f32;
    let mean = sum(row, |x| x) / count;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / count;
    let scale = 1.0 / (variance + eps).sqrt();
    row.iter_mut().zip(weight).for_each(|(x, w)| *x = (*x - mean) * scale * w);
    row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
}

/// Layer normalisation with its weights.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    /// `[hidden]`
    pub weight: Vec<f32>,
    /// `[hidden]`, or empty.
    pub bias: Vec<f32>,
    pub eps: f32,
}

/// The values of a tensor that is in one piece.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&values[from..to]),
        _ => bail!("an encoder's states are floats in one piece"),
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&mut values[from..to]),
        _ => bail!("an encoder's states are floats in one piece"),
    }
}

fn width(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(1).max(1)
}

/// `x = f(x + bias)`, for each row.
pub(super) struct Activate<'a> {
    /// `[width]`, or empty.
    pub bias: &'a [f32],
    pub activation: Option<Activation>,
}

impl InplaceOp1 for Activate<'_> {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (width, arch) = (width(layout), Arch::new());
        values_mut(storage, layout)?.par_chunks_mut(width * ROWS).for_each(|rows| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for row in rows.chunks_exact_mut(width) {
                        row.iter_mut().zip(self.bias).for_each(|(x, b)| *x += b);
                        if let Some(activation) = self.activation {
                            activation.apply(row);
                        }
                    }
                },
            );
        });
        Ok(())
    }
}

/// `x = x + bias + residual`, then normalised.
pub(super) struct AddNorm<'a> {
    /// `[hidden]`, or empty.
    pub bias: &'a [f32],
    pub norm: Option<&'a Norm>,
}

impl InplaceOp2 for AddNorm<'_> {
    fn name(&self) -> &'static str {
        "add_norm"
    }

    fn cpu_fwd(&self, to: &mut CpuStorage, layout: &Layout, from: &CpuStorage, from_layout: &Layout) -> Result<()> {
        let (width, arch) = (width(layout), Arch::new());
        let residual = values(from, from_layout)?;
        let rows = values_mut(to, layout)?;
        if rows.len() != residual.len() {
            bail!("states of {} and {} values cannot be added", rows.len(), residual.len());
        }
        rows.par_chunks_mut(width * ROWS).zip(residual.par_chunks(width * ROWS)).for_each(|(rows, residual)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for (row, residual) in rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
                        row.iter_mut().zip(residual).for_each(|(x, r)| *x += r);
                        row.iter_mut().zip(self.bias).for_each(|(x, b)| *x += b);
                        if let Some(norm) = self.norm {
                            normalize(row, &norm.weight, &norm.bias, norm.eps);
                        }
                    }
                },
            );
        });
        Ok(())
    }
}

impl Norm {
    /// Normalises rows in place.
    pub fn rows(&self, rows: &mut [f32]) {
        let (width, arch) = (self.weight.len().max(1), Arch::new());
        rows.par_chunks_mut(width * ROWS).for_each(|rows| {
            arch.dispatch(
                #[inline(always)]
                || rows.chunks_exact_mut(width).for_each(|row| normalize(row, &self.weight, &self.bias, self.eps)),
            );
        });
    }
}

impl InplaceOp1 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        self.rows(values_mut(storage, layout)?);
        Ok(())
    }
}

/// `[rows, 2 n]` to `[rows, n]`: the function of the first half, times the second.
pub(super) struct Gate(pub Activation);

impl candle_core::CustomOp1 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, candle_core::Shape)> {
        let (wide, arch) = (width(layout), Arch::new());
        let (rows, half) = (values(storage, layout)?, wide / 2);
        let mut out = vec![0.0f32; rows.len() / 2];
        out.par_chunks_mut(half.max(1)).zip(rows.par_chunks(wide)).for_each(|(out, row)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    let (input, gate) = row.split_at(half);
                    out.copy_from_slice(input);
                    self.0.apply(out);
                    out.iter_mut().zip(gate).for_each(|(x, gate)| *x *= gate);
                },
            );
        });
        let count = out.len() / half.max(1);
        Ok((CpuStorage::F32(out), (count, half).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_as_exact_as_floats_need() {
        for i in -9000..9000 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x.clamp(-87.0, 88.0)).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "exp({x}) = {}", exp(x));
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 4e-7, "tanh({x}) = {}", tanh(x));
        }
        // Of a table.
        for (x, value) in [(0.0, 0.0), (0.1, 0.112_462_9), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (-2.0, -0.995_322_3)]
        {
            assert!((erf(x) - value).abs() < 3e-7, "erf({x}) = {}", erf(x));
        }
    }
}
