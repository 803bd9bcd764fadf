//! Finds what could be begun and never ended: a list whose every element must have another one of the same kind.

use serde_json::Value;

use super::{read::Read, reference};
use crate::GrammarError;

/// Every definition must have a value that ends.
pub(super) fn check(read: &Read) -> Result<(), GrammarError> {
    let mut ends = vec![false; read.definitions.len()];
    // What is referred to later is mostly needed by what comes before, so backwards nearly all is known after one
    // round.
    while let Some(number) =
        (0..ends.len()).rev().find(|&number| !ends[number] && can_end(&read.definitions[number].schema, &ends))
    {
        ends[number] = true;
        for number in (0..number).rev() {
            ends[number] = ends[number] || can_end(&read.definitions[number].schema, &ends);
        }
    }
    match ends.iter().position(|&ends| !ends) {
        None => Ok(()),
        Some(number) => {
            let path = &read.definitions[number].path;
            Err(GrammarError::at(path, "every value of this schema has another one in it, so that none could end"))
        }
    }
}

/// Whether there is a value that ends, as far as is known of definitions. What no value satisfies is found elsewhere.
fn can_end(schema: &Value, ends: &[bool]) -> bool {
    let Value::Object(map) = schema else { return true };
    if reference(schema).is_some_and(|number| !ends[number]) {
        return false;
    }
    let list = |keyword: &str| map.get(keyword).and_then(Value::as_array);
    for keyword in ["anyOf", "oneOf"] {
        if list(keyword).is_some_and(|any| !any.iter().any(|schema| can_end(schema, ends))) {
            return false;
        }
    }
    if list("allOf").is_some_and(|all| !all.iter().all(|schema| can_end(schema, ends))) {
        return false;
    }
    if map.contains_key("enum") || map.contains_key("const") {
        return true;
    }
    let may_be = |kind: &str| match map.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|other| other == kind),
        Some(other) => other == kind,
    };
    if ["null", "boolean", "number", "integer", "string"].into_iter().any(may_be) {
        return true;
    }
    (may_be("object") && object_can_end(map, ends)) || (may_be("array") && array_can_end(map, ends))
}

fn object_can_end(map: &serde_json::Map<String, Value>, ends: &[bool]) -> bool {
    let required = map.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).all(|name| {
        let property = map.get("properties").and_then(|properties| properties.get(name));
        // A name that is not listed may match a pattern; then one of the patterns decides, else all other properties.
        match property {
            Some(schema) => can_end(schema, ends),
            None if map.contains_key("patternProperties") => true,
            None => map.get("additionalProperties").is_none_or(|schema| can_end(schema, ends)),
        }
    })
}

fn array_can_end(map: &serde_json::Map<String, Value>, ends: &[bool]) -> bool {
    let least = map.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
    let first = map.get("prefixItems").or_else(|| map.get("items")).and_then(Value::as_array);
    let prefix = first.map_or(&[][..], Vec::as_slice);
    let rest = map.get("items").filter(|items| !items.is_array()).or_else(|| map.get("additionalItems"));
    prefix.iter().take(least).all(|schema| can_end(schema, ends))
        && (least <= prefix.len() || rest.is_none_or(|schema| can_end(schema, ends)))
}
