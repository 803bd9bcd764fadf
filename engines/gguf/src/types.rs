//! The types of tensors: their numbers in the file, their blocks.

/// How a tensor's values are packed.
#[allow(missing_docs, reason = "the names are ggml's own and say all there is")]
#[allow(non_camel_case_types, reason = "the names are ggml's own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TensorType {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ2_XXS,
    IQ2_XS,
    IQ3_XXS,
    IQ1_S,
    IQ4_NL,
    IQ3_S,
    IQ2_S,
    IQ4_XS,
    I8,
    I16,
    I32,
    I64,
    F64,
    IQ1_M,
    BF16,
    TQ1_0,
    TQ2_0,
    I2_S,
    MXFP4,
    NVFP4,
    Q1_0,
    Q2_0,
    IQ2_BN,
}

use TensorType as T;

// Type, number in the file, name, values of a block, bytes of a block.
// I2_S is bitnet.cpp's (upstream has removed its own type 36): 128 values in 32 bytes, and 32 more bytes at the end of
// the tensor, the first four of which are its scale.
const TABLE: &[(TensorType, u32, &str, u64, u64)] = &[
    (T::F32, 0, "F32", 1, 4),
    (T::F16, 1, "F16", 1, 2),
    (T::Q4_0, 2, "Q4_0", 32, 18),
    (T::Q4_1, 3, "Q4_1", 32, 20),
    (T::Q5_0, 6, "Q5_0", 32, 22),
    (T::Q5_1, 7, "Q5_1", 32, 24),
    (T::Q8_0, 8, "Q8_0", 32, 34),
    (T::Q8_1, 9, "Q8_1", 32, 36),
    (T::Q2_K, 10, "Q2_K", 256, 84),
    (T::Q3_K, 11, "Q3_K", 256, 110),
    (T::Q4_K, 12, "Q4_K", 256, 144),
    (T::Q5_K, 13, "Q5_K", 256, 176),
    (T::Q6_K, 14, "Q6_K", 256, 210),
    (T::Q8_K, 15, "Q8_K", 256, 292),
    (T::IQ2_XXS, 16, "IQ2_XXS", 256, 66),
    (T::IQ2_XS, 17, "IQ2_XS", 256, 74),
    (T::IQ3_XXS, 18, "IQ3_XXS", 256, 98),
    (T::IQ1_S, 19, "IQ1_S", 256, 50),
    (T::IQ4_NL, 20, "IQ4_NL", 32, 18),
    (T::IQ3_S, 21, "IQ3_S", 256, 110),
    (T::IQ2_S, 22, "IQ2_S", 256, 82),
    (T::IQ4_XS, 23, "IQ4_XS", 256, 136),
    (T::I8, 24, "I8", 1, 1),
    (T::I16, 25, "I16", 1, 2),
    (T::I32, 26, "I32", 1, 4),
    (T::I64, 27, "I64", 1, 8),
    (T::F64, 28, "F64", 1, 8),
    (T::IQ1_M, 29, "IQ1_M", 256, 56),
    (T::BF16, 30, "BF16", 1, 2),
    (T::TQ1_0, 34, "TQ1_0", 256, 54),
    (T::TQ2_0, 35, "TQ2_0", 256, 66),
    (T::I2_S, 36, "I2_S", 4, 1),
    (T::MXFP4, 39, "MXFP4", 32, 17),
    (T::NVFP4, 40, "NVFP4", 64, 36),
    (T::Q1_0, 41, "Q1_0", 128, 18),
    (T::Q2_0, 42, "Q2_0", 64, 18),
    // ik_llama.cpp's: 64 values in 16 bytes, and in front of each row its scale, an f32.
    (T::IQ2_BN, 135, "IQ2_BN", 64, 16),
];

const I2_S_TAIL_BYTES: u64 = 32;
const IQ2_BN_ROW_SCALE_BYTES: u64 = 4;

impl TensorType {
    /// All types, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static (Self, u32, &'static str, u64, u64) {
        TABLE.iter().find(|row| row.0 == self).expect("every type is in the table; a missing one is a bug in it")
    }

    /// The type with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// Why a number has no type: for the message.
    pub(crate) fn why_unknown(number: u32) -> &'static str {
        match number {
            4 | 5 => "was removed from the format in 2023; quantize the model again",
            38 => {
                "is TL1 of bitnet.cpp, whose layout depends on the build that made it; use the i2_s file of the model"
            }
            134 => "is IQ1_BN of ik_llama.cpp, which is not supported; use the i2_s file of the model",
            335 => "is IQ2_BN_R4 of ik_llama.cpp, which is not supported; use the i2_s or iq2_bn file of the model",
            31..=33 | 37 => "was removed from the format in 2024; use the plain type (Q4_0, IQ4_NL) instead",
            _ => "is unknown to this version",
        }
    }

    /// Its number in the file.
    pub fn number(self) -> u32 {
        self.row().1
    }

    /// Its name as ggml spells it.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Values of a block. A row of a tensor is a whole number of blocks.
    pub fn block_values(self) -> u64 {
        self.row().3
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.row().4
    }

    /// Whether this type stores plain numbers, not blocks with a scale.
    pub fn is_plain(self) -> bool {
        self.block_values() == 1
    }

    /// Bytes of a tensor of one row of `values` values; `None` when they are no whole number of blocks or too many to
    /// count. For all types but IQ2_BN, whose rows have scales of their own, this holds for any number of rows.
    pub fn bytes(self, values: u64) -> Option<u64> {
        self.bytes_in_rows(values, 1)
    }

    /// Bytes of a tensor of this shape, fastest first; `None` when its rows are no whole number of blocks or they are too
    /// many to count.
    pub fn tensor_bytes(self, shape: &[u64]) -> Option<u64> {
        if !shape.first().unwrap_or(&1).is_multiple_of(self.block_values()) {
            return None;
        }
        let product = |sizes: &[u64]| sizes.iter().try_fold(1_u64, |product, &size| product.checked_mul(size));
        self.bytes_in_rows(product(shape)?, product(shape.get(1..).unwrap_or_default())?)
    }

    fn bytes_in_rows(self, values: u64, rows: u64) -> Option<u64> {
        if !values.is_multiple_of(self.block_values()) {
            return None;
        }
        let scales = match self {
            Self::I2_S => I2_S_TAIL_BYTES,
            Self::IQ2_BN => rows.checked_mul(IQ2_BN_ROW_SCALE_BYTES)?,
            _ => 0,
        };
        (values / self.block_values()).checked_mul(self.block_bytes())?.checked_add(scales)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number_and_numbers_ascend() {
        for kind in TensorType::all() {
            assert_eq!(TensorType::from_number(kind.number()), Some(kind));
        }
        assert!(TABLE.windows(2).all(|rows| rows[0].1 < rows[1].1));
    }

    #[test]
    fn sizes_are_those_of_known_tensors() {
        assert_eq!(TensorType::Q8_0.bytes(64), Some(68));
        assert_eq!(TensorType::Q8_0.bytes(65), None);
        assert_eq!(TensorType::F64.bytes(u64::MAX), None);
        // attn_q of BitNet-b1.58-2B-4T: 2560 x 2560.
        assert_eq!(TensorType::I2_S.bytes(2560 * 2560), Some(1_638_432));
        assert_eq!(TensorType::I2_S.tensor_bytes(&[2560, 2560]), Some(1_638_432));
        assert_eq!(TensorType::IQ2_BN.tensor_bytes(&[128, 3]), Some(3 * 36));
        assert_eq!(TensorType::IQ2_BN.tensor_bytes(&[96, 2]), None);
        assert_eq!(TensorType::I2_S.tensor_bytes(&[u64::MAX - 3, 2]), None);
    }
}
