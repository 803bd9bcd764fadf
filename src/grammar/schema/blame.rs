//! Which part of a schema llguidance refuses. It says what is wrong, not where: parts are compiled alone until the
//! smallest is found that fails for the same reason.

use serde_json::{Value, json};

use super::{DEFINITIONS, OPTIONS, join, parts};
use crate::GrammarError;

/// Parts compiled in search of the place, at most.
const MOST_TRIED: usize = 200;

/// Finds where `schema` (prepared) fails with `reason`; `compile` gives the reason why a schema is refused. Falls back
/// to the whole.
pub(crate) fn blame(schema: &Value, reason: &str, compile: &dyn Fn(&Value) -> Option<String>) -> GrammarError {
    let definitions = schema.get("$defs").cloned().unwrap_or_else(|| json!({}));
    let mut search = Search { definitions, reason, compile, tried: 0, seen: Vec::new() };
    let path = search.narrow(schema, String::new());
    GrammarError::at(path, plain(reason))
}

struct Search<'a> {
    definitions: Value,
    reason: &'a str,
    compile: &'a dyn Fn(&Value) -> Option<String>,
    tried: usize,
    /// References followed so far.
    seen: Vec<String>,
}

impl Search<'_> {
    fn narrow(&mut self, schema: &Value, path: String) -> String {
        let Value::Object(map) = schema else { return path };
        if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(DEFINITIONS))
            && !self.seen.iter().any(|seen| seen == name)
        {
            self.seen.push(name.to_owned());
            let target = self.definitions[name].clone();
            if self.fails(&target) {
                return self.narrow(&target, path);
            }
        }
        for (part, schema) in parts(map) {
            if self.tried < MOST_TRIED && self.fails(schema) {
                return self.narrow(schema, join(&path, &part));
            }
        }
        // The keyword that only a leaf has.
        let leaf = ["oneOf", "pattern", "format", "multipleOf", "patternProperties", "minProperties", "maxProperties"];
        let guilty = leaf.into_iter().find(|keyword| map.contains_key(*keyword) && self.reason_is_about(keyword));
        guilty.map_or(path.clone(), |keyword| join(&path, keyword))
    }

    fn reason_is_about(&self, keyword: &str) -> bool {
        match keyword {
            "oneOf" => self.reason.contains("oneOf"),
            "pattern" => self.reason.to_lowercase().contains("regex") && !self.reason.contains("patternProperty"),
            "patternProperties" => self.reason.contains("patternProperty"),
            "minProperties" | "maxProperties" => self.reason.contains("Properties"),
            other => self.reason.contains(other),
        }
    }

    fn fails(&mut self, schema: &Value) -> bool {
        self.tried += 1;
        let mut whole = match schema {
            Value::Object(map) => map.clone(),
            _ => return false,
        };
        whole.insert("$defs".into(), self.definitions.clone());
        whole.remove(OPTIONS);
        (self.compile)(&Value::Object(whole)).is_some_and(|reason| reason == self.reason)
    }
}

/// What llguidance says, in words that help.
fn plain(reason: &str) -> String {
    if reason.contains("oneOf constraints are not supported") {
        return "alternatives of this oneOf may overlap, which cannot be enforced; use anyOf, or give every alternative a required \
            property with a const of its own"
            .into();
    }
    if reason.contains("circular references with sibling keys") {
        return "a recursive $ref with other keywords beside it cannot be enforced; put them into the schema it refers to".into();
    }
    match reason.strip_prefix("Unsatisfiable schema: ") {
        Some(why) => format!("no value satisfies this schema: {why}"),
        None => reason.to_owned(),
    }
}
