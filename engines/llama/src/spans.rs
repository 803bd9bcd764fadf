//! Places in a sequence to the model's positions.
//!
//! The contract counts KV cells. Models with positions of several dimensions (M-RoPE) give an image of, say, 10 by 6 cells the
//! positions of its longer side, 10, and what follows goes on from there.

use tern_engine::Pos;

/// An image in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// Its first place.
    at: Pos,
    cells: Pos,
    /// Its first position, and how many it takes.
    position: Pos,
    positions: Pos,
}

/// The images of a sequence, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spans(Vec<Span>);

impl Spans {
    /// The position of place `at`; `None` inside an image, where only its first place has one.
    pub(crate) fn position(&self, at: Pos) -> Option<Pos> {
        match self.0.iter().rev().find(|span| span.at < at) {
            None => Some(at),
            Some(span) if at < span.at + span.cells => None,
            Some(span) => Some(span.position + span.positions + (at - span.at - span.cells)),
        }
    }

    /// The position of place `at`, which is at or behind the end of every image.
    pub(crate) fn end_position(&self, at: Pos) -> Pos {
        self.0.last().map_or(at, |span| span.position + span.positions + at.saturating_sub(span.at + span.cells))
    }

    /// An image was appended.
    pub(crate) fn push(&mut self, at: Pos, cells: Pos, positions: Pos) {
        let position = self.end_position(at);
        self.0.push(Span { at, cells, position, positions });
    }

    /// The sequence was cut at place `len`, which is inside no image.
    pub(crate) fn truncate(&mut self, len: Pos) {
        self.0.retain(|span| span.at < len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_image_stands_behind_its_positions_not_its_cells() {
        let mut spans = Spans::default();
        assert_eq!((spans.position(7), spans.end_position(7)), (Some(7), 7));
        spans.push(5, 60, 10);
        spans.push(70, 4, 2);
        // 5 tokens, an image (5..15), 5 tokens (15..20), an image (20..22), tokens.
        assert_eq!([0, 5, 65, 69, 70, 74, 80].map(|at| spans.position(at)), [0, 5, 15, 19, 20, 22, 28].map(Some));
        assert_eq!([6, 64, 71, 73].map(|at| spans.position(at)), [None; 4]);
        assert_eq!(spans.end_position(80), 28);
        spans.truncate(70);
        assert_eq!((spans.position(75), spans.end_position(75)), (Some(25), 25));
        spans.truncate(5);
        assert_eq!(spans, Spans::default());
    }
}
