//! Element-wise work between matrix products, on all processors and in their widest vectors.
//!
//! candle computes these one value at a time, which in Whisper's encoder (a hundred million exponentials a window) takes
//! longer than the products. `pulp` compiles each loop for several instruction sets and takes the best at run time.

use candle_core::{CpuStorage, CustomOp2, InplaceOp1, InplaceOp2, Layout, Result, Shape, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Values that one task takes: enough to pay for handing it over.
const GRAIN: usize = 1 << 14;
const LANES: usize = 16;

/// The softmax of each row of the last dimension, in place.
pub(super) fn softmax_(x: &Tensor) -> Result<()> {
    x.inplace_op1(&Softmax)
}

/// Adds `bias` to each row, in place.
pub(super) fn bias_(x: &Tensor, bias: &Tensor) -> Result<()> {
    x.inplace_op2(bias, &Bias { gelu: false })
}

/// Adds `bias` to each row and takes the Gaussian error linear unit, in place.
pub(super) fn bias_gelu_(x: &Tensor, bias: &Tensor) -> Result<()> {
    x.inplace_op2(bias, &Bias { gelu: true })
}

/// `x` `[m][k]` times the transposed `weights` `[n][k]`, for few rows: each weight is read once, by all processors.
pub(super) fn few_rows(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    x.apply_op2_no_bwd(weights, &FewRows)
}

/// e^x to 2e-7, without branches; no libm, so that it becomes vectors.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    p * f32::from_bits(shifted.to_bits().wrapping_sub(0x4b40_0000).wrapping_add(127).wrapping_shl(23))
}

/// x times the normal distribution up to x; the error function as in Abramowitz and Stegun 7.1.26 (1.5e-7).
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x * std::f32::consts::FRAC_1_SQRT_2;
    let a = z.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let erf = 1.0 - p * t * exp(-a * a);
    let erf = if z < 0.0 { -erf } else { erf };
    0.5 * x * (1.0 + erf)
}

/// The values of a contiguous tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((start, end))) => Ok(&all[start..end]),
        _ => bail!("expected contiguous 32-bit floats"),
    }
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((start, end))) => Ok(&mut all[start..end]),
        _ => bail!("expected contiguous 32-bit floats"),
    }
}

struct Softmax;

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = layout.dims().last().copied().unwrap_or(1).max(1);
        let rows = (GRAIN / width).max(1);
        values_mut(storage, layout)?
            .par_chunks_mut(width * rows)
            .for_each(|values| Arch::new().dispatch(SoftmaxRows { values, width }));
        Ok(())
    }
}

struct SoftmaxRows<'a> {
    values: &'a mut [f32],
    width: usize,
}

impl WithSimd for SoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.values.chunks_exact_mut(self.width) {
            let mut most = [f32::NEG_INFINITY; LANES];
            let (lanes, rest) = row.as_chunks::<LANES>();
            for lane in lanes {
                for (most, &value) in most.iter_mut().zip(lane) {
                    *most = if value > *most { value } else { *most };
                }
            }
            let most = most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &value| most.max(value));
            let mut sums = [0f32; LANES];
            let (lanes, rest) = row.as_chunks_mut::<LANES>();
            for lane in lanes {
                for (sum, value) in sums.iter_mut().zip(lane) {
                    *value = exp(*value - most);
                    *sum += *value;
                }
            }
            let mut sum: f32 = sums.iter().sum();
            for value in rest {
                *value = exp(*value - most);
                sum += *value;
            }
            let share = 1.0 / sum;
            row.iter_mut().for_each(|value| *value *= share);
        }
    }
}

struct Bias {
    gelu: bool,
}

impl InplaceOp2 for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_layout: &Layout, bias: &CpuStorage, bias_layout: &Layout) -> Result<()> {
        let bias = values(bias, bias_layout)?;
        if bias.is_empty() || x_layout.dims().last() != Some(&bias.len()) {
            bail!("a bias of {} values for rows of {:?}", bias.len(), x_layout.dims().last());
        }
        let rows = (GRAIN / bias.len()).max(1);
        values_mut(x, x_layout)?
            .par_chunks_mut(bias.len() * rows)
            .for_each(|values| Arch::new().dispatch(BiasRows { values, bias, gelu: self.gelu }));
        Ok(())
    }
}

struct BiasRows<'a> {
    values: &'a mut [f32],
    bias: &'a [f32],
    gelu: bool,
}

impl WithSimd for BiasRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.values.chunks_exact_mut(self.bias.len()) {
            if self.gelu {
                row.iter_mut().zip(self.bias).for_each(|(value, bias)| *value = gelu(*value + bias));
            } else {
                row.iter_mut().zip(self.bias).for_each(|(value, bias)| *value += bias);
            }
        }
    }
}

struct FewRows;

impl CustomOp2 for FewRows {
    fn name(&self) -> &'static str {
        "few-rows"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (&[m, k], &[n, inner]) = (x_layout.dims(), weights_layout.dims()) else { bail!("expected two matrices") };
        if k != inner || k == 0 {
            bail!("rows of {k} values for weights of {inner}");
        }
        let (x, weights) = (values(x, x_layout)?, values(weights, weights_layout)?);
        let mut out = vec![0f32; m * n];
        let outputs = (GRAIN / k).max(1);
        for (x, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(n.max(1))) {
            out.par_chunks_mut(outputs)
                .zip(weights.par_chunks(outputs * k))
                .for_each(|(out, weights)| Arch::new().dispatch(Dots { x, weights, out }));
        }
        Ok((CpuStorage::F32(out), (m, n).into()))
    }
}

struct Dots<'a> {
    x: &'a [f32],
    weights: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (x, x_rest) = self.x.as_chunks::<LANES>();
        for (out, row) in self.out.iter_mut().zip(self.weights.chunks_exact(self.x.len())) {
            let (row, row_rest) = row.as_chunks::<LANES>();
            let mut sums = [0f32; LANES];
            for (x, w) in x.iter().zip(row) {
                for lane in 0..LANES {
                    sums[lane] += x[lane] * w[lane];
                }
            }
            let rest: f32 = x_rest.iter().zip(row_rest).map(|(x, w)| x * w).sum();
            *out = sums.iter().sum::<f32>() + rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Tensor};

    use super::{bias_gelu_, few_rows, softmax_};

    fn close(a: &Tensor, b: &Tensor, most: f32) {
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < most, "{difference}");
    }

    #[test]
    fn they_equal_what_candle_computes() {
        let x = Tensor::randn(0f32, 3.0, (37, 83), &Device::Cpu).unwrap();
        let bias = Tensor::randn(0f32, 1.0, 83, &Device::Cpu).unwrap();
        let weights = Tensor::randn(0f32, 1.0, (53, 83), &Device::Cpu).unwrap();
        close(&few_rows(&x, &weights).unwrap(), &x.matmul(&weights.t().unwrap()).unwrap(), 1e-4);
        let expected = candle_nn::ops::softmax(&x, D::Minus1).unwrap();
        let got = x.copy().unwrap();
        softmax_(&got).unwrap();
        close(&got, &expected, 1e-6);
        let expected = x.broadcast_add(&bias).unwrap().gelu_erf().unwrap();
        let got = x.copy().unwrap();
        bias_gelu_(&got, &bias).unwrap();
        close(&got, &expected, 2e-6);
    }
}
