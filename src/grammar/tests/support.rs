//! A small vocabulary, and a model that says anything.

use tern_engine::{EngineError, Token, Tokenizer};
use tern_grammar::{Compiled, Vocabulary};

/// Every byte, some pieces of JSON and words, two tokens that end an answer and one that is a mark.
pub struct Pieces(Vec<Vec<u8>>);

pub const END: &str = "<|end|>";
pub const TURN: &str = "<|turn|>";
pub const MARK: &str = "<|mark|>";

impl Pieces {
    pub fn new() -> Self {
        let mut words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        let pieces = [
            "{\"", "\":", "\": ", "\": \"", "\",", "\", \"", "\"}", "\"]", "}}", "},", "}, {", "[{", "[\"", "],", "{}",
            "[]", ", ", "\n", "\n  ", "\n    ", "  ", "true", "false", "null", "name", "value", "items", "type", "id",
            "the", "ing", "10", "00", "-1", ".5", "é", "日本", "2024", "-02-", "\\n", "\\\"", "://", "www", "@",
            ".com",
        ];
        words.extend(pieces.iter().map(|piece| piece.as_bytes().to_vec()));
        words.extend([END, TURN, MARK].map(|name| name.as_bytes().to_vec()));
        Self(words)
    }

    fn first_special(&self) -> usize {
        self.0.len() - 3
    }

    pub fn bytes(&self, token: Token) -> &[u8] {
        &self.0[token as usize]
    }
}

impl Tokenizer for Pieces {
    fn vocab_size(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, text: &str, _: bool, _: bool) -> Result<Vec<Token>, EngineError> {
        Ok(text.bytes().map(Token::from).collect())
    }

    fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        if special || !self.is_control(token) {
            out.extend_from_slice(&self.0[token as usize]);
        }
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        [END, TURN].iter().any(|name| self.0[token as usize] == name.as_bytes())
    }

    fn is_control(&self, token: Token) -> bool {
        token as usize >= self.first_special()
    }

    fn bos(&self) -> Option<Token> {
        None
    }

    fn eos(&self) -> Option<Token> {
        Some(self.first_special() as Token)
    }
}

/// The vocabulary of [`Pieces`].
pub fn vocabulary() -> (Pieces, Vocabulary) {
    let pieces = Pieces::new();
    let vocabulary = Vocabulary::new(&pieces).unwrap();
    (pieces, vocabulary)
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What a model with random weights answers in this form. It gets tired after a while, and then ends what can be ended.
pub fn answer(pieces: &Pieces, compiled: &Compiled, random: &mut Random) -> Result<String, String> {
    let mut matcher = compiled.matcher();
    let mut text = Vec::new();
    for count in 0..3000 {
        let mask = matcher.mask().map_err(|error| format!("{error} behind {}", String::from_utf8_lossy(&text)))?;
        let allowed: Vec<Token> = (0..pieces.vocab_size() as Token).filter(|&token| mask.allows(token)).collect();
        // In a string brackets are only text, and the quote ends it.
        let closers: &[u8] = if mask.allows(b'q'.into()) && mask.allows(b'"'.into()) { b"\"" } else { b"}]\"" };
        let closing: Vec<Token> = allowed
            .iter()
            .copied()
            .filter(|&token| pieces.is_end_of_generation(token) || closers.contains(&pieces.bytes(token)[0]))
            .collect();
        let tired = count > 40 && !closing.is_empty() && !random.one_in(4);
        let token = *random.of(if tired { &closing } else { &allowed });
        assert_eq!(matcher.may_end(), allowed.iter().any(|&token| pieces.is_end_of_generation(token)));
        if pieces.is_end_of_generation(token) {
            return String::from_utf8(text).map_err(|error| error.to_string());
        }
        pieces.decode(token, false, &mut text);
        matcher.accept(token).map_err(|error| error.to_string())?;
        if matcher.must_end() {
            return String::from_utf8(text).map_err(|error| error.to_string());
        }
    }
    Err(format!("no end: {}", String::from_utf8_lossy(&text)))
}

/// Whether the form lets this text through, byte by byte, and lets it end.
pub fn accepts(compiled: &Compiled, text: &str) -> bool {
    let mut matcher = compiled.matcher();
    for byte in text.bytes() {
        if matcher.must_end() || !matcher.mask().is_ok_and(|mask| mask.allows(byte.into())) {
            return false;
        }
        matcher.accept(byte.into()).unwrap();
    }
    matcher.must_end() || matcher.may_end()
}
