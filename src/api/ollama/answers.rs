//! The events of a turn as lines of a stream, and gathered in one piece.

use std::{
    collections::VecDeque,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tern_chat::{Answer, ToolCall, TurnEvent};
use tern_registry::{LoadState, ModelStatus};
use tern_scheduler::{FinishReason, Summary};

use super::{
    answer_types::*,
    errors::OllamaError,
    types::{OllamaFunction, OllamaToolCall},
};
use crate::{http::ndjson, ids, state::State, translated::TurnEvents};

/// What is said of every line of an answer.
#[derive(Clone)]
pub(crate) struct Frame {
    state: State,
    /// As the request calls it.
    model: String,
    id: String,
    was_loaded: bool,
    /// Whether the model goes out of memory behind the answer.
    pub unload: bool,
    started: Instant,
}

/// What a line says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub text: String,
    pub thinking: Option<String>,
    pub calls: Vec<OllamaToolCall>,
    /// At the end: why, counts and times.
    pub end: Option<OllamaEnd>,
}

/// A line of one of the two operations.
pub(crate) trait Line: Serialize + Send + 'static {
    /// The line that says this.
    fn of(model: String, created_at: String, said: Said) -> Self;
}

impl Line for OllamaChat {
    fn of(model: String, created_at: String, said: Said) -> Self {
        let Said { text, thinking, calls, end } = said;
        let tool_calls = (!calls.is_empty()).then_some(calls);
        let message = OllamaAnswer { role: "assistant".into(), content: text, thinking, tool_calls };
        Self { model, created_at, message, done: end.is_some(), end: end.unwrap_or_default() }
    }
}

impl Line for OllamaText {
    fn of(model: String, created_at: String, said: Said) -> Self {
        let Said { text, thinking, end, .. } = said;
        Self { model, created_at, response: text, thinking, done: end.is_some(), end: end.unwrap_or_default() }
    }
}

impl Frame {
    pub fn new(state: &State, name: Option<&str>, model: &ModelStatus, unload: bool) -> Self {
        Self {
            state: state.clone(),
            model: name.unwrap_or(&model.entry.id).to_owned(),
            id: model.entry.id.clone(),
            was_loaded: model.state == LoadState::Loaded,
            unload,
            started: Instant::now(),
        }
    }

    pub fn line<L: Line>(&self, said: Said) -> L {
        L::of(self.model.clone(), ids::timestamp(SystemTime::now()), said)
    }

    /// The end of a request that asks nothing.
    pub fn nothing<L: Line>(&self, reason: &str) -> L {
        let end = OllamaEnd {
            done_reason: Some(reason.into()),
            total_duration: Some(nanoseconds(self.started)),
            load_duration: Some(self.load_duration()),
            ..OllamaEnd::default()
        };
        self.line(Said { end: Some(end), ..Said::default() })
    }

    /// The whole answer.
    pub fn answer<L: Line>(&self, answer: Answer, summary: &Summary) -> L {
        let end = self.end(answer.finish.as_ref(), summary);
        let calls = answer.tool_calls.into_iter().map(called).collect();
        let thinking = answer.reasoning.filter(|text| !text.is_empty());
        self.line(Said { text: answer.text, thinking, calls, end: Some(end) })
    }

    fn end(&self, reason: Option<&FinishReason>, summary: &Summary) -> OllamaEnd {
        let of_ms = |ms: f64| (ms * 1e6) as u64;
        OllamaEnd {
            done_reason: Some(reason.map_or("stop", FinishReason::word).into()),
            total_duration: Some(nanoseconds(self.started)),
            load_duration: Some(self.load_duration()),
            prompt_eval_count: Some(summary.prompt_tokens),
            prompt_eval_duration: Some(of_ms(summary.prefill_ms)),
            eval_count: Some(summary.completion_tokens),
            eval_duration: Some(of_ms(summary.decode_ms)),
        }
    }

    fn load_duration(&self) -> u64 {
        if self.was_loaded {
            return 0;
        }
        let loaded = self.state.registry.loaded().into_iter().find(|loaded| loaded.entry.id == self.id);
        loaded.map_or(0, |loaded| (loaded.load_seconds * 1e9) as u64)
    }

    /// Takes the model out of memory, if that was asked for. Where others still use it, it stays.
    pub fn over(&self) {
        if self.unload {
            let (registry, id) = (self.state.registry.clone(), self.id.clone());
            tokio::task::spawn_blocking(move || registry.unload(&id, false));
        }
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn called(call: ToolCall) -> OllamaToolCall {
    let arguments = call.object();
    OllamaToolCall { id: Some(call.id), function: OllamaFunction { name: call.name, arguments } }
}

/// Translates the events of a turn with one answer into what lines say.
#[derive(Default)]
pub(crate) struct Lines {
    /// The call whose arguments are still coming.
    open: Option<ToolCall>,
    reason: Option<FinishReason>,
    ready: VecDeque<Said>,
}

impl Lines {
    /// What the next line says.
    pub fn pop(&mut self) -> Option<Said> {
        self.ready.pop_front()
    }

    /// Takes an event of the turn. The last one gives its summary back.
    pub fn push(&mut self, event: TurnEvent) -> Option<Summary> {
        match event {
            TurnEvent::Text(delta) => self.ready.push_back(Said { text: delta.text, ..Said::default() }),
            TurnEvent::Reasoning(delta) => {
                self.ready.push_back(Said { thinking: Some(delta.text), ..Said::default() });
            }
            TurnEvent::ToolCall { id, name, .. } => {
                self.close();
                self.open = Some(ToolCall { id, name, arguments: String::new() });
            }
            TurnEvent::Arguments { delta, .. } => {
                if let Some(call) = &mut self.open {
                    call.arguments.push_str(&delta.text);
                }
            }
            TurnEvent::Finish { reason, .. } => {
                self.close();
                self.reason = Some(reason);
            }
            TurnEvent::End { summary, .. } => return Some(summary),
            // The stream has a failure as its error.
            TurnEvent::Prefill(_) | TurnEvent::Failed(_) => {}
        }
        None
    }

    /// Calls are sent whole: their arguments are an object here.
    fn close(&mut self) {
        if let Some(call) = self.open.take() {
            self.ready.push_back(Said { calls: vec![called(call)], ..Said::default() });
        }
    }
}

/// The lines of an answer. Dropping the stream cancels the turn.
pub(crate) fn lines<L: Line>(events: TurnEvents, frame: Frame) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((Some(events), Lines::default(), frame), |(mut events, mut lines, frame)| async move {
        loop {
            if let Some(said) = lines.pop() {
                let line = ndjson::line(&frame.line::<L>(said));
                return Some((line, (events, lines, frame)));
            }
            match events.as_mut()?.next().await? {
                Ok(event) => {
                    if let Some(summary) = lines.push(event) {
                        let end = Some(frame.end(lines.reason.as_ref(), &summary));
                        frame.over();
                        let line = ndjson::line(&frame.line::<L>(Said { end, ..Said::default() }));
                        return Some((line, (None, lines, frame)));
                    }
                }
                Err(error) => {
                    let line = ndjson::line(&OllamaError { error: super::translate::restore(error).message });
                    return Some((line, (None, lines, frame)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
