//! The factory side of the contract, and what it makes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    Cost, Decoder, Describer, Embedder, EngineError, EntityTagger, Head, ImageEncoder, KvType, ModelInfo, Reranker,
    TextReader, Tokenizer, Transcriber,
};

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// A file or folder on disk.
    Path(PathBuf),
    /// A model file with another one, in a place of its own choosing, that lets it see (its projector).
    Sighted {
        /// The model.
        model: PathBuf,
        /// The projector.
        projector: PathBuf,
    },
    /// A named behaviour of an engine that needs no weights (echo).
    Script(String),
}

impl ModelSource {
    /// The model's file or folder; `None` for a script.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) | Self::Sighted { model: path, .. } => Some(path),
            Self::Script(_) => None,
        }
    }

    /// The projector, where one was named.
    pub fn projector(&self) -> Option<&Path> {
        match self {
            Self::Sighted { projector, .. } => Some(projector),
            Self::Path(_) | Self::Script(_) => None,
        }
    }

    /// The path, or the script's name as a path, for messages.
    pub fn label(&self) -> PathBuf {
        match self {
            Self::Path(path) | Self::Sighted { model: path, .. } => path.clone(),
            Self::Script(name) => PathBuf::from(name),
        }
    }

    /// The file, for the engine of this name, which runs GGUF files and no scripts.
    ///
    /// # Errors
    /// `Unsupported` for a script.
    pub fn gguf_for(&self, engine: &str) -> Result<&Path, EngineError> {
        match self {
            Self::Path(path) | Self::Sighted { model: path, .. } => Ok(path),
            Self::Script(_) => Err(EngineError::Unsupported {
                path: self.label(),
                message: format!("the {engine} engine runs GGUF files, not scripts"),
            }),
        }
    }
}

/// How to load a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// KV cells shared by all sequences, in tokens.
    pub kv_cells: u32,
    /// Sequences held at once, running and idle.
    pub max_sequences: u32,
    /// Most tokens in one forward pass.
    pub max_batch_tokens: u32,
    /// Threads of a forward pass.
    pub threads: u32,
    /// Most bytes of sequences kept outside the cache, by engines that can; never more than the cache itself takes.
    pub saved_bytes: u64,
    /// How keys and values are stored.
    pub kv_type: KvType,
    /// Flash attention: `None` lets the engine choose.
    pub flash_attention: Option<bool>,
    /// Layers put on an accelerator, when one is compiled in.
    pub gpu_layers: u32,
    /// How the output matrix is kept, by engines that have a choice (bitnet).
    pub head: Head,
    /// Weights of a block of i2_s tensors: 128, or 64 in files that bitnet.cpp wrote on ARM.
    pub i2s_block: u32,
    /// Instruction set whose kernels to use, by engines with kernels of their own; `None` takes the fastest there is.
    pub kernels: Option<String>,
}

impl Default for LoadOptions {
    /// Small, and on one thread: for tests and tools, which say what else they want.
    fn default() -> Self {
        Self {
            kv_cells: 4096,
            max_sequences: 8,
            max_batch_tokens: 512,
            threads: 1,
            saved_bytes: 0,
            kv_type: KvType::F16,
            flash_attention: None,
            gpu_layers: 0,
            head: Head::default(),
            i2s_block: 128,
            kernels: None,
        }
    }
}

/// Called with the share loaded so far (0 to 1); returning false stops the load with [`EngineError::Cancelled`].
pub type Progress<'a> = &'a mut (dyn FnMut(f32) -> bool + Send);

/// What was compiled in, for the start-up line and `tern doctor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EngineBuild {
    /// Version of the implementation behind the engine, such as llama.cpp's build.
    pub version: String,
    /// Instruction sets compiled in, in lower case as Linux's cpuinfo spells them: `avx2`, `avx512_vnni`, ...
    pub cpu_features: Vec<String>,
    /// Whether these were chosen for this processor when the program started, not when it was compiled.
    pub chosen_at_start: bool,
    /// Accelerators compiled in: `cuda`, `metal`, `vulkan`.
    pub accelerators: Vec<String>,
}

/// One way to run models.
pub trait Engine: Send + Sync {
    /// Name in model ids (`...@llama`) and in errors.
    fn name(&self) -> &'static str;

    /// What was compiled in.
    fn build(&self) -> EngineBuild;

    /// Reads the header. Cheap (no weights), never panics, aborts or allocates by a length the file claims.
    ///
    /// # Errors
    /// `Io`, `InvalidModel` or `Unsupported`, with what was found and where.
    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError>;

    /// What the model would take with these options.
    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost;

    /// Multiply-adds a second that this processor could do at most in the arithmetic this engine computes prompts with,
    /// and how many of them a token of a prompt takes in the model. Measured now, in a fraction of a second. `None` where
    /// the engine does not know.
    fn peak(&self, source: &ModelSource, options: &LoadOptions) -> Option<Peak> {
        let _ = (source, options);
        None
    }

    /// Loads the model. Blocks; may take minutes.
    ///
    /// # Errors
    /// As [`Engine::inspect`], `Cancelled` when `progress` said so, and `Failed`.
    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError>;
}

/// What limits a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Multiply-adds a second of all threads together.
    pub per_second: f64,
    /// Multiply-adds in that arithmetic for each token.
    pub per_token: u64,
}

/// A text model, ready to run.
pub struct TextModel {
    /// Shared with everyone who counts or spells tokens.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Goes to the scheduler's thread.
    pub decoder: Box<dyn Decoder>,
    /// Prepares images for it; `None` for a model that cannot see.
    pub vision: Option<Arc<dyn ImageEncoder>>,
}

/// A loaded model: a set of capabilities, most often one.
pub struct LoadedModel {
    /// What was found while loading.
    pub info: ModelInfo,
    /// Generates text.
    pub text: Option<TextModel>,
    /// Embeds text.
    pub embedder: Option<(Arc<dyn Tokenizer>, Box<dyn Embedder>)>,
    /// Finds names in text.
    pub tagger: Option<Box<dyn EntityTagger>>,
    /// Scores documents for a query.
    pub reranker: Option<Box<dyn Reranker>>,
    /// Reads text in images.
    pub reader: Option<Box<dyn TextReader>>,
    /// Describes images.
    pub describer: Option<Box<dyn Describer>>,
    /// Turns speech into text.
    pub transcriber: Option<Box<dyn Transcriber>>,
}

impl LoadedModel {
    /// A model that can do nothing yet.
    pub fn new(info: ModelInfo) -> Self {
        Self {
            info,
            text: None,
            embedder: None,
            tagger: None,
            reranker: None,
            reader: None,
            describer: None,
            transcriber: None,
        }
    }
}
