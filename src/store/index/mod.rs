//! The index of words: a cache beside the database, which can be lost at any time.
//!
//! - `words`: what is a word, and when two are the same
//! - `files`: opening, checking and making anew
//! - `keeper`: the thread that follows the database
//! - `query`: finding; `snippet`: showing where

mod files;
mod keeper;
mod query;
mod snippet;
pub(crate) mod words;

pub(crate) use files::{Mark, Place};
pub(crate) use keeper::{Change, Index};

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{Hit, StoreError, disk::said, embedded::Records};

/// Conversations that have all words of `text`, best first.
pub(crate) fn search(index: &Index, records: &Records, text: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let sought = words::Sought::parse(text);
    let mut hits = Vec::new();
    if sought.is_empty() || limit == 0 {
        return Ok(hits);
    }
    let (searcher, fields) = index.searcher()?;
    let mut failed = None;
    let find = || {
        query::find(&searcher, fields, &sought, |found| {
            // One that has been deleted since is not missed.
            let Some(conversation) =
                records.list().by_number(found.number).map(|entry| entry.record.conversation.clone())
            else {
                return ControlFlow::Continue(());
            };
            let message = found.message.map(|id| records.message(&conversation.id, &id)).transpose();
            let message = message.unwrap_or_else(|error| {
                failed = Some(error);
                None
            });
            let message = message.flatten();
            let text = message.as_ref().map_or(&conversation.title, |message| &message.content);
            let (snippet, highlights) = snippet::snippet(text, &sought);
            hits.push(Hit { message: message.map(|message| message.id), snippet, highlights, conversation });
            if hits.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    };
    let found = catch_unwind(AssertUnwindSafe(find)).map_err(|panic| StoreError::Index(said(&*panic)))?;
    found.map_err(|error| StoreError::Index(error.to_string()))?;
    failed.map_or(Ok(hits), Err)
}
