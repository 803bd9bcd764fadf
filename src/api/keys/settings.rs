//! A key as it is set up, and a fresh one.

use std::sync::Arc;

use super::KeyHash;

/// What a key is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyScope {
    /// Asking models, reading which there are, and the page's conversations.
    #[default]
    Chat,
    /// All of that; loading, unloading, fetching and deleting models; figures of the server and of all keys.
    Admin,
}

impl KeyScope {
    /// Its name in the configuration and in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Admin => "admin",
        }
    }
}

/// A key as it is set up.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// What figures and errors call it; each key has another.
    pub name: Arc<str>,
    /// How it is recognised.
    pub hash: KeyHash,
    /// What it is for.
    pub scope: KeyScope,
    /// Most requests to models within a minute.
    pub requests_per_minute: Option<u32>,
    /// Most tokens within a minute, of prompts and answers together. Counted when they are computed, so that the
    /// request which passes the limit is answered and the next ones wait.
    pub tokens_per_minute: Option<u32>,
    /// Most requests to models at the same time.
    pub max_concurrent: Option<u32>,
    /// Model for requests that name none.
    pub default_model: Option<String>,
    /// Models that may be asked, by id or alias; `*` stands for any text. Empty allows all.
    pub models: Vec<String>,
}

impl KeySettings {
    /// A key without limits.
    pub fn new(name: &str, hash: KeyHash, scope: KeyScope) -> Self {
        Self {
            name: name.into(),
            hash,
            scope,
            requests_per_minute: None,
            tokens_per_minute: None,
            max_concurrent: None,
            default_model: None,
            models: Vec::new(),
        }
    }
}

/// A fresh key, to be shown once.
pub struct NewKey(String);

impl NewKey {
    /// Of random bytes, of which there must be enough that nobody guesses them: 32.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        Self(format!("tern-{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The key, as clients send it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// Whether `key` can be sent in every way that keys are sent in: as a bearer token, as a header, as a cookie.
    ///
    /// # Errors
    /// What is allowed, without the key.
    pub fn check(key: &str) -> Result<(), String> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if (8..=256).contains(&key.len()) && key.chars().all(sound) {
            return Ok(());
        }
        Err("expected 8 to 256 letters, digits and - . _ ~ + / =; `tern key new` makes a good one".to_owned())
    }
}
