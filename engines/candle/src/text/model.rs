//! The weights of a decoder-only model, and where they come from.

use candle_core::{DType, Device, Result, Tensor};

use super::{config::Config, linear::Linear};

/// A tensor's place in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Embedding,
    OutputNorm,
    Head,
    AttentionNorm,
    Query,
    Key,
    Value,
    QueryNorm,
    KeyNorm,
    AttentionSubNorm,
    Output,
    FfnNorm,
    Gate,
    Up,
    FfnSubNorm,
    Down,
}

impl Part {
    /// Its name in a folder of transformers, without `model.layers.N.` and `.weight`.
    pub fn folder_name(self) -> &'static str {
        match self {
            Self::Embedding => "model.embed_tokens",
            Self::OutputNorm => "model.norm",
            Self::Head => "lm_head",
            Self::AttentionNorm => "input_layernorm",
            Self::Query => "self_attn.q_proj",
            Self::Key => "self_attn.k_proj",
            Self::Value => "self_attn.v_proj",
            Self::QueryNorm => "self_attn.q_norm",
            Self::KeyNorm => "self_attn.k_norm",
            Self::AttentionSubNorm => "self_attn.attn_sub_norm",
            Self::Output => "self_attn.o_proj",
            Self::FfnNorm => "post_attention_layernorm",
            Self::Gate => "mlp.gate_proj",
            Self::Up => "mlp.up_proj",
            Self::FfnSubNorm => "mlp.ffn_sub_norm",
            Self::Down => "mlp.down_proj",
        }
    }
}

/// Where weights come from. Every one is asked for with its shape, and is checked against it.
pub(crate) trait Weights {
    /// A matrix that is read row by row or multiplied as it is.
    fn matrix(&self, part: Part, rows: usize, columns: usize) -> Result<Tensor>;

    /// A projection of layer `layer`.
    fn linear(&self, layer: usize, part: Part, shape: [usize; 2], bias: bool) -> Result<Linear>;

    /// A vector of f32, of a layer or of the whole model.
    fn vector(&self, layer: Option<usize>, part: Part, len: usize) -> Result<Tensor>;
}

/// A layer.
pub(crate) struct Layer {
    pub attention_norm: Tensor,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub head_norms: Option<(Tensor, Tensor)>,
    pub attention_sub_norm: Option<Tensor>,
    pub output: Linear,
    pub ffn_norm: Tensor,
    pub gate: Linear,
    pub up: Linear,
    pub ffn_sub_norm: Option<Tensor>,
    pub down: Linear,
    pub window: Option<u32>,
}

/// All weights.
pub(crate) struct Model {
    pub config: Config,
    pub embedding: Tensor,
    pub layers: Vec<Layer>,
    pub output_norm: Tensor,
    pub head: Linear,
}

impl Model {
    /// Takes the weights that the settings ask for.
    pub fn read(config: Config, weights: &dyn Weights) -> Result<Self> {
        let c = &config;
        let (hidden, across, kv, ffn) = (c.hidden_size, c.across(), c.kv_width(), c.ffn_size);
        let sub_norms = c.ternary.is_some_and(|ternary| ternary.sub_norms);
        let embedding = weights.matrix(Part::Embedding, c.vocab_size, hidden)?;
        let layer = |at: usize| {
            let linear = |part, rows, columns, bias| weights.linear(at, part, [rows, columns], bias);
            let norm = |part, len| weights.vector(Some(at), part, len);
            let norm_if = |wanted: bool, part, len| wanted.then(|| norm(part, len)).transpose();
            let query_norm = norm_if(c.head_norms, Part::QueryNorm, c.head_size)?;
            let key_norm = norm_if(c.head_norms, Part::KeyNorm, c.head_size)?;
            Ok::<_, candle_core::Error>(Layer {
                attention_norm: norm(Part::AttentionNorm, hidden)?,
                query: linear(Part::Query, across, hidden, c.qkv_bias)?,
                key: linear(Part::Key, kv, hidden, c.qkv_bias)?,
                value: linear(Part::Value, kv, hidden, c.qkv_bias)?,
                head_norms: query_norm.zip(key_norm),
                attention_sub_norm: norm_if(sub_norms, Part::AttentionSubNorm, across)?,
                output: linear(Part::Output, hidden, across, c.output_bias)?,
                ffn_norm: norm(Part::FfnNorm, hidden)?,
                gate: linear(Part::Gate, ffn, hidden, c.ffn_bias)?,
                up: linear(Part::Up, ffn, hidden, c.ffn_bias)?,
                ffn_sub_norm: norm_if(sub_norms, Part::FfnSubNorm, ffn)?,
                down: linear(Part::Down, hidden, ffn, c.ffn_bias)?,
                window: c.windows.get(at).copied().flatten(),
            })
        };
        let layers = (0..c.num_layers).map(layer).collect::<Result<Vec<_>>>()?;
        let output_norm = weights.vector(None, Part::OutputNorm, hidden)?;
        let head = match c.tied {
            true => embedding.clone(),
            false => weights.matrix(Part::Head, c.vocab_size, hidden)?,
        };
        Ok(Self { embedding, layers, output_norm, head: Linear::new(head, None), config })
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// The stream that a batch begins with: `[tokens][hidden]` of f32.
    pub fn embed(&self, tokens: &Tensor) -> Result<Tensor> {
        self.embedding.index_select(tokens, 0)?.to_dtype(DType::F32)
    }
}
