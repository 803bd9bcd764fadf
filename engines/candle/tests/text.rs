//! Text models: the shared suite, and the logits of transformers in float32 (`golden/text.py`).

use std::path::{Path, PathBuf};

use tern_candle::CandleEngine;
use tern_engine::{
    Batch, BatchToken, Capability, Engine, KvType, LoadOptions, LoadedModel, ModelSource, TextModel, Token, Wanted,
    conformance::{self, RoundTrip, Tolerance},
};
use tern_folder::Weights;

/// Sums of up to 64 products in another order, over 2 layers. Measured: 1e-6.
const TOLERANCE: f32 = 1e-5;

const MODELS: &[&str] = &["llama", "mistral", "qwen2", "qwen3"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text").join(name)
}

fn load(path: PathBuf, options: &LoadOptions) -> LoadedModel {
    CandleEngine.load(&ModelSource::Path(path), options, &mut |_| true).unwrap()
}

/// The logits after each of `tokens`, which come in batches of `step`.
fn logits(text: &mut TextModel, tokens: &[Token], step: usize) -> Vec<f32> {
    let (mut all, mut pos) = (Vec::new(), 0);
    for tokens in tokens.chunks(step) {
        let mut batch = Batch::default();
        for &token in tokens {
            batch.push(BatchToken { token, pos, seq: 0, logits: Wanted::Row });
            pos += 1;
        }
        text.decoder.decode(&batch).unwrap();
        (0..tokens.len()).for_each(|row| all.extend_from_slice(text.decoder.logits(row)));
    }
    text.decoder.kv_truncate(0, 0).unwrap();
    all
}

fn rms(got: &[f32], expected: &[f32]) -> f32 {
    let sum: f64 = got.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (sum / got.len() as f64).sqrt() as f32
}

fn argmax(row: &[f32]) -> usize {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}

#[test]
fn every_architecture_gives_the_logits_of_transformers() {
    let options = LoadOptions { kv_type: KvType::F32, ..LoadOptions::default() };
    for name in MODELS {
        let mut model = load(folder(name), &options);
        let text = model.text.as_mut().unwrap();
        let golden = Weights::open(&folder(name).join("golden")).unwrap();
        let vocab = model.info.vocab_size as usize;
        for case in 0..3 {
            let tensor = |what: &str| golden.get(&format!("{what}.{case}")).unwrap();
            let bytes = golden.bytes(tensor("tokens"), 0, tensor("tokens").values()).unwrap();
            let tokens: Vec<Token> =
                bytes.chunks_exact(8).map(|id| u64::from_le_bytes(id.try_into().unwrap()) as Token).collect();
            let expected = golden.floats(tensor("logits"), 0, tensor("logits").values()).unwrap();
            let spread = rms(&expected, &vec![0.0; expected.len()]);
            // One token after the other, a few at once, and all at once: each is another way to multiply.
            for step in [1, 4, 60] {
                let got = logits(text, &tokens, step);
                let off = rms(&got, &expected) / spread;
                println!("{name} case {case} by {step}: rms {off:.2e} of the spread");
                assert!(off < TOLERANCE, "{name} case {case} by {step}: rms {off}");
                for (pos, (got, expected)) in got.chunks(vocab).zip(expected.chunks(vocab)).enumerate() {
                    assert_eq!(argmax(got), argmax(expected), "{name} case {case} by {step}, position {pos}");
                }
            }
        }
    }
}

#[test]
fn every_architecture_decodes_as_the_contract_says() {
    for name in MODELS {
        println!("{name}");
        conformance::text(&|options| load(folder(name), options), Tolerance { relative: 2e-4 });
    }
}

#[test]
fn the_vocabulary_tokenizes_as_the_contract_says() {
    conformance::tokenizer(&|options| load(folder("qwen2"), options), RoundTrip::Exact);
}

#[test]
fn a_folder_tells_its_template_its_ends_and_its_size() {
    let source = ModelSource::Path(folder("qwen2"));
    let info = CandleEngine.inspect(&source).unwrap();
    assert_eq!((info.architecture.as_str(), info.quantization.as_str()), ("Qwen2ForCausalLM", "BF16"));
    assert_eq!(info.kv_values_per_token, 2 * 2 * 2 * 8);
    assert!(info.chat_template.as_deref().unwrap().contains("<|im_start|>"));
    assert_eq!(info.capabilities, [Capability::Completion, Capability::Chat]);
    let tokenizer = load(folder("qwen2"), &LoadOptions::default()).text.unwrap().tokenizer;
    // Both ids of generation_config.json's list.
    assert!(tokenizer.is_end_of_generation(258) && tokenizer.is_end_of_generation(256));
    let cost = CandleEngine.estimate(&info, &LoadOptions::default());
    assert_eq!((cost.weights_bytes, cost.kv_bytes_per_token), (info.weights_bytes, 2 * info.kv_values_per_token));
}

#[test]
fn a_folder_without_a_tokenizer_is_refused_with_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(folder("qwen2").join(file), dir.path().join(file)).unwrap();
    }
    let error = CandleEngine.inspect(&ModelSource::Path(dir.path().into())).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
}

/// The built-in model as a folder of f16 weights answers as its GGUF file, which has the same weights in 8 bits, does.
#[test]
fn the_guide_answers_from_its_folder() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/guide");
    let mut text = load(models.join("safetensors"), &LoadOptions::default()).text.unwrap();
    let prompt = "<|im_start|>user\nWhat is Tern?<|im_end|>\n<|im_start|>assistant\n";
    let mut tokens = text.tokenizer.encode(prompt, true, true).unwrap();
    let mut answer = Vec::new();
    for _ in 0..60 {
        let row = logits(&mut text, &tokens, 512);
        let next = argmax(&row[row.len() - text.tokenizer.vocab_size()..]) as Token;
        if text.tokenizer.is_end_of_generation(next) {
            break;
        }
        text.tokenizer.decode(next, false, &mut answer);
        tokens.push(next);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("Tern"), "{answer}");
}

/// Ternary files give in float arithmetic what they give in the bitnet engine's.
#[test]
fn ternary_files_give_the_logits_of_the_bitnet_engine() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bitnet/tests/golden");
    let options = LoadOptions { kv_type: KvType::F32, ..LoadOptions::default() };
    let tokens: Vec<Token> = (0..40).map(|i| 10 + i * 7 % 90).collect();
    for name in ["bitnet-b1.58.gguf", "bitnet-25.gguf", "bitnet.gguf", "llama.gguf"] {
        let source = ModelSource::Path(golden.join(name));
        let mut theirs = tern_bitnet::BitnetEngine.load(&source, &options, &mut |_| true).unwrap();
        let mut ours = CandleEngine.load(&source, &options, &mut |_| true).unwrap();
        let expected = logits(theirs.text.as_mut().unwrap(), &tokens, 64);
        for step in [1, 64] {
            let got = logits(ours.text.as_mut().unwrap(), &tokens, step);
            let off = rms(&got, &expected) / rms(&expected, &vec![0.0; expected.len()]);
            println!("{name} by {step}: rms {off:.2e} of the spread");
            // Sums of other orders; an activation at the border of two codes may fall to the other one.
            assert!(off < 0.02, "{name} by {step}: rms {off}");
            let vocab = theirs.info.vocab_size as usize;
            for (pos, (got, expected)) in got.chunks(vocab).zip(expected.chunks(vocab)).enumerate() {
                assert_eq!(argmax(got), argmax(expected), "{name} by {step}, position {pos}");
            }
        }
    }
}
