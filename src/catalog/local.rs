//! What is on disk: files named with `--model ID=PATH`, the models folder, and the cache that other programs share.
//!
//! Names only: nothing is opened here. What a file holds is the engines' business, and whether one can run it.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::Serialize;

use crate::{folder, hub::cache, reference::HubFile, split, table};

/// Folders below the models folder that are looked into: `ORG/REPO/file.gguf` is the deepest layout in use.
const DEPTH: usize = 2;

/// A model that can be loaded without a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalModel {
    /// The one explicit name: as given, `NAME:QUANT@ENGINE` for a file of the built-in table, the file's name without
    /// its ending for a file in the models folder (`folder/name` in a sub-folder), `org/repo:file` in the hub's cache; for
    /// a model that is a folder, its path below the models folder, or `org/repo` in the cache.
    pub id: String,
    /// Further names that mean this file and no other.
    pub aliases: Vec<String>,
    /// The file; of a split model, its first part; or a folder with safetensors.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Size on disk, all parts together.
    pub bytes: u64,
}

/// Where a model was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Named by the user.
    Explicit,
    /// In the models folder.
    Folder,
    /// In the hub's cache.
    Hub(HubFile),
}

/// Looks at the disk. Cheap: folder listings and file sizes.
#[derive(Debug)]
pub(crate) struct Scanner {
    models_dir: PathBuf,
    hub_cache: PathBuf,
    extra: Vec<(String, PathBuf)>,
    /// Troubles that were logged: a scan runs again and again, and says each thing once.
    said: Mutex<HashSet<String>>,
}

impl Scanner {
    pub fn new(models_dir: PathBuf, hub_cache: PathBuf, extra: Vec<(String, PathBuf)>) -> Self {
        Self { models_dir, hub_cache, extra, said: Mutex::default() }
    }

    /// Every model, in a stable order: explicit ones as given, then the folder's and the cache's by path.
    ///
    /// A trouble (an unreadable folder, a missing part) is logged once and costs only the file or folder it concerns.
    pub fn scan(&self) -> Vec<LocalModel> {
        let mut list = List::default();
        for (id, path) in &self.extra {
            match size(path) {
                Ok(bytes) => list.push(LocalModel {
                    id: id.clone(),
                    aliases: Vec::new(),
                    path: path.clone(),
                    origin: Origin::Explicit,
                    bytes,
                }),
                Err(error) => self.warn(format!("model {id:?}: {}: {error}", path.display())),
            }
        }
        // Files first: a file `x.gguf` beside a folder `x` keeps its name.
        let mut folders = Vec::new();
        self.folder(&self.models_dir, "", DEPTH, &mut HashSet::new(), &mut list, &mut folders);
        folders.into_iter().for_each(|model| list.push(model));
        self.cache(&mut list);
        list.finish()
    }

    /// `prefix` is the path from the models folder, with `/` at its end.
    fn folder(
        &self,
        dir: &Path,
        prefix: &str,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
        list: &mut List,
        folders: &mut Vec<LocalModel>,
    ) {
        // A link back to a folder above would otherwise list every file several times.
        if !dir.canonicalize().is_ok_and(|real| seen.insert(real)) {
            return;
        }
        let own = prefix.trim_end_matches('/');
        if !own.is_empty() && folder::is_folder_model(dir) {
            let aliases = own.rsplit_once('/').map(|(_, name)| name.to_owned()).into_iter().collect();
            folders.extend(self.folder_model(dir, own.to_owned(), aliases, Origin::Folder));
        }
        let names = self.names(dir);
        for name in &names {
            let path = dir.join(name);
            if path.is_dir() {
                if depth > 0 {
                    self.folder(&path, &format!("{prefix}{name}/"), depth - 1, seen, list, folders);
                }
                continue;
            }
            let Some((stem, bytes)) = self.model_file(&path, name) else { continue };
            let own = format!("{prefix}{stem}");
            let mut aliases = vec![stem, name.clone()];
            let id = match table::find_loose(name, bytes).filter(|(entry, quant)| !list.has(&entry.id(quant))) {
                Some((entry, quant)) => {
                    aliases.splice(..0, entry.aliases(quant).into_iter().chain([own]));
                    entry.id(quant)
                }
                None => own,
            };
            list.push(LocalModel { id, aliases, path, origin: Origin::Folder, bytes });
        }
    }

    fn cache(&self, list: &mut List) {
        for folder in self.names(&self.hub_cache) {
            let Some(repo) = cache::repo_of_folder(&folder) else { continue };
            let root = self.hub_cache.join(&folder);
            for (revision, commit) in self.revisions(&root) {
                let snapshot = root.join("snapshots").join(commit);
                self.snapshot(&snapshot, "", DEPTH, &repo, &revision, list);
                self.repository(&snapshot, &repo, &revision, list);
            }
        }
    }

    /// Snapshots of a repository with the name each goes by: `main` first, then other branches, then bare commits.
    fn revisions(&self, root: &Path) -> Vec<(String, String)> {
        let mut named = cache::refs(root);
        named.sort_by_key(|(name, _)| (name != crate::reference::MAIN, name.clone()));
        for commit in self.names(&root.join("snapshots")) {
            if !named.iter().any(|(_, known)| *known == commit) {
                named.push((commit.clone(), commit));
            }
        }
        named
    }

    fn snapshot(&self, dir: &Path, prefix: &str, depth: usize, repo: &str, revision: &str, list: &mut List) {
        for name in self.names(dir) {
            let path = dir.join(&name);
            if path.is_dir() {
                if depth > 0 {
                    self.snapshot(&path, &format!("{prefix}{name}/"), depth - 1, repo, revision, list);
                }
                continue;
            }
            let Some((_, bytes)) = self.model_file(&path, &name) else { continue };
            let Ok(file) = HubFile::new(repo, revision, &format!("{prefix}{name}")) else { continue };
            let own = file.to_string();
            let slashes = own.replacen(':', "/", 1);
            let row = table::find_file(repo, file.file()).filter(|(entry, quant)| !list.has(&entry.id(quant)));
            let (id, aliases) = match row {
                Some((entry, quant)) => {
                    (entry.id(quant), entry.aliases(quant).into_iter().chain([own, slashes]).collect())
                }
                None => (own, vec![slashes]),
            };
            list.push(LocalModel { id, aliases, path, origin: Origin::Hub(file), bytes });
        }
    }

    /// The model that a snapshot is as a whole.
    fn repository(&self, snapshot: &Path, repo: &str, revision: &str, list: &mut List) {
        if !folder::is_folder_model(snapshot) {
            return;
        }
        let Ok(file) = HubFile::repository(repo, revision) else { return };
        let own = file.to_string();
        let row = table::find_file(repo, "").filter(|(entry, quant)| !list.has(&entry.id(quant)));
        let (id, aliases) = match row {
            Some((entry, quant)) => (entry.id(quant), entry.aliases(quant).into_iter().chain([own]).collect()),
            None => (own, Vec::new()),
        };
        if let Some(model) = self.folder_model(snapshot, id, aliases, Origin::Hub(file)) {
            list.push(model);
        }
    }

    fn folder_model(&self, path: &Path, id: String, aliases: Vec<String>, origin: Origin) -> Option<LocalModel> {
        match folder::stamp(path) {
            Ok((_, bytes)) => Some(LocalModel { id, aliases, path: path.to_owned(), origin, bytes }),
            Err(error) => {
                self.warn(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// Name without ending and size in all, when `path` is a model or the first part of one.
    fn model_file(&self, path: &Path, name: &str) -> Option<(String, u64)> {
        let stem = name.strip_suffix(".gguf")?;
        // A projector that belongs to a model beside it; it is none by itself.
        if stem.to_ascii_lowercase().contains("mmproj") {
            return None;
        }
        let base = match split::part_of(name) {
            Some(part) if part.number > 1 => return None,
            Some(part) => part.base,
            None => stem.to_owned(),
        };
        match size(path) {
            Ok(bytes) => Some((base, bytes)),
            Err(error) => {
                self.warn(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// Names in a folder, sorted; hidden ones and those that are not UTF-8 are left out. A folder that is not there
    /// is empty.
    fn names(&self, dir: &Path) -> Vec<String> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.warn(format!("{}: {error}", dir.display()));
                return Vec::new();
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort_unstable();
        names
    }

    fn warn(&self, message: String) {
        let mut said = self.said.lock().unwrap_or_else(|e| e.into_inner());
        if !said.contains(&message) {
            tracing::warn!("left out: {message}");
            said.insert(message);
        }
    }
}

/// Bytes of a model: the file, all parts of a split one, or all that belongs to a folder.
fn size(path: &Path) -> io::Result<u64> {
    let data = fs::metadata(path)?;
    if data.is_dir() {
        return folder::stamp(path).map(|(_, bytes)| bytes);
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(data.len()) };
    split::all_parts(name)
        .into_iter()
        .map(|part| match fs::metadata(path.with_file_name(&part)) {
            Ok(data) => Ok(data.len()),
            Err(error) => Err(io::Error::new(error.kind(), format!("its part {part} is missing ({error})"))),
        })
        .sum()
}

/// Models in the order they were found, each file and each id once.
#[derive(Default)]
struct List {
    models: Vec<LocalModel>,
    files: Vec<PathBuf>,
}

impl List {
    fn has(&self, id: &str) -> bool {
        self.models.iter().any(|model| model.id == id)
    }

    /// A file that is listed already (through another link, or by its explicit name) only gains names.
    fn push(&mut self, model: LocalModel) {
        let real = model.path.canonicalize().unwrap_or_else(|_| model.path.clone());
        match self.files.iter().position(|known| *known == real) {
            Some(at) => {
                let known = &mut self.models[at];
                known.aliases.extend(std::iter::once(model.id).chain(model.aliases));
            }
            None if self.has(&model.id) => {
                tracing::debug!(id = model.id, path = %model.path.display(), "another file has this id already");
            }
            None => {
                self.files.push(real);
                self.models.push(model);
            }
        }
    }

    /// Leaves every name to one model: ids win over aliases, and of two claimants the first.
    fn finish(mut self) -> Vec<LocalModel> {
        let mut taken: HashSet<String> = self.models.iter().map(|model| model.id.clone()).collect();
        for model in &mut self.models {
            model.aliases.retain(|alias| taken.insert(alias.clone()));
        }
        self.models
    }
}
