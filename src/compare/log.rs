//! A log of events that any number of readers follow, each from where it likes.
//!
//! Readers pull: each has a place of its own and takes what has come since; pieces of a text that follow each other
//! come as one to a reader that was slow. So nothing piles up for a slow reader, joining late is the same as having been
//! slow, and a writer never waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What can be logged.
pub trait Logged: Clone {
    /// Appends `next` if both are pieces of one text; gives whether it did.
    fn join(&mut self, next: &Self) -> bool;
}

/// The log. Entries are numbered upwards, each behind the last.
pub struct EventLog<T> {
    written: Mutex<Written<T>>,
    /// Number of the last entry; readers wait for it to change.
    last: watch::Sender<u64>,
}

struct Written<T> {
    entries: Vec<(u64, T)>,
    last: u64,
    ended: bool,
}

impl<T: Logged> EventLog<T> {
    /// An empty log whose entries are numbered from `start + 1`.
    pub fn new(start: u64) -> Arc<Self> {
        let written = Written { entries: Vec::new(), last: start, ended: false };
        Arc::new(Self { written: Mutex::new(written), last: watch::Sender::new(start) })
    }

    fn written(&self) -> MutexGuard<'_, Written<T>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub fn push(&self, event: T) {
        self.replace(event, |_| false);
    }

    /// Adds an event that makes older ones needless: those for which `superseded` holds are forgotten. Who has not read
    /// them yet gets the new one only.
    pub fn replace(&self, event: T, superseded: impl Fn(&T) -> bool) {
        let mut written = self.written();
        if written.ended {
            return;
        }
        written.entries.retain(|(_, event)| !superseded(event));
        written.last += 1;
        let last = written.last;
        written.entries.push((last, event));
        drop(written);
        self.last.send_replace(last);
    }

    /// Ends the log: readers get what they have not read, and then the end.
    pub fn close(&self) {
        let mut written = self.written();
        written.ended = true;
        let last = written.last;
        drop(written);
        self.last.send_replace(last);
    }

    /// Number of the last entry.
    pub fn last(&self) -> u64 {
        self.written().last
    }

    /// Reads what comes behind entry `after`. A number this log has not reached (of one before a restart) is taken as the
    /// beginning.
    pub fn read(self: &Arc<Self>, after: u64) -> Reader<T> {
        let after = if after > self.last() { 0 } else { after };
        Reader { last: self.last.subscribe(), log: self.clone(), after }
    }
}

impl<T: Logged> Written<T> {
    /// The next event behind `after`, with the number of the last entry in it.
    fn behind(&self, after: u64) -> Option<(u64, T)> {
        let at = self.entries.partition_point(|(number, _)| *number <= after);
        let mut entries = self.entries[at..].iter();
        let (mut number, mut event) = entries.next().cloned()?;
        for (next, piece) in entries {
            if !event.join(piece) {
                break;
            }
            number = *next;
        }
        Some((number, event))
    }
}

/// Follows a log. Dropping it stops nothing but the following.
pub struct Reader<T> {
    log: Arc<EventLog<T>>,
    after: u64,
    last: watch::Receiver<u64>,
}

impl<T: Logged> Reader<T> {
    /// The next event with its number; `None` behind the end. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<(u64, T)> {
        loop {
            self.last.borrow_and_update();
            {
                let written = self.log.written();
                if let Some((number, event)) = written.behind(self.after) {
                    self.after = number;
                    return Some((number, event));
                }
                if written.ended {
                    return None;
                }
            }
            // The sender lives in the log, which this reader holds.
            self.last.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words join, numbers do not.
    impl Logged for String {
        fn join(&mut self, next: &Self) -> bool {
            let words = |text: &str| text.chars().all(char::is_alphabetic);
            let joins = words(self) && words(next);
            if joins {
                self.push_str(next);
            }
            joins
        }
    }

    fn log(events: &[&str]) -> Arc<EventLog<String>> {
        let log = EventLog::new(0);
        events.iter().for_each(|event| log.push((*event).to_owned()));
        log
    }

    async fn all(mut reader: Reader<String>) -> Vec<(u64, String)> {
        let mut events = Vec::new();
        while let Some(event) = reader.next().await {
            events.push(event);
        }
        events
    }

    fn numbered(events: &[(u64, &str)]) -> Vec<(u64, String)> {
        events.iter().map(|(number, event)| (*number, (*event).to_owned())).collect()
    }

    #[tokio::test]
    async fn from_any_place_nothing_is_lost_and_nothing_comes_twice() {
        let log = log(&["1", "a", "b", "c", "2", "d"]);
        log.close();
        let whole = numbered(&[(1, "1"), (4, "abc"), (5, "2"), (6, "d")]);
        assert_eq!(all(log.read(0)).await, whole);
        assert_eq!(all(log.read(2)).await, numbered(&[(4, "bc"), (5, "2"), (6, "d")]));
        assert_eq!(all(log.read(4)).await, whole[2..]);
        assert_eq!(all(log.read(6)).await, []);
        assert_eq!(all(log.read(99)).await, whole, "a number of an older log");
    }

    #[tokio::test]
    async fn what_is_superseded_is_forgotten_and_numbers_go_on() {
        let log = log(&["1", "a", "b"]);
        log.replace("2".into(), |event| event == "a" || event == "b");
        log.close();
        log.push("late".into());
        assert_eq!(all(log.read(0)).await, numbered(&[(1, "1"), (4, "2")]));
        assert_eq!(all(log.read(2)).await, numbered(&[(4, "2")]));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_an_event_and_by_the_end() {
        let log = EventLog::<String>::new(7);
        let mut reader = log.read(0);
        let waiting = tokio::spawn(async move { (reader.next().await, reader.next().await) });
        tokio::task::yield_now().await;
        log.push("x".into());
        tokio::task::yield_now().await;
        log.close();
        assert_eq!(waiting.await.unwrap(), (Some((8, "x".to_owned())), None));
    }
}
