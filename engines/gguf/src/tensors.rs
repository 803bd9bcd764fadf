//! The table of tensors, and the checks of where their data lies.

use std::ops::Range;

use crate::{
    GgufError, TensorType,
    cursor::{Cursor, Place},
    limits,
};

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// How its values are packed.
    pub kind: TensorType,
    /// Its dimensions, fastest first (`[columns, rows]` for a matrix), at most 4 of them, none zero.
    /// None at all is a single value.
    pub shape: Vec<u64>,
    /// Where its data begins, in bytes from the start of the file.
    pub offset: u64,
    /// Bytes of its data.
    pub bytes: u64,
}

impl TensorInfo {
    /// How many values it holds.
    pub fn values(&self) -> u64 {
        self.shape.iter().product()
    }

    /// One past its last byte. Checked against overflow when the table was read.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes
    }

    /// Where its bytes are in a file that is in memory.
    pub fn range(&self) -> Range<usize> {
        self.offset as usize..self.end() as usize
    }
}

/// Reads the description of tensor `number`. Its offset is still relative to the data section.
pub(crate) fn read(cursor: &mut Cursor<'_>, number: u64) -> Result<TensorInfo, GgufError> {
    let name = cursor.name(limits::TENSOR_NAME_BYTES, Place::Tensor(number))?;
    let place = Place::TensorInfo(name);
    let dimensions = cursor.u32(place)?;
    if dimensions > limits::DIMENSIONS {
        return Err(cursor.too_large(place, "number of dimensions", dimensions.into(), limits::DIMENSIONS.into()));
    }
    let mut shape = Vec::with_capacity(limits::DIMENSIONS as usize);
    for _ in 0..dimensions {
        shape.push(cursor.u64(place)?);
    }
    let type_at = cursor.at() as u64;
    let type_number = cursor.u32(place)?;
    let offset = cursor.u64(place)?;
    let kind = TensorType::from_number(type_number).ok_or_else(|| GgufError::TensorType {
        tensor: name.into(),
        got: type_number,
        why: TensorType::why_unknown(type_number),
        offset: type_at,
    })?;
    let bytes = match data_bytes(kind, &shape) {
        Ok(bytes) => bytes,
        Err(expected) => return Err(GgufError::Shape { tensor: name.into(), shape, expected }),
    };
    Ok(TensorInfo { name: name.into(), kind, shape, offset, bytes })
}

/// Type 39 is MXFP4, and TL2 of bitnet.cpp. The file does not say which; what stands beside it does.
pub(crate) fn refuse_tl2(tensors: &[TensorInfo], architecture: &str) -> Result<(), GgufError> {
    let bitnet = architecture.starts_with("bitnet") || tensors.iter().any(|tensor| tensor.kind == TensorType::I2_S);
    match tensors.iter().find(|tensor| tensor.kind == TensorType::MXFP4) {
        Some(tensor) if bitnet => Err(GgufError::Tl2 { tensor: tensor.name.clone() }),
        _ => Ok(()),
    }
}

/// Bytes of a tensor's data, or what its shape should be.
pub(crate) fn data_bytes(kind: TensorType, shape: &[u64]) -> Result<u64, String> {
    if shape.contains(&0) {
        return Err("no dimension that is zero".into());
    }
    // ggml keeps sizes and products of them in signed 64-bit numbers.
    let values = shape.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
    values.filter(|&n| n <= i64::MAX as u64).ok_or("a product below 2^63")?;
    if !shape.first().unwrap_or(&1).is_multiple_of(kind.block_values()) {
        return Err(format!("a first dimension that is a multiple of {} for type {kind}", kind.block_values()));
    }
    kind.tensor_bytes(shape).filter(|&n| n <= i64::MAX as u64).ok_or_else(|| "less than 2^63 bytes of data".into())
}

/// Checks names and places of all tensors, and makes their offsets count from the start of the file.
pub(crate) fn place(
    tensors: &mut [TensorInfo],
    data_offset: u64,
    alignment: u64,
    file_len: Option<u64>,
) -> Result<(), GgufError> {
    for tensor in tensors.iter_mut() {
        if !tensor.offset.is_multiple_of(alignment) {
            return Err(GgufError::Misaligned { tensor: tensor.name.clone(), offset: tensor.offset, alignment });
        }
        let begin = data_offset.checked_add(tensor.offset);
        let end = begin.and_then(|begin| begin.checked_add(tensor.bytes));
        match (begin, end) {
            (Some(begin), Some(end)) if file_len.is_none_or(|file_len| end <= file_len) => tensor.offset = begin,
            _ => {
                return Err(GgufError::OutOfFile {
                    tensor: tensor.name.clone(),
                    begin: begin.unwrap_or(u64::MAX),
                    end: end.unwrap_or(u64::MAX),
                    file_len: file_len.unwrap_or(u64::MAX),
                });
            }
        }
    }
    let mut sorted: Vec<&TensorInfo> = tensors.iter().collect();
    sorted.sort_unstable_by_key(|tensor| tensor.offset);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[1].offset < pair[0].end()) {
        return Err(GgufError::Overlap {
            tensor: pair[1].name.clone(),
            begin: pair[1].offset,
            other: pair[0].name.clone(),
            other_end: pair[0].end(),
        });
    }
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(GgufError::DuplicateTensor { tensor: pair[0].name.clone() });
    }
    Ok(())
}
