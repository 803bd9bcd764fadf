//! Codes and scale of the ternary matrices of BitNet models.
//!
//! | in the folder | codes | scale |
//! |---|---|---|
//! | bytes, four rows in each | as they are | `weight_scale`, or one over it; see [`ScaleMeans`] |
//! | floats that are all -s, 0 or s | the sign | s, times (or over) `weight_scale` if there is one |
//! | other floats (masters) | `clamp(round(W / scale))` | `max(1e-5, mean of abs(W))` over the whole matrix |
//!
//! The second row is the trap: the mean of weights that are ternary already is s times the share that is not zero, and
//! whoever takes it for the scale makes a model that is too quiet by a third.

use tern_gguf::blocks::ternary::Matrix;

use crate::{Dtype, FolderError, Json, Tensor, Weights};

/// What `weight_scale` beside a matrix is. Mixing these up makes weights that are wrong by the square of the scale, and
/// a model that speaks fluent nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleMeans {
    /// What codes are multiplied by: transformers' `AutoBitLinear`.
    Multiplier,
    /// What products are divided by: transformers' `BitLinear`.
    Divisor,
}

impl ScaleMeans {
    /// Reads `quantization_config` as transformers does.
    ///
    /// # Errors
    /// When it is of another kind of model.
    pub fn read(json: &Json) -> Result<Self, FolderError> {
        const AT: &str = "quantization_config";
        let about = json.at(AT);
        if !about.is_null() && about["quant_method"] != "bitnet" {
            return Err(json.wrong(&format!("{AT}.quant_method"), "\"bitnet\""));
        }
        if about["use_rms_norm"].as_bool() == Some(true) {
            let expected = "false: a norm before every projection has no place in this graph";
            return Err(json.wrong(&format!("{AT}.use_rms_norm"), expected));
        }
        match about["linear_class"].as_str() {
            Some("autobitlinear") => Ok(Self::Multiplier),
            // What transformers takes when the file is silent.
            Some("bitlinear") | None => Ok(Self::Divisor),
            Some(_) => Err(json.wrong(&format!("{AT}.linear_class"), "\"bitlinear\" or \"autobitlinear\"")),
        }
    }
}

/// Least scale, as in training.
const LEAST_SCALE: f64 = 1e-5;
/// Rows of a packed matrix are in four parts; part t is in bits 2t and 2t + 1.
const PARTS: usize = 4;

/// Reads the matrix of `rows` outputs and `columns` inputs that `tensor` is, in whichever form. Rows are in the order of the
/// folder.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(
    weights: &Weights,
    tensor: &Tensor,
    [rows, columns]: [usize; 2],
    means: ScaleMeans,
) -> Result<Matrix, FolderError> {
    let packed = tensor.dtype == Dtype::U8;
    let expected = if packed { [rows / PARTS, columns] } else { [rows, columns] };
    if tensor.shape != expected || (packed && !rows.is_multiple_of(PARTS)) {
        let expected = format!("shape {expected:?} for a matrix of {rows} outputs and {columns} inputs");
        return Err(FolderError::wrong(weights.path(tensor), &*tensor.name, tensor.shown(), expected));
    }
    let beside = scale_beside(weights, tensor)?;
    if packed {
        let Some(beside) = beside else {
            let name = format!("{}_scale", tensor.name);
            return Err(FolderError::wrong(weights.path(tensor), name, "no such tensor", "one beside packed codes"));
        };
        let codes = unpack(&weights.bytes(tensor, 0, tensor.values())?, columns)
            .map_err(|at| FolderError::wrong(weights.path(tensor), tensor.place(at, columns), "code 3", "0, 1 or 2"))?;
        return Ok(Matrix { rows, columns, scale: multiplier(beside, means), codes });
    }
    let values = weights.floats(tensor, 0, tensor.values())?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let place = tensor.place(at, columns);
        return Err(FolderError::wrong(weights.path(tensor), place, values[at].to_string(), "a finite number"));
    }
    if let Some((codes, scale)) = already_ternary(&values) {
        let scale = scale * beside.map_or(1.0, |beside| multiplier(beside, means));
        return Ok(Matrix { rows, columns, scale, codes });
    }
    if beside.is_some() {
        let expected = "bytes or ternary floats, where there is a weight_scale";
        return Err(FolderError::wrong(weights.path(tensor), &*tensor.name, tensor.shown(), expected));
    }
    let (codes, scale) = quantize(&values);
    Ok(Matrix { rows, columns, scale, codes })
}

/// The checked `weight_scale` beside a matrix.
fn scale_beside(weights: &Weights, tensor: &Tensor) -> Result<Option<f32>, FolderError> {
    let Some(scale) = weights.get(&format!("{}_scale", tensor.name)) else { return Ok(None) };
    let wrong = |got| FolderError::wrong(weights.path(scale), &*scale.name, got, "one finite number above 0");
    if scale.values() != 1 || scale.dtype == Dtype::U8 {
        return Err(wrong(scale.shown()));
    }
    match weights.floats(scale, 0, 1)?[0] {
        value if value.is_finite() && value > 0.0 => Ok(Some(value)),
        value => Err(wrong(value.to_string())),
    }
}

fn multiplier(beside: f32, means: ScaleMeans) -> f32 {
    match means {
        ScaleMeans::Multiplier => beside,
        ScaleMeans::Divisor => 1.0 / beside,
    }
}

/// Codes of packed rows, or where a code 3 is in the unpacked matrix.
fn unpack(packed: &[u8], columns: usize) -> Result<Vec<i8>, usize> {
    let mut codes = Vec::with_capacity(packed.len() * PARTS);
    for part in 0..PARTS {
        codes.extend(packed.iter().map(|byte| (byte >> (2 * part) & 3) as i8 - 1));
    }
    debug_assert!(codes.len().is_multiple_of(columns));
    match codes.iter().position(|&code| code > 1) {
        Some(at) => Err(at),
        None => Ok(codes),
    }
}

/// Codes and scale of values that are all -s, 0 or s. A matrix of zeros is not taken for one.
fn already_ternary(values: &[f32]) -> Option<(Vec<i8>, f32)> {
    let scale = values.iter().find(|&&value| value != 0.0)?.abs();
    values.iter().all(|value| *value == 0.0 || value.abs() == scale).then(|| {
        let code = |&value: &f32| if value == 0.0 { 0 } else { value.signum() as i8 };
        (values.iter().map(code).collect(), scale)
    })
}

/// BitNet's quantization. The mean is summed in f64: its last bit is then the same on every machine.
fn quantize(values: &[f32]) -> (Vec<i8>, f32) {
    let sum: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
    let scale = (sum / values.len() as f64).max(LEAST_SCALE) as f32;
    let code = |value: &f32| (value / scale).round_ties_even().clamp(-1.0, 1.0) as i8;
    (values.iter().map(code).collect(), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_get_the_mean_magnitude_as_scale() {
        let (codes, scale) = quantize(&[2.0, -1.0, 0.4, 0.6]);
        assert_eq!((codes, scale), (vec![1, -1, 0, 1], 1.0));
        assert_eq!(quantize(&[0.0; 4]), (vec![0; 4], 1e-5));
    }

    #[test]
    fn weights_that_are_ternary_already_keep_their_scale() {
        // Their mean is 0.25: taken for the scale it would halve the weights.
        let values = [0.5, 0.0, -0.5, 0.0];
        assert_eq!(already_ternary(&values), Some((vec![1, 0, -1, 0], 0.5)));
        assert_eq!(already_ternary(&[0.5, 0.25]), None);
        assert_eq!(already_ternary(&[0.0; 4]), None);
    }

    #[test]
    fn packed_rows_are_in_four_parts_from_the_lowest_bits_up() {
        // Two columns; rows are the fields 0 to 3 of both bytes.
        assert_eq!(unpack(&[0b00_01_10_01, 0b10_10_00_00], 2), Ok(vec![0, -1, 1, -1, 0, 1, -1, 1]));
        assert_eq!(unpack(&[0b00_00_11_00, 0], 2), Err(2));
    }
}
