//! What the registry is told at start.

use std::{path::PathBuf, time::Duration};

use tern_engine::{Cost, Engine, Head, KvType, LoadOptions, ModelInfo};

/// Settings of the registry. Options of `tern serve` with the same names explain the consequences.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// KV cells of each model, in tokens; `None`: the model's own context length, at most
    /// [`RegistryConfig::DEFAULT_CONTEXT`].
    pub ctx_size: Option<u32>,
    /// Answers decoded at once by each model.
    pub parallel: u32,
    /// Requests that may wait for each model.
    pub queue: usize,
    /// Most tokens in one forward pass.
    pub batch_size: u32,
    /// Threads of a forward pass.
    pub threads: u32,
    /// Most bytes of conversations kept outside the KV cache by each model, where its engine can.
    pub cache_ram: u64,
    /// How keys and values are stored.
    pub kv_type: KvType,
    /// Flash attention: `None` lets the engine choose.
    pub flash_attention: Option<bool>,
    /// Layers put on an accelerator.
    pub gpu_layers: u32,
    /// How the output matrix is kept.
    pub head: Head,
    /// Weights of a block of i2_s tensors.
    pub i2s_block: u32,
    /// Instruction set of our own kernels; `None` takes the fastest.
    pub kernels: Option<String>,
    /// Unload a model after it was idle for so long; `None` never.
    pub keep_alive: Option<Duration>,
    /// Bytes all loaded models may take together.
    pub memory_budget: u64,
    /// Where files rewritten for another engine are kept; `None`: such models cannot be loaded.
    pub rewritten_dir: Option<PathBuf>,
    /// List the models of the echo engine.
    pub echo: bool,
    /// Program that reads text in images: a name in PATH, or a path. It is a model called `tesseract` where it is there;
    /// `None` looks for none.
    pub tesseract: Option<String>,
    /// Chat templates that replace the ones in the files.
    pub templates: Vec<TemplateOverride>,
    /// Projectors that do not lie beside their models.
    pub projectors: Vec<ProjectorOf>,
}

/// A projector (mmproj) that lets a model see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectorOf {
    /// Model id or alias.
    pub model: String,
    /// Its file.
    pub path: PathBuf,
}

/// A chat template that replaces the one in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOverride {
    /// Model id or alias.
    pub model: String,
    /// File with the Jinja template.
    pub path: PathBuf,
}

impl RegistryConfig {
    /// Context of a model when nothing is said: enough for a chat, small enough for a small machine.
    pub const DEFAULT_CONTEXT: u32 = 8192;

    /// How this model is loaded.
    pub fn load_options(&self, info: &ModelInfo) -> LoadOptions {
        let trained = info.context_length.max(1);
        let kv_cells = self.ctx_size.unwrap_or_else(|| trained.min(Self::DEFAULT_CONTEXT));
        LoadOptions {
            kv_cells,
            // Idle sequences are the prefix cache: as many again as may run, and never fewer than eight.
            max_sequences: (self.parallel * 2).max(8),
            max_batch_tokens: self.batch_size.min(kv_cells).max(1),
            threads: self.threads,
            saved_bytes: self.cache_ram,
            kv_type: self.kv_type,
            flash_attention: self.flash_attention,
            gpu_layers: self.gpu_layers,
            head: self.head,
            i2s_block: self.i2s_block,
            kernels: self.kernels.clone(),
        }
    }

    /// What this model would take.
    pub(crate) fn cost(&self, engine: &dyn Engine, info: &ModelInfo) -> Cost {
        engine.estimate(info, &self.load_options(info))
    }

    /// Most tokens a sequence of this model may hold.
    pub(crate) fn context_length(&self, info: &ModelInfo) -> u32 {
        self.load_options(info).kv_cells.min(info.context_length.max(1))
    }
}

impl Default for RegistryConfig {
    fn default() -> Self {
        let budget = crate::machine::memory_limit().map_or(u64::MAX, |bytes| bytes / 10 * 9);
        Self {
            ctx_size: None,
            parallel: 8,
            queue: 64,
            batch_size: 512,
            threads: crate::machine::threads().count,
            cache_ram: 512 << 20,
            kv_type: KvType::F16,
            flash_attention: None,
            gpu_layers: 0,
            head: Head::default(),
            i2s_block: 128,
            kernels: None,
            keep_alive: Some(Duration::from_secs(30 * 60)),
            memory_budget: budget,
            rewritten_dir: None,
            echo: false,
            tesseract: None,
            templates: Vec::new(),
            projectors: Vec::new(),
        }
    }
}
