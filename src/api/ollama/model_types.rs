//! Models as Ollama's clients read them.

use std::collections::BTreeMap;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which model is meant.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaShowRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The older name of `model`.
    #[oai(nullable)]
    pub name: Option<String>,
}

impl poem_openapi::types::Example for OllamaShowRequest {
    fn example() -> Self {
        Self { model: Some("tern-guide".into()), name: None }
    }
}

/// Which model's files go.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaDeleteRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The older name of `model`.
    #[oai(nullable)]
    pub name: Option<String>,
}

impl poem_openapi::types::Example for OllamaDeleteRequest {
    fn example() -> Self {
        Self { model: Some("qwen2.5-0.5b:q4_k_m@llama".into()), name: None }
    }
}

/// Which version this is.
#[derive(Debug, Object, Serialize)]
pub struct OllamaVersion {
    /// The version of Ollama whose API this is like: clients compare it to see what they can ask for.
    pub version: String,
    /// What answers really, and its version.
    pub server: String,
}

/// The models of this server.
#[derive(Debug, Object, Serialize)]
pub struct OllamaModels {
    /// The models, in a stable order.
    pub models: Vec<OllamaModel>,
}

/// A model.
#[derive(Debug, Clone, Object, Serialize)]
pub struct OllamaModel {
    /// What requests call it.
    pub name: String,
    /// The same.
    pub model: String,
    /// When its file was last changed.
    pub modified_at: String,
    /// Bytes of its files.
    pub size: u64,
    /// The SHA-256 of its file, where the cache of the hub knows it; otherwise of its id, which stands for it.
    pub digest: String,
    /// What it is.
    pub details: OllamaDetails,
}

/// The models in memory.
#[derive(Debug, Object, Serialize)]
pub struct OllamaRunningModels {
    /// The models, in a stable order.
    pub models: Vec<OllamaRunningModel>,
}

/// A model in memory.
#[derive(Debug, Clone, Object, Serialize)]
pub struct OllamaRunningModel {
    /// What requests call it.
    pub name: String,
    /// The same.
    pub model: String,
    /// Bytes that it takes in memory, by estimate.
    pub size: u64,
    /// As in the list of models.
    pub digest: String,
    /// What it is.
    pub details: OllamaDetails,
    /// When it goes out of memory, if no request comes from now on.
    pub expires_at: String,
    /// Always 0: what an accelerator takes is not told apart.
    pub size_vram: u64,
    /// Most tokens a request may have, with this server's settings.
    pub context_length: u32,
}

/// What a model is.
#[derive(Debug, Clone, Object, Serialize)]
pub struct OllamaDetails {
    /// Always empty: no model is made of another here.
    pub parent_model: String,
    /// `gguf`, `safetensors`, or the engine of a model without a file.
    pub format: String,
    /// Architecture.
    pub family: String,
    /// The same.
    pub families: Vec<String>,
    /// Number of weights, as people say it.
    pub parameter_size: String,
    /// Kind of weights.
    pub quantization_level: String,
}

/// All about a model.
#[derive(Debug, Object, Serialize)]
pub struct OllamaShown {
    /// How Ollama would be told to make it, as far as that can be said.
    pub modelfile: String,
    /// Always empty: models have no parameters of their own here.
    pub parameters: String,
    /// Its chat template: Jinja, as it stands in its file, not Go.
    pub template: String,
    /// Licence; empty where its file states none.
    pub license: String,
    /// What it is.
    pub details: OllamaDetails,
    /// What its file says.
    pub model_info: BTreeMap<String, Value>,
    /// `completion`, `tools`, `thinking`, `vision`, `embedding`, and what else it can do by our own words.
    pub capabilities: Vec<String>,
    /// When its file was last changed.
    pub modified_at: String,
}

/// That it is done.
#[derive(Debug, Object, Serialize)]
pub struct OllamaDone {
    /// `success`.
    pub status: String,
}
