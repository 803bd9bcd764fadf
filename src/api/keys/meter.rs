//! Counts the tokens that are computed for a key, and passes events through.
//!
//! The prompt counts when it is handed to the model, the answer at its end; of one that was left early, what it had.

use std::ops::Deref;

use tern_chat::{Answered, Turn, TurnEvent};
use tern_scheduler::{Event, Events, GenerateError};

use super::Caller;

/// Counts for a key; for none where there is none. Whoever has it also has the request's place among those that the key
/// may have running: what is computed counts as running, whether or not its client is still there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Caller);

impl Meter {
    pub(super) fn new(caller: Caller) -> Self {
        Self(caller)
    }

    /// Whether there is a key to count for.
    pub fn counts(&self) -> bool {
        self.0.key.is_some()
    }

    /// Adds tokens of prompts and of answers.
    pub fn count(&self, prompt: u32, completion: u32) {
        if let Some(key) = &self.0.key {
            key.count(prompt, completion);
        }
    }
}

/// A turn whose tokens are counted. Used as [`Turn`] is.
pub(crate) struct MeteredTurn {
    turn: Turn,
    meter: Meter,
    answers: u32,
    /// Whether its answers were counted.
    counted: bool,
}

impl MeteredTurn {
    /// Counts the prompt of a turn that has begun, and from now on its answers.
    pub fn new(turn: Turn, meter: Meter) -> Self {
        meter.count(turn.prompt_tokens(), 0);
        Self { turn, meter, answers: 0, counted: false }
    }

    /// As [`Turn::next`].
    pub async fn next(&mut self) -> Option<TurnEvent> {
        let event = self.turn.next().await;
        match &event {
            Some(TurnEvent::End { summary, .. }) => {
                self.counted = true;
                self.meter.count(0, summary.completion_tokens);
            }
            Some(TurnEvent::Text(delta) | TurnEvent::Reasoning(delta)) => {
                self.answers = self.answers.max(delta.choice + 1);
            }
            Some(TurnEvent::ToolCall { choice, .. } | TurnEvent::Finish { choice, .. }) => {
                self.answers = self.answers.max(*choice + 1);
            }
            _ => {}
        }
        event
    }

    /// Waits for the end. Dropping the future cancels the turn.
    ///
    /// # Errors
    /// What the turn failed with.
    pub async fn collect(mut self) -> Result<Answered, GenerateError> {
        let mut answers = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                TurnEvent::End { summary, reasoning_tokens } => {
                    return Ok(Answered { answers, summary, reasoning_tokens });
                }
                TurnEvent::Failed(error) => return Err(error),
                event => tern_chat::gather(&mut answers, event),
            }
        }
        Err(GenerateError::Engine("the answer ended without an end".to_owned()))
    }
}

impl Deref for MeteredTurn {
    type Target = Turn;

    fn deref(&self) -> &Turn {
        &self.turn
    }
}

impl Drop for MeteredTurn {
    fn drop(&mut self) {
        if !self.counted {
            let tokens = (0..self.answers).map(|choice| self.turn.tokens(choice).len() as u32).sum();
            self.meter.count(0, tokens);
        }
    }
}

/// Events of a completion whose tokens are counted. Used as [`Events`] are.
pub(crate) struct MeteredEvents {
    events: Events,
    meter: Meter,
    generated: u32,
}

impl MeteredEvents {
    /// Counts the prompt, which has so many tokens, and from now on the answers.
    pub fn new(events: Events, prompt: u32, meter: Meter) -> Self {
        meter.count(prompt, 0);
        Self { events, meter, generated: 0 }
    }

    /// As [`Events::next`].
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.events.next().await;
        match &event {
            Some(Event::Delta(delta)) => self.generated += delta.tokens.len() as u32,
            Some(Event::End(summary)) => self.generated = summary.completion_tokens,
            _ => {}
        }
        event
    }
}

impl Drop for MeteredEvents {
    fn drop(&mut self) {
        self.meter.count(0, self.generated);
    }
}
