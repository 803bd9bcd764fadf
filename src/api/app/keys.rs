//! `GET /api/keys/usage`: what was used with each key.

use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use crate::{error::ErrorReply, http::body::ApiJson, keys::KeyUse, routes::ApiTags, state::State};

/// What was used with each key since the server started.
#[derive(Debug, Object, Serialize)]
pub struct KeysUsage {
    /// The keys, in the order of the configuration; empty where the server has none.
    pub data: Vec<KeyUsage>,
}

/// What was used with one key.
#[derive(Debug, Object, Serialize)]
pub struct KeyUsage {
    /// Its name.
    pub name: String,
    /// `chat` or `admin`.
    pub scope: String,
    /// Requests to models that were let in.
    pub requests: u64,
    /// Requests to models that were refused because of a limit.
    pub refused: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Its limit of requests a minute; null where it has none.
    #[oai(nullable)]
    pub requests_per_minute: Option<LimitState>,
    /// Its limit of tokens a minute; null where it has none.
    #[oai(nullable)]
    pub tokens_per_minute: Option<LimitState>,
}

/// A limit and what is left of it.
#[derive(Debug, Object, Serialize)]
pub struct LimitState {
    /// Most within a minute.
    pub limit: u32,
    /// What is left now.
    pub remaining: u32,
    /// Seconds until all of it is there again.
    pub reset_seconds: f64,
}

impl From<KeyUse> for KeyUsage {
    fn from(used: KeyUse) -> Self {
        let state = |left: crate::keys::Remaining| LimitState {
            limit: left.limit,
            remaining: left.remaining,
            reset_seconds: (left.reset.as_secs_f64() * 1000.0).round() / 1000.0,
        };
        Self {
            name: used.name.to_string(),
            scope: used.scope.name().into(),
            requests: used.requests,
            refused: used.refused,
            prompt_tokens: used.prompt_tokens,
            completion_tokens: used.completion_tokens,
            requests_per_minute: used.requests_left.map(state),
            tokens_per_minute: used.tokens_left.map(state),
        }
    }
}

pub(crate) struct KeysApi(pub State);

#[OpenApi(prefix_path = "/api/keys", tag = "ApiTags::Server")]
impl KeysApi {
    /// What was used with each key
    ///
    /// Since the server started. Tokens are those of chats, completions and embeddings; other tasks count as requests.
    /// Wants a key with the scope `admin`, where the server has keys.
    #[oai(path = "/usage", method = "get", operation_id = "keysUsage")]
    async fn usage(&self) -> Result<ApiJson<KeysUsage>, ErrorReply> {
        Ok(ApiJson(KeysUsage { data: self.0.keys.used().into_iter().map(Into::into).collect() }))
    }
}
