//! Servers side by side: the first is the measure of the others.

use super::load::{Outcome, Plan};
use crate::output::Table;

/// One figure of an outcome: its name, how to read it, and whether more is better.
type Figure = (&'static str, fn(&Outcome) -> Option<f64>, bool);
/// A number that is shown without a ratio.
type Count = (&'static str, fn(&Outcome) -> u64);

const FIGURES: [Figure; 6] = [
    ("total tokens/s", |o| Some(o.total_per_second), true),
    ("decode tokens/s", |o| Some(o.decode_per_second?.median), true),
    ("TTFT p50, ms", |o| Some(o.ttft_ms?[0]), false),
    ("TTFT p95, ms", |o| Some(o.ttft_ms?[1]), false),
    ("inter-token p50, ms", |o| Some(o.inter_token_ms?[0]), false),
    ("inter-token p95, ms", |o| Some(o.inter_token_ms?[1]), false),
];

/// A column for each server; behind each figure of the others, its ratio to the first.
pub(super) fn table(plan: &Plan, results: &[(String, Outcome)]) -> String {
    let mut heading = vec![String::new()];
    heading.extend(results.iter().map(|(url, _)| url.clone()));
    let mut table = Table::plain().right(&(1..heading.len()).collect::<Vec<_>>());
    table.row(heading);
    let first = results.first().map(|(_, outcome)| outcome);
    for (name, read, more_is_better) in FIGURES {
        let mut row = vec![format!("{name} ({})", if more_is_better { "more is better" } else { "less is better" })];
        for (number, (_, outcome)) in results.iter().enumerate() {
            let ratio = match (number, read(outcome), first.and_then(read)) {
                (1.., Some(value), Some(base)) if base > 0.0 => format!(" ({:.2}x)", value / base),
                _ => String::new(),
            };
            row.push(read(outcome).map_or("-".to_owned(), |value| format!("{value:.1}{ratio}")));
        }
        table.row(row);
    }
    let counts: [Count; 4] = [
        ("prompt tokens", |o| o.prompt_tokens),
        ("of these cached", |o| o.cached_tokens),
        ("completion tokens", |o| o.completion_tokens),
        ("errors", |o| o.errors),
    ];
    for (name, read) in counts {
        let mut row = vec![name.to_owned()];
        row.extend(results.iter().map(|(_, outcome)| read(outcome).to_string()));
        table.row(row);
    }
    let prefix = if plan.shared_prefix { ", one system prompt for all" } else { "" };
    let mut text = format!(
        "{}: {} clients, {} requests, prompts of {} words{prefix}, {} tokens each\n\n{}",
        plan.model,
        plan.clients,
        plan.requests,
        plan.prompt_words,
        plan.max_tokens,
        table.render()
    );
    for (url, outcome) in results {
        outcome.first_errors.iter().for_each(|error| text.push_str(&format!("{url}: {error}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_shown_with_their_ratio_to_the_first() {
        let plan = Plan {
            model: "m".into(),
            clients: 8,
            requests: 24,
            prompt_words: 200,
            max_tokens: 64,
            shared_prefix: true,
        };
        let outcome = |total_per_second, ttft| Outcome {
            total_per_second,
            ttft_ms: Some([ttft, ttft * 2.0]),
            errors: 1,
            first_errors: vec!["out of luck".into()],
            ..Outcome::default()
        };
        let results = [("http://a".to_owned(), outcome(50.0, 100.0)), ("http://b".to_owned(), outcome(100.0, 40.0))];
        let text = table(&plan, &results);
        assert!(text.contains("50.0  100.0 (2.00x)"), "{text}");
        assert!(text.contains("200.0   80.0 (0.40x)"), "{text}");
        assert!(text.contains("one system prompt for all") && text.contains("http://b: out of luck"), "{text}");
    }
}
