//! Schemas as people write them, made by chance: each is enforced or refused with a path, and what comes out of random
//! weights under one that is enforced satisfies an independent validator.

use serde_json::{Map, Value, json};
use tern_grammar::{Grammar, check};

use crate::support::{Random, accepts, answer, vocabulary};

const NAMES: [&str; 16] = [
    "name",
    "age",
    "email",
    "id",
    "items",
    "price",
    "address",
    "street",
    "tags",
    "created_at",
    "status",
    "count",
    "is_active",
    "notes",
    "größe",
    "a \"b\"\\",
];

/// Makes one schema.
struct Maker {
    random: Random,
    definitions: Vec<String>,
}

impl Maker {
    fn schema(seed: u64) -> Value {
        let mut maker = Self { random: Random(seed), definitions: Vec::new() };
        let count = maker.random.below(3);
        maker.definitions = (0..count).map(|i| format!("Part{i}")).collect();
        let definitions: Map<_, _> =
            maker.definitions.clone().into_iter().map(|name| (name, maker.object(1))).collect();
        let mut root = if maker.random.one_in(8) { maker.value(0) } else { maker.object(0) };
        if let Value::Object(root) = &mut root {
            if maker.random.one_in(3) {
                root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
            }
            root.insert("title".into(), "Made by chance".into());
            if !definitions.is_empty() {
                root.insert("$defs".into(), Value::Object(definitions));
            }
        }
        root
    }

    fn value(&mut self, depth: usize) -> Value {
        let deep = depth > 3;
        let mut schema = match self.random.below(if deep { 9 } else { 17 }) {
            0..=2 => self.string(),
            3 => self.integer(),
            4 => self.number(),
            5 => json!({ "type": "boolean" }),
            6 => json!({ "enum": (0..1 + self.random.below(5)).map(|i| NAMES[i]).collect::<Vec<_>>() }),
            7 => self
                .random
                .of(&[json!({"const": "fixed"}), json!({"const": 3}), json!({"enum": [1, "two", null, true, 2.5]})])
                .clone(),
            8 => json!({ "type": [self.random.of(&["string", "integer", "boolean"]), "null"] }),
            9 | 10 => self.object(depth + 1),
            11 | 12 => self.array(depth + 1),
            13 => json!({ "anyOf": [self.value(depth + 1), self.value(depth + 1)] }),
            14 => self.tagged(depth + 1),
            15 => json!({ "allOf": [self.object(depth + 1), { "type": "object", "required": ["name"] }] }),
            _ if self.definitions.is_empty() => json!({ "type": "null" }),
            // Optional, or a chain might have no end.
            _ => {
                json!({ "anyOf": [{ "$ref": format!("#/$defs/{}", self.random.of(&self.definitions.clone())) }, { "type": "null" }] })
            }
        };
        if self.random.one_in(4) {
            schema["description"] = "What it is.".into();
        }
        if self.random.one_in(60) {
            // What cannot be enforced, and must be refused.
            let (keyword, value) = self
                .random
                .of(&[
                    ("not", json!({ "type": "null" })),
                    ("uniqueItems", json!(true)),
                    ("format", json!("colour")),
                    ("if", json!({ "type": "string" })),
                    ("propertyNames", json!({ "pattern": "^a" })),
                    ("pattern", json!("(?!x)a")),
                ])
                .clone();
            schema["type"] = "string".into();
            schema[keyword] = value;
        }
        schema
    }

    fn string(&mut self) -> Value {
        let choices = [
            json!({}),
            json!({ "minLength": 1 }),
            json!({ "minLength": 2, "maxLength": 12 }),
            json!({ "maxLength": 5 }),
            json!({ "pattern": "^[A-Z]{2,3}-[0-9]+$" }),
            json!({ "pattern": "^(\\+[0-9]{1,3} )?[0-9 ]{6,12}$" }),
            json!({ "pattern": "^ab+c" }),
            json!({ "format": "date-time" }),
            json!({ "format": "date" }),
            json!({ "format": "time" }),
            json!({ "format": "email" }),
            json!({ "format": "uuid" }),
            json!({ "format": "ipv4" }),
            json!({ "format": "ipv6" }),
            json!({ "format": "uri" }),
            json!({ "format": "hostname" }),
            json!({ "format": "duration" }),
        ];
        let mut schema = self.random.of(&choices).clone();
        schema["type"] = "string".into();
        schema
    }

    fn integer(&mut self) -> Value {
        let low = self.random.below(200) as i64 - 100;
        let choices = [
            json!({}),
            json!({ "minimum": low }),
            json!({ "minimum": low, "maximum": low + 57 }),
            json!({ "exclusiveMinimum": 0, "exclusiveMaximum": 1000 }),
            json!({ "multipleOf": 5 }),
            json!({ "minimum": 0, "maximum": i64::MAX }),
            json!({ "minimum": i64::MIN }),
        ];
        let mut schema = self.random.of(&choices).clone();
        schema["type"] = "integer".into();
        schema
    }

    fn number(&mut self) -> Value {
        let choices = [
            json!({}),
            json!({ "minimum": 0, "maximum": 1 }),
            json!({ "minimum": -273.15 }),
            json!({ "exclusiveMinimum": 0 }),
            json!({ "minimum": 0.5, "exclusiveMaximum": 99.5 }),
        ];
        let mut schema = self.random.of(&choices).clone();
        schema["type"] = "number".into();
        schema
    }

    fn array(&mut self, depth: usize) -> Value {
        let item = self.value(depth);
        match self.random.below(5) {
            0 => json!({ "type": "array", "items": item }),
            1 => json!({ "type": "array", "items": item, "minItems": 1, "maxItems": 4 }),
            2 => json!({ "type": "array", "items": item, "minItems": 2 }),
            3 => json!({ "type": "array", "prefixItems": [item, self.value(depth)], "items": false, "minItems": 2 }),
            _ => json!({ "type": "array", "items": item, "maxItems": 2 }),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut properties = Map::new();
        for _ in 0..1 + self.random.below(5) {
            let name = (*self.random.of(&NAMES)).to_owned();
            properties.insert(name, self.value(depth));
        }
        let names: Vec<String> = properties.keys().cloned().collect();
        let required: Vec<&String> = match self.random.below(3) {
            0 => names.iter().collect(),
            1 => names.iter().take(1).collect(),
            _ => Vec::new(),
        };
        let mut schema = json!({ "type": "object", "properties": properties, "required": required });
        match self.random.below(6) {
            0..=2 => schema["additionalProperties"] = false.into(),
            3 => schema["additionalProperties"] = self.string(),
            4 => {
                schema["patternProperties"] = json!({ "^x_": { "type": "integer" } });
                schema["additionalProperties"] = false.into();
            }
            _ => {}
        }
        schema
    }

    /// A union whose alternatives have a tag, as generators of schemas write it.
    fn tagged(&mut self, depth: usize) -> Value {
        let mut one = |tag: &str| {
            json!({ "type": "object", "properties": { "kind": { "const": tag }, "value": self.value(depth) },
                "required": ["kind", "value"], "additionalProperties": false })
        };
        json!({ "oneOf": [one("first"), one("second")], "discriminator": { "propertyName": "kind" } })
    }
}

#[test]
fn what_random_weights_say_in_a_schema_satisfies_an_independent_validator() {
    let (pieces, vocabulary) = vocabulary();
    let (mut enforced, mut refused, mut wrong) = (0, 0, Vec::new());
    for seed in 0..400 {
        let schema = Maker::schema(seed);
        let grammar = Grammar::JsonSchema(schema.clone());
        match check(&grammar) {
            Ok(()) => enforced += 1,
            Err(error) => {
                assert!(!error.path.is_empty(), "seed {seed}: {error}: {schema}");
                refused += 1;
                continue;
            }
        }
        let compiled = vocabulary.compile(&grammar).unwrap();
        let judge = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        for round in 0..2 {
            let text = answer(&pieces, &compiled, &mut Random(seed * 7 + round))
                .unwrap_or_else(|error| panic!("seed {seed}: {error}: {schema}"));
            let value: Value = match serde_json::from_str(&text) {
                Ok(value) => value,
                // JSON knows 1e999, floats do not.
                Err(error) if error.to_string().contains("number out of range") => continue,
                Err(error) => panic!("seed {seed}: {error}: {text}"),
            };
            if let Err(error) = judge.validate(&value) {
                wrong.push(format!("seed {seed}: {error} at {}: {text}", error.instance_path()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(enforced >= 300, "only {enforced} enforced, {refused} refused");
    assert!(refused >= 10, "only {refused} refused");
}

fn check_texts(schema: Value, good: &[&str], bad: &[&str]) {
    let (_, vocabulary) = vocabulary();
    let compiled =
        vocabulary.compile(&Grammar::JsonSchema(schema.clone())).unwrap_or_else(|error| panic!("{error}: {schema}"));
    for text in good {
        assert!(accepts(&compiled, text), "{text} of {schema}");
    }
    for text in bad {
        assert!(!accepts(&compiled, text), "{text} of {schema}");
    }
}

#[test]
fn a_recursive_schema_goes_as_deep_as_the_answer_does() {
    let node = json!({ "type": "object", "properties": { "value": { "type": "integer" },
        "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } },
        "required": ["value", "children"], "additionalProperties": false });
    check_texts(
        json!({ "$ref": "#/$defs/node", "$defs": { "node": node } }),
        &[
            r#"{"value": 1, "children": []}"#,
            r#"{"value":1,"children":[{"value":2,"children":[{"value":3,"children":[]}]}]}"#,
        ],
        &[r#"{"value": 1}"#, r#"{"value": 1, "children": [2]}"#, r#"{"value": "1", "children": []}"#],
    );
    check_texts(
        json!({ "type": "object", "properties": { "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] } },
            "required": ["next"], "additionalProperties": false }),
        &[r#"{"next": null}"#, r#"{"next": {"next": {"next": null}}}"#],
        &["{}", r#"{"next": {}}"#],
    );
}

#[test]
fn references_lead_anywhere_in_the_schema() {
    check_texts(
        json!({ "type": "object", "properties": { "from": { "type": "integer", "minimum": 3 },
            "to": { "$ref": "#/properties/from" }, "by": { "$ref": "#/definitions/a~1b%20c" } },
            "required": ["from", "to", "by"], "definitions": { "a/b c": { "enum": ["day"] } }, "additionalProperties": false }),
        &[r#"{"from": 3, "to": 4, "by": "day"}"#],
        &[r#"{"from": 3, "to": 2, "by": "day"}"#, r#"{"from": 3, "to": 3, "by": "week"}"#],
    );
}

#[test]
fn a_union_with_a_tag_by_references_is_enforced() {
    let option = |tag: &str, kind: &str| {
        json!({ "type": "object", "properties": { "kind": { "const": tag, "type": "string" }, "v": { "type": kind } },
            "required": ["kind", "v"], "additionalProperties": false })
    };
    check_texts(
        json!({ "oneOf": [{ "$ref": "#/$defs/Cat" }, { "$ref": "#/$defs/Dog" }], "discriminator": { "propertyName": "kind" },
            "$defs": { "Cat": option("cat", "string"), "Dog": option("dog", "integer") } }),
        &[r#"{"kind": "cat", "v": "x"}"#, r#"{"kind":"dog","v":1}"#],
        &[r#"{"kind": "dog", "v": "x"}"#],
    );
}

#[test]
fn whitespace_is_a_space_or_an_indented_line_and_no_more() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"], "additionalProperties": false });
    check_texts(
        schema,
        &[r#"{"a":1}"#, r#"{"a": 1}"#, "{\n  \"a\": 1\n}", "{ \"a\" : 1 }"],
        &["{\n\n\"a\": 1}", "{  \"a\": 1}", " {\"a\": 1}", "{\"a\": 1} ", "{\"a\":\t1}"],
    );
}

#[test]
fn no_property_can_be_spelled_in_another_way() {
    check_texts(
        json!({ "type": "object", "properties": { "age": { "type": "integer" } } }),
        &[r#"{"age": 1}"#, r#"{"other": "x", "more": [1]}"#],
        &[r#"{"\u0061ge": "x"}"#, r#"{"age": "x"}"#],
    );
}

#[test]
fn dates_exist() {
    check_texts(
        json!({ "type": "string", "format": "date" }),
        &["\"2024-02-29\"", "\"2023-12-31\"", "\"2000-02-29\""],
        &["\"2023-02-29\"", "\"1900-02-29\"", "\"2023-04-31\"", "\"2023-13-01\""],
    );
}

#[test]
fn null_is_allowed_in_the_way_of_openapi() {
    check_texts(json!({ "type": "string", "nullable": true }), &["null", "\"x\""], &["1"]);
    check_texts(
        json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"] }),
        &[r#"{"a": 1}"#],
        &["\"x\"", "{}"],
    );
}

#[test]
fn any_object_is_an_object_and_ends_with_it() {
    let (pieces, vocabulary) = vocabulary();
    let compiled = vocabulary.compile(&Grammar::JsonObject).unwrap();
    for seed in 0..20 {
        let text = answer(&pieces, &compiled, &mut Random(seed)).unwrap();
        let read = serde_json::from_str::<Value>(&text);
        let object = read.as_ref().map_or_else(|error| error.to_string().contains("out of range"), Value::is_object);
        assert!(object, "{text}");
    }
    assert!(accepts(&compiled, "{}"));
    assert!(!accepts(&compiled, "[]"));
}
