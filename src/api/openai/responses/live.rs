//! Responses that are kept and are being written, or were lately: their events, for whoever follows from wherever.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tern_chat::TurnEvent;
use tern_store::TokenCounts;
use tokio::sync::watch;

use super::{
    object::Response,
    writer::{Ending, Writer},
};
use crate::{error::ApiError, http::sse};

/// How long the events of an ended response are kept.
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);
/// Bytes that those of ended responses may take together.
const KEPT_BYTES: usize = 16 << 20;

/// A response that is being written.
pub(crate) struct Live {
    written: Mutex<Written>,
    /// How many events there are; readers wait for it to change.
    count: watch::Sender<usize>,
}

struct Written {
    writer: Writer,
    /// Each event as it goes out; its place is its number.
    frames: Vec<Bytes>,
    /// How many messages were left out of its dialogue, once that is known.
    dropped: Option<u32>,
    /// What its turn failed with.
    error: Option<ApiError>,
    ended: Option<Instant>,
}

impl Live {
    fn new(writer: Writer) -> Arc<Self> {
        let written = Written { writer, frames: Vec::new(), dropped: None, error: None, ended: None };
        let live = Arc::new(Self { written: Mutex::new(written), count: watch::Sender::new(0) });
        live.change(|_| {});
        live
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Written)) {
        let mut written = self.written();
        change(&mut written);
        let events = written.writer.take();
        written.frames.extend(events.iter().map(frame));
        let count = written.frames.len();
        drop(written);
        self.count.send_replace(count);
    }

    /// Hears an event of the turn.
    pub fn hear(&self, event: &TurnEvent) {
        self.change(|written| written.writer.hear(event));
    }

    /// Remembers how many messages were left out, if that is known.
    pub fn leave_out(&self, dropped: Option<u32>) {
        if dropped.is_some() {
            self.written().dropped = dropped;
        }
    }

    /// How many messages were left out, if that is known.
    pub fn dropped(&self) -> Option<u32> {
        self.written().dropped
    }

    /// Remembers what the turn failed with, for the end.
    pub fn fail(&self, error: ApiError) {
        self.written().error = Some(error);
    }

    /// What the turn failed with.
    pub fn error(&self) -> Option<ApiError> {
        self.written().error.clone()
    }

    /// Ends the response.
    pub fn end(&self, ending: &Ending, usage: Option<TokenCounts>) {
        self.change(|written| {
            written.writer.end(ending, usage);
            written.ended = Some(Instant::now());
        });
    }

    /// The response as it is now.
    pub fn response(&self) -> Response {
        self.written().writer.response().clone()
    }

    /// Follows it from event `from` on.
    pub fn follow(self: &Arc<Self>, from: usize) -> Follower {
        let written = self.written();
        // The last event has everything, and is always sent.
        let next = if written.ended.is_some() { from.min(written.frames.len().saturating_sub(1)) } else { from };
        drop(written);
        Follower { live: self.clone(), next, count: self.count.subscribe() }
    }
}

/// An event as it goes out.
pub(crate) fn frame(event: &super::events::ResponseEvent) -> Bytes {
    sse::named(&event.kind, event)
}

/// Follows a response. Dropping it stops nothing but the following.
pub(crate) struct Follower {
    live: Arc<Live>,
    next: usize,
    count: watch::Receiver<usize>,
}

impl Follower {
    /// The next event; `None` behind the last. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.count.borrow_and_update();
            {
                let written = self.live.written();
                if let Some(frame) = written.frames.get(self.next) {
                    self.next += 1;
                    return Some(frame.clone());
                }
                if written.ended.is_some() {
                    return None;
                }
            }
            self.count.changed().await.ok()?;
        }
    }
}

/// The table of them, by the ids of their messages.
#[derive(Default)]
pub(crate) struct Lives(Mutex<HashMap<String, Arc<Live>>>);

impl Lives {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prune(&mut table);
        table
    }

    /// Begins a response.
    pub fn begin(&self, message: &str, writer: Writer) -> Arc<Live> {
        let live = Live::new(writer);
        self.table().insert(message.to_owned(), live.clone());
        live
    }

    /// One that is being written, or was lately.
    pub fn get(&self, message: &str) -> Option<Arc<Live>> {
        self.table().get(message).cloned()
    }

    /// Forgets one: it did not come about, or is gone.
    pub fn forget(&self, message: &str) {
        self.table().remove(message);
    }
}

/// Lets go of those that ended a while ago, and of the oldest ones that would take too much memory.
fn prune(table: &mut HashMap<String, Arc<Live>>) {
    let mut ended = Vec::new();
    table.retain(|id, live| {
        let written = live.written();
        let Some(at) = written.ended else { return true };
        ended.push((at, written.frames.iter().map(Bytes::len).sum::<usize>(), id.clone()));
        at.elapsed() < KEPT_FOR
    });
    ended.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let mut bytes = 0;
    for (_, size, id) in ended {
        bytes += size;
        if bytes > KEPT_BYTES {
            table.remove(&id);
        }
    }
}
