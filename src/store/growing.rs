//! Texts that grow are written together.
//!
//! A write waits for its turn, and whoever has it takes along all that wait. So many answers at once cost one transaction
//! and its syncs, and not each their own.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    mpsc::{Receiver, Sender, channel},
};

use crate::{Message, StoreError};

type Outcome = Result<(), StoreError>;

/// A message that waits, and who is told what came of it.
pub(crate) struct Entry {
    pub message: Message,
    told: Sender<Outcome>,
}

impl Entry {
    /// Says what came of it.
    pub fn tell(&self, outcome: Outcome) {
        // Who asked may have died.
        drop(self.told.send(outcome));
    }
}

/// The messages that wait to be written.
#[derive(Default)]
pub(crate) struct Growing(Mutex<Vec<Entry>>);

impl Growing {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one. Whoever adds must then take its turn: the one before may have left it.
    pub fn add(&self, message: &Message) -> Receiver<Outcome> {
        let (told, outcome) = channel();
        self.entries().push(Entry { message: message.clone(), told });
        outcome
    }

    /// Takes all.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries())
    }

    /// How many wait.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries().len()
    }
}
