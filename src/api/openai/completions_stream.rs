//! The events of several prompts as frames of one completion stream.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, SelectAll},
};
use tern_registry::Lease;
use tern_scheduler::{Event, Summary};
use tokio::time::timeout;

use super::{
    completions::{Collector, CompletionRequest, More, Running, TextChoice, TextCompletion, submit},
    sampling::answers,
    usage::{Timings, Usage, add},
};
use crate::{
    error::ApiError,
    http::sse,
    ids,
    keys::Caller,
    state::State,
    turns::{PATIENCE, unfinished},
};

type Starting = BoxFuture<'static, Result<(Vec<Running>, Lease), ApiError>>;
/// Events of all prompts, each with the number of its prompt.
type Merged = SelectAll<BoxStream<'static, (usize, Option<Event>)>>;

enum Stage {
    Starting(Starting),
    // The events come first: the prompts are cancelled before the model may be unloaded.
    Running { events: Merged, _lease: Lease },
    Over,
}

pub(crate) struct CompletionStream {
    stage: Stage,
    ready: VecDeque<Bytes>,
    collectors: Vec<Collector>,
    echoes: Vec<String>,
    waiting: usize,
    total: Summary,
    request: Arc<CompletionRequest>,
    n: u32,
    include_usage: bool,
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
}

impl CompletionStream {
    /// Starts every prompt and gives their frames. Dropping the stream cancels them.
    ///
    /// # Errors
    /// What can be known at once, as for chat.
    pub async fn start(
        state: State,
        request: CompletionRequest,
        id: String,
    ) -> Result<impl Stream<Item = Bytes> + Send + 'static, ApiError> {
        let status = state.find(request.model.as_deref()).await?;
        let request = Arc::new(request);
        let fields = request.clone();
        let registry = state.registry.clone();
        let model = status.entry.id.clone();
        // What begins late runs with the stream, which no longer knows who asked.
        let meter = Caller::current().meter();
        let mut starting: Starting = async move {
            let lease = registry.acquire(&model).await?;
            submit(fields, lease, id, meter).await
        }
        .boxed();
        let mut this = Self {
            stage: Stage::Over,
            ready: VecDeque::new(),
            collectors: Vec::new(),
            echoes: Vec::new(),
            waiting: 0,
            total: Summary::default(),
            n: answers(request.n)?,
            include_usage: request.stream_options.as_ref().is_some_and(|o| o.include_usage == Some(true)),
            request,
            id: ids::new("cmpl-"),
            created: ids::unix_time(),
            fingerprint: state.fingerprint(status.entry.engine),
            model: status.entry.id,
        };
        match timeout(PATIENCE, &mut starting).await {
            Ok(started) => {
                let (running, lease) = started?;
                this.begin(running, lease);
            }
            Err(_) => this.stage = Stage::Starting(starting),
        }
        Ok(stream::unfold(this, |mut this| async move { this.next().await.map(|frame| (frame, this)) }))
    }

    fn begin(&mut self, running: Vec<Running>, lease: Lease) {
        let mut merged = SelectAll::new();
        for (prompt, running) in running.into_iter().enumerate() {
            let mut collector = Collector::new(prompt as u32, self.n, running.hidden, &self.request);
            // Logprobs of the prompt come with an event of their own; the opening waits for it.
            let wait = !running.echo.is_empty() && self.request.logprobs.is_some();
            if !running.echo.is_empty() && !wait {
                self.send(collector.opening(&running.echo));
            }
            self.collectors.push(collector);
            self.echoes.push(running.echo);
            let events = stream::unfold(running.events, |mut events| async move {
                events.next().await.map(|event| (Some(event), events))
            });
            let events = events.chain(stream::iter([None])).map(move |event| (prompt, event));
            merged.push(events.boxed());
        }
        self.waiting = self.collectors.len();
        self.stage = Stage::Running { events: merged, _lease: lease };
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            match &mut self.stage {
                Stage::Over => return None,
                Stage::Starting(starting) => match starting.await {
                    Ok((running, lease)) => self.begin(running, lease),
                    Err(error) => self.fail(&error),
                },
                Stage::Running { events, .. } => match events.next().await {
                    Some((prompt, Some(event))) => self.event(prompt, event),
                    // One prompt is over; a missing end shows when all are.
                    Some((_, None)) => {}
                    None => self.fail(&unfinished()),
                },
            }
        }
    }

    fn event(&mut self, prompt: usize, event: Event) {
        match self.collectors[prompt].event(event) {
            Err(error) => self.fail(&error),
            Ok(More::Nothing) => {}
            Ok(More::Prompt) => {
                let opening = self.collectors[prompt].opening(&self.echoes[prompt]);
                self.send(opening);
            }
            Ok(More::Choice(choice)) => self.send(vec![choice]),
            Ok(More::End(summary)) => {
                add(&mut self.total, &summary);
                self.waiting -= 1;
                if self.waiting == 0 {
                    self.end();
                }
            }
        }
    }

    fn send(&mut self, choices: Vec<TextChoice>) {
        for choice in choices {
            let event = self.chunk(vec![choice]);
            self.ready.push_back(sse::data(&event));
        }
    }

    fn end(&mut self) {
        if self.include_usage {
            let mut event = self.chunk(Vec::new());
            event.usage = Some(Usage::new(&self.total, 0));
            event.timings = Some(Timings::new(&self.total));
            self.ready.push_back(sse::data(&event));
        }
        self.ready.push_back(sse::done());
        self.stage = Stage::Over;
    }

    fn fail(&mut self, error: &ApiError) {
        self.ready.push_back(sse::failure(error));
        self.stage = Stage::Over;
    }

    fn chunk(&self, choices: Vec<TextChoice>) -> TextCompletion {
        TextCompletion {
            id: self.id.clone(),
            object: "text_completion".into(),
            created: self.created,
            model: self.model.clone(),
            choices,
            system_fingerprint: self.fingerprint.clone(),
            usage: None,
            timings: None,
        }
    }
}
