//! Files that must be refused, each with a message that names the tensor or key, what it has and what was expected.

use std::path::Path;

use tern_bitnet::BitnetEngine;
use tern_engine::{Engine, LoadOptions, ModelSource};
use tern_gguf::Header;

/// The golden model, changed in place, and what the engine says of it.
#[track_caller]
fn check(change: impl FnOnce(&Header, &mut Vec<u8>), expected: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bitnet-b1.58.gguf");
    let header = Header::read(&source).unwrap();
    let mut bytes = std::fs::read(&source).unwrap();
    change(&header, &mut bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.gguf");
    std::fs::write(&path, bytes).unwrap();
    let loaded = BitnetEngine.load(&ModelSource::Path(path), &LoadOptions::default(), &mut |_| true);
    let message = loaded.map(|_| ()).expect_err("was loaded").to_string();
    for part in expected {
        assert!(message.contains(part), "\"{message}\" does not say \"{part}\"");
    }
}

fn scale_at(header: &Header, tensor: &str) -> usize {
    header.tensor(tensor).unwrap().end() as usize - 32
}

/// Where a text first stands in the header.
fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[test]
fn a_scale_that_is_no_positive_number_is_refused() {
    for (scale, said) in [(0.0_f32, "0"), (-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        check(
            |header, bytes| {
                let at = scale_at(header, "blk.1.ffn_up.weight");
                bytes[at..at + 4].copy_from_slice(&scale.to_le_bytes());
            },
            &["blk.1.ffn_up.weight", said],
        );
    }
}

#[test]
fn a_code_3_is_refused_with_its_row() {
    check(
        |header, bytes| {
            let tensor = header.tensor("blk.0.attn_q.weight").unwrap();
            bytes[tensor.offset as usize + 3 * 32 + 5] |= 0b11;
        },
        &["blk.0.attn_q.weight", "3"],
    );
}

#[test]
fn a_missing_and_an_unknown_tensor_are_refused_by_name() {
    let rename = |bytes: &mut Vec<u8>, from: &str, to: &str| {
        let at = find(bytes, from);
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    };
    check(
        |_, bytes| rename(bytes, "blk.1.attn_sub_norm.weight", "blk.1.attn_sub_warm.weight"),
        &["blk.1.attn_sub_norm.weight", "missing"],
    );
    // A scalar factor may be missing; one of another name would be left out of the computation.
    check(
        |_, bytes| rename(bytes, "output_norm.weight", "output_form.weight"),
        &["output_norm.weight", "missing", "expected [128]"],
    );
}

#[test]
fn sizes_that_contradict_the_tensors_are_refused() {
    check(
        |_, bytes| {
            let key = "bitnet-b1.58.feed_forward_length";
            let at = find(bytes, key) + key.len() + 4;
            bytes[at..at + 4].copy_from_slice(&512_u32.to_le_bytes());
        },
        &["blk.0.ffn_gate.weight", "[128, 384]", "[128, 512]"],
    );
    check(
        |_, bytes| {
            let key = "bitnet-b1.58.feed_forward_length";
            let at = find(bytes, key) + key.len() + 4;
            bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
        },
        &["feed_forward_length", "100", "multiple of 128"],
    );
}

#[test]
fn a_norm_that_is_not_finite_is_refused() {
    check(
        |header, bytes| {
            let at = header.tensor("blk.0.ffn_norm.weight").unwrap().offset as usize + 8;
            bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        },
        &["blk.0.ffn_norm.weight", "value 2", "NaN"],
    );
}

#[test]
fn a_file_cut_anywhere_is_refused_and_nothing_panics() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bitnet-b1.58.gguf");
    let bytes = std::fs::read(source).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    for length in (0..bytes.len() - 32).step_by(997) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let source = ModelSource::Path(path.clone());
        assert!(BitnetEngine.load(&source, &LoadOptions::default(), &mut |_| true).is_err(), "{length} bytes");
    }
}

#[test]
fn a_model_without_ternary_tensors_is_left_to_others() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-llama.gguf");
    let error = BitnetEngine.inspect(&ModelSource::Path(path)).unwrap_err().to_string();
    assert!(error.contains("no ternary"), "{error}");
}
