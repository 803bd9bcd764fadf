//! The answers that are being written, and those that ended lately: for whoever joins.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::log::{Log, Reader};

/// How long the log of an ended answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);
/// Bytes that logs of ended answers may take together.
const KEPT_BYTES: usize = 16 << 20;

/// How an answer is ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A person stopped it: the text is kept.
    Stopped,
    /// The server ends: the text is kept.
    Interrupted,
    /// Its conversation or message is being removed: nothing is written any more.
    Discarded,
}

/// An answer that is being written, or was.
pub(crate) struct Answering {
    pub conversation: String,
    pub message: String,
    pub log: Arc<Log>,
    ending: watch::Sender<Option<Ending>>,
    done: watch::Sender<bool>,
}

impl Answering {
    fn new(conversation: &str, message: &str, start: u64) -> Arc<Self> {
        Arc::new(Self {
            conversation: conversation.to_owned(),
            message: message.to_owned(),
            log: Log::new(start),
            ending: watch::Sender::new(None),
            done: watch::Sender::new(false),
        })
    }

    /// Asks for an end. The first reason counts, but a removal overrules.
    pub fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|asked| {
            let changes = asked.is_none() || ending == Ending::Discarded;
            if changes {
                *asked = Some(ending);
            }
            changes
        });
    }

    /// Whether an end was asked for, and which.
    pub fn ending(&self) -> Option<Ending> {
        *self.ending.borrow()
    }

    /// Waits until an end is asked for.
    pub async fn asked_to_end(&self) -> Ending {
        let mut ending = self.ending.subscribe();
        // The sender is in `self`: it cannot be gone.
        ending.wait_for(Option::is_some).await.ok().and_then(|ending| *ending).unwrap_or(Ending::Stopped)
    }

    /// Says that nothing follows any more.
    pub fn finish(&self) {
        self.log.close();
        self.done.send_replace(true);
    }

    /// Whether it is over.
    pub fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until it is over and what was to be written is written.
    pub async fn wait(&self) {
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }
}

type Key = (String, String);

/// The table of them.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<Key, Arc<Answering>>>);

impl Running {
    fn table(&self) -> MutexGuard<'_, HashMap<Key, Arc<Answering>>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        prune(&mut table);
        table
    }

    /// Begins an answer; `None` if it is being written already.
    pub fn begin(&self, conversation: &str, message: &str) -> Option<Arc<Answering>> {
        let mut table = self.table();
        let key = (conversation.to_owned(), message.to_owned());
        let before = table.get(&key);
        if before.is_some_and(|before| !before.is_done()) {
            return None;
        }
        // Numbers go on, so that a client that still has one of the log before cannot miss anything.
        let start = before.map_or(0, |before| before.log.last());
        let answering = Answering::new(conversation, message, start);
        table.insert(key, answering.clone());
        Some(answering)
    }

    /// Forgets an answer that did not come about.
    pub fn forget(&self, answering: &Answering) {
        answering.finish();
        self.table().remove(&(answering.conversation.clone(), answering.message.clone()));
    }

    /// An answer that is being written.
    pub fn running(&self, conversation: &str, message: &str) -> Option<Arc<Answering>> {
        let table = self.table();
        table.get(&(conversation.to_owned(), message.to_owned())).filter(|found| !found.is_done()).cloned()
    }

    /// Reads an answer from behind entry `after`, if its log is still here.
    pub fn read(&self, conversation: &str, message: &str, after: u64) -> Option<Reader> {
        let table = self.table();
        Some(table.get(&(conversation.to_owned(), message.to_owned()))?.log.read(after))
    }

    /// Those being written that `wanted` picks.
    pub fn all(&self, wanted: impl Fn(&Answering) -> bool) -> Vec<Arc<Answering>> {
        self.table().values().filter(|found| !found.is_done() && wanted(found)).cloned().collect()
    }
}

/// Lets go of old logs, and of the oldest ones that would take too much memory.
fn prune(table: &mut HashMap<Key, Arc<Answering>>) {
    table.retain(|_, found| found.log.ended().is_none_or(|ended| !found.is_done() || ended.elapsed() < KEPT_FOR));
    let mut ended: Vec<_> = table
        .iter()
        .filter(|(_, found)| found.is_done())
        .filter_map(|(key, found)| Some((found.log.ended()?, found.log.bytes(), key.clone())))
        .collect();
    ended.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let mut bytes = 0;
    for (_, size, key) in ended {
        bytes += size;
        if bytes > KEPT_BYTES {
            table.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnswerEvent;

    #[test]
    fn an_answer_is_written_once_at_a_time_and_numbers_go_on() {
        let running = Running::default();
        let first = running.begin("c", "m").unwrap();
        assert!(running.begin("c", "m").is_none() && running.begin("d", "m").is_some());
        first.log.push(AnswerEvent::Text { text: "x".into() });
        first.finish();
        assert!(running.running("c", "m").is_none() && running.read("c", "m", 0).is_some());
        assert_eq!(running.begin("c", "m").unwrap().log.last(), 1);
    }

    #[test]
    fn logs_of_ended_answers_are_bounded() {
        let running = Running::default();
        for index in 0..40 {
            let answering = running.begin("c", &index.to_string()).unwrap();
            answering.log.push(AnswerEvent::Text { text: "x".repeat(1 << 20) });
            answering.finish();
        }
        let kept: usize = (0..40).filter(|index| running.read("c", &index.to_string(), 0).is_some()).count();
        assert!((10..=16).contains(&kept), "{kept}");
        assert!(running.read("c", "39", 0).is_some(), "the newest is kept");
    }

    #[test]
    fn a_removal_overrules_a_stop() {
        let answering = Answering::new("c", "m", 0);
        answering.end(Ending::Stopped);
        answering.end(Ending::Interrupted);
        assert_eq!(answering.ending(), Some(Ending::Stopped));
        answering.end(Ending::Discarded);
        assert_eq!(answering.ending(), Some(Ending::Discarded));
    }
}
