//! Tokens that are found in a text as they are spelled, before anything else is split.

use aho_corasick::AhoCorasick;
use tern_engine::Token;

use crate::{TokenizerError, metadata::TOKENS, pieces::Kind};

/// A stretch of text, or a token that was spelled in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Token(Token),
}

/// The tokens to find. Longer ones are found before shorter ones, wherever they stand, as llama.cpp does it.
#[derive(Debug)]
pub(crate) struct Spelled {
    // Longest first.
    tokens: Vec<Entry>,
    automaton: Option<AhoCorasick>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) token: Token,
    pub(crate) spelling: Box<str>,
    pub(crate) kind: Kind,
    /// Spaces after it belong to it.
    pub(crate) takes_spaces: bool,
}

impl Spelled {
    pub(crate) fn new(mut tokens: Vec<Entry>) -> Result<Self, TokenizerError> {
        tokens.retain(|entry| !entry.spelling.is_empty());
        tokens.sort_by_key(|entry| std::cmp::Reverse(entry.spelling.len()));
        let build = || AhoCorasick::new(tokens.iter().map(|entry| entry.spelling.as_bytes()));
        let automaton = if tokens.is_empty() { None } else { Some(build()) };
        let automaton = automaton.transpose().map_err(|error| {
            TokenizerError::key(TOKENS, format!("{} special tokens: {error}", tokens.len()), "fewer or shorter ones")
        })?;
        Ok(Self { tokens, automaton })
    }

    /// Divides a text. Control tokens are found only when `control`; user-defined ones always.
    pub(crate) fn divide<'a>(&self, text: &'a str, control: bool) -> Vec<Part<'a>> {
        let mut parts = vec![Part::Text(text)];
        // One pass says which tokens occur at all: usually none, of thousands.
        let Some(automaton) = &self.automaton else { return parts };
        let mut present = vec![false; self.tokens.len()];
        automaton.find_overlapping_iter(text).for_each(|found| present[found.pattern().as_usize()] = true);
        for (entry, _) in self.tokens.iter().zip(present).filter(|(_, present)| *present) {
            if control || !entry.kind.hidden() {
                parts = parts.into_iter().flat_map(|part| entry.divide(part)).collect();
            }
        }
        parts
    }
}

impl Entry {
    fn divide<'a>(&self, part: Part<'a>) -> Vec<Part<'a>> {
        let Part::Text(mut rest) = part else { return vec![part] };
        let mut parts = Vec::new();
        while let Some(at) = rest.find(&*self.spelling) {
            if at > 0 {
                parts.push(Part::Text(&rest[..at]));
            }
            parts.push(Part::Token(self.token));
            rest = &rest[at + self.spelling.len()..];
            if self.takes_spaces {
                rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
            }
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(tokens: &[(&str, Kind, bool)]) -> Spelled {
        let entry = |(token, &(spelling, kind, takes_spaces)): (usize, &(&str, Kind, bool))| Entry {
            token: token as Token,
            spelling: spelling.into(),
            kind,
            takes_spaces,
        };
        Spelled::new(tokens.iter().enumerate().map(entry).collect()).unwrap()
    }

    #[test]
    fn longer_tokens_are_found_first_wherever_they_stand() {
        let tokens = spelled(&[("ab", Kind::UserDefined, false), ("bcd", Kind::UserDefined, false)]);
        assert_eq!(tokens.divide("abcd ab", false), [Part::Text("a"), Part::Token(1), Part::Text(" "), Part::Token(0)]);
    }

    #[test]
    fn control_tokens_are_found_only_when_asked_for() {
        let tokens = spelled(&[("<s>", Kind::Control, false), ("\n\n", Kind::UserDefined, false)]);
        assert_eq!(tokens.divide("<s>\n\n", false), [Part::Text("<s>"), Part::Token(1)]);
        assert_eq!(tokens.divide("<s>\n\n", true), [Part::Token(0), Part::Token(1)]);
        assert_eq!(tokens.divide("", true), [Part::Text("")]);
    }

    #[test]
    fn a_token_may_take_the_spaces_after_it() {
        let tokens = spelled(&[("<|end|>", Kind::Control, true)]);
        assert_eq!(
            tokens.divide("a<|end|> \nb<|end|> ", true),
            [Part::Text("a"), Part::Token(0), Part::Text("b"), Part::Token(0)]
        );
    }
}
