//! The suite that every engine runs in its tests: what the contract says, as checks.
//!
//! An engine's `tests/conformance.rs` is a few lines: a function that loads its smallest model, and calls of
//! [`text`], [`tokenizer`] and [`embedder`]. Each runs all its checks and then panics with the failures, if any; a
//! check can also be run alone: `TEXT.iter().find(|check| ...)`, [`Check::run`].
//!
//! Checks that a model cannot meet by its nature (recurrent models cannot cut a sequence) do not apply, and the output
//! says so; nothing passes in silence.

mod cache;
mod comparison;
mod decoding;
mod embedding;
mod refusals;
mod subject;
mod tokenizing;

use crate::{KvType, LoadOptions, LoadedModel};

pub use embedding::EMBEDDER;
pub use tokenizing::{RoundTrip, TOKENIZER};

/// Loads the model under test with these options. The engine's test may set threads and accelerators as it likes.
pub type Load<'a> = &'a dyn Fn(&LoadOptions) -> LoadedModel;

/// How far a row of logits, or a vector, may lie from another when the contract calls them the same.
///
/// An engine names its tolerance with a reason: 0 for integer arithmetic, more where the order of float additions
/// depends on the shape of the batch. One that would hide a wrong token fails the check of its own.
///
/// Rounding moves all numbers of a row together, so rows are compared as a whole: how far the worst of thousands is off
/// is luck and differs from processor to processor, their root mean square hardly does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Root mean square of the differences, as a share of the root mean square of the expected numbers.
    pub relative: f32,
}

impl Tolerance {
    /// Bit for bit.
    pub const EXACT: Self = Self { relative: 0.0 };

    /// By how many times the tolerated root mean square one number alone may be off. Of thousands of rounding errors the
    /// largest is 4 to 6 times their root mean square; a single wrong number in a row that is otherwise right is more.
    pub const PEAK: f32 = 8.0;
}

/// How a check ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The engine keeps this part of the contract.
    Passed,
    /// This part does not concern the model, for this reason.
    DoesNotApply(&'static str),
}

/// Why a check failed: the evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// One check. Its name is a sentence about a conforming engine.
pub struct Check {
    /// What a conforming engine does.
    pub name: &'static str,
    run: fn(Load<'_>, Tolerance) -> Result<Outcome, Failure>,
}

impl Check {
    /// Runs it, on freshly loaded models.
    ///
    /// # Errors
    /// The evidence.
    pub fn run(&self, load: Load<'_>, tolerance: Tolerance) -> Result<Outcome, Failure> {
        (self.run)(load, tolerance)
    }
}

/// The checks of a decoder, in the order in which failures are best understood.
pub const TEXT: &[&[Check]] = &[decoding::CHECKS, cache::CHECKS, refusals::CHECKS];

/// The options the checks load with: a small cache, so that it can be filled.
pub fn options() -> LoadOptions {
    LoadOptions {
        kv_cells: 512,
        max_sequences: 4,
        max_batch_tokens: 64,
        threads: 2,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        saved_bytes: 1 << 20,
        ..LoadOptions::default()
    }
}

/// Runs all checks of a text model's decoder.
///
/// # Panics
/// With the evidence of every check that failed.
pub fn text(load: Load<'_>, tolerance: Tolerance) {
    report(TEXT.iter().copied().flatten().map(|check| (check.name, check.run(load, tolerance))));
}

/// Runs all checks of an embedding model.
///
/// # Panics
/// With the evidence of every check that failed.
pub fn embedder(load: Load<'_>, tolerance: Tolerance) {
    report(EMBEDDER.iter().map(|check| (check.name, check.run(load, tolerance))));
}

/// Runs all checks of a model's tokenizer.
///
/// # Panics
/// With the evidence of every check that failed.
pub fn tokenizer(load: Load<'_>, round_trip: RoundTrip) {
    let model = load(&options());
    let tokenizer = model.text.map(|text| text.tokenizer).or(model.embedder.map(|(tokenizer, _)| tokenizer));
    let tokenizer = tokenizer.expect("the model under test has no tokenizer");
    report(TOKENIZER.iter().map(|check| (check.name, check.run(&*tokenizer, round_trip))));
}

fn report(results: impl Iterator<Item = (&'static str, Result<Outcome, Failure>)>) {
    let mut failures = Vec::new();
    for (name, result) in results {
        match result {
            Ok(Outcome::Passed) => println!("ok: {name}"),
            Ok(Outcome::DoesNotApply(reason)) => println!("does not apply: {name} ({reason})"),
            Err(Failure(evidence)) => {
                println!("FAILED: {name}");
                failures.push(format!("{name}\n    {evidence}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} checks failed:\n{}", failures.len(), failures.join("\n"));
}
