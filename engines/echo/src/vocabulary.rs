//! The vocabulary: every byte, a few control tokens, the pieces of the scripts, and a twin of each byte and piece.
//!
//! A twin has the same bytes under another id, and [`Tokenizer::encode`] never gives it. A raw completion has no
//! header that marks where the reply begins, so the model opens such a reply with a twin: the place is then to be
//! seen in the history, and the next token stays a pure function of it.

use std::sync::{Arc, OnceLock};

use tern_engine::{EngineError, IMAGE_PLACE, Token, Tokenizer};

use crate::{
    calls,
    scripts::{Reply, SCRIPTS, WORDS},
};

/// Begins a sequence.
pub const BOS: Token = 256;
/// Begins a message; its role and a line break follow.
pub const IM_START: Token = 257;
/// Ends a message, and so a reply.
pub const IM_END: Token = 258;
/// Ends a text.
pub const END_OF_TEXT: Token = 259;
/// The control tokens, those around calls of other families last.
pub(crate) const CONTROL: [&str; 12] = [
    "<|bos|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
];
const FIRST_PIECE: Token = BOS + CONTROL.len() as Token;

// Normal tokens whose spelling the chat code looks for, and words of the template.
const MARKS: [&[u8]; 9] = [
    b"<think>",
    b"</think>",
    b"<tool_call>",
    b"</tool_call>",
    b"<tool_response>",
    b"</tool_response>",
    b"assistant",
    b"user",
    b"system",
];

/// The one vocabulary that all scripts share.
#[derive(Debug)]
pub struct Vocabulary {
    pieces: Vec<&'static [u8]>,
    // For each first byte, the pieces that begin with it, longest first.
    by_first_byte: Vec<Vec<Token>>,
}

impl Vocabulary {
    /// The vocabulary, built on first use.
    pub fn shared() -> &'static Arc<Self> {
        static VOCABULARY: OnceLock<Arc<Vocabulary>> = OnceLock::new();
        VOCABULARY.get_or_init(|| Arc::new(Self::build()))
    }

    fn build() -> Self {
        let mut pieces: Vec<&'static [u8]> = Vec::new();
        let scripted = SCRIPTS.iter().flat_map(|script| match script.reply {
            Reply::Pieces(pieces) | Reply::Cycle(pieces, _) | Reply::Calls(pieces) => pieces,
            _ => &[],
        });
        for piece in WORDS.iter().chain(&MARKS).chain(calls::ANSWER).chain(calls::THOUGHT_OVER).chain(scripted) {
            let is_control = CONTROL.iter().any(|control| control.as_bytes() == *piece);
            if piece.len() > 1 && !is_control && !pieces.contains(piece) {
                pieces.push(piece);
            }
        }
        let mut by_first_byte = vec![Vec::new(); 256];
        for (index, piece) in pieces.iter().enumerate() {
            by_first_byte[usize::from(piece[0])].push(FIRST_PIECE + index as Token);
        }
        let vocabulary = Self { pieces, by_first_byte: Vec::new() };
        for tokens in &mut by_first_byte {
            tokens.sort_by_key(|&token| std::cmp::Reverse(vocabulary.piece(token).len()));
        }
        Self { by_first_byte, ..vocabulary }
    }

    /// First id of the twins; they stand in the order of the tokens they repeat, control tokens left out.
    fn first_twin(&self) -> Token {
        FIRST_PIECE + self.pieces.len() as Token
    }

    fn piece(&self, token: Token) -> &'static [u8] {
        self.pieces[(token - FIRST_PIECE) as usize]
    }

    /// The twin of a byte or piece; other tokens have none and come back as they are.
    pub fn twin(&self, token: Token) -> Token {
        match token {
            0..=255 => self.first_twin() + token,
            _ if token >= FIRST_PIECE && token < self.first_twin() => self.first_twin() + 256 + (token - FIRST_PIECE),
            _ => token,
        }
    }

    /// Whether `token` is a twin.
    pub fn is_twin(&self, token: Token) -> bool {
        (self.first_twin()..IMAGE_PLACE).contains(&token)
    }

    /// The token with exactly these bytes.
    pub(crate) fn token(&self, bytes: &[u8]) -> Option<Token> {
        match bytes {
            [] => None,
            [byte] => Some(Token::from(*byte)),
            _ if CONTROL.iter().any(|control| control.as_bytes() == bytes) => {
                CONTROL.iter().position(|control| control.as_bytes() == bytes).map(|index| BOS + index as Token)
            }
            [first, ..] => {
                self.by_first_byte[usize::from(*first)].iter().copied().find(|&token| self.piece(token) == bytes)
            }
        }
    }

    /// Tokenizes bytes, taking the longest piece at each place. Reads no control tokens.
    pub(crate) fn encode_bytes(&self, mut bytes: &[u8], out: &mut Vec<Token>) {
        while let Some(&first) = bytes.first() {
            let longest =
                self.by_first_byte[usize::from(first)].iter().find(|&&token| bytes.starts_with(self.piece(token)));
            match longest {
                Some(&token) => {
                    out.push(token);
                    bytes = &bytes[self.piece(token).len()..];
                }
                None => {
                    out.push(first.into());
                    bytes = &bytes[1..];
                }
            }
        }
    }

    /// The bytes of tokens, control tokens left out.
    pub fn text(&self, tokens: &[Token]) -> Vec<u8> {
        let mut out = Vec::new();
        for &token in tokens {
            self.decode(token, false, &mut out);
        }
        out
    }
}

impl Tokenizer for Vocabulary {
    fn vocab_size(&self) -> usize {
        self.first_twin() as usize + 256 + self.pieces.len()
    }

    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
        let mut tokens = Vec::with_capacity(text.len() / 2 + 1);
        if add_special {
            tokens.push(BOS);
        }
        let mut plain_from = 0;
        if parse_special {
            for (at, _) in text.match_indices(['<', '[']) {
                if let Some(index) = CONTROL.iter().position(|mark| text[at..].starts_with(mark)) {
                    self.encode_bytes(&text.as_bytes()[plain_from..at], &mut tokens);
                    tokens.push(BOS + index as Token);
                    plain_from = at + CONTROL[index].len();
                }
            }
        }
        self.encode_bytes(&text.as_bytes()[plain_from..], &mut tokens);
        Ok(tokens)
    }

    fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        let first_twin = self.first_twin();
        if token < BOS {
            out.push(token as u8);
        } else if token < FIRST_PIECE {
            if special {
                out.extend_from_slice(CONTROL[(token - BOS) as usize].as_bytes());
            }
        } else if token < first_twin {
            out.extend_from_slice(self.piece(token));
        } else if token < first_twin + 256 {
            out.push((token - first_twin) as u8);
        } else if (token as usize) < self.vocab_size() {
            out.extend_from_slice(self.piece(token - first_twin - 256 + FIRST_PIECE));
        }
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        token == IM_END || token == END_OF_TEXT
    }

    fn is_control(&self, token: Token) -> bool {
        (BOS..FIRST_PIECE).contains(&token)
    }

    fn bos(&self) -> Option<Token> {
        Some(BOS)
    }

    fn eos(&self) -> Option<Token> {
        Some(IM_END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_spell_the_same_and_are_never_encoded() {
        let vocabulary = Vocabulary::shared();
        let tokens = vocabulary.encode("Hello from the house\n", false, false).unwrap();
        let twins: Vec<_> = tokens.iter().map(|&token| vocabulary.twin(token)).collect();
        assert!(tokens.iter().all(|&token| !vocabulary.is_twin(token)));
        assert!(twins.iter().all(|&token| vocabulary.is_twin(token) && (token as usize) < vocabulary.vocab_size()));
        assert_eq!(vocabulary.text(&tokens), vocabulary.text(&twins));
    }

    #[test]
    fn control_tokens_are_read_only_when_asked_for() {
        let vocabulary = Vocabulary::shared();
        let text = "<|im_start|>user\nhi<|im_end|>";
        let parsed = vocabulary.encode(text, true, true).unwrap();
        assert_eq!(parsed[..2], [BOS, IM_START]);
        assert_eq!(parsed.last(), Some(&IM_END));
        let plain = vocabulary.encode(text, false, false).unwrap();
        assert!(plain.iter().all(|&token| !vocabulary.is_control(token)));
        assert_eq!(vocabulary.text(&plain), text.as_bytes());
    }

    #[test]
    fn pieces_may_be_parts_of_characters() {
        let vocabulary = Vocabulary::shared();
        let token = vocabulary.token(b"\xF0\x9F").unwrap();
        assert_eq!(vocabulary.encode("👨", false, false).unwrap()[0], token);
    }
}
