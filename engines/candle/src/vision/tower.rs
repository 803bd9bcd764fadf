//! The vision transformer: an image's patches into vectors.

use candle_core::{IndexOp, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, LayerNorm, Linear, Module, VarBuilder, conv2d, layer_norm, linear, ops};
use tern_engine::tasks::Cancelled;

use super::config::VisionConfig;

pub(crate) struct Tower {
    class: Tensor,
    patches: Conv2d,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
}

struct Layer {
    norm1: LayerNorm,
    qkv: Linear,
    projection: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
    heads: usize,
}

impl Tower {
    pub fn new(config: &VisionConfig, weights: VarBuilder<'_>) -> Result<Self> {
        let (width, side) = (config.hidden, config.image_size / config.patch);
        let embeddings = weights.pp("embeddings");
        let stride = Conv2dConfig { stride: config.patch, ..Conv2dConfig::default() };
        let layer = |index: usize| Layer::new(config, weights.pp("encoder.layers").pp(index));
        Ok(Self {
            class: embeddings.get((1, 1, width), "class_embedding")?,
            patches: conv2d(3, width, config.patch, stride, embeddings.pp("patch_embedding"))?,
            positions: embeddings.get((1, side * side + 1, width), "position_embedding")?,
            layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
            norm: layer_norm(width, config.eps, weights.pp("post_layernorm"))?,
        })
    }

    /// `[1, 3, size, size]` to `[patches + 1, hidden]`; `None` when cancelled.
    pub fn forward(&self, pixels: &Tensor, cancelled: Cancelled<'_>) -> Result<Option<Tensor>> {
        let patches = self.patches.forward(pixels)?.flatten_from(2)?.transpose(1, 2)?;
        let tokens = Tensor::cat(&[&self.class, &patches], 1)?;
        let mut x = (tokens + &self.positions)?.squeeze(0)?.contiguous()?;
        for layer in &self.layers {
            if cancelled() {
                return Ok(None);
            }
            x = layer.forward(&x)?;
        }
        self.norm.forward(&x).map(Some)
    }
}

impl Layer {
    fn new(config: &VisionConfig, weights: VarBuilder<'_>) -> Result<Self> {
        let (width, wide) = (config.hidden, config.intermediate);
        Ok(Self {
            norm1: layer_norm(width, config.eps, weights.pp("layer_norm1"))?,
            qkv: linear(width, 3 * width, weights.pp("self_attn.qkv"))?,
            projection: linear(width, width, weights.pp("self_attn.projection"))?,
            norm2: layer_norm(width, config.eps, weights.pp("layer_norm2"))?,
            up: linear(width, wide, weights.pp("mlp.fc1"))?,
            down: linear(wide, width, weights.pp("mlp.fc2"))?,
            heads: config.heads,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = (x + self.attend(&self.norm1.forward(x)?)?)?;
        let mlp = self.down.forward(&self.up.forward(&self.norm2.forward(&x)?)?.gelu_erf()?)?;
        x + mlp
    }

    fn attend(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let size = width / self.heads;
        // [3, heads, tokens, size]
        let qkv = self.qkv.forward(x)?.reshape((tokens, 3, self.heads, size))?.permute((1, 2, 0, 3))?;
        let (queries, keys, values) = (qkv.i(0)?.contiguous()?, qkv.i(1)?.contiguous()?, qkv.i(2)?.contiguous()?);
        let scores = (queries.matmul(&keys.t()?)? * (size as f64).powf(-0.5))?;
        let mixed = ops::softmax_last_dim(&scores)?.matmul(&values)?;
        self.projection.forward(&mixed.transpose(0, 1)?.reshape((tokens, width))?)
    }
}
