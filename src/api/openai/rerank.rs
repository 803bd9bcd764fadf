//! `POST /v1/rerank`, also under the paths that clients of Cohere (`/v2/rerank`) and Jina use.

use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use tern_engine::Capability;

use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiBody, ApiJson},
        lenient,
        union::any_of,
    },
    ids,
    routes::ApiTags,
    state::State,
    tasks::Needed,
};

const RANKING: Needed =
    Needed { capability: Capability::Rerank, what: "reranking", hint: "`tern pull ms-marco-minilm-l6-v2` gets one" };

/// Most documents of one request.
const MAX_DOCUMENTS: usize = 10_000;

/// A document: its text, or an object that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an object with a text")]
pub enum RerankInput {
    /// The text.
    Text(String),
    /// An object with the text; other fields are not read.
    Object(RerankText),
}

any_of!(RerankInput { String, RerankText });

/// A text in an object.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct RerankText {
    /// The text.
    pub text: String,
}

/// Documents to order.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct RerankRequest {
    /// Model id, as `GET /v1/models` lists them. Without: a loaded one that can, or the smallest.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What is looked for.
    #[oai(nullable)]
    pub query: Option<String>,
    /// Texts, or objects with a `text`.
    #[oai(nullable)]
    pub documents: Option<Vec<RerankInput>>,
    /// Return the best so many only.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub top_n: Option<u32>,
    /// Return the texts too. Default false.
    #[oai(nullable)]
    pub return_documents: Option<bool>,
}

impl poem_openapi::types::Example for RerankRequest {
    fn example() -> Self {
        let documents = ["Terns are sea birds.", "Rust is a programming language."];
        Self {
            model: Some("echo-rerank".into()),
            query: Some("Which birds live at the sea?".into()),
            documents: Some(documents.map(|text| RerankInput::Text(text.into())).to_vec()),
            ..Self::default()
        }
    }
}

/// Documents in the order of their relevance.
#[derive(Debug, Object, Serialize)]
pub struct RerankList {
    /// Id of the answer.
    pub id: String,
    /// Model that scored.
    pub model: String,
    /// The most relevant first.
    pub results: Vec<RerankResult>,
    /// Token counts.
    pub usage: RerankUsage,
    /// What Cohere's clients read.
    pub meta: RerankMeta,
}

/// A document with its score.
#[derive(Debug, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct RerankResult {
    /// Which document of the request, from 0.
    pub index: u32,
    /// 0 to 1.
    pub relevance_score: f64,
    /// The document, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<RerankText>,
}

/// Token counts.
#[derive(Debug, Object, Serialize)]
pub struct RerankUsage {
    /// Tokens of all pairs of query and document.
    pub prompt_tokens: u32,
    /// The same.
    pub total_tokens: u32,
}

/// What Cohere's clients read.
#[derive(Debug, Object, Serialize)]
pub struct RerankMeta {
    /// Version of the API.
    pub api_version: RerankVersion,
    /// Token counts.
    pub tokens: RerankTokens,
}

/// Version of the API.
#[derive(Debug, Object, Serialize)]
pub struct RerankVersion {
    /// `2`.
    pub version: String,
}

/// Token counts as Cohere names them.
#[derive(Debug, Object, Serialize)]
pub struct RerankTokens {
    /// Tokens of all pairs of query and document.
    pub input_tokens: u32,
    /// Always 0.
    pub output_tokens: u32,
}

pub(crate) struct RerankApi(pub State);

#[OpenApi(tag = "ApiTags::Tasks")]
impl RerankApi {
    /// Order documents by relevance
    ///
    /// Scores each document for the query with a cross-encoder. A pair that does not fit the model is an error with
    /// both numbers; nothing is cut.
    #[oai(path = "/v1/rerank", method = "post", operation_id = "rerank")]
    async fn rerank(&self, request: ApiBody<RerankRequest>) -> Result<ApiJson<RerankList>, ErrorReply> {
        Ok(ApiJson(order(&self.0, request.0).await?))
    }

    /// Order documents by relevance, at Cohere's path
    ///
    /// The same as `POST /v1/rerank`.
    #[oai(path = "/v2/rerank", method = "post", operation_id = "rerankV2")]
    async fn rerank_v2(&self, request: ApiBody<RerankRequest>) -> Result<ApiJson<RerankList>, ErrorReply> {
        Ok(ApiJson(order(&self.0, request.0).await?))
    }

    /// Order documents by relevance, without a version
    ///
    /// The same as `POST /v1/rerank`.
    #[oai(path = "/rerank", method = "post", operation_id = "rerankPlain")]
    async fn rerank_plain(&self, request: ApiBody<RerankRequest>) -> Result<ApiJson<RerankList>, ErrorReply> {
        Ok(ApiJson(order(&self.0, request.0).await?))
    }
}

async fn order(state: &State, request: RerankRequest) -> Result<RerankList, ApiError> {
    let Some(query) = request.query.filter(|query| !query.is_empty()) else {
        return Err(ApiError::invalid("query", "query is missing or empty"));
    };
    let documents = request.documents.unwrap_or_default();
    if documents.is_empty() || documents.len() > MAX_DOCUMENTS {
        let message = format!("documents has {} entries; 1 to {MAX_DOCUMENTS} are allowed", documents.len());
        return Err(ApiError::invalid("documents", message));
    }
    if request.top_n == Some(0) {
        return Err(ApiError::invalid("top_n", "top_n is 0; it is 1 or more"));
    }
    let texts: Vec<String> = documents
        .into_iter()
        .map(|document| match document {
            RerankInput::Text(text) | RerankInput::Object(RerankText { text }) => text,
        })
        .collect();
    let (lease, _) = state.acquire_able(request.model.as_deref(), RANKING).await?;
    let work = lease.reranker()?.run(move |reranker, cancelled| {
        let scores = reranker.score(&query, &texts, cancelled)?;
        Ok((scores, texts))
    });
    let (scores, texts) = work.await.map_err(|error| {
        let error = ApiError::from(error);
        // The one thing that can be wrong with the input is its length.
        if error.status == 400 {
            ApiError { param: Some("documents".into()), code: Some("context_length_exceeded"), ..error }
        } else {
            error
        }
    })?;
    let tokens = scores.iter().map(|score| score.tokens as u32).sum();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Stable: documents of one score stay as they came.
    order.sort_by(|&a, &b| scores[b].score.total_cmp(&scores[a].score));
    order.truncate(request.top_n.map_or(usize::MAX, |top| top as usize));
    let with_text = request.return_documents.unwrap_or(false);
    let results = order.into_iter().map(|index| RerankResult {
        index: index as u32,
        relevance_score: scores[index].score.into(),
        document: with_text.then(|| RerankText { text: texts[index].clone() }),
    });
    Ok(RerankList {
        id: ids::new("rerank-"),
        model: lease.entry.id.clone(),
        results: results.collect(),
        usage: RerankUsage { prompt_tokens: tokens, total_tokens: tokens },
        meta: RerankMeta {
            api_version: RerankVersion { version: "2".into() },
            tokens: RerankTokens { input_tokens: tokens, output_tokens: 0 },
        },
    })
}
