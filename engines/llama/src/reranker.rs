//! Scores of documents for a query: both in one sequence, and a classifier behind the last layer.

use tern_engine::{
    EngineError, Reranker,
    tasks::{Cancelled, Relevance},
};

use crate::{pairs::Pairs, passes::Passes};

/// Pairs that are tokenized before they are computed: bounds memory where documents are many.
const TOGETHER: usize = 64;

/// What the classifier's outputs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Score {
    /// One logit: its logistic function.
    Logistic,
    /// Two logits: the share of the second.
    SecondOfTwo,
    /// Two shares, which llama.cpp has made of logits: the one at this index.
    Share(usize),
}

impl Score {
    /// 0 to 1, of the outputs of one pair; `None` for another number of them, or where they are no numbers.
    fn of(self, outputs: &[f32]) -> Option<f32> {
        let logistic = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let score = match (self, outputs) {
            (Self::Logistic, &[one]) => logistic(one),
            (Self::SecondOfTwo, &[first, second]) => logistic(second - first),
            (Self::Share(index), &[_, _]) => *outputs.get(index)?,
            _ => return None,
        };
        score.is_finite().then_some(score)
    }
}

/// A [`Reranker`] over one llama.cpp context.
pub(crate) struct LlamaReranker {
    passes: Passes,
    pairs: Pairs,
    score: Score,
}

impl LlamaReranker {
    pub(crate) fn new(passes: Passes, pairs: Pairs, score: Score) -> Self {
        Self { passes, pairs, score }
    }
}

impl Reranker for LlamaReranker {
    fn max_tokens(&self) -> usize {
        self.passes.max_tokens()
    }

    fn score(
        &mut self,
        query: &str,
        documents: &[String],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Relevance>, EngineError> {
        let most = self.max_tokens();
        let mut found = Vec::with_capacity(documents.len());
        for (part, documents) in documents.chunks(TOGETHER).enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let pairs = self.pairs.tokens(query, documents)?;
            for (i, pair) in pairs.iter().enumerate() {
                Relevance::check_length(part * TOGETHER + i, pair.len(), most)?;
            }
            for (pair, outputs) in pairs.iter().zip(self.passes.run(&pairs, cancelled)?) {
                let score = self.score.of(&outputs).ok_or_else(|| {
                    EngineError::Failed(format!("{outputs:?} is no relevance: expected {:?}", self.score))
                })?;
                found.push(Relevance { score, tokens: pair.len() });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_scores_from_0_to_1() {
        assert_eq!(Score::Logistic.of(&[0.0]), Some(0.5));
        assert!(Score::Logistic.of(&[4.0]).unwrap() > 0.98);
        assert_eq!(Score::Logistic.of(&[-1000.0]), Some(0.0));
        assert_eq!(Score::SecondOfTwo.of(&[1.0, 1.0]), Some(0.5));
        assert!(Score::SecondOfTwo.of(&[-2.0, 2.0]).unwrap() > 0.98);
        assert_eq!(Score::Share(0).of(&[0.75, 0.25]), Some(0.75));
        assert_eq!(Score::Share(1).of(&[0.75, 0.25]), Some(0.25));
        for (score, outputs) in
            [(Score::Logistic, &[0.0, 0.0][..]), (Score::SecondOfTwo, &[0.0]), (Score::Logistic, &[f32::NAN])]
        {
            assert_eq!(score.of(outputs), None);
        }
    }
}
