//! KV operations: what was cut is gone, what was copied is there, and neither touches anything else.

use super::{Check, Failure, Load, Outcome, Tolerance, subject::Subject, subject::fresh};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a freed sequence leaves nothing behind for the next one", run: freed_is_clean },
    Check { name: "cutting a sequence and going on agrees with computing it anew", run: truncated },
    Check { name: "cutting behind the end changes nothing", run: truncated_behind_the_end },
    Check { name: "a copied prefix agrees with a computed one", run: copied_prefix },
    Check { name: "a sequence copied whole agrees with a computed one", run: copied_whole },
    Check { name: "a copy and its source go their own ways", run: branches },
    Check { name: "a copy stays when its source is freed", run: source_freed },
    Check { name: "a shared prefix takes its cells once", run: shared_cells },
    Check { name: "a saved sequence comes back as another", run: saved },
    Check { name: "restoring what does not fit changes nothing", run: saved_without_room },
];

const NO_PARTS: Outcome = Outcome::DoesNotApply("the model holds sequences whole (partial_sequences is false)");

type Checked = Result<Outcome, Failure>;

fn freed_is_clean(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let (old, new) = (subject.prompt(1, 50), subject.prompt(2, 20));
    subject.feed(0, &old)?;
    subject.truncate(0, 0)?;
    let logits = subject.feed(0, &new)?;
    subject.agree("a sequence in a slot used before", &logits, &fresh(load, tolerance, &new)?)?;
    Ok(Outcome::Passed)
}

fn truncated(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    if !subject.limits.partial_sequences {
        return Ok(NO_PARTS);
    }
    let (prompt, other) = (subject.prompt(3, 30), subject.prompt(4, 9));
    subject.feed(0, &prompt)?;
    subject.truncate(0, 13)?;
    let logits = subject.feed(0, &other)?;
    let whole = [&prompt[..13], &other].concat();
    subject.agree("13 of 30 tokens kept and 9 others added", &logits, &fresh(load, tolerance, &whole)?)?;
    Ok(Outcome::Passed)
}

fn truncated_behind_the_end(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(3, 20);
    subject.feed(0, &prompt[..12])?;
    // An error is as good as doing nothing: the caller asked for nothing.
    for from in [12, 13, subject.limits.context_length, u32::MAX] {
        let _ = subject.decoder.kv_truncate(0, from);
    }
    let logits = subject.feed(0, &prompt[12..])?;
    subject.agree("a sequence of 12 tokens cut at 12 and later", &logits, &fresh(load, tolerance, &prompt)?)?;
    Ok(Outcome::Passed)
}

fn copied_prefix(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    if !subject.limits.partial_sequences {
        return Ok(NO_PARTS);
    }
    let (prompt, other) = (subject.prompt(5, 30), subject.prompt(6, 8));
    subject.feed(0, &prompt)?;
    subject.copy(0, 1, 17)?;
    let logits = subject.feed(1, &other)?;
    let whole = [&prompt[..17], &other].concat();
    subject.agree("17 of 30 tokens copied and 8 others added", &logits, &fresh(load, tolerance, &whole)?)?;
    Ok(Outcome::Passed)
}

fn copied_whole(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let prompt = subject.prompt(7, 24);
    subject.feed(0, &prompt[..20])?;
    subject.copy(0, 1, 20)?;
    let logits = subject.feed(1, &prompt[20..])?;
    subject.agree("a copy of 20 tokens and 4 more", &logits, &fresh(load, tolerance, &prompt)?)?;
    Ok(Outcome::Passed)
}

fn branches(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let (prompt, one, two) = (subject.prompt(8, 20), subject.prompt(9, 7), subject.prompt(10, 7));
    subject.feed(0, &prompt)?;
    subject.copy(0, 1, 20)?;
    let logits = subject.feed_together(&[(0, &one), (1, &two)])?;
    for (seq, tail) in [&one, &two].into_iter().enumerate() {
        let whole = [&prompt[..], tail].concat();
        subject.agree(&format!("branch {seq} of two"), &logits[seq], &fresh(load, tolerance, &whole)?)?;
    }
    Ok(Outcome::Passed)
}

fn source_freed(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let (prompt, noise) = (subject.prompt(11, 26), subject.prompt(12, 30));
    subject.feed(0, &prompt[..20])?;
    subject.copy(0, 1, 20)?;
    subject.truncate(0, 0)?;
    // Whoever frees too much has these written over the copy.
    subject.feed(2, &noise)?;
    let logits = subject.feed(1, &prompt[20..])?;
    subject.agree("a copy whose source was freed", &logits, &fresh(load, tolerance, &prompt)?)?;
    Ok(Outcome::Passed)
}

fn shared_cells(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let limits = subject.limits;
    // Two copies of it would fill more than the cache; one and a few tokens do not.
    let length = (limits.kv_cells as usize * 2 / 3).min(limits.context_length as usize - 8);
    if length * 2 <= limits.kv_cells as usize {
        return Ok(Outcome::DoesNotApply("two sequences of full length fit anyway"));
    }
    if !limits.partial_sequences {
        return Ok(NO_PARTS);
    }
    let prompt = subject.prompt(13, length);
    subject.feed(0, &prompt)?;
    subject.copy(0, 1, length as u32)?;
    let tail = subject.prompt(14, 4);
    let logits = subject.feed(1, &tail)?;
    let whole = [&prompt[..], &tail].concat();
    subject.agree(&format!("a shared prefix of {length} tokens"), &logits, &fresh(load, tolerance, &whole)?)?;
    Ok(Outcome::Passed)
}

const NO_SAVING: Outcome = Outcome::DoesNotApply("the decoder does not save sequences (saved_bytes is 0)");

fn saved(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    if subject.limits.saved_bytes == 0 {
        return Ok(NO_SAVING);
    }
    let (prompt, noise) = (subject.prompt(15, 30), subject.prompt(16, 40));
    // Beside another, so that its cells do not lie together.
    subject.feed_together(&[(0, &prompt[..12]), (1, &noise[..12])])?;
    subject.feed_together(&[(0, &prompt[12..26]), (1, &noise[12..26])])?;
    let saved = subject.save(0)?;
    if saved.bytes == 0 {
        return Err(Failure("a saved sequence of 26 tokens says that it takes no bytes".into()));
    }
    let still = subject.feed(0, &prompt[26..])?;
    let anew = fresh(load, tolerance, &prompt)?;
    subject.agree("a sequence that was saved and goes on", &still, &anew)?;
    subject.truncate(0, 0)?;
    subject.feed(2, &noise)?;
    for (seq, name) in [(3, "a restored sequence"), (0, "a sequence restored twice")] {
        subject.restore(&saved, seq, 26)?;
        let logits = subject.feed(seq, &prompt[26..])?;
        subject.agree(name, &logits, &anew)?;
    }
    if subject.limits.partial_sequences {
        let other = subject.prompt(17, 5);
        subject.truncate(3, 20)?;
        let logits = subject.feed(3, &other)?;
        let whole = [&prompt[..20], &other].concat();
        subject.agree("a restored sequence that was cut", &logits, &fresh(load, tolerance, &whole)?)?;
    }
    if subject.decoder.kv_restore(&saved, 0).is_ok() {
        return Err(Failure("a sequence was restored over one that is not empty".into()));
    }
    let foreign = crate::SavedSequence { bytes: 1, state: Box::new("of another engine") };
    if subject.decoder.kv_restore(&foreign, 1).is_ok() || subject.decoder.kv_restore(&foreign, 5).is_ok() {
        return Err(Failure("a sequence that another engine saved was restored".into()));
    }
    Ok(Outcome::Passed)
}

fn saved_without_room(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let limits = subject.limits;
    if limits.saved_bytes == 0 {
        return Ok(NO_SAVING);
    }
    let length = (limits.kv_cells as usize * 2 / 3).min(limits.context_length as usize - 8);
    if length * 2 <= limits.kv_cells as usize {
        return Ok(Outcome::DoesNotApply("two sequences of full length fit anyway"));
    }
    let (prompt, tail) = (subject.prompt(18, length), subject.prompt(19, 4));
    subject.feed(0, &prompt)?;
    let saved = subject.save(0)?;
    if subject.decoder.kv_restore(&saved, 1).is_ok() {
        return Err(Failure(format!("{length} tokens were restored twice into {} cells", limits.kv_cells)));
    }
    let logits = subject.feed(0, &tail)?;
    let whole = [&prompt[..], &tail].concat();
    subject.agree("a sequence beside one that did not fit", &logits, &fresh(load, tolerance, &whole)?)?;
    let logits = subject.feed(1, &tail)?;
    subject.agree("the sequence it did not fit into", &logits, &fresh(load, tolerance, &tail)?)?;
    Ok(Outcome::Passed)
}
