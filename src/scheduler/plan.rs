//! How many prompt tokens each answer may compute in the next step.

/// Smallest budget beside running streams, so that a prompt always gets on.
const LEAST: usize = 16;

/// How many times longer `decoding` streams pause when `waiting` prompts outnumber them: what one of them would gain by
/// stopping seven prompts every half a second is a token, and the step that gives it costs as much as one of eight.
pub fn patience(decoding: usize, waiting: usize) -> usize {
    waiting.checked_div(decoding).unwrap_or(1).max(1)
}

/// How many tokens of `waiting` prompts the next step may compute while `decoding` streams take part in it.
///
/// With no stream running the whole chunk is used. Beside running streams it is a quarter, times [`patience`], because
/// all of them pause for as long as the step takes.
pub fn prefill_budget(chunk: usize, decoding: usize, waiting: usize, max_batch_tokens: usize) -> usize {
    let part = (chunk / 4).max(LEAST.min(chunk)).saturating_mul(patience(decoding, waiting)).min(chunk);
    let budget = if decoding == 0 { chunk } else { part.saturating_sub(decoding).max(1) };
    budget.max(1).min(max_batch_tokens.saturating_sub(decoding))
}

/// A prompt that has tokens left to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Tokens left.
    pub remaining: usize,
    /// Most of them in one step.
    pub limit: usize,
}

/// Divides `budget` among prompts given oldest first: half to the oldest, so that the longest prompt always gets on;
/// the rest to the shortest first, so that a short one never waits behind a long one; what is left to the oldest.
/// Returns one number for each.
pub fn share(budget: usize, needs: &[Need]) -> Vec<usize> {
    let mut shares = vec![0; needs.len()];
    let Some(oldest) = needs.first() else { return shares };
    let mut left = budget;
    let mut give = |i: usize, most: usize, left: &mut usize| {
        let amount = (needs[i].remaining.min(needs[i].limit) - shares[i]).min(most).min(*left);
        shares[i] += amount;
        *left -= amount;
    };
    if oldest.remaining > 0 {
        give(0, budget.div_ceil(2), &mut left);
    }
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|&i| (needs[i].remaining, i));
    for i in order {
        give(i, usize::MAX, &mut left);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(budget: usize, remaining: &[usize], expected: &[usize]) {
        let needs: Vec<_> = remaining.iter().map(|&remaining| Need { remaining, limit: usize::MAX }).collect();
        assert_eq!(share(budget, &needs), expected);
    }

    #[test]
    fn a_short_prompt_does_not_wait_behind_a_huge_one_nor_starve_it() {
        check(512, &[10_000], &[512]);
        check(512, &[10_000, 40], &[472, 40]);
        check(512, &[10_000, 300, 200], &[256, 56, 200]);
        check(512, &[10, 600, 600], &[10, 502, 0]);
        check(512, &[], &[]);
        check(1, &[5, 1], &[1, 0]);
    }

    #[test]
    fn a_limit_of_one_prompt_leaves_its_share_to_others() {
        let needs = [Need { remaining: 1000, limit: 64 }, Need { remaining: 1000, limit: 1000 }];
        assert_eq!(share(512, &needs), [64, 448]);
    }

    #[test]
    fn running_streams_get_a_smaller_chunk_and_always_progress() {
        assert_eq!(prefill_budget(512, 0, 1, 2048), 512);
        assert_eq!(prefill_budget(512, 8, 1, 2048), 120);
        assert_eq!(prefill_budget(512, 0, 1, 256), 256);
        assert_eq!(prefill_budget(8, 3, 1, 64), 5);
        assert_eq!(prefill_budget(1, 4, 1, 64), 1);
        assert_eq!(prefill_budget(512, 64, 1, 64), 0);
    }

    #[test]
    fn one_stream_waits_longer_for_many_prompts_but_never_for_more_than_a_chunk() {
        assert_eq!(prefill_budget(512, 1, 2, 2048), 255);
        assert_eq!(prefill_budget(512, 1, 7, 2048), 511);
        assert_eq!(prefill_budget(512, 4, 4, 2048), 124);
        assert_eq!(prefill_budget(512, 5, 3, 2048), 123);
    }
}
