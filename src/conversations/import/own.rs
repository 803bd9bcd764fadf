//! Our own export.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tern_store::{Conversation, Message};

use super::draft::{Draft, MAX_MESSAGES};

/// A conversation as our export has it.
#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    conversation: Map<String, Value>,
    tree: Vec<Value>,
    #[serde(default)]
    files: Map<String, Value>,
}

pub(super) fn read(value: Value) -> Result<Draft, String> {
    let Whole { conversation, tree, files } = typed(value)?;
    if tree.len() > MAX_MESSAGES {
        return Err(format!("{} messages; the most is {MAX_MESSAGES}", tree.len()));
    }
    let conversation: Conversation = typed(Value::Object(conversation))?;
    let messages = tree
        .into_iter()
        .enumerate()
        .map(|(index, message)| typed(message).map_err(|error| format!("tree[{index}]: {error}")))
        .collect::<Result<Vec<Message>, _>>()?;
    let decode = |(id, value): (String, Value)| {
        let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        bytes.map(|bytes| (id.clone(), bytes)).ok_or_else(|| format!("files.{id} is no base64"))
    };
    let files = files.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    Ok(Draft { conversation, messages, files })
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    if !value.is_object() {
        return Err("no object".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string().chars().take(200).collect())
}
