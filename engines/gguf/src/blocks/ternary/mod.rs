//! Matrices of codes -1, 0, +1 under one scale, and the types that hold nothing else.
//!
//! | type | bytes of 128 codes | scale |
//! |---|---|---|
//! | [`i2_s`] | 32 | one f32 behind the codes of the tensor |
//! | [`tq`] (TQ2_0, TQ1_0) | 33, 27 | a half for each 256 codes |
//! | [`iq2_bn`] | 32 | an f32 in front of each row |
//!
//! [`Matrix`] is what they have in common: it is read from any of them, refusing tensors whose scales differ, and
//! written as any. An engine that only wants the I2_S of a file checked uses [`I2s`].

mod error;
pub mod i2_s;
pub mod iq2_bn;
mod matrix;
pub mod tq;

pub use error::TernaryError;
pub use i2_s::{I2s, Order};
pub use matrix::Matrix;
