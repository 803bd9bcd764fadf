//! `POST /api/models/pull`: downloads with progress.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use tern_catalog::{Cancel, Progress, PullError, Reference};
use tern_registry::Registry;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::ApiBody,
        sse::{self, EventStream},
    },
    routes::ApiTags,
    state::State,
};

/// Between two progress events.
const EVERY: Duration = Duration::from_millis(250);

/// What to fetch.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct PullRequest {
    /// A name of the catalogue (`qwen2.5-0.5b`, `qwen2.5-0.5b:q8_0`), a file on the hub (`org/repo:file.gguf`), or a
    /// repository with safetensors (`org/repo`).
    #[oai(nullable)]
    pub model: Option<String>,
}

impl poem_openapi::types::Example for PullRequest {
    fn example() -> Self {
        Self { model: Some("qwen2.5-0.5b".into()) }
    }
}

/// How far a download is; the last event has `status: "done"` and the id of the model.
#[derive(Debug, Clone, PartialEq, Object, Serialize)]
pub struct PullEvent {
    /// `checking`, `downloading`, `verifying` or `done`.
    pub status: String,
    /// The file being fetched.
    pub file: String,
    /// Bytes on disk.
    pub bytes_done: u64,
    /// Bytes in all; 0 until the hub has been asked.
    pub bytes_total: u64,
    /// Of the bytes on disk, those that an earlier attempt left.
    pub resumed_from: u64,
    /// Id the model has now; with `done` only.
    #[oai(nullable)]
    pub model: Option<String>,
}

pub(crate) struct PullApi(pub State);

#[OpenApi(prefix_path = "/api/models", tag = "ApiTags::Models")]
impl PullApi {
    /// Download a model
    ///
    /// Progress arrives as server-sent events that end with the literal `data: [DONE]`. Closing the connection stops
    /// the download; the same request later goes on from there.
    #[oai(path = "/pull", method = "post", operation_id = "pullModel")]
    async fn pull(&self, request: ApiBody<PullRequest>) -> Result<Sse, ErrorReply> {
        let name = request.0.model.ok_or_else(|| ApiError::invalid("model", "model is missing"))?;
        let reference: Reference = name
            .parse()
            .map_err(|error: tern_catalog::ReferenceError| ApiError::invalid("model", error.to_string()))?;
        if let tern_catalog::Resolution::Unknown { near } = self.0.registry.catalog().resolve(&name) {
            return Err(ApiError::from(PullError::UnknownName { name, near }).into());
        }
        Ok(Sse::Ok(EventStream::new(frames(self.0.registry.clone(), reference))))
    }
}

#[derive(poem_openapi::ApiResponse)]
pub(crate) enum Sse {
    /// Progress.
    #[oai(status = 200)]
    Ok(EventStream<PullEvent>),
}

/// What the downloading task says.
enum News {
    Progress(Progress),
    Over(Result<std::path::PathBuf, PullError>),
}

/// Stops the download when the client goes away.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A step of a download; the last one is `Done` or `Failed`.
pub(crate) enum PullStep {
    /// Bytes have come, or another stage has begun.
    Progress(Progress),
    /// It is there, under this id.
    Done { last: Option<Progress>, model: String },
    /// It is not.
    Failed(PullError),
}

/// The steps of a download, a few a second at most. Dropping the stream stops it.
pub(crate) fn steps(registry: Registry, reference: Reference) -> impl Stream<Item = PullStep> + Send + 'static {
    let (sender, receiver) = unbounded_channel();
    let cancel = Cancel::default();
    let guard = CancelOnDrop(cancel.clone());
    let catalog = registry.catalog().clone();
    tokio::spawn(async move {
        let report = sender.clone();
        let on = move |progress: &Progress| drop(report.send(News::Progress(progress.clone())));
        let result = catalog.pull(&reference, &on, &cancel).await;
        let _ = sender.send(News::Over(result));
    });
    let state = Some((receiver, registry, guard, None));
    stream::unfold(state, |state| async move {
        let (mut receiver, registry, guard, last) = state?;
        match next(&mut receiver, last).await? {
            Ok(progress) => {
                Some((PullStep::Progress(progress.clone()), Some((receiver, registry, guard, Some(progress)))))
            }
            Err((last, Ok(path))) => {
                let file = path.clone();
                // Reads the folders.
                let id = tokio::task::spawn_blocking(move || registry.id_of_file(&file)).await.unwrap_or_default();
                // A file no engine of this build can run is on disk all the same.
                let model = id.unwrap_or_else(|| path.display().to_string());
                Some((PullStep::Done { last, model }, None))
            }
            Err((_, Err(error))) => Some((PullStep::Failed(error), None)),
        }
    })
}

fn frames(registry: Registry, reference: Reference) -> impl Stream<Item = Bytes> + Send + 'static {
    let frames = |step| match step {
        PullStep::Progress(progress) => vec![sse::data(&event(&progress, None))],
        PullStep::Done { last, model } => {
            let done = |progress| sse::data(&PullEvent { status: "done".into(), ..event(&progress, Some(model)) });
            last.map(done).into_iter().chain([sse::done()]).collect()
        }
        PullStep::Failed(error) => vec![sse::failure(&error.into())],
    };
    steps(registry, reference).flat_map(move |step| stream::iter(frames(step)))
}

/// The newest progress (older ones are skipped) after a short pause, or the end.
async fn next(
    receiver: &mut UnboundedReceiver<News>,
    mut last: Option<Progress>,
) -> Option<Result<Progress, (Option<Progress>, Result<std::path::PathBuf, PullError>)>> {
    if last.is_some() {
        tokio::time::sleep(EVERY).await;
    }
    let mut fresh = None;
    loop {
        let news = match fresh {
            // Something new is at hand: only drain what has come meanwhile.
            Some(progress) => match receiver.try_recv() {
                Ok(news) => news,
                Err(_) => return Some(Ok(progress)),
            },
            None => receiver.recv().await?,
        };
        match news {
            News::Progress(progress) => {
                last = Some(progress.clone());
                fresh = Some(progress);
            }
            News::Over(result) => return Some(Err((last, result))),
        }
    }
}

fn event(progress: &Progress, model: Option<String>) -> PullEvent {
    let status = serde_json::to_value(progress.stage).ok().and_then(|v| v.as_str().map(ToOwned::to_owned));
    PullEvent {
        status: status.unwrap_or_default(),
        file: progress.file.clone(),
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total,
        resumed_from: progress.resumed_from,
        model,
    }
}
