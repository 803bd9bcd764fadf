//! Logprobs in the two shapes OpenAI has had for them.

use std::collections::BTreeMap;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use tern_scheduler::TokenLogprob;

use crate::http::union::Nullable;

/// Logprobs of a chat answer.
#[derive(Debug, Clone, Default, Object, Serialize)]
pub struct ChatLogprobs {
    /// One entry a token.
    pub content: Vec<ChatTokenLogprob>,
}

/// A token of a chat answer.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct ChatTokenLogprob {
    /// Its text; a part of a character is shown as U+FFFD.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The most likely tokens at this place.
    pub top_logprobs: Vec<ChatTopLogprob>,
}

/// An alternative.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct ChatTopLogprob {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What an impossible token gets: JSON has no minus infinity, and OpenAI sends this number.
const IMPOSSIBLE: f32 = -9999.0;

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { IMPOSSIBLE }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl From<&TokenLogprob> for ChatTokenLogprob {
    fn from(entry: &TokenLogprob) -> Self {
        let top = entry.top.iter().map(|top| ChatTopLogprob {
            token: text(&top.bytes),
            logprob: finite(top.logprob),
            bytes: top.bytes.clone(),
        });
        Self {
            token: text(&entry.bytes),
            logprob: finite(entry.logprob.unwrap_or(0.0)),
            bytes: entry.bytes.clone(),
            top_logprobs: top.collect(),
        }
    }
}

/// Logprobs of a completion, as parallel lists.
#[derive(Debug, Clone, Default, Object, Serialize)]
pub struct CompletionLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// Their logprobs; null for the first token of a prompt.
    pub token_logprobs: Vec<Nullable<f32>>,
    /// At each place the most likely tokens with their logprobs; null for the first token of a prompt.
    pub top_logprobs: Vec<Nullable<BTreeMap<String, f32>>>,
    /// Where each token begins in the text, in characters.
    pub text_offset: Vec<u32>,
    /// The tokens' ids.
    pub token_ids: Vec<u32>,
}

/// How many characters begin in these bytes: a character in several tokens counts where it begins.
fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u32
}

impl CompletionLogprobs {
    /// Makes the first `hidden` characters take no room: tokens that were put before a text and are not part of it.
    pub fn hide(&mut self, hidden: u32) {
        self.text_offset.iter_mut().for_each(|offset| *offset = offset.saturating_sub(hidden));
    }

    /// Appends `entries`, the first of which begins at character `offset`. Returns where the next one begins.
    pub fn extend(&mut self, entries: &[TokenLogprob], mut offset: u32) -> u32 {
        for entry in entries {
            self.text_offset.push(offset);
            offset += characters(&entry.bytes);
            self.tokens.push(text(&entry.bytes));
            self.token_logprobs.push(Nullable(entry.logprob.map(finite)));
            let top = entry.logprob.map(|_| {
                let pair = |top: &tern_scheduler::TopLogprob| (text(&top.bytes), finite(top.logprob));
                entry.top.iter().map(pair).collect()
            });
            self.top_logprobs.push(Nullable(top));
            self.token_ids.push(entry.token);
        }
        offset
    }
}
