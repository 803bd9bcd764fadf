//! JSON schemas: what of them can be enforced, and how they are handed to llguidance.
//!
//! Nothing is enforced in part. A schema is read keyword by keyword (`read.rs`): what limits a value must be something
//! that llguidance enforces, what only describes it is dropped, and anything else is an error with its path. What is
//! left, with every reference resolved, is checked for values that could never end (`finite.rs`) and for choices
//! without number (`combinations.rs`); alternatives of `oneOf` that exclude each other become `anyOf` (`disjoint.rs`).
//! If llguidance refuses the rest all the same, `blame.rs` finds the place.

mod blame;
mod combinations;
mod disjoint;
mod finite;
mod formats;
mod keywords;
mod read;

use serde_json::{Map, Value, json};

use crate::GrammarError;

pub(crate) use blame::blame;

/// Whitespace that may stand between two tokens of JSON: a space, or a line break with an indentation. Models write
/// either; more than that is of no use to anyone, and without a limit a small model may write nothing else until its
/// tokens are spent.
const WHITESPACE: &str = r"\x20|\n\x20{0,20}";

/// Escapes in strings. Without `\u`, so that no name of a property can be spelled in two ways.
const ESCAPES: &str = "nrbtf\\\"";

/// Where the options of llguidance stand in a schema.
const OPTIONS: &str = "x-guidance";

/// The schema of any object, ready for llguidance.
pub(crate) fn any_object() -> Value {
    finished(json!({ "type": "object" }))
}

/// The schema with nothing in it but what is enforced, ready for llguidance.
///
/// # Errors
/// Names the path of what cannot be enforced.
pub(crate) fn prepare(schema: &Value) -> Result<Value, GrammarError> {
    let mut read = read::read(schema)?;
    combinations::check(&read)?;
    finite::check(&read)?;
    disjoint::settle(&mut read);
    let mut root = match read.root {
        Value::Object(root) => root,
        Value::Bool(true) => Map::new(),
        _ => return Err(GrammarError::new("the schema allows no value at all")),
    };
    if !read.definitions.is_empty() {
        let definitions = read.definitions.into_iter().enumerate();
        let definitions = definitions.map(|(number, definition)| (number.to_string(), definition.schema)).collect();
        root.insert("$defs".into(), Value::Object(definitions));
    }
    Ok(finished(Value::Object(root)))
}

fn finished(mut schema: Value) -> Value {
    if let Some(root) = schema.as_object_mut() {
        root.insert(OPTIONS.into(), json!({ "whitespace_pattern": WHITESPACE, "json_allowed_escapes": ESCAPES }));
    }
    schema
}

/// A place in a schema, as written in errors.
fn join(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

/// Beginning of a reference to a definition.
const DEFINITIONS: &str = "#/$defs/";

/// Which definition a schema that was read refers to.
fn reference(schema: &Value) -> Option<usize> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)?.parse().ok()
}

/// The schemas in a schema, with the paths to them.
fn parts(map: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut parts = Vec::new();
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                parts.extend(schemas.iter().map(|(name, schema)| (format!("{keyword}.{name}"), schema)));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                parts.extend(schemas.iter().enumerate().map(|(i, schema)| (format!("{keyword}[{i}]"), schema)));
            }
            ("items" | "additionalItems" | "additionalProperties", schema) => parts.push((keyword.clone(), schema)),
            _ => {}
        }
    }
    parts
}
