//! Parameters of an answer under their API names: from JSON to the scheduler's terms.

use serde_json::{Map, Value};
use tern_scheduler::SamplingParams;

use crate::Generation;

/// Most stop strings.
const MAX_STOPS: usize = 32;

/// What the parameters of an answer mean.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// How it is generated.
    pub generation: Generation,
    /// Variables for the template.
    pub template_kwargs: Map<String, Value>,
}

/// A value that is out of its range, or of another kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {shown}; expected {allowed}")]
pub struct WrongParameter {
    /// The parameter.
    pub name: String,
    /// Its value, shortened.
    pub shown: String,
    /// What it may be.
    pub allowed: String,
}

/// `over` laid over `under`, field by field. Null is as absent.
pub fn merge(under: &Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = under.clone();
    merged.extend(over.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    merged.retain(|_, value| !value.is_null());
    merged
}

/// Checks every value and translates; names that mean nothing are passed over.
///
/// # Errors
/// The first parameter with a value out of its range or of another kind.
pub fn read(parameters: &Map<String, Value>) -> Result<Checked, WrongParameter> {
    let fields = Fields(parameters);
    let default = SamplingParams::default();
    let sampling = SamplingParams {
        temperature: fields.number("temperature", 0.0, 100.0, default.temperature)?,
        top_p: fields.number("top_p", 0.0, 1.0, default.top_p)?,
        // llama.cpp's scripts say 0 or less for "all".
        top_k: fields.integer("top_k", i64::from(i32::MIN), i64::from(i32::MAX))?.unwrap_or(0).max(0) as u32,
        min_p: fields.number("min_p", 0.0, 1.0, default.min_p)?,
        presence_penalty: fields.number("presence_penalty", -2.0, 2.0, 0.0)?,
        frequency_penalty: fields.number("frequency_penalty", -2.0, 2.0, 0.0)?,
        repeat_penalty: fields.number("repeat_penalty", 0.01, 100.0, default.repeat_penalty)?,
        seed: fields.seed()?,
        ..default
    };
    let max_tokens = fields.integer("max_tokens", 1, i64::from(u32::MAX))?.map(|n| n as u32);
    let generation = Generation { sampling, max_tokens, stop: fields.stop()?, ..Generation::default() };
    let template_kwargs = match fields.get("chat_template_kwargs") {
        None => Map::new(),
        Some(Value::Object(kwargs)) => kwargs.clone(),
        Some(other) => return Err(wrong("chat_template_kwargs", other, "an object")),
    };
    Ok(Checked { generation, template_kwargs })
}

fn wrong(name: &str, value: &Value, allowed: &str) -> WrongParameter {
    let mut shown: String = value.to_string().chars().take(60).collect();
    if shown.len() < value.to_string().len() {
        shown.push('…');
    }
    WrongParameter { name: name.to_owned(), shown, allowed: allowed.to_owned() }
}

struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn number(&self, name: &str, low: f64, high: f64, default: f32) -> Result<f32, WrongParameter> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let fits = value.as_f64().filter(|number| (low..=high).contains(number));
        fits.map(|number| number as f32).ok_or_else(|| wrong(name, value, &format!("a number from {low} to {high}")))
    }

    fn integer(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>, WrongParameter> {
        let Some(value) = self.get(name) else { return Ok(None) };
        // Clients send 16.0 for 16.
        let whole = value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64);
        let fits = value.as_i64().or(whole).filter(|number| (low..=high).contains(number));
        fits.map(Some).ok_or_else(|| wrong(name, value, &format!("an integer from {low} to {high}")))
    }

    /// Any integer; its low 64 bits count, so that -1 and 2^64-1 are the same seed.
    fn seed(&self) -> Result<Option<u64>, WrongParameter> {
        let Some(value) = self.get("seed") else { return Ok(None) };
        let whole = value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64 as u64);
        let seed = value.as_u64().or(value.as_i64().map(|n| n as u64)).or(whole);
        seed.map(Some).ok_or_else(|| wrong("seed", value, "an integer of at most 64 bits"))
    }

    /// Empty ones mean nothing and are left out.
    fn stop(&self) -> Result<Vec<String>, WrongParameter> {
        const ALLOWED: &str = "a string or an array of at most 32 strings";
        let Some(value) = self.get("stop") else { return Ok(Vec::new()) };
        let stops: Option<Vec<String>> = match value {
            Value::String(stop) => Some(vec![stop.clone()]),
            Value::Array(items) if items.len() <= MAX_STOPS => {
                items.iter().map(|item| item.as_str().map(ToOwned::to_owned)).collect()
            }
            _ => None,
        };
        let stops = stops.ok_or_else(|| wrong("stop", value, ALLOWED))?;
        Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn values_become_what_the_scheduler_wants() {
        let parameters = json!({"temperature": 0, "top_k": 40.0, "max_tokens": 100, "seed": -1, "stop": ["", "x"],
            "min_p": null, "chat_template_kwargs": {"enable_thinking": false}, "unknown": [1]});
        let checked = read(&map(parameters)).unwrap();
        let Generation { sampling, max_tokens, stop, .. } = checked.generation;
        assert_eq!((sampling.temperature, sampling.top_k, sampling.seed), (0.0, 40, Some(u64::MAX)));
        assert_eq!((max_tokens, stop), (Some(100), vec!["x".to_owned()]));
        assert_eq!(checked.template_kwargs["enable_thinking"], false);
        assert_eq!(read(&Map::new()).unwrap().generation.sampling, SamplingParams::default());
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in [
            ("temperature", json!(-0.1)),
            ("temperature", json!("hot")),
            ("top_p", json!(1.5)),
            ("max_tokens", json!(0)),
            ("max_tokens", json!(1.5)),
            ("max_tokens", json!(1e300)),
            ("seed", json!(1e300)),
            ("seed", json!("x".repeat(5000))),
            ("stop", json!([1])),
            ("stop", json!(vec!["x"; 33])),
            ("repeat_penalty", json!(0)),
            ("chat_template_kwargs", json!([])),
        ] {
            let error = read(&map(json!({name: value}))).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().len() < 300, "{error}");
        }
    }

    #[test]
    fn what_is_given_wins_field_by_field_and_null_is_as_absent() {
        let merged = merge(&map(json!({"temperature": 0.2, "seed": 1})), &map(json!({"seed": 2, "temperature": null})));
        assert_eq!(Value::Object(merged), json!({"temperature": 0.2, "seed": 2}));
    }
}
