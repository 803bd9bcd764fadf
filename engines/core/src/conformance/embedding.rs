//! Embedders: unit vectors, in order, whatever is embedded together; refusals that leave the model usable.

use std::{cell::Cell, sync::Arc};

use super::{Check, Failure, Load, Outcome, Tolerance, comparison, options};
use crate::{Embedder, EngineError, Token, Tokenizer};

/// The checks of an embedder.
pub const EMBEDDER: &[Check] = &[
    Check { name: "a vector has its length, finite numbers and norm 1", run: unit_vectors },
    Check { name: "inputs embedded together agree with each alone, in order", run: together_and_alone },
    Check { name: "other texts have other vectors, beyond the tolerance", run: sensitive },
    Check { name: "no inputs have no vectors", run: no_inputs },
    Check { name: "an input of the full length is embedded", run: full_length },
    Check { name: "an input that is too long is an error and leaves the model usable", run: too_long },
    Check { name: "a token outside the vocabulary is an error", run: outside_vocabulary },
    Check { name: "an input without tokens is an error or a unit vector", run: empty_input },
    Check { name: "embedding can be cancelled and leaves the model usable", run: cancelled },
    Check { name: "vectors may be shortened to no more than they have", run: min_dimensions },
];

// How far a norm may be from 1: the rounding of some thousand float additions.
const NORM_TOLERANCE: f32 = 1e-3;
// Longer inputs take too long for a test.
const MOST_TOKENS: usize = 2048;

const TEXTS: &[&str] = &[
    "The cat sits on the mat.",
    "Ein Satz auf Deutsch.",
    "x",
    "Quarterly revenue rose by eleven percent, the report says, while costs fell in all but two regions.",
    "fn main() {}",
];

type Checked = Result<Outcome, Failure>;

struct Subject {
    tokenizer: Arc<dyn Tokenizer>,
    embedder: Box<dyn Embedder>,
    tolerance: Tolerance,
}

impl Subject {
    fn load(load: Load<'_>, tolerance: Tolerance) -> Result<Self, Failure> {
        let embedder = load(&options()).embedder;
        let (tokenizer, embedder) = embedder.ok_or_else(|| Failure("the model under test embeds nothing".into()))?;
        Ok(Self { tokenizer, embedder, tolerance })
    }

    fn inputs(&self) -> Result<Vec<Vec<Token>>, Failure> {
        let encode = |text: &&str| self.tokenizer.encode(text, true, false);
        TEXTS.iter().map(encode).collect::<Result<_, _>>().map_err(|error| Failure(error.to_string()))
    }

    fn embed(&mut self, inputs: &[Vec<Token>]) -> Result<Vec<Vec<f32>>, Failure> {
        let vectors = self.embedder.embed(inputs, &|| false);
        let vectors = vectors.map_err(|error| Failure(format!("embed of {} inputs: {error}", inputs.len())))?;
        if vectors.len() != inputs.len() {
            return Err(Failure(format!("{} vectors for {} inputs", vectors.len(), inputs.len())));
        }
        Ok(vectors)
    }

    /// An input of `len` tokens of the first text, over and over.
    fn long(&self, len: usize) -> Result<Vec<Token>, Failure> {
        Ok(self.inputs()?[0].iter().copied().cycle().take(len).collect())
    }

    /// Whether the model still gives what it gave before.
    fn usable(&mut self, before: &[Vec<f32>]) -> Result<(), Failure> {
        let inputs = self.inputs()?;
        let after = self.embed(&inputs)?;
        for (after, before) in after.iter().zip(before) {
            comparison::agree("a vector after the refusal", after, before, self.tolerance)?;
        }
        Ok(())
    }

    fn unit(&self, vector: &[f32]) -> Result<(), Failure> {
        let dimensions = self.embedder.dimensions();
        if vector.len() != dimensions {
            return Err(Failure(format!("a vector of {} numbers, expected {dimensions}", vector.len())));
        }
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        // NaN fails too.
        if (norm - 1.0).abs() <= NORM_TOLERANCE {
            return Ok(());
        }
        Err(Failure(format!("a vector of norm {norm}, expected 1 within {NORM_TOLERANCE}")))
    }
}

fn unit_vectors(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let inputs = subject.inputs()?;
    for vector in subject.embed(&inputs)? {
        subject.unit(&vector)?;
    }
    Ok(Outcome::Passed)
}

fn together_and_alone(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let inputs = subject.inputs()?;
    let together = subject.embed(&inputs)?;
    for (i, input) in inputs.iter().enumerate() {
        let alone = subject.embed(std::slice::from_ref(input))?;
        comparison::agree(&format!("input {i} of {}", inputs.len()), &together[i], &alone[0], tolerance)?;
    }
    Ok(Outcome::Passed)
}

fn sensitive(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let inputs = subject.inputs()?;
    let vectors = subject.embed(&inputs)?;
    for (i, one) in vectors.iter().enumerate() {
        for (j, other) in vectors.iter().enumerate().skip(i + 1) {
            if comparison::relative(one, other) <= f64::from(tolerance.relative) {
                return Err(Failure(format!("{:?} and {:?} have the same vector", TEXTS[i], TEXTS[j])));
            }
        }
    }
    Ok(Outcome::Passed)
}

fn no_inputs(load: Load<'_>, tolerance: Tolerance) -> Checked {
    Subject::load(load, tolerance)?.embed(&[])?;
    Ok(Outcome::Passed)
}

fn full_length(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let most = subject.embedder.max_tokens();
    if most > MOST_TOKENS {
        return Ok(Outcome::DoesNotApply("the longest input is too long for a test"));
    }
    let input = subject.long(most)?;
    let vectors = subject.embed(&[input])?;
    subject.unit(&vectors[0])?;
    Ok(Outcome::Passed)
}

fn too_long(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let most = subject.embedder.max_tokens();
    let inputs = subject.inputs()?;
    let before = subject.embed(&inputs)?;
    let long = subject.long(most + 1)?;
    match subject.embedder.embed(&[inputs[0].clone(), long], &|| false) {
        Err(EngineError::Failed(_)) => {}
        Err(other) => return Err(Failure(format!("{} tokens: {other:?}, expected Failed", most + 1))),
        Ok(_) => return Err(Failure(format!("{} tokens were accepted, at most {most} fit", most + 1))),
    }
    subject.usable(&before)?;
    Ok(Outcome::Passed)
}

fn outside_vocabulary(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    for token in [subject.tokenizer.vocab_size() as Token, Token::MAX] {
        match subject.embedder.embed(&[vec![token]], &|| false) {
            Err(EngineError::Failed(_)) => {}
            Err(other) => return Err(Failure(format!("token {token}: {other:?}, expected Failed"))),
            Ok(_) => return Err(Failure(format!("token {token} was accepted"))),
        }
    }
    Ok(Outcome::Passed)
}

fn empty_input(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    if let Ok(vectors) = subject.embedder.embed(&[Vec::new()], &|| false) {
        let vector = vectors.first().ok_or_else(|| Failure("no vector for an input without tokens".into()))?;
        subject.unit(vector)?;
    }
    Ok(Outcome::Passed)
}

fn cancelled(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let mut subject = Subject::load(load, tolerance)?;
    let inputs = subject.inputs()?;
    let before = subject.embed(&inputs)?;
    let asked = Cell::new(0);
    let outcome = subject.embedder.embed(&inputs, &|| {
        asked.set(asked.get() + 1);
        true
    });
    if asked.get() == 0 || !matches!(outcome, Err(EngineError::Cancelled)) {
        let times = asked.get();
        let got = outcome.map(|vectors| format!("{} vectors", vectors.len()));
        return Err(Failure(format!("{got:?} after {times} questions whether to stop, expected Cancelled")));
    }
    subject.usable(&before)?;
    Ok(Outcome::Passed)
}

fn min_dimensions(load: Load<'_>, tolerance: Tolerance) -> Checked {
    let subject = Subject::load(load, tolerance)?;
    let dimensions = subject.embedder.dimensions();
    match subject.embedder.min_dimensions() {
        None => Ok(Outcome::DoesNotApply("vectors cannot be shortened")),
        Some(least) if (1..=dimensions).contains(&least) => Ok(Outcome::Passed),
        Some(least) => Err(Failure(format!("at least {least} dimensions of {dimensions}"))),
    }
}
