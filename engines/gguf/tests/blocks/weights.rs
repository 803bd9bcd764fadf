use proptest::prelude::*;
use tern_gguf::{
    TensorType,
    blocks::{
        half,
        ternary::{I2s, Matrix, Order, i2_s},
    },
};

use super::Golden;

/// The worked example of I2_S: 256 weights, all zero but a few.
fn example() -> (Vec<i8>, Vec<u8>) {
    let mut codes = vec![0; 256];
    for (at, code) in [(0, 1), (33, 1), (66, 1), (99, 1), (1, -1), (128, -1), (255, 1)] {
        codes[at] = code;
    }
    let mut bytes = vec![0x55; 64];
    for (at, byte) in [(0, 0x95), (1, 0x25), (2, 0x59), (3, 0x56), (32, 0x15), (63, 0x56)] {
        bytes[at] = byte;
    }
    bytes.extend([0, 0, 0, 0x3F]);
    bytes.extend([0; 28]);
    (codes, bytes)
}

fn random_codes(count: usize) -> Vec<i8> {
    let mut state = 12345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 3
    };
    (0..count).map(|_| next() as i8 - 1).collect()
}

/// The message with which this tensor is refused.
#[track_caller]
fn refused(kind: TensorType, shape: &[u64], data: &[u8]) -> String {
    Matrix::read("blk.0.attn_q.weight", kind, shape, data, Order::Blocks128).unwrap_err().to_string()
}

#[test]
fn i2_s_is_packed_to_the_bytes_of_the_worked_example() {
    let (codes, bytes) = example();
    let matrix = Matrix { rows: 1, columns: 256, scale: 0.5, codes };
    assert_eq!(matrix.to_i2_s("t").unwrap(), bytes);
    assert_eq!(Matrix::read("t", TensorType::I2_S, &[256, 1], &bytes, Order::Blocks128).unwrap(), matrix);
}

#[test]
fn filler_behind_the_scale_may_be_anything() {
    let (_, mut bytes) = example();
    bytes[68..].fill(0xEE);
    assert_eq!(I2s::check("t", &[128, 2], &bytes, Order::Blocks128).unwrap().scale, 0.5);
}

#[test]
fn both_ternary_types_of_ggml_are_made_and_read_as_the_gguf_package_does() {
    let golden = Golden::read();
    let expected = Matrix { rows: 2, columns: 256, scale: 0.75, codes: golden.codes() };
    let (scale, factor) = expected.half_scale();
    assert_eq!((half::from_f16(scale), factor), (0.75, 1.0));
    for (kind, made) in
        [(TensorType::TQ1_0, expected.to_tq1_0("t", scale)), (TensorType::TQ2_0, expected.to_tq2_0("t", scale))]
    {
        let (tensor, data) = golden.tensor(&format!("{kind}.made"));
        assert_eq!(made.unwrap(), data, "{kind}");
        assert_eq!(Matrix::read("t", kind, &tensor.shape, data, Order::Blocks128).unwrap(), expected, "{kind}");
    }
}

#[test]
fn every_type_gives_back_the_codes_and_scale_that_were_put_in() {
    for (rows, columns) in [(1, 256), (3, 512), (7, 768)] {
        let matrix = Matrix { rows, columns, scale: 1.5, codes: random_codes(rows * columns) };
        let one_and_a_half = half::to_f16(1.5);
        for (kind, data) in [
            (TensorType::I2_S, matrix.to_i2_s("t")),
            (TensorType::TQ1_0, matrix.to_tq1_0("t", one_and_a_half)),
            (TensorType::TQ2_0, matrix.to_tq2_0("t", one_and_a_half)),
            (TensorType::IQ2_BN, matrix.to_iq2_bn("t")),
        ] {
            let back = Matrix::read("t", kind, &matrix.shape(), &data.unwrap(), Order::Blocks128).unwrap();
            assert!(back == matrix, "{kind} [{columns}, {rows}]");
        }
    }
}

#[test]
fn blocks_of_64_are_read_and_become_blocks_of_128() {
    let codes = random_codes(4 * 128);
    let mut packed: Vec<u8> = codes
        .chunks_exact(64)
        .flat_map(|block| (0..16).map(|j| (0..4).fold(0, |byte, field| byte << 2 | (block[j + 16 * field] + 1) as u8)))
        .collect();
    let mut read = vec![0; codes.len()];
    i2_s::unpack(&packed, Order::Blocks64, &mut read);
    assert_eq!(read, codes);
    i2_s::reorder_64_to_128(&mut packed);
    i2_s::unpack(&packed, Order::Blocks128, &mut read);
    assert_eq!(read, codes);
}

#[test]
fn a_tail_that_is_missing_or_cut_is_named() {
    let (_, bytes) = example();
    let message = |bytes: &[u8]| refused(TensorType::I2_S, &[128, 2], bytes);
    assert_eq!(
        message(&bytes[..64]),
        "blk.0.attn_q.weight: 64 bytes of data, expected 96 for I2_S of shape [128, 2]; the 32 bytes with the scale are missing"
    );
    assert!(message(&bytes[..95]).ends_with("expected 96 for I2_S of shape [128, 2]; it is truncated"));
    assert!(message(&[&bytes[..], &[0; 32]].concat()).contains("128 bytes of data, expected 96"));
}

#[test]
fn scales_that_no_training_gives_are_refused() {
    for scale in [0.0, -0.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (_, mut bytes) = example();
        bytes[64..68].copy_from_slice(&scale.to_le_bytes());
        let expected = format!("blk.0.attn_q.weight: scale {scale} at byte 64, expected a finite number above 0");
        assert_eq!(refused(TensorType::I2_S, &[128, 2], &bytes), expected);
    }
}

#[test]
fn a_code_of_3_is_found_with_its_row_and_column() {
    // In the order of the tensor, not of its bytes: byte 40 holds columns 8, 40, 72, 104 of row 1.
    for (byte, bits, row, column) in [(0, 0xC0, 0, 0), (31, 0x03, 0, 127), (40, 0x30, 1, 40), (63, 0x0C, 1, 95)] {
        let (_, mut bytes) = example();
        bytes[byte] |= bits;
        let expected = format!("code 3 in row {row}, column {column}, expected 0, 1 or 2");
        let message = refused(TensorType::I2_S, &[128, 2], &bytes);
        assert!(message.contains(&expected), "{message}, expected {expected}");
    }
    let (_, mut bytes) = example();
    bytes[0] |= 0x03;
    bytes[5] |= 0xC0;
    assert!(refused(TensorType::I2_S, &[128, 2], &bytes).contains("row 0, column 5"));
}

#[test]
fn rows_that_are_no_whole_blocks_are_refused() {
    let expected = "blk.0.attn_q.weight: shape [96, 4], expected two dimensions, the first a multiple of 128";
    assert_eq!(refused(TensorType::I2_S, &[96, 4], &[0; 128]), expected);
    // The feed-forward width of bitnet_b1_58-3B.
    assert!(refused(TensorType::I2_S, &[8640, 2], &[0; 4352]).contains("a multiple of 128"));
    assert!(refused(TensorType::TQ2_0, &[128, 2], &[0; 66]).contains("a multiple of 256"));
    for shape in [&[][..], &[128], &[128, 0], &[128, 1, 1], &[0, 1]] {
        assert!(refused(TensorType::I2_S, shape, &[0; 64]).contains("expected two dimensions"), "{shape:?}");
    }
    assert!(refused(TensorType::I2_S, &[1 << 63, 1 << 63], &[]).contains("expected"));
}

#[test]
fn scales_that_differ_within_a_tensor_are_refused() {
    let matrix = Matrix { rows: 3, columns: 256, scale: 0.5, codes: vec![1; 768] };
    let mut data = matrix.to_tq2_0("t", half::to_f16(0.5)).unwrap();
    data[2 * 66 - 2..2 * 66].copy_from_slice(&half::to_f16(0.25).to_le_bytes());
    let expected =
        "blk.0.attn_q.weight: scale 0.25 in row 1, but 0.5 before it; expected one scale for the whole tensor";
    assert_eq!(refused(TensorType::TQ2_0, &[256, 3], &data), expected);
    let mut data = matrix.to_iq2_bn("t").unwrap();
    data[2 * 68..2 * 68 + 4].copy_from_slice(&(-0.5_f32).to_le_bytes());
    assert!(refused(TensorType::IQ2_BN, &[256, 3], &data).contains("scale -0.5 at byte 136"));
}

#[test]
fn blocks_of_zeros_have_no_say_in_the_scale() {
    let mut matrix = Matrix { rows: 3, columns: 256, scale: 0.5, codes: random_codes(768) };
    matrix.codes[256..512].fill(0);
    let mut data = matrix.to_tq2_0("t", half::to_f16(0.5)).unwrap();
    data[2 * 66 - 2..2 * 66].fill(0);
    assert!(Matrix::read("t", TensorType::TQ2_0, &[256, 3], &data, Order::Blocks128).unwrap() == matrix);
    // A scale of zero over other codes means zeros too.
    data[66..66 + 64].fill(0);
    assert!(Matrix::read("t", TensorType::TQ2_0, &[256, 3], &data, Order::Blocks128).unwrap() == matrix);
}

#[test]
fn types_that_are_not_ternary_are_refused() {
    assert_eq!(
        refused(TensorType::Q4_K, &[256, 1], &[0; 144]),
        "blk.0.attn_q.weight: type Q4_K, expected a ternary one: I2_S, TQ1_0, TQ2_0 or IQ2_BN"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn noise_is_read_or_refused_but_never_panics(
        kind in prop::sample::select(vec![TensorType::I2_S, TensorType::TQ1_0, TensorType::TQ2_0, TensorType::IQ2_BN]),
        columns in prop::sample::select(vec![0_u64, 1, 64, 128, 256, 257, 512, u64::MAX]),
        rows in prop::sample::select(vec![0_u64, 1, 2, 3, u64::MAX]),
        data in prop::collection::vec(any::<u8>(), 0..300),
        blocks_of_64 in any::<bool>(),
    ) {
        let order = if blocks_of_64 { Order::Blocks64 } else { Order::Blocks128 };
        if let Ok(matrix) = Matrix::read("t", kind, &[columns, rows], &data, order) {
            prop_assert!(matrix.codes.iter().all(|code| (-1..=1).contains(code)));
            prop_assert!(matrix.scale.is_finite() && matrix.scale > 0.0);
        }
    }
}
