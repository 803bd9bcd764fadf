//! What is inside the blocks of a tensor: values from bytes and bytes from values, in plain Rust.
//!
//! Made for reading an embedding row, for repacking weights at load and for conversion; not for multiplying. Layouts are
//! those of ggml (`ggml-quants.c`, llama.cpp of October 2026); `tests/blocks.rs` compares every one with what the gguf
//! package of Python makes of the same bytes.
//!
//! - [`dequantize`] and [`quantize`]: any type with values of its own, whole blocks at a time.
//! - [`half`]: 16-bit floats.
//! - [`ternary`]: codes -1, 0, +1 and the types that hold nothing else, with the checks of their weights.

pub mod half;
mod k;
mod legacy;
mod q6_k;
pub mod ternary;

use crate::TensorType;

/// Why blocks cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// No code here reads this type as values.
    #[error("type {kind} cannot be read as values; readable are {}", names(can_dequantize))]
    NotReadable {
        /// The type.
        kind: TensorType,
    },
    /// No code here makes this type from values.
    #[error("type {kind} cannot be made from values; possible are {}", names(can_quantize))]
    NotWritable {
        /// The type.
        kind: TensorType,
    },
    /// Bytes and values that do not belong together.
    #[error("type {kind}: {bytes} bytes and {values} values, expected whole blocks of {} bytes and {} values", kind.block_bytes(), kind.block_values())]
    Length {
        /// The type.
        kind: TensorType,
        /// Bytes given.
        bytes: usize,
        /// Values given.
        values: usize,
    },
}

fn names(has: fn(TensorType) -> bool) -> String {
    TensorType::all().filter(|&kind| has(kind)).map(TensorType::name).collect::<Vec<_>>().join(", ")
}

type Dequantize = fn(&[u8], &mut [f32]);
type Quantize = fn(&[f32], &mut [u8]);

fn reader(kind: TensorType) -> Option<Dequantize> {
    use TensorType as T;
    Some(match kind {
        T::F32 => |block, out| out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
        T::F16 => |block, out| out[0] = half::at(block, 0),
        T::BF16 => |block, out| out[0] = half::from_bf16(u16::from_le_bytes([block[0], block[1]])),
        T::Q8_0 => legacy::q8_0,
        T::Q4_0 => legacy::q4_0,
        T::Q4_1 => legacy::q4_1,
        T::Q5_0 => legacy::q5_0,
        T::Q5_1 => legacy::q5_1,
        T::Q2_0 => legacy::q2_0,
        T::Q2_K => k::q2_k,
        T::Q3_K => k::q3_k,
        T::Q4_K => k::q4_k,
        T::Q5_K => k::q5_k,
        T::Q6_K => q6_k::dequantize,
        T::TQ1_0 => ternary::tq::tq1_0_values,
        T::TQ2_0 => ternary::tq::tq2_0_values,
        _ => return None,
    })
}

fn writer(kind: TensorType) -> Option<Quantize> {
    use TensorType as T;
    Some(match kind {
        T::F32 => |values, block| block.copy_from_slice(&values[0].to_le_bytes()),
        T::F16 => |values, block| block.copy_from_slice(&half::to_f16(values[0]).to_le_bytes()),
        T::BF16 => |values, block| block.copy_from_slice(&half::to_bf16(values[0]).to_le_bytes()),
        T::Q8_0 => legacy::to_q8_0,
        T::Q6_K => q6_k::quantize,
        _ => return None,
    })
}

/// Whether [`dequantize`] reads this type.
///
/// The scales of `I2_S` and `IQ2_BN` are not in their blocks, so these are read by [`ternary`].
pub fn can_dequantize(kind: TensorType) -> bool {
    reader(kind).is_some()
}

/// Whether [`quantize`] makes this type.
pub fn can_quantize(kind: TensorType) -> bool {
    writer(kind).is_some()
}

/// Values of whole blocks: a row, several rows or a part of one. Every bit pattern is read; floats in the file that are
/// not finite give values that are not.
///
/// # Errors
/// `NotReadable`; `Length` when `data` and `out` are not as many whole blocks.
pub fn dequantize(kind: TensorType, data: &[u8], out: &mut [f32]) -> Result<(), BlockError> {
    let read = reader(kind).ok_or(BlockError::NotReadable { kind })?;
    let (bytes, values) = sizes(kind, data.len(), out.len())?;
    data.chunks_exact(bytes).zip(out.chunks_exact_mut(values)).for_each(|(block, out)| read(block, out));
    Ok(())
}

/// Bytes of whole blocks of values, appended to `out`. Nearest, ties to even, for 16-bit floats; for Q8_0 the bytes that
/// ggml makes; for Q6_K a search for the scales of least weighted error.
///
/// # Errors
/// `NotWritable`; `Length` when `values` are no whole number of blocks.
pub fn quantize(kind: TensorType, values: &[f32], out: &mut Vec<u8>) -> Result<(), BlockError> {
    let write = writer(kind).ok_or(BlockError::NotWritable { kind })?;
    let blocks = values.len() / kind.block_values() as usize;
    let begin = out.len();
    let (bytes, per_block) = sizes(kind, blocks * kind.block_bytes() as usize, values.len())?;
    out.resize(begin + blocks * bytes, 0);
    values.chunks_exact(per_block).zip(out[begin..].chunks_exact_mut(bytes)).for_each(|(block, out)| write(block, out));
    Ok(())
}

/// Bytes and values of a block, when these are as many whole blocks.
fn sizes(kind: TensorType, bytes: usize, values: usize) -> Result<(usize, usize), BlockError> {
    let (block_bytes, block_values) = (kind.block_bytes() as usize, kind.block_values() as usize);
    let whole = bytes.is_multiple_of(block_bytes) && values.is_multiple_of(block_values);
    if !whole || bytes / block_bytes != values / block_values {
        return Err(BlockError::Length { kind, bytes, values });
    }
    Ok((block_bytes, block_values))
}

/// The bytes of a block from `begin` on, as many as `N`.
fn part<const N: usize>(block: &[u8], begin: usize) -> &[u8; N] {
    block[begin..].first_chunk().expect("blocks are cut to the size of their type; a shorter one is a bug in its table")
}
