//! One answer from its beginning to its end: a task of its own, which no client can take along when it leaves.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::BoxStream};
use tern_chat::{Turn, TurnEvent, TurnRequest};
use tern_registry::{Lease, LoadState, Registry};
use tern_scheduler::{FinishReason, GenerateError, PrefillProgress, Summary};
use tern_store::{ConversationStore, Message, Status, StoreError, Times, TokenCounts, ToolCall};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use crate::{
    AnswerEvent, ConversationError, Conversations, Stage,
    kept::Kept,
    running::{Answering, Ending},
    title,
};

/// Between two writes of a growing text.
const SAVE_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at how far a load or the queue is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An answer that was stored and is to be written.
pub(crate) struct Job {
    pub service: Conversations,
    pub answering: Arc<Answering>,
    /// The answer; when it continues, with what it has so far.
    pub message: Message,
    pub source: Source,
    /// What the person wrote first, for the title.
    pub first_words: String,
    pub asked: Instant,
}

/// Where the events of an answer come from.
pub(crate) enum Source {
    /// Its model must be loaded first.
    Request(Box<TurnRequest>),
    /// It runs already, as its model was in memory.
    Turn(Box<Turn>, Lease),
    /// From whoever asked for it, and loads the model.
    Given(BoxStream<'static, TurnEvent>),
}

/// A source that has begun.
enum Begun {
    Turn(Box<Turn>, Lease),
    Given(BoxStream<'static, TurnEvent>),
}

impl Begun {
    async fn next(&mut self) -> Option<TurnEvent> {
        match self {
            Self::Turn(turn, _) => turn.next().await,
            Self::Given(events) => events.next().await,
        }
    }

    /// Whether it waits for a place in the model, as far as that is known here.
    fn is_queued(&self) -> bool {
        match self {
            Self::Turn(_, lease) => lease.text().is_ok_and(|text| text.scheduler.stats().waiting > 0),
            Self::Given(_) => false,
        }
    }
}

/// How an answer ended.
enum Outcome {
    Finished(&'static str, Summary, u32),
    Failed(String),
    Ended(Ending),
}

/// When things happened, and what is known before the model says it.
#[derive(Default)]
struct Clock {
    load_ms: f64,
    first: Option<Instant>,
    thinking: Option<Instant>,
    writing: Option<Instant>,
    prompt: Option<PrefillProgress>,
    pieces: u32,
    thought_pieces: u32,
}

/// Ends the log whatever happens to the task, so that nobody waits for it.
struct Finally(Arc<Answering>);

impl Drop for Finally {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Job {
    /// Writes the answer to its end.
    pub async fn run(mut self) {
        let finally = Finally(self.answering.clone());
        let mut clock = Clock::default();
        let mut saver = Saver::new(&self);
        saver.tell();
        let outcome = self.write(&mut clock, &mut saver).await;
        saver.rest().await;
        self.conclude(outcome, &clock);
        self.keep(&mut saver).await;
        drop(finally);
    }

    async fn write(&mut self, clock: &mut Clock, saver: &mut Saver) -> Outcome {
        let answering = self.answering.clone();
        let source = std::mem::replace(&mut self.source, Source::Given(futures_util::stream::empty().boxed()));
        let mut begun = match source {
            Source::Given(events) => Begun::Given(events),
            Source::Turn(turn, lease) => Begun::Turn(turn, lease),
            Source::Request(request) => {
                let starting = start(&self.service.0.registry, *request, &self.message, &answering, clock);
                tokio::select! {
                    started = starting => match started {
                        Ok((turn, lease)) => Begun::Turn(Box::new(turn), lease),
                        Err(error) => return Outcome::Failed(error.to_string()),
                    },
                    ending = answering.asked_to_end() => return Outcome::Ended(ending),
                }
            }
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stage = None;
        let mut finished = None;
        loop {
            tokio::select! {
                event = begun.next() => match event {
                    Some(TurnEvent::Finish { reason, tool_calls, .. }) => finished = Some(word(&reason, tool_calls)),
                    Some(TurnEvent::End { summary, reasoning_tokens }) => {
                        let reason = finished.unwrap_or("stop");
                        return Outcome::Finished(reason, summary, reasoning_tokens);
                    }
                    Some(TurnEvent::Failed(GenerateError::ShuttingDown)) => {
                        // Whoever ends the server says so a moment later.
                        let ending = tokio::time::timeout(LOOK_EVERY, answering.asked_to_end()).await;
                        return match ending {
                            Ok(ending) => Outcome::Ended(ending),
                            Err(_) => Outcome::Failed("the model was unloaded in the middle of the answer".to_owned()),
                        };
                    }
                    Some(TurnEvent::Failed(error)) => return Outcome::Failed(error.to_string()),
                    Some(event) => {
                        self.hear(event, clock, &mut stage);
                        saver.changed();
                    }
                    None => return Outcome::Failed("the model stopped in the middle of the answer".to_owned()),
                },
                ending = answering.asked_to_end() => return Outcome::Ended(ending),
                _ = look.tick(), if clock.first.is_none() && clock.prompt.is_none() => {
                    // A request that found a free place is being computed, though nothing is heard of its prompt yet.
                    let waiting = begun.is_queued();
                    let now = if waiting { Stage::Queued } else { Stage::Prefill };
                    self.state(&mut stage, now, (!waiting).then_some(0.0));
                },
                gone = saver.next(&self.message) => if gone {
                    return Outcome::Ended(Ending::Discarded);
                },
            }
        }
    }

    fn hear(&mut self, event: TurnEvent, clock: &mut Clock, stage: &mut Option<Stage>) {
        let now = Instant::now();
        match event {
            TurnEvent::Prefill(progress) => {
                clock.prompt = Some(progress);
                let share = f64::from(progress.processed) / f64::from(progress.total.max(1));
                *stage = Some(Stage::Prefill);
                self.answering.log.push(AnswerEvent::State { state: Stage::Prefill, share: Some(share) });
            }
            TurnEvent::Reasoning(delta) => {
                clock.first.get_or_insert(now);
                clock.thinking.get_or_insert(now);
                clock.pieces += 1;
                clock.thought_pieces += 1;
                self.state(stage, Stage::Thinking, None);
                self.message.reasoning.get_or_insert_default().push_str(&delta.text);
                self.answering.log.push(AnswerEvent::Reasoning { text: delta.text });
            }
            TurnEvent::Text(delta) => {
                clock.first.get_or_insert(now);
                clock.writing.get_or_insert(now);
                clock.pieces += 1;
                self.state(stage, Stage::Writing, None);
                self.message.content.push_str(&delta.text);
                self.answering.log.push(AnswerEvent::Text { text: delta.text });
            }
            TurnEvent::ToolCall { id, name, .. } => {
                clock.first.get_or_insert(now);
                self.state(stage, Stage::Writing, None);
                self.message.tool_calls.push(ToolCall { id, name, arguments: String::new() });
            }
            TurnEvent::Arguments { index, delta } => {
                clock.pieces += 1;
                if let Some(call) = self.message.tool_calls.get_mut(index as usize) {
                    call.arguments.push_str(&delta.text);
                }
            }
            TurnEvent::Finish { .. } | TurnEvent::End { .. } | TurnEvent::Failed(_) => {}
        }
    }

    fn state(&self, stage: &mut Option<Stage>, now: Stage, share: Option<f64>) {
        if *stage != Some(now) {
            *stage = Some(now);
            self.answering.log.push(AnswerEvent::State { state: now, share });
        }
    }

    /// Writes into the message how it ended.
    fn conclude(&mut self, outcome: Outcome, clock: &Clock) {
        let answer = self.message.answer.get_or_insert_default();
        let summary = match &outcome {
            Outcome::Finished(_, summary, reasoning) => Some((*summary, *reasoning)),
            Outcome::Failed(_) | Outcome::Ended(_) => None,
        };
        let before = (answer.usage, answer.timings);
        let (usage, times) = clock.figures(summary, self.asked);
        answer.usage = Some(before.0.map_or(usage, |before| continued_usage(before, usage)));
        answer.timings = Some(before.1.map_or(times, |before| continued_times(before, times)));
        answer.error = None;
        self.message.status = match outcome {
            Outcome::Finished(word, ..) => {
                answer.finish_reason = Some(word.to_owned());
                Status::Complete
            }
            Outcome::Failed(error) => {
                tracing::warn!(model = %answer.model, "an answer failed: {error}");
                answer.error = Some(error);
                Status::Failed
            }
            Outcome::Ended(Ending::Stopped) => Status::Stopped,
            Outcome::Ended(Ending::Interrupted) => Status::Interrupted,
            Outcome::Ended(Ending::Discarded) => {
                answer.error = Some("the conversation or the message was deleted".to_owned());
                Status::Stopped
            }
        };
    }

    /// The last write, and the end.
    async fn keep(mut self, saver: &mut Saver) {
        let conversation = if self.answering.ending() == Some(Ending::Discarded) {
            None
        } else {
            let store = self.service.0.store.clone();
            let (message, words) = (self.message.clone(), self.first_words.clone());
            let written = tokio::task::spawn_blocking(move || last_write(&*store, &message, &words)).await;
            match written {
                Ok(Ok(conversation)) => Some(conversation),
                // It was deleted a moment ago.
                Ok(Err(StoreError::NotFound { .. })) => {
                    let answer = self.message.answer.get_or_insert_default();
                    answer.error = Some("the conversation or the message was deleted".to_owned());
                    None
                }
                Ok(Err(error)) => {
                    tracing::error!("an answer cannot be written: {error}");
                    self.answering.log.push(AnswerEvent::Saved { saved: false, reason: Some(error.to_string()) });
                    None
                }
                Err(error) => {
                    tracing::error!("the write of an answer panicked: {error}");
                    None
                }
            }
        };
        saver.tell();
        let conversation = conversation.unwrap_or_else(|| tern_store::Conversation {
            id: self.message.conversation.clone(),
            ..Default::default()
        });
        let (message, conversation) = (Box::new(self.message), Box::new(conversation));
        self.answering.log.push(AnswerEvent::End { message, conversation });
    }
}

/// The word for why an answer ended.
fn word(reason: &FinishReason, tool_calls: u32) -> &'static str {
    match reason {
        FinishReason::Stop(_) if tool_calls > 0 => "tool_calls",
        reason => reason.word(),
    }
}

/// Writes the answer, and the title of a conversation that has none.
fn last_write(
    store: &dyn ConversationStore,
    message: &Message,
    first_words: &str,
) -> Result<tern_store::Conversation, StoreError> {
    let conversation = store.put_messages(&message.conversation, std::slice::from_ref(message), None)?;
    if conversation.title.is_empty() && !conversation.title_is_given {
        let title = title::suggest(first_words);
        return store.update(&message.conversation, &mut |kept| {
            if kept.title.is_empty() && !kept.title_is_given {
                kept.title.clone_from(&title);
            }
        });
    }
    Ok(conversation)
}

/// Loads the model, telling how far it is, and hands it the dialogue.
async fn start(
    registry: &Registry,
    request: TurnRequest,
    message: &Message,
    answering: &Answering,
    clock: &mut Clock,
) -> Result<(Turn, Lease), ConversationError> {
    let model = message.answer.as_ref().map(|answer| answer.model.clone()).unwrap_or_default();
    let began = Instant::now();
    let lease = {
        let loading = registry.acquire(&model);
        tokio::pin!(loading);
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut told = None;
        loop {
            tokio::select! {
                lease = &mut loading => break lease?,
                _ = look.tick() => {
                    let share = registry.load_progress(&model).map(f64::from);
                    if share.is_some() && share != told {
                        told = share;
                        answering.log.push(AnswerEvent::State { state: Stage::Loading, share });
                    }
                }
            }
        }
    };
    clock.load_ms = ms(began.elapsed());
    submit(lease, request).await
}

/// Hands a dialogue to a model that is in memory.
pub(crate) async fn submit(lease: Lease, request: TurnRequest) -> Result<(Turn, Lease), ConversationError> {
    // Rendering and tokenizing a long dialogue takes a while.
    let started = tokio::task::spawn_blocking(move || {
        let text = lease.text()?;
        let turn = text.chat.start(&text.scheduler, request)?;
        Ok((turn, lease))
    });
    started.await.map_err(|_| ConversationError::Internal)?
}

/// Whether a model would answer without being loaded first.
pub(crate) fn is_loaded(state: &LoadState) -> bool {
    matches!(state, LoadState::Loaded)
}

fn ms(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

/// Three digits after the point are more than a clock knows.
fn round(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

impl Clock {
    /// Counts and times, as the model gives them at its end; of an answer that was cut off, as far as they were seen
    /// from here.
    fn figures(&self, summary: Option<(Summary, u32)>, asked: Instant) -> (TokenCounts, Times) {
        let now = Instant::now();
        let since = |at: Option<Instant>, until: Instant| at.map_or(0.0, |at| ms(until.saturating_duration_since(at)));
        let (summary, reasoning_tokens) = summary.unwrap_or_else(|| {
            let prompt = self.prompt.unwrap_or(PrefillProgress { total: 0, cached: 0, processed: 0, time_ms: 0.0 });
            let seen = Summary {
                prompt_tokens: prompt.total,
                cached_tokens: prompt.cached,
                completion_tokens: self.pieces,
                queue_ms: 0.0,
                prefill_ms: prompt.time_ms,
                decode_ms: since(self.first, now),
            };
            (seen, self.thought_pieces)
        });
        let usage = TokenCounts {
            prompt_tokens: summary.prompt_tokens,
            cached_tokens: summary.cached_tokens,
            completion_tokens: summary.completion_tokens,
            reasoning_tokens,
        };
        let times = Times {
            load_ms: self.load_ms,
            queue_ms: round(summary.queue_ms),
            prefill_ms: round(summary.prefill_ms),
            decode_ms: round(summary.decode_ms),
            first_token_ms: self.first.map_or(0.0, |first| ms(first.saturating_duration_since(asked))),
            total_ms: ms(now.saturating_duration_since(asked)),
            reasoning_ms: since(self.thinking, self.writing.unwrap_or(now)),
        };
        (usage, times)
    }
}

/// Counts of an answer in two parts: what the second part was given again is no new prompt.
fn continued_usage(before: TokenCounts, now: TokenCounts) -> TokenCounts {
    let first = if before.prompt_tokens == 0 { now } else { before };
    TokenCounts {
        prompt_tokens: first.prompt_tokens,
        cached_tokens: first.cached_tokens,
        completion_tokens: before.completion_tokens + now.completion_tokens,
        reasoning_tokens: before.reasoning_tokens + now.reasoning_tokens,
    }
}

fn continued_times(before: Times, now: Times) -> Times {
    let first = if before.first_token_ms == 0.0 { now } else { before };
    Times {
        load_ms: before.load_ms + now.load_ms,
        queue_ms: before.queue_ms + now.queue_ms,
        prefill_ms: first.prefill_ms,
        decode_ms: before.decode_ms + now.decode_ms,
        first_token_ms: first.first_token_ms,
        total_ms: before.total_ms + now.total_ms,
        reasoning_ms: before.reasoning_ms + now.reasoning_ms,
    }
}

/// The next tick of a clock that is the same for all answers: what they write at the same time shares a transaction of
/// the store.
fn common_tick() -> tokio::time::Instant {
    static FIRST: OnceLock<tokio::time::Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(tokio::time::Instant::now);
    let ticks = first.elapsed().as_nanos() / SAVE_EVERY.as_nanos() + 1;
    first + SAVE_EVERY.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// Writes a growing message beside the stream: one write at a time, at most one every [`SAVE_EVERY`].
struct Saver {
    store: Arc<Kept>,
    answering: Arc<Answering>,
    saved: tokio::sync::watch::Receiver<crate::Saved>,
    told: bool,
    ticks: tokio::time::Interval,
    dirty: bool,
    writing: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Saver {
    fn new(job: &Job) -> Self {
        let mut ticks = tokio::time::interval_at(common_tick(), SAVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            store: job.service.0.store.clone(),
            answering: job.answering.clone(),
            saved: job.service.0.store.watch(),
            told: true,
            ticks,
            dirty: false,
            writing: None,
        }
    }

    fn changed(&mut self) {
        self.dirty = true;
    }

    /// Says whether saving works, if that is news.
    fn tell(&mut self) {
        let reason = self.saved.borrow_and_update().reason.clone();
        let saved = reason.is_none();
        if saved != self.told {
            self.told = saved;
            self.answering.log.push(AnswerEvent::Saved { saved, reason });
        }
    }

    /// Does what is to be done next; to be called again and again. Gives whether the message is gone from the store.
    /// Safe to drop while waiting.
    async fn next(&mut self, message: &Message) -> bool {
        if let Some(writing) = &mut self.writing {
            let written = tokio::select! {
                written = writing => written,
                changed = self.saved.changed() => {
                    if changed.is_ok() {
                        self.tell();
                    }
                    return false;
                }
            };
            self.writing = None;
            return match written {
                Ok(Err(StoreError::NotFound { .. })) => true,
                Ok(Err(error)) => {
                    tracing::warn!("a piece of an answer is not written: {error}");
                    false
                }
                _ => false,
            };
        }
        tokio::select! {
            _ = self.ticks.tick() => {
                if self.dirty {
                    self.dirty = false;
                    let (store, message) = (self.store.clone(), message.clone());
                    self.writing = Some(tokio::task::spawn_blocking(move || store.put_progress(&message)));
                }
            }
            changed = self.saved.changed() => if changed.is_ok() {
                self.tell();
            },
        }
        false
    }

    /// Waits for the write under way: it must not come behind the last one.
    async fn rest(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
    }
}
