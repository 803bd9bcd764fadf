//! Logprobs: natural logarithms of probabilities under the unmodified logits.

use tern_engine::{Token, Tokenizer};

use crate::{
    TokenLogprob, TopLogprob,
    select::{self, Candidate},
    softmax,
};

/// What is reported for `token`, with its `top` likeliest alternatives, from the logits it was chosen from.
/// One pass for the sum and one for the best; allocates the answer.
pub fn token_logprob(
    logits: &[f32],
    token: Token,
    top: u32,
    tokenizer: &dyn Tokenizer,
    candidates: &mut Vec<Candidate>,
) -> TokenLogprob {
    let best = select::max(logits);
    let ln_mass = softmax::mass(logits, best, f32::NEG_INFINITY).ln() as f32;
    // A token that penalties or a bias brought in although its probability is 0 gets the least number, not -inf, which
    // JSON cannot write.
    let ln_p = |logit: f32| {
        let ln_p = logit - best - ln_mass;
        if ln_p.is_nan() { f32::MIN } else { ln_p.clamp(f32::MIN, 0.0) }
    };
    select::top_k(logits, top as usize, candidates);
    TokenLogprob {
        token,
        bytes: bytes_of(tokenizer, token),
        logprob: Some(ln_p(logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY))),
        top: candidates
            .iter()
            .map(|c| TopLogprob { token: c.token, bytes: bytes_of(tokenizer, c.token), logprob: ln_p(c.logit) })
            .collect(),
    }
}

/// The entry of a prompt's first token, which nothing predicts.
pub fn first_of_prompt(token: Token, tokenizer: &dyn Tokenizer) -> TokenLogprob {
    TokenLogprob { token, bytes: bytes_of(tokenizer, token), logprob: None, top: Vec::new() }
}

fn bytes_of(tokenizer: &dyn Tokenizer, token: Token) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokenizer.decode(token, true, &mut bytes);
    bytes
}
