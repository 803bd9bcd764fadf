//! Whether an answer is as it must be.

use jsonschema::{PatternOptions, Validator};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{Assertion, AssertionKind};

/// Largest compiled regular expression, in bytes. Matching takes time in proportion to the text whatever the expression
/// is; only its size must be bounded.
const REGEX_BYTES: usize = 1 << 20;
/// Longest value, in bytes.
const MAX_VALUE: usize = 10_000;

/// What came of an assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Verdict {
    /// It holds, or not.
    Known(bool),
    /// It could not be looked at: why.
    Unknown(String),
}

/// An assertion that can be asked.
pub(crate) enum Check {
    Contains(String),
    NotContains(String),
    Equals(String),
    Regex(Regex),
    Json,
    Schema(Box<Validator>),
}

impl Check {
    /// # Errors
    /// A sentence for the user about the value.
    pub fn new(assertion: &Assertion) -> Result<Self, String> {
        if assertion.kind == AssertionKind::Json {
            return Ok(Self::Json);
        }
        let value = assertion.value.clone().unwrap_or_default();
        if value.len() > MAX_VALUE {
            return Err(format!("{} bytes; the most is {MAX_VALUE}", value.len()));
        }
        if value.is_empty() && assertion.kind != AssertionKind::Equals {
            return Err("it is missing or empty".to_owned());
        }
        Ok(match assertion.kind {
            AssertionKind::Contains => Self::Contains(value),
            AssertionKind::NotContains => Self::NotContains(value),
            AssertionKind::Equals => Self::Equals(value.trim().to_owned()),
            AssertionKind::Regex => {
                let regex = RegexBuilder::new(&value).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).build();
                Self::Regex(regex.map_err(|error| format!("this is no regular expression we can use: {error}"))?)
            }
            AssertionKind::Json => Self::Json,
            AssertionKind::Schema => Self::Schema(Box::new(validator(&value)?)),
        })
    }

    /// Whether it holds for this text.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Contains(value) => text.contains(value.as_str()),
            Self::NotContains(value) => !text.contains(value.as_str()),
            Self::Equals(value) => text.trim() == value,
            Self::Regex(regex) => regex.is_match(text),
            Self::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
            Self::Schema(validator) => serde_json::from_str(text).is_ok_and(|value| validator.is_valid(&value)),
        }
    }
}

/// The schema, ready to be asked. Patterns are matched in linear time; nothing is fetched, so that a `$ref` can only lead into the
/// schema itself.
fn validator(schema: &str) -> Result<Validator, String> {
    let schema: serde_json::Value =
        serde_json::from_str(schema).map_err(|error| format!("this is no JSON, so it is no schema: {error}"))?;
    let patterns = PatternOptions::regex().size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES);
    let validator = jsonschema::options().with_pattern_options(patterns).build(&schema);
    validator.map_err(|error| match error.instance_path().as_str() {
        "" => format!("this is no JSON schema: {error}"),
        place => format!("this is no JSON schema: {place}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(kind: AssertionKind, value: &str, text: &str) -> bool {
        Check::new(&Assertion { kind, value: Some(value.into()) }).unwrap().holds(text)
    }

    #[test]
    fn each_kind_looks_at_the_text_its_own_way() {
        use AssertionKind::*;
        assert!(holds(Contains, "b c", "a b c") && !holds(Contains, "B", "a b c"));
        assert!(holds(NotContains, "x", "abc") && !holds(NotContains, "b", "abc"));
        assert!(holds(Equals, " four\n", "four ") && !holds(Equals, "four", "four."));
        assert!(holds(Regex, r"^\d{2}$", "42") && !holds(Regex, r"^\d{2}$", "421"));
        assert!(holds(Json, "", " {\"a\": [1, null]}\n") && holds(Json, "", "3"));
        assert!(
            !holds(Json, "", "{\"a\": 1} and more") && !holds(Json, "", "```json\n{}\n```") && !holds(Json, "", "")
        );
    }

    #[test]
    fn a_schema_says_what_the_json_must_be_and_a_wrong_one_is_refused_with_its_place() {
        let schema = r##"{"type": "object", "required": ["city"], "additionalProperties": false,
            "properties": {"city": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"type": "string", "pattern": "^[A-Z]"}}}"##;
        assert!(holds(AssertionKind::Schema, schema, " {\"city\": \"Zurich\"} "));
        for wrong in
            ["{\"city\": \"zurich\"}", "{}", "{\"city\": \"Zurich\", \"a\": 1}", "{\"city\": \"Zurich\"} or so", ""]
        {
            assert!(!holds(AssertionKind::Schema, schema, wrong), "{wrong}");
        }
        let refused = |schema: &str| {
            let assertion = Assertion { kind: AssertionKind::Schema, value: Some(schema.into()) };
            Check::new(&assertion).err().expect("it is no schema that can be used")
        };
        assert!(refused("{type: object}").contains("no JSON"));
        assert!(refused(r#"{"properties": {"a": {"type": "strnig"}}}"#).contains("/properties/a/type"));
        assert!(refused(r#"{"$ref": "http://127.0.0.1:1/schema.json"}"#).contains("schema.json"));
        assert!(!refused(r#"{"type": "string", "pattern": "(a"}"#).is_empty());
    }

    #[test]
    fn a_regular_expression_that_would_be_huge_is_refused() {
        let check = |value: &str| Check::new(&Assertion { kind: AssertionKind::Regex, value: Some(value.into()) });
        assert!(check(r"(\pL{500}){500}").err().unwrap().contains("size"));
        assert!(check(&"x".repeat(MAX_VALUE + 1)).is_err());
        assert!(check("").is_err());
        // What makes a backtracking matcher hang is no danger here.
        assert!(!check("(a+)+$").unwrap().holds(&("a".repeat(100_000) + "b")));
    }
}
