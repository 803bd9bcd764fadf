//! Which keywords of JSON Schema mean what to us.

/// The types of JSON.
pub(super) const TYPES: [&str; 7] = ["null", "boolean", "number", "integer", "string", "array", "object"];

/// Formats of strings that are enforced.
pub(super) const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"];

/// Keywords that say something about a value without limiting it, of JSON Schema itself and of what is widely written
/// beside it.
pub(super) const ANNOTATIONS: [&str; 34] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "enumDescriptions",
    "enumNames",
    "errorMessage",
    "example",
    "examples",
    "externalDocs",
    "id",
    "markdownDescription",
    "markdownEnumDescriptions",
    "name",
    "order",
    "propertyOrdering",
    "readOnly",
    "strict",
    "title",
    "tsType",
    "ui",
    "writeOnly",
    "xml",
    "$dynamicAnchor",
];

/// Keywords of JSON Schema that cannot be enforced, and what can be written instead.
pub(super) const UNENFORCEABLE: [(&str, &str); 18] = [
    ("not", "say what is allowed, with enum, type or anyOf"),
    ("if", "use anyOf with one alternative for each case"),
    ("then", "use anyOf with one alternative for each case"),
    ("else", "use anyOf with one alternative for each case"),
    ("dependentRequired", "use anyOf with one alternative for each case"),
    ("dependentSchemas", "use anyOf with one alternative for each case"),
    ("dependencies", "use anyOf with one alternative for each case"),
    ("uniqueItems", "leave it out and check the answer"),
    ("contains", "leave it out and check the answer"),
    ("minContains", "leave it out and check the answer"),
    ("maxContains", "leave it out and check the answer"),
    ("propertyNames", "use patternProperties with additionalProperties: false"),
    ("unevaluatedProperties", "use additionalProperties"),
    ("unevaluatedItems", "use items"),
    ("$dynamicRef", "use $ref"),
    ("$recursiveRef", "use $ref"),
    ("$recursiveAnchor", "use $ref"),
    ("divisibleBy", "use multipleOf"),
];

/// Whether a keyword with this value limits nothing, though with another it would.
pub(super) fn limits_nothing(keyword: &str, value: &serde_json::Value) -> bool {
    match keyword {
        "uniqueItems" | "nullable" | "$recursiveAnchor" => value == false,
        "unevaluatedProperties" | "unevaluatedItems" | "propertyNames" => value == true,
        "dependentRequired" | "dependentSchemas" | "dependencies" => {
            value.as_object().is_some_and(serde_json::Map::is_empty)
        }
        _ => false,
    }
}
