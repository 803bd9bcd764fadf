//! The events of a turn as frames of a chat completion stream.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tern_chat::{TurnDelta, TurnEvent};
use tern_scheduler::{PrefillProgress, Summary};
use tokio::time::Instant;

use super::{
    chat::{finish_word, turn},
    chat_types::*,
    images,
    logprobs::ChatLogprobs,
    tools::{ChunkToolCall, is_legacy},
    usage::{Timings, Usage},
};
use crate::{error::ApiError, http::sse, ids, state::State, turns::TurnStream};

/// What every chunk repeats, and what the stream's options ask for.
pub(crate) struct ChatStream {
    /// `None` behind the end.
    events: Option<TurnStream>,
    ready: VecDeque<Bytes>,
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    n: u32,
    logprobs: bool,
    /// Calls are told as `function_call`.
    legacy: bool,
    include_usage: bool,
    timings_per_token: bool,
    progress: Progress,
}

/// What is known before the turn says it itself.
struct Progress {
    started: Instant,
    first: Option<Instant>,
    generated: u32,
    prompt: Option<PrefillProgress>,
}

impl ChatStream {
    /// Starts the turn and gives its frames, and how many messages were left out of it, if that is known and any were.
    /// Dropping the stream cancels the turn.
    ///
    /// # Errors
    /// What can be known at once: an unknown model, a parameter out of range, and when the model is in memory also a
    /// prompt that does not fit or a full queue.
    pub async fn start(
        state: State,
        request: ChatRequest,
        id: String,
    ) -> Result<(impl Stream<Item = Bytes> + Send + 'static, Option<u32>), ApiError> {
        let status = state.find(request.model.as_deref()).await?;
        images::check_model(&state, &request.messages, &status)?;
        let pictures = images::load(&state, &request.messages).await?;
        let mut this = Self {
            events: None,
            ready: VecDeque::new(),
            id: ids::new("chatcmpl-"),
            created: ids::unix_time(),
            model: status.entry.id.clone(),
            fingerprint: state.fingerprint(status.entry.engine),
            n: super::sampling::answers(request.n)?,
            logprobs: request.logprobs.unwrap_or(false),
            legacy: is_legacy(&request),
            include_usage: request.stream_options.as_ref().is_some_and(|o| o.include_usage == Some(true)),
            timings_per_token: request.timings_per_token.unwrap_or(false),
            progress: Progress { started: Instant::now(), first: None, generated: 0, prompt: None },
        };
        this.events = Some(TurnStream::begin(state, status, move |lease| turn(&request, pictures, lease, id)).await?);
        this.open();
        let truncated = this.truncated();
        let frames = stream::unfold(this, |mut this| async move { this.next().await.map(|frame| (frame, this)) });
        Ok((frames, truncated))
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            match self.events.as_mut()?.next().await {
                Some(Ok(event)) => self.event(event),
                Some(Err(error)) => self.fail(&error),
                None => self.events = None,
            }
        }
    }

    /// The first chunk of each answer, in order: the role, once, and empty text.
    fn open(&mut self) {
        for index in 0..self.n {
            let delta =
                ChunkDelta { role: Some("assistant".into()), content: Some(String::new()), ..ChunkDelta::default() };
            let chunk = self.chunk(vec![self.choice(index, delta)]);
            self.ready.push_back(sse::data(&chunk));
        }
    }

    fn event(&mut self, event: TurnEvent) {
        match event {
            TurnEvent::Prefill(progress) => {
                self.progress.prompt = Some(progress);
                let mut chunk = self.chunk(vec![self.choice(0, ChunkDelta::default())]);
                chunk.prompt_progress = Some(PromptProgress {
                    total: progress.total,
                    cache: progress.cached,
                    processed: progress.processed,
                    time_ms: progress.time_ms,
                });
                self.ready.push_back(sse::data(&chunk));
            }
            TurnEvent::Text(delta) => {
                let content = Some(delta.text.clone());
                self.delta(&delta, ChunkDelta { content, ..ChunkDelta::default() });
            }
            TurnEvent::Reasoning(delta) => {
                let text = Some(delta.text.clone());
                let chunk = ChunkDelta { reasoning_content: text.clone(), reasoning: text, ..ChunkDelta::default() };
                self.delta(&delta, chunk);
            }
            TurnEvent::ToolCall { choice, index, id, name } => {
                let call = ChunkToolCall::first(index, id, name);
                let chunk = self.chunk(vec![self.choice(choice, self.call(call))]);
                self.ready.push_back(sse::data(&chunk));
            }
            TurnEvent::Arguments { index, delta } => {
                let call = self.call(ChunkToolCall::more(index, delta.text.clone()));
                self.delta(&delta, call);
            }
            TurnEvent::Finish { choice, reason, tool_calls } => {
                let mut choice = self.choice(choice, ChunkDelta::default());
                choice.finish_reason = Some(finish_word(&reason, tool_calls as usize, self.legacy).into());
                let mut chunk = self.chunk(vec![choice]);
                chunk.truncated_messages = self.truncated();
                self.ready.push_back(sse::data(&chunk));
            }
            TurnEvent::End { summary, reasoning_tokens } => self.end(&summary, reasoning_tokens),
            TurnEvent::Failed(error) => self.fail(&error.into()),
        }
    }

    fn call(&self, call: ChunkToolCall) -> ChunkDelta {
        if self.legacy {
            return ChunkDelta { function_call: Some(call.function), ..ChunkDelta::default() };
        }
        ChunkDelta { tool_calls: Some(vec![call]), ..ChunkDelta::default() }
    }

    fn truncated(&self) -> Option<u32> {
        self.events.as_ref()?.dropped_messages().filter(|dropped| *dropped > 0)
    }

    fn delta(&mut self, delta: &TurnDelta, content: ChunkDelta) {
        self.progress.first.get_or_insert_with(Instant::now);
        self.progress.generated += 1;
        let mut choice = self.choice(delta.choice, content);
        choice.logprobs =
            self.logprobs.then(|| ChatLogprobs { content: delta.logprobs.iter().map(Into::into).collect() });
        let mut chunk = self.chunk(vec![choice]);
        chunk.timings = self.timings_per_token.then(|| self.progress.timings());
        self.ready.push_back(sse::data(&chunk));
    }

    /// The counts, when asked for, and the end. Times always come along with the counts: they cost nothing, and a
    /// chunk without choices is the one place where no client stumbles over them.
    fn end(&mut self, summary: &Summary, reasoning_tokens: u32) {
        if self.include_usage || self.timings_per_token {
            let mut chunk = self.chunk(Vec::new());
            chunk.usage = self.include_usage.then(|| Usage::new(summary, reasoning_tokens));
            chunk.timings = Some(Timings::new(summary));
            self.ready.push_back(sse::data(&chunk));
        }
        self.ready.push_back(sse::done());
        self.events = None;
    }

    fn fail(&mut self, error: &ApiError) {
        self.ready.push_back(sse::failure(error));
        self.events = None;
    }

    fn choice(&self, index: u32, delta: ChunkDelta) -> ChunkChoice {
        ChunkChoice { index, delta, finish_reason: None, logprobs: None }
    }

    fn chunk(&self, choices: Vec<ChunkChoice>) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.fingerprint.clone(),
            choices,
            usage: None,
            timings: None,
            prompt_progress: None,
            truncated_messages: None,
        }
    }
}

impl Progress {
    /// Times so far, from what this end of the stream has seen.
    fn timings(&self) -> Timings {
        let first = self.first.unwrap_or(self.started);
        let prompt = self.prompt.unwrap_or(PrefillProgress { total: 0, cached: 0, processed: 0, time_ms: 0.0 });
        Timings::new(&Summary {
            prompt_tokens: prompt.total,
            cached_tokens: prompt.cached,
            completion_tokens: self.generated,
            queue_ms: 0.0,
            prefill_ms: (first - self.started).as_secs_f64() * 1000.0,
            decode_ms: first.elapsed().as_secs_f64() * 1000.0,
        })
    }
}
