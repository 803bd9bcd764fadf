//! The log of an answer: what was said, for whoever joins, whenever, from wherever.
//!
//! Readers pull: each has a place of its own in the log and takes what has come since, in one piece if it was slow. So
//! nothing piles up for a slow reader, and joining late is the same as having been slow.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tern_store::Message;
use tokio::sync::watch;

use crate::AnswerEvent;

/// The log.
pub(crate) struct Log {
    written: Mutex<Written>,
    /// Number of the last entry; readers wait for it to change.
    last: watch::Sender<u64>,
}

struct Written {
    /// Number before the first entry.
    start: u64,
    text: String,
    reasoning: String,
    entries: Vec<(u64, Entry)>,
    ended: Option<Instant>,
}

/// Texts lie in one string each, so that a run of pieces is one slice.
enum Entry {
    Text { from: usize, to: usize },
    Reasoning { from: usize, to: usize },
    Event(Box<AnswerEvent>),
}

impl Log {
    /// An empty log whose entries are numbered behind `start`.
    pub fn new(start: u64) -> Arc<Self> {
        let written =
            Written { start, text: String::new(), reasoning: String::new(), entries: Vec::new(), ended: None };
        Arc::new(Self { written: Mutex::new(written), last: watch::Sender::new(start) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event. `End` ends the log.
    pub fn push(&self, event: AnswerEvent) {
        let mut written = self.written();
        let seq = written.last() + 1;
        let entry = match event {
            AnswerEvent::Text { text } => {
                let from = written.text.len();
                written.text.push_str(&text);
                Entry::Text { from, to: written.text.len() }
            }
            AnswerEvent::Reasoning { text } => {
                let from = written.reasoning.len();
                written.reasoning.push_str(&text);
                Entry::Reasoning { from, to: written.reasoning.len() }
            }
            event => {
                // Of several states in a row only the last matters: loading a model may have thousands.
                if matches!(event, AnswerEvent::State { .. })
                    && matches!(written.entries.last(), Some((_, Entry::Event(last))) if matches!(**last, AnswerEvent::State { .. }))
                {
                    written.entries.pop();
                }
                if matches!(event, AnswerEvent::End { .. }) {
                    written.ended = Some(Instant::now());
                }
                Entry::Event(Box::new(event))
            }
        };
        written.entries.push((seq, entry));
        drop(written);
        self.last.send_replace(seq);
    }

    /// Ends the log without an end: readers are not left waiting for a task that died.
    pub fn close(&self) {
        let mut written = self.written();
        written.ended.get_or_insert_with(Instant::now);
        let last = written.last();
        drop(written);
        self.last.send_replace(last);
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Instant> {
        self.written().ended
    }

    /// The answer as it ended, if it has.
    pub fn end(&self) -> Option<Message> {
        match self.written().entries.last() {
            Some((_, Entry::Event(event))) => match &**event {
                AnswerEvent::End { message, .. } => Some((**message).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Number of the last entry.
    pub fn last(&self) -> u64 {
        self.written().last()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let written = self.written();
        let events = written.entries.iter().map(|(_, entry)| match entry {
            Entry::Event(event) => match &**event {
                AnswerEvent::Messages { messages, .. } => messages.iter().map(|m| m.content.len() + 500).sum(),
                AnswerEvent::End { message, .. } => message.content.len() + 500,
                _ => 100,
            },
            _ => 0,
        });
        let events: usize = events.sum();
        events + written.text.len() + written.reasoning.len() + written.entries.len() * size_of::<(u64, Entry)>()
    }

    /// Reads what comes behind entry `after`. A number that this log never had (of one before a restart) is taken as
    /// the beginning.
    pub fn read(self: &Arc<Self>, after: u64) -> Reader {
        let written = self.written();
        let after = if after > written.last() { written.start } else { after };
        drop(written);
        Reader { log: self.clone(), after, last: self.last.subscribe() }
    }
}

impl Written {
    fn last(&self) -> u64 {
        self.entries.last().map_or(self.start, |(seq, _)| *seq)
    }

    /// The next event behind `after`; a run of pieces as one.
    fn behind(&self, after: u64) -> Option<(u64, AnswerEvent)> {
        let at = self.entries.partition_point(|(seq, _)| *seq <= after);
        let (seq, first) = self.entries.get(at)?;
        let run = |is: fn(&Entry) -> Option<usize>| {
            let pieces = self.entries[at..].iter().map_while(|(seq, entry)| Some((*seq, is(entry)?)));
            pieces.last().unwrap_or((*seq, 0))
        };
        Some(match first {
            Entry::Text { from, .. } => {
                let (seq, to) = run(|entry| if let Entry::Text { to, .. } = entry { Some(*to) } else { None });
                (seq, AnswerEvent::Text { text: self.text[*from..to].to_owned() })
            }
            Entry::Reasoning { from, .. } => {
                let (seq, to) = run(|entry| if let Entry::Reasoning { to, .. } = entry { Some(*to) } else { None });
                (seq, AnswerEvent::Reasoning { text: self.reasoning[*from..to].to_owned() })
            }
            Entry::Event(event) => (*seq, (**event).clone()),
        })
    }
}

/// Follows an answer. Dropping it stops nothing but the following; a clone follows it from the same place.
#[derive(Clone)]
pub struct Reader {
    log: Arc<Log>,
    after: u64,
    last: watch::Receiver<u64>,
}

impl Reader {
    /// The next event with its number; `None` behind the end. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<(u64, AnswerEvent)> {
        loop {
            self.last.borrow_and_update();
            {
                let written = self.log.written();
                if let Some((seq, event)) = written.behind(self.after) {
                    self.after = seq;
                    return Some((seq, event));
                }
                if written.ended.is_some() {
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
    use tern_store::{Conversation, Message};

    use super::*;
    use crate::Stage;

    fn text(text: &str) -> AnswerEvent {
        AnswerEvent::Text { text: text.into() }
    }

    fn end() -> AnswerEvent {
        AnswerEvent::End { message: Box::new(Message::default()), conversation: Box::new(Conversation::default()) }
    }

    async fn all(mut reader: Reader) -> Vec<(u64, AnswerEvent)> {
        let mut events = Vec::new();
        while let Some(event) = reader.next().await {
            events.push(event);
        }
        events
    }

    #[tokio::test]
    async fn a_late_reader_gets_runs_as_one_and_loses_nothing_from_any_place() {
        let log = Log::new(0);
        let reasoning = |text: &str| AnswerEvent::Reasoning { text: text.into() };
        for event in [reasoning("a"), reasoning("b"), text("c"), text("d"), reasoning("e"), text("f"), end()] {
            log.push(event);
        }
        let whole = all(log.read(0)).await;
        let expected = [(2, reasoning("ab")), (4, text("cd")), (5, reasoning("e")), (6, text("f")), (7, end())];
        assert_eq!(whole, expected);
        assert_eq!(all(log.read(3)).await, [(4, text("d")), expected[2].clone(), expected[3].clone(), (7, end())]);
        assert_eq!(all(log.read(7)).await, []);
        // A number of an older log.
        assert_eq!(all(log.read(99)).await, whole);
    }

    #[tokio::test]
    async fn states_in_a_row_are_one_and_numbers_go_on_from_the_start_given() {
        let log = Log::new(40);
        for share in 0..1000 {
            log.push(AnswerEvent::State { state: Stage::Loading, share: Some(f64::from(share)) });
        }
        log.push(text("x"));
        log.close();
        let events = all(log.read(0)).await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0], (1040, AnswerEvent::State { state: Stage::Loading, share: Some(999.0) }));
        assert!(log.bytes() < 1000);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let log = Log::new(0);
        let mut reader = log.read(0);
        let waiting = tokio::spawn(async move { (reader.next().await, reader.next().await) });
        tokio::task::yield_now().await;
        log.push(text("x"));
        tokio::task::yield_now().await;
        log.close();
        assert_eq!(waiting.await.unwrap(), (Some((1, text("x"))), None));
    }
}
