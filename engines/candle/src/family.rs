//! What a family of architectures has to give, and the list of families.

use tern_engine::{Cost, EngineError, LoadOptions, LoadedModel, ModelInfo, Progress};
use tern_folder::Json;

use crate::{encoder::Encoders, source::Source, speech::Speech, text::Text, vision::BlipFamily};

/// Architectures that one module computes.
pub(crate) trait Family: Send + Sync {
    /// Names in `architectures` of `config.json` that it computes, for the message about one that nobody does.
    fn architectures(&self) -> &'static [&'static str];

    /// Whether it computes what this `config.json` describes.
    fn reads(&self, config: &Json) -> bool {
        let named = config.at("architectures").as_array().into_iter().flatten().filter_map(|name| name.as_str());
        named.into_iter().any(|name| self.architectures().contains(&name))
    }

    /// What the folder holds: from `config.json` and the headers of its weights.
    fn inspect(&self, source: &Source) -> Result<ModelInfo, EngineError>;

    /// What the model takes in memory.
    fn estimate(&self, info: &ModelInfo, options: &LoadOptions) -> Cost;

    /// Loads it.
    fn load(&self, source: &Source, options: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, EngineError>;
}

/// All of them, in the order in which they are asked.
pub(crate) fn families() -> &'static [&'static dyn Family] {
    &[&Text, &Encoders, &BlipFamily, &Speech]
}
