//! Text: decoder-only models of the Llama kind (Llama, Mistral, Qwen2, Qwen3, BitNet).
//!
//! In reading order: `config` (what a folder says), `model` (weights), `forward` (the forward pass), `cache` (keys and values),
//! `linear` and `kernels` (products), `decoder` (the contract); `folder`, `ternary` and `gguf` are where weights come from.
//!
//! Activations, sums, rotary tables and logits are f32. Weights stay in the type of the file and become f32 as they are
//! read, which is exact, so that a bf16 checkpoint gives the logits of its f32 copy at half the memory and about twice the
//! speed.

mod cache;
mod config;
mod cost;
mod decoder;
mod folder;
mod forward;
pub(crate) mod gguf;
mod kernels;
mod linear;
mod model;
mod rope;
mod ternary;

use std::{path::Path, sync::Arc};

use candle_core::DType;
use tern_engine::{
    Capability, Cost, DecoderLimits, EngineError, KvType, LoadOptions, LoadedModel, ModelInfo, Progress, TextModel,
};
use tern_folder::ternary::ScaleMeans;
use tern_tokenizer::HfTokenizer;

use crate::{
    family::Family,
    source::{Source, plain},
    text::{config::Config, decoder::TextDecoder, folder::Dialogue, forward::Forward, model::Model},
};

const ARCHITECTURES: &[&str] =
    &["BitNetForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"];

/// Decoder-only models.
pub(crate) struct Text;

/// Which of ours a folder names.
fn architecture(source: &Source) -> &'static str {
    let named = source.config.at("architectures").as_array().into_iter().flatten().filter_map(|name| name.as_str());
    named.into_iter().find_map(|name| ARCHITECTURES.iter().find(|ours| **ours == name)).copied().unwrap_or("")
}

impl Family for Text {
    fn architectures(&self) -> &'static [&'static str] {
        ARCHITECTURES
    }

    fn inspect(&self, source: &Source) -> Result<ModelInfo, EngineError> {
        let name = architecture(source);
        let config = Config::read(&source.config, name)?;
        let dialogue = Dialogue::read(source)?;
        if !source.path.join("tokenizer.json").is_file() {
            return Err(source.invalid("no tokenizer.json, which text models need"));
        }
        // Ternary weights take 16 bits each, however they are packed.
        let weights_bytes = match config.ternary {
            Some(_) => config.parameters().saturating_mul(2),
            None => source.bytes(),
        };
        Ok(ModelInfo {
            name: None,
            architecture: name.into(),
            quantization: folder::quantization(source).into(),
            parameters: config.ternary.map_or_else(|| source.parameters(), |_| config.parameters()),
            weights_bytes,
            context_length: config.context_length,
            vocab_size: config.vocab_size as u32,
            hidden_size: config.hidden_size as u32,
            num_layers: config.num_layers as u32,
            num_heads: config.num_heads as u32,
            num_kv_heads: config.num_kv_heads as u32,
            kv_values_per_token: config.kv_values_per_token(),
            chat_template: dialogue.template,
            bos_token: dialogue.bos,
            eos_token: dialogue.eos,
            capabilities: vec![Capability::Completion, Capability::Chat],
            license: None,
        })
    }

    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost {
        cost::estimate(info, options)
    }

    fn load(&self, source: &Source, options: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, EngineError> {
        let info = self.inspect(source)?;
        let config = Config::read(&source.config, &info.architecture)?;
        let means = config.ternary.map(|_| ScaleMeans::read(&source.config)).transpose()?;
        let tokenizer = HfTokenizer::from_folder(&source.path).map_err(|error| error.in_model(&source.path))?;
        let device = folder::device(options.gpu_layers).map_err(|error| EngineError::Failed(plain(&error)))?;
        let model = source.build(DType::F32, &device, progress, |builder| {
            let floats = folder::FolderWeights { source, builder };
            match means {
                Some(means) => Model::read(config, &ternary::TernaryFolder { floats, means }),
                None => Model::read(config, &floats),
            }
        })?;
        text_model(info, model, Arc::new(tokenizer), options).map_err(|refused| refused.about(&source.path))
    }
}

/// Why a model that was read cannot be run.
enum Refused {
    KvType,
    Failed(candle_core::Error),
}

impl Refused {
    fn about(self, path: &Path) -> EngineError {
        match self {
            Self::KvType => EngineError::Unsupported {
                path: path.into(),
                message: "the candle engine keeps keys and values as f16 or f32, not as q8_0".into(),
            },
            Self::Failed(error) => EngineError::Failed(plain(&error)),
        }
    }
}

/// The decoder of a model.
fn text_model(
    info: ModelInfo,
    model: Model,
    tokenizer: Arc<dyn tern_engine::Tokenizer>,
    options: &LoadOptions,
) -> Result<LoadedModel, Refused> {
    let kv = match options.kv_type {
        KvType::F16 => DType::F16,
        KvType::F32 => DType::F32,
        KvType::Q8_0 => return Err(Refused::KvType),
    };
    let kv_cells = options.kv_cells.max(1);
    let limits = DecoderLimits {
        max_sequences: options.max_sequences.max(1),
        max_batch_tokens: options.max_batch_tokens.max(1) as usize,
        context_length: model.config.context_length.min(kv_cells),
        kv_cells,
        partial_sequences: true,
        saved_bytes: 0,
    };
    let forward =
        Forward::new(model, kv_cells as usize, limits.context_length as usize, kv).map_err(Refused::Failed)?;
    let decoder = Box::new(TextDecoder::new(forward, limits));
    Ok(LoadedModel { text: Some(TextModel { tokenizer, decoder, vision: None }), ..LoadedModel::new(info) })
}
