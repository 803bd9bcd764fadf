//! When models are loaded and unloaded, on the echo engine, whose scripts can claim a size and a load time.

use std::{path::Path, time::Duration};

use tern_catalog::{Catalog, CatalogConfig, hub};
use tern_registry::{LoadState, Registry, RegistryConfig, RegistryError};

fn registry(dir: &Path, config: RegistryConfig) -> Registry {
    let hub = hub::Settings::new(dir.join("hub"));
    let catalog = Catalog::new(CatalogConfig { models_dir: dir.join("models"), hub, extra: Vec::new() });
    Registry::new(catalog, RegistryConfig { echo: true, ctx_size: Some(1024), ..config })
}

/// A model that claims so many MiB of weights.
fn model(mib: u32, tag: u32) -> String {
    format!("echo-pieces?weights_mb={mib}&pieces={tag}")
}

fn loaded(registry: &Registry) -> Vec<String> {
    registry.loaded().iter().map(|model| model.entry.id.clone()).collect()
}

#[tokio::test]
async fn everyone_who_asks_for_a_model_waits_for_one_load() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    let name = "echo-slowload?load_ms=50";
    let (a, b, c) = tokio::join!(registry.acquire(name), registry.acquire(name), registry.acquire(name));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert!(std::ptr::eq(&*a, &*b) && std::ptr::eq(&*b, &*c), "three leases on one model");
    assert_eq!(a.leases(), 3);
}

#[tokio::test]
async fn the_model_used_least_recently_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let memory_budget = 1000 << 20;
    let registry = registry(dir.path(), RegistryConfig { memory_budget, ..RegistryConfig::default() });
    let (a, b, c) = (model(400, 1), model(400, 2), model(400, 3));
    drop(registry.acquire(&a).await.unwrap());
    drop(registry.acquire(&b).await.unwrap());
    drop(registry.acquire(&a).await.unwrap());
    drop(registry.acquire(&c).await.unwrap());
    assert_eq!(loaded(&registry), [a, c], "b was used least recently");
}

#[tokio::test]
async fn a_model_that_does_not_fit_beside_those_in_use_is_refused_with_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let memory_budget = 1000 << 20;
    let registry = registry(dir.path(), RegistryConfig { memory_budget, ..RegistryConfig::default() });
    let lease = registry.acquire(&model(600, 1)).await.unwrap();
    let error = registry.acquire(&model(600, 2)).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, RegistryError::OutOfMemory { .. }), "{text}");
    assert!(text.contains("600.0 MiB weights") && text.contains("1000.0 MiB"), "{text}");
    drop(lease);
    assert!(registry.acquire(&model(600, 2)).await.is_ok(), "the first is idle now and makes room");
}

#[tokio::test]
async fn an_idle_model_is_unloaded_after_its_keep_alive_time_and_a_used_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let keep_alive = Some(Duration::from_millis(20));
    let registry = registry(dir.path(), RegistryConfig { keep_alive, ..RegistryConfig::default() });
    let used = registry.acquire("echo").await.unwrap();
    drop(registry.acquire("echo-pieces").await.unwrap());
    // Bounded by the test's own patience only: the reaper looks many times a second.
    for _ in 0..1000 {
        if loaded(&registry) == ["echo"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(loaded(&registry), ["echo"]);
    drop(used);
}

#[tokio::test]
async fn a_model_in_use_is_unloaded_by_force_only() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    let lease = registry.acquire("echo").await.unwrap();
    assert!(matches!(registry.unload("echo", false), Err(RegistryError::InUse { requests: 1, .. })));
    assert!(registry.unload("echo", true).unwrap());
    assert!(!registry.unload("echo", false).unwrap(), "it is gone");
    drop(lease);
}

#[tokio::test]
async fn a_load_can_be_stopped_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    let name = "echo-slowload?load_ms=60000";
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move { registry.acquire(name).await.err() }
    });
    while !matches!(registry.status(name).unwrap().state, LoadState::Loading(_)) {
        tokio::task::yield_now().await;
    }
    assert!(registry.unload(name, false).unwrap());
    let error = waiting.await.unwrap().expect("the load was stopped");
    assert!(error.to_string().contains("cancelled"), "{error}");
    assert_eq!(registry.status(name).unwrap().state, LoadState::Unloaded);
}

#[tokio::test]
async fn a_load_that_fails_says_why_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    assert!(matches!(registry.acquire("echo-noload").await.err(), Some(RegistryError::Load { .. })));
    assert!(loaded(&registry).is_empty());
    assert_eq!(registry.status("echo-noload").unwrap().state, LoadState::Unloaded);
}

#[tokio::test]
async fn names_are_explicit() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    assert_eq!(registry.status("echo@echo").unwrap().entry.id, "echo");
    assert!(matches!(registry.status("echo@llama"), Err(RegistryError::UnknownModel { .. })));
    assert!(matches!(registry.status("echo@vllm"), Err(RegistryError::UnknownEngine { .. })));
    let error = registry.status("gpt-4").err().unwrap().to_string();
    assert!(error.contains("`gpt-4`") && error.contains("`echo-pieces`"), "{error}");
}

#[tokio::test]
async fn a_file_put_into_the_folder_is_found_at_once_and_a_broken_one_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    assert!(registry.status("broken").is_err());
    std::fs::create_dir_all(dir.path().join("models")).unwrap();
    std::fs::write(dir.path().join("models/broken.gguf"), b"GGUF\x03").unwrap();
    let error = registry.status("broken").err().unwrap();
    assert!(matches!(&error, RegistryError::Unusable { id, .. } if id == "broken"), "{error}");
}

#[tokio::test]
async fn a_file_that_came_after_the_last_listing_is_found_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    registry.list();
    let file = dir.path().join("models/guide.gguf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/guide/tern-guide.gguf"), &file).unwrap();
    assert_eq!(registry.id_of_file(&file).as_deref(), Some("guide"));
    assert_eq!(registry.id_of_file(&dir.path().join("models/other.gguf")), None);
}

#[tokio::test]
async fn nothing_is_loaded_while_shutting_down() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), RegistryConfig::default());
    registry.close();
    assert!(matches!(registry.acquire("echo").await.err(), Some(RegistryError::ShuttingDown)));
}
