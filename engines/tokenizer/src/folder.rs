//! The small files beside a `tokenizer.json`: which tokens stand around a text and which end a reply.

use std::{fs, io, path::Path};

use serde_json::Value;
use tern_engine::Token;

use crate::TokenizerError;

/// Most bytes of one file. The largest published `tokenizer.json` has 33 MB.
const FILE_BYTES: u64 = 256 << 20;

/// What the small files say, where they say it.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) bos: Option<String>,
    pub(crate) eos: Option<String>,
    pub(crate) adds_bos: bool,
    pub(crate) adds_eos: bool,
    /// Tokens that end a reply; the first is the main one.
    pub(crate) ends: Vec<Token>,
    pub(crate) bos_id: Option<Token>,
    /// Length of a row of logits; it may be more than there are tokens.
    pub(crate) rows: Option<usize>,
}

impl Around {
    /// Reads them. All may be missing; what is there must be JSON.
    pub(crate) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let read = |name: &str| -> Result<Value, TokenizerError> {
            let path = folder.join(name);
            match bytes(&path) {
                Err(TokenizerError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
                Err(error) => Err(error),
                Ok(bytes) => serde_json::from_slice(&bytes)
                    .map_err(|error| TokenizerError::Invalid { path, message: format!("not JSON: {error}") }),
            }
        };
        let tokenizer = read("tokenizer_config.json")?;
        let map = read("special_tokens_map.json")?;
        let generation = read("generation_config.json")?;
        let config = read("config.json")?;
        let spelling = |field: &str| {
            let values = [&tokenizer, &map].map(|file| &file[field]);
            values.into_iter().find_map(|value| value.as_str().or(value["content"].as_str()).map(str::to_owned))
        };
        let flag = |field: &str| tokenizer[field].as_bool().unwrap_or(false);
        let mut ends = ids(&generation["eos_token_id"], &folder.join("generation_config.json"))?;
        if ends.is_empty() {
            ends = ids(&config["eos_token_id"], &folder.join("config.json"))?;
        }
        let rows = config["vocab_size"].as_u64().or(config["text_config"]["vocab_size"].as_u64());
        Ok(Self {
            bos: spelling("bos_token"),
            eos: spelling("eos_token"),
            adds_bos: flag("add_bos_token"),
            adds_eos: flag("add_eos_token"),
            ends,
            bos_id: ids(&generation["bos_token_id"], &folder.join("generation_config.json"))?.first().copied(),
            rows: rows.map(|rows| rows as usize),
        })
    }
}

/// A file, whole.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let io = |source| TokenizerError::Io { path: path.into(), source };
    let about = fs::metadata(path).map_err(io)?;
    if !about.is_file() || about.len() > FILE_BYTES {
        let message = format!("{} bytes, expected a file of at most {FILE_BYTES}", about.len());
        return Err(TokenizerError::Invalid { path: path.into(), message });
    }
    fs::read(path).map_err(io)
}

/// One id or a list of them.
fn ids(value: &Value, path: &Path) -> Result<Vec<Token>, TokenizerError> {
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let id = |value: &Value| value.as_u64().and_then(|id| Token::try_from(id).ok());
    list.iter()
        .map(|value| {
            id(value).ok_or_else(|| TokenizerError::Invalid {
                path: path.into(),
                message: format!("{value} among the special ids, expected the id of a token"),
            })
        })
        .collect()
}
