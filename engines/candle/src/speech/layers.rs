//! The parts of both halves: linear layers and attention.

use candle_core::{D, Result, Tensor};
use candle_nn::{LayerNorm, Module, VarBuilder, layer_norm};

use super::ops;

/// Rows up to which a product reads its weights row by row.
const FEW: usize = 4;
/// Of layer norms.
const EPSILON: f64 = 1e-5;

/// Weights `[out][in]`, and a bias that may be missing.
pub(super) struct Linear {
    weights: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn new(from: usize, to: usize, bias: bool, weights: VarBuilder<'_>) -> Result<Self> {
        let bias = if bias { Some(weights.get(to, "bias")?) } else { None };
        Ok(Self { weights: weights.get((to, from), "weight")?, bias })
    }

    /// Without a bias.
    pub fn from_weights(weights: Tensor, bias: Option<Tensor>) -> Self {
        Self { weights, bias }
    }

    fn product(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim(0)? <= FEW { ops::few_rows(&x.contiguous()?, &self.weights) } else { x.matmul(&self.weights.t()?) }
    }

    /// `[rows][in]` to `[rows][out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        if let Some(bias) = &self.bias {
            ops::bias_(&y, bias)?;
        }
        Ok(y)
    }

    /// With the Gaussian error linear unit behind it; the bias must be there.
    pub fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        match &self.bias {
            Some(bias) => ops::bias_gelu_(&y, bias)?,
            None => return y.gelu_erf(),
        }
        Ok(y)
    }
}

/// Keys or values of all heads, `[heads][room][width of a head]`, of which `len` are filled.
pub(super) struct Cache {
    keys: Tensor,
    values: Tensor,
    len: usize,
}

impl Cache {
    fn empty(heads: usize, room: usize, head: usize, like: &Tensor) -> Result<Self> {
        let zeros = || Tensor::zeros((heads, room, head), like.dtype(), like.device());
        Ok(Self { keys: zeros()?, values: zeros()?, len: 0 })
    }

    /// Makes place for other tokens from `len` on.
    pub fn keep(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn push(&mut self, keys: &Tensor, values: &Tensor) -> Result<()> {
        self.keys.slice_set(keys, 1, self.len)?;
        self.values.slice_set(values, 1, self.len)?;
        self.len += keys.dim(1)?;
        Ok(())
    }

    fn filled(&self) -> Result<(Tensor, Tensor)> {
        Ok((self.keys.narrow(1, 0, self.len)?, self.values.narrow(1, 0, self.len)?))
    }
}

/// Attention with several heads.
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    scale: f64,
}

impl Attention {
    pub fn new(width: usize, heads: usize, weights: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            query: Linear::new(width, width, true, weights.pp("q_proj"))?,
            key: Linear::new(width, width, false, weights.pp("k_proj"))?,
            value: Linear::new(width, width, true, weights.pp("v_proj"))?,
            out: Linear::new(width, width, true, weights.pp("out_proj"))?,
            heads,
            scale: ((width / heads) as f64).powf(-0.5),
        })
    }

    /// Every row sees every other. One head after the other: the weights of all at once are 72 MB in the base model.
    pub fn everywhere(&self, x: &Tensor) -> Result<Tensor> {
        let (query, key, value) =
            ((self.query.forward(x)? * self.scale)?, self.key.forward(x)?, self.value.forward(x)?);
        let head = query.dim(1)? / self.heads;
        let heads: Vec<Tensor> = (0..self.heads)
            .map(|at| {
                let of = |x: &Tensor| x.narrow(1, at * head, head);
                let weights = of(&query)?.matmul(&of(&key)?.t()?)?;
                ops::softmax_(&weights)?;
                weights.matmul(&of(&value)?)
            })
            .collect::<Result<_>>()?;
        self.out.forward(&Tensor::cat(&heads, 1)?)
    }

    /// An empty cache for `room` tokens.
    pub fn cache(&self, room: usize, like: &Tensor) -> Result<Cache> {
        let width = like.dim(D::Minus1)?;
        Cache::empty(self.heads, room, width / self.heads, like)
    }

    /// Keys and values of what is heard.
    pub fn hear(&self, heard: &Tensor) -> Result<Cache> {
        let (keys, values) = (self.split(&self.key.forward(heard)?)?, self.split(&self.value.forward(heard)?)?);
        Ok(Cache { len: keys.dim(1)?, keys, values })
    }

    /// Rows behind those in the cache see these and themselves; they are added to it.
    pub fn behind(&self, x: &Tensor, cache: &mut Cache) -> Result<Tensor> {
        let before = cache.len;
        cache.push(&self.split(&self.key.forward(x)?)?, &self.split(&self.value.forward(x)?)?)?;
        Ok(self.look(x, cache, Some(before))?.0)
    }

    /// Rows look at what was heard. Also the scores before the softmax, `[heads][rows][positions]`, where `scores` asks for them.
    pub fn at(&self, x: &Tensor, heard: &Cache, scores: bool) -> Result<(Tensor, Option<Tensor>)> {
        let (y, raw) = self.look(x, heard, None)?;
        Ok((y, if scores { Some(raw.contiguous()?) } else { None }))
    }

    fn look(&self, x: &Tensor, cache: &Cache, before: Option<usize>) -> Result<(Tensor, Tensor)> {
        let query = self.split(&(self.query.forward(x)? * self.scale)?)?;
        let (keys, values) = cache.filled()?;
        let scores = query.matmul(&keys.t()?)?;
        let rows = x.dim(0)?;
        let weights = match before {
            Some(before) if rows > 1 => scores.broadcast_add(&mask(rows, before, x)?)?,
            _ => scores.copy()?,
        };
        ops::softmax_(&weights)?;
        let y = weights.matmul(&values)?.transpose(0, 1)?.flatten_from(1)?;
        Ok((self.out.forward(&y)?, scores))
    }

    /// `[rows][width]` to `[heads][rows][width of a head]`
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        x.reshape((rows, self.heads, width / self.heads))?.transpose(0, 1)?.contiguous()
    }
}

/// Hides what comes later: row `at` sees `before + at + 1` columns.
fn mask(rows: usize, before: usize, like: &Tensor) -> Result<Tensor> {
    let columns = before + rows;
    let hidden = |row: usize, column: usize| if column > before + row { f32::NEG_INFINITY } else { 0.0 };
    let values: Vec<f32> = (0..rows).flat_map(|row| (0..columns).map(move |column| hidden(row, column))).collect();
    Tensor::from_vec(values, (rows, columns), like.device())
}

/// The two linear layers behind attention, with the norm before them and what goes around them.
pub(super) struct Feed {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Feed {
    pub fn new(width: usize, inner: usize, weights: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norm: norm(width, weights.pp("final_layer_norm"))?,
            up: Linear::new(width, inner, true, weights.pp("fc1"))?,
            down: Linear::new(inner, width, true, weights.pp("fc2"))?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x + self.down.forward(&self.up.forward_gelu(&self.norm.forward(x)?)?)?
    }
}

/// A layer norm.
pub(super) fn norm(width: usize, weights: VarBuilder<'_>) -> Result<LayerNorm> {
    layer_norm(width, EPSILON, weights)
}
