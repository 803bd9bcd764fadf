//! The catalogue: one door to the table, the disk and the hub.

use std::{fmt, path::PathBuf, sync::Arc};

use serde::Serialize;
use tern_gguf::Header;

use crate::{
    Cancel, Entry, HubFile, LocalModel, OnProgress, PullError, Reference,
    hub::{self, Hub},
    local::Scanner,
    reference::MAIN,
    split, table,
};

/// Where models are looked for.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// Any `.gguf` file in it (or up to two folders down) is a model.
    pub models_dir: PathBuf,
    /// The hub and its cache.
    pub hub: hub::Settings,
    /// Files named by the user: id and path.
    pub extra: Vec<(String, PathBuf)>,
}

/// Which models exist. Cheap to clone; clones share downloads under way.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    scanner: Scanner,
    hub: Hub,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is on disk.
    Local {
        /// The file.
        model: LocalModel,
        /// The engine that the name asks for, if it does.
        engine: Option<String>,
    },
    /// It is known, and a pull would fetch it.
    NotOnDisk {
        /// The explicit id it will have.
        id: String,
        /// The file on the hub; of a split model, its first part.
        file: HubFile,
        /// Its size, if the table has it.
        bytes: Option<u64>,
    },
    /// Nothing is known by it.
    Unknown {
        /// Names that may have been meant, likeliest first.
        near: Vec<String>,
    },
}

/// What the hub says about a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteInfo {
    /// The file; of a split model, its first part.
    pub file: HubFile,
    /// Its files: one, or all parts of a split model, and the projector of one that sees.
    pub parts: Vec<String>,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("scanner", &self.0.scanner).field("hub", self.hub_settings()).finish()
    }
}

impl Catalog {
    /// A catalogue. Reads nothing and connects to nothing yet.
    pub fn new(config: CatalogConfig) -> Self {
        let scanner = Scanner::new(config.models_dir, config.hub.cache_dir.clone(), config.extra);
        Self(Arc::new(Inner { scanner, hub: Hub::new(config.hub) }))
    }

    /// What is on disk now, in a stable order. Blocks for folder listings; opens no file.
    pub fn local(&self) -> Vec<LocalModel> {
        self.0.scanner.scan()
    }

    /// The built-in table.
    pub fn entries(&self) -> &'static [Entry] {
        table::entries()
    }

    /// The hub and cache in use.
    pub fn hub_settings(&self) -> &hub::Settings {
        self.0.hub.settings()
    }

    /// What a name means: an id or alias of a file on disk, with or without `@ENGINE`, a row of the table, or a file
    /// on the hub. A row whose default quantization is not on disk is not on disk, also when another one is: a name
    /// means one file.
    pub fn resolve(&self, name: &str) -> Resolution {
        let mut local = self.local();
        let mut take = |name: &str| {
            let at = local.iter().position(|model| model.id == name || model.aliases.iter().any(|a| a == name));
            at.map(|at| local.swap_remove(at))
        };
        let reference = name.parse().ok();
        // Names of the table are not case-sensitive; what is printed is their lower-case form.
        let spelled = match &reference {
            Some(reference @ Reference::Name { .. }) => reference.to_string(),
            _ => name.to_owned(),
        };
        if let Some(model) = take(name).or_else(|| take(&spelled)) {
            return Resolution::Local { model, engine: None };
        }
        let known = match &reference {
            Some(Reference::Name { name, quant, engine }) => {
                let row = table::find(name, quant.as_deref(), engine.as_deref());
                row.map(|(entry, quant)| (entry.id(quant), hub_file(quant), quant.bytes))
            }
            Some(Reference::File(file)) => Some((file.to_string(), file.clone(), None)),
            None => None,
        };
        // A file that is no row of the table may still be asked for with an engine, and a row under another name.
        if let Some(model) = known.as_ref().and_then(|(id, ..)| take(id)) {
            return Resolution::Local { model, engine: None };
        }
        if let Some((stem, engine)) = name.rsplit_once('@').filter(|(_, engine)| !engine.contains(['/', ':']))
            && let Some(model) = take(stem).filter(|model| table::find_id(&model.id).is_none())
        {
            return Resolution::Local { model, engine: Some(engine.to_owned()) };
        }
        match known {
            Some((id, file, bytes)) => Resolution::NotOnDisk { id, file, bytes },
            None => Resolution::Unknown { near: table::near(name) },
        }
    }

    /// Fetches a model (all parts of a split one, and before it the projector of one that sees), unless it is on disk
    /// already. Returns its path; of a split model, that of the first part.
    ///
    /// Two pulls of one file, in this process or another, transfer it once. Dropping the future stops it as `cancel`
    /// does; what was received stays, and the next pull goes on from there.
    ///
    /// # Errors
    /// See [`PullError`]. The state on disk is sound after each of them.
    pub async fn pull(&self, reference: &Reference, on: OnProgress<'_>, cancel: &Cancel) -> Result<PathBuf, PullError> {
        // Who sees the model sees all that belongs to it.
        let before = companions(reference, &files(reference)?[0]);
        let all: Vec<_> = before.iter().cloned().chain(files(reference)?).collect();
        let paths = self.0.hub.download(&all, on, cancel).await?;
        Ok(paths.into_iter().nth(before.len()).expect("a model has a file; otherwise a bug"))
    }

    /// Asks the hub what a model consists of, without fetching it.
    ///
    /// # Errors
    /// See [`PullError`].
    pub async fn remote_info(&self, reference: &Reference) -> Result<RemoteInfo, PullError> {
        let mut files = files(reference)?;
        files.extend(companions(reference, &files[0]));
        let mut bytes = 0;
        for file in &files {
            bytes += self.0.hub.size(file).await?;
        }
        let parts = files.iter().map(|file| file.file().to_owned()).collect();
        Ok(RemoteInfo { file: files[0].clone(), parts, bytes })
    }

    /// Reads a model's header from the hub, without fetching its weights: a few MiB by ranged requests. With it, what
    /// the model would take in memory can be told before it is downloaded.
    ///
    /// # Errors
    /// See [`PullError`]; `Header` when it is no GGUF file.
    pub async fn remote_header(&self, reference: &Reference) -> Result<Header, PullError> {
        self.0.hub.header(&files(reference)?[0]).await
    }
}

/// The files a reference means: one, or all parts of a split model.
fn files(reference: &Reference) -> Result<Vec<HubFile>, PullError> {
    let file = match reference {
        Reference::File(file) => file.clone(),
        Reference::Name { name, quant, engine } => match table::find(name, quant.as_deref(), engine.as_deref()) {
            Some((_, quant)) => hub_file(quant),
            None => {
                let name = reference.to_string();
                return Err(PullError::UnknownName { near: table::near(&name), name });
            }
        },
    };
    Ok(split::all_parts(file.file()).into_iter().map(|part| file.sibling(part)).collect())
}

/// What comes with the model whose first file is `first`: of a row of the table, its companion.
fn companions(reference: &Reference, first: &HubFile) -> Vec<HubFile> {
    let row = match reference {
        Reference::Name { name, quant, engine } => table::find(name, quant.as_deref(), engine.as_deref()),
        Reference::File(file) => table::find_file(file.repo(), file.file()),
    };
    row.and_then(|(_, quant)| quant.companion)
        .map(|companion| first.sibling(companion.to_owned()))
        .into_iter()
        .collect()
}

fn hub_file(quant: &table::Quant) -> HubFile {
    HubFile::new(quant.repo, MAIN, quant.file).expect("the table's rows are tested; otherwise a bug")
}
