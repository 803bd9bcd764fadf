//! The keys of a vocabulary in a GGUF header, checked.

use ahash::AHashMap;
use tern_engine::Token;
use tern_gguf::{Header, ValueType};

use crate::{TokenizerError, pieces::Kind};

pub(crate) const MODEL: &str = "tokenizer.ggml.model";
pub(crate) const PRE: &str = "tokenizer.ggml.pre";
pub(crate) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(crate) const TYPES: &str = "tokenizer.ggml.token_type";
pub(crate) const SCORES: &str = "tokenizer.ggml.scores";
pub(crate) const MERGES: &str = "tokenizer.ggml.merges";

/// The spelling and kind of every token.
#[derive(Debug)]
pub(crate) struct Spellings<'a> {
    pub(crate) tokens: Vec<&'a [u8]>,
    pub(crate) kinds: Vec<Kind>,
    ids: AHashMap<&'a [u8], Token>,
}

impl<'a> Spellings<'a> {
    pub(crate) fn new(header: &'a Header) -> Result<Self, TokenizerError> {
        // llama.cpp reads a token up to its first zero byte.
        let tokens: Vec<_> =
            strings(header, TOKENS)?.map(|token| token.split(|&byte| byte == 0).next().unwrap_or_default()).collect();
        if tokens.is_empty() {
            return Err(TokenizerError::key(TOKENS, "an empty list", "at least one token"));
        }
        let mut ids = AHashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate().filter(|(_, token)| !token.is_empty()) {
            if let Some(first) = ids.insert(*token, id as Token) {
                let got = format!("{} again, as element {first}", shown(token));
                return Err(TokenizerError::element(TOKENS, id, got, "a token that occurs once"));
            }
        }
        Ok(Self { kinds: kinds(header, tokens.len())?, tokens, ids })
    }

    /// The token with this spelling, whatever its kind.
    pub(crate) fn any(&self, spelling: &str) -> Option<Token> {
        self.ids.get(spelling.as_bytes()).copied()
    }

    /// The token of text with this spelling.
    pub(crate) fn find(&self, spelling: &[u8]) -> Option<Token> {
        self.ids.get(spelling).copied().filter(|&id| !self.kinds[id as usize].hidden())
    }

    /// All tokens of text. Control tokens are none: else a user could spell one.
    pub(crate) fn text(&self) -> impl Iterator<Item = (&'a [u8], Token)> {
        let all = self.tokens.iter().zip(&self.kinds).enumerate();
        all.filter(|(_, (token, kind))| !token.is_empty() && !kind.hidden())
            .map(|(id, (token, _))| (*token, id as Token))
    }
}

/// A list of strings.
pub(crate) fn strings<'a>(header: &'a Header, key: &str) -> Result<impl Iterator<Item = &'a [u8]>, TokenizerError> {
    header.strings(key).ok_or_else(|| TokenizerError::key(key, found(header, key), "a list of strings"))
}

fn kinds(header: &Header, count: usize) -> Result<Vec<Kind>, TokenizerError> {
    let Some(values) = numbers(header, TYPES, count)? else { return Ok(vec![Kind::Normal; count]) };
    values
        .take(count)
        .enumerate()
        .map(|(index, value)| {
            let number = value.as_u64();
            number
                .map(Kind::from_number)
                .ok_or_else(|| TokenizerError::element(TYPES, index, format!("{value:?}"), "an integer no less than 0"))
        })
        .collect()
}

/// A score for each token; zeros when there are none.
pub(crate) fn scores(header: &Header, count: usize) -> Result<Vec<f32>, TokenizerError> {
    let Some(values) = numbers(header, SCORES, count)? else { return Ok(vec![0.0; count]) };
    values
        .take(count)
        .enumerate()
        .map(|(index, value)| {
            let integer = match value {
                tern_gguf::Value::I32(score) => Some(score as f32),
                _ => None,
            };
            value.as_f32().or(integer).ok_or_else(|| {
                TokenizerError::element(SCORES, index, format!("{value:?}"), "a float or an integer of 32 bits")
            })
        })
        .collect()
}

fn numbers(
    header: &Header,
    key: &str,
    count: usize,
) -> Result<Option<impl ExactSizeIterator<Item = tern_gguf::Value>>, TokenizerError> {
    if header.metadata(key).is_none() {
        return Ok(None);
    }
    let expected = || format!("a list of {count} numbers, one for each token");
    match header.values(key) {
        Some(values) if values.len() >= count => Ok(Some(values)),
        Some(values) => Err(TokenizerError::key(key, format!("a list of {}", values.len()), expected())),
        None => Err(TokenizerError::key(key, found(header, key), expected())),
    }
}

/// The id of a special token, which must be in the vocabulary.
pub(crate) fn id(header: &Header, key: &str, count: usize) -> Result<Option<Token>, TokenizerError> {
    let Some(value) = header.metadata(key) else { return Ok(None) };
    match value.as_u32().filter(|&id| (id as usize) < count) {
        Some(id) => Ok(Some(id)),
        None => Err(TokenizerError::key(key, format!("{value:?}"), format!("a token's id, 0 to {}", count - 1))),
    }
}

/// A yes or no.
pub(crate) fn flag(header: &Header, key: &str, usual: bool) -> Result<bool, TokenizerError> {
    match header.metadata(key) {
        None => Ok(usual),
        Some(value) => value.as_bool().ok_or_else(|| TokenizerError::key(key, found(header, key), "true or false")),
    }
}

/// What a key has, in words.
fn found(header: &Header, key: &str) -> String {
    match header.metadata(key) {
        None => "missing".into(),
        Some(value) => match value.as_array() {
            Some(array) => format!("a list of {:?}", array.kind),
            None if value.kind() == ValueType::String => "a string".into(),
            None => format!("{value:?}"),
        },
    }
}

/// A token in a message: its beginning, in quotes.
pub(crate) fn shown(token: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(token).chars().take(60).collect();
    format!("{text:?}")
}
