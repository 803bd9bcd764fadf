//! The factory: a program in, a reader out.

use tern_engine::{
    Capability, Cost, Engine, EngineBuild, EngineError, LoadOptions, LoadedModel, ModelInfo, ModelSource, Progress,
};

use crate::{program::Program, reader::PageReader};

/// What a page of 50 megapixels takes in the child, at worst: the pixels, in several forms.
const PAGE_BYTES: u64 = 512 << 20;

/// Runs `tesseract`. A [`ModelSource::Script`] names the program: a name is looked for in PATH, a path is taken as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct TesseractEngine;

impl TesseractEngine {
    /// The program as it would be started; `None` when there is none. Looks at the file system, starts nothing.
    pub fn find(program: &str) -> Option<std::path::PathBuf> {
        Program::find(program)
    }
}

impl Engine for TesseractEngine {
    fn name(&self) -> &'static str {
        "tesseract"
    }

    fn build(&self) -> EngineBuild {
        EngineBuild { version: "the program in PATH".into(), chosen_at_start: true, ..EngineBuild::default() }
    }

    /// Starts the program, to ask for its version.
    fn inspect(&self, source: &ModelSource) -> Result<ModelInfo, EngineError> {
        Ok(info(&open(source)?))
    }

    fn estimate(&self, _info: &ModelInfo, _options: &LoadOptions) -> Cost {
        Cost { fixed_bytes: PAGE_BYTES, ..Cost::default() }
    }

    fn load(
        &self,
        source: &ModelSource,
        options: &LoadOptions,
        progress: Progress<'_>,
    ) -> Result<LoadedModel, EngineError> {
        let program = open(source)?;
        if !progress(1.0) {
            return Err(EngineError::Cancelled);
        }
        let info = info(&program);
        let reader = PageReader::new(program, options.threads);
        Ok(LoadedModel { reader: Some(Box::new(reader)), ..LoadedModel::new(info) })
    }
}

fn open(source: &ModelSource) -> Result<Program, EngineError> {
    let ModelSource::Script(name) = source else {
        let message = "the tesseract engine runs a program, not files".into();
        return Err(EngineError::Unsupported { path: source.label(), message });
    };
    Program::open(name)
}

fn info(program: &Program) -> ModelInfo {
    ModelInfo {
        name: Some(format!("Tesseract {}", program.version)),
        architecture: "tesseract".into(),
        quantization: "none".into(),
        parameters: 0,
        weights_bytes: 0,
        context_length: 0,
        vocab_size: 0,
        hidden_size: 0,
        num_layers: 0,
        num_heads: 0,
        num_kv_heads: 0,
        kv_values_per_token: 0,
        chat_template: None,
        bos_token: None,
        eos_token: None,
        capabilities: vec![Capability::Ocr],
        license: Some("apache-2.0".into()),
    }
}
