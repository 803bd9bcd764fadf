//! A table of the columns and every answer, to be read or pasted into an issue.

use std::fmt::Write;

use tern_store::Comparison;

use crate::{CellResult, Column, CompareRequest, Results, Statistic, Verdict};

// Writing to a string cannot fail.

/// Writes the document.
pub fn write(comparison: &Comparison, request: &CompareRequest, results: &Results) -> String {
    let mut out = format!("# {}\n\n", line(&comparison.title));
    conditions(&mut out, request, results);
    table(&mut out, request, results);
    for (index, prompt) in request.prompts.iter().enumerate() {
        let _ = write!(out, "\n## Prompt {}\n\n{}\n", index + 1, fenced(prompt));
        let mut cells: Vec<_> = results.cells.iter().filter(|result| result.cell.prompt == index).collect();
        cells.sort_by_key(|result| (result.cell.column, result.cell.repetition));
        for result in cells {
            answer(&mut out, request, result);
        }
    }
    out
}

fn conditions(out: &mut String, request: &CompareRequest, results: &Results) {
    let machine = &results.machine;
    let mode = format!("{:?}", request.mode).to_lowercase();
    let cache = format!("{:?}", request.cache).to_lowercase();
    let parameters = serde_json::to_string(&request.parameters).unwrap_or_default();
    let _ = writeln!(
        out,
        "{mode}, {} repetitions, warm-up {}, cache {cache}, {} threads on {} processors.\nParameters: {}",
        request.repetitions,
        if request.warmup { "on" } else { "off" },
        machine.threads,
        machine.processors,
        code(&parameters),
    );
    if let Some(warning) = &machine.warning {
        let _ = writeln!(out, "\n**Warning:** {}", line(warning));
    }
    if let Some(system) = &request.system_prompt {
        let _ = write!(out, "\nSystem prompt:\n\n{}\n", fenced(system));
    }
    if !request.attachments.is_empty() {
        let names: Vec<_> = request.attachments.iter().map(|file| code(&file.name)).collect();
        let _ = writeln!(out, "\nWith every prompt: {}", names.join(", "));
    }
}

fn table(out: &mut String, request: &CompareRequest, results: &Results) {
    out.push_str("\n| | First token, ms | Prefill, tokens/s | Decode, tokens/s | Total, ms | Tokens |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|\n");
    for summary in &results.summary {
        let Some(column) = request.columns.get(summary.column) else { continue };
        let _ = write!(out, "| {} ", cell(column.name()));
        for (name, statistic) in [
            ("first_token_ms", summary.first_token_ms),
            ("prefill_per_second", summary.prefill_per_second),
            ("decode_per_second", summary.decode_per_second),
            ("total_ms", summary.total_ms),
            ("completion_tokens", summary.completion_tokens),
        ] {
            let shown = shown(statistic);
            let best = summary.best.iter().any(|best| best == name);
            let _ = if best { write!(out, "| **{shown}** ") } else { write!(out, "| {shown} ") };
        }
        out.push_str("|\n");
    }
    out.push_str("\nMean ± sample standard deviation between repetitions; bold is better than every other column beyond noise.\n");
}

fn shown(statistic: Statistic) -> String {
    match (statistic.mean, statistic.deviation) {
        (None, _) => "–".to_owned(),
        (Some(mean), None) => format!("{mean:.1}"),
        (Some(mean), Some(deviation)) => format!("{mean:.1} ± {deviation:.1}"),
    }
}

fn answer(out: &mut String, request: &CompareRequest, result: &CellResult) {
    let name = request.columns.get(result.cell.column).map(Column::name).unwrap_or_default();
    let repetition =
        if request.repetitions > 1 { format!(", repetition {}", result.cell.repetition + 1) } else { String::new() };
    let _ = write!(out, "\n### {}{repetition}\n\n", line(name));
    let mut facts = Vec::new();
    let mut fact = |value: Option<f64>, unit: &str| {
        facts.extend(value.map(|value| format!("{value:.1} {unit}")));
    };
    fact(result.first_token_ms, "ms to the first token");
    fact(result.decode_per_second, "tokens/s");
    fact(result.total_ms, "ms in all");
    facts.extend(result.completion_tokens.map(|count| format!("{count} tokens")));
    facts.extend(result.perplexity.map(|value| format!("perplexity {value:.3}")));
    facts.extend(result.top1_agreement.map(|share| format!("agreement {:.1} %", share * 100.0)));
    facts.extend(result.kl.map(|value| format!("KL {value:.4}")));
    if let (Some(value), Some(model)) = (result.similarity, &result.similarity_model) {
        facts.push(format!("similarity {value:.3} by {}", line(model)));
    }
    facts.extend(result.finish_reason.clone());
    if !facts.is_empty() {
        let _ = write!(out, "{}\n\n", facts.join(" · "));
    }
    for (assertion, verdict) in request.assertions.iter().zip(&result.assertions) {
        let mark = match verdict {
            Verdict::Known(true) => "holds".to_owned(),
            Verdict::Known(false) => "**does not hold**".to_owned(),
            Verdict::Unknown(reason) => line(reason),
        };
        let kind = serde_json::to_value(assertion.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        let value = assertion.value.as_deref().filter(|value| !value.is_empty()).map(code).unwrap_or_default();
        let _ = writeln!(out, "- {} {value}: {mark}", kind.unwrap_or_default());
    }
    if !request.assertions.is_empty() {
        out.push('\n');
    }
    for problem in [&result.error, &result.warning].into_iter().flatten() {
        let _ = write!(out, "**{}**\n\n", line(problem));
    }
    if let Some(reasoning) = &result.reasoning {
        let _ = write!(out, "Reasoning:\n\n{}\n\n", fenced(reasoning));
    }
    if result.error.is_none() || !result.text.is_empty() {
        let _ = writeln!(out, "{}", fenced(&result.text));
    }
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A text as it is, in a fence that nothing in it can close.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}text\n{text}{newline}{fence}")
}

/// A text as it is, within a line.
fn code(text: &str) -> String {
    let text = text.replace(['\r', '\n'], " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A text within a line that means nothing but itself.
fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' | '\n' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    line(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cell;

    #[test]
    fn no_answer_closes_its_fence() {
        assert_eq!(fenced("a"), "```text\na\n```");
        assert_eq!(fenced("````\nx\n````\n"), "`````text\n````\nx\n````\n`````");
        assert_eq!(code("a `b`"), "`` a `b` ``");
    }

    #[test]
    fn the_document_has_the_table_and_every_answer() {
        let request = CompareRequest {
            prompts: vec!["Why?".into()],
            columns: vec![Column { model: "a|b".into(), ..Column::default() }],
            repetitions: 1,
            ..CompareRequest::default()
        };
        let done = CellResult {
            cell: Cell::default(),
            text: "```\n# no heading\n```".into(),
            finish_reason: Some("stop".into()),
            decode_per_second: Some(12.34),
            similarity: Some(0.98765),
            similarity_model: Some("echo_embed".into()),
            ..CellResult::default()
        };
        let summary = crate::summary::summarize(std::slice::from_ref(&done), 1);
        let results = Results { cells: vec![done], summary, ..Results::default() };
        let comparison = Comparison { title: "One *two*".into(), ..Comparison::default() };
        let text = write(&comparison, &request, &results);
        assert!(text.starts_with("# One \\*two\\*\n"), "{text}");
        assert!(text.contains(" · similarity 0.988 by echo\\_embed · stop"), "{text}");
        assert!(text.contains("| a\\|b | – | – | 12.3 | – | – |\n"), "{text}");
        assert!(text.contains("\n````text\n```\n# no heading\n```\n````\n"), "{text}");
    }
}
