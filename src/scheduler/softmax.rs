//! Exponentials over the vocabulary: the mass of a distribution, and a draw from it.
//!
//! The exponential is our own, from additions and multiplications only, so that a draw comes out the same on every
//! platform; and it has no branch and no checked arithmetic, so that the compiler makes vector code of its loops.

use tern_engine::Token;

use crate::select::{BLOCK, Candidate, Cut, LANES, argmax, max};

/// exp(x) for x <= 0, with a relative error below 3e-7; 0 below -87; 0 for NaN.
///
/// Range reduction by ln 2 in two parts and a polynomial of degree 6 (Taylor on +-0.3466, remainder 1.2e-8 of 1).
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to an integer
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.0 / 120.0 + r * (1.0 / 720.0);
    let p = 1.0 / 24.0 + r * p;
    let p = 1.0 / 6.0 + r * p;
    let p = 0.5 + r * p;
    let p = 1.0 + r * p;
    let p = 1.0 + r * p;
    // The low bits of `shifted` are n, in [-126, 0]; n + 127 is the exponent of a normal number. Wrapping operations,
    // because checked ones would keep the loop from being vector code; none of them wraps.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    let scale = f32::from_bits(exponent.wrapping_shl(23));
    if x > -87.0 { p * scale } else { 0.0 }
}

/// The sum of exp((logit - max) * scale) over the logits of a block that are at least `least`, in lanes.
fn block_mass(block: &[f32], max: f32, scale: f32, least: f32) -> f32 {
    let weight = |x: f32| {
        let weight = exp((x - max) * scale);
        if x >= least { weight } else { 0.0 }
    };
    let mut lanes = [0.0f32; LANES];
    let chunks = block.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += weight(x);
        }
    }
    rest.iter().map(|&x| weight(x)).chain(lanes).sum()
}

/// The sum of exp(logit - max) over the logits that are at least `least`.
pub fn mass(logits: &[f32], max: f32, least: f32) -> f64 {
    logits.chunks(BLOCK).map(|block| f64::from(block_mass(block, max, 1.0, least))).sum()
}

/// Draws from the softmax of `logits * scale`, above `cut`, with the random number `u` in `[0, 1)`. `masses` is memory
/// to reuse. `None` if all are NaN or -inf.
pub fn draw_from_all(logits: &[f32], cut: Cut, scale: f32, u: f64, masses: &mut Vec<f64>) -> Option<Token> {
    let max = max(logits);
    if max == f32::NEG_INFINITY {
        return None;
    }
    // Up to the last of the equals on the border they are kept, after it they are not.
    let (head, tail) = logits.split_at((cut.token as usize).saturating_add(1).min(logits.len()));
    let head = head.chunks(BLOCK).map(|block| (block, cut.logit));
    let blocks = head.chain(tail.chunks(BLOCK).map(|block| (block, cut.logit.next_up())));
    masses.clear();
    masses.extend(blocks.clone().map(|(block, least)| f64::from(block_mass(block, max, scale, least))));
    let mut left = u * masses.iter().sum::<f64>();
    let mut last = None;
    let mut first = 0;
    for ((block, least), &mass) in blocks.zip(masses.iter()) {
        let start = first;
        first += block.len();
        if left >= mass {
            left -= mass;
            continue;
        }
        for (i, &x) in block.iter().enumerate() {
            let weight = if x >= least { f64::from(exp((x - max) * scale)) } else { 0.0 };
            if weight > 0.0 {
                last = Some((start + i) as Token);
                left -= weight;
                if left < 0.0 {
                    return last;
                }
            }
        }
        // The block's own sum was rounded differently: go on with the next one.
        left = left.max(0.0);
    }
    // Rounding may leave a crumb at the very end; the likeliest token is kept by every cut.
    last.or_else(|| argmax(logits))
}

/// Draws from the softmax of the candidates' `logit * scale` with the random number `u` in `[0, 1)`.
/// `None` only if there is no candidate.
pub fn draw(candidates: &[Candidate], scale: f32, u: f64) -> Option<Token> {
    let max = candidates.iter().fold(f32::NEG_INFINITY, |max, c| if c.logit > max { c.logit } else { max });
    let weight = |c: &Candidate| f64::from(exp((c.logit - max) * scale));
    let mut left = u * candidates.iter().map(weight).sum::<f64>();
    let mut last = None;
    for candidate in candidates {
        let weight = weight(candidate);
        if weight > 0.0 {
            last = Some(candidate.token);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    last.or(candidates.first().map(|c| c.token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere_it_is_used() {
        let mut worst = 0.0f64;
        for i in 0..=870_000 {
            let x = -(i as f32) / 10_000.0;
            let error = (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs();
            if x > -86.9 {
                worst = worst.max(error);
            }
        }
        assert!(worst < 3e-7, "relative error {worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!((exp(-100.0), exp(f32::NEG_INFINITY), exp(f32::NAN)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn draws_follow_the_softmax() {
        let logits = [1.0f32, 2.0, f32::NEG_INFINITY, 0.0, f32::NAN];
        let total: f64 = [1.0f64, 2.0, 0.0].iter().map(|x| x.exp()).sum();
        let candidates = [(0, 1.0), (1, 2.0), (3, 0.0)].map(|(token, logit)| Candidate { token, logit });
        let (mut all, mut few) = ([0u32; 5], [0u32; 5]);
        let draws = 20_000;
        for i in 0..draws {
            let u = f64::from(i) / f64::from(draws);
            all[draw_from_all(&logits, Cut::at(f32::NEG_INFINITY), 1.0, u, &mut Vec::new()).unwrap() as usize] += 1;
            few[draw(&candidates, 1.0, u).unwrap() as usize] += 1;
        }
        for (token, x) in [(0, 1.0f64), (1, 2.0), (3, 0.0)] {
            let expected = x.exp() / total * f64::from(draws);
            assert!((f64::from(all[token]) - expected).abs() < 3.0, "{all:?}");
            assert!((f64::from(few[token]) - expected).abs() < 3.0, "{few:?}");
        }
        assert_eq!((all[2], all[4]), (0, 0));
    }
}
