//! `POST /api/embed`, and `POST /api/embeddings`, its older form.

use std::time::Instant;

use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tern_engine::Tokenizer;
use tern_registry::{LoadState, ModelStatus};

use super::{errors::OllamaError, names};
use crate::{
    error::ApiError,
    http::{
        body::{ApiBody, ApiJson},
        dialect::{Refused, renamed},
        lenient,
    },
    openai::{
        Strings,
        embeddings::{EmbeddingInput, EmbeddingRequest, Vector, embed},
    },
    routes::ApiTags,
    state::{State, beside},
};

/// Texts to embed.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaEmbedRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// A text, or several.
    #[oai(nullable)]
    pub input: Option<Strings>,
    /// Cut a text that does not fit the model to what fits. Default false: it is an error with both numbers.
    #[oai(nullable)]
    pub truncate: Option<bool>,
    /// Cut vectors to so many dimensions and normalise them again; refused for models that were not trained for it.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub dimensions: Option<u32>,
    /// Accepted: options of generation have no bearing on vectors.
    #[oai(nullable)]
    pub options: Option<Value>,
    /// Accepted.
    #[oai(nullable)]
    pub keep_alive: Option<Value>,
}

impl poem_openapi::types::Example for OllamaEmbedRequest {
    fn example() -> Self {
        Self {
            model: Some("echo-embed".into()),
            input: Some(Strings::One("a text to find again".into())),
            ..Self::default()
        }
    }
}

/// Vectors.
#[derive(Debug, Object, Serialize)]
pub struct OllamaVectors {
    /// The model, as the request called it.
    pub model: String,
    /// One a text, of length one.
    pub embeddings: Vec<Vec<f32>>,
    /// From the request being read to the answer, in nanoseconds.
    pub total_duration: u64,
    /// Loading the model; 0 when it was in memory.
    pub load_duration: u64,
    /// Tokens of all texts.
    pub prompt_eval_count: u32,
}

/// A text to embed, in the older form.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaVectorRequest {
    /// Model id, as `GET /api/tags` lists them, with or without `:latest`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The text.
    #[oai(nullable)]
    pub prompt: Option<String>,
    /// Accepted.
    #[oai(nullable)]
    pub options: Option<Value>,
    /// Accepted.
    #[oai(nullable)]
    pub keep_alive: Option<Value>,
}

impl poem_openapi::types::Example for OllamaVectorRequest {
    fn example() -> Self {
        Self { model: Some("echo-embed".into()), prompt: Some("a text to find again".into()), ..Self::default() }
    }
}

/// A vector.
#[derive(Debug, Object, Serialize)]
pub struct OllamaVector {
    /// Of length one; empty for an empty text.
    pub embedding: Vec<f32>,
}

pub(crate) struct OllamaEmbedApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Ollama")]
impl OllamaEmbedApi {
    /// Create embeddings, as Ollama does
    ///
    /// The vectors of `POST /v1/embeddings`. A text that is too long is refused unless `truncate` is true: the vector
    /// of a part is not that of the whole.
    #[oai(path = "/embed", method = "post", operation_id = "ollamaEmbed")]
    async fn embed(
        &self,
        request: ApiBody<OllamaEmbedRequest>,
    ) -> Result<ApiJson<OllamaVectors>, Refused<OllamaError>> {
        let started = Instant::now();
        let OllamaEmbedRequest { model: name, input, truncate, dimensions, .. } = request.0;
        let mut texts = match input {
            None => return Err(ApiError::invalid("input", "input is missing").into()),
            Some(Strings::One(text)) => vec![text],
            Some(Strings::Many(texts)) => texts,
        };
        let model = names::find(&self.0, name.as_deref()).await?;
        let was_loaded = model.state == LoadState::Loaded;
        if truncate == Some(true) {
            texts = shortened(&self.0, &model, texts).await?;
        }
        let (embeddings, tokens) = vectors(&self.0, &model, texts, dimensions).await?;
        let loaded = self.0.registry.loaded().into_iter().find(|loaded| loaded.entry.id == model.entry.id);
        let load_seconds = loaded.filter(|_| !was_loaded).map_or(0.0, |loaded| loaded.load_seconds);
        Ok(ApiJson(OllamaVectors {
            model: name.unwrap_or(model.entry.id),
            embeddings,
            total_duration: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            load_duration: (load_seconds * 1e9) as u64,
            prompt_eval_count: tokens,
        }))
    }

    /// Create an embedding, as Ollama once did
    ///
    /// One text, one vector. `POST /api/embed` takes several.
    #[oai(path = "/embeddings", method = "post", operation_id = "ollamaEmbeddings")]
    async fn embedding(
        &self,
        request: ApiBody<OllamaVectorRequest>,
    ) -> Result<ApiJson<OllamaVector>, Refused<OllamaError>> {
        let model = names::find(&self.0, request.0.model.as_deref()).await?;
        let prompt = request.0.prompt.filter(|prompt| !prompt.is_empty());
        let vectors = vectors(&self.0, &model, prompt.into_iter().collect(), None).await;
        let in_prompt = |param: &str| (param == "input").then(|| "prompt".to_owned());
        let (mut vectors, _) = vectors.map_err(|error| renamed(error, in_prompt))?;
        Ok(ApiJson(OllamaVector { embedding: vectors.pop().unwrap_or_default() }))
    }
}

/// The vectors of texts, and how many tokens they have. No texts only load the model.
async fn vectors(
    state: &State,
    model: &ModelStatus,
    texts: Vec<String>,
    dimensions: Option<u32>,
) -> Result<(Vec<Vec<f32>>, u32), ApiError> {
    if texts.is_empty() {
        state.registry.acquire(&model.entry.id).await?.embedder()?;
        return Ok((Vec::new(), 0));
    }
    let request = EmbeddingRequest {
        model: Some(model.entry.id.clone()),
        input: Some(EmbeddingInput::Texts(texts)),
        dimensions,
        ..EmbeddingRequest::default()
    };
    let list = embed(state, request).await?;
    let vectors = list.data.into_iter().map(|entry| match entry.embedding {
        Vector::Floats(vector) => vector,
        // Not asked for.
        Vector::Base64(_) => Vec::new(),
    });
    Ok((vectors.collect(), list.usage.prompt_tokens))
}

/// The texts, each cut to what fits the model.
async fn shortened(state: &State, model: &ModelStatus, texts: Vec<String>) -> Result<Vec<String>, ApiError> {
    let lease = state.registry.acquire(&model.entry.id).await?;
    beside(move || {
        let embedder = lease.embedder()?;
        Ok(texts.into_iter().map(|text| fit(text, embedder.tokenizer.as_ref(), embedder.max_tokens)).collect())
    })
    .await
}

/// The longest beginning with so many tokens at most, up to a few.
fn fit(text: String, tokenizer: &dyn Tokenizer, max_tokens: usize) -> String {
    let count = |text: &str| tokenizer.encode(text, true, false).map_or(0, |tokens| tokens.len());
    if count(&text) <= max_tokens {
        return text;
    }
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    // More characters hardly ever have fewer tokens; where they do, less is kept than could be.
    let fitting = ends.partition_point(|&end| count(&text[..end]) <= max_tokens);
    text[..ends[fitting.saturating_sub(1)]].to_owned()
}
