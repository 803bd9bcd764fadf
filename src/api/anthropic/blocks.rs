//! The events of a turn as content blocks: whole, and as the events of a stream.

use std::collections::VecDeque;

use serde_json::json;
use tern_chat::{Answered, TurnEvent};
use tern_scheduler::{FinishReason, PrefillProgress, Summary};

use super::answer_types::*;
use crate::{http::union::Nullable, ids};

/// What is said of every answer to a request.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub id: String,
    pub model: String,
    /// Most tokens that the request allows.
    pub max_tokens: u32,
    /// Texts of the request that end an answer: a template may have others, which clients know nothing of.
    pub stop_sequences: Vec<String>,
}

impl Frame {
    pub fn new(model: String, max_tokens: u32, stop_sequences: Vec<String>) -> Self {
        Self { id: ids::new("msg_"), model, max_tokens, stop_sequences }
    }

    /// An answer in one piece.
    pub fn answer(&self, answered: Answered) -> MessagesAnswer {
        let Answered { mut answers, summary, reasoning_tokens } = answered;
        let answer = answers.pop().unwrap_or_default();
        let calls = answer.tool_calls.len() as u32;
        let (stop_reason, stop_sequence) = self.end(answer.finish.as_ref(), calls, &summary);
        let thinking = answer.reasoning.filter(|text| !text.is_empty()).map(MessagesAnswerBlock::thinking);
        let text = (!answer.text.is_empty()).then(|| MessagesAnswerBlock::text(answer.text));
        let tools = answer.tool_calls.into_iter().map(|call| {
            let input = call.object();
            MessagesAnswerBlock::tool_use(call.id, call.name, input)
        });
        MessagesAnswer {
            content: thinking.into_iter().chain(text).chain(tools).collect(),
            stop_reason: Some(stop_reason),
            stop_sequence,
            ..self.empty(MessagesUsage::new(&summary, reasoning_tokens))
        }
    }

    fn empty(&self, usage: MessagesUsage) -> MessagesAnswer {
        MessagesAnswer {
            id: self.id.clone(),
            kind: "message".into(),
            role: "assistant".into(),
            model: self.model.clone(),
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage,
        }
    }

    fn end(&self, reason: Option<&FinishReason>, calls: u32, summary: &Summary) -> (String, Option<String>) {
        let (reason, text) = match reason {
            Some(FinishReason::Length) if summary.completion_tokens < self.max_tokens => {
                ("model_context_window_exceeded", None)
            }
            Some(FinishReason::Length) => ("max_tokens", None),
            _ if calls > 0 => ("tool_use", None),
            Some(FinishReason::Stop(Some(text))) if self.stop_sequences.contains(text) => {
                ("stop_sequence", Some(text.clone()))
            }
            Some(FinishReason::Stop(_)) | None => ("end_turn", None),
        };
        (reason.into(), text)
    }
}

/// Which block is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Thinking,
    Text,
    Tool,
}

/// Translates the events of a turn with one answer into those of a stream.
pub(crate) struct Blocks {
    frame: Frame,
    begun: bool,
    open: Option<Open>,
    /// Index of the block that is open, or of the next one.
    index: u32,
    /// Why the answer ended, and how many tools it called.
    end: (Option<FinishReason>, u32),
    ready: VecDeque<MessagesEvent>,
}

impl Blocks {
    pub fn new(frame: Frame) -> Self {
        Self { frame, begun: false, open: None, index: 0, end: (None, 0), ready: VecDeque::new() }
    }

    /// The next event that is ready.
    pub fn pop(&mut self) -> Option<MessagesEvent> {
        self.ready.pop_front()
    }

    /// Takes an event of the turn.
    pub fn push(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Prefill(_) if self.begun => self.ready.push_back(MessagesEvent::new("ping")),
            TurnEvent::Prefill(progress) => self.begin(Some(progress)),
            TurnEvent::Reasoning(delta) => {
                self.enter(Open::Thinking, || MessagesAnswerBlock::thinking(""));
                self.more(MessagesDelta { thinking: Some(delta.text), ..of_kind("thinking_delta") });
            }
            TurnEvent::Text(delta) => {
                self.enter(Open::Text, || MessagesAnswerBlock::text(""));
                self.more(MessagesDelta { text: Some(delta.text), ..of_kind("text_delta") });
            }
            TurnEvent::ToolCall { id, name, .. } => {
                self.close();
                self.enter(Open::Tool, || MessagesAnswerBlock::tool_use(id, name, json!({})));
            }
            TurnEvent::Arguments { delta, .. } => {
                self.more(MessagesDelta { partial_json: Some(delta.text), ..of_kind("input_json_delta") });
            }
            TurnEvent::Finish { reason, tool_calls, .. } => {
                self.close();
                self.end = (Some(reason), tool_calls);
            }
            TurnEvent::End { summary, reasoning_tokens } => self.finish(&summary, reasoning_tokens),
            // The stream has it as its error.
            TurnEvent::Failed(_) => {}
        }
    }

    /// The first event, once the size of the prompt is known.
    fn begin(&mut self, progress: Option<PrefillProgress>) {
        if self.begun {
            return;
        }
        self.begun = true;
        let usage = progress.map(|p| MessagesUsage::of_prompt(p.total, p.cached)).unwrap_or_default();
        let message = Some(self.frame.empty(usage));
        self.ready.push_back(MessagesEvent { message, ..MessagesEvent::new("message_start") });
    }

    fn enter(&mut self, block: Open, empty: impl FnOnce() -> MessagesAnswerBlock) {
        self.begin(None);
        if self.open == Some(block) {
            return;
        }
        self.close();
        self.open = Some(block);
        self.ready.push_back(MessagesEvent {
            index: Some(self.index),
            content_block: Some(empty()),
            ..MessagesEvent::new("content_block_start")
        });
    }

    fn more(&mut self, delta: MessagesDelta) {
        let event =
            MessagesEvent { index: Some(self.index), delta: Some(delta), ..MessagesEvent::new("content_block_delta") };
        self.ready.push_back(event);
    }

    fn close(&mut self) {
        let Some(block) = self.open.take() else { return };
        if block == Open::Thinking {
            self.more(MessagesDelta { signature: Some(String::new()), ..of_kind("signature_delta") });
        }
        self.ready.push_back(MessagesEvent { index: Some(self.index), ..MessagesEvent::new("content_block_stop") });
        self.index += 1;
    }

    fn finish(&mut self, summary: &Summary, reasoning_tokens: u32) {
        self.begin(None);
        self.close();
        let (reason, calls) = &self.end;
        let (stop_reason, stop_sequence) = self.frame.end(reason.as_ref(), *calls, summary);
        let delta = MessagesDelta {
            stop_reason: Some(stop_reason),
            stop_sequence: Some(Nullable(stop_sequence)),
            ..MessagesDelta::default()
        };
        self.ready.push_back(MessagesEvent {
            delta: Some(delta),
            usage: Some(MessagesUsage::new(summary, reasoning_tokens)),
            ..MessagesEvent::new("message_delta")
        });
        self.ready.push_back(MessagesEvent::new("message_stop"));
    }
}

fn of_kind(kind: &str) -> MessagesDelta {
    MessagesDelta { kind: Some(kind.into()), ..MessagesDelta::default() }
}

#[cfg(test)]
mod tests;
