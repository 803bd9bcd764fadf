//! What must be refused, and that a refusal leaves the cache as it was.

use super::{Check, Failure, Load, Outcome, Tolerance, subject::Subject, subject::fresh};
use crate::{Batch, DecodeError, SeqId, Token};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a batch that finds no cells is KvFull and leaves the cache intact", run: overflow },
    Check { name: "cells of a freed sequence can be used again", run: cells_come_back },
    Check { name: "a batch that breaks a limit is an error and leaves the cache intact", run: invalid_batches },
    Check { name: "a sequence longer than the context length is an error", run: context_overflow },
    Check { name: "KV operations on impossible sequences are errors and leave the cache intact", run: invalid_kv },
];

type Checked = Result<Outcome, Failure>;

// Filling a cache larger than this takes too long for a test.
const MOST_CELLS: u32 = 8192;

/// Fills the cache up to `free` cells, one sequence after the other.
fn fill(subject: &mut Subject, free: usize) -> Result<Option<SeqId>, Failure> {
    let limits = subject.limits;
    if limits.kv_cells > MOST_CELLS {
        let (got, asked) = (limits.kv_cells, super::options().kv_cells);
        return Err(Failure(format!("the decoder has {got} KV cells; the load options asked for {asked}")));
    }
    let mut left = limits.kv_cells as usize - free;
    for seq in 0..limits.max_sequences {
        // Room is kept in each sequence for what the checks add.
        let length = left.min(limits.context_length as usize - free);
        let prompt = subject.prompt(100 + u64::from(seq), length);
        subject.feed(seq, &prompt)?;
        left -= length;
        if left == 0 && seq + 1 < limits.max_sequences {
            return Ok(Some(seq + 1));
        }
    }
    Ok(None)
}

const CANNOT_FILL: Outcome = Outcome::DoesNotApply("the sequences together cannot fill the cache");

fn overflow(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let Some(seq) = fill(&mut subject, 10)? else { return Ok(CANNOT_FILL) };
    let tail = subject.prompt(1, 20);
    let batch = subject.batch(seq, &tail);
    match subject.decode(&batch) {
        Err(DecodeError::KvFull { .. }) => {}
        other => return Err(Failure(format!("20 tokens with 10 cells free: {}, expected KvFull", shown(&other)))),
    }
    // The ten free cells are still free, and what the first sequence holds is still what it held.
    let fits = subject.feed(seq, &tail[..8])?;
    subject.agree("8 tokens after the refusal", &fits, &fresh(load, tolerance, &tail[..8])?)?;
    let first = subject.prompt(100, subject.len(0) as usize);
    let more = subject.feed(0, &tail[..1])?;
    let whole = [&first[..], &tail[..1]].concat();
    subject.agree("the full sequence after the refusal", &more, &fresh(load, tolerance, &whole)?)?;
    Ok(Outcome::Passed)
}

fn cells_come_back(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let Some(seq) = fill(&mut subject, 0)? else { return Ok(CANNOT_FILL) };
    let tail = subject.prompt(2, 16);
    let batch = subject.batch(seq, &tail);
    if subject.decode(&batch).is_ok() {
        return Err(Failure("16 tokens were accepted by a full cache".into()));
    }
    subject.truncate(0, 0)?;
    let logits = subject.feed(seq, &tail)?;
    subject.agree("a sequence in cells used before", &logits, &fresh(load, tolerance, &tail)?)?;
    Ok(Outcome::Passed)
}

fn invalid_batches(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(3, 21);
    subject.feed(0, &prompt[..20])?;
    let limits = subject.limits;
    let vocab_size = subject.tokenizer.vocab_size() as Token;
    let good = prompt[20];
    let single = |token, pos, seq| {
        let mut batch = Batch::default();
        batch.push(Subject::token(token, pos, seq));
        batch
    };
    // A sound token first: whoever checks while computing has changed the cache by then.
    let behind_a_sound_one = |token, pos, seq| {
        let mut batch = single(good, 20, 0);
        batch.push(Subject::token(token, pos, seq));
        batch
    };
    let too_many = vec![good; limits.max_batch_tokens + 1];
    let cases = [
        ("an empty batch", Batch::default()),
        ("more tokens than a batch may have", subject.batch(1, &too_many)),
        ("a sequence that does not exist", single(good, 0, limits.max_sequences)),
        ("the largest sequence number", single(good, 0, u32::MAX)),
        ("a gap in the positions", single(good, 21, 0)),
        ("a position that is taken", single(good, 19, 0)),
        ("the largest position", single(good, u32::MAX, 0)),
        ("an empty sequence that begins at 1", single(good, 1, 1)),
        ("a token outside the vocabulary", single(vocab_size, 20, 0)),
        ("the largest token", single(Token::MAX, 20, 0)),
        ("a position twice", behind_a_sound_one(good, 20, 0)),
        ("a token outside the vocabulary behind a sound one", behind_a_sound_one(vocab_size, 21, 0)),
        ("a sequence that does not exist behind a sound one", behind_a_sound_one(good, 0, limits.max_sequences)),
    ];
    for (what, batch) in &cases {
        match subject.decoder.decode(batch) {
            Err(DecodeError::InvalidBatch(_)) => {}
            other => return Err(Failure(format!("{what}: {}, expected InvalidBatch", shown(&other)))),
        }
    }
    let logits = subject.feed(0, &prompt[20..])?;
    subject.agree("the sequence after the refusals", &logits, &fresh(load, tolerance, &prompt)?)?;
    Ok(Outcome::Passed)
}

fn context_overflow(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let length = subject.limits.context_length;
    if length > MOST_CELLS {
        return Ok(Outcome::DoesNotApply("the context is too long for a test"));
    }
    let prompt = subject.prompt(4, length as usize);
    subject.feed(0, &prompt[..length as usize - 1])?;
    let batch = subject.batch(0, &[prompt[0], prompt[1]]);
    match subject.decode(&batch) {
        // Where the context is as long as the cache, both are true.
        Err(DecodeError::InvalidBatch(_) | DecodeError::KvFull { .. }) => {}
        other => {
            let got = shown(&other);
            return Err(Failure(format!("token {} of a context of {length}: {got}, expected an error", length + 1)));
        }
    }
    let last = subject.feed(0, &prompt[length as usize - 1..])?;
    subject.agree("the last token that fits", &last, &fresh(load, tolerance, &prompt)?)?;
    Ok(Outcome::Passed)
}

fn invalid_kv(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let (one, two) = (subject.prompt(5, 16), subject.prompt(6, 16));
    subject.feed(0, &one[..12])?;
    subject.feed(1, &two[..12])?;
    let beyond = subject.limits.max_sequences;
    let decoder = &mut subject.decoder;
    let outcomes = [
        ("kv_truncate of a sequence that does not exist", decoder.kv_truncate(beyond, 0)),
        ("kv_copy from a sequence that does not exist", decoder.kv_copy(beyond, 2, 4)),
        ("kv_copy to a sequence that does not exist", decoder.kv_copy(0, beyond, 12)),
        ("kv_copy to a sequence that holds tokens", decoder.kv_copy(0, 1, 12)),
        ("kv_copy of more than the source holds", decoder.kv_copy(0, 2, 13)),
        ("kv_copy of a sequence to itself", decoder.kv_copy(0, 0, 12)),
    ];
    if let Some((what, _)) = outcomes.iter().find(|(_, outcome)| outcome.is_ok()) {
        return Err(Failure(format!("{what} was accepted, expected an error")));
    }
    let logits = subject.feed_together(&[(0, &one[12..]), (1, &two[12..])])?;
    for (seq, prompt) in [&one, &two].into_iter().enumerate() {
        let what = format!("sequence {seq} after the refusals");
        subject.agree(&what, &logits[seq], &fresh(load, tolerance, prompt)?)?;
    }
    Ok(Outcome::Passed)
}

fn shown<T>(outcome: &Result<T, DecodeError>) -> String {
    match outcome {
        Ok(_) => "accepted".into(),
        Err(error) => format!("{error:?}"),
    }
}
