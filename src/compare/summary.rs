//! Columns summed up, and which is better beyond noise.
//!
//! **Noise** is how repetitions of the same cell differ: the deviation is the sample standard deviation within a prompt,
//! pooled over the prompts, since prompts differ for reasons that are no noise.
//!
//! **Better** is decided on pairs. Cells of one prompt and repetition run beside each other in time, so a drift of the
//! clock or a busy minute hits both, and their ratio cancels it. For two columns take `d = ln(a / b)` of every such pair: with
//! two or more, the difference is beyond noise if the mean of `d` is farther from 0 than `t · s / √n`, with `s` their
//! sample standard deviation and `t` the two-sided 5 % point of Student's distribution for `n - 1` degrees of freedom
//! (the paired t-test). A single pair says nothing about noise: then only a difference of more than
//! [`SINGLE`] counts. A column is best in a figure if it is better than every other column in that way.

use std::collections::BTreeMap;

use crate::{CellResult, ColumnSummary, Statistic};

/// How much better a column must be where nothing was repeated.
pub const SINGLE: f64 = 0.10;

/// A figure that can be better: its name, whether less is better, and where it stands.
type Figure = (&'static str, bool, fn(&CellResult) -> Option<f64>);

const FIGURES: [Figure; 4] = [
    ("first_token_ms", true, |cell| cell.first_token_ms),
    ("prefill_per_second", false, |cell| cell.prefill_per_second),
    ("decode_per_second", false, |cell| cell.decode_per_second),
    ("total_ms", true, |cell| cell.total_ms),
];

/// Sums up the columns.
pub fn summarize(cells: &[CellResult], columns: usize) -> Vec<ColumnSummary> {
    // What failed or was stopped is no measurement.
    let measured: Vec<_> =
        cells.iter().filter(|cell| matches!(cell.finish_reason.as_deref(), Some("stop" | "length"))).collect();
    let statistic = |column: usize, figure: fn(&CellResult) -> Option<f64>| {
        let mut prompts: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for cell in measured.iter().filter(|cell| cell.cell.column == column) {
            if let Some(value) = figure(cell) {
                prompts.entry(cell.cell.prompt).or_default().push(value);
            }
        }
        of_prompts(prompts.values())
    };
    let mut summary: Vec<_> = (0..columns)
        .map(|column| ColumnSummary {
            column,
            first_token_ms: statistic(column, |cell| cell.first_token_ms),
            prefill_per_second: statistic(column, |cell| cell.prefill_per_second),
            decode_per_second: statistic(column, |cell| cell.decode_per_second),
            total_ms: statistic(column, |cell| cell.total_ms),
            completion_tokens: statistic(column, |cell| cell.completion_tokens.map(f64::from)),
            best: Vec::new(),
        })
        .collect();
    for (name, less, figure) in FIGURES {
        if let Some(best) = best(&measured, columns, less, figure) {
            summary[best].best.push(name.to_owned());
        }
    }
    summary
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn of_prompts<'a>(prompts: impl Iterator<Item = &'a Vec<f64>> + Clone) -> Statistic {
    let all: Vec<f64> = prompts.clone().flatten().copied().collect();
    let freedom: usize = prompts.clone().map(|values| values.len() - 1).sum();
    let deviation = || (prompts.map(|values| squares(values)).sum::<f64>() / freedom as f64).sqrt();
    Statistic {
        mean: (!all.is_empty()).then(|| mean(&all)),
        deviation: (freedom > 0).then(deviation),
        n: all.len() as u32,
    }
}

/// The column that is better than every other one that has the figure; at least one other must have it.
fn best(cells: &[&CellResult], columns: usize, less: bool, figure: fn(&CellResult) -> Option<f64>) -> Option<usize> {
    let values: Vec<BTreeMap<(usize, u32), f64>> = (0..columns)
        .map(|column| {
            let mine = cells.iter().filter(|cell| cell.cell.column == column);
            mine.filter_map(|cell| Some(((cell.cell.prompt, cell.cell.repetition), figure(cell)?))).collect()
        })
        .collect();
    let present: Vec<usize> = (0..columns).filter(|column| !values[*column].is_empty()).collect();
    let better = |a: usize, b: usize| {
        let pairs = values[a].iter().filter_map(|(key, mine)| Some((mine / values[b].get(key)?).ln()));
        let ratios: Vec<f64> = pairs.filter(|ratio| ratio.is_finite()).collect();
        is_beyond_noise(&ratios, less)
    };
    let wins = |a: &&usize| present.iter().all(|b| *a == b || better(**a, *b));
    if present.len() < 2 { None } else { present.iter().find(wins).copied() }
}

/// Whether logarithms of ratios are below 0 (`less`) or above it by more than their noise.
fn is_beyond_noise(ratios: &[f64], less: bool) -> bool {
    let gain = if less { -1.0 } else { 1.0 };
    match ratios {
        [] => false,
        [single] => gain * single > (1.0 + SINGLE).ln(),
        many => {
            let n = many.len() as f64;
            let error = (squares(many) / (n - 1.0)).sqrt() / n.sqrt();
            gain * mean(many) > student(many.len() - 1) * error && gain * mean(many) > 0.0
        }
    }
}

/// The two-sided 5 % point of Student's t distribution: a table to 30 degrees of freedom, then what is at least as
/// strict as the exact value.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    freedom.checked_sub(1).and_then(|at| TABLE.get(at)).copied().unwrap_or(2.042)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cell;

    /// Cells of one figure: `[column][prompt][repetition]`.
    fn cells(values: &[&[&[f64]]]) -> Vec<CellResult> {
        let mut cells = Vec::new();
        for (column, prompts) in values.iter().enumerate() {
            for (prompt, repetitions) in prompts.iter().enumerate() {
                for (repetition, value) in repetitions.iter().enumerate() {
                    cells.push(CellResult {
                        cell: Cell { prompt, column, repetition: repetition as u32 },
                        finish_reason: Some("stop".into()),
                        decode_per_second: Some(*value),
                        total_ms: Some(1000.0 / value),
                        ..CellResult::default()
                    });
                }
            }
        }
        cells
    }

    #[track_caller]
    fn check(values: &[&[&[f64]]], fastest: Option<usize>) {
        let summary = summarize(&cells(values), values.len());
        for column in &summary {
            let names: &[&str] = if fastest == Some(column.column) { &["decode_per_second", "total_ms"] } else { &[] };
            assert_eq!(column.best, names, "column {}: {summary:?}", column.column);
        }
    }

    #[test]
    fn mean_and_deviation_are_the_samples() {
        let summary = summarize(&cells(&[&[&[10.0, 12.0, 14.0]]]), 1);
        let expected = Statistic { mean: Some(12.0), deviation: Some(2.0), n: 3 };
        assert_eq!(summary[0].decode_per_second, expected);
        assert_eq!(summary[0].prefill_per_second, Statistic::default());
        assert_eq!(summarize(&cells(&[&[&[10.0]]]), 1)[0].decode_per_second.deviation, None);
    }

    #[test]
    fn prompts_that_differ_are_no_noise() {
        let summary = summarize(&cells(&[&[&[9.0, 11.0], &[99.0, 101.0]]]), 1);
        let Statistic { mean, deviation, n } = summary[0].decode_per_second;
        assert_eq!((mean, n), (Some(55.0), 4));
        assert!((deviation.unwrap() - 2_f64.sqrt()).abs() < 1e-9, "{deviation:?}");
    }

    #[test]
    fn a_difference_within_noise_has_no_best() {
        check(&[&[&[10.0, 12.0, 11.0]], &[&[11.0, 10.5, 12.5]]], None);
        check(&[&[&[20.0, 20.2, 19.9]], &[&[10.0, 10.1, 10.0]]], Some(0));
        // What one column lost to a busy moment the other one lost too: the pairs tell.
        check(&[&[&[10.0, 20.0, 30.0]], &[&[11.0, 22.1, 32.9]]], Some(1));
    }

    #[test]
    fn a_single_run_counts_beyond_ten_percent() {
        check(&[&[&[10.0]], &[&[10.9]]], None);
        check(&[&[&[10.0]], &[&[11.2]]], Some(1));
    }

    #[test]
    fn the_best_is_better_than_every_other() {
        check(&[&[&[10.0]], &[&[20.0]], &[&[19.5]]], None);
        check(&[&[&[10.0]], &[&[20.0]], &[&[12.0]]], Some(1));
        check(&[&[&[10.0, 10.0]]], None);
        check(&[&[&[10.0]], &[&[]]], None);
    }

    #[test]
    fn what_failed_or_was_stopped_is_not_measured() {
        let mut cells = cells(&[&[&[10.0, 50.0]]]);
        cells[1].finish_reason = Some("stopped".into());
        assert_eq!(summarize(&cells, 1)[0].decode_per_second.mean, Some(10.0));
        cells[1].finish_reason = None;
        assert_eq!(summarize(&cells, 1)[0].decode_per_second.n, 1);
    }
}
