//! The table of models that exist: files on disk, the engines' own scripts, and what their headers say.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};

use tern_catalog::Catalog;
use tern_engine::{Capability, EngineError, ModelInfo, ModelSource};

use crate::{
    ModelEntry, ProjectorOf, RegistryError,
    engines::{by_name, echo_scripts, engines, find_tesseract, llama_twin},
    rewritten::{self, at_llama},
};

/// Folders are read again at most this often.
const RESCAN: Duration = Duration::from_secs(1);

/// The id of the model that is a program, and the name of its engine.
const TESSERACT: &str = "tesseract";

/// A header that was read, and the file it was read from.
struct Inspected {
    modified: SystemTime,
    bytes: u64,
    result: Result<(&'static str, ModelInfo), String>,
    /// Of a ternary model: whether llama.cpp computes it rightly too.
    twin: Option<Result<(), String>>,
}

#[derive(Default)]
struct State {
    scanned: Option<Instant>,
    entries: Vec<ModelEntry>,
    /// Files that no engine can run: id, aliases and the reason.
    unusable: Vec<(String, Vec<String>, String)>,
    headers: HashMap<PathBuf, Inspected>,
    /// The program that reads text in images, as it was when it was last asked for its version.
    tesseract: Option<(PathBuf, SystemTime, Result<ModelEntry, String>)>,
}

/// The table. Reading it may read folders and headers: call it off the async threads when it must not block long.
pub(crate) struct Table {
    catalog: Catalog,
    echo: bool,
    tesseract: Option<String>,
    projectors: Vec<ProjectorOf>,
    state: Mutex<State>,
}

impl Table {
    pub fn new(catalog: Catalog, echo: bool, tesseract: Option<String>, projectors: Vec<ProjectorOf>) -> Self {
        Self { catalog, echo, tesseract, projectors, state: Mutex::default() }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every usable model, in a stable order.
    pub fn entries(&self) -> Vec<ModelEntry> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        self.refresh(&mut state, false);
        state.entries.clone()
    }

    /// The model that answers to `name`.
    pub fn find(&self, name: &str) -> Result<ModelEntry, RegistryError> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        self.refresh(&mut state, false);
        if let Some(entry) = Self::lookup(&state, name)? {
            return Ok(entry);
        }
        if let Some(entry) = self.overridden(name)? {
            return Ok(entry);
        }
        // A file may have been put there a moment ago.
        self.refresh(&mut state, true);
        if let Some(entry) = Self::lookup(&state, name)? {
            return Ok(entry);
        }
        if let Some((engine, known)) = unknown_engine(name) {
            return Err(RegistryError::UnknownEngine { name: name.into(), engine, known });
        }
        let available = state.entries.iter().map(|entry| entry.id.clone()).collect();
        Err(RegistryError::UnknownModel { name: name.into(), available })
    }

    /// The model whose file this is, read again if it may be newer than what is known.
    pub fn of_file(&self, path: &Path) -> Option<ModelEntry> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let is_it = |entry: &&ModelEntry| entry.source.path() == Some(path);
        if let Some(entry) = state.entries.iter().find(is_it) {
            return Some(entry.clone());
        }
        self.refresh(&mut state, true);
        state.entries.iter().find(is_it).cloned()
    }

    /// Reads the folders again before the next question.
    pub fn forget(&self) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).scanned = None;
    }

    fn lookup(state: &State, name: &str) -> Result<Option<ModelEntry>, RegistryError> {
        if let Some(entry) = state.entries.iter().find(|entry| entry.answers_to(name)) {
            return Ok(Some(entry.clone()));
        }
        match state.unusable.iter().find(|(id, aliases, _)| id == name || aliases.iter().any(|a| a == name)) {
            Some((id, _, reason)) => Err(RegistryError::Unusable { id: id.clone(), reason: reason.clone() }),
            None => Ok(None),
        }
    }

    /// A script of the echo engine with overrides (`echo-slow?step_ms=5`): a model of its own that is not listed.
    fn overridden(&self, name: &str) -> Result<Option<ModelEntry>, RegistryError> {
        let script = name.split_once('?').filter(|(script, _)| self.echo && echo_scripts().contains(script));
        script.map(|_| echo_entry(name)).transpose()
    }

    fn refresh(&self, state: &mut State, force: bool) {
        if !force && state.scanned.is_some_and(|at| at.elapsed() < RESCAN) {
            return;
        }
        state.scanned = Some(Instant::now());
        let (mut entries, mut unusable) = (Vec::<ModelEntry>::new(), Vec::new());
        for local in self.catalog.local() {
            let (modified, bytes) = match tern_catalog::stamp(&local.path) {
                Ok(stamp) => stamp,
                Err(error) => {
                    unusable.push((local.id, local.aliases, error.to_string()));
                    continue;
                }
            };
            let known = state.headers.get(&local.path).filter(|h| h.modified == modified && h.bytes == bytes);
            let named = |of: &&ProjectorOf| of.model == local.id || local.aliases.contains(&of.model);
            let source = match self.projectors.iter().find(named) {
                Some(of) => ModelSource::Sighted { model: local.path.clone(), projector: of.path.clone() },
                None => ModelSource::Path(local.path.clone()),
            };
            if known.is_none() {
                let result = inspect(&source);
                if let Err(reason) = &result {
                    tracing::warn!(model = %local.id, "cannot be used: {reason}");
                }
                let ternary = matches!(&result, Ok((engine, info)) if *engine == "bitnet"
                    && info.capabilities.contains(&Capability::Completion));
                let twin = ternary.then(|| llama_twin(&local.path));
                state.headers.insert(local.path.clone(), Inspected { modified, bytes, result, twin });
            }
            let inspected = &state.headers[&local.path];
            match &inspected.result {
                Ok((engine, info)) => {
                    let entry = ModelEntry {
                        id: local.id,
                        aliases: local.aliases,
                        engine,
                        source,
                        info: info.clone(),
                        rewritten: false,
                        modified,
                    };
                    let twin = inspected.twin.as_ref().map(|twin| twin.as_ref().map(|()| rewritten::twin(&entry)));
                    let (id, aliases) = (at_llama(&entry.id), entry.aliases.iter().map(|a| at_llama(a)).collect());
                    let float = (inspected.twin.is_some() && has("candle")).then(|| rewritten::float_twin(&entry));
                    entries.push(entry);
                    match twin {
                        Some(Ok(twin)) => entries.push(twin),
                        Some(Err(reason)) => unusable.push((id, aliases, reason.clone())),
                        None => {}
                    }
                    entries.extend(float);
                }
                Err(reason) => unusable.push((local.id, local.aliases, reason.clone())),
            }
        }
        match self.tesseract.as_deref().and_then(|program| tesseract_entry(&mut state.tesseract, program)) {
            Some(Ok(entry)) => entries.push(entry),
            Some(Err(reason)) => unusable.push((TESSERACT.into(), Vec::new(), reason)),
            None => {}
        }
        if self.echo {
            entries.extend(echo_entries());
        }
        // An alias that two models claim, or that is another model's id, belongs to the first: ids are explicit.
        let mut taken: std::collections::HashSet<String> = entries.iter().map(|e| e.id.clone()).collect();
        for entry in &mut entries {
            entry.aliases.retain(|alias| taken.insert(alias.clone()));
        }
        state.entries = entries;
        state.unusable = unusable;
    }
}

/// Whether an engine is in this build.
fn has(engine: &str) -> bool {
    by_name(engine).is_some_and(|slot| slot.engine().is_ok())
}

/// Offers the source to every engine; the first that can read it takes it.
fn inspect(source: &ModelSource) -> Result<(&'static str, ModelInfo), String> {
    let mut reasons = Vec::new();
    for slot in engines().iter().filter(|slot| slot.is_asked_about(source)) {
        match slot.engine().and_then(|engine| engine.inspect(source)) {
            Ok(info) => return Ok((slot.name, info)),
            Err(error @ (EngineError::Io { .. } | EngineError::InvalidModel { .. })) => return Err(error.to_string()),
            Err(error) => reasons.push(format!("{} ({})", error, slot.name)),
        }
    }
    Err(reasons.join("; "))
}

/// The model that is a program, if the program is there. It is started only when it has changed.
fn tesseract_entry(
    known: &mut Option<(PathBuf, SystemTime, Result<ModelEntry, String>)>,
    program: &str,
) -> Option<Result<ModelEntry, String>> {
    let path = find_tesseract(program)?;
    let modified = std::fs::metadata(&path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if let Some((_, _, entry)) = known.as_ref().filter(|(place, time, _)| *place == path && *time == modified) {
        return Some(entry.clone());
    }
    let source = ModelSource::Script(program.to_owned());
    let slot = by_name(TESSERACT)?;
    let entry =
        slot.engine().and_then(|engine| engine.inspect(&source)).map_err(|error| error.to_string()).map(|info| {
            let aliases = Vec::new();
            ModelEntry { id: TESSERACT.into(), aliases, engine: slot.name, source, info, rewritten: false, modified }
        });
    if let Err(reason) = &entry {
        tracing::warn!(program, "cannot be used: {reason}");
    }
    *known = Some((path, modified, entry.clone()));
    Some(entry)
}

/// The echo engine's models, whose ids are the names of its scripts.
fn echo_entries() -> Vec<ModelEntry> {
    echo_scripts().iter().filter_map(|id| echo_entry(id).ok()).collect()
}

fn echo_entry(id: &str) -> Result<ModelEntry, RegistryError> {
    let source = ModelSource::Script(id.to_owned());
    let info = by_name("echo").map(|slot| slot.engine().and_then(|engine| engine.inspect(&source)));
    let info = info.unwrap_or(Err(EngineError::NotBuilt { engine: "echo", feature: "" }));
    let info = info.map_err(|error| RegistryError::Unusable { id: id.to_owned(), reason: error.to_string() })?;
    let (id, modified) = (id.to_owned(), SystemTime::UNIX_EPOCH);
    Ok(ModelEntry { id, aliases: Vec::new(), engine: "echo", source, info, rewritten: false, modified })
}

/// The engine a name asks for, if there is none of that name.
fn unknown_engine(name: &str) -> Option<(String, String)> {
    let engine = name.rsplit_once('@')?.1;
    let known: Vec<_> = engines().iter().map(|slot| slot.name).collect();
    (!known.contains(&engine)).then(|| (engine.to_owned(), known.join(", ")))
}
