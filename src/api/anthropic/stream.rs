//! The events of a turn as frames of a message stream.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::{
    answer_types::MessagesEvent,
    blocks::{Blocks, Frame},
    errors::MessagesError,
};
use crate::{error::ApiError, http::sse, translated::TurnEvents};

/// The frames of an answer. Dropping the stream cancels the turn.
pub(crate) fn frames(events: TurnEvents, frame: Frame) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((Some(events), Blocks::new(frame)), |(mut events, mut blocks)| async move {
        loop {
            if let Some(event) = blocks.pop() {
                return Some((written(&event), (events, blocks)));
            }
            match events.as_mut()?.next().await? {
                Ok(event) => blocks.push(event),
                Err(error) => return Some((written(&failure(&error)), (None, blocks))),
            }
        }
    })
}

/// What a silent stream says.
pub(crate) fn ping() -> Bytes {
    written(&MessagesEvent::new("ping"))
}

fn written(event: &MessagesEvent) -> Bytes {
    sse::named(&event.kind, event)
}

fn failure(error: &ApiError) -> MessagesEvent {
    let error = MessagesError::new(error.status, &error.body().error, None).error;
    MessagesEvent { error: Some(error), ..MessagesEvent::new("error") }
}
