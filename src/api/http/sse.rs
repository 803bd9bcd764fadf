//! Tokens to server-sent events. One event is one write to the socket; while nothing else is sent, a comment goes
//! out every ten seconds, so that proxies and clients know that we live.

use std::{
    future::Future,
    io,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};

use crate::error::ApiError;

/// How long a stream may be silent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What a silent stream sends: a comment.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// `data: {json}`.
pub(crate) fn data(value: &impl Serialize) -> Bytes {
    let mut frame = Vec::with_capacity(256);
    frame.extend_from_slice(b"data: ");
    if let Err(error) = serde_json::to_writer(&mut frame, value) {
        return failure(&ApiError::new(500, "internal_error", error.to_string()));
    }
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

/// `event: NAME` and `data: {json}`, for clients that go by the name.
pub(crate) fn named(name: &str, value: &impl Serialize) -> Bytes {
    let mut frame = format!("event: {name}\n").into_bytes();
    frame.extend_from_slice(&data(value));
    frame.into()
}

/// `id: SEQ` and `data: {json}`: an event that a client can join behind.
pub(crate) fn numbered(seq: u64, value: &impl Serialize) -> Bytes {
    let mut frame = format!("id: {seq}\n").into_bytes();
    frame.extend_from_slice(&data(value));
    frame.into()
}

/// An error after the stream has begun: the last frame, in the shape of every other error.
pub(crate) fn failure(error: &ApiError) -> Bytes {
    let body = serde_json::to_string(&error.body()).unwrap_or_default();
    format!("data: {body}\n\n").into()
}

/// The literal that ends a stream.
pub(crate) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// A stream of frames whose data has the schema of `T`. Described as the schema of one event, as OpenAI's own
/// description does.
pub struct EventStream<T> {
    frames: BoxStream<'static, Bytes>,
    alive: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T> EventStream<T> {
    pub(crate) fn new(frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::alive_by(frames, Bytes::from_static(COMMENT))
    }

    /// With a sign of life of its own, where clients look for more than bytes.
    pub(crate) fn alive_by(frames: impl Stream<Item = Bytes> + Send + 'static, alive: Bytes) -> Self {
        Self { frames: frames.boxed(), alive, of: PhantomData }
    }
}

impl<T: Type> Payload for EventStream<T> {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for EventStream<T> {
    fn into_response(self) -> Response {
        let frames = KeepAlive::new(self.frames, self.alive);
        Response::builder()
            .content_type("text/event-stream")
            .header("cache-control", "no-cache")
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(frames))
    }
}

/// Adds signs of life to a silent stream. The timer starts anew with each frame.
pub(crate) struct KeepAlive {
    frames: BoxStream<'static, Bytes>,
    alive: Bytes,
    silence: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub fn new(frames: BoxStream<'static, Bytes>, alive: Bytes) -> Self {
        Self { frames, alive, silence: Box::pin(sleep(KEEP_ALIVE)) }
    }
}

impl Stream for KeepAlive {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let frame = match this.frames.poll_next_unpin(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(frame)) => frame,
            Poll::Pending => {
                if this.silence.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.alive.clone()
            }
        };
        this.silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
        Poll::Ready(Some(Ok(frame)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_sends_a_comment_every_ten_seconds() {
        let slow = stream::once(async {
            sleep(Duration::from_secs(25)).await;
            done()
        });
        let frames = KeepAlive::new(slow.boxed(), Bytes::from_static(COMMENT));
        let frames: Vec<_> = frames.map(|frame| frame.unwrap_or_default()).collect().await;
        let comment = Bytes::from_static(COMMENT);
        assert_eq!(frames, [comment.clone(), comment, done()]);
    }
}
