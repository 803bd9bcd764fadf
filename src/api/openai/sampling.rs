//! Parameters that chat and completions share, from their fields to the scheduler's terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tern_scheduler::SamplingParams;

use crate::{error::ApiError, http::union::any_of};

/// Most stop strings; OpenAI takes four.
const MAX_STOPS: usize = 32;
/// Most answers of one request; more than that is a mistake, not a wish.
pub(crate) const MAX_N: u32 = 128;
/// Most alternatives a token.
pub(crate) const MAX_TOP_LOGPROBS: u32 = 20;

/// One string or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
pub enum Strings {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

any_of!(Strings { String, Vec<String> });

/// The sampling fields of a request, before they are checked.
#[derive(Debug, Default)]
pub(crate) struct SamplingFields {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i32>,
    pub min_p: Option<f64>,
    pub typical_p: Option<f64>,
    pub repeat_penalty: Option<f64>,
    pub repeat_last_n: Option<i32>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub logit_bias: Option<BTreeMap<String, f64>>,
    pub seed: Option<u64>,
}

/// The sampling fields of a request: of chat or of completions, whose types both have them. (Fields of one type
/// flattened into another would lose the path in serde's errors, hence twice.)
macro_rules! sampling_fields {
    ($request:expr) => {
        $crate::openai::sampling::SamplingFields {
            temperature: $request.temperature,
            top_p: $request.top_p,
            top_k: $request.top_k,
            min_p: $request.min_p,
            typical_p: $request.typical_p,
            repeat_penalty: $request.repeat_penalty,
            repeat_last_n: $request.repeat_last_n,
            presence_penalty: $request.presence_penalty,
            frequency_penalty: $request.frequency_penalty,
            logit_bias: $request.logit_bias.clone(),
            seed: $request.seed,
        }
    };
}

/// Samplers of llama.cpp that are not here, with their names: they are accepted, as scripts send them to be sure, and
/// named in `x-ignored-params`.
macro_rules! idle_samplers {
    ($request:expr) => {
        [
            ("mirostat", &$request.mirostat),
            ("dry_multiplier", &$request.dry_multiplier),
            ("xtc_probability", &$request.xtc_probability),
            ("dynatemp_range", &$request.dynatemp_range),
        ]
    };
}

pub(crate) use {idle_samplers, sampling_fields};

impl SamplingFields {
    /// Checks every range; the first field outside it is named.
    pub fn check(self, vocab_size: usize) -> Result<SamplingParams, ApiError> {
        let default = SamplingParams::default();
        Ok(SamplingParams {
            temperature: range("temperature", self.temperature, 0.0, 100.0, default.temperature)?,
            // llama.cpp's scripts say 0 or less for "all".
            top_k: self.top_k.unwrap_or(0).max(0) as u32,
            top_p: range("top_p", self.top_p, 0.0, 1.0, default.top_p)?,
            min_p: range("min_p", self.min_p, 0.0, 1.0, default.min_p)?,
            typical_p: range("typical_p", self.typical_p, 0.0, 1.0, default.typical_p)?,
            repeat_penalty: range("repeat_penalty", self.repeat_penalty, 0.01, 100.0, default.repeat_penalty)?,
            repeat_last_n: match self.repeat_last_n {
                Some(n) if n < -1 => {
                    return Err(ApiError::invalid(
                        "repeat_last_n",
                        format!("repeat_last_n is {n}; the least is -1, the whole context"),
                    ));
                }
                n => n.unwrap_or(default.repeat_last_n),
            },
            presence_penalty: range("presence_penalty", self.presence_penalty, -2.0, 2.0, 0.0)?,
            frequency_penalty: range("frequency_penalty", self.frequency_penalty, -2.0, 2.0, 0.0)?,
            logit_bias: logit_bias(self.logit_bias.unwrap_or_default(), vocab_size)?,
            seed: self.seed,
        })
    }
}

fn range(name: &str, value: Option<f64>, low: f64, high: f64, default: f32) -> Result<f32, ApiError> {
    match value {
        None => Ok(default),
        Some(value) if (low..=high).contains(&value) => Ok(value as f32),
        Some(value) => Err(ApiError::invalid(name, format!("{name} is {value}; the range is {low} to {high}"))),
    }
}

fn logit_bias(map: BTreeMap<String, f64>, vocab_size: usize) -> Result<Vec<(u32, f32)>, ApiError> {
    let one = |(key, bias): (String, f64)| {
        let param = format!("logit_bias.{key}");
        let token = key.trim().parse::<u32>().ok().filter(|&token| (token as usize) < vocab_size);
        let token = token.ok_or_else(|| {
            let message =
                format!("logit_bias: \"{key}\" is no token id of this model (0 to {})", vocab_size.saturating_sub(1));
            ApiError::invalid(&param, message)
        })?;
        Ok((token, range(&param, Some(bias), -100.0, 100.0, 0.0)?))
    };
    map.into_iter().map(one).collect()
}

/// The stop strings. Empty ones mean nothing and are left out.
pub(crate) fn stops(stop: Option<Strings>) -> Result<Vec<String>, ApiError> {
    let stops = match stop {
        None => Vec::new(),
        Some(Strings::One(stop)) => vec![stop],
        Some(Strings::Many(stops)) => stops,
    };
    if stops.len() > MAX_STOPS {
        let message = format!("stop has {} strings; the most is {MAX_STOPS}", stops.len());
        return Err(ApiError::invalid("stop", message));
    }
    Ok(stops.into_iter().filter(|stop| !stop.is_empty()).collect())
}

/// How many answers.
pub(crate) fn answers(n: Option<u32>) -> Result<u32, ApiError> {
    match n.unwrap_or(1) {
        n @ 1..=MAX_N => Ok(n),
        n => Err(ApiError::invalid("n", format!("n is {n}; the range is 1 to {MAX_N}"))),
    }
}

/// Names of the given parameters that are accepted and change nothing, for `x-ignored-params`.
pub(crate) fn ignored<'a>(fields: impl Iterator<Item = &'a (&'static str, &'a Option<Value>)>) -> Option<String> {
    let names: Vec<_> = fields.filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let check = |fields: SamplingFields| fields.check(100).unwrap_err().param;
        assert_eq!(check(SamplingFields { top_p: Some(1.5), ..Default::default() }).as_deref(), Some("top_p"));
        assert_eq!(
            check(SamplingFields { temperature: Some(-0.1), ..Default::default() }).as_deref(),
            Some("temperature")
        );
        let bias = |key: &str, value| Some(BTreeMap::from([(key.to_owned(), value)]));
        let param = check(SamplingFields { logit_bias: bias("100", 1.0), ..Default::default() });
        assert_eq!(param.as_deref(), Some("logit_bias.100"));
        assert!(check(SamplingFields { logit_bias: bias("1", 101.0), ..Default::default() }).is_some());
        assert!(SamplingFields { logit_bias: bias("99", -100.0), ..Default::default() }.check(100).is_ok());
    }
}
