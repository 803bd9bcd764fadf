//! Reads a schema: checks every keyword, drops what does not limit a value, and resolves references.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    DEFINITIONS, formats, join,
    keywords::{ANNOTATIONS, FORMATS, TYPES, UNENFORCEABLE, limits_nothing},
};
use crate::GrammarError;

/// Most schemas in a schema, itself and what its references lead to.
const MOST_SCHEMAS: usize = 10_000;
/// Schemas inside schemas, at most, references included.
const DEEPEST: usize = 100;
/// Most characters of a schema, and of a pattern in it.
const LONGEST: usize = 1 << 20;
const LONGEST_PATTERN: usize = 4096;
/// Most values of an `enum`, alternatives of a choice, and patterns of an object; llguidance compares the latter in
/// pairs.
const MOST_VALUES: usize = 10_000;
const MOST_ALTERNATIVES: usize = 500;
/// Most properties of an object: what compiling it takes grows with their square.
const MOST_PROPERTIES: usize = 1000;
const MOST_PATTERNS: usize = 16;
/// Largest bound on a length or a count.
const LARGEST_BOUND: u64 = 100_000;
/// Integers beyond this have no exact place among the floats that llguidance computes with.
const EXACT: u64 = 1 << 53;
/// Limits of numbers lie no farther out than this.
const FARTHEST: f64 = (1_u64 << 62) as f64;

type Result<T = ()> = std::result::Result<T, GrammarError>;

/// A schema that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub root: Value,
    /// What references lead to, in the order of their numbers.
    pub definitions: Vec<Definition>,
}

/// A schema that is referred to.
#[derive(Debug)]
pub(super) struct Definition {
    /// Where it stands in the schema that was given.
    pub path: String,
    pub schema: Value,
}

/// Reads `schema` and all that it refers to.
pub(super) fn read(schema: &Value) -> Result<Read> {
    let size = schema.to_string().len();
    if size > LONGEST {
        return Err(GrammarError::new(format!("the schema has {size} characters; at most {LONGEST} are allowed")));
    }
    let mut reader = Reader { whole: schema, numbers: HashMap::new(), definitions: Vec::new(), schemas: 0 };
    let root = reader.schema(schema, "", 0)?;
    Ok(Read { root, definitions: reader.definitions })
}

struct Reader<'a> {
    whole: &'a Value,
    /// Numbers of definitions by the pointers that lead to them.
    numbers: HashMap<String, usize>,
    definitions: Vec<Definition>,
    schemas: usize,
}

fn wrong(path: &str, keyword: &str, found: &Value, allowed: &str) -> GrammarError {
    let mut found = found.to_string();
    if found.chars().count() > 60 {
        found = found.chars().take(60).chain("...".chars()).collect();
    }
    GrammarError::at(join(path, keyword), format!("{keyword} is {found}; it must be {allowed}"))
}

impl<'a> Reader<'a> {
    fn schema(&mut self, schema: &'a Value, path: &str, depth: usize) -> Result<Value> {
        self.schemas += 1;
        if self.schemas > MOST_SCHEMAS {
            let message = format!("the schema has more than {MOST_SCHEMAS} schemas in it, which is too many");
            return Err(GrammarError::at(path, message));
        }
        if depth > DEEPEST {
            return Err(GrammarError::at(
                path,
                format!("schemas are nested too deeply; at most {DEEPEST} are allowed"),
            ));
        }
        let map = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(map) => map,
            _ => return Err(GrammarError::at(path, "a schema must be an object, true or false")),
        };
        let mut out = Map::new();
        for (keyword, value) in map {
            self.keyword(map, keyword, value, path, depth, &mut out)?;
        }
        if map.get("nullable") == Some(&Value::Bool(true)) {
            allow_null(&mut out);
        }
        if let Some(kind) = implied_type(&out) {
            out.insert("type".into(), kind.into());
        }
        enough_properties(&out, path)?;
        Ok(Value::Object(out))
    }

    fn keyword(
        &mut self,
        map: &'a Map<String, Value>,
        keyword: &str,
        value: &'a Value,
        path: &str,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result {
        let place = join(path, keyword);
        let kept = match keyword {
            "type" => types(value, path)?,
            "enum" => {
                let values = value.as_array().filter(|values| !values.is_empty() && values.len() <= MOST_VALUES);
                let Some(values) = values else {
                    return Err(wrong(path, keyword, value, &format!("an array of 1 to {MOST_VALUES} values")));
                };
                for (index, value) in values.iter().enumerate() {
                    exact(value, &format!("{place}[{index}]"))?;
                }
                value.clone()
            }
            "const" => {
                exact(value, &place)?;
                value.clone()
            }
            "properties" | "patternProperties" => self.properties(keyword, value, path, depth)?,
            "additionalProperties" => self.schema(value, &place, depth + 1)?,
            "required" => {
                let names = value.as_array().filter(|names| names.iter().all(Value::is_string));
                names.ok_or_else(|| wrong(path, keyword, value, "an array of names"))?;
                value.clone()
            }
            "items" | "prefixItems" if value.is_array() => {
                if keyword == "items" && map.contains_key("prefixItems") {
                    return Err(wrong(path, keyword, value, "a schema where there are prefixItems"));
                }
                self.list(keyword, value, path, depth)?
            }
            "items" => self.schema(value, &place, depth + 1)?,
            "additionalItems" => {
                if !map.get("items").is_some_and(Value::is_array) {
                    // Says nothing where `items` is not a list.
                    return Ok(());
                }
                self.schema(value, &place, depth + 1)?
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => self.list(keyword, value, path, depth)?,
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                bound(keyword, value, path)?
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => limit(keyword, value, path)?,
            "multipleOf" => {
                let above = value.as_f64().is_some_and(|step| step > 0.0);
                if !above {
                    return Err(wrong(path, keyword, value, "a number above 0"));
                }
                exact(value, &place)?;
                value.clone()
            }
            "pattern" => {
                pattern(value, path)?;
                value.clone()
            }
            "format" => {
                let known = value.as_str().filter(|format| FORMATS.contains(format));
                let Some(format) = known else {
                    return Err(wrong(path, keyword, value, &format!("one of {}", FORMATS.join(", "))));
                };
                if let Some(narrower) = formats::narrower(format) {
                    also(out, json!({ "pattern": narrower }));
                }
                value.clone()
            }
            "$ref" => self.reference(value, path, depth)?,
            "$id" | "id" if !path.is_empty() && moves_references(value) => {
                let message =
                    format!("{keyword} inside a schema, which moves what references mean, cannot be enforced");
                return Err(GrammarError::at(place, message));
            }
            _ if ANNOTATIONS.contains(&keyword) || limits_nothing(keyword, value) => return Ok(()),
            "nullable" if value.is_boolean() => return Ok(()),
            _ if keyword.starts_with("x-") => return Ok(()),
            _ => {
                let advice = UNENFORCEABLE.iter().find(|(name, _)| *name == keyword);
                let message = match advice {
                    Some((_, advice)) => format!("{keyword} cannot be enforced; {advice}"),
                    None => format!("{keyword} is not a keyword of JSON Schema that this server can enforce"),
                };
                return Err(GrammarError::at(place, message));
            }
        };
        if keyword == "allOf" {
            for schema in kept.as_array().into_iter().flatten() {
                also(out, schema.clone());
            }
        } else {
            out.insert(keyword.to_owned(), kept);
        }
        Ok(())
    }

    fn properties(&mut self, keyword: &str, value: &'a Value, path: &str, depth: usize) -> Result<Value> {
        let Some(map) = value.as_object() else {
            return Err(wrong(path, keyword, value, "an object of schemas"));
        };
        let place = join(path, keyword);
        if map.len() > MOST_PROPERTIES {
            let message = format!("there are {} properties; at most {MOST_PROPERTIES} are allowed", map.len());
            return Err(GrammarError::at(place, message));
        }
        if keyword == "patternProperties" {
            if map.len() > MOST_PATTERNS {
                let message = format!("there are {} patterns; at most {MOST_PATTERNS} are allowed", map.len());
                return Err(GrammarError::at(place, message));
            }
            if let Some(long) = map.keys().find(|name| name.len() > LONGEST_PATTERN) {
                let message = format!("a pattern has {} characters; at most {LONGEST_PATTERN} are allowed", long.len());
                return Err(GrammarError::at(place, message));
            }
        }
        let mut out = Map::new();
        for (name, schema) in map {
            out.insert(name.clone(), self.schema(schema, &join(&place, name), depth + 1)?);
        }
        Ok(Value::Object(out))
    }

    fn list(&mut self, keyword: &str, value: &'a Value, path: &str, depth: usize) -> Result<Value> {
        let least = usize::from(keyword.ends_with("Of"));
        let list = value.as_array().filter(|list| (least..=MOST_ALTERNATIVES).contains(&list.len()));
        let Some(list) = list else {
            let allowed = format!("an array of {least} to {MOST_ALTERNATIVES} schemas");
            return Err(wrong(path, keyword, value, &allowed));
        };
        let place = join(path, keyword);
        let read = list.iter().enumerate().map(|(i, schema)| self.schema(schema, &format!("{place}[{i}]"), depth + 1));
        Ok(Value::Array(read.collect::<Result<_>>()?))
    }

    /// The number of the definition that a reference leads to, which is read when it is first met.
    fn reference(&mut self, value: &Value, path: &str, depth: usize) -> Result<Value> {
        let inside = value.as_str().and_then(|reference| reference.strip_prefix('#')).map(unescaped);
        let pointer = inside.filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let Some(pointer) = pointer else {
            return Err(wrong(path, "$ref", value, "a place in this schema, such as #/$defs/name"));
        };
        let pointer = if pointer == "/" { String::new() } else { pointer };
        if let Some(number) = self.numbers.get(&pointer) {
            return Ok(format!("{DEFINITIONS}{number}").into());
        }
        let Some(target) = self.whole.pointer(&pointer) else {
            let message = format!("$ref is {value}; there is nothing at this place");
            return Err(GrammarError::at(join(path, "$ref"), message));
        };
        let number = self.definitions.len();
        let place = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
        let place = place.collect::<Vec<_>>().join(".");
        self.numbers.insert(pointer, number);
        self.definitions.push(Definition { path: place.clone(), schema: Value::Null });
        self.definitions[number].schema = self.schema(target, &place, depth + 1)?;
        Ok(format!("{DEFINITIONS}{number}").into())
    }
}

/// Undoes percent-encoding, which a pointer in a reference may have.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether an id gives the references below it another base. A fragment does not.
fn moves_references(id: &Value) -> bool {
    id.as_str().is_some_and(|id| !id.starts_with('#'))
}

/// Adds a schema that must hold as well.
fn also(out: &mut Map<String, Value>, schema: Value) {
    if let Value::Array(all) = out.entry("allOf").or_insert_with(|| json!([])) {
        all.push(schema);
    }
}

fn types(value: &Value, path: &str) -> Result<Value> {
    let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
    let holds = match value {
        Value::Array(kinds) => !kinds.is_empty() && kinds.iter().all(known),
        kind => known(kind),
    };
    if !holds {
        return Err(wrong(path, "type", value, &format!("one of {}, or several in an array", TYPES.join(", "))));
    }
    Ok(value.clone())
}

/// OpenAPI 3.0's way to allow null beside a type.
fn allow_null(out: &mut Map<String, Value>) {
    match out.get_mut("type") {
        Some(Value::Array(kinds)) if !kinds.iter().any(|kind| kind == "null") => kinds.push("null".into()),
        Some(kind @ Value::String(_)) if kind != "null" => *kind = json!([kind.clone(), "null"]),
        _ => {}
    }
}

/// Who writes about properties means an object, and about items an array, though by the letter any other value would
/// pass too.
fn implied_type(out: &Map<String, Value>) -> Option<&'static str> {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| out.contains_key(*keyword));
    if has(&["type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"]) {
        return None;
    }
    let object =
        has(&["properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties"]);
    let array = has(&["items", "prefixItems", "additionalItems", "minItems", "maxItems"]);
    match (object, array) {
        (true, false) => Some("object"),
        (false, true) => Some("array"),
        _ => None,
    }
}

/// Names that are not listed may be written twice, and then count once: more than one of them cannot be asked for.
fn enough_properties(out: &Map<String, Value>, path: &str) -> Result {
    let least = out.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    let required = out.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    if least > required + 1 {
        let message =
            format!("minProperties is {least}; it can be enforced up to one more than the required ones ({required})");
        return Err(GrammarError::at(join(path, "minProperties"), message));
    }
    Ok(())
}

fn bound(keyword: &str, value: &Value, path: &str) -> Result<Value> {
    // 5.0 is an integer to JSON Schema.
    let number = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64));
    match number {
        Some(number) if number <= LARGEST_BOUND => Ok(number.into()),
        // Nobody writes as much as that.
        Some(_) if keyword.starts_with("max") => Ok(LARGEST_BOUND.into()),
        _ => Err(wrong(path, keyword, value, &format!("an integer from 0 to {LARGEST_BOUND}"))),
    }
}

/// A limit of a number; beyond 2^53 the next one inside that a float can hold, and beyond 2^62 that, which is as good
/// as none.
fn limit(keyword: &str, value: &Value, path: &str) -> Result<Value> {
    if value.is_boolean() && keyword.starts_with("exclusive") {
        return Ok(value.clone());
    }
    let Value::Number(number) = value else { return Err(wrong(path, keyword, value, "a number")) };
    let lower = keyword == "minimum" || keyword == "exclusiveMinimum";
    if let Some(float) = number.as_f64()
        && if lower { float < -FARTHEST } else { float > FARTHEST }
    {
        return Ok(json!(if lower { -FARTHEST } else { FARTHEST }));
    }
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let Some(whole) = whole.filter(|whole| whole.unsigned_abs() > u128::from(EXACT)) else { return Ok(value.clone()) };
    let mut float = whole as f64;
    if lower && (float as i128) < whole {
        float = float.next_up();
    } else if !lower && (float as i128) > whole {
        float = float.next_down();
    }
    Ok(json!(float))
}

/// Refuses integers that would become another number on the way.
fn exact(value: &Value, path: &str) -> Result {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if size.is_some_and(|size| size > EXACT) {
                return Err(GrammarError::at(path, format!("{number} cannot be enforced exactly; it is beyond 2^53")));
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| exact(item, path)),
        Value::Object(map) => map.values().try_for_each(|item| exact(item, path)),
        _ => Ok(()),
    }
}

fn pattern(value: &Value, path: &str) -> Result {
    match value.as_str() {
        Some(pattern) if pattern.len() <= LONGEST_PATTERN => Ok(()),
        _ => {
            Err(wrong(path, "pattern", value, &format!("a regular expression of at most {LONGEST_PATTERN} characters")))
        }
    }
}
