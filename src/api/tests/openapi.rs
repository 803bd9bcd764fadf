//! The description itself, and its examples. That responses are as described is checked with every exchange.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use crate::support::{
    App,
    schema::{DESCRIPTION, check, resolve},
    with,
};

fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, o)| (format!("{} {path}", method.to_uppercase()), o))
    })
}

/// JSON of which only the uniqueness of keys counts.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueKeys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, _: bool) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_u64<E>(self, _: u64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_i64<E>(self, _: i64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_f64<E>(self, _: f64) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_str<E>(self, _: &str) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
                Ok(UniqueKeys)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
                while items.next_element::<UniqueKeys>()?.is_some() {}
                Ok(UniqueKeys)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
                let mut seen = BTreeSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value::<UniqueKeys>()?;
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("the key {key:?} comes twice")));
                    }
                }
                Ok(UniqueKeys)
            }
        }
        deserializer.deserialize_any(Keys)
    }
}

#[tokio::test]
async fn the_served_description_has_no_key_twice_and_is_the_committed_one() {
    assert!(serde_json::from_str::<UniqueKeys>(r#"{"a": [{"b": 1, "b": 2}]}"#).is_err());
    let served = App::start().get("/openapi.json").await;
    serde_json::from_str::<UniqueKeys>(&served.body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(served.ok(), *DESCRIPTION);
}

#[test]
fn it_has_the_structure_of_openapi_3_0() {
    assert!(DESCRIPTION["openapi"].as_str().unwrap().starts_with("3.0."));
    assert!(DESCRIPTION["info"]["title"].is_string() && DESCRIPTION["info"]["version"].is_string());
    let tags: Vec<_> = DESCRIPTION["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeMap::new();
    for (name, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no operationId"));
        assert_eq!(ids.insert(id, name.clone()), None, "operationId {id} twice");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(&tag), "{name}: the tag {tag} is not declared");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("200"), "{name}");
        for (status, response) in responses {
            assert!(status.parse::<u16>().is_ok_and(|s| (200..600).contains(&s)), "{name}: {status}");
            assert!(response["description"].is_string(), "{name}: {status} has no description");
            assert!(!response["content"].as_object().unwrap().is_empty(), "{name}: {status} has no content");
        }
        let path = name.split_once(' ').unwrap().1;
        let declared: BTreeSet<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let used = path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(declared, used, "path parameters of {name}");
    }
}

/// Calls `visit` with every object of the description.
fn walk(value: &'static Value, visit: &mut impl FnMut(&'static serde_json::Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(map);
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let mut used = BTreeSet::new();
    walk(&DESCRIPTION, &mut |map| {
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(DESCRIPTION.pointer(pointer).is_some(), "{reference} leads nowhere");
            used.insert(reference.rsplit('/').next().unwrap().to_owned());
        }
    });
    let defined: BTreeSet<_> = DESCRIPTION["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(defined, used);
}

#[test]
fn nothing_of_later_versions_of_openapi_is_used() {
    walk(&DESCRIPTION, &mut |map| {
        // In 3.0 a type is one word; `const`, `prefixItems` and tuples of types came later.
        if map.contains_key("$ref") || map.contains_key("properties") {
            assert!(map.get("type").is_none_or(Value::is_string), "{map:?}");
            assert!(!map.contains_key("const") && !map.contains_key("prefixItems"), "{map:?}");
        }
    });
}

#[test]
fn null_is_allowed_only_as_openapi_3_0_writes_it() {
    assert!(DESCRIPTION["info"].get("summary").is_none(), "the summary of the whole came with 3.1");
    let mut choices = 0;
    walk(&DESCRIPTION, &mut |map| {
        if map.get("nullable") == Some(&Value::Bool(true)) {
            assert!(map["type"].is_string(), "nullable without a type means nothing: {map:?}");
            choices += usize::from(map.get("enum") == Some(&json!([null])));
        }
    });
    assert!(choices > 20, "what refers to another schema may be null as well: {choices}");
    let reference = &DESCRIPTION["components"]["schemas"]["ChatMessage"]["properties"]["content"];
    assert_eq!(reference["anyOf"][0]["$ref"], "#/components/schemas/Content");
    check(reference, &Value::Null, "").unwrap();
    check(reference, &json!("hi"), "").unwrap();
    check(reference, &json!(5), "").unwrap_err();
}

#[test]
fn an_answer_that_may_be_a_stream_lists_both_media_types() {
    for name in [
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /v1/messages",
        "POST /v1/responses",
        "GET /v1/responses/{id}",
    ] {
        let (_, operation) = operations().find(|(operation, _)| operation == name).unwrap();
        let media: Vec<_> = operation["responses"]["200"]["content"].as_object().unwrap().keys().collect();
        assert_eq!(media, ["application/json", "text/event-stream"], "{name}");
    }
    for name in ["POST /api/chat", "POST /api/generate", "POST /api/pull"] {
        let (_, operation) = operations().find(|(operation, _)| operation == name).unwrap();
        let media: Vec<_> = operation["responses"]["200"]["content"].as_object().unwrap().keys().collect();
        assert_eq!(media, ["application/x-ndjson", "application/json"], "{name}");
    }
    let (_, operation) = operations().find(|(name, _)| name == "POST /v1/audio/transcriptions").unwrap();
    let media: Vec<_> = operation["responses"]["200"]["content"].as_object().unwrap().keys().collect();
    assert_eq!(media, ["application/json", "text/plain; charset=utf-8", "text/event-stream"]);
}

/// The schemas of request bodies, with the operation and the example of each that has one.
fn examples() -> Vec<(String, &'static Value, Option<&'static Value>)> {
    let bodies = operations().filter_map(|(name, operation)| {
        let schema = resolve(&operation["requestBody"]["content"].get("application/json")?["schema"]);
        Some((name, schema, schema.get("example")))
    });
    bodies.collect()
}

#[test]
fn every_example_fits_its_schema() {
    let examples = examples();
    for (name, schema, example) in examples {
        let example = example.unwrap_or_else(|| panic!("{name}: Swagger UI would offer a request that cannot work"));
        check(schema, example, "").unwrap_or_else(|reason| panic!("{name}: {reason} in {example}"));
    }
}

#[tokio::test]
async fn every_example_is_a_request_that_works() {
    let app = App::start();
    let mut exchanges = 0;
    for (name, _, example) in examples() {
        let Some(example) = example else { continue };
        if name.contains("/api/conversations") {
            exchanges += 1;
            try_in_conversation(&app, &name, example.clone()).await;
            continue;
        }
        if name.contains("/api/compare") {
            // `compare.rs` tries these, with the ids of a comparison that is there.
            continue;
        }
        if name == "DELETE /api/delete" || name == "POST /api/pull" {
            // `ollama.rs` tries these, with a model that is there, and without a hub.
            continue;
        }
        // The model of most examples is the built-in one, which is not here.
        let of_task = [
            ("embed", "echo-embed"),
            ("/ner", "echo-ner"),
            ("rerank", "echo-rerank"),
            ("ocr", "echo-ocr"),
            ("caption", "echo-caption"),
        ];
        let model = of_task.iter().find(|(part, _)| name.contains(part)).map_or("echo", |(_, model)| model);
        let path = name.split_once(' ').unwrap().1;
        if path == "/api/models/pull" {
            // Would ask the hub; the name is one of the table.
            let table = app.get("/api/catalog").await.ok();
            assert!(
                table["data"].as_array().unwrap().iter().any(|entry| entry["name"] == example["model"]),
                "{example}"
            );
            continue;
        }
        app.post(path, with(example.clone(), json!({"model": model}))).await.ok();
    }
    assert!(exchanges >= 9, "{exchanges}");
}

/// Sends the example of an operation on conversations, with the ids of a conversation that is there.
async fn try_in_conversation(app: &App, name: &str, mut example: Value) {
    let (method, path) = name.split_once(' ').unwrap();
    let conversation = app.post("/api/conversations", json!({"model": "echo-slow?step_ms=0"})).await.ok();
    let id = conversation["id"].as_str().unwrap().to_owned();
    let sent = app.post(&format!("/api/conversations/{id}/messages"), json!({"content": "hi"})).await;
    let messages = sent.chunks()[0]["messages"].clone();
    let of = |index: usize| messages[index]["id"].as_str().unwrap().to_owned();
    if path.ends_with("/continue") {
        // Only what was not finished can be continued.
        let body = json!({"parameters": {"max_tokens": 3}});
        let again = app.post(&format!("/api/conversations/{id}/messages/{}/answer", of(0)), body).await;
        let answer = again.chunks()[0]["messages"][0]["id"].as_str().unwrap().to_owned();
        app.post(&path.replace("{id}", &id).replace("{message}", &answer), example).await.chunks();
        return;
    }
    for (field, value) in [("model", "echo".to_owned()), ("message", of(1))] {
        if example.get(field).is_some() {
            example[field] = value.into();
        }
    }
    let path = path.replace("{id}", &id).replace("{message}", &of(0));
    let exchange = app.send(method.parse().unwrap(), &path, &[], example.to_string()).await;
    assert_eq!(exchange.status, 200, "{exchange}");
}

#[test]
fn the_check_of_responses_can_fail() {
    let schema = &DESCRIPTION["components"]["schemas"]["ErrorBody"];
    let error = |error: Value| check(schema, &json!({"error": error}), "");
    error(json!({"message": "m", "type": "t", "param": null, "code": null})).unwrap();
    assert!(error(json!({"message": 5, "type": "t", "param": null, "code": null})).unwrap_err().contains("message"));
    assert!(error(json!({"type": "t", "param": null, "code": null})).unwrap_err().contains("missing"));
    assert!(error(json!({"message": "m", "type": "t", "extra": 1})).unwrap_err().contains("extra"));
}
