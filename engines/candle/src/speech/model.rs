//! Encoder and decoder.

use candle_core::{Device, Result, Tensor};
use candle_nn::{LayerNorm, Module, VarBuilder};
use tern_engine::{EngineError, Token};

use super::{
    config::Config,
    layers::{Attention, Cache, Feed, Linear, norm},
};
use crate::source::plain;

/// The whole model.
pub(super) struct Model {
    encoder: Encoder,
    decoder: Decoder,
}

/// What the decoder knows of a window: what is heard, and the tokens so far.
pub(super) struct State {
    heard: Vec<Cache>,
    said: Vec<Cache>,
    len: usize,
}

impl State {
    /// Forgets all tokens.
    pub fn forget(&mut self) {
        self.said.iter_mut().for_each(|cache| cache.keep(0));
        self.len = 0;
    }
}

/// What the decoder says to its tokens.
pub(super) struct Said {
    /// Logits `[rows][vocabulary]`.
    pub logits: Tensor,
    /// For each layer asked for: scores before the softmax, `[heads][rows][positions]`.
    pub scores: Vec<Option<Tensor>>,
}

impl Model {
    pub fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        let weights = weights.pp("model");
        let encoder = Encoder::new(config, weights.pp("encoder"))?;
        Ok(Self { encoder, decoder: Decoder::new(config, weights.pp("decoder"))? })
    }

    /// Hears a window, `[frames][bands]`.
    ///
    /// # Errors
    /// `Cancelled`, asked between layers; `Failed`.
    pub fn hear(&self, mel: Vec<f32>, cancelled: &dyn Fn() -> bool) -> std::result::Result<State, EngineError> {
        let heard = self.encode(mel, cancelled)?;
        self.decoder.state(&heard).map_err(failed)
    }

    /// The encoder's output, `[positions][width]`.
    pub fn encode(&self, mel: Vec<f32>, cancelled: &dyn Fn() -> bool) -> std::result::Result<Tensor, EngineError> {
        let mut x = self.encoder.begin(mel).map_err(failed)?;
        for layer in &self.encoder.layers {
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            x = layer.forward(&x).map_err(failed)?;
        }
        self.encoder.norm.forward(&x).map_err(failed)
    }

    /// Logits of the last token.
    pub fn say(&self, tokens: &[Token], state: &mut State) -> std::result::Result<Vec<f32>, EngineError> {
        let logits = |state: &mut State| {
            let (x, _) = self.decoder.forward(tokens, state, &[])?;
            self.decoder.head.forward(&x.narrow(0, x.dim(0)? - 1, 1)?)?.flatten_all()?.to_vec1()
        };
        logits(state).map_err(failed)
    }

    /// Logits of all tokens, and the scores of the layers that `layers` is true for.
    pub fn say_all(
        &self,
        tokens: &[Token],
        state: &mut State,
        layers: &[bool],
    ) -> std::result::Result<Said, EngineError> {
        let said = |state: &mut State| {
            let (x, scores) = self.decoder.forward(tokens, state, layers)?;
            Ok(Said { logits: self.decoder.head.forward(&x)?, scores })
        };
        said(state).map_err(failed)
    }
}

fn failed(error: candle_core::Error) -> EngineError {
    EngineError::Failed(plain(&error))
}

struct Encoder {
    bands: usize,
    frames: usize,
    first: Linear,
    second: Linear,
    positions: Tensor,
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
}

impl Encoder {
    fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        let layer = |at: usize| EncoderLayer::new(config, weights.pp(format!("layers.{at}")));
        Ok(Self {
            bands: config.mels,
            frames: config.frames(),
            first: convolution(config.mels, config.width, weights.pp("conv1"))?,
            second: convolution(config.width, config.width, weights.pp("conv2"))?,
            positions: weights.get((config.positions, config.width), "embed_positions.weight")?,
            layers: (0..config.encoder_layers).map(layer).collect::<Result<_>>()?,
            norm: norm(config.width, weights.pp("layer_norm"))?,
        })
    }

    /// Two convolutions over three frames each, the second with a step of two, as products with neighbouring rows side by side.
    fn begin(&self, mel: Vec<f32>) -> Result<Tensor> {
        let x = Tensor::from_vec(mel, (self.frames, self.bands), &Device::Cpu)?;
        let x = x.pad_with_zeros(0, 1, 1)?;
        let rows: Vec<_> = (0..3).map(|tap| x.narrow(0, tap, self.frames)).collect::<Result<_>>()?;
        let x = self.first.forward_gelu(&Tensor::cat(&rows, 1)?)?;
        let width = x.dim(1)?;
        // Pairs of rows: output `at` sees pair `at` and the first half of the next.
        let pairs = x.pad_with_zeros(0, 1, 1)?.reshape((self.frames / 2 + 1, 2 * width))?;
        let half = self.frames / 2;
        let rows = [pairs.narrow(0, 0, half)?, pairs.narrow(0, 1, half)?.narrow(1, 0, width)?];
        self.second.forward_gelu(&Tensor::cat(&rows, 1)?)? + &self.positions
    }
}

/// Weights `[out][in][3]` as those of a linear layer whose input is three frames, one after the other.
fn convolution(from: usize, to: usize, weights: VarBuilder<'_>) -> Result<Linear> {
    let kernel = weights.get((to, from, 3), "weight")?.transpose(1, 2)?.contiguous()?.reshape((to, 3 * from))?;
    Ok(Linear::from_weights(kernel, Some(weights.get(to, "bias")?)))
}

struct EncoderLayer {
    norm: LayerNorm,
    attention: Attention,
    feed: Feed,
}

impl EncoderLayer {
    fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norm: norm(config.width, weights.pp("self_attn_layer_norm"))?,
            attention: Attention::new(config.width, config.encoder_heads, weights.pp("self_attn"))?,
            feed: Feed::new(config.width, config.encoder_ffn, &weights)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.feed.forward(&(x + self.attention.everywhere(&self.norm.forward(x)?)?)?)
    }
}

struct Decoder {
    tokens: Tensor,
    scale: f64,
    positions: Tensor,
    layers: Vec<DecoderLayer>,
    norm: LayerNorm,
    /// The embeddings again, as in all published models.
    head: Linear,
}

impl Decoder {
    fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        let layer = |at: usize| DecoderLayer::new(config, weights.pp(format!("layers.{at}")));
        let tokens = weights.get((config.vocabulary, config.width), "embed_tokens.weight")?;
        Ok(Self {
            head: Linear::from_weights(tokens.clone(), None),
            tokens,
            scale: config.embedding_scale,
            positions: weights.get((config.context, config.width), "embed_positions.weight")?,
            layers: (0..config.decoder_layers).map(layer).collect::<Result<_>>()?,
            norm: norm(config.width, weights.pp("layer_norm"))?,
        })
    }

    fn state(&self, heard: &Tensor) -> Result<State> {
        let room = self.positions.dim(0)?;
        Ok(State {
            heard: self.layers.iter().map(|layer| layer.other.hear(heard)).collect::<Result<_>>()?,
            said: self.layers.iter().map(|layer| layer.own.cache(room, heard)).collect::<Result<_>>()?,
            len: 0,
        })
    }

    /// Tokens behind those of the state; the output before the head, and the scores that were asked for.
    fn forward(&self, tokens: &[Token], state: &mut State, scores: &[bool]) -> Result<(Tensor, Vec<Option<Tensor>>)> {
        let room = self.positions.dim(0)?;
        if tokens.is_empty() || state.len + tokens.len() > room {
            candle_core::bail!("{} tokens behind {}, at most {room}", tokens.len(), state.len);
        }
        let ids = Tensor::new(tokens, self.tokens.device())?;
        let positions = self.positions.narrow(0, state.len, tokens.len())?;
        let mut x = ((self.tokens.index_select(&ids, 0)? * self.scale)? + positions)?;
        let mut kept = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let wanted = scores.get(at).copied().unwrap_or(false);
            x = (&x + layer.own.behind(&layer.own_norm.forward(&x)?, &mut state.said[at])?)?;
            let (heard, scores) = layer.other.at(&layer.other_norm.forward(&x)?, &state.heard[at], wanted)?;
            kept.push(scores);
            x = layer.feed.forward(&(x + heard)?)?;
        }
        state.len += tokens.len();
        Ok((self.norm.forward(&x)?, kept))
    }
}

struct DecoderLayer {
    own_norm: LayerNorm,
    own: Attention,
    other_norm: LayerNorm,
    other: Attention,
    feed: Feed,
}

impl DecoderLayer {
    fn new(config: &Config, weights: VarBuilder<'_>) -> Result<Self> {
        let (width, heads) = (config.width, config.decoder_heads);
        Ok(Self {
            own_norm: norm(width, weights.pp("self_attn_layer_norm"))?,
            own: Attention::new(width, heads, weights.pp("self_attn"))?,
            other_norm: norm(width, weights.pp("encoder_attn_layer_norm"))?,
            other: Attention::new(width, heads, weights.pp("encoder_attn"))?,
            feed: Feed::new(width, config.decoder_ffn, &weights)?,
        })
    }
}
