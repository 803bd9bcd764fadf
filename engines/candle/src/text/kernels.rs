//! Products of matrices with few vectors, on the processor.
//!
//! Such a product reads each weight once and is bound by that, so weights stay as the file has them (bf16 and f16 are half
//! the bytes of f32) and become f32 on the way: exact for both, so that this loses nothing. candle's own product of
//! bf16 is a tenth of the speed, and that of f16 rounds sums.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape};
use half::{bf16, f16};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Numbers summed side by side.
const LANES: usize = 32;
/// Multiply-adds worth a task of its own.
const TASK: usize = 1 << 16;

/// A weight as a file has it.
pub(crate) trait Weight: Copy + Send + Sync {
    fn widen(self) -> f32;
}

impl Weight for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Weight for bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Weight for f16 {
    /// Exponent and mantissa moved to their places and the exponent's bias mended by a product, which is exact and right
    /// for subnormal numbers too: a few integer operations that become vector instructions. Infinities become 65536.
    #[inline(always)]
    fn widen(self) -> f32 {
        let bits = u32::from(self.to_bits());
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
        f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
    }
}

#[inline(always)]
fn dot<T: Weight>(weights: &[T], vector: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = weights.as_chunks::<LANES>();
    let (vectors, vector_rest) = vector.as_chunks::<LANES>();
    for (weights, vector) in chunks.iter().zip(vectors) {
        for lane in 0..LANES {
            sums[lane] += weights[lane].widen() * vector[lane];
        }
    }
    let rest: f32 = rest.iter().zip(vector_rest).map(|(weight, x)| weight.widen() * x).sum();
    sums.iter().sum::<f32>() + rest
}

/// `out[row][vector]` for some rows of a matrix.
struct Rows<'a, T> {
    weights: &'a [T],
    vectors: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl<T: Weight> WithSimd for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let count = self.vectors.len() / self.width;
        for (row, out) in self.weights.chunks_exact(self.width).zip(self.out.chunks_exact_mut(count)) {
            for (vector, out) in self.vectors.chunks_exact(self.width).zip(out) {
                *out = dot(row, vector);
            }
        }
    }
}

struct Widen<'a, T> {
    from: &'a [T],
    to: &'a mut [f32],
}

impl<T: Weight> WithSimd for Widen<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.to.iter_mut().zip(self.from).for_each(|(to, from)| *to = from.widen());
    }
}

/// `[vectors][rows]` of a matrix `[rows][width]` and vectors `[vectors][width]`.
fn few<T: Weight>(weights: &[T], vectors: &[f32], width: usize) -> Vec<f32> {
    let arch = Arch::new();
    let (rows, count) = (weights.len() / width, vectors.len() / width);
    let mut out = vec![0.0; rows * count];
    let per_task = (TASK / (width * count)).clamp(1, rows.max(1));
    out.par_chunks_mut(per_task * count).zip(weights.par_chunks(per_task * width)).for_each(|(out, weights)| {
        arch.dispatch(Rows { weights, vectors, width, out });
    });
    if count == 1 {
        return out;
    }
    let mut turned = vec![0.0; out.len()];
    for (row, values) in out.chunks_exact(count).enumerate() {
        values.iter().enumerate().for_each(|(vector, &value)| turned[vector * rows + row] = value);
    }
    turned
}

fn widen<T: Weight>(from: &[T]) -> Vec<f32> {
    let arch = Arch::new();
    let mut to = vec![0.0; from.len()];
    to.par_chunks_mut(TASK).zip(from.par_chunks(TASK)).for_each(|(to, from)| arch.dispatch(Widen { from, to }));
    to
}

fn contiguous<'a, T>(values: &'a [T], layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((begin, end)) => Ok(&values[begin..end]),
        None => candle_core::bail!("a contiguous tensor is needed here"),
    }
}

/// Vectors `[n][k]` of f32 times a matrix `[m][k]` of any floats, transposed: `[n][m]` of f32.
pub(crate) struct Few;

impl CustomOp2 for Few {
    fn name(&self) -> &'static str {
        "few-vectors"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((count, width), (rows, columns)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        let CpuStorage::F32(vectors) = s1 else { candle_core::bail!("vectors of f32 are needed here") };
        if width != columns || width == 0 {
            candle_core::bail!("vectors of {width} for a matrix of {columns} columns");
        }
        let vectors = contiguous(vectors, l1)?;
        let out = match s2 {
            CpuStorage::F32(weights) => few(contiguous(weights, l2)?, vectors, width),
            CpuStorage::F16(weights) => few(contiguous(weights, l2)?, vectors, width),
            CpuStorage::BF16(weights) => few(contiguous(weights, l2)?, vectors, width),
            _ => candle_core::bail!("a matrix of floats is needed here"),
        };
        Ok((CpuStorage::F32(out), Shape::from((count, rows))))
    }
}

/// Any floats as f32.
pub(crate) struct ToF32;

impl CustomOp1 for ToF32 {
    fn name(&self) -> &'static str {
        "widen"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = match storage {
            CpuStorage::F32(values) => contiguous(values, layout)?.to_vec(),
            CpuStorage::F16(values) => widen(contiguous(values, layout)?),
            CpuStorage::BF16(values) => widen(contiguous(values, layout)?),
            _ => candle_core::bail!("floats are needed here"),
        };
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// `silu(gate) * up`, elementwise.
pub(crate) struct SiluTimes;

struct SiluProduct<'a> {
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for SiluProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((out, gate), up) in self.out.iter_mut().zip(self.gate).zip(self.up) {
            *out = gate / (1.0 + (-gate).exp()) * up;
        }
    }
}

impl CustomOp2 for SiluTimes {
    fn name(&self) -> &'static str {
        "silu-times"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(gate), CpuStorage::F32(up)) = (s1, s2) else { candle_core::bail!("f32 is needed here") };
        let (gate, up) = (contiguous(gate, l1)?, contiguous(up, l2)?);
        let mut out = vec![0.0; gate.len().min(up.len())];
        let (arch, chunk) = (Arch::new(), 1 << 11);
        out.par_chunks_mut(chunk)
            .zip(gate.par_chunks(chunk).zip(up.par_chunks(chunk)))
            .for_each(|(out, (gate, up))| arch.dispatch(SiluProduct { gate, up, out }));
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            if half.is_finite() {
                assert_eq!(half.widen().to_bits(), half.to_f32().to_bits(), "{bits:#x}");
            }
            if !brain.is_nan() {
                assert_eq!(brain.widen().to_bits(), brain.to_f32().to_bits(), "{bits:#x}");
            }
        }
    }

    #[test]
    fn few_vectors_have_the_products_of_each_alone() {
        let (rows, width) = (5000, 75);
        let weights: Vec<bf16> = (0..rows * width).map(|i| bf16::from_f32((i % 13) as f32 - 6.0)).collect();
        let vectors: Vec<f32> = (0..3 * width).map(|i| (i % 7) as f32 - 3.0).collect();
        let together = few(&weights, &vectors, width);
        for (i, vector) in vectors.chunks(width).enumerate() {
            let expected: Vec<f32> = weights
                .chunks(width)
                .map(|row| row.iter().zip(vector).map(|(weight, x)| weight.to_f32() * x).sum())
                .collect();
            assert_eq!(together[i * rows..][..rows], expected);
        }
    }
}
