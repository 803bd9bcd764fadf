use std::panic::{AssertUnwindSafe, catch_unwind};

use tern_engine::{Engine, EngineError, KvType, LoadOptions, ModelSource};
use tern_llama::LlamaEngine;

use crate::support::{assert_close, fixture, load, options, run, tiny_llama};

fn source() -> ModelSource {
    ModelSource::Path(fixture("tiny-llama.gguf"))
}

#[test]
fn progress_ends_at_one() {
    let mut shares = Vec::new();
    LlamaEngine::new()
        .load(&source(), &options(), &mut |share| {
            shares.push(share);
            true
        })
        .unwrap();
    assert!(shares.is_sorted(), "{shares:?}");
    assert_eq!(shares.last(), Some(&1.0));
}

#[test]
fn a_load_can_be_cancelled_and_another_started() {
    let result = LlamaEngine::new().load(&source(), &options(), &mut |_| false);
    assert!(matches!(result, Err(EngineError::Cancelled)));
    tiny_llama();
}

#[test]
fn a_panic_in_progress_reaches_the_caller_and_not_llama_cpp() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        LlamaEngine::new().load(&source(), &options(), &mut |_| panic!("from progress")).map(|_| ())
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"from progress"));
    tiny_llama();
}

#[test]
fn a_model_whose_file_is_deleted_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::copy(fixture("tiny-llama.gguf"), &path).unwrap();
    let mut decoder = load(&path, &options()).unwrap().text.unwrap().decoder;
    std::fs::remove_file(&path).unwrap();
    let expected = run(&mut *tiny_llama().decoder, 0, 0, &[5, 6, 7]).unwrap();
    assert_close(&run(&mut *decoder, 0, 0, &[5, 6, 7]).unwrap(), &expected, 0.0);
}

#[test]
fn a_model_moves_to_another_thread_and_may_outlive_its_tokenizer() {
    let text = tiny_llama();
    let mut decoder = text.decoder;
    let tokenizer = text.tokenizer;
    let worker = std::thread::spawn(move || run(&mut *decoder, 0, 0, &[1, 2, 3]).unwrap().len());
    assert_eq!(worker.join().unwrap(), tokenizer.vocab_size());
}

#[test]
fn a_quantized_cache_without_flash_attention_is_refused_with_the_way_out() {
    let options = LoadOptions { kv_type: KvType::Q8_0, flash_attention: Some(false), ..options() };
    let Err(error) = load(&fixture("tiny-llama.gguf"), &options) else { panic!("loaded") };
    assert!(error.to_string().contains("needs flash attention"), "{error}");
}

#[test]
fn models_load_beside_each_other_from_many_threads() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| run(&mut *tiny_llama().decoder, 0, 0, &[1, 2, 3]).unwrap());
        }
    });
}

#[test]
fn the_build_names_its_instruction_sets() {
    let build = LlamaEngine::new().build();
    assert!(build.version.contains("llama.cpp"), "{}", build.version);
    assert!(!build.cpu_features.is_empty());
    #[cfg(target_feature = "avx2")]
    assert!(build.cpu_features.iter().any(|feature| feature == "avx2"), "{:?}", build.cpu_features);
}

#[test]
fn the_estimate_is_weights_and_cells_and_something() {
    let engine = LlamaEngine::new();
    let info = engine.inspect(&source()).unwrap();
    let cost = engine.estimate(&info, &options());
    assert_eq!(cost.weights_bytes, info.weights_bytes);
    // One layer, one key/value head of 32, keys and values, two bytes each.
    assert_eq!(cost.kv_bytes_per_token, 128);
    assert_eq!(cost.context_tokens, 512);
    assert!(cost.fixed_bytes > 0);
}
