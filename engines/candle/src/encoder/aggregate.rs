//! From labels of pieces to names, as transformers' `TokenClassificationPipeline` does it.

use tern_engine::tasks::{Aggregation, Entity};
use tern_tokenizer::Piece;

/// A piece or a word with its label.
struct Labelled {
    label: usize,
    score: f32,
    start: usize,
    end: usize,
}

/// Whether a label begins a name, and its group. One without `B-` and `I-` goes on.
pub(super) fn tag(label: &str) -> (bool, &str) {
    match (label.strip_prefix("B-"), label.strip_prefix("I-")) {
        (Some(group), _) => (true, group),
        (None, Some(group)) => (false, group),
        (None, None) => (false, label),
    }
}

/// The names in a text. `scores` are probabilities, `[pieces][labels]`.
pub(super) fn entities(pieces: &[Piece], scores: &[f32], labels: &[String], how: Aggregation) -> Vec<Entity> {
    let rows = scores.chunks_exact(labels.len().max(1));
    let labelled = match how {
        Aggregation::Simple => pieces
            .iter()
            .zip(rows)
            .map(|(piece, row)| {
                let (label, score) = best(row);
                Labelled { label, score, start: piece.start, end: piece.end }
            })
            .collect(),
        how => words(pieces, scores, labels.len().max(1), how),
    };
    group(&labelled, labels)
}

/// The first of the highest.
fn best(row: &[f32]) -> (usize, f32) {
    row.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best })
}

/// One label a word.
fn words(pieces: &[Piece], scores: &[f32], labels: usize, how: Aggregation) -> Vec<Labelled> {
    let mut words = Vec::new();
    let mut first = 0;
    while first < pieces.len() {
        let more = pieces[first + 1..].iter().take_while(|piece| piece.continues).count();
        let end = first + 1 + more;
        let rows = &scores[first * labels..end * labels];
        let (label, score) = match how {
            Aggregation::Simple | Aggregation::First => best(&rows[..labels]),
            Aggregation::Max => {
                let each = rows.chunks_exact(labels).map(best);
                each.fold((0, f32::NEG_INFINITY), |most, this| if this.1 > most.1 { this } else { most })
            }
            Aggregation::Average => {
                let mut mean = vec![0.0f32; labels];
                for row in rows.chunks_exact(labels) {
                    mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                mean.iter_mut().for_each(|x| *x /= (end - first) as f32);
                best(&mean)
            }
        };
        words.push(Labelled { label, score, start: pieces[first].start, end: pieces[end - 1].end });
        first = end;
    }
    words
}

/// Neighbours of one group, unless one begins anew.
fn group(labelled: &[Labelled], labels: &[String]) -> Vec<Entity> {
    let mut entities = Vec::new();
    let mut first = 0;
    while first < labelled.len() {
        let (_, name) = tag(&labels[labelled[first].label]);
        let goes_on = |next: &&Labelled| tag(&labels[next.label]) == (false, name);
        let end = first + 1 + labelled[first + 1..].iter().take_while(goes_on).count();
        let own = &labelled[first..end];
        if labels[own[0].label] != "O" {
            let score = own.iter().map(|piece| piece.score).sum::<f32>() / own.len() as f32;
            let (start, end) = (own[0].start, own[own.len() - 1].end);
            entities.push(Entity { group: name.to_owned(), score, start, end });
        }
        first = end;
    }
    entities
}
