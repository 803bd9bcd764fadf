//! Damaged and hostile files: each is refused with a message that says what, where, got and expected.

mod support;

use proptest::prelude::*;
use support::{error, key, raw, small, string, tensor, with_tensors};
use tern_gguf::{GgufError, Header, limits};

/// The message of the error that these bytes give as a whole file.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let message = error(bytes).to_string();
    assert!(message.contains(expected), "got {message:?}, expected it to contain {expected:?}");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = small().to_bytes();
    let header_len = Header::parse(&bytes).unwrap().header_len();
    let last_tensor_end = Header::parse(&bytes).unwrap().tensors()[1].end();
    for length in 0..last_tensor_end {
        let error = error(&bytes[..length as usize]);
        let in_header = length < header_len;
        assert_eq!(matches!(error, GgufError::Truncated { .. }), in_header, "{length} bytes: {error}");
        assert_eq!(matches!(error, GgufError::OutOfFile { .. }), !in_header, "{length} bytes: {error}");
    }
}

#[test]
fn a_truncated_file_on_disk_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = small().to_bytes();
    for length in [0, 3, 24, 100, bytes.len() - 257] {
        std::fs::write(file.path(), &bytes[..length]).unwrap();
        let error = Header::read(file.path()).unwrap_err();
        assert!(matches!(error, GgufError::Truncated { .. } | GgufError::OutOfFile { .. }), "{length} bytes: {error}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_truncated() {
    let bytes = small().to_bytes();
    let error = Header::read_from(&mut &bytes[..200], bytes.len() as u64, "shrunk.gguf".as_ref()).unwrap_err();
    assert!(matches!(error, GgufError::Truncated { file_len: 200, .. }), "{error}");
}

#[test]
fn other_files_are_named_as_such() {
    check(b"PK\x03\x04 a zip archive", r#"it begins with "PK\\x03\\x04", expected "GGUF""#);
    check(b"<!", "not a GGUF file");
    check(b"<html>not found</html>", "not a GGUF file");
}

#[test]
fn other_versions_are_refused() {
    let version = |bytes: [u8; 4]| [b"GGUF", &bytes[..], &[0; 16]].concat();
    check(&version([1, 0, 0, 0]), "GGUF version 1, expected 2 or 3");
    check(&version([4, 0, 0, 0]), "GGUF version 4, expected 2 or 3");
    check(&version([0, 0, 0, 3]), "big-endian GGUF (version 3)");
}

#[test]
fn counts_that_the_file_cannot_hold_are_refused() {
    check(&raw(0, 1000, &[]), "truncated");
    check(&raw(1000, 0, &[]), "truncated");
    check(&raw(u64::MAX, 0, &[]), "number of tensors 18446744073709551615");
    check(&raw(0, u64::MAX, &[]), "number of keys 18446744073709551615");
}

#[test]
fn lengths_that_the_file_cannot_hold_are_refused() {
    let lying = |length: u64| raw(0, 1, &[length.to_le_bytes().to_vec(), vec![b'a'; 30]]);
    check(&lying(60_000), "metadata key 0: needs 60000 bytes at offset 0x20");
    check(&lying(u64::MAX), "metadata key 0: string length 18446744073709551615");
    let value = |length: u64| raw(0, 1, &[key("general.name", 8, &length.to_le_bytes())]);
    check(&value(1000), "general.name: needs 1000 bytes");
    check(&value(u64::MAX), "general.name: string length");
    let array =
        |kind: u32, length: u64| raw(0, 1, &[key("a", 9, &[&kind.to_le_bytes()[..], &length.to_le_bytes()].concat())]);
    check(&array(4, 1000), "a: needs 4000 bytes");
    check(&array(12, u64::MAX), "a: needs");
    check(&array(8, u64::MAX / 8 + 1), "a: needs");
}

#[test]
fn a_prefix_with_an_absurd_length_is_not_asked_to_grow_beyond_the_limit() {
    let array = |length: u64| raw(0, 1, &[key("a", 9, &[&4_u32.to_le_bytes()[..], &length.to_le_bytes()].concat())]);
    let error = Header::parse(&array(u64::MAX)).unwrap_err();
    assert!(matches!(error, GgufError::TooLarge { most: limits::HEADER_BYTES, .. }), "{error}");
    assert!(matches!(Header::parse(&array(1 << 20)), Err(GgufError::Incomplete { .. })));
}

#[test]
fn unknown_value_types_and_nested_arrays_are_refused() {
    check(&raw(0, 1, &[key("k", 13, &[0; 8])]), "k: value type 13");
    check(&raw(0, 1, &[key("k", 9, &[&13_u32.to_le_bytes()[..], &[0; 8]].concat())]), "k: value type 13");
    check(&raw(0, 1, &[key("k", 9, &[&9_u32.to_le_bytes()[..], &[1; 40]].concat())]), "k: array of arrays");
}

#[test]
fn names_that_are_no_names_are_refused() {
    check(&raw(0, 1, &[key("", 7, &[1]), vec![0; 8]]), "metadata key 0: name is empty");
    check(&raw(0, 1, &[string(&[0xFF]), vec![7, 0, 0, 0, 1]]), "metadata key 0: name is not UTF-8");
    check(&with_tensors(&[tensor("a\0b", &[1], 0, 0)], 32), "tensor 0: name is interrupted by a zero byte");
    check(&with_tensors(&[tensor(&"n".repeat(64), &[1], 0, 0)], 32), "tensor 0: string length 64");
}

#[test]
fn what_occurs_twice_is_refused() {
    check(&raw(0, 2, &[key("k", 7, &[1]), key("k", 7, &[0])]), "k: the key occurs twice");
    check(&with_tensors(&[tensor("t", &[8], 0, 0), tensor("t", &[8], 0, 32)], 64), "t: the tensor occurs twice");
}

#[test]
fn shapes_that_no_tensor_can_have_are_refused() {
    let shape = |shape: &[u64], kind| with_tensors(&[tensor("t", shape, kind, 0)], 32);
    check(&shape(&[2, 2, 2, 2, 2], 0), "t: number of dimensions 5");
    check(&shape(&[0], 0), "t: shape [0], expected no dimension that is zero");
    check(&shape(&[u64::MAX, 2], 0), "expected a product below 2^63");
    check(&shape(&[1 << 62, 1], 0), "expected less than 2^63 bytes");
    check(&shape(&[33], 8), "expected a first dimension that is a multiple of 32 for type Q8_0");
    let lying = [string(b"t"), u32::MAX.to_le_bytes().to_vec(), vec![0; 40]].concat();
    check(&with_tensors(&[lying], 0), "number of dimensions 4294967295");
}

#[test]
fn tensor_types_are_named_with_their_tensor() {
    check(
        &with_tensors(&[tensor("t", &[8], 99, 0)], 32),
        "t: tensor type 99 at offset 0x2d is unknown to this version",
    );
    check(&with_tensors(&[tensor("t", &[8], 31, 0)], 32), "t: tensor type 31 at offset 0x2d was removed");
}

#[test]
fn ternary_types_of_other_programs_are_named() {
    check(&with_tensors(&[tensor("t", &[8], 38, 0)], 32), "t: tensor type 38 at offset 0x2d is TL1 of bitnet.cpp");
    check(&with_tensors(&[tensor("t", &[8], 134, 0)], 32), "is IQ1_BN of ik_llama.cpp");
    check(&with_tensors(&[tensor("t", &[8], 335, 0)], 32), "is IQ2_BN_R4 of ik_llama.cpp");
}

#[test]
fn type_39_is_mxfp4_but_tl2_in_a_bitnet_model() {
    let mxfp4 = tensor("b", &[32], 39, 0);
    let alone = with_tensors(std::slice::from_ref(&mxfp4), 32);
    assert_eq!(Header::parse(&alone).unwrap().tensors()[0].kind, tern_gguf::TensorType::MXFP4);
    let beside_i2_s = with_tensors(&[mxfp4.clone(), tensor("a", &[128, 1], 36, 32)], 96);
    check(&beside_i2_s, "b: tensor type 39 in a BitNet model is TL2 of bitnet.cpp");
    let architecture = key("general.architecture", 8, &string(b"bitnet-b1.58"));
    check(&[raw(1, 1, &[architecture, mxfp4]), vec![0; 96]].concat(), "b: tensor type 39 in a BitNet model is TL2");
}

#[test]
fn i2_s_needs_its_codes_and_its_tail_within_the_file() {
    let file = |data| with_tensors(&[tensor("blk.0.attn_q.weight", &[128, 2], 36, 0)], data);
    assert_eq!(Header::parse_prefix(&file(96), file(96).len() as u64).unwrap().tensors()[0].bytes, 96);
    // Codes alone, and codes with the scale but no filler.
    for data in [64, 68, 95] {
        check(&file(data), "blk.0.attn_q.weight: data at 0x60 to 0xc0, but the file ends");
    }
    let next =
        |offset| with_tensors(&[tensor("blk.0.attn_q.weight", &[128, 2], 36, 0), tensor("b", &[8], 0, offset)], 160);
    // A reader that forgets the tail would take this for sound.
    check(&next(64), "b: data at 0xc0 overlaps blk.0.attn_q.weight");
    assert!(Header::parse(&next(96)).is_ok());
    check(&with_tensors(&[tensor("t", &[130, 2], 36, 0)], 128), "a multiple of 4 for type I2_S");
    check(&with_tensors(&[tensor("t", &[1 << 62, 2], 36, 0)], 128), "expected");
}

#[test]
fn iq2_bn_has_a_scale_in_each_row() {
    let file = |data| with_tensors(&[tensor("t", &[64, 3], 135, 0)], data);
    assert_eq!(Header::parse_prefix(&file(60), file(60).len() as u64).unwrap().tensors()[0].bytes, 60);
    check(&file(52), "t: data at");
}

#[test]
fn data_outside_its_place_is_refused() {
    check(
        &with_tensors(&[tensor("t", &[8], 0, 16)], 64),
        "t: data at 0x10 of the data section, expected a multiple of 32",
    );
    check(&with_tensors(&[tensor("t", &[8], 0, 32)], 32), "t: data at");
    check(&with_tensors(&[tensor("t", &[8], 0, u64::MAX - 31)], 32), "t: data at");
    check(
        &with_tensors(&[tensor("a", &[16], 0, 0), tensor("b", &[8], 0, 32)], 64),
        "b: data at 0x80 overlaps a, which ends at 0xa0",
    );
}

#[test]
fn an_alignment_that_is_none_is_refused() {
    for value in [0_u32, 3, 48] {
        let bytes = raw(0, 1, &[key("general.alignment", 4, &value.to_le_bytes())]);
        check(&bytes, &format!("general.alignment: got {value}, expected a power of two"));
    }
    let huge = raw(0, 1, &[key("general.alignment", 8, &string(&vec![b'9'; 1000]))]);
    assert!(error(&huge).to_string().len() < 200);
}

fn survives(bytes: &[u8]) {
    // Sound or not is no matter here; what is accepted must also answer every question.
    for header in [Header::parse(bytes), Header::parse_prefix(bytes, bytes.len() as u64)].into_iter().flatten() {
        for (key, _) in header.entries() {
            header.strings(key).into_iter().flatten().for_each(drop);
            header.values(key).into_iter().flatten().for_each(drop);
        }
        header.tensors().iter().for_each(|tensor| assert!(tensor.end() >= tensor.offset));
        let _ = tern_gguf::summary::model_info(&header);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = small().to_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        survives(&bytes);
    }

    #[test]
    fn extreme_numbers_anywhere_never_panic(
        place in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![0, 1, u64::from(u32::MAX), 1 << 63, u64::MAX, u64::MAX - 31]),
    ) {
        let mut bytes = small().to_bytes();
        let place = place.index(bytes.len() - 8);
        bytes[place..place + 8].copy_from_slice(&number.to_le_bytes());
        survives(&bytes);
    }

    #[test]
    fn noise_behind_the_magic_never_panics(noise in prop::collection::vec(any::<u8>(), 0..512)) {
        survives(&[b"GGUF\x03\0\0\0", &noise[..]].concat());
    }
}
