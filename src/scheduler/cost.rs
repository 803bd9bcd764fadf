//! What a decode step costs for each number of sequences, learned while serving, and how to divide a round.
//!
//! On a CPU a batch can be slower than its parts: on 2 cores llama.cpp gave 58 tokens/s for one sequence and 44 in all
//! for two together, because one row uses a matrix-vector kernel and two rows a matrix-matrix kernel that only pays
//! from about eight rows on. So a round of `k` sequences is run in the parts that take the least time in sum.
//!
//! The same holds for prompts beside running streams: one pass over both reads the weights once, but llama.cpp's
//! attention over a prompt's tokens looks at the cells of all sequences, and a mixed pass has it do so for every row (2
//! cores, seven streams and 80 prompt tokens: 525 ms, where 80 ms and 340 ms do the same apart). Whichever is
//! faster is done, and the other is tried again now and then.
//!
//! Measurements come from serving itself. Each size is tried three times when it first might help, spread over
//! rounds, and again when its last measurement is old, so that an estimate neither is missing nor goes stale; the
//! median of the last five keeps a hiccup of the machine out of it. All of it is deterministic given the times.

use std::time::Duration;

/// Measurements kept for each size.
const KEPT: usize = 5;
/// Measurements before a size counts as known.
const ENOUGH: usize = 3;
/// Every so many rounds one may be used to try something that is not known to be best.
const TRY_EVERY: u64 = 4;
/// After so many rounds without a measurement a size is tried again.
const STALE: u64 = 2048;
/// A size never measured is tried where the division it makes possible might take less than this of the whole, by what
/// its neighbours take. Trying all of them cost the first 200 rounds of eight streams 9 % of their time.
const PROMISING: f64 = 1.2;
/// Parts must be better than the whole by this factor; smaller differences are noise.
const WORTH_IT: f64 = 0.95;
/// And by this much, in seconds: passes of the smallest models jitter by more than they differ.
const WORTH_IT_SECONDS: f64 = 100e-6;

/// So many steps with prompts may pass before mixing, once found slower, is tried again: a trial costs 100 ms.
const MIX_AGAIN: u64 = 64;

/// Chunks of a prompt smaller than this waste the matrix kernels.
const LEAST_CHUNK: usize = 32;

#[derive(Debug, Clone, Default)]
struct Size {
    last: [f64; KEPT],
    measured: u64,
    round: u64,
}

impl Size {
    fn known(&self) -> bool {
        self.measured >= ENOUGH as u64
    }

    fn add(&mut self, seconds: f64) {
        self.last[(self.measured % KEPT as u64) as usize] = seconds;
        self.measured += 1;
    }

    /// Median of the last measurements, in seconds.
    fn median(&self) -> f64 {
        let n = (self.measured as usize).min(KEPT);
        let mut sorted = self.last;
        sorted[..n].sort_unstable_by(f64::total_cmp);
        // The lower one of two middles: a machine is never faster than it is.
        sorted[n.saturating_sub(1) / 2]
    }
}

/// Learned costs of decode steps, and the plan that follows from them.
#[derive(Debug, Clone)]
pub struct CostModel {
    sizes: Vec<Size>,
    /// Seconds of one prompt token, in passes of prompts alone.
    prompt_token: Size,
    /// Time of a mixed pass as a multiple of what its parts take apart.
    mixed: Size,
    /// Steps with both prompts and running streams.
    mixing_rounds: u64,
    round: u64,
}

impl CostModel {
    /// For rounds of up to `most` sequences.
    pub fn new(most: usize) -> Self {
        Self {
            sizes: vec![Size::default(); most + 1],
            prompt_token: Size::default(),
            mixed: Size::default(),
            mixing_rounds: 0,
            round: 0,
        }
    }

    /// A step that decoded `sequences` together, and nothing else, took `time`.
    pub fn record(&mut self, sequences: usize, time: Duration) {
        let round = self.round;
        if let Some(size) = self.sizes.get_mut(sequences) {
            size.add(time.as_secs_f64());
            size.round = round;
        }
    }

    /// A pass over `tokens` prompt tokens, and a token of each of `decoding` sequences, took `time`.
    pub fn record_prompts(&mut self, tokens: usize, decoding: usize, time: Duration) {
        // Few tokens take the time of a decode step and say nothing about a chunk.
        if tokens < LEAST_CHUNK {
            return;
        }
        if decoding == 0 {
            self.prompt_token.add(time.as_secs_f64() / tokens as f64);
        } else if let Some(apart) = self.apart(tokens, decoding) {
            self.mixed.add(time.as_secs_f64() / apart);
            self.mixed.round = self.mixing_rounds;
        }
    }

    /// Whether a step with prompts and `decoding` sequences is to be one pass.
    pub fn mixes(&mut self, decoding: usize) -> bool {
        if decoding == 0 {
            return true;
        }
        // Only apart can it be learned what they take apart.
        if self.apart(LEAST_CHUNK, decoding).is_none() {
            return false;
        }
        self.mixing_rounds += 1;
        !self.mixed.known()
            || self.mixed.median() * WORTH_IT <= 1.0
            || self.mixing_rounds - self.mixed.round > MIX_AGAIN
    }

    /// Seconds for `tokens` prompt tokens and a token of each of `decoding` sequences in two passes, once both are
    /// known.
    fn apart(&self, tokens: usize, decoding: usize) -> Option<f64> {
        let decode = self.sizes.get(decoding).filter(|size| size.known())?;
        let prompts = self.prompt_token.known().then(|| self.prompt_token.median() * tokens as f64)?;
        Some(decode.median() + prompts)
    }

    /// How many prompt tokens can be computed beside `decoding` sequences in about `time`; at least a number that is
    /// still worth a pass.
    pub fn prefill_within(&self, time: Duration, decoding: usize) -> usize {
        if !self.prompt_token.known() {
            return usize::MAX;
        }
        let decode = self.sizes.get(decoding).filter(|size| size.known()).map_or(0.0, Size::median);
        let left = time.as_secs_f64() - decode;
        ((left / self.prompt_token.median()) as usize).max(LEAST_CHUNK)
    }

    /// How to divide a round of `k` sequences: sizes of the parts, largest first; their sum is `k`.
    pub fn plan(&mut self, k: usize) -> Vec<usize> {
        self.round += 1;
        if k < 2 || k >= self.sizes.len() || !self.sizes[k].known() {
            return vec![k];
        }
        if self.round.is_multiple_of(TRY_EVERY)
            && let Some(size) = self.worth_trying(k)
        {
            return self.filled_with(size, k);
        }
        self.fastest(k)
    }

    /// Median seconds and number of measurements of each size measured so far.
    pub fn known(&self) -> impl Iterator<Item = (usize, f64, u64)> + '_ {
        let measured = self.sizes.iter().enumerate().filter(|(_, size)| size.measured > 0);
        measured.map(|(k, size)| (k, size.median(), size.measured))
    }

    /// The size to measure next: the most promising one not known yet, or else the one not measured for longest, if
    /// that is long ago.
    fn worth_trying(&self, k: usize) -> Option<usize> {
        if !self.sizes[1].known() {
            return Some(1);
        }
        let guessed = |size: usize| self.guess(size, k) + self.guess(k - size, k);
        let most = self.sizes[k].median() * PROMISING;
        let unknown = (1..k).filter(|&size| !self.sizes[size].known());
        let halves = unknown.map(|size| (guessed(size), size)).min_by(|a, b| a.0.total_cmp(&b.0));
        halves.filter(|&(seconds, _)| seconds < most).map(|(_, size)| size).or_else(|| {
            let oldest = (1..=k).filter(|&size| self.sizes[size].known()).min_by_key(|&size| self.sizes[size].round)?;
            (self.round - self.sizes[oldest].round > STALE).then_some(oldest)
        })
    }

    /// Seconds of a step of `size`, in parts if that is faster: for sizes not known, between what the known ones on
    /// both sides take. Sizes 1 and `most` are known.
    fn guess(&self, size: usize, most: usize) -> f64 {
        let known = |size: &usize| self.sizes[*size].known();
        let whole = match ((1..=size).rev().find(known), (size..=most).find(known)) {
            (Some(below), Some(above)) => {
                let (least, greatest) = (self.sizes[below].median(), self.sizes[above].median());
                least + (greatest - least) * (size - below) as f64 / ((above - below).max(1)) as f64
            }
            _ => f64::INFINITY,
        };
        whole.min(self.sizes[1].median() * size as f64)
    }

    /// A division of `k` with one part of `size` (two if they fit, which measures twice) and the rest at its best.
    fn filled_with(&self, size: usize, k: usize) -> Vec<usize> {
        let mut parts = vec![size; (k / size).min(2)];
        let rest = k - size * parts.len();
        if rest > 0 {
            parts.extend(if self.sizes[rest].known() { self.fastest(rest) } else { vec![rest] });
        }
        parts.sort_unstable_by(|a, b| b.cmp(a));
        parts
    }

    /// The division of `k` into known sizes with the least total time: dynamic programming over the largest part.
    fn fastest(&self, k: usize) -> Vec<usize> {
        // best[j]: least seconds for j sequences, and the part that was taken last.
        let mut best = vec![(0.0, 0); k + 1];
        for j in 1..=k {
            best[j] = (1..=j)
                .filter(|&part| self.sizes[part].known())
                .map(|part| (self.sizes[part].median() + best[j - part].0, part))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap_or((f64::INFINITY, j));
        }
        let whole = self.sizes[k].median();
        if best[k].0 >= (whole * WORTH_IT).min(whole - WORTH_IT_SECONDS) {
            return vec![k];
        }
        let mut parts = Vec::new();
        let mut left = k;
        while left > 0 {
            parts.push(best[left].1);
            left -= best[left].1;
        }
        parts.sort_unstable_by(|a, b| b.cmp(a));
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of a step on 2 cores, from tokens/s 58, 44, (50), 63, ..., 105.
    fn two_cores(k: usize) -> Duration {
        let ms = [0.0, 17.2, 45.5, 60.0, 63.5, 68.0, 70.0, 73.0, 76.2][k];
        Duration::from_secs_f64(ms / 1000.0)
    }

    /// Runs `rounds` rounds of `k` and returns the last plan that was not a trial.
    fn settle(model: &mut CostModel, k: usize, rounds: usize, time: impl Fn(usize) -> Duration) -> Vec<usize> {
        let mut plan = Vec::new();
        for _ in 0..rounds {
            let parts = model.plan(k);
            assert_eq!(parts.iter().sum::<usize>(), k);
            for &part in &parts {
                model.record(part, time(part));
            }
            if !model.round.is_multiple_of(TRY_EVERY) {
                plan = parts;
            }
        }
        plan
    }

    #[test]
    fn two_sequences_run_one_by_one_where_that_is_faster_and_eight_together() {
        let mut model = CostModel::new(8);
        assert_eq!(settle(&mut model, 2, 50, two_cores), [1, 1]);
        assert_eq!(settle(&mut model, 3, 50, two_cores), [1, 1, 1]);
        assert_eq!(settle(&mut model, 4, 50, two_cores), [4]);
        assert_eq!(settle(&mut model, 8, 100, two_cores), [8]);
        // 5 = 4 + 1 takes 80.7 ms, alone 68.
        assert_eq!(settle(&mut model, 5, 100, two_cores), [5]);
    }

    #[test]
    fn a_machine_that_batches_well_is_left_to_batch() {
        let mut model = CostModel::new(8);
        let gpu = |k: usize| Duration::from_micros(5000 + 50 * k as u64);
        for k in [2, 4, 8] {
            assert_eq!(settle(&mut model, k, 100, gpu), [k]);
        }
    }

    #[test]
    fn trying_sizes_is_bounded() {
        let mut model = CostModel::new(8);
        let flat = |_: usize| Duration::from_millis(10);
        let mut split = 0;
        for _ in 0..400 {
            let parts = model.plan(8);
            split += usize::from(parts.len() > 1);
            for &part in &parts {
                model.record(part, flat(part));
            }
        }
        assert!((1..=20).contains(&split), "{split} of 400 rounds were trials");
    }

    #[test]
    fn a_slow_machine_gets_smaller_chunks_and_never_tiny_ones() {
        let mut model = CostModel::new(4);
        let stall = Duration::from_millis(500);
        assert_eq!(model.prefill_within(stall, 1), usize::MAX);
        for _ in 0..3 {
            model.record_prompts(128, 0, Duration::from_millis(1280));
            model.record_prompts(1, 0, Duration::from_millis(100));
        }
        assert_eq!(model.prefill_within(stall, 1), 50);
        for _ in 0..3 {
            model.record(2, Duration::from_millis(100));
        }
        assert_eq!(model.prefill_within(stall, 2), 40, "the streams' own step is part of the pause");
        for _ in 0..5 {
            model.record_prompts(64, 0, Duration::from_secs(10));
        }
        assert_eq!(model.prefill_within(stall, 1), LEAST_CHUNK);
    }

    /// Of 200 steps with 80 prompt tokens and seven streams, those that were one pass.
    fn mixed_steps(model: &mut CostModel, mixed: Duration) -> usize {
        let (decode, prompts) = (Duration::from_millis(80), Duration::from_millis(340));
        for _ in 0..3 {
            model.record(7, decode);
            model.record_prompts(80, 0, prompts);
        }
        let step = |_: &usize| {
            let mixes = model.mixes(7);
            if mixes {
                model.record_prompts(80, 7, mixed);
            } else {
                model.record(7, decode);
                model.record_prompts(80, 0, prompts);
            }
            mixes
        };
        (0..200).filter(step).count()
    }

    #[test]
    fn prompts_and_streams_share_a_pass_only_where_that_is_faster() {
        let mut model = CostModel::new(8);
        let tried = mixed_steps(&mut model, Duration::from_millis(525));
        assert!((3..=8).contains(&tried), "{tried} of 200 steps were mixed");
        assert_eq!(mixed_steps(&mut CostModel::new(8), Duration::from_millis(360)), 200);
        // What made mixing slow has gone: it is noticed.
        mixed_steps(&mut model, Duration::from_millis(300));
        assert_eq!(mixed_steps(&mut model, Duration::from_millis(300)), 200);
    }

    #[test]
    fn prompts_and_streams_are_computed_apart_until_it_is_known_what_that_takes() {
        let mut model = CostModel::new(8);
        for _ in 0..3 {
            assert!(!model.mixes(7), "mixed passes would never tell what a step of seven takes");
            model.record(7, Duration::from_millis(80));
            model.record_prompts(80, 0, Duration::from_millis(340));
        }
        assert!(model.mixes(7), "now it can be compared");
    }

    #[test]
    fn one_hiccup_changes_nothing() {
        let mut model = CostModel::new(8);
        settle(&mut model, 2, 50, two_cores);
        model.record(1, Duration::from_secs(5));
        model.record(1, Duration::from_secs(5));
        assert_eq!(settle(&mut model, 2, 2, two_cores), [1, 1]);
    }

    #[test]
    fn a_lasting_change_is_noticed_also_for_sizes_not_in_use() {
        let mut model = CostModel::new(4);
        assert_eq!(settle(&mut model, 2, 50, two_cores), [1, 1]);
        // Another process now holds one core: single steps become slow, pairs are not measured by serving any more.
        let later = |k: usize| Duration::from_millis([0, 60, 50, 60, 63][k]);
        assert_eq!(settle(&mut model, 2, 4000, later), [2]);
        assert_eq!(settle(&mut model, 2, 4000, two_cores), [1, 1]);
    }
}
