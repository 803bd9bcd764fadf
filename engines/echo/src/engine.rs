//! The factory: scripts in, models out.

use std::{path::PathBuf, sync::Arc, thread};

use tern_engine::{
    Capability, Cost, Engine, EngineBuild, EngineError, ImageEncoder, LoadOptions, LoadedModel, ModelInfo, ModelSource,
    Progress, TextModel, Tokenizer,
};

use crate::{
    decoder::EchoDecoder,
    embedder::{DIMENSIONS, EchoEmbedder},
    images::EchoEyes,
    pictures::{EchoDescriber, EchoReader},
    ranking::EchoReranker,
    scripts::{Fault, SCRIPTS, Script, Settings},
    speech::EchoTranscriber,
    tagger::EchoTagger,
    vocabulary::Vocabulary,
};

// Progress is reported this often during a slow load.
const LOAD_STEPS: u32 = 20;

/// The engine. It has no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoEngine;

impl EchoEngine {
    /// All scripts, in the order they should be listed.
    pub fn scripts() -> &'static [Script] {
        SCRIPTS
    }

    fn settings(source: &ModelSource) -> Result<Settings, EngineError> {
        match source {
            ModelSource::Script(name) => Settings::parse(name)
                .map_err(|message| EngineError::InvalidModel { path: PathBuf::from(name), message }),
            other => Err(EngineError::Unsupported {
                path: other.label(),
                message: "engine \"echo\" runs scripts and reads no files".into(),
            }),
        }
    }
}

fn info(settings: &Settings) -> ModelInfo {
    let vocabulary = Vocabulary::shared();
    let spelling = |token| {
        let mut bytes = Vec::new();
        vocabulary.decode(token, true, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    ModelInfo {
        name: Some(settings.id.into()),
        architecture: "echo".into(),
        quantization: "none".into(),
        parameters: 0,
        weights_bytes: settings.weights_bytes,
        context_length: settings.context,
        vocab_size: vocabulary.vocab_size() as u32,
        hidden_size: DIMENSIONS as u32,
        num_layers: 1,
        num_heads: 1,
        num_kv_heads: 1,
        kv_values_per_token: 0,
        chat_template: settings.template.map(Into::into),
        bos_token: vocabulary.bos().map(spelling),
        eos_token: vocabulary.eos().map(spelling),
        capabilities: settings.capabilities.to_vec(),
        license: None,
    }
}

impl Engine for EchoEngine {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn build(&self) -> EngineBuild {
        EngineBuild { version: env!("CARGO_PKG_VERSION").into(), ..EngineBuild::default() }
    }

    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError> {
        Self::settings(source).map(|settings| info(&settings))
    }

    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost {
        Cost {
            weights_bytes: info.weights_bytes,
            kv_bytes_per_token: options.kv_type.bytes(info.kv_values_per_token),
            context_tokens: options.kv_cells.min(info.context_length),
            fixed_bytes: 0,
        }
    }

    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        let settings = Self::settings(source)?;
        let steps = if settings.load.is_zero() { 1 } else { LOAD_STEPS };
        for step in 1..=steps {
            if !settings.load.is_zero() {
                thread::sleep(settings.load / steps);
            }
            if !progress(step as f32 / steps as f32) {
                return Err(EngineError::Cancelled);
            }
        }
        if settings.fault == Fault::Load {
            return Err(EngineError::Failed(format!("script \"{}\" cannot be loaded", settings.id)));
        }
        let info = info(&settings);
        let tokenizer: Arc<dyn Tokenizer> = Arc::clone(Vocabulary::shared()) as _;
        if settings.capabilities.contains(&Capability::Embedding) {
            let embedder = EchoEmbedder::new(&settings);
            return Ok(LoadedModel { embedder: Some((tokenizer, Box::new(embedder))), ..LoadedModel::new(info) });
        }
        if settings.capabilities.contains(&Capability::Ocr) {
            let reader = EchoReader { step: settings.step };
            return Ok(LoadedModel { reader: Some(Box::new(reader)), ..LoadedModel::new(info) });
        }
        if settings.capabilities.contains(&Capability::Caption) {
            let describer = EchoDescriber { step: settings.step };
            return Ok(LoadedModel { describer: Some(Box::new(describer)), ..LoadedModel::new(info) });
        }
        if settings.capabilities.contains(&Capability::Transcription) {
            let transcriber = EchoTranscriber { step: settings.step };
            return Ok(LoadedModel { transcriber: Some(Box::new(transcriber)), ..LoadedModel::new(info) });
        }
        if settings.capabilities.contains(&Capability::Ner) {
            return Ok(LoadedModel { tagger: Some(Box::new(EchoTagger::new(&settings))), ..LoadedModel::new(info) });
        }
        if settings.capabilities.contains(&Capability::Rerank) {
            return Ok(LoadedModel {
                reranker: Some(Box::new(EchoReranker::new(&settings))),
                ..LoadedModel::new(info)
            });
        }
        let sees = settings.capabilities.contains(&Capability::Vision);
        let vision = sees.then(|| Arc::new(EchoEyes) as Arc<dyn ImageEncoder>);
        let decoder = Box::new(EchoDecoder::new(settings, options));
        Ok(LoadedModel { text: Some(TextModel { tokenizer, decoder, vision }), ..LoadedModel::new(info) })
    }
}
