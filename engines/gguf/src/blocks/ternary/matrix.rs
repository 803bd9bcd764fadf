//! A ternary matrix in memory, one byte a code: the middle of every conversion.

use super::{
    TernaryError,
    i2_s::{self, I2s, Order},
    iq2_bn, tq,
};
use crate::{TensorType, blocks::half};

/// Codes under one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Multiplies the codes; finite and above 0.
    pub scale: f32,
    /// -1, 0, +1; row after row.
    pub codes: Vec<i8>,
}

impl Matrix {
    /// Reads a tensor of type I2_S, TQ1_0, TQ2_0 or IQ2_BN. `order` matters to I2_S only.
    ///
    /// Blocks and rows without a nonzero weight may have any scale; all others must have the same.
    ///
    /// # Errors
    /// Everything in [`TernaryError`].
    pub fn read(
        tensor: &str,
        kind: TensorType,
        shape: &[u64],
        data: &[u8],
        order: Order,
    ) -> Result<Self, TernaryError> {
        match kind {
            TensorType::I2_S => {
                let checked = I2s::check(tensor, shape, data, order)?;
                let mut codes = vec![0; checked.rows * checked.columns];
                i2_s::unpack(checked.codes, order, &mut codes);
                Ok(Self { rows: checked.rows, columns: checked.columns, scale: checked.scale, codes })
            }
            TensorType::TQ2_0 => Self::read_parts(tensor, kind, shape, data, tq::BLOCK, tq::BLOCK, |part, codes| {
                tq::unpack_tq2_0(exact(part), exact_mut(codes))
            }),
            TensorType::TQ1_0 => Self::read_parts(tensor, kind, shape, data, tq::BLOCK, tq::BLOCK, |part, codes| {
                tq::unpack_tq1_0(exact(part), exact_mut(codes))
            }),
            TensorType::IQ2_BN => {
                let row = shape.first().map_or(0, |&columns| columns as usize);
                Self::read_parts(tensor, kind, shape, data, iq2_bn::BLOCK, row, iq2_bn::unpack_row)
            }
            _ => Err(TernaryError::Kind { tensor: tensor.into(), kind }),
        }
    }

    /// Reads a tensor that is made of parts of `part` codes with a scale each, `part` dividing a row.
    fn read_parts(
        tensor: &str,
        kind: TensorType,
        shape: &[u64],
        data: &[u8],
        block: usize,
        part: usize,
        unpack: impl Fn(&[u8], &mut [i8]) -> f32,
    ) -> Result<Self, TernaryError> {
        let (rows, columns) = i2_s::matrix_shape(tensor, shape, block)?;
        let expected = kind.tensor_bytes(shape).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        if data.len() != expected {
            let why = if data.len() < expected { "; it is truncated" } else { "" };
            return Err(i2_s::bytes_error(tensor, kind, shape, data.len(), expected, why));
        }
        let mut codes = vec![0; rows * columns];
        let part_bytes = data.len() / (codes.len() / part);
        let mut scale = None;
        for (number, (bytes, codes)) in data.chunks_exact(part_bytes).zip(codes.chunks_exact_mut(part)).enumerate() {
            let (row, at) = (number * part / columns, number * part % columns);
            let own = unpack(bytes, codes);
            if let Some(column) = codes.iter().position(|&code| code > 1) {
                return Err(TernaryError::Code { tensor: tensor.into(), row, column: at + column });
            }
            if codes.iter().all(|&code| code == 0) {
                continue;
            }
            // A scale of zero makes zeros of whatever codes there are.
            if own == 0.0 {
                codes.fill(0);
                continue;
            }
            let scale_at = if kind == TensorType::IQ2_BN { 0 } else { part_bytes - 2 };
            i2_s::check_scale(tensor, own, number * part_bytes + scale_at)?;
            let first = *scale.get_or_insert(own);
            if first != own {
                return Err(TernaryError::Mixed { tensor: tensor.into(), first, other: own, row });
            }
        }
        // Of a matrix of zeros no scale is known, and none is needed.
        Ok(Self { rows, columns, scale: scale.unwrap_or(1.0), codes })
    }

    /// Dimensions as in a file, fastest first.
    pub fn shape(&self) -> [u64; 2] {
        [self.columns as u64, self.rows as u64]
    }

    /// The data of an I2_S tensor, in blocks of 128.
    ///
    /// # Errors
    /// `Shape` when rows are no whole number of blocks: other programs read such tensors wrong.
    pub fn to_i2_s(&self, tensor: &str) -> Result<Vec<u8>, TernaryError> {
        i2_s::matrix_shape(tensor, &self.shape(), i2_s::BLOCK)?;
        let mut data = vec![0; self.codes.len() / 4];
        i2_s::pack(&self.codes, &mut data);
        data.extend(i2_s::tail(self.scale));
        Ok(data)
    }

    /// The data of a TQ2_0 tensor whose blocks all have this scale (the bits of a half).
    ///
    /// # Errors
    /// `Shape` when rows are no whole number of blocks of 256.
    pub fn to_tq2_0(&self, tensor: &str, scale: u16) -> Result<Vec<u8>, TernaryError> {
        i2_s::matrix_shape(tensor, &self.shape(), tq::BLOCK)?;
        Ok(self.codes.chunks_exact(tq::BLOCK).flat_map(|codes| tq::pack_tq2_0(exact_codes(codes), scale)).collect())
    }

    /// The data of a TQ1_0 tensor whose blocks all have this scale (the bits of a half).
    ///
    /// # Errors
    /// `Shape` when rows are no whole number of blocks of 256.
    pub fn to_tq1_0(&self, tensor: &str, scale: u16) -> Result<Vec<u8>, TernaryError> {
        i2_s::matrix_shape(tensor, &self.shape(), tq::BLOCK)?;
        Ok(self.codes.chunks_exact(tq::BLOCK).flat_map(|codes| tq::pack_tq1_0(exact_codes(codes), scale)).collect())
    }

    /// The data of an IQ2_BN tensor.
    ///
    /// # Errors
    /// `Shape` when rows are no whole number of blocks of 64.
    pub fn to_iq2_bn(&self, tensor: &str) -> Result<Vec<u8>, TernaryError> {
        i2_s::matrix_shape(tensor, &self.shape(), iq2_bn::BLOCK)?;
        let mut data = Vec::with_capacity(self.rows * (iq2_bn::SCALE_BYTES + self.columns / 4));
        self.codes.chunks_exact(self.columns).for_each(|row| iq2_bn::pack_row(row, self.scale, &mut data));
        Ok(data)
    }

    /// The half nearest to the scale, and how far it is from it: scale / half, 1 when it is exact.
    ///
    /// A half has 11 bits, so that the relative error is at most 2^-11 where the half is a normal one.
    pub fn half_scale(&self) -> (u16, f32) {
        let bits = half::to_f16(self.scale);
        (bits, self.scale / half::from_f16(bits))
    }
}

fn exact<const N: usize>(part: &[u8]) -> &[u8; N] {
    part.try_into().expect("parts are cut to the size of a block")
}

fn exact_mut(codes: &mut [i8]) -> &mut [i8; tq::BLOCK] {
    codes.try_into().expect("parts are cut to the size of a block")
}

fn exact_codes(codes: &[i8]) -> &[i8; tq::BLOCK] {
    codes.try_into().expect("chunks of the size of a block")
}
