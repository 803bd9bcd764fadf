//! The factory: folders into models.

use std::path::Path;

use tern_engine::{Cost, Engine, EngineBuild, EngineError, LoadOptions, LoadedModel, ModelInfo, ModelSource, Progress};

use crate::{
    family::{Family, families},
    source::Source,
    text::{Text, gguf},
    threads,
};

/// Runs Hugging Face folders.
#[derive(Debug, Clone, Copy, Default)]
pub struct CandleEngine;

impl Engine for CandleEngine {
    fn name(&self) -> &'static str {
        "candle"
    }

    fn build(&self) -> EngineBuild {
        let mut accelerators = Vec::new();
        if cfg!(feature = "cuda") {
            accelerators.push("cuda".into());
        }
        if cfg!(feature = "metal") {
            accelerators.push("metal".into());
        }
        EngineBuild { version: "candle 0.11".into(), cpu_features: Vec::new(), chosen_at_start: true, accelerators }
    }

    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError> {
        if let Some(path) = gguf_file(source) {
            return gguf::inspect(path);
        }
        let source = Source::open(folder(source)?)?;
        family(&source)?.inspect(&source)
    }

    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost {
        let family = families().iter().find(|family| family.architectures().contains(&info.architecture.as_str()));
        // A ternary GGUF file has an architecture by its own name.
        family.copied().unwrap_or(&Text).estimate(info, options)
    }

    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        threads::start(options.threads);
        if let Some(path) = gguf_file(source) {
            return gguf::load(path, options, progress);
        }
        let source = Source::open(folder(source)?)?;
        family(&source)?.load(&source, options, progress)
    }
}

/// A file, which may be a ternary model.
fn gguf_file(source: &ModelSource) -> Option<&Path> {
    match source {
        ModelSource::Path(path) if path.is_file() => Some(path),
        _ => None,
    }
}

fn folder(source: &ModelSource) -> Result<&Path, EngineError> {
    match source {
        ModelSource::Path(path) if path.is_dir() => Ok(path),
        _ => Err(EngineError::Unsupported {
            path: source.label(),
            message: "the candle engine runs folders with config.json and safetensors".into(),
        }),
    }
}

/// Who computes it.
fn family(source: &Source) -> Result<&'static dyn Family, EngineError> {
    families().iter().copied().find(|family| family.reads(&source.config)).ok_or_else(|| {
        let known: Vec<_> = families().iter().flat_map(|family| family.architectures()).copied().collect();
        let found = tern_folder::shown(source.config.at("architectures"));
        let message = format!("architectures {found} is none of those supported: {}", known.join(", "));
        EngineError::Unsupported { path: source.path.clone(), message }
    })
}
