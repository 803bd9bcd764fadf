//! A catalogue in an empty folder, and bytes to fetch.

pub mod hub;

use std::{path::Path, sync::Mutex, time::Duration};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tern_catalog::{
    Cancel, Catalog, CatalogConfig, Progress, PullError, Reference,
    hub::{Retry, Settings},
};

pub use hub::{FakeHub, Gate, Reply};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Bytes that differ everywhere, so that a wrong offset is seen.
pub fn body(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Folders of one test. They go when it ends.
pub struct Place {
    pub dir: TempDir,
    pub settings: Settings,
}

impl Place {
    /// Folders, and settings that ask `hub`, quickly try again and wait long before they give up.
    pub fn new(hub: &FakeHub) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(dir.path().join("cache"));
        settings.endpoint = hub.url().parse().unwrap();
        let (first_wait, longest_wait) = (Duration::from_millis(1), Duration::from_secs(3600));
        settings.retry = Retry { attempts: 3, first_wait, longest_wait };
        Self { dir, settings }
    }

    pub fn catalog(&self) -> Catalog {
        let models_dir = self.dir.path().join("models");
        Catalog::new(CatalogConfig { models_dir, hub: self.settings.clone(), extra: Vec::new() })
    }

    /// Pulls with a new catalogue, as a new process would.
    pub async fn pull(&self, name: &str) -> Result<Vec<u8>, PullError> {
        pull(&self.catalog(), name).await.map(|path| std::fs::read(path).unwrap())
    }

    /// Files in the cache below `org/name`, as relative paths, locks and links left out.
    pub fn blobs(&self) -> Vec<String> {
        let dir = self.repo().join("blobs");
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }

    pub fn repo(&self) -> std::path::PathBuf {
        self.settings.cache_dir.join("models--org--name")
    }

    /// What an interrupted attempt leaves.
    pub fn leave_partial(&self, etag: &str, bytes: &[u8]) {
        let blobs = self.repo().join("blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join(format!("{etag}.incomplete")), bytes).unwrap();
    }
}

pub async fn pull(catalog: &Catalog, name: &str) -> Result<std::path::PathBuf, PullError> {
    let reference: Reference = name.parse().unwrap();
    catalog.pull(&reference, &|_| {}, &Cancel::default()).await
}

/// Pulls and keeps every report.
pub async fn pull_watched(catalog: &Catalog, name: &str) -> (Result<std::path::PathBuf, PullError>, Vec<Progress>) {
    let reports = Mutex::new(Vec::new());
    let reference: Reference = name.parse().unwrap();
    let on = |progress: &Progress| reports.lock().unwrap().push(progress.clone());
    let result = catalog.pull(&reference, &on, &Cancel::default()).await;
    (result, reports.into_inner().unwrap())
}

pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
