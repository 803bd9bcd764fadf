//! A file's header, checked, and what the engine reads from it.

use std::path::{Path, PathBuf};

use tern_engine::{Capability, EngineError, ModelInfo};
use tern_gguf::{Header as Gguf, split, summary};

use crate::{
    check::{self, Problem},
    ffi::Pooling,
    projector::{self, Projector},
    rank::{self, Ranker},
};

/// What a model is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Purpose {
    /// Continues a text.
    Text,
    /// Gives a text a vector.
    Embedding {
        pooling: Pooling,
        /// Whether a token sees only those before it.
        causal: bool,
    },
    /// Says how well a text answers another.
    Rerank(Ranker),
}

/// A model on disk that llama.cpp may see.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) info: ModelInfo,
    pub(crate) purpose: Purpose,
    /// The vocabulary is WordPiece, which always adds its BOS and separator.
    pub(crate) wordpiece: bool,
    /// Tokens that sliding-window layers look back at, if the header says.
    pub(crate) window: Option<u32>,
    /// What llama.cpp is told to load: the first part of a split model.
    pub(crate) first_part: PathBuf,
    /// What lets it see.
    pub(crate) projector: Option<Projector>,
    first: Gguf,
}

impl Header {
    /// The checks that read the whole vocabulary; before loading.
    ///
    /// # Errors
    /// `InvalidModel` or `Unsupported`.
    pub(crate) fn check_vocabulary(&self) -> Result<(), EngineError> {
        check::vocabulary(&self.first).map_err(|problem| refuse(&self.first_part, problem))
    }
}

/// Reads and checks the header of the model at `path`, of all its parts if it is split, and that of its projector: the one
/// named, or one that lies beside it and fits. The projector's bytes count as the model's.
///
/// # Errors
/// `Io`, `InvalidModel` or `Unsupported`.
pub(crate) fn read(path: &Path, named: Option<&Path>) -> Result<Header, EngineError> {
    let part_paths = split::parts(path);
    if let Some(missing) = part_paths.iter().find(|part| part_paths.len() > 1 && !part.exists()) {
        return Err(EngineError::InvalidModel {
            path: path.into(),
            message: format!("the model has {} parts, and {} is missing", part_paths.len(), missing.display()),
        });
    }
    let mut parts = Vec::with_capacity(part_paths.len());
    for part in &part_paths {
        parts.push(Gguf::read(part).map_err(|error| error.about(part))?);
    }
    let expected = split::count(&parts[0]) as usize;
    if expected != parts.len() {
        return Err(EngineError::InvalidModel {
            path: path.into(),
            message: format!(
                "the header speaks of {expected} parts, the file's name of {}; parts are found by names that end in \
                 -00001-of-{expected:05}.gguf",
                parts.len()
            ),
        });
    }
    check::header(&parts).map_err(|problem| refuse(path, problem))?;
    let mut info = summary::model_info_of_parts(&parts).map_err(|error| error.about(path))?;
    let purpose = purpose(&parts, &info).map_err(|problem| refuse(path, problem))?;
    let first = parts.swap_remove(0);
    let key = |name: &str| format!("{}.{name}", info.architecture);
    let projector = match purpose {
        Purpose::Text => projector_of(path, named, info.hidden_size)?,
        Purpose::Embedding { .. } | Purpose::Rerank(_) => None,
    };
    if let Some(projector) = &projector {
        info.capabilities.push(Capability::Vision);
        info.weights_bytes = info.weights_bytes.saturating_add(projector.bytes);
    }
    Ok(Header {
        projector,
        purpose,
        wordpiece: first.str("tokenizer.ggml.model") == Some("bert"),
        window: first.u32(&key("attention.sliding_window")).filter(|&window| window > 0),
        first_part: part_paths[0].clone(),
        info,
        first,
    })
}

/// One that was named must be sound; one that only lies there and does not fit is left alone, and the log says why.
fn projector_of(path: &Path, named: Option<&Path>, hidden_size: u32) -> Result<Option<Projector>, EngineError> {
    if let Some(named) = named {
        return projector::read(named, hidden_size).map(Some);
    }
    let Some(found) = projector::beside(path) else { return Ok(None) };
    Ok(projector::read(&found, hidden_size)
        .inspect_err(|error| tracing::warn!(model = %path.display(), "without images: {error}"))
        .ok())
}

fn purpose(parts: &[Gguf], info: &ModelInfo) -> Result<Purpose, Problem> {
    let header = &parts[0];
    let key = |name: &str| format!("{}.{name}", info.architecture);
    // Architectures whose models keep no keys and values see a whole text at once.
    let keeps = info.kv_values_per_token > 0;
    let causal = keeps && header.bool(&key("attention.causal")).unwrap_or(true);
    if info.capabilities.contains(&Capability::Rerank) {
        return Ok(Purpose::Rerank(rank::read(parts, info, causal)?));
    }
    if !info.capabilities.contains(&Capability::Embedding) {
        return match info.capabilities[..] {
            [] => Err(Problem::Unsupported(format!("architecture {}: not a model", info.architecture))),
            _ => Ok(Purpose::Text),
        };
    }
    let pooling = match header.u32(&key("pooling_type")) {
        Some(2) => Pooling::Cls,
        Some(3) => Pooling::Last,
        // What sentence-transformers does with a model that says nothing.
        _ => Pooling::Mean,
    };
    Ok(Purpose::Embedding { pooling, causal })
}

fn refuse(path: &Path, problem: Problem) -> EngineError {
    match problem {
        Problem::Invalid(message) => EngineError::InvalidModel { path: path.into(), message },
        Problem::Unsupported(message) => EngineError::Unsupported { path: path.into(), message },
    }
}
