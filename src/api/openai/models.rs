//! `GET /v1/models` and `GET /v1/models/{model}`.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path},
};
use serde::Serialize;
use tern_engine::Capability;
use tern_registry::{LoadState, ModelStatus};

use super::parameters;
use crate::{
    anthropic::{AnthropicModel, AnthropicModels, MessagesError},
    error::ErrorBody,
    http::{body::ApiJson, dialect::Refused, union::any_of_in_answers},
    ids,
    keys::Caller,
    routes::ApiTags,
    state::{State, beside},
};

/// The models of this server.
#[derive(Debug, Object, Serialize)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// The models, in a stable order.
    pub data: Vec<Model>,
    /// The same list under the name that some clients look for.
    pub models: Vec<Model>,
}

/// A model.
#[derive(Debug, Clone, Object, Serialize)]
pub struct Model {
    /// What requests call it.
    pub id: String,
    /// `model`.
    pub object: String,
    /// When its file was last changed, in seconds since 1970.
    pub created: u64,
    /// `tern`.
    pub owned_by: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// Of an entry that only is another name (`--alias`): the id of the model that answers.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<String>,
    /// Most tokens a request may have, with this server's settings.
    pub context_length: u32,
    /// The same by vLLM's name.
    pub max_model_len: u32,
    /// `chat`, `completion`, `embedding` and others; `tools` with every `chat`.
    pub capabilities: Vec<String>,
    /// Engine that runs it.
    pub engine: String,
    /// Kind of weights.
    pub quantization: String,
    /// Whether it is in memory.
    pub status: ModelState,
    /// What it takes in memory when loaded.
    pub memory: ModelMemory,
    /// What its file says.
    pub meta: ModelMeta,
    /// Parameters of requests that it honours (of `GET /v1/models/{model}` only).
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_parameters: Option<Vec<String>>,
    /// Parameters that are accepted and change nothing with it; answers name them in `x-ignored-params` (of
    /// `GET /v1/models/{model}` only).
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored_parameters: Option<Vec<String>>,
}

/// Whether a model is in memory.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ModelState {
    /// `unloaded`, `loading` or `loaded`.
    pub value: String,
    /// Share of the load that is done, 0 to 1.
    pub progress: f32,
}

/// What a model takes in memory, in bytes, by estimate.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ModelMemory {
    /// Weights.
    pub weights_bytes: u64,
    /// KV cache at this server's context size.
    pub kv_bytes: u64,
    /// Buffers that do not grow with the context.
    pub fixed_bytes: u64,
    /// All together.
    pub total_bytes: u64,
}

/// What a model's file says.
#[derive(Debug, Clone, Object, Serialize)]
pub struct ModelMeta {
    /// The model's own name.
    #[oai(nullable)]
    pub name: Option<String>,
    /// Architecture.
    pub architecture: String,
    /// Number of weights.
    pub n_params: u64,
    /// Bytes of the weights.
    pub size: u64,
    /// Context length it was trained with.
    pub n_ctx_train: u32,
    /// Number of tokens in its vocabulary.
    pub n_vocab: u32,
    /// Width of its hidden state.
    pub n_embd: u32,
    /// Licence.
    #[oai(nullable)]
    pub license: Option<String>,
}

/// What a model can do, in words. Whoever talks can call tools: in the form it was taught, or in one it is told.
fn capabilities(of: &[Capability]) -> Vec<String> {
    let tools = of.contains(&Capability::Chat).then_some("tools");
    of.iter().map(|capability| capability.name()).chain(tools).map(ToOwned::to_owned).collect()
}

impl From<ModelStatus> for Model {
    fn from(status: ModelStatus) -> Self {
        let ModelStatus { entry, state, cost, context_length } = status;
        let (value, progress) = match state {
            LoadState::Unloaded => ("unloaded", 0.0),
            LoadState::Loading(share) => ("loading", share),
            LoadState::Loaded => ("loaded", 1.0),
        };
        Self {
            id: entry.id,
            object: "model".into(),
            created: ids::seconds(entry.modified),
            owned_by: "tern".into(),
            aliases: entry.aliases,
            alias_of: None,
            context_length,
            max_model_len: context_length,
            capabilities: capabilities(&entry.info.capabilities),
            engine: entry.engine.into(),
            quantization: entry.info.quantization,
            status: ModelState { value: value.into(), progress },
            memory: ModelMemory {
                weights_bytes: cost.weights_bytes,
                kv_bytes: cost.kv_bytes(),
                fixed_bytes: cost.fixed_bytes,
                total_bytes: cost.total_bytes(),
            },
            meta: ModelMeta {
                name: entry.info.name,
                architecture: entry.info.architecture,
                n_params: entry.info.parameters,
                size: entry.info.weights_bytes,
                n_ctx_train: entry.info.context_length,
                n_vocab: entry.info.vocab_size,
                n_embd: entry.info.hidden_size,
                license: entry.info.license,
            },
            supported_parameters: None,
            ignored_parameters: None,
        }
    }
}

/// The list as its client reads it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ListedModels {
    /// OpenAI's.
    OpenAi(ModelList),
    /// Anthropic's.
    Anthropic(AnthropicModels),
}

any_of_in_answers!(ListedModels { ModelList, AnthropicModels });

/// An error as its client reads it: described here, and given its shape at the edge.
pub enum ListedError {}

any_of_in_answers!(ListedError { ErrorBody, MessagesError });

/// A model as its client reads it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ListedModel {
    /// OpenAI's.
    OpenAi(Box<Model>),
    /// Anthropic's.
    Anthropic(AnthropicModel),
}

any_of_in_answers!(ListedModel { Model, AnthropicModel });

impl Model {
    /// An entry for another name of a model.
    fn under(self, name: &str) -> Self {
        Self { id: name.to_owned(), alias_of: Some(self.id), aliases: Vec::new(), ..self }
    }
}

/// An id to try the description with.
fn an_id() -> String {
    "tern-guide".into()
}

pub(crate) struct ModelsApi(pub State);

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Models")]
impl ModelsApi {
    /// List the models
    ///
    /// Every model this server can run, in memory or not: the first request loads it. Behind them stand other names of
    /// them (`--alias`), with `alias_of`. Clients of Anthropic, which send `anthropic-version`, get it in its shape.
    #[oai(path = "/models", method = "get", operation_id = "listModels")]
    async fn list(
        &self,
        /// Sent by clients of Anthropic, whose shapes they get.
        #[oai(name = "anthropic-version")]
        anthropic: Header<Option<String>>,
    ) -> Result<ApiJson<ListedModels>, Refused<ListedError>> {
        let (state, caller) = (self.0.clone(), Caller::current());
        // Listing may read folders and headers.
        let list = beside(move || {
            let models = state.registry.list().into_iter().filter(|model| caller.may_ask(&model.entry));
            if anthropic.0.is_some() {
                return Ok(ListedModels::Anthropic(AnthropicModels::new(models.collect())));
            }
            let mut data: Vec<Model> = models.map(Into::into).collect();
            for alias in state.config.aliases.iter().filter(|alias| !alias.is_pattern()) {
                // A model of this very name answers itself; one that is missing answers nobody.
                let is_model = data.iter().any(|model| model.id == alias.name || model.aliases.contains(&alias.name));
                if let Some(model) = state.registry.status(&alias.model).ok().filter(|_| !is_model)
                    && caller.may_ask(&model.entry)
                {
                    data.push(Model::from(model).under(&alias.name));
                }
            }
            Ok(ListedModels::OpenAi(ModelList { object: "list".into(), models: data.clone(), data }))
        })
        .await?;
        Ok(ApiJson(list))
    }

    /// Show a model
    ///
    /// With the parameters that it honours. The id may hold slashes, encoded (`%2F`) or not.
    #[oai(path = "/models/:model", method = "get", operation_id = "retrieveModel")]
    async fn retrieve(
        &self,
        /// Model id, as `GET /v1/models` lists them.
        #[oai(example = "an_id")]
        model: Path<String>,
        /// Sent by clients of Anthropic, whose shapes they get.
        #[oai(name = "anthropic-version")]
        anthropic: Header<Option<String>>,
    ) -> Result<ApiJson<ListedModel>, Refused<ListedError>> {
        let (state, caller) = (self.0.clone(), Caller::current());
        let model = beside(move || {
            let status = state.named(&model.0)?;
            caller.check_model(&status.entry)?;
            if anthropic.0.is_some() {
                return Ok(ListedModel::Anthropic(status.into()));
            }
            let (supported, ignored) = parameters::of_model(&status.entry.info.capabilities);
            let is_itself = status.entry.answers_to(&model.0);
            let found = Model::from(status);
            let found = if is_itself { found } else { found.under(&model.0) };
            let found = Model { supported_parameters: Some(supported), ignored_parameters: Some(ignored), ..found };
            Ok(ListedModel::OpenAi(Box::new(found)))
        })
        .await?;
        Ok(ApiJson(model))
    }
}
