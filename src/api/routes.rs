//! The table of routes, the settings of the API, and its description.

use std::{path::PathBuf, sync::Arc};

use poem::{Endpoint, IntoEndpoint, Response, Route, endpoint::make_sync, get};
use poem_openapi::{LicenseObject, OpenApiService, Tags};
use tern_catalog::{Catalog, CatalogConfig};
use tern_compare::Comparisons;
use tern_conversations::Conversations;
use tern_registry::{Registry, RegistryConfig};

use crate::{
    anthropic::AnthropicApi,
    app::{
        CaptionsApi, CatalogApi, CompareApi, ConversationsApi, DeletingApi, KeysApi, LoadingApi, MessagesApi, NerApi,
        OcrApi, PullApi, ServerApi, StoreApi, TransferApi,
    },
    docs,
    http::envelope::Envelope,
    keys::{KeyRing, KeySettings},
    names::Alias,
    ollama::{OllamaChatApi, OllamaEmbedApi, OllamaModelsApi, OllamaPullApi},
    openai::{AudioApi, ChatApi, CompletionsApi, EmbeddingsApi, ModelsApi, RerankApi, ResponsesApi, TokensApi},
    page,
    state::State,
};

/// Settings of the API. Options of `tern serve` with the same names explain the consequences.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Most bytes of a request body.
    pub body_limit: usize,
    /// Host names besides localhost and IP addresses under which the server may be asked; `*` allows all.
    pub allowed_hosts: Vec<String>,
    /// Origins besides localhost whose pages may ask; `*` allows all.
    pub cors_origins: Vec<String>,
    /// Who may ask, for what, and how much. Without keys everyone may ask for everything.
    pub keys: Vec<KeySettings>,
    /// Other names of models.
    pub aliases: Vec<Alias>,
    /// Model for requests that name none or an unknown one.
    pub fallback_model: Option<String>,
    /// Whether images may be named by http and https URLs, which the server then fetches.
    pub allow_image_urls: bool,
    /// Version as `/health` shows it, perhaps with the commit behind it.
    pub version: &'static str,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            body_limit: 32 << 20,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            keys: Vec::new(),
            aliases: Vec::new(),
            fallback_model: None,
            allow_image_urls: false,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What the API stands on. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Which models exist, which are loaded.
    pub registry: Registry,
    /// Conversations and their answers.
    pub conversations: Conversations,
}

impl Services {
    /// Services that keep nothing when they end.
    pub fn in_memory(registry: Registry) -> Self {
        Self { conversations: Conversations::in_memory(registry.clone()), registry }
    }

    fn state(&self, mut config: ApiConfig) -> State {
        let keys = Arc::new(KeyRing::new(std::mem::take(&mut config.keys)));
        let Self { registry, conversations } = self.clone();
        let comparisons = Comparisons::new(registry.clone(), conversations.store());
        State { registry, conversations, comparisons, responses: Arc::default(), keys, config: Arc::new(config) }
    }
}

/// Groups of the description.
#[derive(Tags)]
pub(crate) enum ApiTags {
    /// Answers to dialogues
    Chat,
    /// Answers in OpenAI's newer dialect, kept among the conversations
    Responses,
    /// Continuations of texts
    Completions,
    /// Vectors of texts
    Embeddings,
    /// Tasks without a dialogue: names in texts, relevance
    Tasks,
    /// Which models there are; loading, unloading and downloading them
    Models,
    /// Texts to tokens and back
    Tokens,
    /// Conversations that are kept, and answers that go on when their client leaves
    Conversations,
    /// Text in images, and what is in them
    Images,
    /// Speech to text
    Audio,
    /// Anthropic's API: answers to dialogues, counts of their tokens
    Messages,
    /// Ollama's API: the same models for its clients
    Ollama,
    /// Models and quantizations side by side, measured fairly
    Compare,
    /// State of the server
    Server,
}

type Apis = (
    (ChatApi, ResponsesApi, CompletionsApi, EmbeddingsApi, TokensApi, ModelsApi),
    (LoadingApi, PullApi, CatalogApi, DeletingApi),
    (ConversationsApi, MessagesApi, TransferApi, StoreApi),
    (OcrApi, CaptionsApi, AudioApi, NerApi, RerankApi),
    (AnthropicApi, OllamaChatApi, OllamaEmbedApi, OllamaModelsApi, OllamaPullApi),
    CompareApi,
    (ServerApi, KeysApi),
);

/// The whole API. Paths in the description are complete, so that it needs no list of servers.
fn service(state: &State) -> OpenApiService<Apis, ()> {
    let s = || state.clone();
    let apis = (
        (ChatApi(s()), ResponsesApi(s()), CompletionsApi(s()), EmbeddingsApi(s()), TokensApi(s()), ModelsApi(s())),
        (LoadingApi(s()), PullApi(s()), CatalogApi(s()), DeletingApi(s())),
        (ConversationsApi(s()), MessagesApi(s()), TransferApi(s()), StoreApi(s())),
        (OcrApi(s()), CaptionsApi(s()), AudioApi(s()), NerApi(s()), RerankApi(s())),
        (AnthropicApi(s()), OllamaChatApi(s()), OllamaEmbedApi(s()), OllamaModelsApi(s()), OllamaPullApi(s())),
        CompareApi(s()),
        (ServerApi(s()), KeysApi(s())),
    );
    OpenApiService::new(apis, "Tern", env!("CARGO_PKG_VERSION"))
        .description(include_str!("description.md"))
        .license(LicenseObject::new("MIT OR Apache-2.0"))
}

/// Everything the server answers.
pub fn app(services: &Services, config: ApiConfig) -> impl Endpoint<Output = Response> + use<> + 'static {
    let state = services.state(config);
    let service = service(&state);
    let description = docs::finished(&service.spec());
    let docs = docs::page(&service.swagger_ui_html().replace(&service.spec(), &description));
    // Paths are complete in the description, so nothing is stripped.
    let service = Arc::new(service.into_endpoint());
    let routes = Route::new()
        .at("/openapi.json", get(make_sync(move |_| json(description.clone()))))
        .nest("/docs", Route::new().at("/", docs::endpoint(docs)))
        .nest_no_strip("/v1", service.clone())
        .nest_no_strip("/v2", service.clone())
        .nest_no_strip("/api", service.clone())
        .at("/rerank", service.clone())
        .at("/health", service.clone())
        .at("/metrics", service);
    Envelope::new(page::mount(routes, page::BUILT), state.config, state.keys)
}

/// The description of the API as it is committed: pretty, with a newline at the end. The same for every server.
pub fn openapi_json() -> String {
    // The service wants its state, and describing it asks nothing of it: no folder is read, no task started.
    let hub = tern_catalog::hub::Settings::new(PathBuf::new());
    let catalog = Catalog::new(CatalogConfig { models_dir: PathBuf::new(), hub, extra: Vec::new() });
    let registry = Registry::new(catalog, RegistryConfig { keep_alive: None, ..RegistryConfig::default() });
    let state = Services::in_memory(registry).state(ApiConfig::default());
    let compact = docs::finished(&service(&state).spec());
    let value: serde_json::Value = serde_json::from_str(&compact).unwrap_or_default();
    let mut pretty = serde_json::to_string_pretty(&value).unwrap_or(compact);
    pretty.push('\n');
    pretty
}

fn json(text: String) -> Response {
    Response::builder().content_type("application/json").body(text)
}
