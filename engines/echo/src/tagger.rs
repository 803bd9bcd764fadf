//! Names without a model: words with a capital letter that do not begin a sentence.

use std::{thread, time::Duration};

use tern_engine::{
    EngineError, EntityTagger,
    tasks::{Aggregation, Cancelled, Entity, Tagged},
};

use crate::scripts::Settings;

/// The script that finds names.
pub(crate) struct EchoTagger {
    step: Duration,
}

impl EchoTagger {
    pub fn new(settings: &Settings) -> Self {
        Self { step: settings.step }
    }
}

impl EntityTagger for EchoTagger {
    fn groups(&self) -> Vec<String> {
        ["PER", "LOC", "MISC"].map(str::to_owned).to_vec()
    }

    fn tag(&mut self, texts: &[String], _: Aggregation, cancelled: Cancelled<'_>) -> Result<Vec<Tagged>, EngineError> {
        let tag = |text: &String| {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            thread::sleep(self.step);
            Ok(names(text))
        };
        texts.iter().map(tag).collect()
    }
}

/// Words with their first byte.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = 0;
    for word in text.split(|c: char| !c.is_alphabetic()) {
        if !word.is_empty() {
            words.push((rest, word));
        }
        // What separates is one character, which may be several bytes.
        rest += word.len();
        rest += text[rest..].chars().next().map_or(0, char::len_utf8);
    }
    words
}

fn names(text: &str) -> Tagged {
    let words = words(text);
    let capital = |word: &str| word.starts_with(char::is_uppercase);
    let begins = |at: usize| at == 0 || text[..words[at].0].trim_end().ends_with(['.', '!', '?']);
    let mut entities = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let more = (at + 1..words.len())
            .take_while(|&next| {
                let before = words[next - 1];
                capital(words[next].1) && &text[before.0 + before.1.len()..words[next].0] == " "
            })
            .count();
        let (start, first) = words[at];
        if !capital(first) || (begins(at) && more == 0) {
            at += 1;
            continue;
        }
        let (last_start, last) = words[at + more];
        let group = match (more, at.checked_sub(1).map(|before| words[before].1)) {
            (1.., _) => "PER",
            (_, Some("in")) => "LOC",
            _ => "MISC",
        };
        entities.push(Entity { group: group.into(), score: 0.9, start, end: last_start + last.len() });
        at += more + 1;
    }
    Tagged { entities, tokens: words.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_capitals_within_sentences() {
        let text = "We saw Ada Lovelace in Zürich. She spoke German, sometimes.";
        let found: Vec<_> = names(text).entities.iter().map(|e| (e.group.clone(), &text[e.start..e.end])).collect();
        let expected = [("PER", "Ada Lovelace"), ("LOC", "Zürich"), ("MISC", "German")];
        assert_eq!(found, expected.map(|(group, name)| (group.to_owned(), name)));
    }
}
