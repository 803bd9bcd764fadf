//! `GET /api/store`: where conversations are kept, and whether they are.

use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use crate::{error::ErrorReply, http::body::ApiJson, routes::ApiTags, state::State};

/// Where conversations are kept.
#[derive(Debug, Object, Serialize)]
pub struct StoreStatus {
    /// The file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Whether everything is saved.
    pub saved: bool,
    /// Why not: a full disk, say. What is not saved is kept in memory, and written when that is possible again.
    #[oai(nullable)]
    pub reason: Option<String>,
    /// Since when not, in milliseconds since 1970.
    #[oai(nullable)]
    pub since_ms: Option<u64>,
}

pub(crate) struct StoreApi(pub State);

#[OpenApi(prefix_path = "/api/store", tag = "ApiTags::Conversations")]
impl StoreApi {
    /// Whether conversations are being saved
    #[oai(path = "/", method = "get", operation_id = "storeStatus")]
    async fn status(&self) -> Result<ApiJson<StoreStatus>, ErrorReply> {
        let state = self.0.conversations.with_store(|store| Ok(store.state())).await?;
        let reason = state.failing.or(self.0.conversations.not_kept());
        Ok(ApiJson(StoreStatus {
            path: state.path,
            bytes: state.bytes,
            saved: reason.is_none(),
            reason,
            since_ms: state.failing_since_ms,
        }))
    }
}
