//! Text to prompt tokens: what the model wants before a text, once, and pieces that join without a seam.

use tern_engine::{EngineError, PromptPart, Token, Tokenizer};
use tern_scheduler::PlacedImage;

use crate::control::Segment;

/// What a tokenizer puts around and into texts, found by trying it. Made once a model.
#[derive(Debug, Clone)]
pub struct Framing {
    /// What `add_special` puts before a text (BOS). What it puts behind a text (EOS) is left out: a prompt goes on.
    prefix: Vec<Token>,
    /// How BOS is spelled, when the prefix has it.
    bos_spelling: Option<String>,
    /// Whether a text gets a space in front (SentencePiece), which must not happen in the middle of a prompt.
    spaced: bool,
}

impl Framing {
    /// Tries the tokenizer. One that cannot encode a letter adds nothing, and says so at the first prompt.
    pub fn of(tokenizer: &dyn Tokenizer) -> Self {
        let bare = tokenizer.encode("a", false, false).unwrap_or_default();
        let framed = tokenizer.encode("a", true, false).unwrap_or_default();
        let at = framed.windows(bare.len().max(1)).position(|window| window == bare).unwrap_or(0);
        let prefix = framed[..at].to_vec();
        let spelled = |token: Token| {
            let mut bytes = Vec::new();
            tokenizer.decode(token, true, &mut bytes);
            String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
        };
        let spaced = bare.first().and_then(|token| spelled(*token)).is_some_and(|text| text.starts_with(' '));
        Self { bos_spelling: prefix.first().and_then(|token| spelled(*token)), prefix, spaced }
    }

    /// The tokens of a prompt. A prompt that begins with BOS, as the model's or the template's spelling
    /// (`bos_token`), gets no second one. `images` are what the images of the dialogue become, in their order.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(
        &self,
        tokenizer: &dyn Tokenizer,
        segments: &[Segment<'_>],
        bos_token: Option<&str>,
        images: &[Vec<PromptPart>],
    ) -> Result<(Vec<Token>, Vec<PlacedImage>), EngineError> {
        let begins_with = |bos: &str| matches!(segments.first(), Some(Segment::Text(text)) if text.starts_with(bos));
        let has_bos = self.bos_spelling.as_deref().is_some_and(begins_with)
            || bos_token.filter(|bos| !bos.is_empty()).is_some_and(begins_with);
        let mut tokens = if has_bos { Vec::new() } else { self.prefix.clone() };
        let mut placed = Vec::new();
        for (i, segment) in segments.iter().enumerate() {
            let (text, special) = match segment {
                Segment::Text(text) => (*text, true),
                Segment::Plain(text) => (*text, false),
                Segment::Image(number) => {
                    for part in images.get(*number).into_iter().flatten() {
                        match part {
                            PromptPart::Tokens(words) => tokens.extend_from_slice(words),
                            PromptPart::Image(chunk) => {
                                placed.push(PlacedImage { at: tokens.len(), chunk: chunk.clone() });
                                tokens.extend(chunk.places());
                            }
                        }
                    }
                    continue;
                }
            };
            tokens.extend(if i == 0 || !self.spaced {
                tokenizer.encode(text, false, special)?
            } else {
                self.continuing(tokenizer, text, special)?
            });
        }
        Ok((tokens, placed))
    }

    /// Tokens of a text that follows another one: encoded behind a line break, whose tokens are then taken away, so
    /// that no space is put in front.
    fn continuing(&self, tokenizer: &dyn Tokenizer, text: &str, special: bool) -> Result<Vec<Token>, EngineError> {
        const ANCHOR: &str = "\n";
        let anchor = tokenizer.encode(ANCHOR, false, false)?;
        let both = tokenizer.encode(&format!("{ANCHOR}{text}"), false, special)?;
        match both.strip_prefix(anchor.as_slice()) {
            Some(rest) => Ok(rest.to_vec()),
            None => tokenizer.encode(text, false, special),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the manner of SentencePiece: characters are tokens, a text gets a space in front, BOS before and EOS behind.
    struct Spaced;

    const BOS: Token = 1;
    const EOS: Token = 2;

    impl Tokenizer for Spaced {
        fn vocab_size(&self) -> usize {
            0x11_0000
        }

        fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
            let mut tokens = if add_special { vec![BOS] } else { Vec::new() };
            let (text, mark) = match text.strip_prefix("<s>") {
                Some(rest) if parse_special => (rest, Some(BOS)),
                _ => (text, None),
            };
            tokens.extend(mark);
            tokens.extend(format!(" {text}").chars().map(Token::from));
            tokens.extend(add_special.then_some(EOS));
            Ok(tokens)
        }

        fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
            match token {
                BOS if special => out.extend_from_slice(b"<s>"),
                EOS if special => out.extend_from_slice(b"</s>"),
                BOS | EOS => {}
                _ => out.extend(char::from_u32(token).unwrap_or('?').to_string().bytes()),
            }
        }

        fn is_end_of_generation(&self, token: Token) -> bool {
            token == EOS
        }

        fn is_control(&self, token: Token) -> bool {
            token == BOS || token == EOS
        }

        fn bos(&self) -> Option<Token> {
            Some(BOS)
        }

        fn eos(&self) -> Option<Token> {
            Some(EOS)
        }
    }

    /// `expected` is the text of the tokens, control tokens spelled.
    fn check(segments: &[Segment<'_>], bos_token: Option<&str>, expected: &str) {
        let (tokens, _) = Framing::of(&Spaced).encode(&Spaced, segments, bos_token, &[]).unwrap();
        let mut bytes = Vec::new();
        tokens.iter().for_each(|token| Spaced.decode(*token, true, &mut bytes));
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_prompt_gets_bos_and_no_eos() {
        check(&[Segment::Text("hi")], None, "<s> hi");
    }

    #[test]
    fn a_prompt_that_begins_with_bos_gets_no_second_one() {
        check(&[Segment::Text("<s>hi")], None, "<s> hi");
        check(&[Segment::Text("[BOS]hi")], Some("[BOS]"), " [BOS]hi");
    }

    #[test]
    fn bos_spelled_in_a_message_is_not_taken_for_bos() {
        check(&[Segment::Plain("<s>"), Segment::Text("hi")], None, "<s> <s>hi");
    }

    #[test]
    fn pieces_join_without_a_space_between_them() {
        check(&[Segment::Text("a"), Segment::Plain("</s>"), Segment::Text("b")], None, "<s> a</s>b");
    }
}
