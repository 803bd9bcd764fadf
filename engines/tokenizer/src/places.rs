//! Tokens with their places in the text, for models that say something about each (names in texts), and pairs of texts.

use tern_engine::{EngineError, Token};
use tokenizers::ModelWrapper;

use crate::{HfTokenizer, huggingface::guarded};

/// Texts are tokenized in parts of about so many bytes, cut before white space, so that memory stays bounded.
const PART: usize = 1 << 16;

/// A token of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its id.
    pub token: Token,
    /// First byte in the text.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
    /// Whether it goes on with the word of the piece before it, by the rule of transformers' pipeline.
    pub continues: bool,
}

/// Two texts as one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// With the special tokens around and between.
    pub tokens: Vec<Token>,
    /// 0 for the first text, 1 for the second, as the tokenizer says.
    pub types: Vec<u32>,
}

impl HfTokenizer {
    /// The tokens of a text of any length, without special ones around it. Spellings of control tokens stay text.
    ///
    /// # Errors
    /// When the text cannot be tokenized.
    pub fn pieces(&self, text: &str) -> Result<Vec<Piece>, EngineError> {
        let mut pieces = Vec::new();
        let mut from = 0;
        while from < text.len() {
            let to = part_end(text, from);
            self.pieces_of(text, from, to, &mut pieces)?;
            from = to;
        }
        Ok(pieces)
    }

    fn pieces_of(&self, text: &str, from: usize, to: usize, pieces: &mut Vec<Piece>) -> Result<(), EngineError> {
        let part = &text[from..to];
        let encoding = guarded(|| self.plain.encode(part, false)).map_err(EngineError::Failed)?;
        let (unknown, has_prefix) = match self.plain.get_model() {
            ModelWrapper::WordPiece(model) => {
                (self.plain.token_to_id(&model.unk_token), !model.continuing_subword_prefix.is_empty())
            }
            ModelWrapper::BPE(model) => {
                let unknown = model.unk_token.as_deref().and_then(|token| self.plain.token_to_id(token));
                (unknown, model.continuing_subword_prefix.as_ref().is_some_and(|prefix| !prefix.is_empty()))
            }
            _ => (None, false),
        };
        let spelled = encoding.get_ids().iter().zip(encoding.get_tokens()).zip(encoding.get_offsets());
        for ((&token, spelling), &(start, end)) in spelled {
            let (start, end) = (floor(part, start), ceil(part, end));
            let original = &part[start..end];
            let continues = if has_prefix {
                spelling.chars().count() != original.chars().count()
            } else {
                let before = text[..from + start].chars().next_back();
                let first = text[from + start..].chars().next();
                before.is_some_and(|before| before != ' ') && first != Some(' ')
            };
            let continues = continues && Some(token) != unknown;
            pieces.push(Piece { token, start: from + start, end: from + end, continues });
        }
        Ok(())
    }

    /// The tokens that the model wants before and behind a text.
    ///
    /// # Errors
    /// When a letter cannot be tokenized.
    pub fn frame(&self) -> Result<(Vec<Token>, Vec<Token>), EngineError> {
        let encoding = guarded(|| self.plain.encode("a", true)).map_err(EngineError::Failed)?;
        let special = encoding.get_special_tokens_mask();
        let before = special.iter().take_while(|&&special| special == 1).count();
        let behind = special.iter().rev().take_while(|&&special| special == 1).count().min(special.len() - before);
        let ids = encoding.get_ids();
        Ok((ids[..before].to_vec(), ids[ids.len() - behind..].to_vec()))
    }

    /// Two texts as the model was trained to see them. Spellings of control tokens stay text.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn pair(&self, first: &str, second: &str) -> Result<Pair, EngineError> {
        crate::check_length(first)?;
        crate::check_length(second)?;
        let encoding = guarded(|| self.plain.encode((first, second), true)).map_err(EngineError::Failed)?;
        Ok(Pair { tokens: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() })
    }
}

/// Where the part that begins at `from` ends: before white space if there is some in its second half, between characters anyway.
fn part_end(text: &str, from: usize) -> usize {
    if text.len() - from <= PART {
        return text.len();
    }
    let most = floor(text, from + PART);
    let half = floor(text, from + PART / 2);
    text[half..most].rfind(char::is_whitespace).map_or(most, |at| half + at)
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_before_white_space_and_never_within_a_character() {
        let text = "wörter ".repeat(PART / 8 * 3);
        let (mut from, mut parts) = (0, 0);
        while from < text.len() {
            let to = part_end(&text, from);
            assert!(to > from && to - from <= PART);
            assert!(to == text.len() || text[to..].starts_with(' '));
            (from, parts) = (to, parts + 1);
        }
        assert!(parts > 2);
        let text = "ü".repeat(PART);
        assert!(text.is_char_boundary(part_end(&text, 0)));
    }
}
