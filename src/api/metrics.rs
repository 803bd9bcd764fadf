//! The figures of `/metrics`, in Prometheus' text format. Rendered from one snapshot of every loaded model; the names
//! and units are listed here and nowhere else.

use std::fmt::Write;

use tern_registry::{Registry, machine};
use tern_scheduler::{Histogram, Stats};

use crate::keys::KeyUse;

/// Name, help text and value of a figure.
type Figure = (&'static str, &'static str, fn(&Stats) -> f64);

const GAUGES: [Figure; 6] = [
    ("tern_requests_waiting", "Requests in the queue.", |s| s.waiting as f64),
    ("tern_requests_running", "Answers being computed.", |s| s.running as f64),
    ("tern_kv_cells", "Tokens the KV cache can hold.", |s| s.kv_cells.into()),
    ("tern_kv_cells_used", "Tokens in the KV cache, kept ones included.", |s| s.kv_cells_used.into()),
    ("tern_kv_cells_cached", "Tokens kept in the KV cache for reuse only.", |s| s.kv_cells_cached.into()),
    ("tern_kv_saved_bytes", "Memory of conversations kept outside the KV cache (--cache-ram).", |s| {
        s.saved_bytes as f64
    }),
];

const COUNTERS: [Figure; 12] = [
    ("tern_requests_total", "Requests accepted.", |s| s.requests as f64),
    ("tern_requests_completed_total", "Requests answered to their end.", |s| s.completed as f64),
    ("tern_requests_cancelled_total", "Requests whose client went away.", |s| s.cancelled as f64),
    ("tern_requests_failed_total", "Requests that failed.", |s| s.failed as f64),
    ("tern_requests_refused_total", "Requests refused because the queue was full.", |s| s.refused as f64),
    ("tern_prefill_tokens_total", "Prompt tokens computed.", |s| s.prompt_tokens_computed as f64),
    ("tern_prefill_tokens_cached_total", "Prompt tokens taken from the KV cache.", |s| s.prompt_tokens_cached as f64),
    ("tern_decode_tokens_total", "Tokens generated.", |s| s.generated_tokens as f64),
    ("tern_steps_total", "Forward passes.", |s| s.steps as f64),
    ("tern_split_rounds_total", "Decode rounds run in parts because that is faster.", |s| s.split_rounds as f64),
    ("tern_preemptions_total", "Answers set aside because the KV cells did not suffice.", |s| s.preemptions as f64),
    ("tern_evictions_total", "Kept sequences given up because their place was needed.", |s| s.evictions as f64),
];

/// Name, help text and value of a histogram.
type Times = (&'static str, &'static str, fn(&Stats) -> &Histogram);

const HISTOGRAMS: [Times; 4] = [
    ("tern_time_to_first_token_seconds", "From the request to its first token.", |s| &s.time_to_first_token),
    ("tern_inter_token_seconds", "Between two tokens of an answer.", |s| &s.inter_token),
    ("tern_queue_seconds", "From the request to leaving the queue.", |s| &s.queue_time),
    ("tern_request_seconds", "From the request to the end of its answer.", |s| &s.request_time),
];

/// What was used with a key: name, help text and value of a figure.
type OfKey = (&'static str, &'static str, fn(&KeyUse) -> u64);

const KEYS: [OfKey; 4] = [
    ("tern_key_requests_total", "Requests to models that were let in, by key.", |k| k.requests),
    ("tern_key_requests_refused_total", "Requests to models beyond a limit of their key.", |k| k.refused),
    ("tern_key_prompt_tokens_total", "Tokens of prompts, by key.", |k| k.prompt_tokens),
    ("tern_key_completion_tokens_total", "Tokens of answers, by key.", |k| k.completion_tokens),
];

/// Renders all figures.
pub(crate) fn render(registry: &Registry, keys: &[KeyUse]) -> String {
    let loaded = registry.loaded();
    let models: Vec<(String, Stats)> = loaded
        .iter()
        .filter_map(|model| Some((label(&model.entry.id), model.text().ok()?.scheduler.stats())))
        .collect();
    let mut out = String::new();
    for (name, help, value) in GAUGES {
        family(&mut out, name, help, "gauge");
        models.iter().for_each(|(model, stats)| line(&mut out, name, model, value(stats)));
    }
    for (name, help, value) in COUNTERS {
        family(&mut out, name, help, "counter");
        models.iter().for_each(|(model, stats)| line(&mut out, name, model, value(stats)));
    }
    for (name, help, value) in HISTOGRAMS {
        family(&mut out, name, help, "histogram");
        models.iter().for_each(|(model, stats)| histogram(&mut out, name, model, value(stats)));
    }
    for (name, help, value) in KEYS.iter().filter(|_| !keys.is_empty()) {
        family(&mut out, name, help, "counter");
        keys.iter().for_each(|key| line(&mut out, name, &quoted("key", &key.name), value(key) as f64));
    }
    family(&mut out, "tern_decode_step_seconds", "Median time of a decode step, by sequences in it.", "gauge");
    for (model, stats) in &models {
        for cost in &stats.step_costs {
            let labels = format!("{model},sequences=\"{}\"", cost.sequences);
            line(&mut out, "tern_decode_step_seconds", &labels, cost.ms / 1000.0);
        }
    }
    family(&mut out, "tern_model_memory_bytes", "What a loaded model takes in memory, by estimate.", "gauge");
    for model in &loaded {
        line(&mut out, "tern_model_memory_bytes", &label(&model.entry.id), model.cost.total_bytes() as f64);
    }
    family(&mut out, "tern_model_load_seconds", "How long loading took.", "gauge");
    for model in &loaded {
        line(&mut out, "tern_model_load_seconds", &label(&model.entry.id), model.load_seconds);
    }
    family(&mut out, "tern_memory_budget_bytes", "What all loaded models may take together.", "gauge");
    line(&mut out, "tern_memory_budget_bytes", "", registry.config().memory_budget as f64);
    if let Some(resident) = machine::memory_resident() {
        family(&mut out, "process_resident_memory_bytes", "Resident memory of the server.", "gauge");
        line(&mut out, "process_resident_memory_bytes", "", resident as f64);
    }
    out
}

fn label(model: &str) -> String {
    quoted("model", model)
}

fn quoted(name: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"")
}

// Writing to a string cannot fail.

fn family(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

fn histogram(out: &mut String, name: &str, model: &str, histogram: &Histogram) {
    for (bound, count) in histogram.cumulative() {
        let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".into() };
        let _ = writeln!(out, "{name}_bucket{{{model},le=\"{bound}\"}} {count}");
    }
    let _ = writeln!(out, "{name}_sum{{{model}}} {}\n{name}_count{{{model}}} {}", histogram.sum, histogram.count);
}
