//! The label of a model's quantization: `Q8_0`, `Q4_K_M`, `I2_S`.

use std::collections::BTreeMap;

use crate::{Header, TensorInfo, TensorType};

// `general.file_type` of mixtures that the type of most values does not tell apart: number, label. Numbers from 38 on
// mean different things to different writers, and types of one kind need no number, so neither is here.
const MIXTURES: &[(u32, &str)] = &[
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
];

// Set in `general.file_type` when the writer guessed.
const GUESSED: u32 = 1024;

/// The type that most values have. Of equals the first in the order of numbers.
pub fn dominant<'a>(tensors: impl Iterator<Item = &'a TensorInfo>) -> Option<TensorType> {
    let mut values = BTreeMap::new();
    for tensor in tensors {
        let sum: &mut u64 = values.entry(tensor.kind).or_default();
        *sum = sum.saturating_add(tensor.values());
    }
    let most = *values.values().max()?;
    values.into_iter().find(|&(_, sum)| sum == most).map(|(kind, _)| kind)
}

/// The label of the quantization. The file's own number is believed only where it adds to what the tensors say: it is
/// often left at F16 by writers that quantize later, and its upper numbers are ambiguous.
pub fn label<'a>(header: &Header, tensors: impl Iterator<Item = &'a TensorInfo>) -> String {
    let dominant = dominant(tensors);
    let stated = header.u32("general.file_type").map(|number| number & !GUESSED);
    let mixture = stated.and_then(|stated| MIXTURES.iter().find(|row| row.0 == stated)).map(|row| row.1);
    match (mixture, dominant) {
        (Some(label), None) => label.into(),
        (Some(label), Some(kind)) if is_k_or_i(kind) => label.into(),
        (_, Some(kind)) => kind.name().into(),
        (None, None) => "none".into(),
    }
}

fn is_k_or_i(kind: TensorType) -> bool {
    let name = kind.name();
    name.ends_with("_K") || name.starts_with("IQ")
}
