//! How good an answer is, as far as numbers can tell without knowing the right one.
//!
//! Answers are scored when all are there, by models that compute the prompt and the answer again as one prompt: asking for
//! probabilities while an answer is timed would slow it down, and more with engines that otherwise do not
//! compute the whole row of logits. All probabilities are those of the unmodified logits: no temperature, no filter, no
//! penalty.
//!
//! **Mean logprob** of an answer of tokens `t_1 … t_n` behind prompt `c`: `(1/n) Σ ln p(t_i | c, t_1 … t_{i-1})`.
//! **Perplexity** is `exp` of its negative. Both are about a model's own answer: they say how sure it was, not how right, and
//! compare between models only where their tokenizers do.
//!
//! **Top-1 agreement** and **KL** are computed over the *reference's* answer, read by both models, each behind its
//! own rendering of the prompt. They need the same vocabulary. Agreement is the share of places where both have the same
//! likeliest token. It compares likeliest tokens and not the tokens written, so that a reference that sampled is treated
//! alike.
//!
//! **KL(r || m)** at a place is `Σ_t r(t) ln (r(t) / m(t))` over the vocabulary. Known are the [`ALTERNATIVES`] likeliest tokens
//! of each model and the token written. Let `K` be the tokens known of both; everything else is lumped into one
//! outcome of probability `1 - Σ_K`. The KL of the lumped distributions is what is reported, its mean over the places:
//!
//! `Σ_{t ∈ K} r(t) ln (r(t) / m(t)) + R ln (R / M)`, with `R = 1 - Σ_K r(t)` and `M = 1 - Σ_K m(t)`.
//!
//! Lumping outcomes never makes a KL larger (the log sum inequality: Cover and Thomas, Elements of Information Theory,
//! 2nd edition, theorem 2.7.1), so this is a bound from below. It is exact where the models differ only in `K`, 0 for a
//! model against itself, and tight when `R` and `M` are small, as they are where models are sure. (llama.cpp's
//! `llama-perplexity --kl-divergence` sums over the whole vocabulary, over a text that is given.)

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use tern_engine::{Token, Tokenizer};
use tern_scheduler::{Event, GenerateRequest, MAX_LOGPROBS, SamplingParams, Scheduler, TokenLogprob};

/// How many of a model's likeliest tokens are known at a place.
pub const ALTERNATIVES: u32 = MAX_LOGPROBS;

/// A model's probabilities at one place of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// ln p of the token that is there.
    pub written: (Token, f64),
    /// The likeliest tokens with ln p, likeliest first.
    pub top: Vec<(Token, f64)>,
}

impl From<&TokenLogprob> for Place {
    fn from(entry: &TokenLogprob) -> Self {
        let written = entry.logprob.map_or(f64::NEG_INFINITY, f64::from);
        let top = entry.top.iter().map(|top| (top.token, f64::from(top.logprob))).collect();
        Self { written: (entry.token, written), top }
    }
}

impl Place {
    /// What is known of it, by token: sums over it are made in one order, and so are the same every time.
    fn known(&self) -> BTreeMap<Token, f64> {
        self.top.iter().copied().chain([self.written]).collect()
    }
}

/// Mean ln p of what is written; `None` of nothing.
pub fn mean_logprob(places: &[Place]) -> Option<f64> {
    let sum: f64 = places.iter().map(|place| place.written.1).sum();
    (!places.is_empty()).then(|| sum / places.len() as f64)
}

/// The share of places with the same likeliest token; `None` of nothing.
pub fn agreement(reference: &[Place], other: &[Place]) -> Option<f64> {
    let likeliest = |place: &Place| place.top.first().map(|(token, _)| *token);
    let places = reference.len().min(other.len());
    let same = reference.iter().zip(other).filter(|(a, b)| likeliest(a) == likeliest(b)).count();
    (places > 0).then(|| same as f64 / places as f64)
}

/// Mean KL(reference || other) in nats a token, as the module says; `None` of nothing.
pub fn divergence(reference: &[Place], other: &[Place]) -> Option<f64> {
    let places = reference.len().min(other.len());
    let sum: f64 = reference.iter().zip(other).map(|(r, m)| divergence_at(r, m)).sum();
    (places > 0).then(|| sum / places as f64)
}

fn divergence_at(reference: &Place, other: &Place) -> f64 {
    // Nothing is so unlikely that its logarithm is infinite: a bound for what 32-bit logits can say.
    const LEAST: f64 = -100.0;
    let known = other.known();
    let (mut sum, mut rest_r, mut rest_m) = (0.0, 1.0, 1.0);
    for (token, r) in reference.known() {
        let Some(m) = known.get(&token) else { continue };
        let (r, m) = (r.max(LEAST), m.max(LEAST));
        sum += r.exp() * (r - m);
        rest_r -= r.exp();
        rest_m -= m.exp();
    }
    // Sums of rounded probabilities may pass 1 a little; the logarithm of such a rest would be noise.
    const ROUNDING: f64 = 1e-6;
    if rest_r > ROUNDING {
        sum += rest_r * (rest_r / rest_m.max(ROUNDING)).ln();
    }
    sum.max(0.0)
}

/// What `answer` looks like to a model behind `prompt`, place by place: as far as it fits into the context.
///
/// # Errors
/// What the model said.
pub async fn score(scheduler: &Scheduler, prompt: &[Token], answer: &[Token]) -> Result<Vec<Place>, String> {
    let most = scheduler.limits().context_length.saturating_sub(1) as usize;
    let mut tokens = [prompt, answer].concat();
    tokens.truncate(most.max(prompt.len()));
    let places = tokens.len() - prompt.len();
    if places == 0 {
        return Ok(Vec::new());
    }
    let request = GenerateRequest {
        id: "compare score".to_owned(),
        prompt: tokens,
        images: Vec::new(),
        sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
        n: 1,
        max_tokens: Some(0),
        grammar: None,
        thinking: None,
        stop: Vec::new(),
        ignore_eos: false,
        logprobs: None,
        prompt_logprobs: Some(ALTERNATIVES),
        show_control: false,
        return_progress: false,
        use_cache: false,
    };
    let mut events = scheduler.submit(request).map_err(|error| error.to_string())?;
    let mut scored = None;
    while let Some(event) = events.next().await {
        match event {
            Event::Prompt(entries) => scored = Some(entries[prompt.len()..].iter().map(Place::from).collect()),
            Event::Failed(error) => return Err(error.to_string()),
            Event::End(_) => break,
            Event::Prefill(_) | Event::Delta(_) | Event::Finish { .. } => {}
        }
    }
    scored.ok_or_else(|| "the model gave no probabilities".to_owned())
}

/// A number that two tokenizers share only if every token id means the same to both. Looks at the whole vocabulary:
/// some milliseconds.
pub fn vocabulary(tokenizer: &dyn Tokenizer) -> u64 {
    // How text is cut matters too: two vocabularies may be alike and be used in different ways.
    const SAMPLES: [&str; 4] = [
        "The quick brown fox didn't jump over 1234567890 lazy dogs; e = mc^2 (naïve).",
        "  two spaces\n\n\ttabs\r\nand\u{a0}more   \n",
        "Zürich, 東京, Москва, القاهرة, 👩‍👩‍👧‍👦 🇨🇭",
        "fn main() { println!(\"{}\", x[0]+=1); } // <|im_start|></s>",
    ];
    let mut hasher = DefaultHasher::new();
    tokenizer.vocab_size().hash(&mut hasher);
    let mut bytes = Vec::new();
    for token in 0..tokenizer.vocab_size() as Token {
        bytes.clear();
        tokenizer.decode(token, true, &mut bytes);
        (&bytes, tokenizer.is_control(token)).hash(&mut hasher);
    }
    for sample in SAMPLES {
        tokenizer.encode(sample, false, false).ok().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(written: Token, probabilities: &[(Token, f64)]) -> Place {
        let top: Vec<_> = probabilities.iter().map(|(token, p)| (*token, p.ln())).collect();
        let p = probabilities.iter().find(|(token, _)| *token == written).expect("the written token is given").1;
        Place { written: (written, p.ln()), top }
    }

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn mean_logprob_is_the_mean_of_logarithms() {
        let places = [place(1, &[(1, 0.5)]), place(2, &[(2, 0.125)])];
        near(mean_logprob(&places), (0.5_f64.ln() + 0.125_f64.ln()) / 2.0);
        near(mean_logprob(&places).map(|mean| (-mean).exp()), 4.0);
        assert_eq!(mean_logprob(&[]), None);
    }

    #[test]
    fn agreement_compares_the_likeliest_tokens_whatever_was_written() {
        let sampled = [place(2, &[(1, 0.6), (2, 0.4)]), place(3, &[(3, 0.9)])];
        let other = [place(2, &[(1, 0.5), (2, 0.4)]), place(3, &[(4, 0.6), (3, 0.2)])];
        near(agreement(&sampled, &other), 0.5);
        assert_eq!(agreement(&[], &[]), None);
    }

    #[test]
    fn divergence_is_exact_where_everything_is_known() {
        let r = [place(1, &[(1, 0.7), (2, 0.2), (3, 0.1)])];
        let m = [place(1, &[(1, 0.5), (3, 0.3), (2, 0.2)])];
        near(divergence(&r, &m), 0.7 * (0.7_f64 / 0.5).ln() + 0.1 * (0.1_f64 / 0.3).ln());
        near(divergence(&r, &r), 0.0);
    }

    #[test]
    fn what_is_known_of_one_model_only_is_lumped_and_bounds_the_divergence_from_below() {
        // Over five tokens; each model's two likeliest and the written one are known.
        let (full_r, full_m) = ([0.6, 0.25, 0.05, 0.07, 0.03], [0.5, 0.05, 0.3, 0.05, 0.1]);
        let exact: f64 = full_r.iter().zip(full_m).map(|(r, m): (&f64, f64)| r * (r / m).ln()).sum();
        let r = [place(0, &[(0, 0.6), (1, 0.25)])];
        let m = [place(0, &[(0, 0.5), (2, 0.3)])];
        let lumped = 0.6 * (0.6_f64 / 0.5).ln() + 0.4 * (0.4_f64 / 0.5).ln();
        near(divergence(&r, &m), lumped);
        assert!(lumped <= exact && lumped >= 0.0, "{lumped} {exact}");
    }

    #[test]
    fn the_written_token_counts_even_where_it_is_unlikely_to_the_other() {
        let r = [place(1, &[(1, 0.9), (2, 0.1)])];
        let m = [Place { written: (1, 0.001_f64.ln()), top: vec![(2, 0.9_f64.ln()), (3, 0.099_f64.ln())] }];
        near(divergence(&r, &m), 0.9 * (0.9_f64 / 0.001).ln() + 0.1 * (0.1_f64 / 0.9).ln());
    }

    #[test]
    fn impossible_tokens_and_rounding_give_finite_numbers() {
        let r = [Place { written: (1, f64::NEG_INFINITY), top: vec![(2, 1e-9)] }];
        let m = [Place { written: (1, 0.0), top: vec![(2, f64::from(f32::MIN))] }];
        assert!(divergence(&r, &m).unwrap().is_finite());
        assert!(divergence(&m, &r).unwrap().is_finite());
    }
}
