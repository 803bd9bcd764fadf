//! `GET /api/version`, `GET /api/tags`, `GET /api/ps`, `POST /api/show` and `DELETE /api/delete`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use poem_openapi::OpenApi;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tern_chat::template_thinks;
use tern_engine::Capability;
use tern_registry::{ModelEntry, ModelStatus};

use super::{errors::OllamaError, model_types::*, names};
use crate::{
    error::ApiError,
    http::{
        body::{ApiBody, ApiJson},
        dialect::Refused,
    },
    ids,
    keys::Caller,
    routes::ApiTags,
    state::{State, beside},
};

/// The version of Ollama whose API this is like. Clients take it apart at its points, so that it must be three numbers,
/// and ask for the newer parts (thinking, schemas, calls in streams) only behind some.
const LIKE: &str = "0.12.6";

/// What "never" is: as long as a duration of Ollama's can be.
const NEVER: Duration = Duration::from_secs(292 * 365 * 24 * 60 * 60);

pub(crate) struct OllamaModelsApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Ollama")]
impl OllamaModelsApi {
    /// Tell the version
    ///
    /// The version of Ollama whose API this server's is like, and what this server is.
    #[oai(path = "/version", method = "get", operation_id = "ollamaVersion")]
    async fn version(&self) -> Result<ApiJson<OllamaVersion>, Refused<OllamaError>> {
        let server = format!("tern {}", self.0.config.version);
        Ok(ApiJson(OllamaVersion { version: LIKE.into(), server }))
    }

    /// List the models, as Ollama does
    ///
    /// Every model this server can run, in memory or not; with a key that is for some models, those.
    #[oai(path = "/tags", method = "get", operation_id = "ollamaTags")]
    async fn tags(&self) -> Result<ApiJson<OllamaModels>, Refused<OllamaError>> {
        let (registry, caller) = (self.0.registry.clone(), Caller::current());
        // Listing may read folders and headers.
        let models = beside(move || {
            let models = registry.list().into_iter().filter(|status| caller.may_ask(&status.entry));
            Ok(models.map(|status| listed(&status.entry)).collect())
        });
        Ok(ApiJson(OllamaModels { models: models.await? }))
    }

    /// List the models in memory
    ///
    /// With the time at which each goes out of memory if no request comes.
    #[oai(path = "/ps", method = "get", operation_id = "ollamaPs")]
    async fn ps(&self) -> Result<ApiJson<OllamaRunningModels>, Refused<OllamaError>> {
        let (registry, caller) = (self.0.registry.clone(), Caller::current());
        let expires = SystemTime::now() + registry.config().keep_alive.unwrap_or(NEVER);
        let models = beside(move || {
            let loaded = registry.loaded().into_iter().filter(|loaded| caller.may_ask(&loaded.entry));
            let running = loaded.map(|loaded| {
                let OllamaModel { name, model, digest, details, .. } = listed(&loaded.entry);
                let context_length = registry.status(&loaded.entry.id).map(|status| status.context_length);
                OllamaRunningModel {
                    name,
                    model,
                    size: loaded.cost.total_bytes(),
                    digest,
                    details,
                    expires_at: ids::timestamp(expires),
                    size_vram: 0,
                    context_length: context_length.unwrap_or(loaded.cost.context_tokens),
                }
            });
            Ok(running.collect())
        });
        Ok(ApiJson(OllamaRunningModels { models: models.await? }))
    }

    /// Show a model, as Ollama does
    ///
    /// What its file says, its chat template and what it can do. Does not load it.
    #[oai(path = "/show", method = "post", operation_id = "ollamaShow")]
    async fn show(&self, request: ApiBody<OllamaShowRequest>) -> Result<ApiJson<OllamaShown>, Refused<OllamaError>> {
        let name = request.0.model.or(request.0.name);
        let status = names::find(&self.0, name.as_deref()).await?;
        Ok(ApiJson(beside(move || Ok(shown(status))).await?))
    }

    /// Delete a model, as Ollama does
    ///
    /// As `DELETE /api/models/{model}`.
    #[oai(path = "/delete", method = "delete", operation_id = "ollamaDelete")]
    async fn delete(&self, request: ApiBody<OllamaDeleteRequest>) -> Result<ApiJson<OllamaDone>, Refused<OllamaError>> {
        let Some(name) = request.0.model.or(request.0.name).filter(|name| !name.trim().is_empty()) else {
            return Err(ApiError::invalid("model", "model is missing").into());
        };
        // A fallback must not be deleted in place of what does not exist.
        let registry = self.0.registry.clone();
        beside(move || {
            let known = names::known(&registry, &name);
            Ok(registry.delete(&known.unwrap_or(name), false)?)
        })
        .await?;
        Ok(ApiJson(OllamaDone { status: "success".into() }))
    }
}

/// Asks the file system for the size of the file.
fn listed(entry: &ModelEntry) -> OllamaModel {
    let name = names::tagged(&entry.id);
    OllamaModel {
        model: name.clone(),
        name,
        modified_at: ids::timestamp(entry.modified),
        size: entry.file_bytes().unwrap_or(entry.info.weights_bytes),
        digest: digest(entry),
        details: details(entry),
    }
}

/// In the cache of the hub a file is a link to what is called by its checksum.
fn digest(entry: &ModelEntry) -> String {
    let file = entry.source.path().and_then(|path| path.canonicalize().ok());
    let name = file.as_ref().and_then(|file| file.file_name()?.to_str());
    let is_checksum = |name: &&str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    name.filter(is_checksum).map_or_else(|| hash(&entry.id), str::to_ascii_lowercase)
}

/// The SHA-256 of a text in hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn details(entry: &ModelEntry) -> OllamaDetails {
    let format = match entry.source.path() {
        None => entry.engine,
        Some(path) if path.is_dir() => "safetensors",
        Some(_) => "gguf",
    };
    OllamaDetails {
        parent_model: String::new(),
        format: format.into(),
        family: entry.info.architecture.clone(),
        families: vec![entry.info.architecture.clone()],
        parameter_size: parameters(entry.info.parameters),
        quantization_level: entry.info.quantization.clone(),
    }
}

/// A number of weights: `494.03M`, `1.5B`.
fn parameters(count: u64) -> String {
    match count as f64 {
        n if n >= 1e9 => format!("{:.1}B", n / 1e9),
        n if n >= 1e6 => format!("{:.2}M", n / 1e6),
        n if n >= 1e3 => format!("{:.2}K", n / 1e3),
        n => format!("{n}"),
    }
}

fn shown(status: ModelStatus) -> OllamaShown {
    let ModelStatus { entry, context_length, .. } = status;
    let info = &entry.info;
    let template = info.chat_template.clone().unwrap_or_default();
    let modelfile = format!("# {} of a Tern server; its template is Jinja\nFROM {0}\n", names::tagged(&entry.id));
    let architecture = &info.architecture;
    let mut model_info: BTreeMap<String, Value> = BTreeMap::from([
        ("general.architecture".into(), json!(architecture)),
        ("general.parameter_count".into(), json!(info.parameters)),
        ("general.file_type".into(), json!(info.quantization)),
        (format!("{architecture}.context_length"), json!(info.context_length)),
        (format!("{architecture}.embedding_length"), json!(info.hidden_size)),
        (format!("{architecture}.block_count"), json!(info.num_layers)),
        (format!("{architecture}.attention.head_count"), json!(info.num_heads)),
        (format!("{architecture}.attention.head_count_kv"), json!(info.num_kv_heads)),
        (format!("{architecture}.vocab_size"), json!(info.vocab_size)),
        ("tern.context_length".into(), json!(context_length)),
        ("tern.engine".into(), json!(entry.engine)),
    ]);
    if let Some(name) = &info.name {
        model_info.insert("general.name".into(), json!(name));
    }
    OllamaShown {
        modelfile,
        parameters: String::new(),
        capabilities: capabilities(&info.capabilities, &template),
        template,
        license: info.license.clone().unwrap_or_default(),
        details: details(&entry),
        model_info,
        modified_at: ids::timestamp(entry.modified),
    }
}

/// Who chats can be given tools; who thinks has a template that says so.
fn capabilities(capabilities: &[Capability], template: &str) -> Vec<String> {
    let chats = capabilities.contains(&Capability::Chat);
    let thinks = chats && template_thinks(template);
    let own = capabilities.iter().filter(|capability| **capability != Capability::Chat).map(|c| c.name());
    let more = [("tools", chats), ("thinking", thinks)].into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
    own.chain(more).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_weights_are_said_as_people_say_them() {
        for (count, said) in [(494_032_768, "494.03M"), (1_543_714_304, "1.5B"), (12_300, "12.30K"), (5, "5")] {
            assert_eq!(parameters(count), said);
        }
    }

    #[test]
    fn what_a_model_can_do_has_the_words_that_clients_know() {
        let both = [Capability::Completion, Capability::Chat];
        assert_eq!(capabilities(&both, "{{ '<think>' }}"), ["completion", "tools", "thinking"]);
        assert_eq!(capabilities(&both, ""), ["completion", "tools"]);
        assert_eq!(capabilities(&[Capability::Embedding], "<think>"), ["embedding"]);
    }
}
