//! Encoders of BERT's kind: names in texts, vectors of texts, relevance.
//!
//! One forward pass (`model`) computes BERT, DistilBERT, RoBERTa, MPNet and ModernBERT; `config` and `weights` bring what
//! their folders say into one form. Texts of different lengths lie behind each other in one matrix (`batch`), so that no
//! padding is computed; what is between products is done in one pass each (`kernels`, `attention`).

mod aggregate;
mod attention;
mod batch;
mod config;
mod embed;
mod head;
mod kernels;
mod model;
mod ner;
mod pooling;
mod rerank;
mod weights;

use std::sync::Arc;

use tern_engine::{Capability, Cost, EngineError, LoadOptions, LoadedModel, ModelInfo, Progress, Tokenizer};
use tern_tokenizer::HfTokenizer;

use crate::{family::Family, source::Source};
use config::{Config, Task};
use head::Head;
use model::Encoder;

/// The family.
pub(crate) struct Encoders;

impl Encoders {
    fn config(source: &Source) -> Result<Config, EngineError> {
        let config = Config::read(&source.config)?;
        let outputs = config.labels.len();
        if config.task == Task::Score && !(1..=2).contains(&outputs) {
            return Err(EngineError::Unsupported {
                path: source.path.clone(),
                message: format!(
                    "{} with {outputs} labels sorts texts into classes; one or two outputs can rank documents",
                    config.architecture
                ),
            });
        }
        Ok(config)
    }
}

impl Family for Encoders {
    fn architectures(&self) -> &'static [&'static str] {
        &config::ARCHITECTURES
    }

    fn inspect(&self, source: &Source) -> Result<ModelInfo, EngineError> {
        let config = Self::config(source)?;
        let capability = match config.task {
            Task::Embed => Capability::Embedding,
            Task::Tag => Capability::Ner,
            Task::Score => Capability::Rerank,
        };
        let kind = source.weights.tensors().max_by_key(|tensor| tensor.values());
        Ok(ModelInfo {
            name: source.config.at("_name_or_path").as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            architecture: config.architecture.into(),
            quantization: kind.map_or_else(String::new, |tensor| format!("{:?}", tensor.dtype)),
            parameters: source.parameters(),
            weights_bytes: source.bytes(),
            context_length: config.max_tokens() as u32,
            vocab_size: config.vocab_size as u32,
            hidden_size: config.hidden as u32,
            num_layers: config.layers as u32,
            num_heads: config.heads as u32,
            num_kv_heads: config.heads as u32,
            kv_values_per_token: 0,
            chat_template: None,
            bos_token: None,
            eos_token: None,
            capabilities: vec![capability],
            license: None,
        })
    }

    fn estimate(&self, info: &ModelInfo, _: &LoadOptions) -> Cost {
        // A pass holds a few matrices of the widest layer, which is four times the hidden size in all published ones.
        let tokens = batch::TOKENS.max(info.context_length as usize) as u64;
        Cost {
            weights_bytes: info.parameters.saturating_mul(4),
            kv_bytes_per_token: 0,
            context_tokens: info.context_length,
            fixed_bytes: tokens.saturating_mul(info.hidden_size.into()).saturating_mul(4 * 12),
        }
    }

    fn load(&self, source: &Source, _: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, EngineError> {
        let info = self.inspect(source)?;
        let config = Self::config(source)?;
        let tokenizer = HfTokenizer::from_folder(&source.path).map_err(|error| source.invalid(error.to_string()))?;
        let mut loaded = LoadedModel::new(info);
        match config.task {
            Task::Embed => {
                let recipe = pooling::Recipe::read(&source.path, config.hidden)?;
                if !recipe.prompts.is_empty() {
                    let names = recipe.prompts.join(", ");
                    tracing::info!("{}: trained with the prompts {names}; clients add them", source.path.display());
                }
                let (encoder, ()) = Encoder::load(source, config, progress, |_, _| Ok(()))?;
                let embedder = embed::EncoderEmbedder::new(encoder, recipe);
                loaded.embedder = Some((Arc::new(tokenizer) as Arc<dyn Tokenizer>, Box::new(embedder)));
            }
            Task::Tag => {
                let (encoder, head) = Encoder::load(source, config, progress, Head::load)?;
                loaded.tagger = Some(Box::new(ner::EncoderTagger::new(encoder, head, tokenizer)?));
            }
            Task::Score => {
                let (encoder, head) = Encoder::load(source, config, progress, Head::load)?;
                loaded.reranker = Some(Box::new(rerank::EncoderReranker { encoder, head, tokenizer }));
            }
        }
        Ok(loaded)
    }
}
