use tern_gguf::{
    TensorType,
    blocks::{self, BlockError},
};

use super::Golden;

/// Reads the tensor of this name and compares with the values of the package.
fn check(kind: TensorType) {
    let golden = Golden::read();
    let (tensor, data) = golden.tensor(kind.name());
    assert_eq!(tensor.kind, kind);
    let expected = golden.floats(&format!("{kind}.values"));
    let mut values = vec![f32::NAN; expected.len()];
    blocks::dequantize(kind, data, &mut values).unwrap();
    for (at, (&value, &expected)) in values.iter().zip(&expected).enumerate() {
        // The package multiplies in another order in some types, which moves the last bit.
        assert!(
            (value - expected).abs() <= 1e-6 * expected.abs(),
            "{kind}: value {at} is {value}, expected {expected}"
        );
    }
}

#[test]
fn every_type_has_the_values_that_the_gguf_package_reads() {
    use TensorType as T;
    let kinds =
        [T::Q8_0, T::Q4_0, T::Q4_1, T::Q5_0, T::Q5_1, T::Q2_K, T::Q3_K, T::Q4_K, T::Q5_K, T::Q6_K, T::TQ1_0, T::TQ2_0];
    kinds.into_iter().for_each(check);
}

#[test]
fn f16_bf16_and_q8_0_are_made_as_the_gguf_package_makes_them() {
    let golden = Golden::read();
    let values = golden.floats("values");
    for kind in [TensorType::F16, TensorType::BF16, TensorType::Q8_0] {
        let mut made = Vec::new();
        blocks::quantize(kind, &values, &mut made).unwrap();
        let expected = golden.tensor(&format!("made.{kind}")).1;
        let differs = made.iter().zip(expected).position(|(a, b)| a != b);
        assert_eq!((made.len(), differs), (expected.len(), None), "{kind}");
    }
}

#[test]
fn q2_0_has_four_consecutive_codes_in_a_byte_from_minus_one_up() {
    let mut block = vec![0; 18];
    block[..2].copy_from_slice(&blocks::half::to_f16(0.5).to_le_bytes());
    block[2] = 0b11_10_01_00;
    let mut values = [0.0; 64];
    blocks::dequantize(TensorType::Q2_0, &block, &mut values).unwrap();
    assert_eq!(values[..5], [-0.5, 0.0, 0.5, 1.0, -0.5]);
}

#[test]
fn rounding_to_q8_0_and_back_is_off_by_half_a_code_at_most() {
    let values: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
    let (mut packed, mut back) = (Vec::new(), [0.0; 64]);
    blocks::quantize(TensorType::Q8_0, &values, &mut packed).unwrap();
    blocks::dequantize(TensorType::Q8_0, &packed, &mut back).unwrap();
    let most = values.iter().zip(back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Half a code, and what the scale lost on its way to a half.
    assert!(most <= 3.0 / 127.0 * 0.5 + 3.0 / 2048.0, "{most}");
}

#[test]
fn lengths_that_do_not_fit_and_other_types_are_errors() {
    let mut out = [0.0; 32];
    let error = blocks::dequantize(TensorType::Q8_0, &[0; 33], &mut out).unwrap_err();
    assert_eq!(error, BlockError::Length { kind: TensorType::Q8_0, bytes: 33, values: 32 });
    assert!(blocks::dequantize(TensorType::Q8_0, &[0; 68], &mut out).is_err());
    let error = blocks::dequantize(TensorType::IQ4_XS, &[], &mut []).unwrap_err();
    assert!(
        error.to_string().starts_with("type IQ4_XS cannot be read as values; readable are F32, F16, Q4_0"),
        "{error}"
    );
    let error = blocks::quantize(TensorType::Q4_K, &[], &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "type Q4_K cannot be made from values; possible are F32, F16, Q8_0, Q6_K, BF16");
    assert!(blocks::quantize(TensorType::Q6_K, &[0.0; 255], &mut Vec::new()).is_err());
    blocks::dequantize(TensorType::Q4_0, &[], &mut []).unwrap();
}
