//! The task behind a comparison: which cell runs when.
//!
//! A **round** is one prompt in one repetition, put to every column. Repetitions are whole passes over all prompts and
//! not runs of one cell behind each other, so that a machine that grows warm or busy does so for all columns alike; and
//! each round begins one column further than the last, so that none is always first. Comparisons take turns: two at
//! once would measure each other.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tern_registry::{Lease, Registry};
use tern_store::ConversationStore;
use tokio::sync::Mutex;

use crate::{
    Cache, Cell, CellState, Mode,
    cell::{Failure, Work, beside},
    machine::{self, Traffic},
    run::{EndOnDrop, Run},
};

/// Saving takes at most one part in so many of the time: results grow, and are written whole.
const SAVING_SHARE: u32 = 10;
/// How long the pass under way may take to end after its answer was stopped.
const ENDING: Duration = Duration::from_secs(30);

/// What all comparisons of a server share.
pub(crate) struct Shared {
    pub registry: Registry,
    pub store: Arc<dyn ConversationStore>,
    /// Held by the comparison whose turn it is.
    pub turn: Mutex<()>,
}

/// Runs a comparison to its end.
pub(crate) async fn run(shared: Arc<Shared>, run: Arc<Run>) {
    let _end = EndOnDrop(run.clone());
    let mut runner = Runner {
        shared: &shared,
        run: &run,
        warm: HashSet::new(),
        dead: HashMap::new(),
        shutting_down: false,
        saved: None,
    };
    let rounds = runner.rounds();
    if let Some(first) = rounds.first() {
        runner.announce(first);
    }
    let turn = tokio::select! {
        turn = shared.turn.lock() => Some(turn),
        () = run.all_stopped() => None,
    };
    if turn.is_some() {
        runner.look_at_machine().await;
        for round in &rounds {
            runner.round(round).await;
            if runner.shutting_down || run.is_all_stopped() {
                break;
            }
        }
        crate::scoring::score_all(&mut runner).await;
        crate::similarity::compare_all(&mut runner).await;
    }
    drop(turn);
    run.conclude(runner.shutting_down);
    runner.save().await;
    run.end();
}

/// A comparison that has the machine for itself.
pub(crate) struct Runner<'a> {
    pub shared: &'a Shared,
    pub run: &'a Arc<Run>,
    /// Models that were warmed up and have had no other model run since.
    warm: HashSet<String>,
    /// Columns whose model cannot be had, and why.
    dead: HashMap<usize, String>,
    pub shutting_down: bool,
    /// When it was last saved, and how long that took.
    saved: Option<(Instant, Duration)>,
}

impl Runner<'_> {
    /// The cells of each round, in the order in which they run.
    fn rounds(&self) -> Vec<Vec<Cell>> {
        let request = &self.run.plan.request;
        let count = request.columns.len();
        let prompts: Vec<usize> =
            (0..request.prompts.len()).filter(|prompt| self.run.only.is_none_or(|(only, _)| only == *prompt)).collect();
        let rounds = (0..request.repetitions).flat_map(|repetition| prompts.iter().map(move |p| (repetition, *p)));
        rounds
            .enumerate()
            .map(|(round, (repetition, prompt))| {
                let columns = (0..count).map(|place| (round + place) % count);
                let wanted = columns.filter(|column| self.run.only.is_none_or(|(_, only)| only == *column));
                wanted.map(|column| Cell { prompt, column, repetition }).collect()
            })
            .collect()
    }

    fn announce(&self, cells: &[Cell]) {
        for (cell, position) in cells.iter().zip(1..) {
            if !self.run.is_stopped(cell.column) {
                self.run.state(*cell, CellState::Waiting, None, Some(position));
            }
        }
    }

    async fn look_at_machine(&mut self) {
        let registry = self.shared.registry.clone();
        let Ok(machine) = beside(move || machine::look(&registry)).await else { return };
        // A cell that runs again says nothing about the machine when the others ran.
        if self.run.only.is_none() {
            self.run.results(|results| results.machine = machine);
        }
    }

    async fn round(&mut self, cells: &[Cell]) {
        self.announce(cells);
        let mut alive = Vec::new();
        for cell in cells {
            if self.run.is_stopped(cell.column) {
                self.run.state(*cell, CellState::Stopped, None, None);
            } else if let Some(message) = self.dead.get(&cell.column) {
                let work = Work::new(self.run, &self.shared.registry, *cell, true);
                self.report(*cell, work.finish(Some(&Failure::Model(message.clone())), false));
            } else {
                alive.push(*cell);
            }
        }
        match self.run.plan.request.mode {
            Mode::Concurrent => self.together(&alive).await,
            Mode::Sequential => {
                for cell in alive {
                    if self.run.is_stopped(cell.column) {
                        self.run.state(cell, CellState::Stopped, None, None);
                    } else if !self.shutting_down {
                        self.one(cell).await;
                        self.save_sometimes().await;
                    }
                }
            }
        }
        self.save_sometimes().await;
    }

    /// One cell, alone.
    async fn one(&mut self, cell: Cell) {
        let run = self.run;
        let mut work = Work::new(run, &self.shared.registry, cell, false);
        let outcome = tokio::select! {
            outcome = self.sequential(&mut work) => Some(outcome),
            () = run.stopped(cell.column) => None,
        };
        self.conclude(work, outcome).await;
    }

    async fn sequential(&mut self, work: &mut Work<'_>) -> Result<(), Failure> {
        let lease = self.prepare(work).await?;
        let before = Traffic::now(&self.shared.registry);
        let answered = work.answer(&lease).await;
        let own = HashMap::from([(lease.entry.id.clone(), 1)]);
        if before.disturbed(&self.shared.registry, &own) {
            work.result.warning = Some(DISTURBED.to_owned());
        }
        answered
    }

    /// The model in the state in which it is timed.
    async fn prepare(&mut self, work: &mut Work<'_>) -> Result<Lease, Failure> {
        let request = &self.run.plan.request;
        let lease = work.load().await?;
        let id = &lease.entry.id;
        if request.mode == Mode::Sequential {
            // What another model's run has pushed out of the processor's caches and perhaps out of memory.
            self.warm.retain(|model| model == id);
        }
        if request.warmup && (work.result.load_ms.is_some() || !self.warm.contains(id)) {
            work.warm_up(&lease).await?;
        }
        self.warm.insert(id.clone());
        if request.cache == Cache::Warm {
            work.fill_cache(&lease).await?;
        }
        Ok(lease)
    }

    /// All cells of a round at once. Models are brought into memory one after the other, and then start together.
    async fn together(&mut self, cells: &[Cell]) {
        let run = self.run;
        let mut ready = Vec::new();
        for cell in cells {
            let mut work = Work::new(run, &self.shared.registry, *cell, true);
            let outcome = tokio::select! {
                outcome = self.prepare(&mut work) => Some(outcome),
                () = run.stopped(cell.column) => None,
            };
            match outcome {
                Some(Ok(lease)) => {
                    run.state(*cell, CellState::Waiting, None, None);
                    ready.push((work, lease));
                }
                Some(Err(failure)) => self.conclude(work, Some(Err(failure))).await,
                None => self.conclude(work, None).await,
            }
        }
        let before = Traffic::now(&self.shared.registry);
        let mut own: HashMap<String, u64> = HashMap::new();
        for (_, lease) in &ready {
            *own.entry(lease.entry.id.clone()).or_default() += 1;
        }
        let answers = ready.into_iter().map(|(mut work, lease)| async move {
            let column = work.result.cell.column;
            let outcome = tokio::select! {
                outcome = work.answer(&lease) => Some(outcome),
                () = run.stopped(column) => None,
            };
            (work, outcome)
        });
        let answers = join_all(answers).await;
        let disturbed = before.disturbed(&self.shared.registry, &own);
        for (mut work, outcome) in answers {
            work.result.warning = disturbed.then(|| DISTURBED.to_owned());
            self.conclude(work, outcome).await;
        }
    }

    /// Reports a cell that has ended: with its outcome, or `None` for one that was stopped.
    async fn conclude(&mut self, work: Work<'_>, outcome: Option<Result<(), Failure>>) {
        let cell = work.result.cell;
        let failure = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        match failure {
            Some(Failure::Model(message)) => drop(self.dead.insert(cell.column, message.clone())),
            Some(Failure::ShuttingDown) => {
                // It is as if this cell had not been begun.
                self.shutting_down = true;
                self.run.state(cell, CellState::Stopped, None, None);
                return;
            }
            Some(Failure::Cell(_)) | None => {}
        }
        if outcome.is_none() {
            self.until_idle(&work.result.model).await;
        }
        if failure.is_some() || outcome.is_none() {
            self.warm.clear();
        }
        let result = work.finish(failure, outcome.is_none());
        self.report(cell, result);
    }

    fn report(&self, cell: Cell, result: crate::CellResult) {
        let state = match (&result.error, result.finish_reason.as_deref()) {
            (Some(_), _) => CellState::Failed,
            (None, Some("stopped")) => CellState::Stopped,
            (None, _) if self.run.plan.request.quality => CellState::Scoring,
            (None, _) => CellState::Done,
        };
        self.run.put(result);
        self.run.state(cell, state, None, None);
    }

    /// A stopped answer ends with the pass under way; until then the next cell would not be alone.
    async fn until_idle(&self, model: &str) {
        let loaded = self.shared.registry.loaded();
        let Some(loaded) = loaded.into_iter().find(|loaded| loaded.entry.id == model) else { return };
        let Ok(text) = loaded.text() else { return };
        let idle = async {
            while !text.scheduler.is_idle() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(ENDING, idle).await;
    }

    /// Saves unless that would take too much of the time.
    pub async fn save_sometimes(&mut self) {
        if self.saved.is_none_or(|(at, took)| at.elapsed() > took * SAVING_SHARE) {
            self.save().await;
        }
    }

    async fn save(&mut self) {
        let (run, store) = (self.run.clone(), self.shared.store.clone());
        let begun = Instant::now();
        let _ = beside(move || run.save(&*store)).await;
        self.saved = Some((Instant::now(), begun.elapsed()));
    }
}

const DISTURBED: &str = "other requests ran on this server at the same time";
