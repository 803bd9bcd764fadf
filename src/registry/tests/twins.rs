//! The same ternary weights at llama.cpp and at candle, from the engine's golden models.

use std::{fs, path::Path};

use tern_catalog::{Catalog, CatalogConfig, hub};
use tern_registry::{Lease, Registry, RegistryConfig, RegistryError};
use tern_scheduler::{Event, GenerateRequest, SamplingParams};

fn registry(dir: &Path) -> Registry {
    let models = dir.join("models");
    fs::create_dir_all(&models).unwrap();
    for name in ["bitnet", "bitnet-b1.58"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engines/bitnet/tests/golden");
        fs::copy(golden.join(format!("{name}.gguf")), models.join(format!("{name}.gguf"))).unwrap();
    }
    let hub = hub::Settings::new(dir.join("hub"));
    let catalog = Catalog::new(CatalogConfig { models_dir: models, hub, extra: Vec::new() });
    let rewritten_dir = Some(dir.join("rewritten"));
    Registry::new(catalog, RegistryConfig { ctx_size: Some(256), threads: 2, rewritten_dir, ..Default::default() })
}

/// ln p of each token of a prompt.
async fn logprobs(lease: &Lease) -> Vec<f32> {
    let scheduler = &lease.text().unwrap().scheduler;
    let request = GenerateRequest {
        id: "test".into(),
        prompt: (10..60).collect(),
        images: Vec::new(),
        sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
        n: 1,
        max_tokens: Some(0),
        grammar: None,
        thinking: None,
        stop: Vec::new(),
        ignore_eos: true,
        logprobs: None,
        prompt_logprobs: Some(0),
        show_control: false,
        return_progress: false,
        use_cache: false,
    };
    let mut events = scheduler.submit(request).unwrap();
    let mut logprobs = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Prompt(tokens) => logprobs = tokens.iter().filter_map(|token| token.logprob).collect(),
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    logprobs
}

fn rewritten(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("rewritten")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ternary_model_that_llama_cpp_computes_rightly_is_offered_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path());
    let ids: Vec<_> = registry.list().iter().map(|model| (model.entry.id.clone(), model.entry.engine)).collect();
    assert!(ids.contains(&("bitnet".into(), "bitnet")) && ids.contains(&("bitnet@llama".into(), "llama")), "{ids:?}");
    let ours = logprobs(&registry.acquire("bitnet").await.unwrap()).await;
    let theirs = registry.acquire("bitnet@llama").await.unwrap();
    assert_eq!((theirs.entry.engine, theirs.entry.info.quantization.as_str()), ("llama", "TQ2_0"));
    let theirs = logprobs(&theirs).await;
    assert_eq!((ours.len(), theirs.len()), (49, 49));
    let mean = ours.iter().sum::<f32>() / 49.0;
    let spread = (ours.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 49.0).sqrt();
    let apart = (ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 49.0).sqrt();
    println!("root mean square of the differences: {apart}, of the values around their mean: {spread}");
    // Activations are rounded to 8 bits under one scale for each 256 instead of one a token. A wrong scale, order of
    // codes or activation function is off by the whole spread.
    assert!(apart < 0.1 * spread, "{apart} of {spread}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_rewritten_once_and_again_when_the_model_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let (before, model) = (registry(dir.path()), dir.path().join("models/bitnet.gguf"));
    drop(before.acquire("bitnet@llama").await.unwrap());
    let first = rewritten(dir.path());
    assert_eq!(first.len(), 1, "{first:?}");
    before.unload("bitnet@llama", true).unwrap();
    drop(before.acquire("bitnet@llama").await.unwrap());
    assert_eq!(rewritten(dir.path()), first);
    before.unload("bitnet@llama", true).unwrap();
    let bytes = fs::read(&model).unwrap();
    fs::remove_file(&model).unwrap();
    fs::write(&model, [&bytes[..], &[0; 64]].concat()).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    drop(before.acquire("bitnet@llama").await.unwrap());
    let second = rewritten(dir.path());
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(second, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_llama_cpp_would_compute_wrongly_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path());
    let error = registry.acquire("bitnet-b1.58@llama").await.err().unwrap();
    assert!(matches!(error, RegistryError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("SiLU") && error.to_string().contains("ReLU²"), "{error}");
    let served = registry.acquire("bitnet-b1.58").await;
    assert!(served.is_ok(), "{}", served.err().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ternary_model_that_writes_is_offered_at_candle_and_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path());
    for name in ["bitnet", "bitnet-b1.58"] {
        let twin = format!("{name}@candle");
        let entry = registry.list().into_iter().find(|model| model.entry.id == twin).unwrap().entry;
        assert_eq!((entry.engine, entry.info.quantization.as_str()), ("candle", "BF16"));
        let ours = logprobs(&registry.acquire(name).await.unwrap()).await;
        let theirs = logprobs(&registry.acquire(&twin).await.unwrap()).await;
        let apart = (ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / ours.len() as f32).sqrt();
        println!("{twin}: root mean square of the differences {apart}");
        // Whole numbers are the same; the cache is f16 in both. A code that tips over moves what follows.
        assert!(apart < 0.02, "{twin}: {apart}");
    }
}
