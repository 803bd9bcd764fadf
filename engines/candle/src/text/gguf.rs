//! Ternary GGUF files: the models that the bitnet engine runs, in float arithmetic, to compare with.
//!
//! Weights are -1, 0 and 1 under a scale, activations are rounded to 8 bits as in training: the products are the same whole
//! numbers, and only the sums between them are rounded otherwise.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex},
};

use candle_core::{DType, Device, Tensor};
use tern_bitnet_file::{
    error::Refusal,
    graph::{self, Graph, Pairing},
    published,
};
use tern_engine::{Capability, EngineError, LoadOptions, LoadedModel, ModelInfo, Progress};
use tern_gguf::{
    Header, TensorInfo, TensorType, blocks,
    blocks::ternary::{Matrix, Order},
    summary,
};
use tern_tokenizer::{GgufTokenizer, Overrides};

use super::{
    Refused,
    config::{Config, Gate, Ternary},
    linear::Linear,
    model::{Model, Part, Weights},
    rope::{Rope, Scaling},
    ternary, text_model,
};
use crate::source::plain;

/// What the file computes, as far as this engine can.
pub(crate) fn inspect(path: &Path) -> Result<ModelInfo, EngineError> {
    let header = Header::read(path).map_err(|error| error.about(path))?;
    read(&header).map(|(_, info)| info).map_err(|refusal| refusal.about(path))
}

fn read(header: &Header) -> Result<(Graph, ModelInfo), Refusal> {
    let refuse = |message: &str| Err(Refusal::Unsupported(message.into()));
    if !graph::is_ours(header) {
        return refuse("the candle engine runs folders with safetensors, and ternary GGUF files");
    }
    let mut info = summary::model_info(header).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let graph = Graph::read(header)?;
    let usual_scale = (graph.head_size as f32).sqrt().recip();
    if graph.embeds || graph.rope_dims != graph.head_size || (graph.attention_scale - usual_scale).abs() > 1e-6 {
        return refuse("the candle engine computes ternary models that generate text with whole heads rotated");
    }
    if let Some(template) = published::chat_template(header) {
        info.chat_template = Some(template);
    }
    info.kv_values_per_token = graph.kv_values_per_token();
    info.vocab_size = graph.vocab_size as u32;
    info.num_kv_heads = graph.num_kv_heads as u32;
    info.capabilities = vec![Capability::Completion, Capability::Chat];
    info.quantization = "BF16".into();
    info.weights_bytes = info.parameters.saturating_mul(2);
    Ok((graph, info))
}

fn config(graph: &Graph, header: &Header) -> Result<Config, Refusal> {
    let gate = match graph.gate {
        graph::Gate::Silu => Gate::Silu,
        graph::Gate::Relu2 => Gate::Relu2,
        graph::Gate::Gelu => return Err(Refusal::Unsupported("a ternary model with GELU".into())),
    };
    let scaling = match graph.rope_factor {
        1.0 => Scaling::None,
        factor => Scaling::Linear { factor: f64::from(factor) },
    };
    Ok(Config {
        num_layers: graph.num_layers,
        hidden_size: graph.hidden_size,
        ffn_size: graph.ffn_size,
        num_heads: graph.num_heads,
        num_kv_heads: graph.num_kv_heads,
        head_size: graph.head_size,
        vocab_size: graph.vocab_size,
        context_length: graph.context_length,
        norm_eps: f64::from(graph.norm_eps),
        rope: Rope { base: f64::from(graph.rope_base), scaling },
        gate,
        qkv_bias: false,
        output_bias: false,
        ffn_bias: false,
        head_norms: false,
        ternary: Some(Ternary { sub_norms: graph.sub_norms }),
        tied: header.tensor("output.weight").is_none(),
        windows: Vec::new(),
    })
}

/// Loads the file.
pub(crate) fn load(path: &Path, options: &LoadOptions, progress: Progress<'_>) -> Result<LoadedModel, EngineError> {
    let header = Header::read(path).map_err(|error| error.about(path))?;
    let about = |refusal: Refusal| refusal.about(path);
    let (graph, info) = read(&header).map_err(about)?;
    let config = config(&graph, &header).map_err(about)?;
    let pre = published::pre_tokenizer(&header).map(str::to_owned);
    let tokenizer = GgufTokenizer::from_header(&header, &Overrides { pre, ..Overrides::default() })
        .map_err(|error| error.in_model(path))?;
    let device = super::folder::device(options.gpu_layers).map_err(|error| EngineError::Failed(plain(&error)))?;
    let file = File::open(path).map_err(|source| EngineError::Io { path: path.into(), source })?;
    let weights = GgufWeights {
        header: &header,
        file,
        order: Order::of_block(options.i2s_block),
        interleaved: (graph.pairing == Pairing::Neighbours).then_some(graph.head_size),
        device,
        layers: config.num_layers.max(1),
        progress: Mutex::new((progress, false)),
    };
    let model = Model::read(config, &weights);
    if weights.progress.lock().is_ok_and(|state| state.1) {
        return Err(EngineError::Cancelled);
    }
    let model = model.map_err(|error| EngineError::InvalidModel { path: path.into(), message: plain(&error) })?;
    text_model(info, model, Arc::new(tokenizer), options).map_err(|refused: Refused| refused.about(path))
}

/// The tensors of a ternary file.
struct GgufWeights<'a> {
    header: &'a Header,
    file: File,
    order: Order,
    /// Size of a head whose rotary pairs are neighbours in the file; they become halves.
    interleaved: Option<usize>,
    device: Device,
    layers: usize,
    /// Whom to tell, and whether the load was stopped.
    progress: Mutex<(Progress<'a>, bool)>,
}

fn name(layer: Option<usize>, part: Part) -> String {
    let part = match part {
        Part::Embedding => "token_embd",
        Part::OutputNorm => "output_norm",
        Part::Head => "output",
        Part::AttentionNorm => "attn_norm",
        Part::Query => "attn_q",
        Part::Key => "attn_k",
        Part::Value => "attn_v",
        Part::QueryNorm => "attn_q_norm",
        Part::KeyNorm => "attn_k_norm",
        Part::AttentionSubNorm => "attn_sub_norm",
        Part::Output => "attn_output",
        Part::FfnNorm => "ffn_norm",
        Part::Gate => "ffn_gate",
        Part::Up => "ffn_up",
        Part::FfnSubNorm => "ffn_sub_norm",
        Part::Down => "ffn_down",
    };
    layer.map_or_else(|| part.to_owned(), |layer| format!("blk.{layer}.{part}"))
}

impl GgufWeights<'_> {
    fn tensor(&self, name: &str, shape: &[usize]) -> candle_core::Result<(&TensorInfo, Vec<u8>)> {
        let Some(tensor) = self.header.tensor(name) else {
            candle_core::bail!("no tensor {name}, which this model has")
        };
        if tensor.shape.iter().map(|&size| size as usize).ne(shape.iter().copied()) {
            candle_core::bail!("{name}: shape {:?}, expected {shape:?}", tensor.shape);
        }
        let range = tensor.range();
        // The header was compared with the length of the file: the memory is no more than that.
        let mut bytes = vec![0; range.len()];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start as u64))?;
        file.read_exact(&mut bytes)?;
        Ok((tensor, bytes))
    }

    fn floats(&self, name: &str, shape: &[usize]) -> candle_core::Result<Vec<f32>> {
        let (tensor, bytes) = self.tensor(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        blocks::dequantize(tensor.kind, &bytes, &mut values).map_err(candle_core::Error::wrap)?;
        Ok(values)
    }

    fn step(&self, layer: usize) -> candle_core::Result<()> {
        let Ok(mut state) = self.progress.lock() else { return Ok(()) };
        let go_on = (state.0)((layer + 1) as f32 / self.layers as f32);
        state.1 |= !go_on;
        if go_on { Ok(()) } else { candle_core::bail!("cancelled") }
    }
}

impl Weights for GgufWeights<'_> {
    fn matrix(&self, part: Part, rows: usize, columns: usize) -> candle_core::Result<Tensor> {
        let name = format!("{}.weight", name(None, part));
        let kind = self.header.tensor(&name).map(|tensor| tensor.kind);
        let as_it_is = match kind {
            Some(TensorType::F16) => Some(DType::F16),
            Some(TensorType::BF16) => Some(DType::BF16),
            _ => None,
        };
        match as_it_is {
            Some(dtype) => {
                let (_, bytes) = self.tensor(&name, &[columns, rows])?;
                Tensor::from_raw_buffer(&bytes, dtype, &[rows, columns], &self.device)
            }
            None => Tensor::from_vec(self.floats(&name, &[columns, rows])?, (rows, columns), &self.device),
        }
    }

    fn linear(&self, layer: usize, part: Part, [rows, columns]: [usize; 2], _: bool) -> candle_core::Result<Linear> {
        let stem = name(Some(layer), part);
        let (tensor, bytes) = self.tensor(&format!("{stem}.weight"), &[columns, rows])?;
        let mut matrix = Matrix::read(&tensor.name, tensor.kind, &tensor.shape, &bytes, self.order)
            .map_err(candle_core::Error::wrap)?;
        // A factor that some converters write beside a matrix.
        let factor = format!("{stem}.scale");
        if self.header.tensor(&factor).is_some() {
            matrix.scale *= self.floats(&factor, &[1])?[0];
        }
        if let (Some(head), Part::Query | Part::Key) = (self.interleaved, part) {
            part_pairs(&mut matrix, head);
        }
        if part == Part::Down {
            self.step(layer)?;
        }
        ternary::linear(&matrix, &self.device)
    }

    fn vector(&self, layer: Option<usize>, part: Part, len: usize) -> candle_core::Result<Tensor> {
        Tensor::from_vec(self.floats(&format!("{}.weight", name(layer, part)), &[len])?, len, &self.device)
    }
}

/// Puts rows `2i` and `2i + 1` of a head at `i` and `i + half`.
fn part_pairs(matrix: &mut Matrix, head: usize) {
    let old = matrix.codes.clone();
    for (row, codes) in matrix.codes.chunks_exact_mut(matrix.columns).enumerate() {
        let (first, at) = (row / head * head, row % head);
        let from = first + if at < head / 2 { 2 * at } else { 2 * (at - head / 2) + 1 };
        codes.copy_from_slice(&old[from * matrix.columns..][..matrix.columns]);
    }
}
