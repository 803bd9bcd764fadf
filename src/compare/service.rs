//! The door: begins comparisons, and finds those that run or were kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tern_registry::Registry;
use tern_store::{Comparison, ConversationStore, Page, Status, StoreError};

use crate::{
    CompareError, CompareEvent, CompareRequest, Judgement, Results,
    log::{EventLog, Reader},
    request::{Plan, title},
    run::{Run, now},
    runner::{self, Shared},
};

/// How long the events of a comparison can be had after its end.
const LINGER: Duration = Duration::from_secs(600);
/// Of how many ended comparisons.
const LINGERING: usize = 8;

/// Comparisons of a server. Cheap to clone. All methods but [`Comparisons::start`] and [`Comparisons::rerun`] may block
/// for as long as the store takes.
#[derive(Clone)]
pub struct Comparisons(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    runs: Mutex<HashMap<String, Arc<Run>>>,
    /// Who reads, changes and writes what no run holds.
    changing: Mutex<()>,
}

/// Changes to what people say about a comparison.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// A new title.
    pub title: Option<String>,
    /// A new judgement in place of the old one.
    pub judgement: Option<Judgement>,
}

impl Comparisons {
    /// Over these models, kept in this store.
    pub fn new(registry: Registry, store: Arc<dyn ConversationStore>) -> Self {
        let shared = Arc::new(Shared { registry, store, turn: tokio::sync::Mutex::default() });
        Self(Arc::new(Inner { shared, runs: Mutex::default(), changing: Mutex::default() }))
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, Arc<Run>>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> &dyn ConversationStore {
        &*self.0.shared.store
    }

    fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.runs().get(id).cloned()
    }

    /// Begins a comparison and follows it. It goes on when the reader is dropped.
    ///
    /// # Errors
    /// `Invalid` for what can be known at once; a model that does not exist is a result of its column. `ShuttingDown`.
    pub async fn start(&self, id: String, request: CompareRequest) -> Result<Reader<CompareEvent>, CompareError> {
        let plan = Plan::new(request)?;
        let created_ms = now();
        let comparison = Comparison {
            id,
            title: plan.request.title.clone().unwrap_or_default(),
            created_ms,
            updated_ms: created_ms,
            status: Status::Generating,
            request: serde_json::to_value(&plan.request).unwrap_or(Value::Null),
            results: Value::Null,
            judgement: serde_json::to_value(Judgement::default()).unwrap_or(Value::Null),
        };
        self.begin(Arc::new(Run::new(plan, comparison, Results::default(), None, 0))).await
    }

    /// Runs the cell of `prompt` and `column` again, all its repetitions, and follows that.
    ///
    /// # Errors
    /// `NotFound`, `Running`, `ShuttingDown`; `Invalid` when there is no such cell.
    pub async fn rerun(&self, id: &str, prompt: usize, column: usize) -> Result<Reader<CompareEvent>, CompareError> {
        let before = self.find(id);
        let comparison = {
            let (this, id) = (self.clone(), id.to_owned());
            tokio::task::spawn_blocking(move || this.get(&id)).await.map_err(|_| CompareError::ShuttingDown)??
        };
        let (request, mut results) = parts(&comparison)?;
        within("prompt", prompt, request.prompts.len())?;
        within("column", column, request.columns.len())?;
        let of_cell = |result: &crate::CellResult| (result.cell.prompt, result.cell.column) == (prompt, column);
        let old = results.cells.iter().filter(|result| of_cell(result)).min_by_key(|result| result.cell);
        let old_tokens = old.map(|result| result.token_ids.clone());
        results.cells.retain(|result| !of_cell(result));
        let comparison = Comparison { status: Status::Generating, updated_ms: now(), ..comparison };
        let start = before.map_or(0, |run| run.log.last());
        let run = Run::new(Plan::new(request)?, comparison, results, Some((prompt, column)), start);
        self.begin(Arc::new(run.with_reference_before(old_tokens))).await
    }

    /// Saves a run, so that it is there when its reader hears of it, and lets it go.
    async fn begin(&self, run: Arc<Run>) -> Result<Reader<CompareEvent>, CompareError> {
        if self.0.shared.registry.is_closing() {
            return Err(CompareError::ShuttingDown);
        }
        {
            let mut runs = self.runs();
            if runs.get(&run.id).is_some_and(|other| !other.has_ended()) {
                return Err(CompareError::Running { id: run.id.clone() });
            }
            forget_old(&mut runs);
            runs.insert(run.id.clone(), run.clone());
        }
        let reader = run.log.read(0);
        let (shared, saved) = (self.0.shared.clone(), run.clone());
        // Its own task from here on: who asked may leave at any time.
        tokio::spawn(async move {
            let (writer, first) = (shared.clone(), saved.clone());
            let _ = tokio::task::spawn_blocking(move || first.save(&*writer.store)).await;
            runner::run(shared, saved).await;
        });
        Ok(reader)
    }

    /// Follows a comparison behind event `after`. Of one that ended longer ago its beginning and end are told.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn events(&self, id: &str, after: u64) -> Result<Reader<CompareEvent>, CompareError> {
        if let Some(run) = self.find(id) {
            return Ok(run.log.read(after));
        }
        let comparison = Arc::new(self.store().comparison(id)?);
        let log = EventLog::new(0);
        log.push(CompareEvent::Comparison { comparison: comparison.clone() });
        log.push(CompareEvent::End { comparison });
        log.close();
        Ok(log.read(0))
    }

    /// One comparison, whole, as it is now.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, id: &str) -> Result<Comparison, CompareError> {
        match self.find(id) {
            Some(run) => Ok(run.snapshot()),
            None => Ok(self.store().comparison(id)?),
        }
    }

    /// Comparisons without their results and without what is in their files, newest first: those before `before`, at
    /// most `limit`.
    ///
    /// # Errors
    /// `NotFound` if there is no `before`.
    pub fn list(&self, before: Option<&str>, limit: usize) -> Result<Page<Comparison>, CompareError> {
        let mut page = self.store().comparisons(before, limit)?;
        for comparison in &mut page.data {
            if let Some(run) = self.find(&comparison.id) {
                *comparison = run.head();
            }
            comparison.results = Value::Null;
            leave_out_files(comparison);
        }
        Ok(page)
    }

    /// Changes title or judgement.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub fn change(&self, id: &str, change: Change) -> Result<Comparison, CompareError> {
        let new_title = change.title.as_deref().map(title).transpose()?;
        let check = |comparison: &Comparison| {
            let judgement = change.judgement.as_ref();
            judgement.map_or(Ok(()), |judgement| judgement.check(&parts(comparison)?.0))
        };
        let apply = |comparison: &mut Comparison| {
            if let Some(title) = &new_title {
                comparison.title.clone_from(title);
            }
            if let Some(judgement) = &change.judgement {
                comparison.judgement = serde_json::to_value(judgement).unwrap_or(Value::Null);
            }
        };
        if let Some(run) = self.find(id) {
            check(&run.head())?;
            run.change(apply);
            run.save(self.store());
            return Ok(run.snapshot());
        }
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut comparison = self.store().comparison(id)?;
        check(&comparison)?;
        apply(&mut comparison);
        comparison.updated_ms = now();
        self.store().put_comparison(&comparison)?;
        Ok(comparison)
    }

    /// Stops a column, or everything. What was said so far is kept. One that has ended stays as it is.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when there is no such column.
    pub fn stop(&self, id: &str, column: Option<usize>) -> Result<Comparison, CompareError> {
        let comparison = self.get(id)?;
        if let Some(column) = column {
            within("column", column, parts(&comparison)?.0.columns.len())?;
        }
        match self.find(id) {
            Some(run) => {
                run.stop(column);
                Ok(run.snapshot())
            }
            None => Ok(comparison),
        }
    }

    /// Deletes a comparison; one that runs is stopped.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn delete(&self, id: &str) -> Result<(), CompareError> {
        let run = self.runs().remove(id);
        let there = match &run {
            Some(run) => {
                run.delete();
                run.after_saving(|| self.store().delete_comparison(id))?
            }
            None => self.store().delete_comparison(id)?,
        };
        if there || run.is_some() {
            Ok(())
        } else {
            Err(StoreError::NotFound { what: "comparison", id: id.to_owned() }.into())
        }
    }
}

/// In a list files have their names only.
fn leave_out_files(comparison: &mut Comparison) {
    for file in comparison.request.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten() {
        file["data"] = Value::String(String::new());
    }
}

/// Forgets runs that ended long ago, or are too many.
fn forget_old(runs: &mut HashMap<String, Arc<Run>>) {
    let mut ended: Vec<_> = runs.values().filter_map(|run| Some((run.ended_for()?, run.id.clone()))).collect();
    ended.sort();
    for (place, (since, id)) in ended.into_iter().enumerate() {
        if since > LINGER || place >= LINGERING {
            runs.remove(&id);
        }
    }
}

fn within(name: &str, index: usize, count: usize) -> Result<(), CompareError> {
    let message = || format!("{name} is {index}; the comparison has 0 to {}", count.saturating_sub(1));
    if index < count { Ok(()) } else { Err(CompareError::invalid(name, message())) }
}

/// Request and results of a comparison that was kept.
pub(crate) fn parts(comparison: &Comparison) -> Result<(CompareRequest, Results), CompareError> {
    let damaged = |what: &str, error: serde_json::Error| {
        let path = std::path::PathBuf::from(&comparison.id);
        StoreError::Damaged { path, message: format!("its {what} cannot be read: {error}") }
    };
    let request = serde_json::from_value(comparison.request.clone()).map_err(|error| damaged("request", error))?;
    let results = match &comparison.results {
        Value::Null => Results::default(),
        results => serde_json::from_value(results.clone()).map_err(|error| damaged("results", error))?,
    };
    Ok((request, results))
}
