//! The built-in model: its bytes are in the binary, and engines read files.
//!
//! On disk it is `DATA/builtin/tern-guide-<first 12 hex digits of its sha256>.gguf`, so that two versions of Tern on
//! one data folder do not overwrite each other's model.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};

/// Its model id.
pub const ID: &str = "tern-guide";
/// The file, byte for byte.
const BYTES: &[u8] = include_bytes!("../models/guide/tern-guide.gguf");
/// Of [`BYTES`], in hex; stamped by build.rs.
const SHA256: &str = env!("TERN_GUIDE_SHA256");

/// The built-in model on disk. A temporary file goes when this is dropped.
#[derive(Debug)]
pub struct Builtin {
    /// Where it is.
    pub path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Builtin {
    /// Finds the model under `data_dir` or puts it there; where that cannot be written, in a temporary folder, with
    /// a warning. Reads a few megabytes: milliseconds.
    ///
    /// # Errors
    /// When there is no temporary folder either.
    pub fn place(data_dir: &Path) -> io::Result<Self> {
        match put(&data_dir.join("builtin")) {
            Ok(path) => Ok(Self { path, _temporary: None }),
            Err(error) => {
                let folder = TempDir::with_prefix("tern-")?;
                let path = put(folder.path())?;
                tracing::warn!(
                    "the data folder {} cannot be written ({error}); the built-in model is in {} until tern ends. \
                     --data-dir sets another folder",
                    data_dir.display(),
                    folder.path().display()
                );
                Ok(Self { path, _temporary: Some(folder) })
            }
        }
    }
}

/// Makes sure of the file in `folder`. Whoever reads it sees it whole or not at all.
fn put(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join(format!("{ID}-{}.gguf", &SHA256[..12]));
    // Compared in full: a damaged file would answer nonsense, and reading it costs a millisecond.
    if fs::read(&path).is_ok_and(|bytes| bytes == BYTES) {
        return Ok(path);
    }
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(BYTES)?;
    file.persist(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_written_once_and_repaired_when_damaged() {
        let data = tempfile::tempdir().unwrap();
        let builtin = Builtin::place(data.path()).unwrap();
        assert_eq!(fs::read(&builtin.path).unwrap(), BYTES);
        let written = fs::metadata(&builtin.path).unwrap().modified().unwrap();
        let again = Builtin::place(data.path()).unwrap();
        assert_eq!(again.path, builtin.path);
        assert_eq!(fs::metadata(&again.path).unwrap().modified().unwrap(), written);

        fs::write(&builtin.path, b"GGUF, but not ours").unwrap();
        Builtin::place(data.path()).unwrap();
        assert_eq!(fs::read(&builtin.path).unwrap(), BYTES);
        assert_eq!(fs::read_dir(data.path().join("builtin")).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn where_nothing_can_be_written_the_model_is_temporary() {
        let data = tempfile::tempdir().unwrap();
        // A file where the folder would be: also root, who may write anywhere, cannot create a folder in it.
        let occupied = data.path().join("occupied");
        fs::write(&occupied, b"").unwrap();
        let builtin = Builtin::place(&occupied).unwrap();
        assert!(!builtin.path.starts_with(data.path()));
        assert_eq!(fs::read(&builtin.path).unwrap(), BYTES);
        let path = builtin.path.clone();
        drop(builtin);
        assert!(!path.exists(), "the temporary model was left behind");
    }
}
