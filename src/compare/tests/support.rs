use std::sync::Arc;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tern_catalog::{Catalog, CatalogConfig, hub};
use tern_compare::{Cell, CellResult, CellState, Column, CompareEvent, CompareRequest, Comparisons, Results};
use tern_registry::{Registry, RegistryConfig};
use tern_store::{Comparison, ConversationStore, RedbStore};

/// A service over the echo engine's models.
pub struct Bench {
    pub comparisons: Comparisons,
    pub registry: Registry,
    pub store: Arc<dyn ConversationStore>,
    _dir: TempDir,
}

/// A comparison that has ended: what was said on the way, and what is kept.
pub struct Ended {
    pub events: Vec<CompareEvent>,
    pub comparison: Comparison,
    pub results: Results,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RegistryConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = hub::Settings::new(dir.path().join("hub"));
        let catalog = Catalog::new(CatalogConfig { models_dir: dir.path().join("models"), hub, extra: Vec::new() });
        let mut config = RegistryConfig { echo: true, threads: 1, ..RegistryConfig::default() };
        change(&mut config);
        let registry = Registry::new(catalog, config);
        let store: Arc<dyn ConversationStore> = Arc::new(RedbStore::temporary());
        Self { comparisons: Comparisons::new(registry.clone(), store.clone()), registry, store, _dir: dir }
    }

    /// Runs a comparison to its end.
    pub async fn run(&self, request: CompareRequest) -> Ended {
        let mut reader = self.comparisons.start("cmp_1".into(), request).await.unwrap();
        self.follow(&mut reader).await
    }

    /// As [`Bench::follow`], of which the beginning has been read.
    pub async fn follow_rest(&self, reader: &mut tern_compare::log::Reader<CompareEvent>) -> Ended {
        let mut last = None;
        while let Some((_, event)) = reader.next().await {
            last = Some(event);
        }
        let Some(CompareEvent::End { comparison }) = last else { panic!("no end: {last:?}") };
        let results = serde_json::from_value(comparison.results.clone()).unwrap();
        Ended { comparison: Comparison::clone(&comparison), results, events: Vec::new() }
    }

    pub async fn follow(&self, reader: &mut tern_compare::log::Reader<CompareEvent>) -> Ended {
        let (mut events, mut last) = (Vec::new(), 0);
        while let Some((number, event)) = reader.next().await {
            assert!(number > last, "numbers go up: {last} {number}");
            last = number;
            events.push(event);
        }
        assert!(matches!(events.first(), Some(CompareEvent::Comparison { .. })), "{events:?}");
        let Some(CompareEvent::End { comparison }) = events.last() else { panic!("no end: {events:?}") };
        let comparison = Comparison::clone(comparison);
        let results = serde_json::from_value(comparison.results.clone()).unwrap();
        Ended { comparison, results, events }
    }
}

impl Ended {
    #[track_caller]
    pub fn cell(&self, prompt: usize, column: usize, repetition: u32) -> &CellResult {
        let cell = Cell { prompt, column, repetition };
        let found = self.results.cells.iter().filter(|result| result.cell == cell).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{cell:?} in {:?}", self.results.cells);
        found[0]
    }

    /// Asserts that the states of a cell that were seen are some of these, in this order, with the last. (Of states that
    /// follow each other faster than they are read only the last is told.)
    #[track_caller]
    pub fn went_through(&self, prompt: usize, column: usize, repetition: u32, expected: &[CellState]) {
        let seen = self.states(prompt, column, repetition);
        let mut rest = expected.iter();
        assert!(seen.iter().all(|state| rest.any(|other| other == state)), "{seen:?}, expected {expected:?}");
        assert_eq!(seen.last(), expected.last());
    }

    /// Whether something was done in a cell.
    pub fn had(&self, column: usize, repetition: u32, phase: tern_compare::Phase) -> bool {
        self.cell(0, column, repetition).timeline.iter().any(|span| span.phase == phase)
    }

    /// The states of a cell that were seen, in order, each once.
    pub fn states(&self, prompt: usize, column: usize, repetition: u32) -> Vec<CellState> {
        let wanted = Cell { prompt, column, repetition };
        let mut states: Vec<CellState> = Vec::new();
        for event in &self.events {
            if let CompareEvent::Cell { cell, state, .. } = event
                && *cell == wanted
                && states.last() != Some(state)
            {
                states.push(*state);
            }
        }
        states
    }
}

/// One prompt, put to these models.
pub fn request(models: &[&str]) -> CompareRequest {
    CompareRequest {
        prompts: vec!["Tell me something".into()],
        columns: models.iter().map(|model| Column { model: (*model).into(), ..Column::default() }).collect(),
        repetitions: 1,
        warmup: false,
        quality: false,
        ..CompareRequest::default()
    }
}

pub fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Most tokens of an answer.
pub fn at_most(tokens: u32) -> Map<String, Value> {
    map(json!({"max_tokens": tokens}))
}
