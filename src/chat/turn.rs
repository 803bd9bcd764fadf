//! The events of the scheduler become events of a turn.

use std::{collections::VecDeque, sync::Arc};

use tern_engine::{Token, Tokenizer};
use tern_scheduler::{Delta, Event, Events, FinishReason, GenerateError};

use crate::{
    TurnDelta, TurnEvent, new_id,
    reasoning::{Opening, Reasoning},
    splitter::{Incoming, Part, Piece, Splitter},
    tools::{CallParser, Offer, Said},
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

    /// How many messages were left out because the dialogue did not fit
    /// ([`TurnRequest::truncate`](crate::TurnRequest)).
    pub fn dropped_messages(&self) -> u32 {
        self.dropped
    }

    /// The tokens of answer `choice` so far, reasoning and marks included: those that events up to the last one told
    /// of.
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

/// One answer on its way.
struct Parts {
    splitter: Splitter,
    /// Looks for calls in its text, where tools may be called.
    calls: Option<CallParser>,
}

/// Translates events. Each answer has its own [`Splitter`] and [`CallParser`].
pub struct TurnEvents {
    reasoning: Reasoning,
    opening: Opening,
    offer: Option<Arc<Offer>>,
    tokenizer: Arc<dyn Tokenizer>,
    answers: Vec<Parts>,
    tokens: Vec<Vec<TimedToken>>,
    ready: VecDeque<TurnEvent>,
    over: bool,
}

impl TurnEvents {
    /// For a turn whose answers start at `opening`, and may call what `offer` has.
    pub fn new(
        reasoning: Reasoning,
        opening: Opening,
        offer: Option<Arc<Offer>>,
        tokenizer: Arc<dyn Tokenizer>,
    ) -> Self {
        Self {
            reasoning,
            opening,
            offer,
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
            Some(Event::Finish { choice, reason }) => self.finish(choice, reason),
            Some(Event::End(summary)) => {
                let reasoning_tokens = self.answers.iter().map(|answer| answer.splitter.reasoning_tokens()).sum();
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
        let pieces = self.answer(delta.choice).splitter.push(&delta.text, tokens);
        self.emit(delta.choice, pieces);
    }

    /// An answer that ends in the middle of a call was cut off, whatever ended it.
    fn finish(&mut self, choice: u32, reason: FinishReason) {
        let pieces = self.answer(choice).splitter.finish();
        self.emit(choice, pieces);
        let Some(calls) = &mut self.answer(choice).calls else {
            return self.ready.push_back(TurnEvent::Finish { choice, reason, tool_calls: 0 });
        };
        let (said, open) = calls.finish(reason == FinishReason::Length);
        let tool_calls = calls.calls();
        self.ready.extend(said.into_iter().map(|said| event(choice, said)));
        let reason = if open { FinishReason::Length } else { reason };
        self.ready.push_back(TurnEvent::Finish { choice, reason, tool_calls });
    }

    fn answer(&mut self, choice: u32) -> &mut Parts {
        let index = choice as usize;
        while self.answers.len() <= index {
            self.answers.push(Parts {
                splitter: Splitter::new(self.reasoning.clone(), self.opening),
                calls: self.offer.clone().map(CallParser::new),
            });
        }
        &mut self.answers[index]
    }

    fn emit(&mut self, choice: u32, pieces: Vec<Piece>) {
        for Piece { part, text, logprobs, places } in pieces {
            match (part, &mut self.answer(choice).calls) {
                (Part::Reasoning, _) => {
                    self.ready.push_back(TurnEvent::Reasoning(TurnDelta { choice, text, logprobs }));
                }
                (Part::Text, None) => self.ready.push_back(TurnEvent::Text(TurnDelta { choice, text, logprobs })),
                (Part::Text, Some(calls)) => {
                    let said = calls.push(&text, places.into_iter().zip(logprobs));
                    self.ready.extend(said.into_iter().map(|said| event(choice, said)));
                }
            }
        }
    }
}

fn event(choice: u32, said: Said) -> TurnEvent {
    match said {
        Said::Text(text, logprobs) => TurnEvent::Text(TurnDelta { choice, text, logprobs }),
        Said::Call(index, name) => TurnEvent::ToolCall { choice, index, id: new_id("call_"), name },
        Said::Arguments(index, text, logprobs) => {
            TurnEvent::Arguments { index, delta: TurnDelta { choice, text, logprobs } }
        }
    }
}
