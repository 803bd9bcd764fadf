//! Follows one answer through its form.

use std::sync::Arc;

use llguidance::toktrie::SimpleVob;
use tern_engine::Token;

use crate::GrammarError;

/// Where an answer stands in its form. One an answer; clones go separate ways.
#[derive(Clone)]
pub struct Matcher {
    inner: llguidance::Matcher,
    /// Which tokens may come next; `None` until asked for.
    mask: Option<Arc<Mask>>,
    ends: Arc<[Token]>,
    size: usize,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Matcher")
    }
}

impl Matcher {
    pub(crate) fn new(inner: llguidance::Matcher, mask: Mask, ends: Arc<[Token]>) -> Self {
        Self { inner, size: mask.size, mask: Some(Arc::new(mask)), ends }
    }

    /// The same place, sharing nothing with this one.
    pub(crate) fn alone(&self) -> Self {
        Self { inner: self.inner.deep_clone(), mask: self.mask.clone(), ends: self.ends.clone(), size: self.size }
    }

    /// Which tokens may come next. Computed once a token: some ten microseconds mostly, a few milliseconds where the
    /// form is at a difficult place.
    ///
    /// # Errors
    /// When no token may come next, or the form has become too complex to follow.
    pub fn mask(&mut self) -> Result<Arc<Mask>, GrammarError> {
        if let Some(mask) = &self.mask {
            return Ok(mask.clone());
        }
        let mask = self.inner.compute_mask_or_eos().map_err(|error| failed(&error))?;
        let mask = Arc::new(Mask::new(mask, self.size));
        self.mask = Some(mask.clone());
        Ok(mask)
    }

    /// The answer goes on with `token`.
    ///
    /// # Errors
    /// When the form does not allow it here.
    pub fn accept(&mut self, token: Token) -> Result<(), GrammarError> {
        self.mask = None;
        self.inner.consume_token(token).map_err(|error| failed(&error))
    }

    /// Whether the answer has its form, so that it may end here.
    pub fn may_end(&mut self) -> bool {
        self.inner.is_accepting().unwrap_or(false)
    }

    /// Whether the answer is complete and nothing may follow.
    pub fn must_end(&self) -> bool {
        self.inner.is_stopped() && !self.inner.is_error()
    }

    /// The tokens that end an answer.
    pub fn ends(&self) -> &[Token] {
        &self.ends
    }
}

fn failed(error: &dyn std::fmt::Display) -> GrammarError {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    GrammarError::new(match first {
        "NoExtensionBias" | "NoExtension" => "the form allows no token here".to_owned(),
        other => format!("the form cannot be followed any further: {other}"),
    })
}

/// A set of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u32>,
    size: usize,
}

impl Mask {
    pub(crate) fn new(set: SimpleVob, size: usize) -> Self {
        Self { words: set.into(), size }
    }

    /// Whether `token` is in the set.
    pub fn allows(&self, token: Token) -> bool {
        (token as usize) < self.size
            && self.words.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
    }

    /// Writes `logits` into `out`, with -inf for every token that is not in the set.
    pub fn apply(&self, logits: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(logits.len(), f32::NEG_INFINITY);
        let (chunks, masked) = (logits.chunks(32), out.chunks_mut(32));
        for ((&word, logits), out) in self.words.iter().zip(chunks).zip(masked) {
            match word {
                0 => {}
                u32::MAX => out.copy_from_slice(logits),
                word => {
                    for (bit, (out, &logit)) in out.iter_mut().zip(logits).enumerate() {
                        if word >> bit & 1 == 1 {
                            *out = logit;
                        }
                    }
                }
            }
        }
    }

    /// How many tokens are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}
