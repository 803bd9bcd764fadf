use std::path::Path;

use tern_engine::{Engine, EngineError, ModelSource};
use tern_gguf::write::MetaValue;
use tern_llama::LlamaEngine;

use crate::support::{altered, fixture, load, options, rewritten};

/// Both inspecting and loading must refuse, with a message that says `expected`.
fn refused(bytes: &[u8], expected: &str) -> EngineError {
    refused_as("model.gguf", bytes, expected)
}

fn refused_as(name: &str, bytes: &[u8], expected: &str) -> EngineError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    LlamaEngine::new().inspect(&ModelSource::Path(path.clone())).expect_err("inspected");
    load_refused(&path, expected)
}

fn load_refused(path: &Path, expected: &str) -> EngineError {
    let error = match load(path, &options()) {
        Ok(_) => panic!("loaded, where \"{expected}\" was expected"),
        Err(error) => error,
    };
    assert!(error.to_string().contains(expected), "{error}, where \"{expected}\" was expected");
    error
}

fn changed(key: &str, value: impl Into<MetaValue>) -> Vec<u8> {
    altered("tiny-llama.gguf", &[(key, value.into())])
}

#[test]
fn files_that_are_no_models_are_refused() {
    refused(b"", "");
    refused(b"GGUF", "");
    refused(b"<!DOCTYPE html><title>404</title>", "not a GGUF file");
    assert!(matches!(load(Path::new("/nowhere/model.gguf"), &options()), Err(EngineError::Io { .. })));
    assert!(matches!(load(&std::env::temp_dir(), &options()), Err(EngineError::Io { .. })));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = std::fs::read(fixture("tiny-llama.gguf")).unwrap();
    for cut in [100, 1000, 10_000, whole.len() / 2, whole.len() - 1000] {
        let error = refused(&whole[..cut], "");
        assert!(matches!(error, EngineError::InvalidModel { .. }), "{error}");
    }
}

#[test]
fn a_tensor_type_of_another_program_is_named_with_its_tensor() {
    let mut bytes = std::fs::read(fixture("tiny-llama.gguf")).unwrap();
    let name = b"blk.0.attn_q.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    // After the name: the number of dimensions, two dimensions, the type.
    let kind = at + name.len() + 4 + 16;
    bytes[kind..kind + 4].copy_from_slice(&36_u32.to_le_bytes());
    let error = refused(&bytes, "blk.0.attn_q.weight: tensor type 36 (I2_S)");
    assert!(matches!(error, EngineError::Unsupported { .. }));
    bytes[kind..kind + 4].copy_from_slice(&31_u32.to_le_bytes());
    let error = refused(&bytes, "blk.0.attn_q.weight: tensor type 31");
    assert!(matches!(error, EngineError::Unsupported { .. }));
    // A type that ggml knows and has no product for; the same number of bytes.
    bytes[kind..kind + 4].copy_from_slice(&26_u32.to_le_bytes());
    refused(&bytes, "no type for weights");
}

#[test]
fn parts_of_models_are_told_from_models() {
    refused(&rewritten("tiny-llama.gguf", &[], |_| false), "vocabulary and no weights");
    refused(&changed("general.architecture", "clip"), "mmproj");
    refused(&changed("general.architecture", "t5"), "encoder-decoder");
    refused(&changed("general.type", "adapter"), "LoRA");
    refused(&changed("tokenizer.ggml.model", "none"), "no vocabulary");
}

#[test]
fn numbers_that_would_abort_llama_cpp_are_refused() {
    for (key, value, expected) in [
        ("llama.block_count", MetaValue::U32(0), "expected 1 to 512"),
        ("llama.block_count", MetaValue::U32(513), "expected 1 to 512"),
        ("llama.context_length", MetaValue::U32(0), "expected 1"),
        ("llama.embedding_length", MetaValue::U32(0), "expected 1"),
        ("llama.attention.head_count", MetaValue::U32(65), "at most 64"),
        ("llama.attention.head_count_kv", MetaValue::U32(3), "divisor"),
        ("llama.rope.dimension_count", MetaValue::U32(31), "even number up to 32"),
        ("llama.rope.dimension_count", MetaValue::U32(64), "even number up to 32"),
        ("llama.rope.dimension_count", MetaValue::U32(16), "expected 32, the head's size"),
        ("llama.attention.value_length", MetaValue::U32(16), "expected 32, the size of a key"),
        ("llama.rope.scaling.type", MetaValue::String("su".into()), "expected none, linear"),
        ("llama.attention.layer_norm_rms_epsilon", MetaValue::F32(-1.0), "no less than 0"),
        ("llama.attention.layer_norm_rms_epsilon", MetaValue::F32(f32::NAN), "no less than 0"),
        ("llama.expert_count", MetaValue::U32(8), "do not fit"),
        ("llama.expert_used_count", MetaValue::U32(2), "do not fit"),
        ("llama.expert_count", MetaValue::U32(100_000), "at most 1024"),
        ("llama.nextn_predict_layers", MetaValue::U32(2), "at most 1"),
        ("tokenizer.ggml.tokens", MetaValue::U32(1), "expected a list of strings"),
        ("tokenizer.ggml.tokens", MetaValue::I32s(vec![1, 2]), "expected a list of strings"),
    ] {
        let error = refused(&changed(key, value), expected);
        assert!(matches!(error, EngineError::InvalidModel { .. }), "{key}: {error}");
    }
}

/// llama.cpp loads these and aborts when it first computes.
#[test]
fn sizes_of_heads_that_a_graph_asserts_are_refused() {
    let qwen = |key: &str| altered("rerank/qwen3.gguf", &[(key, MetaValue::U32(8))]);
    refused(&qwen("qwen3.rope.dimension_count"), "qwen3.rope.dimension_count: 8, expected 16");
    refused(&qwen("qwen3.attention.value_length"), "qwen3.attention.value_length: 8, expected 16");
}

/// These reach llama.cpp, which must answer and not abort.
#[test]
fn what_llama_cpp_refuses_comes_back_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for (key, value, expected) in [
        ("general.architecture", MetaValue::String("made-up".into()), ""),
        ("llama.block_count", MetaValue::U32(2), "blk.1.attn_norm.weight"),
        ("llama.feed_forward_length", MetaValue::U32(65), "wrong shape"),
        ("tokenizer.ggml.model", MetaValue::String("made-up".into()), "unknown tokenizer"),
        ("tokenizer.ggml.pre", MetaValue::String("made-up".into()), "unknown pre-tokenizer"),
        ("tokenizer.ggml.token_type", MetaValue::I32s(vec![1]), "toktypes"),
        ("tokenizer.ggml.merges", MetaValue::U32(1), "merges"),
    ] {
        std::fs::write(&path, changed(key, value)).unwrap();
        load_refused(&path, expected);
    }
    std::fs::write(&path, rewritten("tiny-llama.gguf", &[], |name| name != "blk.0.ffn_up.weight")).unwrap();
    load_refused(&path, "ffn_up");
}

#[test]
fn vocabularies_that_would_abort_llama_cpp_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let twice = MetaValue::Strings(vec![b"a".to_vec(), b"b".to_vec(), b"a\0c".to_vec()]);
    let tiny: MetaValue = MetaValue::Strings(vec![b"a".to_vec(), b"b".to_vec()]);
    for (changes, expected) in [
        (vec![("tokenizer.ggml.tokens", twice)], "token 2 \"a\" occurs twice"),
        (
            vec![("tokenizer.ggml.tokens", tiny), ("tokenizer.ggml.model", MetaValue::String("llama".into()))],
            "no token for byte 0x00",
        ),
    ] {
        std::fs::write(&path, altered("tiny-llama.gguf", &changes)).unwrap();
        load_refused(&path, expected);
    }
}

#[test]
fn a_split_model_needs_all_its_parts() {
    let whole = std::fs::read(fixture("tiny-llama.gguf")).unwrap();
    refused_as("model-00001-of-00002.gguf", &whole, "model-00002-of-00002.gguf is missing");
    refused(&changed("split.count", 2_u32), "speaks of 2 parts");
}

#[test]
fn a_script_is_not_a_file() {
    let source = ModelSource::Script("anything".into());
    assert!(matches!(LlamaEngine::new().inspect(&source), Err(EngineError::Unsupported { .. })));
}
