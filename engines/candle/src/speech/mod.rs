//! Speech to text: Whisper (`WhisperForConditionalGeneration`, tiny to large-v3-turbo, English-only ones too).
//!
//! In reading order: `config` (sizes, special tokens), `mel` (what the encoder hears), `layers` and `model` (encoder, decoder
//! with caches), `rules` and `window` (the tokens of one window), `timing` and `words` (when each word is said), `transcribe`
//! (windows one after the other: as in the reference, openai/whisper's `transcribe.py`).

mod config;
mod layers;
mod mel;
mod model;
mod ops;
mod rules;
mod timing;
mod transcribe;
mod window;
mod words;

#[cfg(test)]
mod tests;

use candle_core::{DType, Device};
use tern_engine::{Capability, Cost, EngineError, LoadOptions, LoadedModel, ModelInfo, Progress, Tokenizer};
use tern_folder::Dtype;
use tern_tokenizer::HfTokenizer;

use self::{
    config::{Config, Special},
    mel::Mel,
    model::Model,
    transcribe::Whisper,
};
use crate::{family::Family, source::Source};

/// The encoder's positions of all published models: 30 s.
const POSITIONS: u64 = 1500;

/// The family.
pub(crate) struct Speech;

impl Family for Speech {
    fn architectures(&self) -> &'static [&'static str] {
        &["WhisperForConditionalGeneration"]
    }

    fn inspect(&self, source: &Source) -> Result<ModelInfo, EngineError> {
        let config = Config::read(source)?;
        let dtype = source.weights.get("model.encoder.conv1.weight").map_or(Dtype::F32, |tensor| tensor.dtype);
        Ok(ModelInfo {
            name: source.config.at("_name_or_path").as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            architecture: self.architectures()[0].into(),
            quantization: format!("{dtype:?}"),
            parameters: source.parameters(),
            weights_bytes: source.bytes(),
            context_length: config.context as u32,
            vocab_size: config.vocabulary as u32,
            hidden_size: config.width as u32,
            num_layers: config.decoder_layers as u32,
            num_heads: config.decoder_heads as u32,
            num_kv_heads: config.decoder_heads as u32,
            kv_values_per_token: 2 * (config.width * config.decoder_layers) as u64,
            chat_template: None,
            bos_token: None,
            eos_token: None,
            capabilities: vec![Capability::Transcription],
            license: None,
        })
    }

    fn estimate(&self, info: &ModelInfo, _: &LoadOptions) -> Cost {
        let attention = u64::from(info.num_heads) * POSITIONS * POSITIONS * 2;
        let wide = POSITIONS * u64::from(info.hidden_size) * 16;
        Cost {
            // Whatever the file holds, it is computed in 32 bits.
            weights_bytes: info.parameters * 4,
            kv_bytes_per_token: info.kv_values_per_token * 4,
            context_tokens: info.context_length,
            // Keys and values of what is heard, and one layer of the encoder.
            fixed_bytes: (info.kv_values_per_token * POSITIONS + attention + wide) * 4,
        }
    }

    fn load(&self, source: &Source, _: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, EngineError> {
        let info = self.inspect(source)?;
        let config = Config::read(source)?;
        let tokenizer = HfTokenizer::from_folder(&source.path)
            .map_err(|error| source.invalid(format!("its tokenizer: {error}")))?;
        if tokenizer.vocab_size() > config.vocabulary {
            let message = format!("{} tokens, but weights for {}", tokenizer.vocab_size(), config.vocabulary);
            return Err(source.invalid(message));
        }
        let special = Special::read(source, &config, &tokenizer)?;
        let model = source.build(DType::F32, &Device::Cpu, progress, |weights| Model::new(&config, weights))?;
        let mel = Mel::new(config.mels);
        let mut loaded = LoadedModel::new(info);
        loaded.transcriber = Some(Box::new(Whisper::new(config, special, tokenizer, mel, model)));
        Ok(loaded)
    }
}
