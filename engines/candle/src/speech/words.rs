//! Tokens into words, and times of words into those of segments: as the reference's `timing.py`.

use tern_engine::{Segment, SpokenWord, Token, Tokenizer};

use super::timing::Timed;

/// Languages that put no spaces between words.
const WITHOUT_SPACES: [&str; 6] = ["zh", "ja", "th", "lo", "my", "yue"];
/// Put to the word behind them.
const PREPENDED: &str = "\"'“¿([{-";
/// Put to the word before them.
const APPENDED: &str = "\"'.。,，!！?？:：”)]}、";
const SENTENCE_ENDS: [&str; 6] = [".", "。", "!", "！", "?", "？"];

/// A word and its tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub text: String,
    pub tokens: Vec<Token>,
}

/// Splits text tokens into words.
pub(super) fn split(tokens: &[Token], language: &str, tokenizer: &dyn Tokenizer) -> Vec<Word> {
    let parts = characters(tokens, tokenizer);
    if WITHOUT_SPACES.contains(&language) {
        return parts;
    }
    let mut words: Vec<Word> = Vec::new();
    for part in parts {
        let bare = part.text.trim();
        let punctuation = bare.len() == 1 && bare.chars().all(|c| c.is_ascii_punctuation());
        match words.last_mut() {
            Some(word) if !part.text.starts_with(' ') && !punctuation => {
                word.text += &part.text;
                word.tokens.extend(part.tokens);
            }
            _ => words.push(part),
        }
    }
    words
}

/// The fewest tokens at a time that are whole characters.
fn characters(tokens: &[Token], tokenizer: &dyn Tokenizer) -> Vec<Word> {
    let mut parts = Vec::new();
    let (mut bytes, mut some) = (Vec::new(), Vec::new());
    for &token in tokens {
        tokenizer.decode(token, true, &mut bytes);
        some.push(token);
        // Not merely unfinished: no continuation can mend it.
        let settled = std::str::from_utf8(&bytes).map_or_else(|error| error.error_len().is_some(), |_| true);
        if settled {
            let text = String::from_utf8_lossy(&std::mem::take(&mut bytes)).into_owned();
            parts.push(Word { text, tokens: std::mem::take(&mut some) });
        }
    }
    if !some.is_empty() {
        parts.push(Word { text: String::from_utf8_lossy(&bytes).into_owned(), tokens: some });
    }
    parts
}

/// Gives punctuation to the word it belongs to; what was given away is left empty.
fn merge_punctuation(words: &mut [Timed]) {
    if words.len() < 2 {
        return;
    }
    let mut following = words.len() - 1;
    for previous in (0..words.len() - 1).rev() {
        let text = &words[previous].word.text;
        if text.starts_with(' ') && !text.trim().is_empty() && PREPENDED.contains(text.trim()) {
            let given = take(&mut words[previous]);
            let word = &mut words[following].word;
            word.text.insert_str(0, &given.text);
            word.tokens.splice(0..0, given.tokens);
        } else {
            following = previous;
        }
    }
    let mut previous = 0;
    for following in 1..words.len() {
        let text = &words[following].word.text;
        if !words[previous].word.text.ends_with(' ') && !text.is_empty() && APPENDED.contains(text.as_str()) {
            let given = take(&mut words[following]);
            words[previous].word.text += &given.text;
            words[previous].word.tokens.extend(given.tokens);
        } else {
            previous = following;
        }
    }
}

fn take(timed: &mut Timed) -> Word {
    Word { text: std::mem::take(&mut timed.word.text), tokens: std::mem::take(&mut timed.word.tokens) }
}

/// Gives the segments of one window their words, and moves their ends to those of the words where these are credible.
/// `offset` is the window's beginning in seconds. Returns when speech ended last.
///
/// The reference counts tokens to find the words of a segment, which goes wrong behind a word that reaches into the next.
pub(super) fn assign(segments: &mut [Segment], mut words: Vec<Vec<Timed>>, offset: f32, mut last_speech: f32) -> f32 {
    let mut all: Vec<&mut Timed> = words.iter_mut().flatten().collect();
    let mut lengths: Vec<f32> = all.iter().map(|word| word.end - word.start).filter(|&length| length != 0.0).collect();
    lengths.sort_unstable_by(f32::total_cmp);
    let middle = match (lengths.len(), lengths.len() / 2) {
        (0, _) => 0.0,
        (count, half) if count % 2 == 1 => lengths[half],
        (_, half) => (lengths[half - 1] + lengths[half]) / 2.0,
    };
    let median = f32::min(0.7, middle);
    let longest = median * 2.0;
    for at in 1..all.len() {
        if all[at].end - all[at].start <= longest {
            continue;
        }
        if SENTENCE_ENDS.contains(&all[at].word.text.as_str()) {
            all[at].end = all[at].start + longest;
        } else if SENTENCE_ENDS.contains(&all[at - 1].word.text.as_str()) {
            all[at].start = all[at].end - longest;
        }
    }
    for (segment, mut words) in segments.iter_mut().zip(words) {
        merge_punctuation(&mut words);
        let said = words.into_iter().filter(|timed| !timed.word.text.is_empty());
        let mut own: Vec<SpokenWord> = said
            .map(|timed| SpokenWord {
                text: timed.word.text,
                start: hundredths(offset + timed.start),
                end: hundredths(offset + timed.end),
                probability: timed.probability,
            })
            .collect();
        if !own.is_empty() {
            credible(segment, &mut own, median, last_speech);
            last_speech = segment.end;
        }
        segment.words = own;
    }
    last_speech
}

/// After a pause the first words are often begun too early, and the last ended too late.
fn credible(segment: &mut Segment, words: &mut [SpokenWord], median: f32, last_speech: f32) {
    let longest = median * 2.0;
    let long = |word: &SpokenWord| word.end - word.start > longest;
    let late = words[0].end - last_speech > median * 4.0;
    if late && (long(&words[0]) || (words.len() > 1 && words[1].end - words[0].start > longest * 2.0)) {
        if words.len() > 1 && long(&words[1]) {
            let border = f32::max(words[1].end / 2.0, words[1].end - longest);
            words[0].end = border;
            words[1].start = border;
        }
        words[0].start = f32::max(0.0, words[0].end - longest);
    }
    if segment.start < words[0].end && segment.start - 0.5 > words[0].start {
        words[0].start = f32::max(0.0, f32::min(words[0].end - median, segment.start));
    } else {
        segment.start = words[0].start;
    }
    let last = words.len() - 1;
    if segment.end > words[last].start && segment.end + 0.5 < words[last].end {
        words[last].end = f32::max(words[last].start + median, segment.end);
    } else {
        segment.end = words[last].end;
    }
}

fn hundredths(seconds: f32) -> f32 {
    (seconds * 100.0).round() / 100.0
}
