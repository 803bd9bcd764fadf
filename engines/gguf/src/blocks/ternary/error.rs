//! What can be wrong with ternary weights.

use crate::TensorType;

/// Errors of reading ternary tensors: which tensor, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TernaryError {
    /// The type holds more than -1, 0 and +1.
    #[error("{tensor}: type {kind}, expected a ternary one: I2_S, TQ1_0, TQ2_0 or IQ2_BN")]
    Kind {
        /// Which tensor.
        tensor: String,
        /// Its type.
        kind: TensorType,
    },
    /// No matrix, or rows that are no whole number of blocks.
    #[error("{tensor}: shape {shape:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        tensor: String,
        /// Its dimensions, fastest first.
        shape: Vec<u64>,
        /// What it should be.
        expected: String,
    },
    /// Data that is too long or too short for the shape.
    #[error("{tensor}: {got} bytes of data, expected {expected} for {kind} of shape {shape:?}{why}")]
    Bytes {
        /// Which tensor.
        tensor: String,
        /// Its type.
        kind: TensorType,
        /// Its dimensions, fastest first.
        shape: Vec<u64>,
        /// Bytes there are.
        got: usize,
        /// Bytes there should be.
        expected: usize,
        /// What the difference may mean; may be empty.
        why: &'static str,
    },
    /// A scale that no training gives.
    #[error("{tensor}: scale {got} at byte {at}, expected a finite number above 0")]
    Scale {
        /// Which tensor.
        tensor: String,
        /// The scale.
        got: f32,
        /// Where it stands in the tensor's data.
        at: usize,
    },
    /// A code that stands for nothing.
    #[error("{tensor}: code 3 in row {row}, column {column}, expected 0, 1 or 2; the file is damaged or not ternary")]
    Code {
        /// Which tensor.
        tensor: String,
        /// Output of the matrix.
        row: usize,
        /// Input of the matrix.
        column: usize,
    },
    /// Several scales in one tensor: not made of one-scale ternary weights.
    #[error("{tensor}: scale {other} in row {row}, but {first} before it; expected one scale for the whole tensor")]
    Mixed {
        /// Which tensor.
        tensor: String,
        /// The scale of the rows before.
        first: f32,
        /// Another one.
        other: f32,
        /// Where it begins to differ.
        row: usize,
    },
}
