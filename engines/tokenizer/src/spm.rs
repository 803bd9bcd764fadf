//! SentencePiece's BPE as llama.cpp runs it: of all neighbours that spell a token together, those whose token has the
//! highest score are merged first, the leftmost first among equals. A character that is no token becomes its bytes.

use std::{cmp::Ordering, collections::BinaryHeap};

use ahash::AHashMap;
use tern_engine::Token;

use crate::{
    TokenizerError,
    metadata::{self, SCORES, Spellings, TOKENS},
};

/// How a space is written in these vocabularies: U+2581.
pub(crate) const SPACE: &str = "\u{2581}";

/// A vocabulary with scores.
#[derive(Debug)]
pub(crate) struct Spm {
    tokens: AHashMap<Box<[u8]>, Token>,
    scores: Vec<f32>,
    byte_tokens: Box<[Option<Token>; 256]>,
    longest: usize,
}

#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: u32,
    // 0 when it was merged into the one before it.
    len: u32,
    previous: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    score: f32,
    left: u32,
    right: u32,
    // Bytes of both when the pair was seen; it is outdated when they have others.
    len: u32,
}

impl Eq for Pair {}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        // 0.0 and -0.0 are the same score, and NaN is refused at load.
        self.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const NONE: u32 = u32::MAX;

impl Spm {
    /// Reads the scores of a header.
    pub(crate) fn new(header: &tern_gguf::Header, spellings: &Spellings<'_>) -> Result<Self, TokenizerError> {
        let scores = metadata::scores(header, spellings.tokens.len())?;
        if let Some(index) = scores.iter().position(|score| score.is_nan()) {
            return Err(TokenizerError::element(SCORES, index, "NaN", "a number"));
        }
        let find = |byte: u8| spellings.find(format!("<0x{byte:02X}>").as_bytes()).or_else(|| spellings.find(&[byte]));
        let byte_tokens: Box<[_; 256]> = Box::new(std::array::from_fn(|byte| find(byte as u8)));
        // Published files exist without the zero byte; a text that has one is refused then.
        if let Some(byte) = (1..256).find(|&byte| byte_tokens[byte].is_none()) {
            let expected = format!("<0x{byte:02X}>, so that every text can be spelled");
            return Err(TokenizerError::key(TOKENS, format!("no token for byte {byte:#04x}"), expected));
        }
        let tokens: AHashMap<_, _> = spellings.text().map(|(token, id)| (token.into(), id)).collect();
        let longest = spellings.text().map(|(token, _)| token.len()).max().unwrap_or(0);
        Ok(Self { tokens, scores, byte_tokens, longest })
    }

    /// Appends the tokens of a text whose spaces are written as U+2581.
    ///
    /// # Errors
    /// The first byte that no token spells.
    pub(crate) fn encode(&self, text: &str, out: &mut Vec<Token>) -> Result<(), u8> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(index, (start, character))| Symbol {
                start: start as u32,
                len: character.len_utf8() as u32,
                previous: (index as u32).wrapping_sub(1),
                next: index as u32 + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        self.merge(text.as_bytes(), &mut symbols);
        for symbol in symbols.iter().filter(|symbol| symbol.len > 0) {
            let spelled = &text.as_bytes()[symbol.start as usize..][..symbol.len as usize];
            match self.tokens.get(spelled) {
                Some(&token) => out.push(token),
                None => {
                    for &byte in spelled {
                        out.push(self.byte_tokens[usize::from(byte)].ok_or(byte)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn merge(&self, text: &[u8], symbols: &mut [Symbol]) {
        let pair = |symbols: &[Symbol], left: u32, right: u32| {
            let (first, second) = (symbols.get(left as usize)?, symbols.get(right as usize)?);
            let len = first.len + second.len;
            if len as usize > self.longest {
                return None;
            }
            let token = *self.tokens.get(&text[first.start as usize..][..len as usize])?;
            Some(Pair { score: self.scores[token as usize], left, right, len })
        };
        let mut queue: BinaryHeap<Pair> =
            (1..symbols.len() as u32).filter_map(|right| pair(symbols, right - 1, right)).collect();
        while let Some(Pair { left, right, len, .. }) = queue.pop() {
            let (first, second) = (symbols[left as usize], symbols[right as usize]);
            if first.len == 0 || second.len == 0 || first.len + second.len != len {
                continue;
            }
            symbols[right as usize].len = 0;
            symbols[left as usize] = Symbol { len, next: second.next, ..first };
            if let Some(after) = symbols.get_mut(second.next as usize) {
                after.previous = left;
            }
            queue.extend(pair(symbols, first.previous, left));
            queue.extend(pair(symbols, left, second.next));
        }
    }
}
