//! A model that exists, loaded or not.

use std::time::SystemTime;

use serde::Serialize;
use tern_engine::{Cost, ModelInfo, ModelSource};

/// A model of this server: exactly one source and one engine.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    /// Canonical id.
    pub id: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// Name of its engine.
    pub engine: &'static str,
    /// Where it comes from.
    pub source: ModelSource,
    /// What the header says.
    pub info: ModelInfo,
    /// Whether its engine gets the file rewritten (`rewritten.rs`), as it cannot read it as it is.
    pub rewritten: bool,
    /// When the file, or the newest one of a folder, was last changed, for `created`.
    pub modified: SystemTime,
}

impl ModelEntry {
    /// Whether `name` is its id, one of its aliases, or its id with the engine spelled out.
    pub fn answers_to(&self, name: &str) -> bool {
        let plain = name.strip_suffix(self.engine).and_then(|n| n.strip_suffix('@'));
        let is = |name: &str| self.id == name || self.aliases.iter().any(|a| a == name);
        is(name) || plain.is_some_and(is)
    }

    /// Bytes of its file, of all its parts, or of all that belongs to its folder; `None` for a script, or when a part cannot be seen. Asks the file system.
    pub fn file_bytes(&self) -> Option<u64> {
        let path = self.source.path()?;
        if path.is_dir() {
            return tern_catalog::stamp(path).ok().map(|(_, bytes)| bytes);
        }
        let parts = tern_catalog::all_parts(path.to_str()?);
        parts.iter().map(|part| std::fs::metadata(part).ok().map(|file| file.len())).sum()
    }
}

/// Whether a model is in memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadState {
    /// Not in memory; the first request loads it.
    Unloaded,
    /// Being loaded; the share done, 0 to 1.
    Loading(f32),
    /// Ready.
    Loaded,
}

/// A model with everything the API says about it.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// The model.
    pub entry: ModelEntry,
    /// Whether it is in memory.
    pub state: LoadState,
    /// What it takes, or would take.
    pub cost: Cost,
    /// Most tokens a sequence may hold with this server's settings.
    pub context_length: u32,
}
