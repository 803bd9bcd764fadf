//! Pulling a repository that is a model as a whole.

use serde_json::json;
use tern_catalog::{PullError, Resolution};

use crate::support::{COMMIT, FakeHub, Place, Reply, body, pull, pull_watched};

const FILES: &[(&str, usize)] = &[
    ("config.json", 40),
    ("tokenizer.json", 3000),
    ("1_Pooling/config.json", 30),
    ("model.safetensors", 300_000),
    ("pytorch_model.bin", 300_000),
    ("README.md", 500),
];
const TAKEN: u64 = 40 + 3000 + 30 + 300_000;

fn hub(files: &[(&str, usize)]) -> FakeHub {
    let hub = FakeHub::start();
    for (file, size) in files {
        hub.put(file, &body(*size));
    }
    let siblings: Vec<_> = files.iter().map(|(name, _)| json!({"rfilename": name})).collect();
    let listing = json!({"sha": COMMIT, "siblings": siblings}).to_string();
    hub.on("GET", "/api/models/org/name/revision/main", move |_, _| Reply::new(200, listing.as_bytes()));
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_pulled_as_a_folder_with_what_belongs_to_the_model() {
    let hub = hub(FILES);
    let place = Place::new(&hub);
    let catalog = place.catalog();
    let remote = catalog.remote_info(&"org/name".parse().unwrap()).await.unwrap();
    assert_eq!((remote.file.to_string().as_str(), remote.bytes, remote.parts.len()), ("org/name", TAKEN, 4));
    let (path, reports) = pull_watched(&catalog, "org/name").await;
    let path = path.unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), body(300_000));
    assert!(path.join("1_Pooling/config.json").is_file());
    assert!(!path.join("pytorch_model.bin").exists() && hub.count("GET", "pytorch_model.bin") == 0);
    // Progress is over all files, and settings come last.
    let last = reports.last().unwrap();
    assert_eq!((last.bytes_done, last.bytes_total), (TAKEN, TAKEN));
    assert!(last.file.ends_with(":config.json"), "{}", last.file);
    let Resolution::Local { model, .. } = catalog.resolve("org/name") else { panic!() };
    assert_eq!((model.id.as_str(), model.bytes), ("org/name", 40 + 3000 + 30 + 300_000));
    assert_eq!(model.path.canonicalize().unwrap(), path.canonicalize().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_pull_of_a_folder_goes_on_and_is_no_model_before_its_end() {
    let hub = hub(FILES);
    let place = Place::new(&hub);
    let bytes = body(300_000);
    let etag = crate::support::sha256(&bytes);
    place.leave_partial(&etag, &bytes[..200_000]);
    assert!(matches!(place.catalog().resolve("org/name"), Resolution::NotOnDisk { .. }));
    let path = pull(&place.catalog(), "org/name").await.unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), bytes);
    let ranges: Vec<_> = hub.requests("GET", "model.safetensors").iter().map(|r| r.range().unwrap().0).collect();
    assert_eq!(ranges, [200_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_safetensors_names_the_files_that_can_be_asked_for() {
    let hub = hub(&[("config.json", 10), ("a.gguf", 10), ("pytorch_model.bin", 10)]);
    let error = pull(&Place::new(&hub).catalog(), "org/name").await.unwrap_err();
    assert!(matches!(&error, PullError::NoFolder { available, .. } if available == &["a.gguf"]), "{error}");
    assert!(error.to_string().contains("a.gguf"));
}
