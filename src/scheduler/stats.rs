//! What the scheduler counts and times: one snapshot, from which metrics are rendered.

use serde::{Deserialize, Serialize};

/// Upper bounds of a histogram's buckets in seconds; a last bucket without bound follows. Fine around the tenths of a
/// millisecond of a tiny model and the tens of seconds of a long prompt on a CPU alike.
pub const BUCKETS: [f64; 18] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Durations sorted into [`BUCKETS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many fell into each bucket (not cumulative); the last is everything above the last bound.
    pub counts: [u64; BUCKETS.len() + 1],
    /// Sum of all, in seconds.
    pub sum: f64,
    /// How many.
    pub count: u64,
}

impl Histogram {
    /// Adds a duration in seconds.
    pub fn record(&mut self, seconds: f64) {
        let bucket = BUCKETS.iter().position(|&bound| seconds <= bound).unwrap_or(BUCKETS.len());
        self.counts[bucket] += 1;
        self.sum += seconds;
        self.count += 1;
    }

    /// The buckets as Prometheus wants them: upper bound in seconds (infinite for the last) and how many durations
    /// are at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = BUCKETS.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().scan(0, |total, &count| {
            *total += count;
            Some(*total)
        }))
    }
}

/// What a decode step of a certain size takes, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepCost {
    /// How many sequences were decoded together.
    pub sequences: u32,
    /// Median of the last measurements, in milliseconds.
    pub ms: f64,
    /// How often it was measured.
    pub measured: u64,
}

/// A snapshot of a scheduler: gauges of this moment, counters since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests in the queue.
    pub waiting: usize,
    /// Answers that hold a place: computing their prompt, waiting for a prefix another one computes, or decoding.
    pub running: usize,
    /// Answers set aside: preempted for want of KV cells, or further choices of a request waiting for a place.
    pub parked: usize,
    /// KV cells there are.
    pub kv_cells: u32,
    /// KV cells in use, cached ones included; a shared prefix counts once.
    pub kv_cells_used: u32,
    /// Of these, cells that only idle sequences hold: they are kept for reuse and given up when needed.
    pub kv_cells_cached: u32,
    /// Bytes of idle sequences kept outside the cache.
    pub saved_bytes: u64,
    /// Requests accepted.
    pub requests: u64,
    /// Requests answered to their end.
    pub completed: u64,
    /// Requests whose client went away.
    pub cancelled: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// Prompt tokens run through the model.
    pub prompt_tokens_computed: u64,
    /// Prompt tokens taken from the KV cache.
    pub prompt_tokens_cached: u64,
    /// Tokens of preempted answers run through the model once more.
    pub recomputed_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Forward passes.
    pub steps: u64,
    /// Decode rounds that were run in parts because that is faster.
    pub split_rounds: u64,
    /// Answers set aside because the KV cells did not suffice.
    pub preemptions: u64,
    /// Idle sequences given up for good because their cells, their ids or their memory were needed.
    pub evictions: u64,
    /// From submission to leaving the queue.
    pub queue_time: Histogram,
    /// From submission to the first token.
    pub time_to_first_token: Histogram,
    /// Between two tokens of an answer.
    pub inter_token: Histogram,
    /// From submission to the end of the request.
    pub request_time: Histogram,
    /// What decode steps take, for each number of sequences measured so far.
    pub step_costs: Vec<StepCost>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_duration_once_and_cumulates_for_prometheus() {
        let mut histogram = Histogram::default();
        for seconds in [0.0001, 0.0005, 0.02, 1000.0] {
            histogram.record(seconds);
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative[0], (0.0005, 2));
        assert_eq!(cumulative[5], (0.025, 3));
        assert_eq!(cumulative[BUCKETS.len()], (f64::INFINITY, 4));
        assert_eq!(histogram.count, 4);
    }
}
