//! The events of the scheduler become events of a turn.

use std::{collections::VecDeque, sync::Arc};

use tern_engine::{Token, Tokenizer};
use tern_scheduler::{Delta, Event, Events, GenerateError};

use crate::{
    TurnDelta, TurnEvent,
    reasoning::{Opening, Reasoning},
    splitter::{Incoming, Part, Piece, Splitter},
};

/// A running turn. Dropping it cancels the generation.
pub struct Turn {
    events: Events,
    translated: TurnEvents,
    prompt_tokens: u32,
    dropped: u32,
}

impl Turn {
    pub(crate) fn new(events: Events, translated: TurnEvents, prompt_tokens: u32, dropped: u32) -> Self {
        Self { events, translated, prompt_tokens, dropped }
    }

    /// Tokens of its prompt.
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// How many messages were left out because the dialogue did not fit ([`TurnRequest::truncate`](crate::TurnRequest)).
    pub fn dropped_messages(&self) -> u32 {
        self.dropped
    }

    /// The tokens of answer `choice` so far, reasoning and marks included: those that events up to the last one told of.
    pub fn tokens(&self, choice: u32) -> &[TimedToken] {
        self.translated.tokens.get(choice as usize).map_or(&[], Vec::as_slice)
    }

    /// The next event; `None` after the last one. Safe to drop while waiting: no event is lost.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            match self.translated.pop() {
                Popped::Event(event) => return Some(event),
                Popped::Over => return None,
                Popped::NeedsMore => {
                    let event = self.events.next().await;
                    self.translated.push(event);
                }
            }
        }
    }

    /// As [`Turn::next`], for a thread that may block.
    pub fn blocking_next(&mut self) -> Option<TurnEvent> {
        loop {
            match self.translated.pop() {
                Popped::Event(event) => return Some(event),
                Popped::Over => return None,
                Popped::NeedsMore => {
                    let event = self.events.blocking_next();
                    self.translated.push(event);
                }
            }
        }
    }
}

/// A token of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedToken {
    /// Token id.
    pub token: Token,
    /// When it was chosen, in milliseconds since the request was taken from the queue.
    pub at_ms: f64,
}

/// What [`TurnEvents::pop`] has.
#[derive(Debug, PartialEq)]
pub enum Popped {
    /// The next event.
    Event(TurnEvent),
    /// The scheduler's next event is needed first.
    NeedsMore,
    /// The last event has been given.
    Over,
}

/// Translates events. Each answer has its own [`Splitter`].
pub struct TurnEvents {
    reasoning: Reasoning,
    opening: Opening,
    tokenizer: Arc<dyn Tokenizer>,
    answers: Vec<Splitter>,
    tokens: Vec<Vec<TimedToken>>,
    ready: VecDeque<TurnEvent>,
    over: bool,
}

impl TurnEvents {
    /// For a turn whose answers start at `opening`.
    pub fn new(reasoning: Reasoning, opening: Opening, tokenizer: Arc<dyn Tokenizer>) -> Self {
        Self {
            reasoning,
            opening,
            tokenizer,
            answers: Vec::new(),
            tokens: Vec::new(),
            ready: VecDeque::new(),
            over: false,
        }
    }

    /// Takes an event of the scheduler; `None` when it has no more.
    pub fn push(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Prefill(progress)) => self.ready.push_back(TurnEvent::Prefill(progress)),
            // Logprobs of a prompt are not asked for in a dialogue.
            Some(Event::Prompt(_)) => {}
            Some(Event::Delta(delta)) => self.delta(delta),
            Some(Event::Finish { choice, reason }) => {
                let pieces = self.answer(choice).finish();
                self.emit(choice, pieces);
                self.ready.push_back(TurnEvent::Finish { choice, reason, tool_calls: 0 });
            }
            Some(Event::End(summary)) => {
                let reasoning_tokens = self.answers.iter().map(Splitter::reasoning_tokens).sum();
                self.last(TurnEvent::End { summary, reasoning_tokens });
            }
            Some(Event::Failed(error)) => self.last(TurnEvent::Failed(error)),
            None if self.over => {}
            None => {
                let message = "the model stopped in the middle of an answer".to_owned();
                self.last(TurnEvent::Failed(GenerateError::Engine(message)));
            }
        }
    }

    /// The next event that is ready.
    pub fn pop(&mut self) -> Popped {
        match self.ready.pop_front() {
            Some(event) => Popped::Event(event),
            None if self.over => Popped::Over,
            None => Popped::NeedsMore,
        }
    }

    fn last(&mut self, event: TurnEvent) {
        self.ready.push_back(event);
        self.over = true;
    }

    fn delta(&mut self, delta: Delta) {
        let spelled = self.reasoning.needs_control();
        let mut bytes = Vec::new();
        let choice = delta.choice as usize;
        self.tokens.resize_with(self.tokens.len().max(choice + 1), Vec::new);
        let timed = delta.tokens.iter().zip(&delta.times_ms);
        self.tokens[choice].extend(timed.map(|(&token, &at_ms)| TimedToken { token, at_ms }));
        let mut logprobs = delta.logprobs.into_iter();
        let tokens: Vec<Incoming> = delta
            .tokens
            .iter()
            .map(|token| {
                bytes.clear();
                self.tokenizer.decode(*token, spelled, &mut bytes);
                Incoming { bytes: bytes.len(), logprob: logprobs.next() }
            })
            .collect();
        let pieces = self.answer(delta.choice).push(&delta.text, tokens);
        self.emit(delta.choice, pieces);
    }

    fn answer(&mut self, choice: u32) -> &mut Splitter {
        let index = choice as usize;
        while self.answers.len() <= index {
            self.answers.push(Splitter::new(self.reasoning.clone(), self.opening));
        }
        &mut self.answers[index]
    }

    fn emit(&mut self, choice: u32, pieces: Vec<Piece>) {
        for Piece { part, text, logprobs } in pieces {
            let delta = TurnDelta { choice, text, logprobs };
            self.ready.push_back(match part {
                Part::Reasoning => TurnEvent::Reasoning(delta),
                Part::Text => TurnEvent::Text(delta),
            });
        }
    }
}
