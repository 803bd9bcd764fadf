//! What is a word, and when two are the same.
//!
//! Letters and digits in a row are a word. It is compared without case and without accents (`Ångström` is `angstrom`).
//! Scripts that put no spaces between words are taken apart instead: each letter and each two neighbours stand for
//! themselves, so that any part of a text is found.

use std::{collections::VecDeque, iter::Peekable, ops::Range, str::CharIndices};

use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

/// A word is told from others by this many letters; its rest, if it is longer, is not looked at. Words of people are
/// shorter; encoded files in one line are longer.
const LETTERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is compared.
    pub text: String,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// A letter of a script without spaces, or a symbol such as an emoji.
    Letter,
    /// Two letters of a script without spaces.
    Pair,
}

enum Class {
    /// Part of a word.
    Word,
    /// A letter of a script without spaces.
    Letter,
    /// Stands for itself.
    Symbol,
    /// Belongs to the letter before it and is not compared.
    Silent,
    Between,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Word,
        '\0'..='\x7f' => Class::Between,
        // Soft hyphen, joiners, directions, variation selectors, skin tones.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {
            Class::Silent
        }
        // Thai and Lao; Burmese; Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' if is_written(c) => Class::Letter,
        // Hangul, kana, bopomofo, ideographs, and their compatible forms.
        '\u{1100}'..='\u{11ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30fa}'
        | '\u{30fc}'..='\u{318f}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'
        | '\u{20000}'..='\u{3ffff}' => Class::Letter,
        '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' => Class::Symbol,
        _ if is_silent(c) => Class::Silent,
        _ if is_written(c) => Class::Word,
        _ => Class::Between,
    }
}

/// Accents. Vowel signs (class 0) and viramas (class 9) of Indic scripts tell words apart and stay.
fn is_silent(c: char) -> bool {
    !matches!(canonical_combining_class(c), 0 | 9)
}

fn is_written(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Appends `c` as it is compared.
fn fold(c: char, to: &mut String) {
    if c.is_ascii() {
        to.push(c.to_ascii_lowercase());
        return;
    }
    for c in c.nfkd().flat_map(char::to_lowercase).filter(|c| !is_silent(*c) && is_written(*c)) {
        match c {
            'ß' => to.push_str("ss"),
            'æ' => to.push_str("ae"),
            'œ' => to.push_str("oe"),
            'þ' => to.push_str("th"),
            'ø' => to.push('o'),
            'đ' | 'ð' => to.push('d'),
            'ł' => to.push('l'),
            'ħ' => to.push('h'),
            'ı' => to.push('i'),
            'ς' => to.push('σ'),
            c => to.push(c),
        }
    }
}

/// The words of `text` in their order; a pair comes behind its second letter.
pub(crate) fn words(text: &str) -> Words<'_> {
    Words { chars: text.char_indices().peekable(), ready: VecDeque::new(), before: None }
}

pub(crate) struct Words<'a> {
    chars: Peekable<CharIndices<'a>>,
    ready: VecDeque<Word>,
    /// The letter before, which makes a pair with the next.
    before: Option<(usize, String)>,
}

impl Words<'_> {
    fn word(&mut self) -> Option<Word> {
        let mut word = Word { text: String::new(), range: 0..0, kind: Kind::Word };
        let mut letters = 0;
        while let Some(&(at, c)) = self.chars.peek() {
            match class(c) {
                Class::Word if letters < LETTERS => fold(c, &mut word.text),
                Class::Word | Class::Silent => {}
                Class::Letter | Class::Symbol | Class::Between => break,
            }
            if letters == 0 {
                word.range.start = at;
            }
            letters += 1;
            word.range.end = at + c.len_utf8();
            self.chars.next();
        }
        (!word.text.is_empty()).then_some(word)
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        loop {
            if let Some(word) = self.ready.pop_front() {
                return Some(word);
            }
            let &(at, c) = self.chars.peek()?;
            let class = class(c);
            if let Class::Word = class {
                self.before = None;
                if let Some(word) = self.word() {
                    return Some(word);
                }
                continue;
            }
            self.chars.next();
            let end = at + c.len_utf8();
            match class {
                Class::Letter => {
                    let text: String = c.nfkc().collect();
                    if let Some((start, before)) = self.before.replace((at, text.clone())) {
                        self.ready.push_back(Word { text: before + &text, range: start..end, kind: Kind::Pair });
                    }
                    return Some(Word { text, range: at..end, kind: Kind::Letter });
                }
                Class::Symbol => {
                    self.before = None;
                    return Some(Word { text: c.to_string(), range: at..end, kind: Kind::Letter });
                }
                Class::Silent | Class::Word => {}
                Class::Between => self.before = None,
            }
        }
    }
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    pub text: String,
    /// Whether longer words that begin with it are meant as well.
    pub prefix: bool,
}

/// At most this many different words are looked for; more make a search slower and hardly better.
const SOUGHT: usize = 32;

/// How much of a query is read at all.
const QUERY_BYTES: usize = 4096;

impl Sought {
    pub(crate) fn is(&self, word: &str) -> bool {
        if self.prefix { word.starts_with(&self.text) } else { word == self.text }
    }

    /// What a query asks for: each word once, the last one as a prefix.
    pub(crate) fn parse(query: &str) -> Vec<Self> {
        let query = &query[..query.floor_char_boundary(QUERY_BYTES)];
        let words: Vec<_> = words(query).collect();
        let pairs: Vec<_> = words.iter().filter(|word| word.kind == Kind::Pair).map(|word| &word.range).collect();
        let mut sought: Vec<Self> = Vec::new();
        for (index, word) in words.iter().enumerate() {
            // A letter that is part of a pair is found with it.
            let inside = || pairs.iter().any(|pair| pair.start <= word.range.start && word.range.end <= pair.end);
            if word.kind == Kind::Letter && inside() {
                continue;
            }
            let prefix = word.kind == Kind::Word && index + 1 == words.len();
            if sought.len() < SOUGHT && !sought.iter().any(|other| other.is(&word.text)) {
                sought.push(Self { text: word.text.clone(), prefix });
            }
        }
        sought
    }
}
