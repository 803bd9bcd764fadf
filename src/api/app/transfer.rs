//! Conversations as files, and files as conversations; attachments.

use bytes::Bytes;
use futures_util::stream;
use poem::Body;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;
use serde_json::Value;
use tern_conversations::export::Format;
use tern_store::{ConversationStore, StoreError};
use tokio::sync::mpsc;

use super::conversations::an_id;
use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiDocument, ApiJson},
        download::{self, Download},
    },
    routes::ApiTags,
    state::State,
};

/// Pieces of an export that wait for a slow reader.
const WAITING: usize = 8;

/// A format of exports.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    /// Everything, to be imported again.
    Json,
    /// The branch that is shown, as Markdown.
    Markdown,
    /// The branch that is shown, as plain text.
    Text,
}

/// What came of an import.
#[derive(Debug, Object, Serialize)]
pub struct ImportResult {
    /// Ids of the conversations that are here now.
    pub imported: Vec<String>,
    /// Those of the file that are not.
    pub skipped: Vec<SkippedConversation>,
}

/// A conversation of the file that was not taken.
#[derive(Debug, Object, Serialize)]
pub struct SkippedConversation {
    /// Its place in the file, from 0.
    pub index: u64,
    /// Why.
    pub reason: String,
}

/// An id to try the description with.
fn a_file() -> String {
    "file_0123456789abcdef01234567".into()
}

pub(crate) struct TransferApi(pub State);

#[OpenApi(prefix_path = "/api/conversations", tag = "ApiTags::Conversations")]
impl TransferApi {
    /// Export all conversations
    #[oai(path = "/export", method = "get", operation_id = "exportConversations")]
    async fn export_all(
        &self,
        /// Default `json`.
        format: Query<Option<ExportFormat>>,
    ) -> Result<Download, ErrorReply> {
        Ok(self.export(None, format.0, "conversations").await?)
    }

    /// Export a conversation
    #[oai(path = "/:id/export", method = "get", operation_id = "exportConversation")]
    async fn export_one(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// Default `json`.
        format: Query<Option<ExportFormat>>,
    ) -> Result<Download, ErrorReply> {
        let wanted = id.0.clone();
        let conversation = self.0.conversations.with_store(move |store| Ok(store.conversation(&wanted)?)).await?;
        let name = if conversation.title.is_empty() { "conversation".to_owned() } else { conversation.title };
        Ok(self.export(Some(id.0), format.0, &name).await?)
    }

    /// Import conversations
    ///
    /// Takes an export of this server (JSON), of ChatGPT (`conversations.json`) or of Open WebUI; which it is, is seen
    /// by its shape. What is here already is imported again, under new ids. A file may have 256 MiB, also where the
    /// server takes smaller bodies only.
    #[oai(path = "/import", method = "post", operation_id = "importConversations")]
    async fn import(&self, document: ApiDocument) -> Result<ApiJson<ImportResult>, ErrorReply> {
        let import = self.0.conversations.import(document.text).await?;
        let skipped = import.skipped.into_iter();
        let skipped = skipped.map(|s| SkippedConversation { index: s.index as u64, reason: s.reason });
        Ok(ApiJson(ImportResult { imported: import.imported, skipped: skipped.collect() }))
    }

    /// Fetch a file of a message
    #[oai(path = "/:id/attachments/:file", method = "get", operation_id = "fetchAttachment")]
    async fn attachment(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The file.
        #[oai(example = "a_file")]
        file: Path<String>,
    ) -> Result<Download, ErrorReply> {
        let find = move |store: &dyn ConversationStore| {
            let messages = store.messages(&id.0)?;
            let mut files = messages.into_iter().flat_map(|message| message.attachments);
            let found = files.find(|found| found.id == file.0);
            let found = found.ok_or_else(|| StoreError::NotFound { what: "attachment", id: file.0.clone() })?;
            Ok((store.attachment(&id.0, &found.id)?, found))
        };
        let (bytes, file) = self.0.conversations.with_store(find).await?;
        Ok(Download { kind: download::kind_of(&file.media_type), name: file.name, body: Body::from(bytes) })
    }
}

impl TransferApi {
    /// Writes piece by piece, as fast as the reader reads: an export may be larger than memory.
    async fn export(
        &self,
        one: Option<String>,
        format: Option<ExportFormat>,
        name: &str,
    ) -> Result<Download, ApiError> {
        let (format, kind) = match format {
            None | Some(ExportFormat::Json) => (Format::Json, "application/json"),
            Some(ExportFormat::Markdown) => (Format::Markdown, "text/markdown; charset=utf-8"),
            Some(ExportFormat::Text) => (Format::Text, "text/plain; charset=utf-8"),
        };
        let (sender, mut receiver) = mpsc::channel::<Result<Bytes, StoreError>>(WAITING);
        let conversations = self.0.conversations.clone();
        tokio::task::spawn_blocking(move || {
            let mut write = |piece: String| sender.blocking_send(Ok(piece.into())).is_ok();
            if let Err(error) = conversations.export(one.as_deref(), format, &mut write) {
                tracing::warn!("an export breaks off: {error}");
                let _ = sender.blocking_send(Err(error));
            }
        });
        // An error before the first piece is still a plain error.
        let first = match receiver.recv().await {
            None => Bytes::new(),
            Some(first) => first?,
        };
        let rest = stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?.map_err(|error| std::io::Error::other(error.to_string()));
            Some((piece, receiver))
        });
        let pieces = futures_util::StreamExt::chain(stream::once(async { Ok(first) }), rest);
        let name = format!("{name}.{}", format.ending());
        Ok(Download { kind, name, body: Body::from_bytes_stream(pieces) })
    }
}

/// Any JSON, for the description of a file.
pub(crate) fn an_export() -> Value {
    serde_json::json!({
        "format": "tern-conversations",
        "version": 1,
        "conversations": [{
            "title": "Two and two",
            "tree": [
                {"id": "1", "role": "user", "content": "What is two and two?"},
                {"id": "2", "parent": "1", "role": "assistant", "content": "Four."},
            ],
        }],
    })
}
