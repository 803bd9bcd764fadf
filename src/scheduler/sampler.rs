//! Logits + parameters + seed -> token.
//!
//! Order: logit_bias, penalties, then (unless greedy) top_k, typical_p, top_p, min_p, temperature. Each filter looks
//! at the distribution the filters before it have left, at temperature 1. Ties go to the lowest token id. Nothing is
//! allocated once the workspace has grown, and nothing sorts the vocabulary.

use tern_engine::{Token, Wanted};

use crate::{
    SamplingParams,
    penalties::Penalties,
    rng::Rng,
    select::{self, Candidate, Cut, Ranked},
    softmax,
};

/// Memory that all answers of a thread share.
#[derive(Debug, Default)]
pub struct Workspace {
    logits: Vec<f32>,
    allowed: Vec<f32>,
    candidates: Vec<Candidate>,
    ranked: Vec<Ranked>,
    masses: Vec<f64>,
    kept: Vec<u64>,
    bytes: Vec<u8>,
}

impl Workspace {
    /// Memory for candidates, to use between two calls of [`Sampler::sample`].
    pub fn candidates(&mut self) -> &mut Vec<Candidate> {
        &mut self.candidates
    }

    /// Memory for the logits that a form leaves; give it back with [`Workspace::give_allowed`].
    pub fn take_allowed(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.allowed)
    }

    /// Takes the memory back.
    pub fn give_allowed(&mut self, allowed: Vec<f32>) {
        self.allowed = allowed;
    }

    /// An empty vector for the bytes of a token.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        &mut self.bytes
    }
}

/// How the tokens of one answer are chosen.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    penalties: Penalties,
    rng: Rng,
}

impl Sampler {
    /// The sampler of answer `choice`, before its first token.
    pub fn new(params: &SamplingParams, seed: u64, choice: u32, prompt: &[Token]) -> Self {
        Self { params: params.clone(), penalties: Penalties::new(params, prompt), rng: Rng::new(seed, choice) }
    }

    /// Which logits [`Sampler::sample`] looks at: with the others at -inf it chooses the same token.
    pub fn wanted(&self) -> Wanted {
        match &self.params {
            // A penalty may lift a token from anywhere above the best.
            _ if !self.penalties.is_neutral() => Wanted::Row,
            p if p.temperature == 0.0 => Wanted::Top(1),
            p if p.top_k > 0 => Wanted::Top(p.top_k),
            _ => Wanted::Row,
        }
    }

    /// Chooses the next token from `logits` `[vocab_size]`; `None` when no logit is a number above -inf. Then call
    /// [`Sampler::accept`].
    pub fn sample(&mut self, logits: &[f32], workspace: &mut Workspace) -> Option<Token> {
        // Drawn always, so that the stream stands at the same place whatever the parameters made of it.
        let u = self.rng.uniform();
        let mut own = std::mem::take(&mut workspace.logits);
        let token = if self.penalties.is_neutral() {
            self.choose(logits, u, workspace)
        } else {
            own.clear();
            own.extend_from_slice(logits);
            self.penalties.apply(&mut own);
            self.choose(&own, u, workspace)
        };
        workspace.logits = own;
        token
    }

    /// The chosen token is now the last of `tokens` (prompt and answer).
    pub fn accept(&mut self, tokens: &[Token]) {
        self.penalties.accept(tokens);
    }

    fn choose(&self, logits: &[f32], u: f64, workspace: &mut Workspace) -> Option<Token> {
        let p = &self.params;
        if p.temperature == 0.0 || p.top_k == 1 {
            return select::argmax(logits);
        }
        let best = select::max(logits);
        if best == f32::INFINITY {
            // Infinitely more likely than everything else; differences to it are not numbers.
            return select::argmax(logits);
        }
        if best == f32::NEG_INFINITY {
            return None;
        }
        // Bounded, so that 0 * scale stays 0 at the smallest temperatures.
        let scale = (1.0 / p.temperature).min(1e30);
        let Workspace { candidates: list, ranked, masses, .. } = workspace;
        // The mass of the distribution that top_p looks at, where that is not just the list.
        let mut whole = None;
        if p.top_k > 0 && (p.top_k as usize) < logits.len() {
            select::top_k(logits, p.top_k as usize, list);
        } else if p.typical_p < 1.0 {
            select::at_least(logits, f32::NEG_INFINITY, list);
        } else if p.top_p < 1.0 {
            let mass = softmax::mass(logits, best, f32::NEG_INFINITY);
            let target = f64::from(p.top_p) * mass;
            if !likely(logits, best, target, list) {
                let mut cut = select::cut_at_mass(logits, best, target, list);
                if p.min_p > 0.0 && least(best, p.min_p) > cut.logit {
                    cut = Cut::at(least(best, p.min_p));
                }
                return softmax::draw_from_all(logits, cut, scale, u, masses);
            }
            whole = Some(mass);
        } else if p.min_p > 0.0 {
            select::at_least(logits, least(best, p.min_p), list);
        } else {
            return softmax::draw_from_all(logits, Cut::at(f32::NEG_INFINITY), scale, u, masses);
        }
        if p.typical_p < 1.0 {
            typical(list, p.typical_p, ranked, masses);
        }
        if p.top_p < 1.0 {
            let best = best_of(list);
            let mass = whole.unwrap_or_else(|| list.iter().map(|c| weight(c, best)).sum());
            let rank = |c: &Candidate| Ranked { rank: best - c.logit, weight: weight(c, best) as f32, candidate: *c };
            keep_fewest(list, rank, f64::from(p.top_p) * mass, ranked, masses);
        }
        if p.min_p > 0.0 {
            let least = least(best_of(list), p.min_p);
            list.retain(|c| c.logit >= least);
        }
        // In the order of ids, so that the draw does not depend on how a selection happened to arrange them.
        order_by_id(list, logits, &mut workspace.kept);
        softmax::draw(list, scale, u)
    }
}

fn weight(candidate: &Candidate, best: f32) -> f64 {
    f64::from(softmax::exp(candidate.logit - best))
}

fn best_of(candidates: &[Candidate]) -> f32 {
    candidates.iter().fold(f32::NEG_INFINITY, |best, c| if c.logit > best { c.logit } else { best })
}

/// The logit of a token `share` as likely as the one with logit `best`. Never above `best`, so one always remains.
fn least(best: f32, share: f32) -> f32 {
    best + share.min(1.0).ln()
}

/// More candidates than this are not gathered but cut off by passes over the vocabulary.
const MANY: usize = 4096;

/// Gathers candidates among which the likeliest reach `mass`. Returns whether it did: not if they are too many.
fn likely(logits: &[f32], best: f32, mass: f64, list: &mut Vec<Candidate>) -> bool {
    for below in [4.0, 8.0, 12.0] {
        select::at_least(logits, best - below, list);
        if list.iter().map(|c| weight(c, best)).sum::<f64>() >= mass {
            return true;
        }
        if list.len() > MANY {
            return false;
        }
    }
    false
}

/// Locally typical sampling (Meister et al. 2022): keeps the tokens whose surprise is closest to the entropy, until
/// they reach probability `share`.
fn typical(list: &mut Vec<Candidate>, share: f32, ranked: &mut Vec<Ranked>, masses: &mut Vec<f64>) {
    let best = best_of(list);
    let total: f64 = list.iter().map(|c| weight(c, best)).sum();
    let ln_total = total.ln();
    let surprise = |c: &Candidate| ln_total - f64::from(c.logit - best);
    let entropy: f64 = list.iter().map(|c| weight(c, best) / total * surprise(c)).sum();
    let rank = |c: &Candidate| Ranked {
        rank: (surprise(c) - entropy).abs() as f32,
        weight: weight(c, best) as f32,
        candidate: *c,
    };
    keep_fewest(list, rank, f64::from(share) * total, ranked, masses);
}

/// Replaces `list` by the fewest of it, in the order that `rank` gives, that reach `target`.
fn keep_fewest(
    list: &mut Vec<Candidate>,
    rank: impl Fn(&Candidate) -> Ranked,
    target: f64,
    ranked: &mut Vec<Ranked>,
    masses: &mut Vec<f64>,
) {
    ranked.clear();
    ranked.extend(list.iter().map(rank));
    select::fewest_reaching(ranked, target, masses);
    list.clear();
    list.extend(ranked.iter().map(|entry| entry.candidate));
}

/// Sorts by id: few candidates directly, many through a set of bits, which is linear.
fn order_by_id(list: &mut Vec<Candidate>, logits: &[f32], bits: &mut Vec<u64>) {
    if list.len() < 2048 {
        list.sort_unstable_by_key(|c| c.token);
        return;
    }
    bits.clear();
    bits.resize(logits.len().div_ceil(64), 0);
    for candidate in list.iter() {
        bits[candidate.token as usize / 64] |= 1 << (candidate.token % 64);
    }
    list.clear();
    for (word, &set) in bits.iter().enumerate() {
        let mut left = set;
        while left != 0 {
            let token = word * 64 + left.trailing_zeros() as usize;
            list.push(Candidate { token: token as Token, logit: logits[token] });
            left &= left - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> SamplingParams {
        SamplingParams::default()
    }

    /// Which tokens come up over many draws.
    fn support(params: &SamplingParams, logits: &[f32]) -> Vec<Token> {
        support_of(4000, params, logits)
    }

    fn support_of(draws: usize, params: &SamplingParams, logits: &[f32]) -> Vec<Token> {
        let mut sampler = Sampler::new(params, 1, 0, &[]);
        let mut workspace = Workspace::default();
        let mut seen: Vec<_> =
            (0..draws).map(|_| sampler.sample(logits, &mut workspace).expect("there are candidates")).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    /// ln of probabilities 0.4, 0.3, 0.2, 0.1 in a mixed order: ids 2, 0, 3, 1.
    fn four() -> Vec<f32> {
        [0.3f32, 0.1, 0.4, 0.2].map(f32::ln).to_vec()
    }

    #[test]
    fn each_filter_keeps_what_its_name_says() {
        let logits = four();
        assert_eq!(support(&plain(), &logits), [0, 1, 2, 3]);
        assert_eq!(support(&SamplingParams { top_k: 2, ..plain() }, &logits), [0, 2]);
        assert_eq!(support(&SamplingParams { top_p: 0.65, ..plain() }, &logits), [0, 2]);
        assert_eq!(support(&SamplingParams { top_p: 0.75, ..plain() }, &logits), [0, 2, 3]);
        assert_eq!(support(&SamplingParams { top_p: 0.0, ..plain() }, &logits), [2]);
        assert_eq!(support(&SamplingParams { min_p: 0.45, ..plain() }, &logits), [0, 2, 3]);
        assert_eq!(support(&SamplingParams { min_p: 1.0, ..plain() }, &logits), [2]);
        // Entropy 1.28: surprises 1.20 (id 0), 1.61 (3), 0.92 (2), 2.30 (1); the closest is not the likeliest.
        assert_eq!(support(&SamplingParams { typical_p: 0.25, ..plain() }, &logits), [0]);
        assert_eq!(support(&SamplingParams { typical_p: 0.45, ..plain() }, &logits), [0, 3]);
    }

    #[test]
    fn filters_work_one_after_the_other_on_what_is_left() {
        let logits = four();
        // After top_k 3 the probabilities are 4/9, 3/9, 2/9: 0.75 needs two of them, where all four needed three.
        assert_eq!(support(&SamplingParams { top_k: 3, top_p: 0.75, ..plain() }, &logits), [0, 2]);
        assert_eq!(support(&SamplingParams { top_p: 0.75, min_p: 0.6, ..plain() }, &logits), [0, 2]);
        // Filters come before temperature: however hot, what top_p dropped stays out.
        assert_eq!(support(&SamplingParams { top_p: 0.65, temperature: 100.0, ..plain() }, &logits), [0, 2]);
    }

    /// What top_p keeps of 10 000 logits, drawn from often enough to see both ends of it.
    fn kept(top_p: f32, logits: &[f32]) -> (Token, Token, bool) {
        let seen = support_of(400, &SamplingParams { top_p, ..plain() }, logits);
        (seen[0], seen[seen.len() - 1], seen.iter().all(|token| token % 2 == 0))
    }

    #[test]
    fn a_flat_distribution_over_a_large_vocabulary_is_cut_at_the_right_mass() {
        let logits: Vec<f32> = (0..10_000).map(|i| if i % 2 == 0 { 1.0 } else { 0.0 }).collect();
        let share_of_even = 1f64.exp() / (1f64.exp() + 1.0);
        // Half of the even ones, and of equals those with the lowest ids.
        let (first, last, even) = kept((share_of_even * 0.5) as f32, &logits);
        assert!(even && first < 50 && (4900..=5002).contains(&last), "{first} {last}");
        let (_, last, even) = kept((share_of_even * 0.99) as f32, &logits);
        assert!(even && (9800..=9902).contains(&last), "{last}");
        assert!(!kept(0.95, &logits).2);
    }

    #[test]
    fn however_the_border_is_found_top_p_keeps_what_sorting_would_keep() {
        // From no peak at all to one sharp peak: each way of finding the border is taken.
        for spread in [0.1f32, 1.0, 2.0, 3.0, 5.0, 20.0] {
            let mut rng = Rng::new(5, 0);
            let logits: Vec<f32> =
                (0..20_000).map(|_| ((0..12).map(|_| rng.uniform()).sum::<f64>() as f32 - 6.0) * spread).collect();
            let mut sorted: Vec<Candidate> =
                logits.iter().enumerate().map(|(i, &logit)| Candidate { token: i as Token, logit }).collect();
            sorted.sort_by(select::likelier_first);
            let best = sorted[0].logit;
            let target = 0.9 * sorted.iter().map(|c| weight(c, best)).sum::<f64>();
            let mut sum = 0.0;
            let reach = sorted.iter().position(|c| {
                sum += weight(c, best);
                sum >= target
            });
            let expected = reach.unwrap() as i64;
            let place = |c: &Candidate| sorted.iter().position(|other| other.token == c.token).unwrap() as i64;
            let cut = select::cut_at_mass(&logits, best, target, &mut Vec::new());
            let by_cut = place(&Candidate { token: cut.token, logit: cut.logit });
            let mut list = Vec::new();
            // Single precision sums in another order may move the border by a token in some thousands.
            let near = |found: i64| (found - expected).abs() <= expected / 5_000;
            assert!(near(by_cut), "spread {spread}: {by_cut}, expected {expected}");
            if likely(&logits, best, target, &mut list) {
                let rank =
                    |c: &Candidate| Ranked { rank: best - c.logit, weight: weight(c, best) as f32, candidate: *c };
                keep_fewest(&mut list, rank, target, &mut Vec::new(), &mut Vec::new());
                assert!(near(list.iter().map(place).max().unwrap()), "spread {spread}: {}", list.len());
            }
        }
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals_and_respects_bias() {
        let mut workspace = Workspace::default();
        let greedy = SamplingParams { temperature: 0.0, ..plain() };
        let mut sample =
            |params: &SamplingParams, logits: &[f32]| Sampler::new(params, 1, 0, &[]).sample(logits, &mut workspace);
        assert_eq!(sample(&greedy, &[1.0, 3.0, 3.0, 2.0]), Some(1));
        let banned = SamplingParams { logit_bias: vec![(1, -100.0)], ..greedy.clone() };
        assert_eq!(sample(&banned, &[1.0, 3.0, 3.0, 2.0]), Some(2));
        let forced = SamplingParams { logit_bias: vec![(0, 100.0)], ..plain() };
        assert_eq!(sample(&forced, &[1.0, 3.0, 3.0, 2.0]), Some(0));
    }

    #[test]
    fn bad_logits_give_a_token_when_there_is_one_and_none_otherwise() {
        let every_kind = [
            plain(),
            SamplingParams { temperature: 0.0, ..plain() },
            SamplingParams { top_k: 3, ..plain() },
            SamplingParams { top_p: 0.5, ..plain() },
            SamplingParams { min_p: 0.5, ..plain() },
            SamplingParams { typical_p: 0.5, ..plain() },
            SamplingParams { temperature: 1e-30, ..plain() },
            SamplingParams { repeat_penalty: 1.5, presence_penalty: 2.0, ..plain() },
        ];
        let mut workspace = Workspace::default();
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        for params in &every_kind {
            let mut sample = |logits: &[f32]| Sampler::new(params, 3, 0, &[0, 2]).sample(logits, &mut workspace);
            assert_eq!(sample(&[nan, -inf, 1.0, nan]), Some(2), "{params:?}");
            assert_eq!(sample(&[nan, inf, 1.0, -inf]), Some(1), "{params:?}");
            assert_eq!(sample(&[-3e38, nan, -inf, nan]), Some(0), "{params:?}");
            assert_eq!(sample(&[nan, -inf, nan]), None, "{params:?}");
            assert!(sample(&[3e38, -3e38, 3e38]).is_some(), "{params:?}");
        }
    }

    #[test]
    fn what_is_wanted_of_a_row_is_enough_to_choose_the_same_token() {
        let mut rng = Rng::new(5, 0);
        let logits: Vec<f32> = (0..1000).map(|_| (8.0 * rng.uniform()) as f32).collect();
        let mut workspace = Workspace::default();
        for params in [
            SamplingParams { temperature: 0.0, ..plain() },
            SamplingParams { top_k: 1, ..plain() },
            SamplingParams { top_k: 40, top_p: 0.9, min_p: 0.1, temperature: 1.7, ..plain() },
            SamplingParams { top_k: 5, typical_p: 0.5, ..plain() },
        ] {
            let mut sampler = Sampler::new(&params, 3, 0, &[]);
            let Wanted::Top(k) = sampler.wanted() else { panic!("{params:?} wants the whole row") };
            let mut sorted = logits.clone();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            let least = sorted[k as usize - 1];
            let part: Vec<f32> = logits.iter().map(|&l| if l >= least { l } else { f32::NEG_INFINITY }).collect();
            let mut twin = sampler.clone();
            for _ in 0..20 {
                let chosen = sampler.sample(&logits, &mut workspace);
                assert_eq!(twin.sample(&part, &mut workspace), chosen, "{params:?}");
            }
        }
        let biased = SamplingParams { temperature: 0.0, logit_bias: vec![(3, 1.0)], ..plain() };
        assert_eq!(Sampler::new(&biased, 3, 0, &[]).wanted(), Wanted::Row);
        assert_eq!(Sampler::new(&plain(), 3, 0, &[]).wanted(), Wanted::Row);
    }

    #[test]
    fn the_random_stream_advances_once_a_token_whatever_the_logits_are() {
        let params = SamplingParams { top_k: 2, ..plain() };
        let mut workspace = Workspace::default();
        let mut a = Sampler::new(&params, 9, 0, &[]);
        let mut b = a.clone();
        a.sample(&[0.0, 0.0], &mut workspace);
        b.sample(&[f32::INFINITY, 0.0], &mut workspace);
        assert_eq!(a.rng, b.rng);
    }
}
