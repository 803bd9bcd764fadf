//! The built-in models: their bytes are in the binary, and engines read files.
//!
//! One model that talks in two forms, so that what 1.58 bits cost and save can be seen without a download. The ternary one is the
//! default, where the engine for it is compiled in. Beside them a small one that finds names in texts, a folder.
//!
//! On disk they are `DATA/builtin/ID-<first 12 hex digits of the sha256>.gguf`, so that two versions of Tern on one data
//! folder do not overwrite each other's models.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};

/// The id of the one that answers when no other is chosen.
pub const ID: &str = GUIDES[0].id;

/// Whether a model of this id is one of them.
pub fn is_builtin(id: &str) -> bool {
    GUIDES.iter().any(|guide| guide.id == id)
}

/// The ids of all of them.
pub fn ids() -> impl Iterator<Item = &'static str> {
    GUIDES.iter().map(|guide| guide.id)
}

/// A model in the binary.
struct Guide {
    id: &'static str,
    /// The file, byte for byte.
    bytes: &'static [u8],
    /// Of the bytes, in hex; stamped by build.rs.
    sha256: &'static str,
}

const Q8_0: &[u8] = include_bytes!("../models/guide/tern-guide.gguf");
const Q8_0_SHA256: &str = env!("TERN_GUIDE_Q8_0_SHA256");

#[cfg(feature = "bitnet")]
const GUIDES: [Guide; 2] = [
    Guide {
        id: "tern-guide",
        bytes: include_bytes!("../models/guide/tern-guide-i2s.gguf"),
        sha256: env!("TERN_GUIDE_SHA256"),
    },
    Guide { id: "tern-guide-q8_0", bytes: Q8_0, sha256: Q8_0_SHA256 },
];
#[cfg(not(feature = "bitnet"))]
const GUIDES: [Guide; 1] = [Guide { id: "tern-guide", bytes: Q8_0, sha256: Q8_0_SHA256 }];

/// The folder of the model that finds names, and its files. `config.json` is written last: without it there is no model yet.
#[cfg(feature = "candle")]
const NER: (&str, &str, [(&str, &[u8]); 4]) = (
    "tern-ner",
    env!("TERN_NER_SHA256"),
    [
        ("tokenizer.json", include_bytes!("../models/ner/model/tokenizer.json")),
        ("tokenizer_config.json", include_bytes!("../models/ner/model/tokenizer_config.json")),
        ("model.safetensors", include_bytes!("../models/ner/model/model.safetensors")),
        ("config.json", include_bytes!("../models/ner/model/config.json")),
    ],
);

/// The built-in models on disk. Temporary files go when this is dropped.
#[derive(Debug)]
pub struct Builtin {
    /// Id and file of each, the default first.
    pub files: Vec<(String, PathBuf)>,
    _temporary: Option<TempDir>,
}

impl Builtin {
    /// Finds the models under `data_dir` or puts them there; where that cannot be written, in a temporary folder, with
    /// a warning. Reads a few megabytes: milliseconds.
    ///
    /// # Errors
    /// When there is no temporary folder either.
    pub fn place(data_dir: &Path) -> io::Result<Self> {
        match put(&data_dir.join("builtin")) {
            Ok(files) => Ok(Self { files, _temporary: None }),
            Err(error) => {
                let folder = TempDir::with_prefix("tern-")?;
                let files = put(folder.path())?;
                tracing::warn!(
                    "the data folder {} cannot be written ({error}); the built-in models are in {} until tern ends. \
                     --data-dir sets another folder",
                    data_dir.display(),
                    folder.path().display()
                );
                Ok(Self { files, _temporary: Some(folder) })
            }
        }
    }
}

/// Makes sure of the files in `folder`.
fn put(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let each = GUIDES.iter().map(|guide| {
        let path = folder.join(format!("{}-{}.gguf", guide.id, &guide.sha256[..12]));
        put_file(&path, guide.bytes)?;
        Ok((guide.id.to_owned(), path))
    });
    let mut all = each.collect::<io::Result<Vec<_>>>()?;
    put_folders(folder, &mut all)?;
    Ok(all)
}

#[cfg(feature = "candle")]
fn put_folders(folder: &Path, all: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let (id, sha256, files) = NER;
    let path = folder.join(format!("{id}-{}", &sha256[..12]));
    for (name, bytes) in files {
        put_file(&path.join(name), bytes)?;
    }
    all.push((id.to_owned(), path));
    Ok(())
}

#[cfg(not(feature = "candle"))]
fn put_folders(_: &Path, _: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    Ok(())
}

/// Makes sure of a file. Whoever reads it sees it whole or not at all.
fn put_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Compared in full: a damaged file would answer nonsense, and reading it costs a millisecond.
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(builtin: &Builtin) -> bool {
        builtin.files.iter().zip(&GUIDES).all(|((_, path), guide)| fs::read(path).unwrap() == guide.bytes)
    }

    #[test]
    fn the_models_are_written_once_and_repaired_when_damaged() {
        let data = tempfile::tempdir().unwrap();
        let builtin = Builtin::place(data.path()).unwrap();
        assert!(whole(&builtin));
        let first = &builtin.files[0].1;
        let written = fs::metadata(first).unwrap().modified().unwrap();
        let again = Builtin::place(data.path()).unwrap();
        assert_eq!(again.files, builtin.files);
        assert_eq!(fs::metadata(first).unwrap().modified().unwrap(), written);

        fs::write(first, b"GGUF, but not ours").unwrap();
        Builtin::place(data.path()).unwrap();
        assert!(whole(&builtin));
        let left = fs::read_dir(data.path().join("builtin")).unwrap().count();
        assert_eq!(left, builtin.files.len(), "a temporary file was left");
    }

    #[cfg(feature = "candle")]
    #[test]
    fn the_folder_of_the_names_is_whole_and_repaired_when_damaged() {
        let data = tempfile::tempdir().unwrap();
        let builtin = Builtin::place(data.path()).unwrap();
        let (_, folder) = builtin.files.iter().find(|(id, _)| id == "tern-ner").unwrap();
        fs::write(folder.join("model.safetensors"), b"not ours").unwrap();
        fs::remove_file(folder.join("config.json")).unwrap();
        Builtin::place(data.path()).unwrap();
        for (name, bytes) in NER.2 {
            assert!(fs::read(folder.join(name)).unwrap() == bytes, "{name}");
        }
        assert_eq!(fs::read_dir(folder).unwrap().count(), NER.2.len(), "a temporary file was left");
    }

    #[test]
    fn where_nothing_can_be_written_the_models_are_temporary() {
        let data = tempfile::tempdir().unwrap();
        // A file where the folder would be: also root, who may write anywhere, cannot create a folder in it.
        let occupied = data.path().join("occupied");
        fs::write(&occupied, b"").unwrap();
        let builtin = Builtin::place(&occupied).unwrap();
        assert!(whole(&builtin));
        let path = builtin.files[0].1.clone();
        assert!(!path.starts_with(data.path()));
        drop(builtin);
        assert!(!path.exists(), "a temporary model was left behind");
    }
}
