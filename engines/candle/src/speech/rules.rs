//! Which token may come next: as the reference's logit filters, in their order.

use tern_engine::Token;

use super::config::Special;

/// Makes the logits of tokens that may not come -infinity. `said` are the tokens of the answer so far.
pub(super) fn apply(logits: &mut [f32], said: &[Token], special: &Special) {
    let mut hide = |token: Token| {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = f32::NEG_INFINITY;
        }
    };
    if said.is_empty() {
        special.begin_suppressed.iter().copied().for_each(&mut hide);
    }
    special.suppressed.iter().copied().for_each(&mut hide);
    timestamps(logits, said, special);
}

/// Timestamps come in pairs, but before the end; they never go back; the first token is one, of the first second; and if they are
/// together likelier than any text, one must come.
fn timestamps(logits: &mut [f32], said: &[Token], special: &Special) {
    let begin = special.timestamp_begin();
    let end = special.end as usize;
    let (first, all) = (begin as usize, logits.len());
    logits[special.no_timestamps as usize] = f32::NEG_INFINITY;
    let is_time = |back: usize| said.len().checked_sub(back).map(|at| said[at] >= begin);
    let last = is_time(1) == Some(true);
    let before_last = is_time(2).unwrap_or(true);
    if last {
        if before_last { hide(logits, first, all) } else { hide(logits, 0, end) }
    }
    if let Some(&latest) = said.iter().rev().find(|&&token| token >= begin) {
        // A pair may be of one moment; what follows must have a length, or an answer could stand still.
        let from = if last && !before_last { latest } else { latest + 1 };
        hide(logits, first, from as usize);
    }
    if said.is_empty() {
        hide(logits, 0, first);
        hide(logits, first + special.latest_first as usize + 1, all);
    }
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let times: f32 = logits[first..].iter().map(|logit| (logit - most).exp()).sum();
    let text = logits[..first].iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if times.ln() + most > text {
        hide(logits, 0, first);
    }
}

fn hide(logits: &mut [f32], from: usize, to: usize) {
    let to = to.min(logits.len());
    logits[from.min(to)..to].fill(f32::NEG_INFINITY);
}

/// The logarithms of the probabilities.
pub(super) fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - most).exp())).sum();
    let log = most + sum.ln() as f32;
    logits.iter().map(|logit| logit - log).collect()
}
