//! What cannot be enforced is refused, by its path.

use serde_json::{Value, json};
use tern_grammar::{Grammar, check};

fn refused(schema: Value, path: &str, message: &str) {
    let error = check(&Grammar::JsonSchema(schema.clone())).expect_err(&schema.to_string());
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(message), "{error}");
}

fn property(schema: Value) -> Value {
    json!({ "type": "object", "properties": { "age": schema }, "required": ["age"], "additionalProperties": false })
}

#[test]
fn keywords_that_cannot_be_enforced_are_named_by_their_path() {
    for keyword in
        ["not", "if", "uniqueItems", "contains", "dependentRequired", "propertyNames", "unevaluatedProperties"]
    {
        let value = if keyword == "uniqueItems" { json!(true) } else { json!({ "x": ["y"] }) };
        refused(property(json!({ keyword: value })), &format!("properties.age.{keyword}"), "cannot be enforced");
    }
    refused(property(json!({ "type": "string", "minlength": 3 })), "properties.age.minlength", "not a keyword");
    refused(
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "not": {} } }] }),
        "anyOf[1].items.not",
        "not cannot",
    );
    refused(
        json!({ "$ref": "#/$defs/a", "$defs": { "a": property(json!({ "not": {} })) } }),
        "$defs.a.properties.age.not",
        "not",
    );
}

#[test]
fn what_limits_nothing_passes() {
    for schema in [
        json!({ "type": "string", "x-order": 1, "title": "t", "description": "d", "default": "x", "examples": ["x"], "$comment": "c",
            "deprecated": true, "readOnly": true, "writeOnly": false }),
        json!({ "type": "array", "items": { "type": "integer" }, "uniqueItems": false }),
        json!({ "$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/a", "type": "object" }),
        json!({ "type": "object", "properties": { "a": { "$id": "#/properties/a", "type": "string" } } }),
        json!({ "type": "object", "properties": { "not": { "type": "string" }, "if": { "type": "string" } } }),
        json!({ "type": "integer", "$defs": { "unused": { "not": {} } } }),
        json!({}),
        json!(true),
    ] {
        check(&Grammar::JsonSchema(schema.clone())).unwrap_or_else(|error| panic!("{error}: {schema}"));
    }
}

#[test]
fn wrong_values_are_named_with_what_is_allowed() {
    refused(property(json!({ "type": "text" })), "properties.age.type", "null, boolean, number");
    refused(property(json!({ "enum": [] })), "properties.age.enum", "1 to 10000");
    refused(property(json!({ "enum": [1, 9_007_199_254_740_993_i64] })), "properties.age.enum[1]", "2^53");
    refused(property(json!({ "minLength": -1 })), "properties.age.minLength", "from 0 to");
    refused(property(json!({ "minimum": "1" })), "properties.age.minimum", "a number");
    refused(property(json!({ "multipleOf": 0 })), "properties.age.multipleOf", "above 0");
    refused(property(json!({ "format": "colour" })), "properties.age.format", "date-time");
    refused(property(json!({ "$ref": "https://example.com/x" })), "properties.age.$ref", "in this schema");
    refused(property(json!({ "$ref": "#/$defs/none" })), "properties.age.$ref", "nothing at this place");
    refused(property(json!("string")), "properties.age", "must be an object");
    refused(property(json!({ "required": true })), "properties.age.required", "an array of names");
    refused(json!({ "type": "object", "minProperties": 3 }), "minProperties", "up to one more");
}

#[test]
fn what_llguidance_refuses_is_found() {
    refused(property(json!({ "type": "string", "pattern": "(?=x)a" })), "properties.age.pattern", "look-around");
    refused(
        property(json!({ "oneOf": [{ "type": "string", "pattern": "a" }, { "type": "string", "pattern": "b" }] })),
        "properties.age.oneOf",
        "may overlap",
    );
    refused(
        json!({ "type": "object", "patternProperties": { "^a": { "type": "string" }, "b$": { "type": "integer" } } }),
        "patternProperties",
        "disjoint",
    );
}

#[test]
fn a_schema_that_nothing_satisfies_is_refused() {
    refused(json!(false), "", "no value");
    refused(property(json!({ "type": "integer", "minimum": 3, "maximum": 2 })), "properties.age", "");
    refused(property(json!({ "type": "string", "enum": [1, 2] })), "properties.age", "");
    refused(property(json!({ "type": "string", "minLength": 3, "maxLength": 2 })), "properties.age", "minLength");
    refused(json!({ "type": "array", "items": false, "minItems": 1 }), "", "");
}

#[test]
fn what_could_never_end_is_refused() {
    refused(json!({ "$ref": "#" }), "", "none could end");
    refused(
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        "$defs.a",
        "none could end",
    );
    refused(
        json!({ "type": "object", "properties": { "a": { "$ref": "#" } }, "required": ["a"] }),
        "",
        "none could end",
    );
    refused(
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/list" } },
            "$defs": { "list": { "type": "array", "items": { "$ref": "#/$defs/list" }, "minItems": 1 } } }),
        "$defs.list",
        "none could end",
    );
}
