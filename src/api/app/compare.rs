//! `/api/compare`: comparisons of models and quantizations.

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::Body;
use poem_openapi::{
    ApiResponse, Enum, OpenApi,
    param::{Header, Path, Query},
};
use serde_json::json;
use tern_compare::{Change, CompareEvent, export, log::Reader};

use super::{
    compare_results::{CompareStreamEvent, Comparison, ComparisonList},
    compare_types::{CompareRequest, ComparisonChange, RerunRequest, StopRequest},
    conversations::{Deleted, limit},
};
use crate::{
    error::ErrorReply,
    http::{
        body::{ApiBody, ApiJson},
        download::Download,
        shown::Shown,
        sse::{self, EventStream},
    },
    ids,
    keys::Caller,
    routes::ApiTags,
    state::{State, beside},
};

/// A format of exports.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ComparisonFormat {
    /// Everything, as `GET /api/compare/{id}` has it.
    Json,
    /// A row a cell, for spreadsheets. A text that would be a formula begins with an apostrophe.
    Csv,
    /// A table and every answer, to be read.
    Markdown,
}

/// An id to try the description with.
fn a_comparison() -> String {
    "cmp_0123456789abcdef01234567".into()
}

#[derive(ApiResponse)]
pub(crate) enum CompareSse {
    /// The events of the comparison. Each has its number as `id`; the last is followed by `data: [DONE]`.
    #[oai(status = 200)]
    Ok(EventStream<CompareStreamEvent>),
}

impl CompareSse {
    fn new(reader: Reader<CompareEvent>) -> Self {
        Self::Ok(EventStream::new(frames(reader)))
    }
}

/// Events as frames. Dropping them leaves the comparison alone.
fn frames(reader: Reader<CompareEvent>) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            // Who joins behind the end has seen it.
            None => Some((sse::done(), None)),
            Some((seq, event)) => {
                let last = matches!(event, CompareEvent::End { .. });
                let mut frame = sse::numbered(seq, &event);
                if last {
                    frame = [frame, sse::done()].concat().into();
                }
                Some((frame, (!last).then_some(reader)))
            }
        }
    })
}

type OneComparison = ApiJson<Shown<Comparison>>;

pub(crate) struct CompareApi(pub State);

#[OpenApi(prefix_path = "/api/compare", tag = "ApiTags::Compare")]
impl CompareApi {
    /// Compare models
    ///
    /// Puts the same messages to every column, each model with its own template, and follows what comes of it. One cell
    /// at a time and one comparison at a time (unless `concurrent`); nothing else is done while a cell is timed. The
    /// comparison goes on, and is kept, also when the connection ends: join it again with `GET .../events`, end it with
    /// `POST .../stop`. A column whose model does not exist or does not fit fails with the reason, and the others go
    /// on.
    #[oai(path = "/", method = "post", operation_id = "compareModels")]
    async fn compare(&self, request: ApiBody<CompareRequest>) -> Result<CompareSse, ErrorReply> {
        Caller::current().check_unlimited("comparisons")?;
        let reader = self.0.comparisons.start(ids::new("cmp_"), request.0.try_into()?).await?;
        Ok(CompareSse::new(reader))
    }

    /// List comparisons
    ///
    /// Newest first, without results.
    #[oai(path = "/", method = "get", operation_id = "listComparisons")]
    async fn list(
        &self,
        /// At most this many, 1 to 1000. Default 50.
        #[oai(name = "limit")]
        most: Query<Option<u32>>,
        /// Go on behind this id of the page before.
        before: Query<Option<String>>,
    ) -> Result<ApiJson<Shown<ComparisonList>>, ErrorReply> {
        let (comparisons, most) = (self.0.comparisons.clone(), limit(most.0, 50)?);
        let page = beside(move || Ok(comparisons.list(before.0.as_deref(), most)?)).await?;
        let list = json!({"object": "list", "data": page.data, "has_more": page.has_more, "total": page.total});
        Ok(ApiJson(Shown::new(&list)))
    }

    /// Get a comparison
    ///
    /// As it is now, also while it runs.
    #[oai(path = "/:id", method = "get", operation_id = "getComparison")]
    async fn get(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
    ) -> Result<OneComparison, ErrorReply> {
        let comparisons = self.0.comparisons.clone();
        Ok(shown(&beside(move || Ok(comparisons.get(&id.0)?)).await?))
    }

    /// Change title, votes or notes
    #[oai(path = "/:id", method = "patch", operation_id = "changeComparison")]
    async fn change(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
        request: ApiBody<ComparisonChange>,
    ) -> Result<OneComparison, ErrorReply> {
        let comparisons = self.0.comparisons.clone();
        let change = Change { title: request.0.title, judgement: request.0.judgement.map(Into::into) };
        Ok(shown(&beside(move || Ok(comparisons.change(&id.0, change)?)).await?))
    }

    /// Delete a comparison
    ///
    /// One that runs is stopped.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteComparison")]
    async fn delete(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
    ) -> Result<ApiJson<Deleted>, ErrorReply> {
        let comparisons = self.0.comparisons.clone();
        beside(move || Ok(comparisons.delete(&id.0)?)).await?;
        Ok(ApiJson(Deleted { deleted: 1 }))
    }

    /// Stop a comparison, or one of its columns
    ///
    /// What was said so far is kept. One that has ended stays as it is.
    #[oai(path = "/:id/stop", method = "post", operation_id = "stopComparison")]
    async fn stop(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
        request: ApiBody<StopRequest>,
    ) -> Result<OneComparison, ErrorReply> {
        let (comparisons, column) = (self.0.comparisons.clone(), request.0.column.map(|column| column as usize));
        Ok(shown(&beside(move || Ok(comparisons.stop(&id.0, column)?)).await?))
    }

    /// Run a cell again
    ///
    /// All its repetitions; the new results replace the old ones. Follows it as `POST /api/compare` does.
    #[oai(path = "/:id/rerun", method = "post", operation_id = "rerunCell")]
    async fn rerun(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
        request: ApiBody<RerunRequest>,
    ) -> Result<CompareSse, ErrorReply> {
        Caller::current().check_unlimited("comparisons")?;
        let (prompt, column) = (request.0.prompt as usize, request.0.column as usize);
        Ok(CompareSse::new(self.0.comparisons.rerun(&id.0, prompt, column).await?))
    }

    /// Follow a comparison
    ///
    /// From the beginning, or from behind the event `after` (or `Last-Event-ID`): what came meanwhile is given first,
    /// of a cell that has ended its result only. Of a comparison that ended more than ten minutes ago there are its
    /// beginning and its end.
    #[oai(path = "/:id/events", method = "get", operation_id = "followComparison")]
    async fn events(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
        /// Number of the last event that was seen. Default 0: none.
        after: Query<Option<u64>>,
        /// The same, as browsers send it.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<u64>>,
    ) -> Result<CompareSse, ErrorReply> {
        let (comparisons, after) = (self.0.comparisons.clone(), last_event_id.0.or(after.0).unwrap_or(0));
        Ok(CompareSse::new(beside(move || Ok(comparisons.events(&id.0, after)?)).await?))
    }

    /// Export a comparison
    #[oai(path = "/:id/export", method = "get", operation_id = "exportComparison")]
    async fn export(
        &self,
        /// Its id.
        #[oai(example = "a_comparison")]
        id: Path<String>,
        /// Default `json`.
        format: Query<Option<ComparisonFormat>>,
    ) -> Result<Download, ErrorReply> {
        let (format, kind, ending) = match format.0.unwrap_or(ComparisonFormat::Json) {
            ComparisonFormat::Json => (export::Format::Json, "application/json", "json"),
            ComparisonFormat::Csv => (export::Format::Csv, "text/csv; charset=utf-8", "csv"),
            ComparisonFormat::Markdown => (export::Format::Markdown, "text/markdown; charset=utf-8", "md"),
        };
        let comparisons = self.0.comparisons.clone();
        let written = beside(move || {
            let comparison = comparisons.get(&id.0)?;
            Ok((export::write(&comparison, format)?, comparison.title))
        });
        let (text, title) = written.await?;
        Ok(Download { kind, name: format!("{title}.{ending}"), body: Body::from(text) })
    }
}

fn shown(comparison: &tern_store::Comparison) -> OneComparison {
    ApiJson(Shown::new(comparison))
}
