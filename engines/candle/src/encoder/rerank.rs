//! Scores of documents for a query: both texts in one sequence (cross-encoder).

use tern_engine::{
    EngineError, Reranker,
    tasks::{Cancelled, Relevance},
};
use tern_tokenizer::HfTokenizer;

use super::{batch, head::Head, head::softmax, model::Encoder};

/// Pairs that are tokenized before they are computed: bounds memory where documents are many.
const TOGETHER: usize = 64;

/// An encoder that scores.
pub(super) struct EncoderReranker {
    pub encoder: Encoder,
    pub head: Head,
    pub tokenizer: HfTokenizer,
}

impl EncoderReranker {
    /// 0 to 1, of the outputs of one pair: the logistic function of one; the share of the second of two.
    fn score(outputs: &mut [f32]) -> f32 {
        match outputs {
            [one] => 1.0 / (1.0 + (-*one).exp()),
            _ => {
                softmax(outputs);
                outputs[1]
            }
        }
    }
}

impl Reranker for EncoderReranker {
    fn max_tokens(&self) -> usize {
        self.encoder.config.max_tokens()
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
            let mut pairs = Vec::with_capacity(documents.len());
            for (i, document) in documents.iter().enumerate() {
                let pair = self.tokenizer.pair(query, document)?;
                Relevance::check_length(part * TOGETHER + i, pair.tokens.len(), most)?;
                pairs.push(pair);
            }
            let outputs = self.encoder.config.labels.len();
            let (encoder, head) = (&self.encoder, &self.head);
            batch::each(pairs.iter().map(|pair| (&pair.tokens[..], &pair.types[..])), cancelled, |first, packed| {
                let mut logits = encoder.outputs(head, packed)?;
                for (i, row) in logits.chunks_exact_mut(outputs).enumerate() {
                    let tokens = pairs[first + i].tokens.len();
                    found.push(Relevance { score: Self::score(row), tokens });
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}
