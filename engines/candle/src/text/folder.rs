//! Weights from a folder, and what its small files say.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};
use serde_json::Value;
use tern_engine::EngineError;
use tern_folder::{Dtype, Json};

use super::{
    linear::Linear,
    model::{Part, Weights},
};
use crate::source::Source;

/// The tensors of a folder.
pub(crate) struct FolderWeights<'a> {
    pub source: &'a Source,
    pub builder: VarBuilder<'a>,
}

impl FolderWeights<'_> {
    pub fn name(layer: Option<usize>, part: Part) -> String {
        let part = part.folder_name();
        layer.map_or_else(|| part.to_owned(), |layer| format!("model.layers.{layer}.{part}"))
    }

    /// A matrix in the type that the file has it in.
    fn floats(&self, name: &str, shape: [usize; 2]) -> candle_core::Result<Tensor> {
        let dtype = match self.source.weights.get(name).map(|tensor| tensor.dtype) {
            Some(Dtype::BF16) => DType::BF16,
            Some(Dtype::F16) => DType::F16,
            _ => DType::F32,
        };
        self.builder.get_with_hints_dtype((shape[0], shape[1]), name, Init::Const(0.0), dtype)
    }
}

impl Weights for FolderWeights<'_> {
    fn matrix(&self, part: Part, rows: usize, columns: usize) -> candle_core::Result<Tensor> {
        self.floats(&format!("{}.weight", part.folder_name()), [rows, columns])
    }

    fn linear(&self, layer: usize, part: Part, shape: [usize; 2], bias: bool) -> candle_core::Result<Linear> {
        let name = Self::name(Some(layer), part);
        let bias = bias.then(|| self.builder.get(shape[0], &format!("{name}.bias"))).transpose()?;
        Ok(Linear::new(self.floats(&format!("{name}.weight"), shape)?, bias))
    }

    fn vector(&self, layer: Option<usize>, part: Part, len: usize) -> candle_core::Result<Tensor> {
        self.builder.get(len, &format!("{}.weight", Self::name(layer, part)))
    }
}

/// Kind of the weights: that of most of them.
pub(crate) fn quantization(source: &Source) -> &'static str {
    let of = |dtype: Dtype| -> usize {
        source.weights.tensors().filter(|tensor| tensor.dtype == dtype).map(|tensor| tensor.values()).sum()
    };
    let kinds = [(Dtype::BF16, "BF16"), (Dtype::F16, "F16"), (Dtype::F32, "F32")];
    kinds.into_iter().max_by_key(|(dtype, _)| of(*dtype)).map_or("F32", |(_, name)| name)
}

/// How dialogues are spelled.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    pub template: Option<String>,
    pub bos: Option<String>,
    pub eos: Option<String>,
}

impl Dialogue {
    /// Reads `chat_template.jinja`, or the template in `tokenizer_config.json`, and the spellings that templates use.
    pub fn read(source: &Source) -> Result<Self, EngineError> {
        let config = Json::read_if_there(&source.path, "tokenizer_config.json")?;
        let path = source.path.join("chat_template.jinja");
        let template = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => in_config(config.at("chat_template")),
            Err(source) => return Err(EngineError::Io { path, source }),
        };
        let spelled = |field: &str| {
            let value = config.at(field);
            value.as_str().or(value["content"].as_str()).map(str::to_owned)
        };
        Ok(Self { template, bos: spelled("bos_token"), eos: spelled("eos_token") })
    }
}

/// One template, or a list of named ones, of which the one called `default` is meant.
fn in_config(value: &Value) -> Option<String> {
    let named = |name: &str| value.as_array()?.iter().find(|entry| entry["name"] == name)?["template"].as_str();
    value.as_str().or_else(|| named("default")).map(str::to_owned)
}

/// Where tensors go: an accelerator that is compiled in, if layers are to be put on one.
pub(crate) fn device(gpu_layers: u32) -> candle_core::Result<Device> {
    if gpu_layers == 0 {
        return Ok(Device::Cpu);
    }
    if cfg!(feature = "cuda") {
        return Device::new_cuda(0);
    }
    if cfg!(feature = "metal") {
        return Device::new_metal(0);
    }
    Ok(Device::Cpu)
}
