//! A small valid file, and ways to damage it.

#![allow(dead_code, reason = "each test binary uses its part")]

use tern_gguf::{
    GgufError, Header, TensorType,
    write::{MetaValue, Writer},
};

pub const TOKENS: [&str; 6] = ["<s>", "</s>", "hello", " world", "\u{20ac}", ""];

/// A model with two tensors and every kind of key.
pub fn small() -> Writer<'static> {
    Writer::new("llama")
        .with("general.name", "Small")
        .with("general.file_type", 7)
        .with("llama.context_length", 128)
        .with("llama.embedding_length", 64)
        .with("llama.block_count", 1)
        .with("llama.attention.head_count", 4)
        .with("llama.attention.head_count_kv", 2)
        .with("llama.rope.freq_base", 10_000.0)
        .with("tokenizer.ggml.add_bos_token", true)
        .with("tokenizer.ggml.tokens", &TOKENS[..])
        .with("tokenizer.ggml.scores", MetaValue::F32s(vec![0.0; TOKENS.len()]))
        .with("tokenizer.ggml.bos_token_id", 0)
        .with("tokenizer.ggml.eos_token_id", 1)
        .with_tensor("token_embd.weight", TensorType::Q8_0, &[64, 6], vec![1; 6 * 68])
        .with_tensor("output_norm.weight", TensorType::F32, &[64], vec![2; 256])
}

/// The error that these bytes give as a whole file.
#[track_caller]
pub fn error(bytes: &[u8]) -> GgufError {
    match Header::parse_prefix(bytes, bytes.len() as u64) {
        Ok(_) => panic!("the damaged file was accepted"),
        Err(error) => error,
    }
}

/// Header bytes by hand: preamble with these counts, then `rest`.
pub fn raw(tensors: u64, keys: u64, rest: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(keys.to_le_bytes());
    rest.iter().for_each(|part| bytes.extend(part));
    bytes
}

pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// A key with a value of this type number.
pub fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(name.as_bytes()), &kind.to_le_bytes()[..], value].concat()
}

/// A tensor's description.
pub fn tensor(name: &str, shape: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut bytes = string(name.as_bytes());
    bytes.extend((shape.len() as u32).to_le_bytes());
    shape.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
    bytes.extend(kind.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

/// A file of tensors only, with `data` bytes behind the padded header.
pub fn with_tensors(tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let mut bytes = raw(tensors.len() as u64, 0, tensors);
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}
