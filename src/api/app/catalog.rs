//! `GET /api/catalog`: models known by name, to be pulled.

use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use crate::{error::ErrorReply, http::body::ApiJson, routes::ApiTags, state::State};

/// Models known by name.
#[derive(Debug, Object, Serialize)]
pub struct CatalogList {
    /// One entry a model.
    pub data: Vec<CatalogEntry>,
}

/// A model known by name.
#[derive(Debug, Object, Serialize)]
pub struct CatalogEntry {
    /// Short name.
    pub name: String,
    /// Full name.
    pub title: String,
    /// Number of weights, as people say it.
    pub parameters: String,
    /// Licence.
    pub license: String,
    /// What can be pulled.
    pub files: Vec<CatalogFile>,
}

/// A file that can be pulled.
#[derive(Debug, Object, Serialize)]
pub struct CatalogFile {
    /// Id the model will have.
    pub id: String,
    /// Kind of weights.
    pub quantization: String,
    /// Repository on the hub.
    pub repository: String,
    /// File in it.
    pub file: String,
    /// Its size, where known; the hub's own figure counts when it is pulled.
    #[oai(nullable)]
    pub bytes: Option<u64>,
    /// Engine that runs it.
    pub engine: String,
    /// Whether it is on disk.
    pub on_disk: bool,
}

pub(crate) struct CatalogApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Models")]
impl CatalogApi {
    /// List models known by name
    ///
    /// What `POST /api/models/pull` can fetch by a short name. Asks nobody: the list is built in.
    #[oai(path = "/catalog", method = "get", operation_id = "listCatalog")]
    async fn list(&self) -> Result<ApiJson<CatalogList>, ErrorReply> {
        let catalog = self.0.registry.catalog().clone();
        let local = tokio::task::spawn_blocking({
            let catalog = catalog.clone();
            move || catalog.local()
        });
        let local = local.await.unwrap_or_default();
        let file = |entry: &tern_catalog::Entry, quant: &tern_catalog::Quant| {
            let id = entry.id(quant);
            let on_disk = local.iter().any(|model| model.id == id);
            CatalogFile {
                id,
                quantization: quant.name.into(),
                repository: quant.repo.into(),
                file: quant.file.into(),
                bytes: quant.bytes,
                engine: quant.engine.into(),
                on_disk,
            }
        };
        let entry = |entry: &tern_catalog::Entry| CatalogEntry {
            name: entry.name.into(),
            title: entry.title.into(),
            parameters: entry.parameters.into(),
            license: entry.license.into(),
            files: entry.quants.iter().map(|quant| file(entry, quant)).collect(),
        };
        Ok(ApiJson(CatalogList { data: catalog.entries().iter().map(entry).collect() }))
    }
}
