//! A BERT whose layers also look at vectors of something else: at an image to read a question about it or to write a caption, at
//! a question that was read to write its answer.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear, ops};

use super::config::TextConfig;

/// Without the output matrix.
pub(crate) struct Words {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    own: Attention,
    cross: Attention,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
    heads: usize,
}

/// Keys and values, each `[heads, tokens, size]`.
type Pair = (Tensor, Tensor);

/// What the layers look at: keys and values of the other side, computed once, and of the tokens so far.
pub(crate) struct Seen {
    other: Vec<Pair>,
    own: Vec<Option<Pair>>,
    tokens: usize,
}

/// Which tokens a token sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Those before it: to write.
    Causal,
    /// All: to read.
    Both,
}

impl Words {
    /// `other` is the width of what it looks at.
    pub fn new(config: &TextConfig, other: usize, weights: VarBuilder<'_>) -> Result<Self> {
        let embeddings = weights.pp("embeddings");
        let layer = |index: usize| Layer::new(config, other, weights.pp("encoder.layer").pp(index));
        Ok(Self {
            words: embedding(config.vocab_size, config.hidden, embeddings.pp("word_embeddings"))?,
            positions: embedding(config.positions, config.hidden, embeddings.pp("position_embeddings"))?,
            norm: layer_norm(config.hidden, config.eps, embeddings.pp("LayerNorm"))?,
            layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// Begins to look at `other`, `[tokens, its width]`.
    pub fn look_at(&self, other: &Tensor) -> Result<Seen> {
        let pairs = self.layers.iter().map(|layer| layer.cross.pair(other)).collect::<Result<_>>()?;
        Ok(Seen { other: pairs, own: vec![None; self.layers.len()], tokens: 0 })
    }

    /// The next tokens, to vectors `[tokens, hidden]`. The caller keeps within the positions that there are.
    pub fn forward(&self, tokens: &[u32], seen: &mut Seen, direction: Direction) -> Result<Tensor> {
        let (count, past) = (tokens.len(), seen.tokens);
        let device = self.words.embeddings().device();
        let ids = Tensor::new(tokens, device)?;
        let places = Tensor::arange(past as u32, (past + count) as u32, device)?;
        let mut x = self.norm.forward(&(self.words.forward(&ids)? + self.positions.forward(&places)?)?)?;
        let mask = (direction == Direction::Causal && count > 1).then(|| mask(count, past, device)).transpose()?;
        for ((layer, other), own) in self.layers.iter().zip(&seen.other).zip(&mut seen.own) {
            let (keys, values) = layer.own.pair(&x)?;
            let pair = match own.take() {
                None => (keys, values),
                Some((k, v)) => (Tensor::cat(&[&k, &keys], 1)?, Tensor::cat(&[&v, &values], 1)?),
            };
            x = layer.own.forward(&x, &pair, mask.as_ref())?;
            *own = Some(pair);
            x = layer.cross.forward(&x, other, None)?;
            let mlp = layer.down.forward(&layer.up.forward(&x)?.gelu_erf()?)?;
            x = layer.norm.forward(&(mlp + &x)?)?;
        }
        seen.tokens += count;
        Ok(x)
    }

    /// The matrix of word vectors, which the output matrix most often is too.
    pub fn matrix(&self) -> &Tensor {
        self.words.embeddings()
    }
}

/// Minus infinity where a token must not look: `[count, past + count]`.
fn mask(count: usize, past: usize, device: &Device) -> Result<Tensor> {
    let cell = |i: usize| if i % (past + count) > past + i / (past + count) { f32::NEG_INFINITY } else { 0.0 };
    let cells: Vec<f32> = (0..count * (past + count)).map(cell).collect();
    Tensor::from_vec(cells, (count, past + count), device)
}

impl Layer {
    fn new(config: &TextConfig, other: usize, weights: VarBuilder<'_>) -> Result<Self> {
        let (width, wide) = (config.hidden, config.intermediate);
        Ok(Self {
            own: Attention::new(config, width, weights.pp("attention"))?,
            cross: Attention::new(config, other, weights.pp("crossattention"))?,
            up: linear(width, wide, weights.pp("intermediate.dense"))?,
            down: linear(wide, width, weights.pp("output.dense"))?,
            norm: layer_norm(width, config.eps, weights.pp("output.LayerNorm"))?,
        })
    }
}

impl Attention {
    fn new(config: &TextConfig, other: usize, weights: VarBuilder<'_>) -> Result<Self> {
        let width = config.hidden;
        Ok(Self {
            query: linear(width, width, weights.pp("self.query"))?,
            key: linear(other, width, weights.pp("self.key"))?,
            value: linear(other, width, weights.pp("self.value"))?,
            output: linear(width, width, weights.pp("output.dense"))?,
            norm: layer_norm(width, config.eps, weights.pp("output.LayerNorm"))?,
            heads: config.heads,
        })
    }

    fn pair(&self, x: &Tensor) -> Result<Pair> {
        Ok((self.split(&self.key.forward(x)?)?, self.split(&self.value.forward(x)?)?))
    }

    /// `[tokens, width]` to `[heads, tokens, size]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        x.reshape((tokens, self.heads, width / self.heads))?.transpose(0, 1)?.contiguous()
    }

    fn forward(&self, x: &Tensor, (keys, values): &Pair, mask: Option<&Tensor>) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let queries = self.split(&self.query.forward(x)?)?;
        let scores = (queries.matmul(&keys.t()?)? / ((width / self.heads) as f64).sqrt())?;
        let scores = match mask {
            None => scores,
            Some(mask) => scores.broadcast_add(mask)?,
        };
        let mixed = ops::softmax_last_dim(&scores)?.matmul(values)?;
        let mixed = mixed.transpose(0, 1)?.reshape((tokens, width))?;
        self.norm.forward(&(self.output.forward(&mixed)? + x)?)
    }
}
