//! Random numbers of an answer: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
//! OOPSLA 2014), written out here so that a seed means the same on every platform and in every version.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of random numbers: one for each answer, advanced once for each token whether the token needed it or
/// not, so that what an answer draws depends on its seed and its own tokens alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream of answer `choice` under `seed`.
    pub fn new(seed: u64, choice: u32) -> Self {
        // Neighbouring seeds and choices must not give shifted copies of one stream, hence the mixing of both.
        Self { state: mix(mix(seed ^ GOLDEN).wrapping_add(u64::from(choice).wrapping_mul(0xd1b5_4a32_d192_ed03))) }
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(GOLDEN);
        (mix(self.state) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed for a request that brought none.
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library keys each of these hashers differently, from the system's entropy.
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers are a promise: if they change, every seeded answer changes.
    #[test]
    fn a_seed_gives_the_same_stream_for_ever() {
        let draw = |seed, choice| {
            let mut rng = Rng::new(seed, choice);
            [(); 3].map(|()| (rng.uniform() * 1e9) as u64)
        };
        assert_eq!(draw(0, 0), [338_052_454, 269_130_271, 271_566_609]);
        assert_eq!(draw(42, 1), [361_141_100, 642_918_058, 642_908_137]);
    }

    #[test]
    fn choices_and_seeds_have_streams_of_their_own_and_are_uniform() {
        let mut first: Vec<u64> = Vec::new();
        for seed in 0..50 {
            for choice in 0..50 {
                first.push(Rng::new(seed, choice).uniform().to_bits());
            }
        }
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 2500);
        let mut rng = Rng::new(7, 0);
        let mean = (0..100_000).map(|_| rng.uniform()).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "mean {mean}");
    }
}
