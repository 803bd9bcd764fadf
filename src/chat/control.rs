//! Control tokens spelled in a message stay text.
//!
//! A prompt is tokenized with control tokens recognised, because the template writes them. Whoever writes
//! `<|im_end|>` into a message must not end the message by it. So before rendering, each such spelling in what came
//! with the request becomes one private-use character; after rendering, the character becomes the spelling again, and
//! is tokenized apart, as plain text. A prompt without such spellings is tokenized as one piece.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;
use tern_engine::{CUT, Token, Tokenizer};

use crate::{MAX_IMAGES, TurnError};

/// First of the private-use characters that stand for spellings (plane 16, which nothing else uses).
const FIRST: u32 = 0x10_0000;
/// First of the characters that stand for images, [`MAX_IMAGES`] of them.
const FIRST_IMAGE: u32 = CUT as u32 - MAX_IMAGES as u32;
/// Last one that stands for a spelling.
const LAST: u32 = FIRST_IMAGE - 1;
/// Marks the end of the message to continue.
pub const CONTINUE_MARK: char = '\u{10FFFD}';

/// The spellings of all control tokens of a vocabulary. Made once a model; scans the vocabulary.
pub struct ControlSpellings {
    spellings: Vec<String>,
    matcher: Option<AhoCorasick>,
}

impl ControlSpellings {
    /// Scans the vocabulary.
    pub fn of(tokenizer: &dyn Tokenizer) -> Self {
        let mut spellings = Vec::new();
        let mut bytes = Vec::new();
        for token in 0..tokenizer.vocab_size() as Token {
            if tokenizer.is_control(token) || tokenizer.is_end_of_generation(token) {
                bytes.clear();
                tokenizer.decode(token, true, &mut bytes);
                if let Ok(text) = std::str::from_utf8(&bytes)
                    && is_mark(text)
                {
                    spellings.push(text.to_owned());
                }
            }
        }
        spellings.sort_unstable();
        spellings.dedup();
        let matcher = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&spellings).ok();
        Self { spellings, matcher }
    }

    /// No spellings: nothing is replaced.
    pub fn none() -> Self {
        Self { spellings: Vec::new(), matcher: None }
    }

    /// The spellings, sorted.
    pub fn spellings(&self) -> &[String] {
        &self.spellings
    }

    /// Cuts `text` at the spellings in it; whether each piece is one.
    pub fn cut<'t>(&self, text: &'t str) -> Vec<(&'t str, bool)> {
        let mut pieces = Vec::new();
        let mut done = 0;
        while let Some((start, end)) = self.find(text, done) {
            pieces.extend((done < start).then(|| (&text[done..start], false)));
            pieces.push((&text[start..end], true));
            done = end;
        }
        pieces.extend((done < text.len()).then(|| (&text[done..], false)));
        pieces
    }

    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let found = self.matcher.as_ref()?.find(aho_corasick::Input::new(text).range(from..))?;
        Some((found.start(), found.end()))
    }
}

/// Whether a spelling is a mark (`<s>`, `[INST]`) and not an ordinary word or white space, which some vocabularies
/// also flag and which must not tear a text into pieces.
fn is_mark(text: &str) -> bool {
    text.len() >= 3 && text.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace())
}

/// Replaces spellings for one request and remembers which character stands for what.
pub struct Escaper<'a> {
    spellings: &'a ControlSpellings,
    pieces: Vec<String>,
    exhausted: bool,
}

/// A part of a rendered prompt.
#[derive(Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// The template's text and ordinary text: control tokens are recognised.
    Text(&'a str),
    /// The spelling of a control token in a message: plain text.
    Plain(&'a str),
    /// The image of this number in the dialogue.
    Image(usize),
}

fn stands_for_image(c: char) -> Option<usize> {
    let number = (c as u32).checked_sub(FIRST_IMAGE)? as usize;
    (number < MAX_IMAGES).then_some(number)
}

/// The character that stands for image `number` of a dialogue, below [`MAX_IMAGES`].
pub fn image_stand_in(number: usize) -> Option<char> {
    (number < MAX_IMAGES).then(|| char::from_u32(FIRST_IMAGE + number as u32)).flatten()
}

/// A text in which no character stands for an image: those are in nobody's alphabet, and become U+FFFD.
pub fn without_image_stand_ins(text: &str) -> Cow<'_, str> {
    let stands = |c: char| stands_for_image(c).is_some();
    if text.contains(stands) { text.replace(stands, "\u{FFFD}").into() } else { text.into() }
}

impl<'a> Escaper<'a> {
    /// For one request.
    pub fn new(spellings: &'a ControlSpellings) -> Self {
        Self { spellings, pieces: Vec::new(), exhausted: false }
    }

    /// Replaces the spellings in `text`, except those in `keep`. Private-use characters of our range and our marks that
    /// are in the text are replaced too, and so come back as they were.
    pub fn escape<'t>(&mut self, text: &'t str, keep: &[String]) -> Cow<'t, str> {
        let mut out = String::new();
        let mut done = 0;
        let mut at = 0;
        while let Some((start, end)) = self.next_match(text, at) {
            at = end;
            let piece = &text[start..end];
            if keep.iter().any(|kept| kept == piece) {
                continue;
            }
            out.push_str(&text[done..start]);
            out.push(self.stand_in(piece));
            done = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }

    /// Replaces the spellings in every text of a JSON value, keys included.
    pub fn escape_json(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.escape(text, &[]).into_owned()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.escape_json(item)).collect()),
            Value::Object(map) => Value::Object(
                map.iter().map(|(key, value)| (self.escape(key, &[]).into_owned(), self.escape_json(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    fn next_match(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        // The mark that cuts is ours as well. CONTINUE_MARK is not replaced: it is in the messages before they are
        // escaped. Nor are those of images, which were replaced in all that came with the request before ours were put
        // in.
        let ours = |c: char| (FIRST..=LAST).contains(&(c as u32)) || c == CUT;
        let private = text[from..].char_indices().find(|(_, c)| ours(*c));
        let private = private.map(|(i, c)| (from + i, from + i + c.len_utf8()));
        match (self.spellings.find(text, from), private) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    fn stand_in(&mut self, piece: &str) -> char {
        let index = self.pieces.iter().position(|known| known == piece).unwrap_or_else(|| {
            self.pieces.push(piece.to_owned());
            self.pieces.len() - 1
        });
        char::from_u32(FIRST + index as u32).filter(|c| *c as u32 <= LAST).unwrap_or_else(|| {
            self.exhausted = true;
            char::REPLACEMENT_CHARACTER
        })
    }

    /// Refuses a request with more distinct spellings than there are private-use characters, which takes malice.
    pub fn check(&self) -> Result<(), TurnError> {
        if self.exhausted {
            return Err(TurnError::invalid("messages", "the messages contain too many private-use characters"));
        }
        Ok(())
    }

    /// Cuts a rendered prompt at the stand-ins, and where its template says so.
    pub fn segments<'s>(&'s self, rendered: &'s str) -> Vec<Segment<'s>> {
        let mut segments = Vec::new();
        let mut done = 0;
        for (i, c) in rendered.char_indices() {
            let piece = (c as u32).checked_sub(FIRST).and_then(|n| self.pieces.get(n as usize));
            let image = stands_for_image(c);
            if piece.is_none() && image.is_none() && c != CUT {
                continue;
            }
            if done < i {
                segments.push(Segment::Text(&rendered[done..i]));
            }
            segments.extend(piece.map(|piece| Segment::Plain(piece)));
            segments.extend(image.map(Segment::Image));
            done = i + c.len_utf8();
        }
        if done < rendered.len() {
            segments.push(Segment::Text(&rendered[done..]));
        }
        segments
    }
}
