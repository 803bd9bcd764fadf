//! A comparison while it runs: its results so far, who is told of them, what was stopped, and how it is saved.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tern_engine::Token;
use tern_store::{Comparison, ConversationStore, Millis, Status};
use tokio::sync::watch;

use crate::{
    Cell, CellResult, CellState, CompareEvent, Results,
    log::EventLog,
    request::{MAX_COLUMNS, Plan},
    summary::summarize,
};

/// The time of day.
pub(crate) fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// What people have stopped.
#[derive(Debug, Clone, Copy, Default)]
struct Stops {
    all: bool,
    columns: [bool; MAX_COLUMNS],
}

/// A comparison that runs, or ran a little while ago.
pub(crate) struct Run {
    pub id: String,
    pub plan: Plan,
    pub log: Arc<EventLog<CompareEvent>>,
    /// The one cell that is run again, as prompt and column; `None` when all are run.
    pub only: Option<(usize, usize)>,
    /// What the reference said before, if it is the reference that is run again.
    reference_before: Option<Vec<Token>>,
    board: Mutex<Board>,
    stops: watch::Sender<Stops>,
    ended: Mutex<Option<Instant>>,
    deleted: AtomicBool,
    /// Writers of this comparison, one after the other, so that none writes what is older.
    saving: Mutex<()>,
}

/// What is known so far. `comparison.results` is made from `results` when somebody wants it.
struct Board {
    comparison: Comparison,
    results: Results,
}

impl Run {
    /// A run that has not begun. Its events are numbered behind `start`.
    pub fn new(plan: Plan, comparison: Comparison, results: Results, only: Option<(usize, usize)>, start: u64) -> Self {
        let run = Self {
            id: comparison.id.clone(),
            plan,
            log: EventLog::new(start),
            only,
            reference_before: None,
            board: Mutex::new(Board { comparison, results }),
            stops: watch::Sender::default(),
            ended: Mutex::default(),
            deleted: AtomicBool::new(false),
            saving: Mutex::default(),
        };
        run.log.push(CompareEvent::Comparison { comparison: Arc::new(run.snapshot()) });
        run
    }

    /// Remembers what the cell that is run again said before.
    pub fn with_reference_before(self, tokens: Option<Vec<Token>>) -> Self {
        Self { reference_before: tokens, ..self }
    }

    /// What the cell that is run again said before.
    pub fn reference_before(&self) -> Option<&[Token]> {
        self.reference_before.as_deref()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Every statement leaves the board whole.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The comparison as it is now.
    pub fn snapshot(&self) -> Comparison {
        let board = self.board();
        let results = serde_json::to_value(&board.results).unwrap_or(Value::Null);
        Comparison { results, ..board.comparison.clone() }
    }

    /// As [`Run::snapshot`], without the results.
    pub fn head(&self) -> Comparison {
        self.board().comparison.clone()
    }

    /// Changes title or judgement.
    pub fn change(&self, change: impl FnOnce(&mut Comparison)) {
        let mut board = self.board();
        change(&mut board.comparison);
        board.comparison.updated_ms = now();
    }

    /// Looks at the results or changes them.
    pub fn results<T>(&self, work: impl FnOnce(&mut Results) -> T) -> T {
        work(&mut self.board().results)
    }

    /// Says how far a cell is. Of the states of a cell only the last is kept.
    pub fn state(&self, cell: Cell, state: CellState, share: Option<f64>, position: Option<u32>) {
        let event = CompareEvent::Cell { cell, state, share, position };
        self.log.replace(event, |old| matches!(old, CompareEvent::Cell { cell: other, .. } if *other == cell));
    }

    /// Puts a result in its place. It has everything that was said of the cell before.
    pub fn put(&self, result: CellResult) {
        let cell = result.cell;
        self.results(|results| {
            results.cells.retain(|old| old.cell != cell);
            results.cells.push(result.clone());
        });
        let event = CompareEvent::Result { cell, result: Arc::new(result) };
        self.log.replace(event, |old| old.cell() == Some(cell));
    }

    /// Puts what was scored into a result.
    pub fn amend(&self, cell: Cell, change: impl FnOnce(&mut CellResult)) {
        let result = self.results(|results| {
            let result = results.cells.iter_mut().find(|result| result.cell == cell)?;
            change(result);
            Some(result.clone())
        });
        if let Some(result) = result {
            let event = CompareEvent::Result { cell, result: Arc::new(result) };
            self.log.replace(event, |old| old.cell() == Some(cell));
        }
    }

    /// Stops a column, or everything.
    pub fn stop(&self, column: Option<usize>) {
        self.stops.send_modify(|stops| match column {
            None => stops.all = true,
            Some(column) => stops.columns[column] = true,
        });
    }

    /// Whether this column was stopped, or everything.
    pub fn is_stopped(&self, column: usize) -> bool {
        let stops = self.stops.borrow();
        stops.all || stops.columns[column]
    }

    /// Whether nothing is left to run.
    pub fn is_all_stopped(&self) -> bool {
        let stops = *self.stops.borrow();
        stops.all || stops.columns[..self.plan.request.columns.len()].iter().all(|stopped| *stopped)
    }

    /// Ready when this column is stopped.
    pub async fn stopped(&self, column: usize) {
        let mut stops = self.stops.subscribe();
        // The sender lives in `self`.
        let _ = stops.wait_for(|stops| stops.all || stops.columns[column]).await;
    }

    /// Ready when nothing is left to run.
    pub async fn all_stopped(&self) {
        let mut stops = self.stops.subscribe();
        while !self.is_all_stopped() {
            if stops.changed().await.is_err() {
                return;
            }
        }
    }

    /// Nothing of it is to be written any more.
    pub fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        self.stop(None);
    }

    /// Writes it as it is now. Blocks.
    pub fn save(&self, store: &dyn ConversationStore) {
        let _one = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if self.deleted.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = store.put_comparison(&self.snapshot()) {
            tracing::error!(comparison = %self.id, "not saved: {error}");
        }
    }

    /// Deletes what is written, after whoever writes it just now. Blocks.
    pub fn after_saving<T>(&self, work: impl FnOnce() -> T) -> T {
        let _one = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Sums up, with the status that follows from what happened.
    pub fn conclude(&self, interrupted: bool) {
        let all_stopped = self.is_all_stopped();
        let mut board = self.board();
        let Board { comparison, results } = &mut *board;
        results.summary = summarize(&results.cells, self.plan.request.columns.len());
        let failed = results.cells.iter().all(|cell| cell.error.is_some());
        comparison.status = match () {
            () if interrupted => Status::Interrupted,
            () if all_stopped => Status::Stopped,
            () if failed => Status::Failed,
            () => Status::Complete,
        };
        comparison.updated_ms = now();
    }

    /// Tells everyone that it is over.
    pub fn end(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            self.log.push(CompareEvent::End { comparison: Arc::new(self.snapshot()) });
            self.log.close();
            *ended = Some(Instant::now());
        }
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        self.ended_for().is_some()
    }

    /// For how long it has been over.
    pub fn ended_for(&self) -> Option<Duration> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

/// Ends a run whose task panicked: readers are not left waiting.
pub(crate) struct EndOnDrop(pub Arc<Run>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if !self.0.has_ended() {
            self.0.change(|comparison| comparison.status = Status::Failed);
            self.0.end();
        }
    }
}
