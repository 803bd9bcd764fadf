//! The state machine of loading and unloading.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tern_catalog::{Catalog, Origin};
use tern_chat::{ChatModel, ChatModelConfig};
use tern_engine::{Cost, EngineError, ModelSource};
use tern_gguf::blocks::ternary::Order;
use tern_scheduler::{Scheduler, SchedulerConfig};
use tokio::sync::watch;

use crate::{
    DeleteError, EmbedHandle, Lease, LoadState, Loaded, ModelEntry, ModelStatus, RegistryConfig, RegistryError,
    TaskHandle, TextHandle, engines::by_name, machine, rewritten, table::Table,
};

/// What is known about a model that is in memory or on its way there.
enum Slot {
    Loading { progress: watch::Receiver<Loading>, cost: Cost, cancel: Arc<AtomicBool> },
    Ready(Arc<Loaded>),
}

/// How far a load is. The sender is dropped when it is over.
#[derive(Clone)]
enum Loading {
    Share(f32),
    Done(Result<Arc<Loaded>, RegistryError>),
}

struct Inner {
    table: Table,
    config: RegistryConfig,
    slots: Mutex<HashMap<String, Slot>>,
    closing: AtomicBool,
}

/// A model whose files are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Its id.
    pub id: String,
    /// Bytes that are free now.
    pub bytes: u64,
}

/// Which models exist, which are loaded. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

impl Registry {
    /// A registry over the models of `catalog`. Must be called within a tokio runtime: idle models are unloaded by a
    /// task that lives as long as the registry.
    pub fn new(catalog: Catalog, config: RegistryConfig) -> Self {
        let table = Table::new(catalog, config.echo, config.tesseract.clone(), config.projectors.clone());
        let inner = Inner { table, config, slots: Mutex::default(), closing: AtomicBool::new(false) };
        let registry = Self(Arc::new(inner));
        registry.spawn_reaper();
        registry
    }

    /// The catalogue behind it.
    pub fn catalog(&self) -> &Catalog {
        self.0.table.catalog()
    }

    /// The settings it runs with.
    pub fn config(&self) -> &RegistryConfig {
        &self.0.config
    }

    /// Every model, in a stable order, with its state.
    pub fn list(&self) -> Vec<ModelStatus> {
        self.0.table.entries().into_iter().map(|entry| self.status_of(entry)).collect()
    }

    /// One model by id or alias.
    ///
    /// # Errors
    /// `UnknownModel`, `UnknownEngine` or `Unusable`.
    pub fn status(&self, name: &str) -> Result<ModelStatus, RegistryError> {
        Ok(self.status_of(self.0.table.find(name)?))
    }

    /// The id of the model whose file this is: one that was put there a moment ago is found too.
    pub fn id_of_file(&self, path: &Path) -> Option<String> {
        self.0.table.of_file(path).map(|entry| entry.id)
    }

    /// The models in memory.
    pub fn loaded(&self) -> Vec<Arc<Loaded>> {
        let mut loaded: Vec<_> = self
            .slots()
            .values()
            .filter_map(|slot| match slot {
                Slot::Ready(loaded) => Some(loaded.clone()),
                Slot::Loading { .. } => None,
            })
            .collect();
        loaded.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
        loaded
    }

    /// The model called `name`, loaded if it is not. Waits as long as the load takes; dropping the future does not
    /// stop the load, as others may wait for it too.
    ///
    /// # Errors
    /// As [`Registry::status`], and `OutOfMemory`, `Load` or `ShuttingDown`.
    pub async fn acquire(&self, name: &str) -> Result<Lease, RegistryError> {
        let this = self.clone();
        let name = name.to_owned();
        // Finding may read folders and headers.
        let entry = tokio::task::spawn_blocking(move || this.0.table.find(&name))
            .await
            .unwrap_or(Err(RegistryError::ShuttingDown))?;
        loop {
            let mut progress = {
                let mut slots = self.slots();
                if self.0.closing.load(Ordering::Acquire) {
                    return Err(RegistryError::ShuttingDown);
                }
                match slots.get(&entry.id) {
                    Some(Slot::Ready(loaded)) => return Ok(Lease::new(loaded.clone())),
                    Some(Slot::Loading { progress, .. }) => progress.clone(),
                    None => self.begin(&mut slots, entry.clone())?,
                }
            };
            loop {
                if let Loading::Done(result) = &*progress.borrow_and_update() {
                    match result {
                        Ok(_) => break, // take it from the table, under the lock
                        Err(error) => return Err(error.clone()),
                    }
                }
                if progress.changed().await.is_err() {
                    break;
                }
            }
        }
    }

    /// What the engine of `entry` is given: its file, rewritten first where the engine cannot read it as it is. Blocks.
    ///
    /// # Errors
    /// When it cannot be rewritten.
    pub fn source(
        &self,
        entry: &ModelEntry,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<ModelSource, EngineError> {
        if !entry.rewritten {
            return Ok(entry.source.clone());
        }
        let config = &self.0.config;
        let files = self.0.table.entries().into_iter().map(|entry| entry.source);
        let order = Order::of_block(config.i2s_block);
        rewritten::file(&entry.source, order, config.rewritten_dir.as_deref(), files, progress).map(ModelSource::Path)
    }

    /// Follows a load: the share done, 0 to 1, while it is under way.
    pub fn load_progress(&self, id: &str) -> Option<f32> {
        match self.slots().get(id)? {
            Slot::Loading { progress, .. } => match &*progress.borrow() {
                Loading::Share(share) => Some(*share),
                Loading::Done(_) => Some(1.0),
            },
            Slot::Ready(_) => None,
        }
    }

    /// Takes a model out of memory; a load under way is stopped. Returns whether there was one.
    ///
    /// # Errors
    /// `InUse` while requests run, unless `force`; as [`Registry::status`] for an unknown name.
    pub fn unload(&self, name: &str, force: bool) -> Result<bool, RegistryError> {
        let entry = self.0.table.find(name)?;
        let mut slots = self.slots();
        match slots.get(&entry.id) {
            None => Ok(false),
            Some(Slot::Loading { cancel, .. }) => {
                cancel.store(true, Ordering::Release);
                Ok(true)
            }
            Some(Slot::Ready(loaded)) => {
                let requests = loaded.leases();
                if requests > 0 && !force {
                    return Err(RegistryError::InUse { id: entry.id, requests });
                }
                if let Some(text) = &loaded.text {
                    text.scheduler.abort();
                }
                slots.remove(&entry.id);
                tracing::info!(model = %entry.id, "unloaded");
                Ok(true)
            }
        }
    }

    /// Takes a model out of memory and removes its files. Reads and changes folders: call it off the async threads.
    ///
    /// # Errors
    /// As [`Registry::unload`], `NotOurs` for a file that did not come through this server, and what the system says.
    pub fn delete(&self, name: &str, force: bool) -> Result<Deleted, DeleteError> {
        let id = self.0.table.find(name)?.id;
        let local = self.catalog().local().into_iter().find(|model| model.id == id);
        let Some(local) = local.filter(|model| model.origin != Origin::Explicit) else {
            return Err(DeleteError::NotOurs { id });
        };
        self.unload(&id, force)?;
        let deleted = tern_catalog::delete(&local);
        // Part of it may be gone also when something failed.
        self.0.table.forget();
        let bytes = deleted.map_err(|source| DeleteError::Io { id: id.clone(), source })?;
        tracing::info!(model = %id, "deleted");
        Ok(Deleted { id, bytes })
    }

    /// Refuses new requests; running ones go on.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
        for slot in self.slots().values() {
            match slot {
                Slot::Ready(loaded) => {
                    if let Some(text) = &loaded.text {
                        text.scheduler.close();
                    }
                }
                Slot::Loading { cancel, .. } => cancel.store(true, Ordering::Release),
            }
        }
    }

    /// Whether new requests are refused.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    /// Ends running requests.
    pub fn abort(&self) {
        for loaded in self.loaded() {
            if let Some(text) = &loaded.text {
                text.scheduler.abort();
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        // The map is consistent between any two statements that hold the lock.
        self.0.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn status_of(&self, entry: ModelEntry) -> ModelStatus {
        let state = match self.slots().get(&entry.id) {
            None => LoadState::Unloaded,
            Some(Slot::Ready(_)) => LoadState::Loaded,
            Some(Slot::Loading { progress, .. }) => match &*progress.borrow() {
                Loading::Share(share) => LoadState::Loading(*share),
                Loading::Done(_) => LoadState::Loaded,
            },
        };
        let engine = by_name(entry.engine).and_then(|slot| slot.engine().ok());
        let cost = engine.map(|engine| self.0.config.cost(engine, &entry.info)).unwrap_or_default();
        let context_length = self.0.config.context_length(&entry.info);
        ModelStatus { entry, state, cost, context_length }
    }

    /// Makes room and starts the load. The caller holds the lock.
    fn begin(
        &self,
        slots: &mut HashMap<String, Slot>,
        entry: ModelEntry,
    ) -> Result<watch::Receiver<Loading>, RegistryError> {
        let status_error = |source: EngineError| RegistryError::Load { id: entry.id.clone(), source: source.into() };
        let engine = by_name(entry.engine).ok_or(RegistryError::ShuttingDown)?.engine().map_err(status_error)?;
        let cost = self.0.config.cost(engine, &entry.info);
        self.make_room(slots, &entry.id, &cost)?;
        let (sender, progress) = watch::channel(Loading::Share(0.0));
        let cancel = Arc::new(AtomicBool::new(false));
        slots.insert(entry.id.clone(), Slot::Loading { progress: progress.clone(), cost, cancel: cancel.clone() });
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let id = entry.id.clone();
            let load = std::panic::AssertUnwindSafe(|| this.load(entry, cost, &sender, &cancel));
            let result = std::panic::catch_unwind(load).unwrap_or_else(|_| {
                let source = Arc::new(EngineError::Failed("the engine panicked while loading; see the log".into()));
                Err(RegistryError::Load { id: id.clone(), source })
            });
            let mut slots = this.slots();
            match &result {
                Ok(loaded) => drop(slots.insert(id, Slot::Ready(loaded.clone()))),
                Err(error) => {
                    tracing::warn!("{error}");
                    slots.remove(&id);
                }
            }
            // Under the lock: whoever wakes finds the table as the message says.
            let _ = sender.send(Loading::Done(result));
        });
        Ok(progress)
    }

    fn load(
        &self,
        entry: ModelEntry,
        cost: Cost,
        progress: &watch::Sender<Loading>,
        cancel: &AtomicBool,
    ) -> Result<Arc<Loaded>, RegistryError> {
        let started = Instant::now();
        let config = &self.0.config;
        let options = config.load_options(&entry.info);
        let failed = |source: EngineError| RegistryError::Load { id: entry.id.clone(), source: source.into() };
        let engine = by_name(entry.engine).ok_or(RegistryError::ShuttingDown)?.engine().map_err(failed)?;
        let report = |share: f32| {
            progress.send_replace(Loading::Share(share.clamp(0.0, 1.0)));
            !cancel.load(Ordering::Acquire)
        };
        let source = self.source(&entry, &mut |share| report(share / 2.0)).map_err(failed)?;
        let first = if entry.rewritten { 0.5 } else { 0.0 };
        let mut report = |share: f32| report(first + share * (1.0 - first));
        let model = engine.load(&source, &options, &mut report).map_err(failed)?;
        if cancel.load(Ordering::Acquire) {
            return Err(failed(EngineError::Cancelled));
        }
        let text = match model.text {
            None => None,
            Some(text) => {
                let chat = self.chat_model(&entry, &model.info, text.tokenizer.clone())?;
                let chat = Arc::new(chat.with_vision(text.vision));
                let scheduler = Scheduler::start(
                    text.decoder,
                    text.tokenizer.clone(),
                    SchedulerConfig {
                        name: entry.id.clone(),
                        parallel: config.parallel,
                        queue: config.queue,
                        prefill_chunk: options.max_batch_tokens as usize,
                    },
                );
                Some(TextHandle { scheduler, tokenizer: text.tokenizer, chat })
            }
        };
        let embedder = match model.embedder {
            None => None,
            Some((tokenizer, embedder)) => Some(
                EmbedHandle::start(&entry.id, tokenizer, embedder, config.queue)
                    .map_err(|error| failed(EngineError::Failed(format!("no thread: {error}"))))?,
            ),
        };
        let task_failed = |error: std::io::Error| failed(EngineError::Failed(format!("no thread: {error}")));
        let tagger = model
            .tagger
            .map(|model| TaskHandle::start(&entry.id, model, config.queue))
            .transpose()
            .map_err(task_failed)?;
        let reranker = model
            .reranker
            .map(|model| TaskHandle::start(&entry.id, model, config.queue))
            .transpose()
            .map_err(task_failed)?;
        let reader = model
            .reader
            .map(|model| TaskHandle::start(&entry.id, model, config.queue))
            .transpose()
            .map_err(task_failed)?;
        let describer = model
            .describer
            .map(|model| TaskHandle::start(&entry.id, model, config.queue))
            .transpose()
            .map_err(task_failed)?;
        let transcriber = model
            .transcriber
            .map(|model| TaskHandle::start(&entry.id, model, config.queue))
            .transpose()
            .map_err(task_failed)?;
        let load_seconds = started.elapsed().as_secs_f64();
        tracing::info!(
            model = %entry.id, engine = entry.engine, seconds = format!("{load_seconds:.2}"),
            context = options.kv_cells, memory = %crate::error::size(cost.total_bytes()), "loaded"
        );
        Ok(Arc::new(Loaded {
            entry: ModelEntry { info: model.info, ..entry },
            cost,
            load_seconds,
            text,
            embedder,
            tagger,
            reranker,
            reader,
            describer,
            transcriber,
            leases: 0.into(),
            last_used: Instant::now().into(),
        }))
    }

    /// The dialogue format: the override, the file's own template, or the plain fallback.
    fn chat_model(
        &self,
        entry: &ModelEntry,
        info: &tern_engine::ModelInfo,
        tokenizer: Arc<dyn tern_engine::Tokenizer>,
    ) -> Result<ChatModel, RegistryError> {
        let unusable = |reason: String| RegistryError::Unusable { id: entry.id.clone(), reason };
        let over = self.0.config.templates.iter().find(|t| entry.answers_to(&t.model));
        let config = |template| ChatModelConfig {
            template,
            bos_token: info.bos_token.clone(),
            eos_token: info.eos_token.clone(),
            ..Default::default()
        };
        if let Some(over) = over {
            let text = std::fs::read_to_string(&over.path)
                .map_err(|error| unusable(format!("chat template {}: {error}", over.path.display())))?;
            return ChatModel::new(config(Some(text)), tokenizer)
                .map_err(|error| unusable(format!("chat template {}: {error}", over.path.display())));
        }
        ChatModel::new(config(info.chat_template.clone()), tokenizer.clone()).or_else(|error| {
            tracing::warn!(model = %entry.id, "chat template in the file cannot be used, plain lines instead: {error}");
            ChatModel::new(config(None), tokenizer).map_err(|error| unusable(error.to_string()))
        })
    }

    /// Unloads idle models, least recently used first, until `cost` fits into the budget.
    fn make_room(&self, slots: &mut HashMap<String, Slot>, id: &str, cost: &Cost) -> Result<(), RegistryError> {
        let needed = cost.total_bytes();
        let out_of_memory = |used, budget| RegistryError::OutOfMemory {
            id: id.to_owned(),
            needed,
            weights: cost.weights_bytes,
            kv: cost.kv_bytes(),
            fixed: cost.fixed_bytes,
            context_tokens: cost.context_tokens,
            used,
            budget,
        };
        // Nobody loses a place for a model that would not fit even then.
        let pinned = slots.values().filter(|slot| !slot.is_idle()).map(Slot::bytes).fold(0, u64::saturating_add);
        if pinned.saturating_add(needed) > self.0.config.memory_budget {
            return Err(out_of_memory(pinned, self.0.config.memory_budget));
        }
        loop {
            let used = slots.values().map(Slot::bytes).fold(0, u64::saturating_add);
            let budget = self.0.config.memory_budget;
            // Free memory counts too: other programs live on this machine. Mapped weights may be dropped from the
            // page cache at any time and so only what is private must be there.
            let private = needed.saturating_sub(cost.weights_bytes);
            let available = machine::memory_available().unwrap_or(u64::MAX);
            if used.saturating_add(needed) <= budget && private <= available {
                return Ok(());
            }
            let idle = slots
                .iter()
                .filter_map(|(id, slot)| match slot {
                    Slot::Ready(loaded) if slot.is_idle() => {
                        Some((loaded.last_used.lock().map_or_else(|e| *e.into_inner(), |at| *at), id.clone()))
                    }
                    _ => None,
                })
                .min();
            let Some((_, idle)) = idle else {
                let (used, budget) = if private > available { (0, available) } else { (used, budget) };
                return Err(out_of_memory(used, budget));
            };
            slots.remove(&idle);
            tracing::info!(model = %idle, "unloaded to make room for {id}");
        }
    }

    /// Unloads models that were idle for longer than the keep-alive time.
    fn spawn_reaper(&self) {
        let Some(keep_alive) = self.0.config.keep_alive else { return };
        let weak = Arc::downgrade(&self.0);
        let every = (keep_alive / 10).clamp(Duration::from_millis(50), Duration::from_secs(10));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            loop {
                ticks.tick().await;
                let Some(inner) = weak.upgrade() else { return };
                Registry(inner).unload_idle(keep_alive);
            }
        });
    }

    fn unload_idle(&self, keep_alive: Duration) {
        self.slots().retain(|id, slot| {
            let Slot::Ready(loaded) = slot else { return true };
            let last_used = loaded.last_used.lock().map_or_else(|e| *e.into_inner(), |at| *at);
            let keep = loaded.leases() > 0 || last_used.elapsed() < keep_alive;
            if !keep {
                tracing::info!(model = %id, "unloaded after {} s without a request", keep_alive.as_secs());
            }
            keep
        });
    }
}

impl Slot {
    fn is_idle(&self) -> bool {
        matches!(self, Slot::Ready(loaded) if loaded.leases() == 0)
    }

    fn bytes(&self) -> u64 {
        match self {
            Slot::Loading { cost, .. } => cost.total_bytes(),
            Slot::Ready(loaded) => loaded.cost.total_bytes(),
        }
    }
}
