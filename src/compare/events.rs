//! What those who follow a comparison hear.

use std::sync::Arc;

use serde::Serialize;
use tern_store::Comparison;

use crate::{Cell, CellResult, log::Logged};

/// An event of a comparison. `Comparison` comes first and `End` last.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CompareEvent {
    /// The comparison as it begins.
    Comparison {
        /// It.
        comparison: Arc<Comparison>,
    },
    /// What is being done in a cell.
    Cell {
        /// Which.
        #[serde(flatten)]
        cell: Cell,
        /// What.
        state: CellState,
        /// Of loading or computing the prompt: the share that is done, 0 to 1.
        share: Option<f64>,
        /// Of a waiting cell: how many come before it, itself counted.
        position: Option<u32>,
    },
    /// More of an answer's reasoning.
    Reasoning {
        /// Which.
        #[serde(flatten)]
        cell: Cell,
        /// The piece.
        text: String,
    },
    /// More of an answer's text.
    Text {
        /// Which.
        #[serde(flatten)]
        cell: Cell,
        /// The piece.
        text: String,
    },
    /// What came of a cell. Comes a second time when the cell has been scored.
    Result {
        /// Which.
        #[serde(flatten)]
        cell: Cell,
        /// It.
        result: Arc<CellResult>,
    },
    /// The comparison as it is kept.
    End {
        /// It.
        comparison: Arc<Comparison>,
    },
}

/// How far a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// It will run in this round.
    Waiting,
    /// Its model is being loaded.
    Loading,
    /// Its model says a few words, untimed; or the prompt is put into the cache.
    Warming,
    /// The prompt is being computed.
    Prefill,
    /// The model reasons.
    Thinking,
    /// The model writes.
    Writing,
    /// The answer is there and is being scored, or will be when all answers are there.
    Scoring,
    /// It has run.
    Done,
    /// It failed.
    Failed,
    /// A person stopped it.
    Stopped,
}

impl CompareEvent {
    /// The cell it is about.
    pub fn cell(&self) -> Option<Cell> {
        match self {
            Self::Comparison { .. } | Self::End { .. } => None,
            Self::Cell { cell, .. }
            | Self::Reasoning { cell, .. }
            | Self::Text { cell, .. }
            | Self::Result { cell, .. } => Some(*cell),
        }
    }
}

impl Logged for CompareEvent {
    fn join(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Text { cell, text }, Self::Text { cell: other, text: more })
            | (Self::Reasoning { cell, text }, Self::Reasoning { cell: other, text: more })
                if cell == other =>
            {
                text.push_str(more);
                true
            }
            _ => false,
        }
    }
}
