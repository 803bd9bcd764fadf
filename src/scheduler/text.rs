//! Tokens to text that may be shown: whole characters, no stop string, no half of an emoji.
//!
//! Bytes of tokens are gathered until they are whole UTF-8 characters; text is held back while it may still become a
//! stop string or while its last character is an emoji that the next token may extend (skin tone, joiner, second
//! half of a flag). What comes out does not depend on how the text was divided into tokens. A digit is not held back
//! for the sake of keycap emoji.

use tern_engine::Token;
use unicode_segmentation::UnicodeSegmentation;

use crate::TokenLogprob;

/// Longer chains of joined emoji than this many bytes are not waited for.
const LONGEST_CLUSTER: usize = 128;

/// A token whose text is not wholly delivered yet.
#[derive(Debug)]
struct Held {
    token: Token,
    logprob: Option<TokenLogprob>,
    /// Where its text begins, in bytes of the whole answer.
    start: usize,
    /// Where its text ends, undecided bytes included.
    end: usize,
}

/// Text that may be shown, and the tokens behind it.
#[derive(Debug, Default, PartialEq)]
pub struct Piece {
    /// Whole characters.
    pub text: String,
    /// Tokens whose text is complete with this piece.
    pub tokens: Vec<Token>,
    /// Their logprobs, when they were given.
    pub logprobs: Vec<TokenLogprob>,
}

impl Piece {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.tokens.is_empty()
    }
}

/// The text of one answer as it arrives.
#[derive(Debug, Default)]
pub struct TextStream {
    stop: Vec<String>,
    /// Bytes of a character that is not complete.
    bytes: Vec<u8>,
    /// Whole characters not delivered yet.
    text: String,
    /// Bytes of text delivered so far.
    delivered: usize,
    held: Vec<Held>,
}

impl TextStream {
    /// A stream that ends at any of `stop`; empty strings are ignored.
    pub fn new(stop: &[String]) -> Self {
        Self { stop: stop.iter().filter(|s| !s.is_empty()).cloned().collect(), ..Self::default() }
    }

    /// Adds a token and its bytes. Returns what may be shown now, and the stop string if one is complete: then the
    /// piece is the last one.
    pub fn push(&mut self, token: Token, bytes: &[u8], logprob: Option<TokenLogprob>) -> (Piece, Option<String>) {
        let start = self.delivered + self.text.len() + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.take_whole_characters();
        let end = self.delivered + self.text.len() + self.bytes.len();
        self.held.push(Held { token, logprob, start, end });
        if let Some((at, stop)) = self.stop_found() {
            let stop = stop.to_owned();
            self.bytes.clear();
            let mut piece = self.deliver(at);
            // A token that is partly before the stop string is part of the answer.
            let shown = self.delivered;
            for held in std::mem::take(&mut self.held).into_iter().take_while(|held| held.start < shown) {
                add(&mut piece, held);
            }
            return (piece, Some(stop));
        }
        let certain = self.before_possible_stop();
        (self.deliver(self.before_open_emoji(certain)), None)
    }

    /// The rest, when no token follows. An incomplete character becomes U+FFFD.
    pub fn finish(&mut self) -> Piece {
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        let mut piece = self.deliver(self.text.len());
        for held in std::mem::take(&mut self.held) {
            add(&mut piece, held);
        }
        piece
    }

    /// Moves whole characters from `bytes` to `text`; bytes that can never become a character become U+FFFD.
    fn take_whole_characters(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(whole) => {
                    self.text.push_str(whole);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    self.text.push_str(std::str::from_utf8(&self.bytes[..valid]).unwrap_or_default());
                    let Some(bad) = error.error_len() else {
                        self.bytes.drain(..valid);
                        return;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..valid + bad);
                }
            }
        }
    }

    /// The stop string that is complete first, and where it begins; of several ending at the same place the longest.
    fn stop_found(&self) -> Option<(usize, &str)> {
        let found = self.stop.iter().filter_map(|stop| Some((self.text.find(stop.as_str())?, stop.as_str())));
        found.min_by_key(|&(at, stop)| (at + stop.len(), at))
    }

    /// Up to where the text cannot be the beginning of a stop string.
    fn before_possible_stop(&self) -> usize {
        let text = self.text.as_bytes();
        let longest = self.stop.iter().map(|stop| stop.len() - 1).max().unwrap_or(0).min(text.len());
        let open = (1..=longest).rev().find(|&n| {
            let tail = &text[text.len() - n..];
            self.stop.iter().any(|stop| stop.len() > n && stop.as_bytes().starts_with(tail))
        });
        text.len() - open.unwrap_or(0)
    }

    /// Up to where the first `end` bytes have no emoji at their end that may go on.
    fn before_open_emoji(&self, end: usize) -> usize {
        match self.text[..end].graphemes(true).next_back() {
            Some(last) if last.len() <= LONGEST_CLUSTER && last.chars().any(is_emoji_part) => end - last.len(),
            _ => end,
        }
    }

    /// Takes the first `end` bytes of the held text, and the tokens complete with them.
    fn deliver(&mut self, end: usize) -> Piece {
        let rest = self.text.split_off(end);
        let mut piece = Piece { text: std::mem::replace(&mut self.text, rest), ..Piece::default() };
        self.delivered += piece.text.len();
        let complete = self.held.iter().take_while(|held| held.end <= self.delivered).count();
        for held in self.held.drain(..complete) {
            add(&mut piece, held);
        }
        piece
    }
}

fn add(piece: &mut Piece, held: Held) {
    piece.tokens.push(held.token);
    piece.logprobs.extend(held.logprob);
}

/// Characters that are, extend or join emoji. A little wide on purpose: what is held back in vain comes one token
/// later.
fn is_emoji_part(c: char) -> bool {
    matches!(u32::from(c),
        0x200d | 0xfe0f | 0x20e3 // joiner, emoji presentation, keycap
        | 0x203c | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21aa | 0x231a..=0x23ff | 0x25aa..=0x27bf
        | 0x2934 | 0x2935 | 0x2b05..=0x2b55 | 0x3030 | 0x303d | 0x3297 | 0x3299
        | 0x1f000..=0x1faff // pictographs, regional indicators, skin tones
        | 0xe0020..=0xe007f) // tags of subdivision flags
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes the pieces as tokens 0, 1, ...; returns the texts of the deltas and the stop string.
    fn stream(stop: &[&str], pieces: &[&[u8]]) -> (Vec<String>, Vec<Token>, Option<String>) {
        let stop: Vec<String> = stop.iter().map(|s| s.to_string()).collect();
        let mut stream = TextStream::new(&stop);
        let (mut texts, mut tokens) = (Vec::new(), Vec::new());
        for (i, bytes) in pieces.iter().enumerate() {
            let (piece, found) = stream.push(i as Token, bytes, None);
            texts.push(piece.text);
            tokens.extend(piece.tokens);
            if found.is_some() {
                return (texts, tokens, found);
            }
        }
        let piece = stream.finish();
        texts.push(piece.text);
        tokens.extend(piece.tokens);
        (texts, tokens, None)
    }

    /// Every way to divide `text` into pieces of one to three bytes gives the same text, stop and no broken cluster.
    fn check(text: &str, stop: &[&str], expected: &str, expected_stop: Option<&str>) {
        let bytes = text.as_bytes();
        for pattern in 0..27usize {
            let sizes = [pattern % 3 + 1, pattern / 3 % 3 + 1, pattern / 9 + 1];
            let (mut pieces, mut at) = (Vec::new(), 0);
            while at < bytes.len() {
                let end = (at + sizes[pieces.len() % 3]).min(bytes.len());
                pieces.push(&bytes[at..end]);
                at = end;
            }
            let (texts, _, found) = stream(stop, &pieces);
            assert_eq!(texts.concat(), expected, "sizes {sizes:?}");
            assert_eq!(found.as_deref(), expected_stop, "sizes {sizes:?}");
            let mut boundaries = vec![0];
            boundaries.extend(expected.grapheme_indices(true).map(|(i, g)| i + g.len()));
            let mut length = 0;
            for piece in &texts {
                length += piece.len();
                let whole = boundaries.contains(&length);
                assert!(whole, "a cluster of {expected:?} is split at {length}, sizes {sizes:?}");
            }
        }
    }

    #[test]
    fn characters_and_emoji_sequences_are_never_split() {
        check("grüße, 世界!", &[], "grüße, 世界!", None);
        check("a👩‍👩‍👧‍👦b", &[], "a👩‍👩‍👧‍👦b", None);
        check("👍🏽👍🏿", &[], "👍🏽👍🏿", None);
        check("🇩🇪🇫🇷🇯🇵", &[], "🇩🇪🇫🇷🇯🇵", None);
        check("❤️‍🔥 x ☺️", &[], "❤️‍🔥 x ☺️", None);
        check("🏴󠁧󠁢󠁥󠁮󠁧󠁿.", &[], "🏴󠁧󠁢󠁥󠁮󠁧󠁿.", None);
    }

    #[test]
    fn a_stop_string_never_leaks_however_it_is_divided() {
        check("one STOP two", &["STOP"], "one ", Some("STOP"));
        check("one STO two", &["STOP"], "one STO two", None);
        check("ababac.", &["abac"], "ab", Some("abac"));
        check("x\n\nUser: y", &["\nUser:", "###"], "x\n", Some("\nUser:"));
        check("größe", &["ß"], "grö", Some("ß"));
        check("a👍🏽b", &["b"], "a👍🏽", Some("b"));
    }

    #[test]
    fn of_two_stop_strings_the_one_complete_first_wins_whatever_the_tokens_are() {
        check("abcd", &["bcd", "c"], "ab", Some("c"));
        check("abcd", &["abc", "bc"], "", Some("abc"));
        check("abcd", &["", "cd"], "ab", Some("cd"));
    }

    #[test]
    fn text_that_cannot_be_a_stop_string_is_not_held_back() {
        let (texts, ..) = stream(&["END"], &[b"hello ", b"E", b"x"]);
        assert_eq!(texts, ["hello ", "", "Ex", ""]);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters_once_that_is_certain() {
        let (texts, ..) = stream(&[], &[b"a\xff", b"b", b"\xe4\xb8", b"c", b"\xf0\x9f"]);
        assert_eq!(texts, ["a\u{fffd}", "b", "", "\u{fffd}c", "", "\u{fffd}"]);
    }

    #[test]
    fn tokens_come_with_the_piece_that_completes_their_text() {
        let (texts, tokens, _) = stream(&[], &["世".as_bytes(), b"\xe7", b"\x95\x8c"]);
        assert_eq!((texts.concat().as_str(), tokens), ("世界", vec![0, 1, 2]));
        let mut held = TextStream::new(&["STOP".into()]);
        assert_eq!(held.push(7, b"x S", None).0, Piece { text: "x ".into(), ..Piece::default() });
        assert_eq!(held.push(8, b"ee", None).0.tokens, [7, 8]);
        // A token whose text begins before the stop string counts, those inside it do not.
        let mut stopped = TextStream::new(&["STOP".into()]);
        stopped.push(1, b"a S", None);
        stopped.push(2, b"TO", None);
        let (piece, stop) = stopped.push(3, b"P tail", None);
        assert_eq!((piece.tokens, stop.as_deref()), (vec![1], Some("STOP")));
    }

    #[test]
    fn a_hidden_token_is_reported_without_text() {
        let mut stream = TextStream::new(&[]);
        assert_eq!(stream.push(5, b"", None).0, Piece { tokens: vec![5], ..Piece::default() });
    }
}
