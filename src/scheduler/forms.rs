//! The forms that answers of a model were asked to have, compiled for its vocabulary.

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock, PoisonError},
};

use tern_engine::Tokenizer;
use tern_grammar::{Compiled, Grammar, GrammarError, Vocabulary};

use crate::GenerateError;

/// How many forms are kept. Programs ask for the same few again and again, and all prompts of a request for one.
const KEPT: usize = 8;

/// What is compiled. The vocabulary is read when the first form is asked for.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    vocabulary: OnceLock<Result<Vocabulary, GrammarError>>,
    /// Most recently used first.
    recent: Mutex<VecDeque<(Grammar, Compiled)>>,
}

impl Forms {
    /// Compiles `grammar`, or takes it from those compiled lately. Blocks: some milliseconds, the first time up to a
    /// second.
    pub(crate) fn compile(&self, tokenizer: &dyn Tokenizer, grammar: &Grammar) -> Result<Compiled, GenerateError> {
        if let Some(compiled) = self.recent(grammar) {
            return Ok(compiled);
        }
        let vocabulary = self.vocabulary.get_or_init(|| Vocabulary::new(tokenizer));
        let compiled = vocabulary.as_ref().map_err(Clone::clone).and_then(|vocabulary| vocabulary.compile(grammar));
        let compiled = compiled.map_err(|GrammarError { path, message }| GenerateError::InvalidParameter {
            param: "grammar".into(),
            message: if path.is_empty() { message } else { format!("{path}: {message}") },
        })?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((grammar.clone(), compiled.clone()));
        recent.truncate(KEPT);
        Ok(compiled)
    }

    fn recent(&self, grammar: &Grammar) -> Option<Compiled> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.iter().position(|(kept, _)| kept == grammar)?;
        let entry = recent.remove(place)?;
        let compiled = entry.1.clone();
        recent.push_front(entry);
        Some(compiled)
    }
}
