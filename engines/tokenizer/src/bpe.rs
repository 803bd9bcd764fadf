//! Byte-level BPE: the pair of neighbours whose merge has the lowest rank is merged, the leftmost first, until no pair
//! has one.

use std::{cmp::Reverse, collections::BinaryHeap};

use ahash::AHashMap;
use tern_engine::Token;

use crate::{
    TokenizerError, alphabet,
    metadata::{self, MERGES, Spellings},
};

/// What two neighbours become.
#[derive(Debug, Clone, Copy)]
struct Merge {
    rank: u32,
    result: u32,
}

/// The merges of a vocabulary, by the ids of both sides.
///
/// Merges may name strings that are not tokens: these have ids behind the vocabulary, as intermediate results. If one
/// is left at the end, it is written as its bytes.
#[derive(Debug)]
pub(crate) struct Bpe {
    byte_tokens: Box<[Option<Token>; 256]>,
    merges: AHashMap<(u32, u32), Merge>,
    vocab_size: u32,
    // The bytes of the strings that are no tokens.
    intermediate: Vec<Box<[u8]>>,
    // Tokens by their bytes, if whole words are looked up before they are merged.
    words: Option<AHashMap<Box<[u8]>, Token>>,
}

/// Buffers of one text.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    symbols: Vec<Symbol>,
    // Lowest rank first, then leftmost.
    queue: BinaryHeap<Reverse<(u32, u32, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    previous: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;
// A symbol that was merged into the one before it.
const GONE: u32 = u32::MAX;

impl Bpe {
    /// Reads the merges of a header. `whole_words`: a word that is a token is that token, whatever its merges give.
    pub(crate) fn new(
        header: &tern_gguf::Header,
        spellings: &Spellings<'_>,
        whole_words: bool,
    ) -> Result<Self, TokenizerError> {
        let vocab_size = spellings.tokens.len() as u32;
        let mut spelled = [0; 4];
        let byte_tokens = Box::new(std::array::from_fn(|byte| {
            spellings.find(alphabet::CHARS[byte].encode_utf8(&mut spelled).as_bytes())
        }));
        let mut bpe = Self { byte_tokens, merges: AHashMap::new(), vocab_size, intermediate: Vec::new(), words: None };
        let mut strings = AHashMap::<Box<[u8]>, u32>::new();
        let mut whole = Vec::new();
        for (rank, merge) in metadata::strings(header, MERGES)?.enumerate() {
            let space = merge.iter().skip(1).position(|&byte| byte == b' ').map(|place| place + 1);
            let Some(space) = space.filter(|&place| place + 1 < merge.len()) else {
                let got = metadata::shown(merge);
                return Err(TokenizerError::element(MERGES, rank, got, "two strings with a space between"));
            };
            let (left, right) = (&merge[..space], &merge[space + 1..]);
            whole.clear();
            whole.extend_from_slice(left);
            whole.extend_from_slice(right);
            let mut id = |string: &[u8]| {
                spellings.find(string).unwrap_or_else(|| {
                    strings.get(string).copied().unwrap_or_else(|| {
                        let id = vocab_size + bpe.intermediate.len() as u32;
                        bpe.intermediate.push(alphabet::unspell(string).into());
                        strings.insert(string.into(), id);
                        id
                    })
                })
            };
            let (left, right, result) = (id(left), id(right), id(&whole));
            // Of two merges of the same pair the first counts.
            bpe.merges.entry((left, right)).or_insert(Merge { rank: rank as u32, result });
        }
        if whole_words {
            bpe.words = Some(words(spellings));
        }
        Ok(bpe)
    }

    /// Appends the tokens of a word.
    ///
    /// # Errors
    /// The first byte that no token spells.
    pub(crate) fn encode(&self, word: &[u8], scratch: &mut Scratch, out: &mut Vec<Token>) -> Result<(), u8> {
        if let Some(&token) = self.words.as_ref().and_then(|words| words.get(word)) {
            out.push(token);
            return Ok(());
        }
        scratch.symbols.clear();
        let mut last = NONE;
        for &byte in word {
            let id = self.byte_tokens[usize::from(byte)].ok_or(byte)?;
            let at = scratch.symbols.len() as u32;
            scratch.symbols.push(Symbol { id, previous: last, next: at + 1 });
            last = at;
        }
        let Some(end) = scratch.symbols.last_mut() else { return Ok(()) };
        end.next = NONE;
        self.merge(scratch);
        for symbol in scratch.symbols.iter().filter(|symbol| symbol.id != GONE) {
            match symbol.id.checked_sub(self.vocab_size) {
                None => out.push(symbol.id),
                Some(index) => {
                    for &byte in &self.intermediate[index as usize] {
                        out.push(self.byte_tokens[usize::from(byte)].ok_or(byte)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn merge(&self, Scratch { symbols, queue }: &mut Scratch) {
        queue.clear();
        let candidate = |symbols: &[Symbol], left: u32| {
            let first = symbols.get(left as usize)?;
            let second = symbols.get(first.next as usize)?;
            let merge = self.merges.get(&(first.id, second.id))?;
            Some(Reverse((merge.rank, left, merge.result)))
        };
        queue.extend((0..symbols.len() as u32).filter_map(|left| candidate(symbols, left)));
        while let Some(Reverse((rank, left, result))) = queue.pop() {
            let first = symbols[left as usize];
            // A rank belongs to one pair, so an entry is still true if its pair still has its rank.
            let current = symbols.get(first.next as usize).and_then(|second| self.merges.get(&(first.id, second.id)));
            if current.is_none_or(|merge| merge.rank != rank) {
                continue;
            }
            let right = first.next;
            let next = symbols[right as usize].next;
            symbols[right as usize] = Symbol { id: GONE, previous: NONE, next: NONE };
            symbols[left as usize] = Symbol { id: result, next, ..first };
            if let Some(after) = symbols.get_mut(next as usize) {
                after.previous = left;
            }
            queue.extend(candidate(symbols, first.previous));
            queue.extend(candidate(symbols, left));
        }
    }
}

/// Tokens spelled in the alphabet throughout, by their bytes.
fn words(spellings: &Spellings<'_>) -> AHashMap<Box<[u8]>, Token> {
    let spelled = |token| std::str::from_utf8(token).ok()?.chars().map(alphabet::byte).collect::<Option<_>>();
    spellings.text().filter_map(|(token, id)| Some((spelled(token)?, id))).collect()
}
