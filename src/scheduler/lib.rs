//! One thread a loaded model: it owns the engine's decoder and decides what each forward pass computes.
//!
//! What passes between the server and this thread is plain data ([`types`]): a request in, a stream of events out,
//! a cancel. Nothing here knows dialogues, HTTP or which engine it drives. [`Scheduler`] is the door.
//!
//! # The path of a request
//!
//! `submit` checks it (`validate.rs`) and puts it into a bounded queue (`handle.rs`). The thread (`worker.rs`) works in
//! rounds while there is work and sleeps otherwise. In a round it lets go of what was cancelled, admits by age what has
//! a place and cells (`admit.rs`), gives each admitted answer a sequence with the longest prefix that any sequence,
//! running or idle, holds (`sequences.rs`, `cells.rs`), and computes one step (`step.rs`): every decoding answer by one
//! token, and at most one chunk of prompts (`plan.rs`). A step without prompts is run in parts where that is faster,
//! as measured (`cost.rs`). From the logits `sampler.rs` chooses a token (`penalties.rs`, `select.rs`, `softmax.rs`,
//! `rng.rs`, `logprobs.rs`), and `text.rs` turns tokens into text that may be shown.
//!
//! # What is promised
//!
//! - **A prefix is computed once.** Whoever needs a prefix that another answer is computing just now waits for it and
//!   shares it; if that one leaves, the next goes on where it stopped.
//! - **Streams go on.** While answers are decoding, a step has at most a quarter of a chunk of prompt tokens, and fewer
//!   where those would take longer than half a second. Half of a chunk goes to the oldest prompt, the rest to the
//!   shortest, so neither the huge nor the short prompt starves.
//! - **An image is a step of its own**, beside which every stream gets its token; of several the oldest goes first.
//! - **Who leaves stops costing** at the end of the forward pass under way: queued, in prefill or decoding. What it has
//!   computed stays as cache.
//! - **Nothing is cut short for want of KV cells.** A request is let in when its prompt and its `max_tokens` (up to a
//!   fair share of the cells; a quarter of that without `max_tokens`) fit beside the running ones; if cells run out
//!   all the same the youngest answer is set aside and computed again later, which its client sees as a pause only.
//! - **Failures stay small.** An error of the engine costs the requests of that pass another try each, alone; who then
//!   fails again is to blame and fails. A panic ends the requests of its pass and empties the cache.
//! - **Memory is bounded.** Events of a slow reader pile up to what its own `n` and `max_tokens` allow, no further;
//!   with
//!   logprobs of prompts at most 64 rows of logits are held.
//!
//! # Determinism
//!
//! An answer is a function of its prompt, parameters and seed. Each answer has its own random stream, advanced once a
//! token; ties go to the lowest token id; the exponentials of a draw are computed by our own code, the same on every
//! platform. So cache hits, neighbours in the batch, chunk sizes, splits and preemption change nothing but what they
//! change in the logits: an engine whose logits for a sequence are independent of the shape of the batch (echo,
//! exactly) gives the same text always, which the tests assert; with others (llama.cpp) rounding differs between
//! shapes, and text can differ only from a token on where two candidates, or the draw and its border, are closer than
//! that rounding. Choice `i` of a request with `n > 1` draws from a stream that follows from the seed and `i`; choice 0
//! is the answer that `n = 1` gives.

mod admit;
mod answer;
mod cells;
mod cost;
mod forms;
mod handle;
mod logprobs;
mod penalties;
mod plan;
mod rng;
pub mod sampler;
mod select;
mod sequences;
mod shelf;
mod softmax;
pub mod stats;
mod step;
mod text;
mod thinking;
pub mod types;
mod validate;
mod worker;

pub use handle::{Events, Scheduler, SchedulerConfig};
pub use stats::{Histogram, Stats, StepCost};
pub use types::*;
pub use validate::{MAX_CHOICES, MAX_LOGPROBS};
