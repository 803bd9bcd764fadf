//! Streams of JSON, one value a line, as Ollama's clients read them.

use std::marker::PhantomData;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

use super::sse::KeepAlive;

/// One value and the end of its line.
pub(crate) fn line(value: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// A stream of lines that each have the schema of `T`.
pub struct JsonLines<T> {
    lines: BoxStream<'static, Bytes>,
    alive: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> JsonLines<T> {
    /// `alive` is a value that changes nothing: it is sent where the stream would otherwise be silent for long. (An
    /// empty line would do in a browser; the clients in Python take it for broken JSON.)
    pub(crate) fn new(lines: impl Stream<Item = Bytes> + Send + 'static, alive: &T) -> Self {
        Self { lines: lines.boxed(), alive: line(alive), of: PhantomData }
    }
}

impl<T: Type> Payload for JsonLines<T> {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for JsonLines<T> {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type("application/x-ndjson")
            .header("cache-control", "no-cache")
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(KeepAlive::new(self.lines, self.alive)))
    }
}
