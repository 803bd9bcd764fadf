//! `POST /v1/tokenize` and `POST /v1/detokenize`.

use poem_openapi::{Object, OpenApi, param::Query};
use serde::{Deserialize, Serialize};
use tern_engine::Token;

use super::completions::spell;
use crate::{
    error::{ApiError, ErrorReply},
    http::body::{ApiBody, ApiJson},
    routes::ApiTags,
    state::{State, beside},
};

/// A text to tokenize.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct TokenizeRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The text.
    #[oai(nullable)]
    pub text: Option<String>,
    /// The same by llama.cpp's name.
    #[oai(nullable)]
    pub content: Option<String>,
    /// The same by vLLM's name.
    #[oai(nullable)]
    pub prompt: Option<String>,
    /// Add what the model wants around a text (BOS, sometimes EOS). Default false.
    #[oai(nullable)]
    pub add_special: Option<bool>,
    /// Read the spelling of control tokens (`<|im_end|>`) as those tokens. Default true.
    #[oai(nullable)]
    pub parse_special: Option<bool>,
    /// Return the piece of text behind each token too.
    #[oai(nullable)]
    pub with_pieces: Option<bool>,
}

impl poem_openapi::types::Example for TokenizeRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            text: Some("What is Tern?".into()),
            with_pieces: Some(true),
            ..Self::default()
        }
    }
}

/// Tokens of a text.
#[derive(Debug, Object, Serialize)]
pub struct Tokenized {
    /// Token ids.
    pub tokens: Vec<Token>,
    /// How many.
    pub count: u32,
    /// Most tokens a request to this model may have.
    pub max_model_len: u32,
    /// The text behind each token; a part of a character is shown as U+FFFD.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Vec<String>>,
}

/// Tokens to spell out.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct DetokenizeRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// Token ids.
    #[oai(nullable)]
    pub tokens: Option<Vec<Token>>,
}

impl poem_openapi::types::Example for DetokenizeRequest {
    fn example() -> Self {
        Self { model: Some("tern-guide".into()), tokens: Some(vec![407, 292, 447, 33]) }
    }
}

/// The text of tokens.
#[derive(Debug, Object, Serialize)]
pub struct Detokenized {
    /// The text.
    pub text: String,
    /// The same by llama.cpp's name.
    pub content: String,
    /// The same by vLLM's name.
    pub prompt: String,
}

/// What a client that cuts texts with this tokenizer has to know, as vLLM tells it.
#[derive(Debug, Object, Serialize)]
pub struct TokenizerInfo {
    /// Model id.
    pub model: String,
    /// Spelling of the token that begins a text; null where there is none.
    #[oai(nullable)]
    pub bos_token: Option<String>,
    /// Spelling of the token that ends a text; null where there is none.
    #[oai(nullable)]
    pub eos_token: Option<String>,
    /// Null: batches are not padded.
    #[oai(nullable)]
    pub pad_token: Option<String>,
    /// Size of the vocabulary.
    pub vocab_size: u32,
    /// The chat template; null for a model without one.
    #[oai(nullable)]
    pub chat_template: Option<String>,
}

/// A model to try the description with.
fn a_model() -> Option<String> {
    Some("tern-guide".into())
}

pub(crate) struct TokensApi(pub State);

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Tokens")]
impl TokensApi {
    /// Tokenize a text
    ///
    /// Loads the model if it is not in memory: a tokenizer is part of its model.
    #[oai(path = "/tokenize", method = "post", operation_id = "tokenize")]
    async fn tokenize(&self, request: ApiBody<TokenizeRequest>) -> Result<ApiJson<Tokenized>, ErrorReply> {
        let request = request.0;
        let text = request.text.or(request.content).or(request.prompt);
        let text = text.ok_or_else(|| ApiError::invalid("text", "text is missing"))?;
        let lease = self.0.acquire(request.model.as_deref()).await?;
        let tokenizer = lease.tokenizer()?;
        let (add, parse) = (request.add_special.unwrap_or(false), request.parse_special.unwrap_or(true));
        let encoder = tokenizer.clone();
        let encode = move || encoder.encode(&text, add, parse);
        let tokens = beside(move || encode().map_err(|error| ApiError::invalid("text", error.to_string()))).await?;
        let pieces = request.with_pieces.unwrap_or(false).then(|| {
            let piece = |token: &Token| spell(tokenizer.as_ref(), std::slice::from_ref(token));
            tokens.iter().map(piece).collect()
        });
        let max_model_len = self.0.find(Some(&lease.entry.id)).await?.context_length;
        Ok(ApiJson(Tokenized { count: tokens.len() as u32, tokens, max_model_len, pieces }))
    }

    /// Show a tokenizer
    ///
    /// For clients that count tokens as this model does: evaluation harnesses, say. Loads the model if it is not in
    /// memory.
    #[oai(path = "/tokenizer_info", method = "get", operation_id = "tokenizerInfo")]
    async fn info(
        &self,
        /// Model id, as `GET /v1/models` lists them.
        #[oai(example = "a_model")]
        model: Query<Option<String>>,
    ) -> Result<ApiJson<TokenizerInfo>, ErrorReply> {
        let lease = self.0.acquire(model.0.as_deref()).await?;
        let tokenizer = lease.tokenizer()?;
        let spelled = |token: Option<Token>| token.map(|token| spell(tokenizer.as_ref(), &[token]));
        let template = lease.text().ok().map(|text| text.chat.template_source().to_owned());
        Ok(ApiJson(TokenizerInfo {
            model: lease.entry.id.clone(),
            bos_token: spelled(tokenizer.bos()),
            eos_token: spelled(tokenizer.eos()),
            pad_token: None,
            vocab_size: tokenizer.vocab_size() as u32,
            chat_template: template.filter(|template| !template.is_empty()),
        }))
    }

    /// Spell out tokens
    #[oai(path = "/detokenize", method = "post", operation_id = "detokenize")]
    async fn detokenize(&self, request: ApiBody<DetokenizeRequest>) -> Result<ApiJson<Detokenized>, ErrorReply> {
        let request = request.0;
        let tokens = request.tokens.ok_or_else(|| ApiError::invalid("tokens", "tokens is missing"))?;
        let lease = self.0.acquire(request.model.as_deref()).await?;
        let tokenizer = lease.tokenizer()?;
        let size = tokenizer.vocab_size();
        if let Some(token) = tokens.iter().find(|token| **token as usize >= size) {
            let message = format!("tokens: {token} is not in the vocabulary, which has {size} tokens");
            return Err(ApiError::invalid("tokens", message).into());
        }
        let text = spell(tokenizer.as_ref(), &tokens);
        Ok(ApiJson(Detokenized { content: text.clone(), prompt: text.clone(), text }))
    }
}
