//! One file or folder a command, and what they share: how the catalogue and the registry are put together.

pub mod bench;
pub mod chat;
pub mod compare;
pub mod convert;
pub mod doctor;
pub mod inspect;
pub mod key;
pub mod models;
pub mod pull;
pub mod serve;

use std::path::{Path, PathBuf};

use tern_catalog::{Catalog, CatalogConfig, hub};
use tern_engine::{Engine, EngineError, ModelInfo, ModelSource};
use tern_registry::{Registry, engines};

use crate::{Error, builtin::Builtin, cli, config::Config};

/// The models of this machine, and the built-in one among them.
pub(crate) struct Models {
    /// Which are loaded.
    pub registry: Registry,
    /// A temporary one is deleted when this goes.
    _builtin: Builtin,
}

impl Models {
    /// Puts the built-in models on disk, and makes the catalogue and the registry. Must be called within the runtime.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let builtin =
            Builtin::place(&config.data_dir).map_err(Error::io("the built-in models cannot be put on disk"))?;
        // A file the user names so wins over a built-in model.
        let named_so = |id: &str| config.models.iter().any(|named| named.name == id);
        let mut extra: Vec<(String, PathBuf)> = builtin.files.iter().filter(|(id, _)| !named_so(id)).cloned().collect();
        extra.extend(config.models.iter().map(|named| (named.name.clone(), named.path.clone())));
        let hub = hub::Settings::from_env()?;
        let catalog = Catalog::new(CatalogConfig { models_dir: config.models_dir.clone(), hub, extra });
        Ok(Self { registry: Registry::new(catalog, config.registry.clone()), _builtin: builtin })
    }
}

/// A model that a command was given by id or by path.
pub(crate) struct Given {
    /// Its id, or its path as given.
    pub name: String,
    /// Where it is.
    pub source: ModelSource,
    /// What runs it.
    pub engine: &'static dyn Engine,
    /// What its header says.
    pub info: ModelInfo,
    /// Keeps temporary built-in models on disk.
    _models: Option<Models>,
}

impl Given {
    /// Finds the model that `text` names. Reads headers only.
    pub fn find(text: &str, config: &Config) -> Result<Self, Error> {
        if let Some(path) = cli::as_file(text) {
            let (engine, info) = inspect(&path)?;
            let source = ModelSource::Path(path);
            return Ok(Self { name: text.to_owned(), source, engine, info, _models: None });
        }
        let models = Models::open(config)?;
        let entry = models.registry.status(text)?.entry;
        let slot = engines().iter().find(|slot| slot.name == entry.engine);
        let engine = slot.ok_or_else(|| Error::Refused(format!("no engine \"{}\"", entry.engine)))?.engine()?;
        let source = models.registry.source(&entry, &mut |_| true)?;
        Ok(Self { name: entry.id, source, engine, info: entry.info, _models: Some(models) })
    }

    /// Its file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.source.path()
    }
}

/// Offers a file, or a folder, to every engine that reads such; the first that can run it takes it.
fn inspect(path: &Path) -> Result<(&'static dyn Engine, ModelInfo), Error> {
    // A missing file is no matter of engines.
    std::fs::metadata(path).map_err(Error::io(path.display().to_string()))?;
    let source = ModelSource::Path(path.to_owned());
    let mut refused = None;
    for slot in engines().iter().filter(|slot| slot.is_asked_about(&source)) {
        match slot.engine().and_then(|engine| Ok((engine, engine.inspect(&source)?))) {
            Ok(found) => return Ok(found),
            // A damaged file is the same to every engine, and its message the best there is.
            Err(error @ (EngineError::Io { .. } | EngineError::InvalidModel { .. })) => return Err(error.into()),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.map_or_else(|| Error::Refused("this build has no engine".to_owned()), Error::from))
}
