//! JSON schemas: what of them can be enforced, and how they are handed to llguidance.

use serde_json::{Value, json};

use crate::GrammarError;

/// Whitespace that may stand between two tokens of JSON.
const WHITESPACE: &str = r"\x20|\n\x20{0,20}";

/// The schema of any object, ready for llguidance.
pub(crate) fn any_object() -> Value {
    json!({ "type": "object", "x-guidance": options() })
}

fn options() -> Value {
    json!({ "whitespace_pattern": WHITESPACE, "json_allowed_escapes": "nrbtf\\\"" })
}

/// The schema with nothing in it but what is enforced, ready for llguidance.
pub(crate) fn prepare(schema: &Value) -> Result<Value, GrammarError> {
    let mut schema = schema.clone();
    if let Some(map) = schema.as_object_mut() {
        map.insert("x-guidance".into(), options());
    }
    Ok(schema)
}
