//! A row a cell, as RFC 4180 has it: fields in quotes where they need them, lines ending in CR LF.

use serde_json::Value;

use crate::{CompareRequest, Results};

/// Columns of the table after those that say which cell it is: fields of a result.
const FIGURES: [&str; 35] = [
    "model",
    "engine",
    "finish_reason",
    "error",
    "warning",
    "load_ms",
    "queue_ms",
    "first_token_ms",
    "prefill_ms",
    "prefill_per_second",
    "decode_ms",
    "decode_per_second",
    "token_ms_p50",
    "token_ms_p95",
    "total_ms",
    "threads",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "words",
    "file_bytes",
    "bits_per_weight",
    "weights_bytes",
    "kv_bytes",
    "rss_before",
    "rss_after",
    "rss_peak",
    "mean_logprob",
    "perplexity",
    "top1_agreement",
    "kl",
    "similarity",
    "similarity_model",
    "quality_note",
    "started_ms",
];

/// Writes the table.
pub fn write(request: &CompareRequest, results: &Results) -> String {
    let assertions = (0..request.assertions.len()).map(|index| format!("assertion_{index}"));
    let mut header: Vec<String> = ["prompt", "column", "repetition", "label"].map(str::to_owned).to_vec();
    header.extend(FIGURES.map(str::to_owned));
    header.extend(assertions);
    header.extend(["prompt_text", "reasoning", "text"].map(str::to_owned));
    let mut out = header.join(",") + "\r\n";
    for result in &results.cells {
        let cell = result.cell;
        let column = request.columns.get(cell.column);
        let values = serde_json::to_value(result).unwrap_or_default();
        let mut row = vec![
            cell.prompt.to_string(),
            cell.column.to_string(),
            cell.repetition.to_string(),
            text(column.map(|column| column.name()).unwrap_or_default()),
        ];
        row.extend(FIGURES.map(|name| field(&values[name])));
        let verdicts = values["assertions"].as_array().map(Vec::as_slice).unwrap_or_default();
        row.extend((0..request.assertions.len()).map(|index| field(verdicts.get(index).unwrap_or(&Value::Null))));
        row.push(text(request.prompts.get(cell.prompt).map(String::as_str).unwrap_or_default()));
        row.push(text(result.reasoning.as_deref().unwrap_or_default()));
        row.push(text(&result.text));
        out.push_str(&row.join(","));
        out.push_str("\r\n");
    }
    out
}

/// Numbers as they are, texts guarded, nothing for what is not known.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// A text in quotes where it needs them. Spreadsheets compute what begins like a formula, and models write what they like:
/// an apostrophe before it makes it text (OWASP, "CSV Injection").
fn text(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n', ';', '\t', '\'']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assertion, Cell, CellResult, Column, Verdict};

    #[test]
    fn texts_are_quoted_and_no_formula_is_left() {
        assert_eq!(text("plain"), "plain");
        assert_eq!(text("a, \"b\"\nc"), "\"a, \"\"b\"\"\nc\"");
        assert_eq!(text("=HYPERLINK(\"http://x\")"), "\"'=HYPERLINK(\"\"http://x\"\")\"");
        assert_eq!(text("-1+1"), "\"'-1+1\"");
        assert_eq!(text("\t=1"), "\"'\t=1\"");
        assert_eq!(text("@SUM(A1)"), "\"'@SUM(A1)\"");
    }

    #[test]
    fn a_row_has_as_many_fields_as_the_header_and_numbers_stay_numbers() {
        let request = CompareRequest {
            prompts: vec!["Why?".into()],
            columns: vec![Column { model: "m".into(), ..Column::default() }],
            assertions: vec![Assertion::default(), Assertion::default()],
            ..CompareRequest::default()
        };
        let cell = CellResult {
            cell: Cell::default(),
            model: "m".into(),
            mean_logprob: Some(-0.25),
            text: "yes".into(),
            assertions: vec![Verdict::Known(true)],
            ..CellResult::default()
        };
        let results = Results { cells: vec![cell], ..Results::default() };
        let table = write(&request, &results);
        let rows: Vec<Vec<&str>> = table.trim_end().split("\r\n").map(|row| row.split(',').collect()).collect();
        assert_eq!(rows[0].len(), rows[1].len(), "{table}");
        let of = |name: &str| rows[1][rows[0].iter().position(|header| *header == name).unwrap()];
        assert_eq!((of("mean_logprob"), of("kl"), of("text"), of("label")), ("-0.25", "", "yes", "m"));
        assert_eq!((of("assertion_0"), of("assertion_1")), ("true", ""));
        // Every figure is a field of a result.
        let values = serde_json::to_value(CellResult::default()).unwrap();
        assert!(FIGURES.iter().all(|name| values.get(name).is_some()));
    }
}
