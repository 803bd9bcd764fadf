//! BLIP: captions of images, and answers to questions about them.
//!
//! In reading order: `config` (its sizes), `pixels` (an image as the tower wants it), `tower` (the image's patches into vectors),
//! `words` (a BERT that looks at these vectors too: it reads questions and writes answers), `describer` (the loop).

mod config;
mod describer;
mod pixels;
mod tower;
mod words;

use candle_core::{DType, Device};
use tern_engine::{Capability, Cost, EngineError, LoadOptions, LoadedModel, ModelInfo, Progress};
use tokenizers::Tokenizer;

use crate::{family::Family, source::Source};
use config::{Config, Kind};
use describer::{Blip, BlipDescriber};
use pixels::Preprocessing;

/// What a pass over an image takes beside the weights: the scores of one layer, and its activations.
const PASS_BYTES: u64 = 192 << 20;

/// BLIP.
pub(crate) struct BlipFamily;

impl Family for BlipFamily {
    fn architectures(&self) -> &'static [&'static str] {
        &["BlipForConditionalGeneration", "BlipForQuestionAnswering"]
    }

    fn inspect(&self, source: &Source) -> Result<ModelInfo, EngineError> {
        let config = Config::read(&source.config)?;
        let (architecture, capability) = match config.kind {
            Kind::Captions => (self.architectures()[0], Capability::Caption),
            Kind::Answers => (self.architectures()[1], Capability::VisualQuestions),
        };
        Ok(ModelInfo {
            name: source.config.at("_name_or_path").as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            architecture: architecture.into(),
            quantization: "F32".into(),
            parameters: source.parameters(),
            weights_bytes: source.bytes(),
            context_length: config.text.positions as u32,
            vocab_size: config.text.vocab_size as u32,
            hidden_size: config.text.hidden as u32,
            num_layers: (config.vision.layers + config.text.layers) as u32,
            num_heads: config.text.heads as u32,
            num_kv_heads: config.text.heads as u32,
            kv_values_per_token: 0,
            chat_template: None,
            bos_token: None,
            eos_token: None,
            capabilities: vec![capability],
            license: None,
        })
    }

    fn estimate(&self, info: &ModelInfo, _options: &LoadOptions) -> Cost {
        Cost { weights_bytes: info.parameters.saturating_mul(4), fixed_bytes: PASS_BYTES, ..Cost::default() }
    }

    fn load(
        &self,
        source: &Source,
        _options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        let info = self.inspect(source)?;
        let config = Config::read(&source.config)?;
        let preprocessing = Preprocessing::read(&source.path, config.vision.image_size)?;
        let tokenizer = Tokenizer::from_file(source.path.join("tokenizer.json"))
            .map_err(|error| source.invalid(format!("tokenizer.json: {error}")))?;
        let blip = source.build(DType::F32, &Device::Cpu, progress, |weights| Blip::new(&config, weights))?;
        let describer = BlipDescriber { blip, preprocessing, tokenizer };
        Ok(LoadedModel { describer: Some(Box::new(describer)), ..LoadedModel::new(info) })
    }
}

#[cfg(test)]
mod tests;
