use std::path::{Path, PathBuf};

use tern_engine::{
    Batch, DecodeError, Decoder, Embedder, Engine, EngineError, KvType, LoadOptions, LoadedModel, ModelSource,
    TextModel, Token, Tokenizer,
};
use tern_gguf::{
    Header, TensorInfo, Value, ValueType,
    write::{MetaValue, Writer},
};
use tern_llama::LlamaEngine;

/// What PyTorch computed, and what llama.cpp computes in F32 with an F16 KV cache, differ by at most this.
/// Measured: 0.004 for logits between -5 and 5; the rounding of keys and values to F16 is nearly all of it.
pub const LOGIT_TOLERANCE: f32 = 0.02;

/// The same tokens in another batch. Measured: 3e-6 at most; a rounding of a key or value to F16 that goes the other way
/// moves a logit by 1e-4. One wrong token moves some by more than 0.01.
pub const BATCH_TOLERANCE: f32 = 1e-3;

/// The built-in model, from the folder of the fixtures.
pub const GUIDE: &str = "../../models/guide/tern-guide.gguf";

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

pub fn golden() -> serde_json::Value {
    json("tiny.golden.json")
}

/// A fixture in JSON.
pub fn json(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

pub fn tokens(value: &serde_json::Value) -> Vec<Token> {
    value.as_array().unwrap().iter().map(|token| token.as_u64().unwrap() as Token).collect()
}

pub fn floats(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// Flash attention is off: it adds values up in F16, in an order that depends on the batch and on the processor, so that
/// only loose tolerances would hold with it. `flash.rs` has its tests.
pub fn options() -> LoadOptions {
    LoadOptions {
        kv_cells: 512,
        max_sequences: 4,
        max_batch_tokens: 64,
        threads: 1,
        kv_type: KvType::F16,
        flash_attention: Some(false),
        gpu_layers: 0,
        ..LoadOptions::default()
    }
}

pub fn load(path: &Path, options: &LoadOptions) -> Result<LoadedModel, EngineError> {
    LlamaEngine::new().load(&ModelSource::Path(path.into()), options, &mut |_| true)
}

pub fn tiny_llama() -> TextModel {
    tiny_llama_with(&options())
}

pub fn tiny_llama_with(options: &LoadOptions) -> TextModel {
    load(&fixture("tiny-llama.gguf"), options).unwrap().text.expect("a text model")
}

pub fn tiny_bert() -> (std::sync::Arc<dyn Tokenizer>, Box<dyn Embedder>) {
    load(&fixture("tiny-bert.gguf"), &options()).unwrap().embedder.expect("an embedding model")
}

/// Appends `tokens` to `seq` at `pos` and gives the logits of the last.
pub fn run(decoder: &mut dyn Decoder, seq: u32, pos: u32, tokens: &[Token]) -> Result<Vec<f32>, DecodeError> {
    let mut batch = Batch::default();
    let row = batch.push_run(seq, pos, tokens).expect("tokens");
    decoder.decode(&batch)?;
    Ok(decoder.logits(row).to_vec())
}

pub fn assert_close(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len());
    let worst = (0..got.len()).max_by(|&a, &b| (got[a] - expected[a]).abs().total_cmp(&(got[b] - expected[b]).abs()));
    let worst = worst.expect("not empty");
    let difference = (got[worst] - expected[worst]).abs();
    assert!(
        difference <= tolerance,
        "value {worst}: {} where {} was expected, off by {difference}, tolerance {tolerance}",
        got[worst],
        expected[worst]
    );
}

/// A fixture with some metadata replaced or added, as the bytes of a file.
pub fn altered(fixture_name: &str, changes: &[(&str, MetaValue)]) -> Vec<u8> {
    rewritten(fixture_name, changes, |_| true)
}

/// As [`altered`], with only the tensors that `keep` keeps.
pub fn rewritten(fixture_name: &str, changes: &[(&str, MetaValue)], keep: impl Fn(&str) -> bool) -> Vec<u8> {
    remade(fixture_name, changes, |tensor, data| keep(&tensor.name).then(|| (tensor.shape.clone(), data.to_vec())))
}

/// As [`altered`], with other shapes and data of its tensors, or without those of which there is `None`.
pub fn remade(
    fixture_name: &str,
    changes: &[(&str, MetaValue)],
    each: impl Fn(&TensorInfo, &[u8]) -> Option<(Vec<u64>, Vec<u8>)>,
) -> Vec<u8> {
    let path = fixture(fixture_name);
    let bytes = std::fs::read(&path).unwrap();
    let header = Header::read(&path).unwrap();
    let mut writer = Writer::default();
    for (key, value) in header.entries() {
        let changed = changes.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        writer = writer.with(key, changed.unwrap_or_else(|| copied(&header, key, value)));
    }
    for (key, value) in changes.iter().filter(|(key, _)| header.metadata(key).is_none()) {
        writer = writer.with(key, value.clone());
    }
    for tensor in header.tensors() {
        if let Some((shape, data)) = each(tensor, &bytes[tensor.range()]) {
            writer = writer.with_tensor(&tensor.name, tensor.kind, &shape, data);
        }
    }
    writer.to_bytes()
}

fn copied(header: &Header, key: &str, value: &Value) -> MetaValue {
    match value {
        Value::U32(n) => MetaValue::U32(*n),
        Value::I32(n) => MetaValue::I32(*n),
        Value::F32(x) => MetaValue::F32(*x),
        Value::Bool(b) => MetaValue::Bool(*b),
        Value::String(text) => MetaValue::String(text.clone()),
        Value::Array(array) if array.kind == ValueType::String => {
            MetaValue::Strings(header.strings(key).unwrap().map(<[u8]>::to_vec).collect())
        }
        Value::Array(array) if array.kind == ValueType::I32 => {
            let number = |value: Value| if let Value::I32(n) = value { n } else { unreachable!() };
            MetaValue::I32s(header.values(key).unwrap().map(number).collect())
        }
        other => unreachable!("{key}: the fixtures have no {other:?}"),
    }
}
