//! One thread a loaded model: it owns the engine's decoder and decides what each forward pass computes.
//!
//! What passes between the server and this thread is plain data ([`types`]): a request in, a stream of events out,
//! a cancel. Nothing here knows dialogues, HTTP or which engine it drives.

mod admit;
mod answer;
mod cells;
mod cost;
mod handle;
mod logprobs;
mod penalties;
mod plan;
pub mod rng;
pub mod sampler;
mod select;
mod sequences;
pub mod stats;
mod step;
mod text;
pub mod types;
mod validate;
mod worker;

pub use handle::{Events, Scheduler, SchedulerConfig};
pub use stats::{Histogram, Stats, StepCost};
pub use types::*;
pub use validate::{MAX_CHOICES, MAX_LOGPROBS};
