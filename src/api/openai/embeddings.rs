//! `POST /v1/embeddings`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use serde::{Deserialize, Serialize};
use tern_engine::{Token, Tokenizer};
use tern_registry::EmbedHandle;

use super::parameters::{self, Endpoint};
use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiJson, NamedBody},
        lenient,
        union::any_of,
    },
    keys::Caller,
    routes::ApiTags,
    state::{State, beside},
};

/// Most inputs of one request, as at OpenAI.
const MAX_INPUTS: usize = 2048;

/// Text or tokens, one or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string, an array of strings, an array of token ids or an array of those")]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several texts. Before the tokens: an empty array is no input.
    Texts(Vec<String>),
    /// One list of tokens.
    Tokens(Vec<Token>),
    /// Several lists of tokens.
    TokenLists(Vec<Vec<Token>>),
}

any_of!(EmbeddingInput { String, Vec<String>, Vec<u32>, Vec<Vec<u32>> });

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// An array of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64: shorter, and what the official clients ask for.
    Base64,
}

/// Texts to embed.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct EmbeddingRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What to embed: a text, several texts, or token ids of this very model (see `POST /v1/tokenize`).
    #[oai(nullable)]
    pub input: Option<EmbeddingInput>,
    /// `float` or `base64`.
    #[oai(nullable)]
    pub encoding_format: Option<EncodingFormat>,
    /// Cut vectors to so many dimensions and normalise them again; refused for models that were not trained for it.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub dimensions: Option<u32>,
}

impl poem_openapi::types::Example for EmbeddingRequest {
    fn example() -> Self {
        Self {
            model: Some("echo-embed".into()),
            input: Some(EmbeddingInput::Text("a text to find again".into())),
            ..Self::default()
        }
    }
}

/// Vectors.
#[derive(Debug, Object, Serialize)]
pub struct EmbeddingList {
    /// `list`.
    pub object: String,
    /// One entry an input, in their order.
    pub data: Vec<Embedding>,
    /// Model that embedded.
    pub model: String,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// One vector.
#[derive(Debug, Object, Serialize)]
pub struct Embedding {
    /// `embedding`.
    pub object: String,
    /// Which input, from 0.
    pub index: u32,
    /// The vector, of length one: numbers or base64.
    pub embedding: Vector,
}

/// A vector as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Vector {
    /// An array of numbers.
    Floats(Vec<f32>),
    /// Base64 of little-endian 32-bit floats.
    Base64(String),
}

any_of!(Vector { Vec<f32>, String });

/// Token counts.
#[derive(Debug, Object, Serialize)]
pub struct EmbeddingUsage {
    /// Tokens of all inputs.
    pub prompt_tokens: u32,
    /// The same.
    pub total_tokens: u32,
}

#[derive(ApiResponse)]
pub(crate) enum EmbeddingResponse {
    /// The vectors.
    #[oai(status = 200)]
    Ok(
        ApiJson<EmbeddingList>,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
    ),
}

pub(crate) struct EmbeddingsApi(pub State);

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Embeddings")]
impl EmbeddingsApi {
    /// Create embeddings
    ///
    /// Gives each text a vector of length one; texts of like meaning get vectors of like direction. Needs an embedding
    /// model: a GGUF file or a folder of one, or `echo-embed`, which `tern serve --echo` lists and which compares words
    /// only.
    #[oai(path = "/embeddings", method = "post", operation_id = "createEmbedding")]
    async fn embeddings(&self, request: NamedBody<EmbeddingRequest>) -> Result<EmbeddingResponse, ErrorReply> {
        let NamedBody(request, given) = request;
        let ignored = parameters::ignored(Endpoint::Embeddings, &given, &[]);
        Ok(EmbeddingResponse::Ok(ApiJson(embed(&self.0, request).await?), ignored))
    }
}

pub(crate) async fn embed(state: &State, request: EmbeddingRequest) -> Result<EmbeddingList, ApiError> {
    let Some(input) = request.input else {
        return Err(ApiError::invalid("input", "input is missing"));
    };
    let lease = state.acquire(request.model.as_deref()).await?;
    let model = lease.embedder()?;
    let dimensions = dimensions(request.dimensions, model)?;
    let tokenizer = model.tokenizer.clone();
    let max_tokens = model.max_tokens;
    let inputs = beside(move || tokens(input, tokenizer.as_ref(), max_tokens)).await?;
    let prompt_tokens = inputs.iter().map(|tokens| tokens.len() as u32).sum();
    let vectors = model.embed(inputs).await?;
    Caller::current().meter().count(prompt_tokens, 0);
    let format = request.encoding_format.unwrap_or_default();
    let data = vectors.into_iter().zip(0..).map(|(vector, index)| {
        let vector = cut(vector, dimensions);
        let embedding = match format {
            EncodingFormat::Float => Vector::Floats(vector),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                Vector::Base64(STANDARD.encode(bytes))
            }
        };
        Embedding { object: "embedding".into(), index, embedding }
    });
    Ok(EmbeddingList {
        object: "list".into(),
        data: data.collect(),
        model: lease.entry.id.clone(),
        usage: EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens },
    })
}

fn dimensions(wanted: Option<u32>, model: &EmbedHandle) -> Result<usize, ApiError> {
    let all = model.dimensions;
    let Some(wanted) = wanted.map(|n| n as usize).filter(|&n| n != all) else { return Ok(all) };
    match model.min_dimensions {
        Some(least) if (least..=all).contains(&wanted) => Ok(wanted),
        Some(least) => {
            Err(ApiError::invalid("dimensions", format!("dimensions is {wanted}; the range is {least} to {all}")))
        }
        None => {
            let message = format!("this model's vectors have {all} dimensions and cannot be shortened");
            Err(ApiError::unsupported("dimensions", message))
        }
    }
}

fn cut(mut vector: Vec<f32>, dimensions: usize) -> Vec<f32> {
    if dimensions < vector.len() {
        vector.truncate(dimensions);
        let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt() as f32;
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        }
    }
    vector
}

/// The tokens of every input, each within the model's limit.
fn tokens(input: EmbeddingInput, tokenizer: &dyn Tokenizer, max_tokens: usize) -> Result<Vec<Vec<Token>>, ApiError> {
    let text = |text: &String| {
        if text.is_empty() {
            return Err(ApiError::invalid("input", "input must not be an empty string"));
        }
        tokenizer.encode(text, true, false).map_err(|error| ApiError::invalid("input", error.to_string()))
    };
    let inputs: Vec<Vec<Token>> = match &input {
        EmbeddingInput::Text(one) => vec![text(one)?],
        EmbeddingInput::Texts(texts) => texts.iter().map(text).collect::<Result<_, _>>()?,
        EmbeddingInput::Tokens(tokens) => vec![own_tokens(tokens, tokenizer)?],
        EmbeddingInput::TokenLists(lists) => {
            lists.iter().map(|tokens| own_tokens(tokens, tokenizer)).collect::<Result<_, _>>()?
        }
    };
    if inputs.is_empty() || inputs.len() > MAX_INPUTS {
        let message = format!("input has {} entries; 1 to {MAX_INPUTS} are allowed", inputs.len());
        return Err(ApiError::invalid("input", message));
    }
    match inputs.iter().position(|tokens| tokens.len() > max_tokens) {
        None => Ok(inputs),
        Some(index) => Err(ApiError {
            status: 400,
            message: format!(
                "This model's maximum context length is {} tokens. However, input {index} has {} tokens. Please shorten it.",
                max_tokens,
                inputs[index].len()
            ),
            param: Some("input".into()),
            code: Some("context_length_exceeded"),
        }),
    }
}

/// Token ids are taken only if they are this model's own. Some clients (LangChain, by default) send ids of OpenAI's
/// vocabulary, which would give vectors of garbage without a word. Ids of this model spell a text whose tokens they
/// are again; foreign ones do not, but for the shortest inputs.
fn own_tokens(tokens: &[Token], tokenizer: &dyn Tokenizer) -> Result<Vec<Token>, ApiError> {
    if tokens.is_empty() {
        return Err(ApiError::invalid("input", "input must not be an empty list of tokens"));
    }
    let mut bytes = Vec::new();
    tokens.iter().for_each(|token| tokenizer.decode(*token, true, &mut bytes));
    let known = tokens.iter().all(|token| (*token as usize) < tokenizer.vocab_size());
    let text = String::from_utf8(bytes).ok().filter(|_| known);
    let again = |special| {
        let text = text.as_deref()?;
        let encoded = tokenizer.encode(text, special, true).ok()?;
        Some((encoded == tokens).then_some(encoded))
    };
    // With the model's own start and end tokens already in place, or without: they are added then.
    if let Some(Some(tokens)) = again(false) {
        let framed = text.as_deref().and_then(|text| tokenizer.encode(text, true, true).ok());
        let has_frame = tokens.first().is_some_and(|token| tokenizer.is_control(*token));
        return Ok(framed.filter(|_| !has_frame).unwrap_or(tokens));
    }
    if let Some(Some(tokens)) = again(true) {
        return Ok(tokens);
    }
    let message = "input holds token ids that are not of this model's vocabulary; send text instead (with LangChain: \
                   OpenAIEmbeddings(..., check_embedding_ctx_length=False))";
    Err(ApiError { code: Some("foreign_token_ids"), ..ApiError::invalid("input", message) })
}
