//! The schemas of the description, as far as it uses them, and the check of every exchange against them.

use std::sync::LazyLock;

use serde_json::Value;

use super::exchange::{Event, Exchange, check_error_of};

/// The description, as it is committed.
pub static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&tern_api::openapi_json()).expect("the description is JSON"));

/// Checks a response: an error has the shape of errors, everything else what its operation describes.
#[track_caller]
pub fn check_exchange(method: &str, path: &str, exchange: &Exchange) {
    let path = path.split('?').next().unwrap_or_default();
    let operation = operation(method, path);
    let essence = |media: &str| media.split(';').next().unwrap_or_default().to_owned();
    let content_type = essence(exchange.header("content-type").unwrap_or_default());
    if exchange.status >= 400 {
        assert_eq!(content_type, "application/json", "content type of an error: {exchange}");
        check_error_of(path, exchange).unwrap_or_else(|reason| panic!("{reason}: {exchange}"));
    }
    let Some(operation) = operation else { return };
    let response = &operation["responses"][exchange.status.to_string()];
    assert!(!response.is_null(), "status {} is not described: {exchange}", exchange.status);
    let described = response["content"].as_object().into_iter().flatten();
    let Some((_, media)) = described.into_iter().find(|(media, _)| essence(media) == content_type) else {
        panic!("content type {content_type:?} is not described: {exchange}")
    };
    let error = &DESCRIPTION["components"]["schemas"][error_of(path)];
    match content_type.as_str() {
        "application/json" => {
            let value = exchange.json();
            check(&media["schema"], &value, "").unwrap_or_else(|reason| panic!("{reason}: {exchange}"));
        }
        "text/event-stream" => {
            for event in exchange.events() {
                let Event::Data(data) = event else { continue };
                // Of Anthropic's streams an error is an event as the others.
                let fails = data.get("error").is_some() && data.get("type").is_none();
                let schema = if fails { error } else { &media["schema"] };
                check(schema, &data, "").unwrap_or_else(|reason| panic!("{reason} in {data}: {exchange}"));
            }
        }
        "application/x-ndjson" => {
            for line in exchange.lines() {
                let schema = if line.get("error").is_some() { error } else { &media["schema"] };
                check(schema, &line, "").unwrap_or_else(|reason| panic!("{reason} in {line}: {exchange}"));
            }
        }
        _ => {}
    }
}

/// The schema of the errors of a path.
pub fn error_of(path: &str) -> &'static str {
    let ollama = [
        "version",
        "tags",
        "show",
        "ps",
        "chat",
        "generate",
        "embed",
        "embeddings",
        "pull",
        "delete",
        "create",
        "push",
        "copy",
    ];
    match path.strip_prefix("/api/") {
        Some(rest) if ollama.contains(&rest) => "OllamaError",
        None if path.starts_with("/v1/messages") => "MessagesError",
        None if path.starts_with("/v1/models") => "ListedError",
        _ => "ErrorBody",
    }
}

/// The operation that describes a request, if there is one.
pub fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DESCRIPTION["paths"].as_object()?;
    // A path without parameters is meant before one with them, as the router has it.
    let item = paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template, path)).map(|(_, i)| i))?;
    item.get(method.to_ascii_lowercase())
}

/// Whether a path is one of a template. An id of a model may have slashes.
fn fits(template: &str, path: &str) -> bool {
    if let Some(prefix) = template.strip_suffix("{model}") {
        return path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    }
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(found)) if part == found || (part.starts_with('{') && !found.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Follows a `$ref`.
pub fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        None => schema,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references stay within the description");
            DESCRIPTION.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
    }
}

/// Checks a value against a schema. Properties that the schema does not list are an error too: what we send is
/// described.
pub fn check(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    if value.is_null() && (schema["nullable"] == true || *schema == serde_json::json!({})) {
        return Ok(());
    }
    let all = |key: &str| schema[key].as_array().map(Vec::as_slice).unwrap_or_default();
    for part in all("allOf") {
        check(part, value, at)?;
    }
    for (key, exactly_one) in [("anyOf", false), ("oneOf", true)] {
        let results: Vec<_> = all(key).iter().map(|part| check(part, value, at)).collect();
        let fitting = results.iter().filter(|result| result.is_ok()).count();
        if !results.is_empty() && (fitting == 0 || exactly_one && fitting > 1) {
            return Err(format!("{at}: {value} fits {fitting} schemas of {key}: {results:?}"));
        }
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{at}: {value} is none of {words:?}"));
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") if schema["format"].as_str().is_some_and(|f| f.starts_with("uint")) => value.is_u64(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => return Err(format!("{at}: the description has the type {other:?}")),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], item, &format!("{at}[{index}]"))?;
    }
    let Some(object) = value.as_object() else { return Ok(()) };
    if let Some(missing) = schema["required"].as_array().into_iter().flatten().find(|name| {
        let name = name.as_str().unwrap_or_default();
        !object.contains_key(name)
    }) {
        return Err(format!("{at}: {missing} is missing"));
    }
    for (name, value) in object {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(property), _) => check(property, value, &at)?,
            (None, Some(rest)) if rest.is_object() => check(rest, value, &at)?,
            (None, None) if schema["type"] == "object" => return Err(format!("{at} is not described")),
            (None, _) => {}
        }
    }
    Ok(())
}
