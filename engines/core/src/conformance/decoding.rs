//! Forward passes: however tokens are divided into batches, the logits are the same.

use super::{Check, Failure, Load, Outcome, Tolerance, comparison, subject::Subject, subject::fresh};
use crate::{Batch, Token, Wanted};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a row of logits has a finite number for each token of the vocabulary", run: finite_rows },
    Check { name: "the same input gives the same logits, bit for bit", run: deterministic },
    Check { name: "other tokens give other logits, beyond the tolerance", run: sensitive },
    Check { name: "a batch of one sequence agrees with a batch of many", run: one_and_many },
    Check { name: "prefill in one piece agrees with prefill in two and with token by token", run: pieces },
    Check { name: "each row of logits belongs to the token that asked for it", run: rows },
    Check { name: "the top of a row is the top of the whole row, bit for bit", run: top },
    Check { name: "sequences whose tokens alternate in a batch do not disturb each other", run: interleaved },
];

type Checked = Result<Outcome, Failure>;

fn finite_rows(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(1, 12);
    let logits = subject.feed(0, &prompt)?;
    let vocab_size = subject.tokenizer.vocab_size();
    if logits.len() != vocab_size {
        return Err(Failure(format!("a row of {} logits, expected {vocab_size}", logits.len())));
    }
    match logits.iter().position(|logit| !logit.is_finite()) {
        Some(place) => Err(Failure(format!("logit {place} is {}", logits[place]))),
        None => Ok(Outcome::Passed),
    }
}

fn deterministic(load: Load<'_>, _: Tolerance) -> Checked {
    let prompt = Subject::load(load, Tolerance::EXACT)?.prompt(1, 40);
    let once = fresh(load, Tolerance::EXACT, &prompt)?;
    let twice = fresh(load, Tolerance::EXACT, &prompt)?;
    comparison::agree("second run of a prompt of 40 tokens", &twice, &once, Tolerance::EXACT)?;
    Ok(Outcome::Passed)
}

/// What a wrong token in the history changes must be larger than what the other checks let pass; so must what right
/// tokens at wrong positions change.
fn sensitive(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(1, 24);
    let others = subject.prompt(2, 64);
    let other_than = |token: Token| {
        let other = others.iter().copied().find(|&other| other != token);
        other.ok_or_else(|| Failure("the vocabulary has one plain token only".into()))
    };
    let mut wrong = prompt.clone();
    wrong[4] = other_than(prompt[4])?;
    let mut pair = prompt.clone();
    pair[21] = other_than(prompt[20])?;
    let mut swapped = pair.clone();
    swapped.swap(20, 21);
    let places = [("token 4 of 24 changed", &prompt, &wrong), ("tokens 20 and 21 of 24 swapped", &pair, &swapped)];
    for (what, one, other) in places {
        let (one, other) = (fresh(load, tolerance, one)?, fresh(load, tolerance, other)?);
        let moved = comparison::relative(&other, &one);
        println!("    {what}: {moved:.2e} of the row");
        if moved <= f64::from(tolerance.relative) {
            let evidence = format!("{what}: moved the logits by {moved:.2e} of the row only; tolerance");
            return Err(Failure(format!("{evidence} {}", tolerance.relative)));
        }
    }
    Ok(Outcome::Passed)
}

fn one_and_many(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompts: Vec<_> = (0..3).map(|i| subject.prompt(10 + i, 5 + 3 * i as usize)).collect();
    let steps: Vec<_> = (0..3).map(|i| subject.prompt(20 + i, 1)).collect();
    let mut alone = Vec::new();
    for (prompt, step) in prompts.iter().zip(&steps) {
        let prefill = subject.feed(0, prompt)?;
        alone.push((prefill, subject.feed(0, step)?));
        subject.truncate(0, 0)?;
    }
    let runs: Vec<_> = (0..3).map(|i| (i as u32, &prompts[i][..])).collect();
    let prefills = subject.feed_together(&runs)?;
    let runs: Vec<_> = (0..3).map(|i| (i as u32, &steps[i][..])).collect();
    let decodes = subject.feed_together(&runs)?;
    for (i, (prefill, decode)) in alone.iter().enumerate() {
        subject.agree(&format!("prefill of sequence {i} in a batch of three"), &prefills[i], prefill)?;
        subject.agree(&format!("decode of sequence {i} in a batch of three"), &decodes[i], decode)?;
    }
    Ok(Outcome::Passed)
}

fn pieces(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(3, 29);
    let whole = subject.feed(0, &prompt)?;
    subject.feed(1, &prompt[..17])?;
    let in_two = subject.feed(1, &prompt[17..])?;
    subject.agree("prefill in pieces of 17 and 12 tokens", &in_two, &whole)?;
    let mut last = Vec::new();
    for token in &prompt {
        last = subject.feed(2, std::slice::from_ref(token))?;
    }
    subject.agree("prefill token by token", &last, &whole)?;
    Ok(Outcome::Passed)
}

fn rows(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(4, 12);
    let wanted = [2, 3, 7, 11];
    let mut batch = Batch::default();
    for (i, &token) in prompt.iter().enumerate() {
        let mut entry = Subject::token(token, i as u32, 0);
        entry.logits = if wanted.contains(&i) { Wanted::Row } else { Wanted::Nothing };
        batch.push(entry);
    }
    let rows = subject.decode(&batch).map_err(|error| Failure(error.to_string()))?;
    for (row, place) in rows.iter().zip(wanted) {
        let expected = subject.feed(1, &prompt[..=place])?;
        subject.agree(&format!("row of token {place} of {}", prompt.len()), row, &expected)?;
        subject.truncate(1, 0)?;
    }
    Ok(Outcome::Passed)
}

fn top(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    for (seed, k) in [(7, 1), (8, 5), (9, 40), (10, u32::MAX)] {
        let prompt = subject.prompt(seed, 9);
        let row = subject.feed(0, &prompt)?;
        subject.truncate(0, 0)?;
        let mut batch = Batch::default();
        for (i, &token) in prompt.iter().enumerate() {
            let mut entry = Subject::token(token, i as u32, 0);
            entry.logits = if i + 1 == prompt.len() { Wanted::Top(k) } else { Wanted::Nothing };
            batch.push(entry);
        }
        let mut rows = subject.decode(&batch).map_err(|error| Failure(error.to_string()))?;
        let (got, mut sorted) = (rows.remove(0), row.clone());
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let least = sorted[(k as usize).min(sorted.len()) - 1];
        for (token, (got, expected)) in got.iter().zip(&row).enumerate() {
            let same = got.to_bits() == expected.to_bits();
            if !same && (*expected >= least || *got != f32::NEG_INFINITY) {
                return Err(Failure(format!(
                    "top {k}: token {token} has {got}, expected {expected}; the least of the top is {least}"
                )));
            }
        }
        subject.truncate(0, 0)?;
    }
    Ok(Outcome::Passed)
}

fn interleaved(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let (one, two) = (subject.prompt(5, 14), subject.prompt(6, 14));
    let mut batch = Batch::default();
    for i in 0..one.len() {
        for (seq, prompt) in [(0, &one), (1, &two)] {
            let mut entry = Subject::token(prompt[i], i as u32, seq);
            entry.logits = if i + 1 == prompt.len() { Wanted::Row } else { Wanted::Nothing };
            batch.push(entry);
        }
    }
    let together = subject.decode(&batch).map_err(|error| Failure(error.to_string()))?;
    for (seq, prompt) in [&one, &two].into_iter().enumerate() {
        let alone = fresh(load, tolerance, prompt)?;
        subject.agree(&format!("sequence {seq} of two that alternate"), &together[seq], &alone)?;
    }
    Ok(Outcome::Passed)
}
