//! A comparison as a file: for programs, for tables, for people.

mod csv;
mod markdown;

use tern_store::Comparison;

use crate::{CompareError, service::parts};

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Everything, as it is kept.
    Json,
    /// A row a cell, for spreadsheets.
    Csv,
    /// A table and the answers, to be read.
    Markdown,
}

/// Writes the comparison.
///
/// # Errors
/// `Damaged` when what is kept cannot be read.
pub fn write(comparison: &Comparison, format: Format) -> Result<String, CompareError> {
    let (request, results) = parts(comparison)?;
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(comparison).unwrap_or_default() + "\n",
        Format::Csv => csv::write(&request, &results),
        Format::Markdown => markdown::write(comparison, &request, &results),
    })
}
