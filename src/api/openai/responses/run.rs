//! Responses that run: those that are kept belong to the server's conversations, the others to whoever reads them.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tern_chat::TurnEvent;
use tern_conversations::{NewExchange, Owned};
use tern_scheduler::{FinishReason, GenerateError};
use tern_store::Message;

use super::{
    begin::Asked,
    ids,
    live::{Live, frame},
    names::Names,
    object::{Response, ResponseError},
    stored,
    writer::{Ending, Writer},
};
use crate::{error::ApiError, state::State, turns::TurnStream};

/// What a client is told of an error within a response.
fn told(error: &ApiError) -> ResponseError {
    // OpenAI's clients know one word for all that is not the request's fault.
    let code = if error.status >= 500 { "server_error" } else { error.code.unwrap_or("invalid_prompt") };
    ResponseError { code: code.into(), message: error.message.clone() }
}

/// A response that is not kept. Dropping it cancels the turn.
pub(crate) struct Passing {
    /// `None` behind the end.
    turn: Option<TurnStream>,
    writer: Writer,
    names: Arc<Names>,
    is_cut_off: bool,
    /// How many messages were left out, once that is known.
    dropped: Option<u32>,
    error: Option<ApiError>,
}

impl Passing {
    /// Begins the turn.
    ///
    /// # Errors
    /// Those of [`TurnStream::begin`].
    pub async fn begin(state: &State, asked: Asked, request: String) -> Result<Self, ApiError> {
        let Asked { model, settings, prompt, names, .. } = asked;
        let message = ids::new_message();
        let (id, model_id) = (ids::response_of(&message), model.entry.id.clone());
        let turn = TurnStream::begin(state.clone(), model, move |lease| prompt.turn(lease, request)).await;
        let turn = turn.map_err(|error| names.rename_prompt(error))?;
        let dropped = turn.dropped_messages();
        let response = Response::new(id, crate::ids::unix_time(), model_id, &settings);
        let writer = Writer::new(response, message);
        Ok(Self { turn: Some(turn), writer, names, is_cut_off: false, dropped, error: None })
    }

    /// Hears the next event; gives whether there was one.
    async fn step(&mut self) -> bool {
        let Some(turn) = &mut self.turn else { return false };
        let next = turn.next().await;
        self.dropped = self.dropped.or(turn.dropped_messages());
        match next {
            Some(Ok(event)) => {
                self.is_cut_off |= matches!(event, TurnEvent::Finish { reason: FinishReason::Length, .. });
                self.writer.hear(&event);
                if matches!(event, TurnEvent::End { .. }) {
                    let ending = if self.is_cut_off { Ending::CutOff } else { Ending::Completed };
                    self.writer.end(&ending, None);
                    self.turn = None;
                }
            }
            Some(Err(error)) => {
                let error = self.names.rename_prompt(error);
                self.writer.end(&Ending::Failed(told(&error)), None);
                self.error = Some(error);
                self.turn = None;
            }
            None => self.turn = None,
        }
        true
    }

    /// How many messages were left out, if that is known and any were.
    pub fn truncated(&self) -> Option<u32> {
        self.dropped.filter(|count| *count > 0)
    }

    /// The response at its end, and how many messages were left out.
    ///
    /// # Errors
    /// What the turn failed with.
    pub async fn whole(mut self) -> Result<(Response, Option<u32>), ApiError> {
        while self.step().await {
            self.writer.take();
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.writer.response().clone(), self.truncated())),
        }
    }

    /// Its events as frames.
    pub fn frames(self) -> impl Stream<Item = Bytes> + Send + 'static {
        let ready = VecDeque::new();
        stream::unfold((self, ready), |(mut this, mut ready)| async move {
            loop {
                ready.extend(this.writer.take().iter().map(frame));
                if let Some(frame) = ready.pop_front() {
                    return Some((frame, (this, ready)));
                }
                if !this.step().await {
                    return None;
                }
            }
        })
    }
}

/// A response that is kept. Whoever drops it ends it, unless it runs in the background.
pub(crate) struct Keeping {
    live: Arc<Live>,
    owned: Owned,
}

impl Keeping {
    /// Begins the turn, and stores what is said; the model computes the prompt meanwhile.
    ///
    /// # Errors
    /// Those of [`TurnStream::begin`] and of the store.
    pub async fn begin(state: &State, asked: Asked, request: String) -> Result<Self, ApiError> {
        let Asked { model, settings, behind, said, parameters, prompt, names, .. } = asked;
        let stays = settings.background;
        let (conversation, parent) = behind.unwrap_or_else(|| (crate::ids::new("conv_"), None));
        let id = ids::new_message();
        let mut answer = stored::answer(id.clone(), &model.entry.id, model.entry.engine, &settings, parameters);
        answer.conversation.clone_from(&conversation);
        let (messages, files) = stored::messages(&said);
        let turn = TurnStream::begin(state.clone(), model, move |lease| prompt.turn(lease, request)).await;
        let turn = turn.map_err(|error| names.rename_prompt(error))?;
        let live = state.responses.begin(&id, Writer::new(stored::begun(&answer), id.clone()));
        live.leave_out(turn.dropped_messages());
        let events = told_to(live.clone(), turn, names).boxed();
        let exchange = NewExchange { conversation, parent, messages, files, answer, events, stays };
        let state = state.clone();
        // A task of its own: a client that leaves in the middle must not leave a response behind that never ends.
        let kept = tokio::spawn(async move { Self::keep(&state, live, exchange).await });
        kept.await
            .map_err(|_| ApiError::new(500, "internal_error", "the response could not be begun; the log has more"))?
    }

    async fn keep(state: &State, live: Arc<Live>, exchange: NewExchange) -> Result<Self, ApiError> {
        let id = exchange.answer.id.clone();
        let owned = match state.conversations.keep(exchange).await {
            Ok(owned) => owned,
            Err(error) => {
                state.responses.forget(&id);
                return Err(error.into());
            }
        };
        let (ended, ending) = (owned.ended(), live.clone());
        tokio::spawn(async move { conclude(&ending, ended.await) });
        Ok(Self { live, owned })
    }

    /// The response as it is now.
    pub fn response(&self) -> Response {
        self.live.response()
    }

    /// How many messages were left out, if that is known and any were.
    pub fn truncated(&self) -> Option<u32> {
        self.live.dropped().filter(|count| *count > 0)
    }

    /// The response at its end, and how many messages were left out.
    ///
    /// # Errors
    /// What the turn failed with.
    pub async fn whole(self) -> Result<(Response, Option<u32>), ApiError> {
        let mut behind_the_end = self.live.follow(usize::MAX);
        while behind_the_end.next().await.is_some() {}
        let response = self.live.response();
        match (response.error.as_ref(), self.live.error()) {
            (None, _) => Ok((response, self.truncated())),
            (Some(_), Some(error)) => Err(error),
            (Some(told), None) => Err(ApiError::new(500, "engine_error", told.message.clone())),
        }
    }

    /// Its events as frames.
    pub fn frames(self) -> impl Stream<Item = Bytes> + Send + 'static {
        let Self { live, owned } = self;
        stream::unfold((live.follow(0), owned), |(mut follower, owned)| async move {
            follower.next().await.map(|frame| (frame, (follower, owned)))
        })
    }
}

/// The events of a turn, for whoever keeps the answer; `live` hears them first.
fn told_to(live: Arc<Live>, turn: TurnStream, names: Arc<Names>) -> impl Stream<Item = TurnEvent> + Send + 'static {
    stream::unfold((live, turn, names), |(live, mut turn, names)| async move {
        let event = match turn.next().await? {
            Ok(event) => {
                live.leave_out(turn.dropped_messages());
                live.hear(&event);
                event
            }
            Err(error) => {
                let error = names.rename_prompt(error);
                live.fail(error.clone());
                TurnEvent::Failed(match error.code {
                    Some("shutting_down") => GenerateError::ShuttingDown,
                    _ => GenerateError::Engine(error.message),
                })
            }
        };
        Some((event, (live, turn, names)))
    })
}

/// Ends a response as the answer ended that is kept.
fn conclude(live: &Live, message: Option<Message>) {
    let died = || ResponseError {
        code: "server_error".into(),
        message: "the answer ended without an end; the log has more".into(),
    };
    let ending = match message.as_ref().and_then(stored::ending) {
        Some(Ending::Failed(kept)) => Ending::Failed(live.error().map_or(kept, |error| told(&error))),
        Some(ending) => ending,
        None => Ending::Failed(died()),
    };
    live.end(&ending, message.and_then(|message| message.answer).and_then(|answer| answer.usage));
}
