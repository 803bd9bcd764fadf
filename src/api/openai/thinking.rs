//! How much a model is to think, in the shapes that clients say it.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tern_chat::{Thinking, template_thinks};
use tern_registry::ModelStatus;

use super::chat_types::ChatRequest;
use crate::{error::ApiError, http::lenient};

/// How much the model thinks before it answers, in one object.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct ReasoningOptions {
    /// As `reasoning_effort`.
    #[oai(nullable)]
    pub effort: Option<String>,
    /// As `thinking_budget`.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub max_tokens: Option<i32>,
    /// Whether it thinks at all.
    #[oai(nullable)]
    pub enabled: Option<bool>,
}

/// Whether a model thinks before it answers: where it does not, saying how much changes nothing.
pub(crate) fn thinks(model: &ModelStatus) -> bool {
    model.entry.info.chat_template.as_deref().is_some_and(template_thinks)
}

/// What `request` says about thinking. A budget wins over a level of effort, and `reasoning` is looked at last.
///
/// # Errors
/// 400 for a level that is not known.
pub(crate) fn thinking(request: &ChatRequest) -> Result<Thinking, ApiError> {
    let options = request.reasoning.clone().unwrap_or_default();
    let effort = match &request.reasoning_effort {
        None | Some(Value::Null) => options.effort.as_deref().map(|effort| ("reasoning.effort", Some(effort))),
        Some(effort) => Some(("reasoning_effort", effort.as_str())),
    };
    let mut thinking = match effort {
        None => Thinking::default(),
        Some((param, effort)) => effort.and_then(Thinking::of_effort).ok_or_else(|| {
            let known = Thinking::EFFORTS.join(", ");
            ApiError::invalid(param, format!("{param} is not known; there are {known}"))
        })?,
    };
    let budget = request.thinking_budget.or(options.max_tokens);
    if let Some(budget) = budget {
        // llama.cpp's -1 is no bound.
        thinking = Thinking { enabled: Some(budget != 0), budget: u32::try_from(budget).ok() };
    }
    let kwargs = request.chat_template_kwargs.as_ref();
    let switch = |name: &str| kwargs.and_then(|kwargs| kwargs.get(name)).and_then(Value::as_bool);
    let enabled = switch("enable_thinking").or(switch("thinking")).or(options.enabled);
    Ok(Thinking { enabled: enabled.or(thinking.enabled), ..thinking })
}

/// The level of effort for the template, in the three words that templates know where they know any.
pub(crate) fn effort(request: &ChatRequest) -> Option<&'static str> {
    let options = request.reasoning.as_ref().and_then(|options| options.effort.as_deref());
    match request.reasoning_effort.as_ref().and_then(Value::as_str).or(options)? {
        "none" => Some("none"),
        "minimal" | "low" => Some("low"),
        "medium" => Some("medium"),
        "high" | "xhigh" => Some("high"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn effort_budget_and_switches_are_read() {
        let read = |request: Value| thinking(&serde_json::from_value(request).unwrap());
        let on = |budget| Thinking { enabled: Some(true), budget };
        let off = Thinking { enabled: Some(false), budget: Some(0) };
        for (request, expected) in [
            (json!({}), Thinking::default()),
            (json!({"reasoning_effort": "none"}), off),
            (json!({"reasoning_effort": "low"}), on(Some(1024))),
            (json!({"reasoning_effort": "xhigh"}), on(None)),
            (json!({"reasoning_effort": "low", "thinking_budget": 7}), on(Some(7))),
            (json!({"reasoning_budget": 0}), off),
            (json!({"reasoning_budget": -1}), on(None)),
            (json!({"reasoning": {"max_tokens": 9}}), on(Some(9))),
            (json!({"reasoning": {"effort": "medium"}}), on(Some(4096))),
            (json!({"reasoning": {"enabled": false}}), Thinking { enabled: Some(false), budget: None }),
            (
                json!({"chat_template_kwargs": {"enable_thinking": false}}),
                Thinking { enabled: Some(false), budget: None },
            ),
        ] {
            assert_eq!(read(request.clone()).unwrap(), expected, "{request}");
        }
        for (request, param) in [
            (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
            (json!({"reasoning_effort": 3}), "reasoning_effort"),
            (json!({"reasoning": {"effort": "huge"}}), "reasoning.effort"),
        ] {
            assert_eq!(read(request).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
