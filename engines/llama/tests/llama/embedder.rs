use std::{cell::Cell, path::Path};

use tern_engine::{Capability, Engine, EngineError, ModelSource};
use tern_gguf::write::MetaValue;
use tern_llama::LlamaEngine;

use crate::support::{altered, assert_close, fixture, floats, golden, load, options, tiny_bert, tokens};

/// F32 weights throughout; the rest is F16: the table of GELU, keys and values.
const TOLERANCE: f32 = 2e-3;

/// The same input in another batch. Measured: below 1e-6; one rounding to F16 that goes the other way is 1e-4.
const BATCH_TOLERANCE: f32 = 1e-3;

#[test]
fn vectors_are_those_of_pytorch_alone_and_together() {
    let golden = golden();
    let cases = golden["bert"].as_array().unwrap();
    let (tokenizer, mut embedder) = tiny_bert();
    let inputs: Vec<_> = cases.iter().map(|case| tokens(&case["tokens"])).collect();
    let together = embedder.embed(&inputs, &|| false).unwrap();
    for (i, case) in cases.iter().enumerate() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, true, false).unwrap(), inputs[i], "{text}");
        assert_close(&together[i], &floats(&case["vector"]), TOLERANCE);
        let alone = embedder.embed(&inputs[i..=i], &|| false).unwrap();
        assert_close(&alone[0], &together[i], BATCH_TOLERANCE);
        let length: f32 = alone[0].iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}

#[test]
fn many_inputs_come_back_in_order() {
    let (_, mut embedder) = tiny_bert();
    let inputs: Vec<Vec<u32>> = (0..100).map(|i| vec![2, 5 + i % 40, 5 + i / 40, 3]).collect();
    let vectors = embedder.embed(&inputs, &|| false).unwrap();
    assert_eq!(vectors.len(), 100);
    for i in [0, 31, 32, 63, 99] {
        let alone = embedder.embed(&inputs[i..=i], &|| false).unwrap();
        assert_close(&vectors[i], &alone[0], BATCH_TOLERANCE);
    }
    assert!(embedder.embed(&[], &|| false).unwrap().is_empty());
}

#[test]
fn inputs_beyond_the_limits_are_errors_with_numbers() {
    let (_, mut embedder) = tiny_bert();
    assert_eq!((embedder.dimensions(), embedder.max_tokens()), (32, 128));
    embedder.embed(&[vec![5; 128]], &|| false).unwrap();
    let error = |input: Vec<u32>| {
        let (_, mut embedder) = tiny_bert();
        embedder.embed(&[vec![5], input], &|| false).unwrap_err().to_string()
    };
    let long = error(vec![5; 129]);
    assert!(long.contains("input 1 has 129 tokens") && long.contains("at most 128"), "{long}");
    assert!(error(vec![]).contains("input 1 has no tokens"));
    assert!(error(vec![100_000]).contains("token 100000"));
}

#[test]
fn cancelling_stops_between_passes() {
    let (_, mut embedder) = tiny_bert();
    let inputs = vec![vec![5; 128]; 20];
    let asked = Cell::new(0);
    let result = embedder.embed(&inputs, &|| {
        asked.set(asked.get() + 1);
        asked.get() > 1
    });
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert_eq!(asked.get(), 2);
    // And the embedder is as good as new.
    assert_eq!(embedder.embed(&inputs[..1], &|| false).unwrap().len(), 1);
}

/// A decoder model with a pooling type in its file embeds, and inputs longer than a batch are computed in pieces.
#[test]
fn a_causal_model_embeds_long_inputs_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let embed = |pooling: u32, inputs: &[Vec<u32>]| {
        let path = folder.path().join(format!("pooling-{pooling}.gguf"));
        let changes = [("llama.pooling_type", MetaValue::U32(pooling)), ("llama.context_length", MetaValue::U32(2048))];
        std::fs::write(&path, altered("tiny-llama.gguf", &changes)).unwrap();
        let options = tern_engine::LoadOptions { kv_cells: 2048, ..options() };
        let loaded = load(&path, &options).unwrap();
        assert_eq!(loaded.info.capabilities, [Capability::Embedding]);
        assert!(loaded.text.is_none());
        let (_, mut embedder) = loaded.embedder.unwrap();
        assert_eq!(embedder.max_tokens(), 2048);
        embedder.embed(inputs, &|| false).unwrap()
    };
    let long: Vec<u32> = (0..1300).map(|i| i * 31 % 250).collect();
    // The last token of a causal model sees the pieces before its own: another beginning, another vector.
    let mut other = long.clone();
    other[0..64].fill(7);
    let (mean, last) = (1, 3);
    for pooling in [mean, last] {
        let vectors = embed(pooling, &[long.clone(), other.clone(), vec![1, 2, 3]]);
        let difference = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference > 1e-4, "pooling {pooling}: {difference}");
        let alone = embed(pooling, &[vec![1, 2, 3]]);
        assert_close(&alone[0], &vectors[2], BATCH_TOLERANCE);
    }
    // The mean over pieces is the mean over all: 512 equal tokens and their continuation pool to the same by hand.
    let halves = embed(mean, &[vec![9; 512], vec![9; 1024]]);
    let cosine: f32 = halves[0].iter().zip(&halves[1]).map(|(a, b)| a * b).sum();
    assert!(cosine > 0.99, "{cosine}");
}

#[test]
fn inspecting_tells_what_it_is_for() {
    let capabilities = |path: &Path| LlamaEngine::new().inspect(&ModelSource::Path(path.into())).unwrap().capabilities;
    assert_eq!(capabilities(&fixture("tiny-bert.gguf")), [Capability::Embedding]);
    assert_eq!(capabilities(&fixture("tiny-llama.gguf")), [Capability::Completion, Capability::Chat]);
}
