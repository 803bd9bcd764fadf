//! The factory: looks into a file, says what it would take, loads it.

use std::{path::Path, sync::Arc};

use tern_engine::{
    Cost, Engine, EngineBuild, EngineError, ImageEncoder, KvType, LoadOptions, LoadedModel, ModelInfo, ModelSource,
    Progress, TextModel,
};

use crate::{
    cost,
    decoder::{LlamaDecoder, ModelShape},
    embedder::LlamaEmbedder,
    ffi::{self, Context, ContextParams, LoadError, Model, Pooling, Vision},
    header::{self, Header, Purpose},
    pairs::Pairs,
    passes::{self, Passes},
    projector,
    rank::Ranker,
    reranker::LlamaReranker,
    tokenizer::LlamaTokenizer,
    vision::{Encoded, Eyes},
};

/// The llama.cpp engine: text and embedding models and rerankers in GGUF files.
#[derive(Debug, Clone, Copy, Default)]
pub struct LlamaEngine;

impl LlamaEngine {
    /// The engine. llama.cpp itself is initialised at its first use.
    pub fn new() -> Self {
        Self
    }
}

impl Engine for LlamaEngine {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn build(&self) -> EngineBuild {
        let accelerators = [("cuda", cfg!(feature = "cuda")), ("metal", metal()), ("vulkan", cfg!(feature = "vulkan"))];
        EngineBuild {
            version: ffi::version(),
            cpu_features: ffi::system_features(),
            chosen_at_start: cfg!(feature = "dynamic-backends"),
            accelerators: accelerators.iter().filter(|(_, built)| *built).map(|(name, _)| (*name).to_owned()).collect(),
        }
    }

    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError> {
        Ok(header::read(source.gguf_for(self.name())?, source.projector())?.info)
    }

    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost {
        cost::estimate(info, options)
    }

    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        let path = source.gguf_for(self.name())?;
        let header = header::read(path, source.projector())?;
        header.check_vocabulary()?;
        if options.kv_type == KvType::Q8_0 && options.flash_attention == Some(false) {
            return Err(EngineError::Unsupported {
                path: path.into(),
                message: "a q8_0 KV cache needs flash attention: allow it, or keep the cache in f16".into(),
            });
        }
        let model =
            Model::load(&header.first_part, options.gpu_layers, progress).map_err(|error| refused(path, error))?;
        let tokenizer = LlamaTokenizer::new(Arc::clone(&model), header.wordpiece)
            .map_err(|message| EngineError::InvalidModel { path: path.into(), message })?;
        let tokenizer = Arc::new(tokenizer);
        match &header.purpose {
            Purpose::Text => {
                let decoder = decoder(&model, &header, options).map_err(|error| refused(path, error))?;
                let vision = match &header.projector {
                    None => None,
                    Some(projector) => Some(vision(&model, projector, options)?),
                };
                let decoder = Box::new(decoder.with_images(vision.clone().map(Encoded::new)));
                let max_batch_tokens = options.max_batch_tokens.max(1);
                let vision = vision.map(|vision| Arc::new(Eyes { vision, max_batch_tokens }) as Arc<dyn ImageEncoder>);
                let text = TextModel { tokenizer, decoder, vision };
                Ok(LoadedModel { text: Some(text), ..LoadedModel::new(header.info) })
            }
            &Purpose::Embedding { pooling, causal } => {
                let passes = passes(&model, &header.info, options, pooling, causal);
                let passes = passes.map_err(|error| refused(path, error))?;
                let embedder = LlamaEmbedder::new(passes, model.n_vocab(), model.n_embd_out());
                Ok(LoadedModel { embedder: Some((tokenizer, Box::new(embedder))), ..LoadedModel::new(header.info) })
            }
            Purpose::Rerank(ranker) => {
                let pairs = Pairs::new(tokenizer, &ranker.prompt, model.sep())
                    .map_err(|message| EngineError::InvalidModel { path: path.into(), message })?;
                let passes = passes(&model, &header.info, options, Pooling::Rank, ranker.causal);
                let passes = passes.map_err(|error| refused(path, error))?;
                warn_of_segments(path, ranker);
                let reranker = LlamaReranker::new(passes, pairs, ranker.score);
                Ok(LoadedModel { reranker: Some(Box::new(reranker)), ..LoadedModel::new(header.info) })
            }
        }
    }
}

fn decoder(model: &Arc<Model>, header: &Header, options: &LoadOptions) -> Result<LlamaDecoder, LoadError> {
    let max_sequences = options.max_sequences.clamp(1, ffi::MAX_SEQUENCES);
    let context = Context::new(
        Arc::clone(model),
        &ContextParams {
            n_ctx: options.kv_cells.max(max_sequences),
            // llama.cpp asserts that a batch has room for an output of each sequence.
            n_batch: options.max_batch_tokens.max(max_sequences),
            n_seq_max: max_sequences,
            n_threads: options.threads.max(1),
            kv_type: options.kv_type,
            flash_attention: options.flash_attention,
            pooling: None,
        },
    )?;
    let shape = ModelShape {
        vocab_size: model.n_vocab(),
        context_length: model.n_ctx_train(),
        window: header.window,
        recurrent: model.has_recurrent_state(),
        saved_bytes: cost::saved_bytes(&header.info, options),
    };
    Ok(LlamaDecoder::new(context, shape, max_sequences, options.max_batch_tokens.max(1)))
}

fn vision(
    model: &Arc<Model>,
    projector: &projector::Projector,
    options: &LoadOptions,
) -> Result<Arc<Vision>, EngineError> {
    let vision = Vision::load(&projector.path, Arc::clone(model), options.threads.max(1), options.gpu_layers > 0);
    Ok(Arc::new(vision.map_err(|error| refused(&projector.path, error))?))
}

fn passes(
    model: &Arc<Model>,
    info: &ModelInfo,
    options: &LoadOptions,
    pooling: Pooling,
    causal: bool,
) -> Result<Passes, LoadError> {
    let max_tokens = cost::longest_input(info, causal, options.kv_cells);
    let n_batch = if causal { passes::BATCH_TOKENS } else { max_tokens.max(passes::BATCH_TOKENS) };
    let context = Context::new(
        Arc::clone(model),
        &ContextParams {
            n_ctx: max_tokens.max(n_batch),
            n_batch,
            n_seq_max: passes::SEQUENCES,
            n_threads: options.threads.max(1),
            kv_type: options.kv_type,
            flash_attention: options.flash_attention,
            pooling: Some(pooling),
        },
    )?;
    Ok(Passes::new(context, pooling, causal, max_tokens))
}

/// The scores are then not quite the model's, and nothing in an answer would show it.
fn warn_of_segments(path: &Path, ranker: &Ranker) {
    if ranker.segments {
        tracing::warn!(
            model = %path.display(),
            "trained with token types, which llama.cpp does not tell apart: scores differ from the original's"
        );
    }
}

fn refused(path: &Path, error: LoadError) -> EngineError {
    match error {
        LoadError::Cancelled => EngineError::Cancelled,
        LoadError::Refused(said) => EngineError::Unsupported { path: path.into(), message: said },
    }
}

/// On Apple's processors llama-cpp-2 turns Metal on by itself.
fn metal() -> bool {
    cfg!(feature = "metal") || cfg!(all(target_os = "macos", target_arch = "aarch64"))
}
