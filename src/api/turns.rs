//! Begins a turn for any dialect of the API, and gives its events. Whoever drops it cancels it.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use tern_chat::{TurnEvent, TurnRequest};
use tern_registry::{Lease, ModelStatus};
use tokio::time::timeout;

use crate::{
    error::ApiError,
    keys::{Caller, Meter, MeteredTurn},
    state::{State, beside},
};

/// How long a stream waits for its model before it sends its headers. Until then an error is still a plain HTTP
/// error; a model that must be loaded first takes longer and is waited for in the stream.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

/// What is said of an answer whose events stop before its end, which is a bug.
pub(crate) fn unfinished() -> ApiError {
    ApiError::new(500, "internal_error", "the answer ended without an end")
}

/// A turn that was accepted, and the model it runs on.
pub(crate) struct Running {
    pub turn: MeteredTurn,
    // Declared after `turn`: the turn is cancelled before the model may be unloaded.
    pub lease: Lease,
}

/// Loads the model, if it must be, and starts what `request` makes of it. For answers in one piece.
///
/// # Errors
/// Those of the registry, of `request`, of the template and of the scheduler.
pub(crate) async fn begin(
    state: &State,
    model: &ModelStatus,
    request: impl FnOnce(&Lease) -> Result<TurnRequest, ApiError> + Send,
) -> Result<Running, ApiError> {
    begin_for(Caller::current().meter(), state, model, request).await
}

async fn begin_for(
    meter: Meter,
    state: &State,
    model: &ModelStatus,
    request: impl FnOnce(&Lease) -> Result<TurnRequest, ApiError> + Send,
) -> Result<Running, ApiError> {
    let lease = state.registry.acquire(&model.entry.id).await?;
    let request = request(&lease)?;
    beside(move || {
        let text = lease.text()?;
        let turn = MeteredTurn::new(text.chat.start(&text.scheduler, request)?, meter);
        Ok(Running { turn, lease })
    })
    .await
}

/// The events of a turn that may not have begun yet.
pub(crate) struct TurnStream(Stage);

enum Stage {
    Starting(BoxFuture<'static, Result<Running, ApiError>>),
    Running(Box<Running>),
    Over,
}

impl TurnStream {
    /// Begins a turn, and waits a moment for it: what is wrong with the request is mostly known then.
    ///
    /// # Errors
    /// What can be known at once: a parameter out of range, and when the model is in memory also a prompt that does not
    /// fit or a full queue.
    pub async fn begin(
        state: State,
        model: ModelStatus,
        request: impl FnOnce(&Lease) -> Result<TurnRequest, ApiError> + Send + 'static,
    ) -> Result<Self, ApiError> {
        // What begins late runs with the stream, which no longer knows who asked.
        let meter = Caller::current().meter();
        let mut starting = async move { begin_for(meter, &state, &model, request).await }.boxed();
        Ok(Self(match timeout(PATIENCE, &mut starting).await {
            Ok(running) => Stage::Running(Box::new(running?)),
            Err(_) => Stage::Starting(starting),
        }))
    }

    /// How many messages were left out of its dialogue; `None` where that is not known yet.
    pub fn dropped_messages(&self) -> Option<u32> {
        match &self.0 {
            Stage::Running(running) => Some(running.turn.dropped_messages()),
            Stage::Starting(_) | Stage::Over => None,
        }
    }

    /// The next event; `None` after the last one. An error, which is the last, is the turn's own
    /// ([`TurnEvent::Failed`] never comes) or that of its beginning. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Result<TurnEvent, ApiError>> {
        loop {
            let event = match &mut self.0 {
                Stage::Over => return None,
                Stage::Starting(starting) => match starting.await {
                    Ok(running) => {
                        self.0 = Stage::Running(Box::new(running));
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Stage::Running(running) => match running.turn.next().await {
                    Some(TurnEvent::Failed(error)) => Err(error.into()),
                    Some(event) => Ok(event),
                    None => Err(unfinished()),
                },
            };
            if matches!(event, Err(_) | Ok(TurnEvent::End { .. })) {
                self.0 = Stage::Over;
            }
            return Some(event);
        }
    }
}
