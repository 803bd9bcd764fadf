//! Text around the words that were found.

use std::{collections::HashSet, ops::Range};

use super::words::{Sought, words};

/// About so many bytes are shown.
const LENGTH: usize = 180;
/// Of these before the first word.
const BEFORE: usize = 50;
/// So many places are compared for the best one.
const PLACES: usize = 300;

/// The part of `text` with the most of the words, in one line, and where the words are in it.
pub(crate) fn snippet(text: &str, sought: &[Sought]) -> (String, Vec<Range<usize>>) {
    let places: Vec<(usize, Range<usize>)> = words(text)
        .filter_map(|word| Some((sought.iter().position(|sought| sought.is(&word.text))?, word.range)))
        .take(PLACES)
        .collect();
    let different = |start: usize| {
        let near = places.iter().filter(|(_, range)| range.start >= start && range.end <= start + LENGTH - BEFORE);
        near.map(|(word, _)| word).collect::<HashSet<_>>().len()
    };
    // The first of equals, which `max_by_key` would not give.
    let mut best = (0, 0);
    for (_, range) in &places {
        let count = different(range.start);
        if count > best.0 {
            best = (count, range.start);
        }
    }
    let (start, end) = window(text, best.1);
    let mut shown = Line::new(start > 0);
    let mut highlights: Vec<Range<usize>> = Vec::new();
    let mut at = start;
    for (_, range) in places.iter().filter(|(_, range)| range.start >= start && range.end <= end) {
        // Letters and pairs lie over each other.
        let range = range.start.max(at)..range.end.max(at);
        shown.push(&text[at..range.start]);
        let from = shown.text.len();
        shown.push(&text[range.clone()]);
        at = range.end;
        match highlights.last_mut() {
            Some(last) if last.end == from => last.end = shown.text.len(),
            _ if from < shown.text.len() => highlights.push(from..shown.text.len()),
            _ => {}
        }
    }
    shown.push(&text[at..end]);
    let mut shown = shown.text.trim_end().to_owned();
    if end < text.len() {
        shown.push('…');
    }
    (shown, highlights)
}

/// From a little before `first` on, cut between words where one is near.
fn window(text: &str, first: usize) -> (usize, usize) {
    let mut start = text.floor_char_boundary(first.saturating_sub(BEFORE));
    if start > 0
        && let Some(space) = text[start..first].find(char::is_whitespace)
    {
        start += space;
    }
    let mut end = text.floor_char_boundary((start + LENGTH).min(text.len()));
    if end < text.len()
        && let Some(space) = text[first..end].rfind(char::is_whitespace)
        && first + space > start + LENGTH / 2
    {
        end = first + space;
    }
    (start, end)
}

/// Text with every white space as one blank.
struct Line {
    text: String,
}

impl Line {
    fn new(cut: bool) -> Self {
        Self { text: if cut { "…".to_owned() } else { String::new() } }
    }

    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() {
                self.text.push(c);
            } else if !self.text.is_empty() && !self.text.ends_with([' ', '…']) {
                self.text.push(' ');
            }
        }
    }
}
