//! A matrix of the model and what it does to the vectors of a batch.

use candle_core::{D, DType, Result, Tensor};

use super::kernels::{Few, ToF32};

/// Up to so many vectors are multiplied row by row, more as a product of matrices in f32.
const FEW: usize = 6;
/// Weights that are f32 at once in a product of matrices.
const BLOCK: usize = 1 << 22;

/// `y = x W^T + b`.
pub(crate) struct Linear {
    /// `[outputs][inputs]`, as the file has it.
    weight: Tensor,
    /// `[outputs]` of f32.
    bias: Option<Tensor>,
    /// Of a ternary matrix, whose values are -1, 0 and 1: what products are multiplied by.
    ternary_scale: Option<f64>,
}

impl Linear {
    /// A matrix of floats.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias, ternary_scale: None }
    }

    /// A matrix of -1, 0 and 1 under a scale, which gets activations that are rounded to 8 bits.
    pub fn ternary(codes: Tensor, scale: f32) -> Self {
        Self { weight: codes, bias: None, ternary_scale: Some(f64::from(scale)) }
    }

    /// `[n][inputs]` to `[n][outputs]`, both f32.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match self.ternary_scale {
            None => product(x, &self.weight)?,
            Some(scale) => {
                let (codes, steps) = rounded(x)?;
                // Sums of whole numbers: exact.
                (product(&codes, &self.weight)?.broadcast_mul(&steps)? * scale)?
            }
        };
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// `x W^T` in f32.
fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    if !x.device().is_cpu() {
        return x.to_dtype(weight.dtype())?.matmul(&weight.t()?)?.to_dtype(DType::F32);
    }
    let (rows, width) = weight.dims2()?;
    if x.dim(0)? <= FEW {
        return x.apply_op2_no_bwd(weight, &Few);
    }
    if weight.dtype() == DType::F32 {
        return x.matmul(&weight.t()?);
    }
    let block = (BLOCK / width).clamp(1, rows);
    let part = |first: usize| {
        let rows = weight.narrow(0, first, block.min(rows - first))?;
        x.matmul(&rows.apply_op1_no_bwd(&ToF32)?.t()?)
    };
    let parts = (0..rows).step_by(block).map(part).collect::<Result<Vec<_>>>()?;
    match &parts[..] {
        [whole] => Ok(whole.clone()),
        parts => Tensor::cat(parts, 1),
    }
}

/// BitNet's activations: each vector as whole numbers of -128 to 127, and the step `[n][1]` between them.
fn rounded(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let scale = (127.0 / x.abs()?.max_keepdim(D::Minus1)?.clamp(1e-5_f32, f32::MAX)?)?;
    let scaled = x.broadcast_mul(&scale)?;
    // Halves to even, as PyTorch has it.
    let values: Vec<f32> = scaled.flatten_all()?.to_vec1::<f32>()?;
    let codes: Vec<f32> = values.into_iter().map(|value| value.round_ties_even().clamp(-128.0, 127.0)).collect();
    Ok((Tensor::from_vec(codes, x.shape(), x.device())?, scale.recip()?))
}
