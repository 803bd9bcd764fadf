use tern_catalog::{PullError, Reference};

use crate::support::{COMMIT, FakeHub, Place, Reply, body, hub::at, sha256};

/// A GGUF file with one key of `filler` bytes, no tensors, and `weights` bytes after the header.
fn gguf(filler: usize, weights: usize) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes()); // tensors
    let keys = [("general.architecture", "llama".to_owned()), ("general.description", "x".repeat(filler))];
    bytes.extend((keys.len() as u64).to_le_bytes());
    for (key, value) in keys {
        bytes.extend((key.len() as u64).to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.extend(8u32.to_le_bytes()); // string
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(32) + weights, 0);
    bytes
}

fn fetched(hub: &FakeHub) -> Vec<(usize, Option<usize>)> {
    hub.requests("GET", "a.gguf").iter().map(|request| request.range().unwrap()).collect()
}

fn reference() -> Reference {
    "org/name:a.gguf".parse().unwrap()
}

#[tokio::test]
async fn a_header_is_read_without_the_weights() {
    let hub = FakeHub::start();
    hub.put("a.gguf", &gguf(100, 5 << 20));
    let place = Place::new(&hub);
    let header = place.catalog().remote_header(&reference()).await.unwrap();
    assert_eq!(header.str("general.architecture"), Some("llama"));
    assert_eq!(fetched(&hub), [(0, Some((1 << 20) - 1))]);
    assert!(place.blobs().is_empty(), "nothing is stored");
    let info = place.catalog().remote_info(&reference()).await.unwrap();
    assert!(info.bytes > 5 << 20);
}

#[tokio::test]
async fn a_long_header_is_fetched_on_and_no_byte_twice() {
    let hub = FakeHub::start();
    hub.put("a.gguf", &gguf(3 << 20, 20 << 20));
    let header = Place::new(&hub).catalog().remote_header(&reference()).await.unwrap();
    assert_eq!(header.str("general.description").unwrap().len(), 3 << 20);
    let ranges = fetched(&hub);
    assert!(ranges.windows(2).all(|pair| pair[1].0 == pair[0].1.unwrap() + 1), "{ranges:?}");
    assert!(ranges.last().unwrap().1.unwrap() < 10 << 20, "{ranges:?}");
}

#[tokio::test]
async fn a_server_that_ignores_ranges_will_do() {
    let (hub, bytes) = (FakeHub::start(), gguf(2 << 20, 1 << 20));
    hub.describe("a.gguf", &sha256(&bytes), bytes.len());
    hub.on("GET", &at(COMMIT, "a.gguf"), move |_, _| Reply::new(200, bytes.clone()));
    let header = Place::new(&hub).catalog().remote_header(&reference()).await.unwrap();
    assert_eq!(header.str("general.architecture"), Some("llama"));
}

#[tokio::test]
async fn something_else_is_no_model() {
    let hub = FakeHub::start();
    hub.put("a.gguf", &body(2 << 20));
    let error = Place::new(&hub).catalog().remote_header(&reference()).await.unwrap_err();
    assert!(matches!(&error, PullError::Header { file, .. } if file == "org/name:a.gguf"), "{error:?}");
}

#[tokio::test]
async fn a_model_on_disk_is_read_from_there() {
    let hub = FakeHub::start();
    hub.put("a.gguf", &gguf(100, 1000));
    let mut place = Place::new(&hub);
    place.pull("org/name:a.gguf").await.unwrap();
    place.settings.offline = true;
    place.catalog().remote_header(&reference()).await.unwrap();
}
