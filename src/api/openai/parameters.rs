//! Which parameters are honoured. One table: `GET /v1/models/{model}` lists them from it, and `x-ignored-params` names
//! from it what a request said in vain, so that the two cannot disagree.
//!
//! Fields that are not here (of clients, of the future) are ignored without a word: nobody expects them to do anything
//! here.

use tern_engine::Capability;

use crate::http::body::Given;

/// Endpoints whose requests have parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
}

use Endpoint::{Chat, Completions, Embeddings};

/// Parameters that are honoured, and where.
const HONOURED: &[(&str, &[Endpoint])] = &[
    ("best_of", &[Completions]),
    ("cache_prompt", &[Chat, Completions]),
    ("chat_template_kwargs", &[Chat]),
    ("continue_final_message", &[Chat]),
    ("dimensions", &[Embeddings]),
    ("echo", &[Completions]),
    ("encoding_format", &[Embeddings]),
    ("frequency_penalty", &[Chat, Completions]),
    ("function_call", &[Chat]),
    ("functions", &[Chat]),
    ("grammar", &[Chat, Completions]),
    ("guided_choice", &[Chat, Completions]),
    ("guided_grammar", &[Chat, Completions]),
    ("guided_json", &[Chat, Completions]),
    ("guided_regex", &[Chat, Completions]),
    ("ignore_eos", &[Chat, Completions]),
    ("input", &[Embeddings]),
    ("json_schema", &[Chat, Completions]),
    ("logit_bias", &[Chat, Completions]),
    ("logprobs", &[Chat, Completions]),
    ("max_completion_tokens", &[Chat]),
    ("max_tokens", &[Chat, Completions]),
    ("messages", &[Chat]),
    ("min_p", &[Chat, Completions]),
    ("model", &[Chat, Completions, Embeddings]),
    ("n", &[Chat, Completions]),
    ("n_predict", &[Chat, Completions]),
    ("parallel_tool_calls", &[Chat]),
    ("presence_penalty", &[Chat, Completions]),
    ("prompt", &[Completions]),
    ("reasoning", &[Chat]),
    ("reasoning_effort", &[Chat]),
    ("regex", &[Chat, Completions]),
    ("repeat_last_n", &[Chat, Completions]),
    ("repeat_penalty", &[Chat, Completions]),
    ("repetition_penalty", &[Chat, Completions]),
    ("response_format", &[Chat, Completions]),
    ("return_progress", &[Chat]),
    ("seed", &[Chat, Completions]),
    ("stop", &[Chat, Completions]),
    ("stream", &[Chat, Completions]),
    ("stream_options", &[Chat, Completions]),
    ("structured_outputs", &[Chat, Completions]),
    ("temperature", &[Chat, Completions]),
    ("thinking_budget", &[Chat]),
    ("timings_per_token", &[Chat]),
    ("tool_choice", &[Chat]),
    ("tools", &[Chat]),
    ("top_k", &[Chat, Completions]),
    ("top_logprobs", &[Chat]),
    ("top_p", &[Chat, Completions]),
    ("truncation", &[Chat]),
    ("typical_p", &[Chat, Completions]),
];

/// Parameters that are refused where they would change an answer, and taken where they say nothing (`modalities:
/// ["text"]`): an answer without a header has not passed them over.
const REFUSED: &[(&str, &[Endpoint])] = &[("audio", &[Chat]), ("modalities", &[Chat]), ("suffix", &[Completions])];

/// Honoured by models that think, and of no effect on others.
pub(crate) const OF_THINKING: [&str; 3] = ["reasoning", "reasoning_effort", "thinking_budget"];

/// Parameters of OpenAI, llama.cpp and vLLM that are accepted and change nothing.
const IGNORED: &[&str] = &[
    // OpenAI
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
    "web_search_options",
    // llama.cpp
    "dry_allowed_length",
    "dry_base",
    "dry_multiplier",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "dynatemp_exponent",
    "dynatemp_range",
    "id_slot",
    "lora",
    "min_keep",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "n_discard",
    "n_indent",
    "n_keep",
    "n_probs",
    "penalize_nl",
    "post_sampling_probs",
    "reasoning_format",
    "response_fields",
    "samplers",
    "t_max_predict_ms",
    "tfs_z",
    "top_n_sigma",
    "xtc_probability",
    "xtc_threshold",
    // vLLM
    "add_generation_prompt",
    "add_special_tokens",
    "allowed_token_ids",
    "bad_words",
    "cache_salt",
    "chat_template",
    "documents",
    "guided_decoding_backend",
    "guided_whitespace_pattern",
    "include_reasoning",
    "include_stop_str_in_output",
    "kv_transfer_params",
    "length_penalty",
    "logits_processors",
    "min_tokens",
    "mm_processor_kwargs",
    "priority",
    "prompt_logprobs",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "stop_token_ids",
    "top_a",
    "truncate_prompt_tokens",
    "use_beam_search",
];

fn listed(table: &'static [(&'static str, &'static [Endpoint])], name: &str) -> Option<&'static [Endpoint]> {
    table.iter().find(|(listed, _)| *listed == name).map(|(_, endpoints)| *endpoints)
}

/// Whether a parameter is known at all.
fn is_known(name: &str) -> bool {
    listed(HONOURED, name).is_some() || listed(REFUSED, name).is_some() || IGNORED.contains(&name)
}

/// Whether an endpoint passes over a parameter that means something elsewhere.
fn is_ignored(endpoint: Endpoint, name: &str) -> bool {
    let at = |table| listed(table, name).is_some_and(|endpoints| endpoints.contains(&endpoint));
    is_known(name) && !at(HONOURED) && !at(REFUSED)
}

/// Names of the parameters of a request that change nothing, for `x-ignored-params`. `in_vain` are some that do not
/// with the model asked.
pub(crate) fn ignored(endpoint: Endpoint, given: &Given, in_vain: &[&str]) -> Option<String> {
    let names = given.names().filter(|name| in_vain.contains(name) || is_ignored(endpoint, name));
    named(&names.collect::<Vec<_>>())
}

/// Names as `x-ignored-params` has them; without any there is no header.
pub(crate) fn named(names: &[impl AsRef<str>]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What a model that can do this honours, and what it accepts and passes over.
pub(crate) fn of_model(capabilities: &[Capability]) -> (Vec<String>, Vec<String>) {
    let endpoints: Vec<Endpoint> = capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Chat => Some(Chat),
            Capability::Completion => Some(Completions),
            Capability::Embedding => Some(Embeddings),
            _ => None,
        })
        .collect();
    let honours = |name: &str| {
        let at = listed(HONOURED, name).unwrap_or_default();
        endpoints.iter().any(|endpoint| at.contains(endpoint))
    };
    // Of no use to a model that none of these endpoints asks.
    if endpoints.is_empty() {
        return Default::default();
    }
    let names = HONOURED.iter().map(|(name, _)| *name);
    let supported = names.clone().filter(|name| honours(name)).map(str::to_owned).collect();
    let everywhere = |name: &&str| endpoints.iter().all(|endpoint| is_ignored(*endpoint, name));
    let mut ignored: Vec<String> = names.chain(IGNORED.iter().copied()).filter(everywhere).map(str::to_owned).collect();
    ignored.sort();
    (supported, ignored)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn fields(schema: &str) -> Vec<String> {
        let description: Value = serde_json::from_str(&crate::openapi_json()).unwrap();
        let properties = description["components"]["schemas"][schema]["properties"].clone();
        properties.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn no_name_stands_twice() {
        let names = HONOURED.iter().map(|(name, _)| *name);
        let refused = REFUSED.iter().map(|(name, _)| *name);
        let mut seen = BTreeSet::new();
        for name in names.chain(refused).chain(IGNORED.iter().copied()) {
            assert!(seen.insert(name), "{name} stands twice");
        }
    }

    #[test]
    fn every_field_of_a_request_is_known_and_every_honoured_parameter_is_a_field() {
        for (schema, endpoint) in
            [("ChatRequest", Chat), ("CompletionRequest", Completions), ("EmbeddingRequest", Embeddings)]
        {
            let fields = fields(schema);
            for field in &fields {
                assert!(is_known(field), "{schema}.{field} is in no list");
            }
            let aliases = ["n_predict", "repetition_penalty"];
            for (name, at) in HONOURED.iter().chain(REFUSED).filter(|(name, _)| !aliases.contains(name)) {
                let is_field = fields.iter().any(|field| field == name);
                assert!(
                    !at.contains(&endpoint) || is_field,
                    "{schema} has no field {name}, which it is said to honour"
                );
            }
        }
    }

    #[test]
    fn what_a_model_honours_depends_on_what_it_can_do() {
        let (supported, ignored) = of_model(&[Capability::Chat, Capability::Completion]);
        let has = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
        assert!(has(&supported, "top_k") && has(&supported, "echo") && !has(&supported, "dimensions"));
        assert!(has(&ignored, "mirostat") && has(&ignored, "dimensions") && !has(&ignored, "echo"));
        assert!(has(&supported, "tools"));
        assert!(!has(&supported, "suffix") && !has(&ignored, "suffix"), "what is refused is in neither list");
        let (supported, ignored) = of_model(&[Capability::Embedding]);
        assert!(has(&supported, "dimensions") && has(&ignored, "temperature"));
        assert_eq!(of_model(&[Capability::Ocr]), (Vec::new(), Vec::new()));
    }
}
