//! Models and quantizations side by side, measured fairly. Knows neither HTTP nor which store keeps the results.
//!
//! Read in this order: `request` (what is asked, and the defaults), `figures` (what is measured), `runner` (which cell
//! runs when, and why in that order), `cell` (how one is timed), `quality` with `scoring` (how answers are scored),
//! `similarity` (how alike they are), `summary` (which column is better beyond noise), `run`, `log` and `events` (who is told), `service`
//! ([`Comparisons`], the door), `export`.
//!
//! # The rules of a fair comparison
//!
//! - The same messages for all, each model with its own template; the same seed and parameters unless a column has its
//!   own. Temperature is 0 unless something else is said, so that a repetition repeats the answer and differences are the
//!   machine's.
//! - One cell at a time, and one comparison at a time. Repetitions are passes over everything, so that drift hits all
//!   columns alike, and no column is always first.
//! - Nothing is timed cold by accident: a model says a few words before, whenever another one ran meanwhile. The
//!   prefix cache is off, or holds the prompt for all.
//! - Times are taken on the model's own thread. Loading is a figure of its own and part of no other.
//! - Scoring and saving happen when nothing is timed.
//! - A difference is shown as one only beyond noise.

mod assertion;
mod attached;
mod cell;
mod error;
mod events;
pub mod export;
mod figures;
mod judgement;
pub mod log;
mod machine;
pub mod quality;
mod random;
mod request;
mod run;
mod runner;
mod scoring;
mod service;
pub mod similarity;
pub mod summary;

pub use assertion::Verdict;
pub use attached::{AttachedFile, MAX_ATTACHED};
pub use error::CompareError;
pub use events::{CellState, CompareEvent};
pub use figures::*;
pub use judgement::{Judgement, Vote};
pub use request::*;
pub use service::{Change, Comparisons};
