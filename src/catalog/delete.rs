//! Removes the files of a model.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{LocalModel, Origin, folder, split};

/// Removes the files of a model that was found in the models folder or in the hub's cache: all parts of a split one, all
/// that belongs to a folder (and nothing else in it), and in the cache also the bytes behind the name, unless another name leads to them. Gives the bytes that are free now.
///
/// # Errors
/// What the system says; `PermissionDenied` for a model that the user named, which is not ours to remove.
pub fn delete(model: &LocalModel) -> io::Result<u64> {
    let of_hub = match model.origin {
        Origin::Explicit => {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file was named by the user"));
        }
        Origin::Folder => false,
        Origin::Hub(_) => true,
    };
    if model.path.is_dir() {
        return delete_folder(&model.path, of_hub);
    }
    let name = model.path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    let mut freed = 0;
    for part in split::all_parts(name) {
        freed += remove(&model.path.with_file_name(part), of_hub)?;
    }
    Ok(freed)
}

fn delete_folder(folder: &Path, of_hub: bool) -> io::Result<u64> {
    let mut freed = 0;
    for path in folder::paths(folder)? {
        freed += remove(&path, of_hub)?;
        // Only if nothing is left in it.
        if let Some(module) = path.parent().filter(|parent| *parent != folder) {
            let _ = fs::remove_dir(module);
        }
    }
    let _ = fs::remove_dir(folder);
    Ok(freed)
}

fn remove(path: &Path, of_hub: bool) -> io::Result<u64> {
    let data = fs::symlink_metadata(path)?;
    if !data.is_symlink() {
        fs::remove_file(path)?;
        return Ok(data.len());
    }
    let bytes = path.canonicalize();
    fs::remove_file(path)?;
    // A link in the models folder leads to a file that is someone's own.
    match bytes {
        Ok(blob) if of_hub && is_blob(&blob) && !is_named(&blob) => {
            let freed = fs::metadata(&blob).map_or(0, |data| data.len());
            fs::remove_file(&blob)?;
            Ok(freed)
        }
        _ => Ok(0),
    }
}

/// Whether a path is `models--ORG--NAME/blobs/HASH`.
fn is_blob(path: &Path) -> bool {
    let parent = path.parent();
    let repo = parent.and_then(Path::parent).and_then(Path::file_name).and_then(|name| name.to_str());
    parent.is_some_and(|parent| parent.ends_with("blobs")) && repo.is_some_and(|repo| repo.starts_with("models--"))
}

/// Whether a snapshot of the repository still leads to a blob.
fn is_named(blob: &Path) -> bool {
    let Some(root) = blob.parent().and_then(Path::parent) else { return false };
    let mut folders: Vec<PathBuf> = vec![root.join("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_symlink() && path.canonicalize().is_ok_and(|real| real == blob) => return true,
                _ => {}
            }
        }
    }
    false
}
