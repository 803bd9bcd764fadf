//! The folder layout that Hugging Face's own library uses, so that both find each other's files:
//!
//! ```text
//! CACHE/models--org--name/blobs/ETAG                    the bytes, named by their hash
//! CACHE/models--org--name/blobs/ETAG.incomplete         bytes so far
//! CACHE/models--org--name/snapshots/COMMIT/path/file    relative link to the blob
//! CACHE/models--org--name/refs/main                     the commit a branch stood at, 40 characters
//! CACHE/.locks/models--org--name/ETAG.lock              held (flock) while the blob is written
//! ```

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::reference::{HubFile, is_commit};

/// Paths of one repository in the cache.
#[derive(Debug, Clone)]
pub(crate) struct RepoCache {
    root: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    pub fn new(cache: &Path, repo: &str) -> Self {
        let folder = format!("models--{}", repo.replace('/', "--"));
        Self { root: cache.join(&folder), locks: cache.join(".locks").join(folder) }
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    pub fn incomplete(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{etag}.incomplete"))
    }

    pub fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    pub fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        self.root.join("snapshots").join(commit).join(file)
    }

    /// The file as the cache has it at the revision, without asking the hub whether the branch has moved.
    pub fn find(&self, file: &HubFile) -> Option<PathBuf> {
        let commit = match file.is_pinned() {
            true => file.revision().to_owned(),
            false => fs::read_to_string(self.root.join("refs").join(file.revision())).ok()?.trim().to_owned(),
        };
        let path = self.snapshot(&commit, file.file());
        (is_commit(&commit) && path.is_file()).then_some(path)
    }

    /// Gives a finished blob its name in the snapshot, and the branch its commit.
    pub fn publish(&self, file: &HubFile, commit: &str, etag: &str) -> io::Result<PathBuf> {
        let path = self.snapshot(commit, file.file());
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let blob = relative(folder, &self.blob(etag));
        if fs::read_link(&path).ok().as_ref() != Some(&blob) {
            // Made under another name first: a reader sees the old file or the new one, never none.
            let fresh = fresh(folder);
            link(&blob, &self.blob(etag), &fresh)?;
            fs::rename(&fresh, &path)?;
        }
        if !file.is_pinned() {
            let name = self.root.join("refs").join(file.revision());
            let folder = name.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)?;
            let fresh = fresh(folder);
            fs::write(&fresh, commit)?;
            fs::rename(&fresh, &name)?;
        }
        Ok(path)
    }
}

/// `org/name` of a folder `models--org--name`. Older repositories without an organisation have no second part, and
/// are not read: they cannot be named here either.
pub(crate) fn repo_of_folder(folder: &str) -> Option<String> {
    let (org, name) = folder.strip_prefix("models--")?.split_once("--")?;
    Some(format!("{org}/{name}"))
}

/// Names of a repository's branches in the cache, with their commits.
pub(crate) fn refs(root: &Path) -> Vec<(String, String)> {
    fn walk(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                if depth > 0 {
                    walk(&path, &format!("{prefix}{name}/"), depth - 1, found);
                }
            } else if let Some(commit) = fs::read_to_string(&path).ok().map(|text| text.trim().to_owned())
                && is_commit(&commit)
            {
                found.push((format!("{prefix}{name}"), commit));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root.join("refs"), "", 2, &mut found); // refs/pr/1 is the deepest there is
    found
}

/// A name in the folder that nobody else uses: other programs have other process ids, other tasks other numbers.
fn fresh(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    folder.join(format!(".tern-{}-{began}-{number}", std::process::id()))
}

/// The way from a folder to a path below the same root.
fn relative(folder: &Path, to: &Path) -> PathBuf {
    let same = folder.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(same).map(|_| Component::ParentDir);
    up.chain(to.components().skip(same)).collect()
}

#[cfg(unix)]
fn link(relative: &Path, _blob: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, at)
}

/// Links need a privilege on Windows: a second name of the same file does as well.
#[cfg(not(unix))]
fn link(_relative: &Path, blob: &Path, at: &Path) -> io::Result<()> {
    fs::hard_link(blob, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_so_that_the_cache_can_be_moved() {
        let folder = Path::new("/c/models--o--n/snapshots/abc/sub");
        let blob = Path::new("/c/models--o--n/blobs/ff");
        assert_eq!(relative(folder, blob), Path::new("../../../blobs/ff"));
    }

    #[test]
    fn folders_of_other_kinds_are_not_models() {
        assert_eq!(repo_of_folder("models--org--my-model").as_deref(), Some("org/my-model"));
        assert_eq!(repo_of_folder("datasets--org--name"), None);
        assert_eq!(repo_of_folder(".locks"), None);
    }
}
