//! `oneOf` whose alternatives exclude each other is `anyOf`, which can be enforced. Generators of schemas write it for
//! unions with a tag.

use serde_json::{Map, Value};

use super::{
    read::{Definition, Read},
    reference,
};

/// How far properties are compared into each other.
const DEEPEST: usize = 4;
/// Alternatives are compared in pairs.
const MOST_ALTERNATIVES: usize = 100;

/// Turns `oneOf` into `anyOf` wherever no value can satisfy two of its alternatives. What is left is for llguidance to
/// judge.
pub(super) fn settle(read: &mut Read) {
    let mut root = std::mem::take(&mut read.root);
    rewrite(&mut root, &read.definitions);
    read.root = root;
    for number in 0..read.definitions.len() {
        let mut schema = read.definitions[number].schema.clone();
        rewrite(&mut schema, &read.definitions);
        read.definitions[number].schema = schema;
    }
}

fn rewrite(schema: &mut Value, definitions: &[Definition]) {
    let Value::Object(map) = schema else { return };
    for (keyword, value) in map.iter_mut() {
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                value.as_object_mut().into_iter().flatten().for_each(|(_, schema)| rewrite(schema, definitions));
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" | "items" | "additionalItems" | "additionalProperties" => {
                match value {
                    Value::Array(list) => list.iter_mut().for_each(|schema| rewrite(schema, definitions)),
                    schema => rewrite(schema, definitions),
                }
            }
            _ => {}
        }
    }
    let settled = map.get("oneOf").and_then(Value::as_array).is_some_and(|all| {
        all.len() <= MOST_ALTERNATIVES
            && all.iter().enumerate().all(|(i, a)| all[i + 1..].iter().all(|b| disjoint(a, b, definitions, 0)))
    });
    if settled
        && !map.contains_key("anyOf")
        && let Some(all) = map.remove("oneOf")
    {
        map.insert("anyOf".into(), all);
    }
}

fn disjoint(a: &Value, b: &Value, definitions: &[Definition], depth: usize) -> bool {
    if depth > DEEPEST {
        return false;
    }
    if *a == Value::Bool(false) || *b == Value::Bool(false) {
        return true;
    }
    for (schema, other) in [(a, b), (b, a)] {
        if let Some(number) = reference(schema)
            && disjoint(&definitions[number].schema, other, definitions, depth + 1)
        {
            return true;
        }
        let all = schema.get("allOf").and_then(Value::as_array);
        if all.into_iter().flatten().any(|part| disjoint(part, other, definitions, depth + 1)) {
            return true;
        }
    }
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return false };
    if let (Some(a), Some(b)) = (values(a), values(b)) {
        return a.iter().all(|a| b.iter().all(|b| !equal(a, b)));
    }
    if let (Some(a), Some(b)) = (kinds(a), kinds(b))
        && a.iter().all(|a| !b.contains(a))
    {
        return true;
    }
    if kinds(a) != Some(vec!["object"]) || kinds(b) != Some(vec!["object"]) {
        return false;
    }
    let property = |map: &Map<String, Value>, name: &str| map.get("properties")?.get(name).cloned();
    [a, b].into_iter().flat_map(|map| map.get("required").and_then(Value::as_array)).flatten().any(|name| {
        let name = name.as_str().unwrap_or_default();
        matches!((property(a, name), property(b, name)), (Some(a), Some(b)) if disjoint(&a, &b, definitions, depth + 1))
    })
}

fn values(map: &Map<String, Value>) -> Option<&[Value]> {
    map.get("const").map(std::slice::from_ref).or_else(|| map.get("enum")?.as_array().map(Vec::as_slice))
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b || (a.is_object() && b.is_object()) || (a.is_array() && b.is_array()),
    }
}

/// The types that a value may have, where the schema says so; an integer is a number.
fn kinds(map: &Map<String, Value>) -> Option<Vec<&str>> {
    let kind = |kind: &str| match kind {
        "null" => "null",
        "boolean" => "boolean",
        "number" | "integer" => "number",
        "string" => "string",
        "array" => "array",
        _ => "object",
    };
    if let Some(values) = values(map) {
        return Some(values.iter().map(of_value).collect());
    }
    match map.get("type")? {
        Value::Array(kinds) => kinds.iter().map(|value| value.as_str().map(kind)).collect(),
        value => value.as_str().map(|value| vec![kind(value)]),
    }
}

fn of_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
