//! A model in memory, and the lease that keeps it there.

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tern_chat::ChatModel;
use tern_engine::{Cost, Describer, EntityTagger, Reranker, TextReader, Tokenizer, Transcriber};
use tern_scheduler::Scheduler;

use crate::{EmbedHandle, ModelEntry, RegistryError, TaskHandle};

/// The text side of a loaded model.
pub struct TextHandle {
    /// Decides what each forward pass computes.
    pub scheduler: Scheduler,
    /// Tokenizer of the model.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Its dialogue format.
    pub chat: Arc<ChatModel>,
}

/// A model in memory.
pub struct Loaded {
    /// The model.
    pub entry: ModelEntry,
    /// What it takes, as estimated before loading.
    pub cost: Cost,
    /// How long loading took.
    pub load_seconds: f64,
    pub(crate) text: Option<TextHandle>,
    pub(crate) embedder: Option<EmbedHandle>,
    pub(crate) tagger: Option<TaskHandle<dyn EntityTagger>>,
    pub(crate) reranker: Option<TaskHandle<dyn Reranker>>,
    pub(crate) reader: Option<TaskHandle<dyn TextReader>>,
    pub(crate) describer: Option<TaskHandle<dyn Describer>>,
    pub(crate) transcriber: Option<TaskHandle<dyn Transcriber>>,
    pub(crate) leases: AtomicUsize,
    pub(crate) last_used: Mutex<Instant>,
}

impl Loaded {
    /// The text side.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot generate text.
    pub fn text(&self) -> Result<&TextHandle, RegistryError> {
        self.text.as_ref().ok_or_else(|| self.missing("text generation"))
    }

    /// The embedding side.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot embed.
    pub fn embedder(&self) -> Result<&EmbedHandle, RegistryError> {
        self.embedder.as_ref().ok_or_else(|| self.missing("embeddings"))
    }

    /// What finds names in text.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot.
    pub fn tagger(&self) -> Result<&TaskHandle<dyn EntityTagger>, RegistryError> {
        self.tagger.as_ref().ok_or_else(|| self.missing("named-entity recognition"))
    }

    /// What scores documents for a query.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot.
    pub fn reranker(&self) -> Result<&TaskHandle<dyn Reranker>, RegistryError> {
        self.reranker.as_ref().ok_or_else(|| self.missing("reranking"))
    }

    /// What reads text in images.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot.
    pub fn reader(&self) -> Result<&TaskHandle<dyn TextReader>, RegistryError> {
        self.reader.as_ref().ok_or_else(|| self.missing("text recognition"))
    }

    /// What describes images.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot.
    pub fn describer(&self) -> Result<&TaskHandle<dyn Describer>, RegistryError> {
        self.describer.as_ref().ok_or_else(|| self.missing("image descriptions"))
    }

    /// What turns speech into text.
    ///
    /// # Errors
    /// `MissingCapability` for a model that cannot.
    pub fn transcriber(&self) -> Result<&TaskHandle<dyn Transcriber>, RegistryError> {
        self.transcriber.as_ref().ok_or_else(|| self.missing("transcription"))
    }

    /// The tokenizer, whichever side it belongs to.
    ///
    /// # Errors
    /// `MissingCapability` for a model without text.
    pub fn tokenizer(&self) -> Result<&Arc<dyn Tokenizer>, RegistryError> {
        let text = self.text.as_ref().map(|text| &text.tokenizer);
        text.or(self.embedder.as_ref().map(|e| &e.tokenizer)).ok_or_else(|| self.missing("tokenization"))
    }

    fn missing(&self, wanted: &'static str) -> RegistryError {
        let has: Vec<_> = self.entry.info.capabilities.iter().map(|c| c.name()).collect();
        RegistryError::MissingCapability { id: self.entry.id.clone(), wanted, has: has.join(", ") }
    }

    /// Requests that hold it right now.
    pub fn leases(&self) -> usize {
        self.leases.load(Ordering::Acquire)
    }
}

/// Keeps a model in memory while a request uses it.
pub struct Lease(Arc<Loaded>);

impl Lease {
    /// The caller holds the registry's lock, so that a model cannot be unloaded between being found and being leased.
    pub(crate) fn new(loaded: Arc<Loaded>) -> Self {
        loaded.leases.fetch_add(1, Ordering::AcqRel);
        Self(loaded)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Ok(mut last_used) = self.0.last_used.lock() {
            *last_used = Instant::now();
        }
        self.0.leases.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Deref for Lease {
    type Target = Loaded;
    fn deref(&self) -> &Loaded {
        &self.0
    }
}
