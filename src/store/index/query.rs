//! Finding conversations.
//!
//! All words must be in a conversation, in its title or any of its messages; so every word is looked up by itself and
//! what counts is in how many of them a conversation turned up. A conversation is as good as its title or best message.

use std::cmp::{Ordering, Reverse};

use tantivy::{
    DocId, DocSet, Searcher, SegmentReader, TERMINATED, TantivyDocument, TantivyError,
    postings::Postings,
    schema::{IndexRecordOption, Value},
};

use super::{files::Fields, words::Sought};

/// A conversation that has all the words.
pub(crate) struct Found {
    pub number: u64,
    /// The message that is closest to what was asked; `None` for the title.
    pub message: Option<String>,
}

/// A document that has some of the words.
#[derive(Debug, Clone, Copy, Default)]
struct Document {
    /// One bit a word.
    words: u32,
    score: f32,
}

/// A conversation that has some of the words.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    /// So many of the words, from the first on.
    words: usize,
    title: Document,
    message: Document,
    /// Segment and document of the best message.
    at: (usize, DocId),
}

impl Candidate {
    fn rank(&self, words: u32) -> (bool, u32, u32, f32) {
        let in_title = self.title.words.count_ones();
        let best = in_title.max(self.message.words.count_ones());
        (in_title == words, best, in_title, self.title.score + self.message.score)
    }
}

/// The best conversations first. `take` says whether a conversation is wanted, until it says to stop.
pub(crate) fn find(
    searcher: &Searcher,
    fields: Fields,
    sought: &[Sought],
    mut take: impl FnMut(Found) -> std::ops::ControlFlow<()>,
) -> Result<(), TantivyError> {
    if sought.is_empty() {
        return Ok(());
    }
    let segments: Vec<_> = searcher.segment_readers().iter().map(Segment::open).collect::<Result<_, _>>()?;
    let numbers = segments.iter().map(|segment| segment.numbers.max_value() + 1).max().unwrap_or(0);
    let mut candidates = vec![Candidate::default(); usize::try_from(numbers).unwrap_or(0)];
    let mut documents: Vec<_> =
        segments.iter().map(|segment| vec![Document::default(); segment.reader.max_doc() as usize]).collect();

    for (index, word) in sought.iter().enumerate() {
        for (segment, documents) in segments.iter().zip(&mut documents) {
            segment.look_up(fields, word, |document, score| {
                let candidate = &mut candidates[segment.number(document)];
                if candidate.words >= index {
                    candidate.words = index + 1;
                    let document = &mut documents[document as usize];
                    document.words |= 1 << index;
                    document.score += score;
                }
            })?;
        }
    }

    for (at, (segment, documents)) in segments.iter().zip(&documents).enumerate() {
        for (id, document) in (0..).zip(documents).filter(|(_, document)| document.words != 0) {
            let candidate = &mut candidates[segment.number(id)];
            if segment.titles.get_val(id) == 1 {
                candidate.title = *document;
            } else if better(document, &candidate.message) {
                (candidate.message, candidate.at) = (*document, (at, id));
            }
        }
    }
    let words = u32::try_from(sought.len()).unwrap_or(u32::MAX);
    let mut found: Vec<_> = (0..)
        .zip(&candidates)
        .filter(|(_, candidate)| candidate.words == sought.len())
        .map(|(number, candidate)| (candidate.rank(words), number, candidate))
        .collect();
    // Of equals the one that began last.
    found.sort_unstable_by(|a, b| {
        b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(Reverse(a.1).cmp(&Reverse(b.1)))
    });
    for ((in_title, ..), number, candidate) in found {
        let message = if in_title || candidate.message.words == 0 {
            None
        } else {
            let (segment, id) = candidate.at;
            let document: TantivyDocument =
                searcher.doc(tantivy::DocAddress::new(u32::try_from(segment).unwrap_or(0), id))?;
            document.get_first(fields.message).and_then(|value| value.as_str().map(ToOwned::to_owned))
        };
        if take(Found { number, message }).is_break() {
            break;
        }
    }
    Ok(())
}

/// More of the words, or the same more often. Of equals the later one.
fn better(document: &Document, than: &Document) -> bool {
    (document.words.count_ones(), document.score) >= (than.words.count_ones(), than.score)
}

type Numbers = std::sync::Arc<dyn tantivy::columnar::ColumnValues<u64>>;

struct Segment<'a> {
    reader: &'a SegmentReader,
    numbers: Numbers,
    titles: Numbers,
}

impl<'a> Segment<'a> {
    fn open(reader: &'a SegmentReader) -> Result<Self, TantivyError> {
        let column = |name| Ok::<_, TantivyError>(reader.fast_fields().u64(name)?.first_or_default_col(0));
        Ok(Self { reader, numbers: column("number")?, titles: column("title")? })
    }

    fn number(&self, document: DocId) -> usize {
        usize::try_from(self.numbers.get_val(document)).unwrap_or(0)
    }

    /// Calls `visit` with each document that has the word, and how much it means: rare words and frequent ones in the
    /// document mean more, and the whole word more than the beginning of another.
    fn look_up(&self, fields: Fields, word: &Sought, mut visit: impl FnMut(DocId, f32)) -> Result<(), TantivyError> {
        let index = self.reader.inverted_index(fields.text)?;
        let all = self.reader.max_doc() as f32;
        let mut postings_of = |info: &tantivy::postings::TermInfo, weight: f32| -> Result<(), TantivyError> {
            let mut postings = index.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
            let rarity = (1.0 + all / info.doc_freq as f32).ln() * weight;
            let alive = self.reader.alive_bitset();
            let mut document = postings.doc();
            while document != TERMINATED {
                if alive.is_none_or(|alive| alive.is_alive(document)) {
                    let often = postings.term_freq() as f32;
                    visit(document, rarity * often / (often + 1.0));
                }
                document = postings.advance();
            }
            Ok(())
        };
        if !word.prefix {
            if let Some(info) = index.terms().get(&word.text)? {
                postings_of(&info, 1.0)?;
            }
            return Ok(());
        }
        let mut terms = index.terms().range().ge(&word.text).into_stream()?;
        while let Some((term, info)) = terms.next() {
            if !term.starts_with(word.text.as_bytes()) {
                break;
            }
            postings_of(info, if term.len() == word.text.len() { 1.0 } else { 0.5 })?;
        }
        Ok(())
    }
}
