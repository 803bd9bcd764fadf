//! The closed list of engines: the only file that names an engine crate.

use std::sync::OnceLock;

use tern_engine::{Engine, EngineError, ModelInfo, ModelSource};

/// An engine and whether it is in this build.
pub struct EngineSlot {
    /// Name in model ids (`...@llama`).
    pub name: &'static str,
    /// What it reads, for `tern doctor` and the log.
    pub reads: &'static str,
    /// Cargo feature that brings it.
    pub feature: &'static str,
    engine: Option<Box<dyn Engine>>,
}

impl EngineSlot {
    /// Whether it is asked what this source is: candle about folders, others about files, and those that bring their own
    /// models about nothing.
    pub fn is_asked_about(&self, source: &ModelSource) -> bool {
        let is_folder = source.path().is_some_and(std::path::Path::is_dir);
        !matches!(self.name, "echo" | "tesseract") && (self.name == "candle") == is_folder
    }

    /// The engine.
    ///
    /// # Errors
    /// `EngineError::NotBuilt`, naming the feature to enable.
    pub fn engine(&self) -> Result<&dyn Engine, EngineError> {
        self.engine.as_deref().ok_or(EngineError::NotBuilt { engine: self.name, feature: self.feature })
    }
}

/// Every engine Tern knows, compiled in or not, in the order in which they are offered a file.
pub fn engines() -> &'static [EngineSlot] {
    static ENGINES: OnceLock<Vec<EngineSlot>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        vec![
            EngineSlot {
                name: "bitnet",
                reads: "GGUF with ternary (i2_s) tensors",
                feature: "bitnet",
                engine: bitnet(),
            },
            EngineSlot {
                name: "candle",
                reads: "Hugging Face folders with safetensors",
                feature: "candle",
                engine: candle(),
            },
            EngineSlot { name: "llama", reads: "GGUF", feature: "llama", engine: llama() },
            EngineSlot {
                name: "tesseract",
                reads: "text in images, through the program of this name",
                feature: "",
                engine: Some(Box::new(tern_tesseract::TesseractEngine)),
            },
            EngineSlot {
                name: "echo",
                reads: "its own scripts",
                feature: "",
                engine: Some(Box::new(tern_echo::EchoEngine)),
            },
        ]
    })
}

/// The engine that would run a model of which only the header is known, for estimates before a download.
pub fn engine_for(info: &ModelInfo) -> Option<&'static dyn Engine> {
    // Folders name a class of transformers, as `LlamaForCausalLM`; GGUF files spell architectures in lower case.
    let name = match info.quantization.as_str() {
        _ if info.architecture.starts_with(|first: char| first.is_ascii_uppercase()) => "candle",
        "I2_S" => "bitnet",
        _ => "llama",
    };
    by_name(name)?.engine().ok()
}

/// Whether llama.cpp computes the ternary model in `path` rightly, once rewritten in a type that it reads.
///
/// # Errors
/// The reason why it is not offered there, for people.
pub(crate) fn llama_twin(path: &std::path::Path) -> Result<(), String> {
    let llama = by_name("llama").ok_or("there is no engine called llama")?;
    llama.engine().map_err(|error| error.to_string())?;
    computes(path)
}

#[cfg(feature = "bitnet")]
fn computes(path: &std::path::Path) -> Result<(), String> {
    tern_bitnet::llama_cpp_computes_it(path)
}

#[cfg(not(feature = "bitnet"))]
fn computes(_: &std::path::Path) -> Result<(), String> {
    Err("the engine of ternary models is not in this build".into())
}

/// The engine called `name`.
pub(crate) fn by_name(name: &str) -> Option<&'static EngineSlot> {
    engines().iter().find(|slot| slot.name == name)
}

#[cfg(feature = "bitnet")]
fn bitnet() -> Option<Box<dyn Engine>> {
    Some(Box::new(tern_bitnet::BitnetEngine))
}

#[cfg(not(feature = "bitnet"))]
fn bitnet() -> Option<Box<dyn Engine>> {
    None
}

#[cfg(feature = "candle")]
fn candle() -> Option<Box<dyn Engine>> {
    Some(Box::new(tern_candle::CandleEngine))
}

#[cfg(not(feature = "candle"))]
fn candle() -> Option<Box<dyn Engine>> {
    None
}

#[cfg(feature = "llama")]
fn llama() -> Option<Box<dyn Engine>> {
    Some(Box::new(tern_llama::LlamaEngine))
}

#[cfg(not(feature = "llama"))]
fn llama() -> Option<Box<dyn Engine>> {
    None
}

/// The program that reads text in images, where it is.
pub(crate) fn find_tesseract(program: &str) -> Option<std::path::PathBuf> {
    tern_tesseract::TesseractEngine::find(program)
}

/// How to get the program that reads text in images, and how to teach it a language.
pub mod hints {
    pub use tern_tesseract::{install_hint as tesseract, language_hint as tesseract_language};
}

/// The echo engine's scripts, each of which is a model.
pub(crate) fn echo_scripts() -> Vec<&'static str> {
    tern_echo::EchoEngine::scripts().iter().map(|script| script.id).collect()
}
