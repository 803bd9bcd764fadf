//! The events of a turn become those of a response, and the response grows with them.

use tern_chat::{TurnDelta, TurnEvent};
use tern_scheduler::FinishReason;
use tern_store::TokenCounts;

use super::{
    events::{OutputPart, ResponseEvent},
    ids,
    items::{CallItem, MessageItem, OutputItem, ReasoningItem, TextPart, ThoughtPart},
    object::{IncompleteDetails, Response, ResponseError},
};
use crate::openai::logprobs::ChatTokenLogprob;

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The model came to its end.
    Completed,
    /// It was cut off at its limit.
    CutOff,
    /// Somebody stopped it.
    Cancelled,
    /// Its client left, or the server ended.
    Interrupted,
    /// It failed.
    Failed(ResponseError),
}

/// Writes a response.
pub(crate) struct Writer {
    response: Response,
    /// The message that it is.
    message: String,
    /// Thoughts are sent as a summary.
    summary: bool,
    sequence: u64,
    /// The last item goes on.
    is_open: bool,
    calls: usize,
    texts: usize,
    ready: Vec<ResponseEvent>,
}

impl Writer {
    /// Begins a response; the first two events are ready.
    pub fn new(response: Response, message: String) -> Self {
        let summary = response.reasoning.summary.is_some();
        let mut this =
            Self { response, message, summary, sequence: 0, is_open: false, calls: 0, texts: 0, ready: Vec::new() };
        this.whole("response.created");
        this.whole("response.in_progress");
        this
    }

    /// The response as it is now.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The events that have come since this was last asked.
    pub fn take(&mut self) -> Vec<ResponseEvent> {
        std::mem::take(&mut self.ready)
    }

    /// Hears an event of the turn. Its end is said by [`Writer::end`], when what is to be kept is kept.
    pub fn hear(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Reasoning(delta) => self.thought(delta),
            TurnEvent::Text(delta) => self.text(delta),
            TurnEvent::ToolCall { id, name, .. } => self.call(id, name),
            TurnEvent::Arguments { delta, .. } => self.arguments(delta),
            TurnEvent::Finish { reason: FinishReason::Length, .. } => self.close("incomplete"),
            TurnEvent::Finish { reason: FinishReason::Stop(_), .. } => {
                // Clients read the text of a message, and there must be one.
                if self.calls == 0 && self.texts == 0 {
                    self.open_text();
                }
                self.close("completed");
            }
            TurnEvent::End { summary, reasoning_tokens } => {
                let counts = TokenCounts {
                    prompt_tokens: summary.prompt_tokens,
                    cached_tokens: summary.cached_tokens,
                    completion_tokens: summary.completion_tokens,
                    reasoning_tokens: *reasoning_tokens,
                };
                self.response.usage = Some(counts.into());
            }
            TurnEvent::Prefill(_) | TurnEvent::Failed(_) => {}
        }
    }

    /// Ends the response; the last event is ready. `usage` as it is kept, where the turn did not say it.
    pub fn end(&mut self, ending: &Ending, usage: Option<TokenCounts>) {
        self.close(if *ending == Ending::Completed { "completed" } else { "incomplete" });
        self.response.usage = self.response.usage.or(usage.map(Into::into));
        let (status, event) = match ending {
            Ending::Completed => ("completed", "response.completed"),
            Ending::CutOff => {
                self.response.incomplete_details = Some(IncompleteDetails { reason: "max_output_tokens".into() });
                ("incomplete", "response.incomplete")
            }
            // There is no event for this: clients know the three ends and look at the status.
            Ending::Cancelled => ("cancelled", "response.incomplete"),
            Ending::Interrupted => ("incomplete", "response.incomplete"),
            Ending::Failed(error) => {
                self.response.error = Some(error.clone());
                ("failed", "response.failed")
            }
        };
        self.response.status = status.into();
        self.whole(event);
    }

    fn push(&mut self, kind: &str, event: ResponseEvent) {
        let sequence_number = self.sequence;
        self.sequence += 1;
        self.ready.push(ResponseEvent { kind: kind.into(), sequence_number, ..event });
    }

    fn whole(&mut self, kind: &str) {
        let response = Some(Box::new(self.response.clone()));
        self.push(kind, ResponseEvent { response, ..ResponseEvent::default() });
    }

    /// An event about the last item.
    fn about(&mut self, kind: &str, event: ResponseEvent) {
        let output_index = self.response.output.len().checked_sub(1).map(|index| index as u32);
        let item_id = self.response.output.last().map(|item| item.id().to_owned());
        self.push(kind, ResponseEvent { output_index, item_id, ..event });
    }

    /// The last item, whole.
    fn item(&mut self, kind: &str) {
        let output_index = self.response.output.len().checked_sub(1).map(|index| index as u32);
        let item = self.response.output.last().cloned();
        self.push(kind, ResponseEvent { output_index, item, ..ResponseEvent::default() });
    }

    fn open(&mut self, item: OutputItem) {
        self.close("completed");
        self.response.output.push(item);
        self.is_open = true;
        self.item("response.output_item.added");
    }

    fn thought(&mut self, delta: &TurnDelta) {
        if !(self.is_open && matches!(self.response.output.last(), Some(OutputItem::Reasoning(_)))) {
            let id = match self.response.output.len() {
                0 => ids::reasoning_of(&self.message),
                before => format!("{}_{before}", ids::reasoning_of(&self.message)),
            };
            let content = (!self.summary).then(Vec::new);
            let (kind, status) = ("reasoning".into(), "in_progress".into());
            self.open(OutputItem::Reasoning(ReasoningItem { id, kind, status, summary: Vec::new(), content }));
            let part = self.thought_part(String::new());
            if let Some(parts) = self.thoughts() {
                parts.push(part.clone());
            }
            let kind =
                if self.summary { "response.reasoning_summary_part.added" } else { "response.content_part.added" };
            self.part(kind, OutputPart::Thought(part));
        }
        if let Some(part) = self.thoughts().and_then(|parts| parts.last_mut()) {
            part.text.push_str(&delta.text);
        }
        let kind = if self.summary { "response.reasoning_summary_text.delta" } else { "response.reasoning_text.delta" };
        let event = ResponseEvent { delta: Some(delta.text.clone()), ..self.place() };
        self.about(kind, event);
    }

    fn thought_part(&self, text: String) -> ThoughtPart {
        ThoughtPart { kind: if self.summary { "summary_text" } else { "reasoning_text" }.into(), text }
    }

    fn thoughts(&mut self) -> Option<&mut Vec<ThoughtPart>> {
        match self.response.output.last_mut() {
            Some(OutputItem::Reasoning(item)) => match &mut item.content {
                None => Some(&mut item.summary),
                content => content.as_mut(),
            },
            _ => None,
        }
    }

    /// Where in the last item: there is one part in each.
    fn place(&self) -> ResponseEvent {
        let is_summary = self.summary && matches!(self.response.output.last(), Some(OutputItem::Reasoning(_)));
        ResponseEvent {
            content_index: (!is_summary).then_some(0),
            summary_index: is_summary.then_some(0),
            ..ResponseEvent::default()
        }
    }

    fn part(&mut self, kind: &str, part: OutputPart) {
        let event = ResponseEvent { part: Some(part), ..self.place() };
        self.about(kind, event);
    }

    fn open_text(&mut self) {
        let id = match self.texts {
            0 => self.message.clone(),
            before => format!("{}_{before}", self.message),
        };
        self.texts += 1;
        let part = TextPart { kind: "output_text".into(), ..TextPart::default() };
        self.open(OutputItem::Message(MessageItem {
            id,
            kind: "message".into(),
            status: "in_progress".into(),
            role: "assistant".into(),
            content: Vec::new(),
        }));
        if let Some(OutputItem::Message(item)) = self.response.output.last_mut() {
            item.content.push(part.clone());
        }
        self.part("response.content_part.added", OutputPart::Text(part));
    }

    fn text(&mut self, delta: &TurnDelta) {
        if !(self.is_open && matches!(self.response.output.last(), Some(OutputItem::Message(_)))) {
            self.open_text();
        }
        let logprobs: Vec<ChatTokenLogprob> = delta.logprobs.iter().map(Into::into).collect();
        if let Some(OutputItem::Message(item)) = self.response.output.last_mut()
            && let Some(part) = item.content.last_mut()
        {
            part.text.push_str(&delta.text);
            part.logprobs.extend(logprobs.iter().cloned());
        }
        let event = ResponseEvent { delta: Some(delta.text.clone()), logprobs: Some(logprobs), ..self.place() };
        self.about("response.output_text.delta", event);
    }

    fn call(&mut self, id: &str, name: &str) {
        let item = CallItem {
            id: ids::call_of(&self.message, self.calls),
            kind: "function_call".into(),
            status: "in_progress".into(),
            call_id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
        };
        self.calls += 1;
        self.open(OutputItem::Call(item));
    }

    fn arguments(&mut self, delta: &TurnDelta) {
        // Calls come one behind the other.
        let Some(OutputItem::Call(item)) = self.response.output.last_mut().filter(|_| self.is_open) else { return };
        item.arguments.push_str(&delta.text);
        let event = ResponseEvent { delta: Some(delta.text.clone()), ..ResponseEvent::default() };
        self.about("response.function_call_arguments.delta", event);
    }

    /// Ends the last item, if it goes on.
    fn close(&mut self, status: &str) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let Some(last) = self.response.output.last_mut() else { return };
        last.set_status(status);
        match last.clone() {
            OutputItem::Message(item) => {
                let part = item.content.into_iter().next().unwrap_or_default();
                let (text, logprobs) = (Some(part.text.clone()), Some(part.logprobs.clone()));
                let event = ResponseEvent { text, logprobs, ..self.place() };
                self.about("response.output_text.done", event);
                self.part("response.content_part.done", OutputPart::Text(part));
            }
            OutputItem::Reasoning(item) => {
                let parts = if self.summary { item.summary } else { item.content.unwrap_or_default() };
                let part = parts.into_iter().next().unwrap_or_default();
                let event = ResponseEvent { text: Some(part.text.clone()), ..self.place() };
                let (text, done) = match self.summary {
                    true => ("response.reasoning_summary_text.done", "response.reasoning_summary_part.done"),
                    false => ("response.reasoning_text.done", "response.content_part.done"),
                };
                self.about(text, event);
                self.part(done, OutputPart::Thought(part));
            }
            OutputItem::Call(item) => {
                let (arguments, name) = (Some(item.arguments), Some(item.name));
                let event = ResponseEvent { arguments, name, ..ResponseEvent::default() };
                self.about("response.function_call_arguments.done", event);
            }
        }
        self.item("response.output_item.done");
    }
}
