//! Names in texts of any length.
//!
//! What does not fit the model is read in windows that overlap by a quarter. Each token takes its probabilities from the window
//! in which it stands furthest from the edges (the ends of the text are no edges), and only then are tokens put together: what
//! lies in an overlap is found once, with the labels of the window that saw more around it.

use tern_engine::{
    EngineError, EntityTagger, Token,
    tasks::{Aggregation, Cancelled, Tagged},
};
use tern_tokenizer::HfTokenizer;

use super::{aggregate, batch, head::Head, head::softmax, model::Encoder};

/// Windows that are kept before they are computed: bounds memory where a text is long.
const TOGETHER: usize = 64;

/// An encoder that labels tokens.
pub(super) struct EncoderTagger {
    encoder: Encoder,
    head: Head,
    tokenizer: HfTokenizer,
    before: Vec<Token>,
    behind: Vec<Token>,
}

/// Some tokens of one text.
struct Window {
    text: usize,
    first: usize,
    /// With those that stand around a text.
    tokens: Vec<Token>,
}

/// A text on its way.
struct Reading {
    pieces: Vec<tern_tokenizer::Piece>,
    /// `[pieces][labels]`
    scores: Vec<f32>,
    /// How far each piece was from the edges of the window that its scores are from.
    context: Vec<usize>,
    tokens: usize,
}

impl EncoderTagger {
    pub fn new(encoder: Encoder, head: Head, tokenizer: HfTokenizer) -> Result<Self, EngineError> {
        let (before, behind) = tokenizer.frame()?;
        let (around, most) = (before.len() + behind.len(), encoder.config.max_tokens());
        if most < around + 4 {
            return Err(EngineError::Failed(format!("{most} tokens of a text are too few to read windows of it")));
        }
        Ok(Self { encoder, head, tokenizer, before, behind })
    }

    /// Computes windows and gives each piece its scores.
    fn read(&self, windows: &[Window], texts: &mut [Reading], cancelled: Cancelled<'_>) -> Result<(), EngineError> {
        let (labels, around) = (self.encoder.config.labels.len(), self.before.len());
        batch::each(windows.iter().map(|window| (&window.tokens[..], &[][..])), cancelled, |first, packed| {
            let logits = self.head.apply(&self.encoder.forward(packed)?)?;
            for (window, sequence) in windows[first..].iter().zip(&packed.sequences) {
                let text = &mut texts[window.text];
                text.tokens += sequence.len();
                let count = sequence.len() - around - self.behind.len();
                let (begins, ends) = (window.first == 0, window.first + count == text.pieces.len());
                for i in 0..count {
                    let before = if begins { usize::MAX } else { i + 1 };
                    let behind = if ends { usize::MAX } else { count - i };
                    let (context, at) = (before.min(behind), window.first + i);
                    if context > text.context[at] {
                        text.context[at] = context;
                        let row = &mut text.scores[at * labels..][..labels];
                        row.copy_from_slice(&logits[(sequence.start + around + i) * labels..][..labels]);
                        softmax(row);
                    }
                }
            }
            Ok(())
        })
    }
}

impl EntityTagger for EncoderTagger {
    fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for label in self.encoder.config.labels.iter().filter(|label| *label != "O") {
            let (_, group) = aggregate::tag(label);
            if !groups.iter().any(|known| known == group) {
                groups.push(group.to_owned());
            }
        }
        groups
    }

    fn tag(
        &mut self,
        texts: &[String],
        how: Aggregation,
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Tagged>, EngineError> {
        let labels = self.encoder.config.labels.len();
        let size = self.encoder.config.max_tokens() - self.before.len() - self.behind.len();
        let mut readings: Vec<Reading> = Vec::with_capacity(texts.len());
        let mut windows = Vec::new();
        for (text, content) in texts.iter().enumerate() {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let pieces = self.tokenizer.pieces(content)?;
            let count = pieces.len();
            let tokens: Vec<Token> = pieces.iter().map(|piece| piece.token).collect();
            readings.push(Reading { pieces, scores: vec![0.0; count * labels], context: vec![0; count], tokens: 0 });
            for (first, end) in spans(count, size) {
                windows.push(Window {
                    text,
                    first,
                    tokens: [&self.before, &tokens[first..end], &self.behind].concat(),
                });
                if windows.len() == TOGETHER {
                    self.read(&windows, &mut readings, cancelled)?;
                    windows.clear();
                }
            }
        }
        self.read(&windows, &mut readings, cancelled)?;
        let names = &self.encoder.config.labels;
        let tagged = readings.into_iter().map(|text| Tagged {
            entities: aggregate::entities(&text.pieces, &text.scores, names, how),
            tokens: text.tokens,
        });
        Ok(tagged.collect())
    }
}

/// Windows of at most `size` of `count` pieces, which overlap by a quarter.
fn spans(count: usize, size: usize) -> Vec<(usize, usize)> {
    let step = size - size / 4;
    let mut spans = Vec::new();
    let mut first = 0;
    while first < count {
        let end = (first + size).min(count);
        spans.push((first, end));
        if end == count {
            break;
        }
        first += step;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_a_text_and_overlap() {
        assert_eq!(spans(0, 8), []);
        assert_eq!(spans(8, 8), [(0, 8)]);
        assert_eq!(spans(9, 8), [(0, 8), (6, 9)]);
        assert_eq!(spans(20, 8), [(0, 8), (6, 14), (12, 20)]);
    }
}
