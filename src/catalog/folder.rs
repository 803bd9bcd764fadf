//! Models that are folders: `config.json`, weights in safetensors, and the small files beside them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The file that makes a folder a model, together with weights.
pub(crate) const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Files that belong to a model, by their whole name.
const NAMES: &[&str] = &[
    CONFIG,
    INDEX,
    "added_tokens.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "merges.txt",
    "modules.json",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// Whether a folder with these files is a model.
fn is_model<'a>(mut has: impl FnMut(&'a str) -> bool) -> bool {
    has(CONFIG) && (has(WEIGHTS) || has(INDEX))
}

/// Whether `folder` is a model.
pub(crate) fn is_folder_model(folder: &Path) -> bool {
    is_model(|name| folder.join(name).is_file())
}

/// `model-00001-of-00002.safetensors`
fn is_part(name: &str) -> bool {
    let counter = name.strip_prefix("model-").and_then(|name| name.strip_suffix(".safetensors"));
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    counter
        .and_then(|counter| counter.split_once("-of-"))
        .is_some_and(|(number, count)| digits(number) && digits(count))
}

/// Whether a file (its path within the folder) belongs to the model. `whole` tells whether there is one file of all
/// weights: parts beside it are the same once more.
fn belongs(path: &str, whole: bool) -> bool {
    match path.split_once('/') {
        None if path == WEIGHTS => true,
        None if path == INDEX || is_part(path) => !whole,
        None => NAMES.contains(&path) || path.starts_with("chat_template."),
        // `1_Pooling/config.json` and its like: modules of sentence-transformers.
        Some((folder, name)) => {
            let module = folder.split_once('_').is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
            module && folder.as_bytes()[0].is_ascii_digit() && (name == CONFIG || name == WEIGHTS)
        }
    }
}

/// Files of a repository that a model consists of, `config.json` last: until it is there, nobody takes the folder for a
/// model. Empty when the repository has no such model.
pub(crate) fn files(listing: &[String]) -> Vec<String> {
    let has = |name: &str| listing.iter().any(|file| file == name);
    if !is_model(has) {
        return Vec::new();
    }
    let mut files: Vec<String> = listing.iter().filter(|file| belongs(file, has(WEIGHTS))).cloned().collect();
    files.sort_by_key(|file| file == CONFIG);
    files
}

/// Paths of the files in `folder` that belong to its model.
pub(crate) fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let whole = folder.join(WEIGHTS).is_file();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        if path.is_dir() {
            let inner = [CONFIG, WEIGHTS].into_iter().filter(|file| belongs(&format!("{name}/{file}"), whole));
            found.extend(inner.map(|file| path.join(file)).filter(|path| path.is_file()));
        } else if belongs(&name, whole) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// When a model was last changed, and its bytes: of a file, or of all files of a folder.
///
/// # Errors
/// What the system says.
pub fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let data = fs::metadata(path)?;
    let when = |data: &fs::Metadata| data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    if !data.is_dir() {
        return Ok((when(&data), data.len()));
    }
    let (mut newest, mut bytes) = (SystemTime::UNIX_EPOCH, 0);
    for path in paths(path)? {
        let data = fs::metadata(path)?;
        (newest, bytes) = (newest.max(when(&data)), bytes + data.len());
    }
    Ok((newest, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_of(listing: &[&str]) -> Vec<String> {
        files(&listing.iter().map(|&file| file.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_a_model_needs_is_taken_of_a_repository() {
        let wanted = [
            "1_Pooling/config.json",
            "chat_template.jinja",
            "model.safetensors",
            "modules.json",
            "tokenizer.json",
            "vocab.txt",
            "config.json",
        ];
        let other = [
            "README.md",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "tf_model.h5",
            "flax_model.msgpack",
            "model.fp16.safetensors",
            "model-00001-of-00002.safetensors",
            "openvino/config.json",
            "vocab.bin",
            "sub/tokenizer.json",
            "_x/config.json",
            "a.gguf",
        ];
        let mut listing = [&wanted[..6], &other[..], &wanted[6..]].concat();
        listing.rotate_left(3);
        let mut found = files_of(&listing);
        assert_eq!(found.last().map(String::as_str), Some("config.json"));
        found.sort();
        let mut wanted = wanted;
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }

    #[test]
    fn parts_are_taken_where_no_file_has_all() {
        let listing = ["config.json", INDEX, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        assert_eq!(files_of(&listing).len(), 4);
        assert!(files_of(&["config.json", "pytorch_model.bin"]).is_empty());
        assert!(files_of(&["model.safetensors"]).is_empty());
    }
}
