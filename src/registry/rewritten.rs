//! Ternary models for llama.cpp: it does not read I2_S, and reads TQ2_0, which has the same codes. So a model whose graph
//! it computes rightly is offered a second time, as `ID@llama`, and its file is rewritten once, losing nothing
//! (`tern_gguf::rewrite`), into a folder of the server. What llama.cpp computes with it still differs a little, since it
//! rounds activations in blocks of 256: that difference is what people compare.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use tern_engine::{EngineError, ModelSource};
use tern_gguf::{
    blocks::ternary::Order,
    rewrite::{RewriteError, Target, rewrite},
};

use crate::ModelEntry;

/// The name of the same weights at llama.cpp.
pub(crate) fn at_llama(name: &str) -> String {
    format!("{name}@llama")
}

/// The same weights at llama.cpp.
pub(crate) fn twin(entry: &ModelEntry) -> ModelEntry {
    let mut info = entry.info.clone();
    info.quantization = "TQ2_0".into();
    // 66 bytes for 256 weights instead of 64.
    info.weights_bytes += info.weights_bytes / 32;
    ModelEntry {
        id: at_llama(&entry.id),
        aliases: entry.aliases.iter().map(|alias| at_llama(alias)).collect(),
        engine: "llama",
        info,
        rewritten: true,
        ..entry.clone()
    }
}

/// The rewritten file of `source`, made now unless it is there. `order` is how the codes of `source` lie. Files in
/// `folder` of models that are in none of `known` any more, or have changed, are removed.
pub(crate) fn file(
    source: &ModelSource,
    order: Order,
    folder: Option<&Path>,
    known: impl Iterator<Item = ModelSource>,
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<PathBuf, EngineError> {
    let path = source.gguf_for("llama")?;
    let no_folder = || EngineError::Failed("no folder for rewritten models is set".into());
    let folder = folder.ok_or_else(no_folder)?;
    let failed = |source: io::Error| EngineError::Io { path: path.into(), source };
    let name = file_name(path, order).map_err(failed)?;
    let file = folder.join(&name);
    if file.is_file() {
        return Ok(file);
    }
    fs::create_dir_all(folder).map_err(|source| EngineError::Io { path: folder.into(), source })?;
    let keep: Vec<String> = known.filter_map(|source| file_name(source.path()?, order).ok()).collect();
    clear(folder, &keep);
    tracing::info!(model = %path.display(), to = %file.display(), "rewriting ternary weights as TQ2_0 for llama.cpp");
    let mut wanted = true;
    let mut report = |done: usize, all: usize| wanted &= progress(done as f32 / all.max(1) as f32);
    rewrite(path, &file, Target::Tq2_0, order, &mut report).map_err(|error| match error {
        RewriteError::Io { path, source, .. } => EngineError::Io { path, source },
        other => EngineError::Unsupported {
            path: path.into(),
            message: format!("cannot be rewritten as TQ2_0 for llama.cpp: {other}"),
        },
    })?;
    if wanted { Ok(file) } else { Err(EngineError::Cancelled) }
}

/// What the file of a model is called: another name when the model is another.
fn file_name(path: &Path, order: Order) -> io::Result<String> {
    let data = fs::metadata(path)?;
    let modified = data.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let whole = fs::canonicalize(path)?;
    let key = format!("{}\0{}\0{}\0{order:?}", whole.display(), data.len(), modified.as_nanos());
    let hash: String = Sha256::digest(key.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(format!("{stem}-{hash}.tq2_0.gguf"))
}

/// Removes rewritten files that no model needs.
fn clear(folder: &Path, keep: &[String]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".tq2_0.gguf") && !keep.contains(&name) {
            tracing::info!(file = %entry.path().display(), "its model is gone or has changed: removed");
            // A model in use has it mapped, and keeps it until it is unloaded.
            let _ = fs::remove_file(entry.path());
        }
    }
}
