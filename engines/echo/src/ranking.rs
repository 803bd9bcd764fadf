//! Relevance without a model: the share of the query's words that a document has.

use std::{collections::HashSet, thread, time::Duration};

use tern_engine::{
    EngineError, Reranker,
    tasks::{Cancelled, Relevance},
};

use crate::scripts::Settings;

/// The script that scores.
pub(crate) struct EchoReranker {
    step: Duration,
    max_tokens: usize,
}

impl EchoReranker {
    pub fn new(settings: &Settings) -> Self {
        Self { step: settings.step, max_tokens: settings.context as usize }
    }
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

impl Reranker for EchoReranker {
    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn score(
        &mut self,
        query: &str,
        documents: &[String],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Relevance>, EngineError> {
        let wanted = words(query);
        let score = |(index, document): (usize, &String)| {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            thread::sleep(self.step);
            let tokens = query.split_whitespace().count() + document.split_whitespace().count();
            Relevance::check_length(index, tokens, self.max_tokens)?;
            let shared = words(document).intersection(&wanted).count();
            Ok(Relevance { score: shared as f32 / wanted.len().max(1) as f32, tokens })
        };
        documents.iter().enumerate().map(score).collect()
    }
}
