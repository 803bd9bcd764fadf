//! Choices beside choices are multiplied out by llguidance: a dozen of two alternatives each are four thousand schemas.

use serde_json::Value;

use super::{join, read::Read, reference};
use crate::GrammarError;

/// Most combinations of choices at one place.
const MOST: usize = 2000;
/// How far references and choices in choices are followed.
const DEEPEST: usize = 20;

/// Refuses places with more combinations than that.
pub(super) fn check(read: &Read) -> Result<(), GrammarError> {
    walk(&read.root, "", read)?;
    read.definitions.iter().try_for_each(|definition| walk(&definition.schema, &definition.path, read))
}

fn walk(schema: &Value, path: &str, read: &Read) -> Result<(), GrammarError> {
    let Value::Object(map) = schema else { return Ok(()) };
    let factors: Vec<usize> = factors(schema, read, 0).into_iter().filter(|&factor| factor > 1).collect();
    let combinations = factors.iter().fold(1_usize, |product, &factor| product.saturating_mul(factor));
    if factors.len() > 1 && combinations > MOST {
        let message = format!("the choices at this place have {combinations} combinations; at most {MOST} are allowed");
        return Err(GrammarError::at(path, message));
    }
    for (part, schema) in super::parts(map) {
        walk(schema, &join(path, &part), read)?;
    }
    Ok(())
}

/// By how much each keyword of a schema multiplies what is beside it.
fn factors(schema: &Value, read: &Read, depth: usize) -> Vec<usize> {
    let Value::Object(map) = schema else { return Vec::new() };
    if depth > DEEPEST {
        return Vec::new();
    }
    let product = |schema: &Value| factors(schema, read, depth + 1).into_iter().fold(1_usize, usize::saturating_mul);
    let mut all = Vec::new();
    for (keyword, value) in map {
        match (keyword.as_str(), value) {
            ("anyOf" | "oneOf", Value::Array(list)) => {
                all.push(list.iter().map(product).fold(0, usize::saturating_add))
            }
            ("allOf", Value::Array(list)) => all.extend(list.iter().map(product)),
            ("enum", Value::Array(list)) => all.push(list.len()),
            ("$ref", _) if map.len() > 1 => {
                all.extend(reference(schema).map(|number| product(&read.definitions[number].schema)));
            }
            _ => {}
        }
    }
    all
}
