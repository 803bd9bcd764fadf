//! The forward pass of all encoders: tokens of several sequences behind each other, without padding.

use std::ops::Range;

use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;
use tern_engine::{EngineError, Progress, Token};

use super::{
    attention::{Attention, Distances, Rotary},
    config::{Config, Kind},
    kernels::{Activate, AddNorm, Gate, Norm},
    weights::{Finder, Linear, build},
};
use crate::source::Source;

/// Sequences that are computed together.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Tokens of all.
    pub tokens: Vec<Token>,
    /// First or second text, for each token; empty: all first.
    pub types: Vec<u32>,
    /// Where each sequence is.
    pub sequences: Vec<Range<usize>>,
}

impl Packed {
    /// Adds a sequence.
    pub fn push(&mut self, tokens: &[Token], types: &[u32]) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.types.extend_from_slice(types);
        self.types.resize(self.tokens.len(), 0);
        self.sequences.push(start..self.tokens.len());
    }
}

struct Embeddings {
    /// `[vocab_size][hidden]`
    words: Vec<f32>,
    /// `[positions][hidden]`, or empty.
    positions: Vec<f32>,
    /// `[types][hidden]`, or empty.
    types: Vec<f32>,
    norm: Norm,
}

struct Layer {
    /// Before attention, in ModernBERT but for its first layer.
    first_norm: Option<Norm>,
    qkv: Linear,
    out: Linear,
    /// Behind attention, or in ModernBERT before the feed-forward block.
    middle_norm: Norm,
    up: Linear,
    down: Linear,
    /// Behind the feed-forward block.
    last_norm: Option<Norm>,
    rotary: Option<usize>,
    window: Option<usize>,
}

/// An encoder without what stands on top.
pub(super) struct Encoder {
    pub config: Config,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    rotaries: Vec<Rotary>,
    distances: Option<Distances>,
    last_norm: Option<Norm>,
}

impl Encoder {
    /// Loads the encoder, and with `head` what stands on top of it.
    pub fn load<H>(
        source: &Source,
        config: Config,
        progress: Progress<'_>,
        head: impl FnOnce(&Finder<'_>, &Config) -> Result<H>,
    ) -> std::result::Result<(Self, H), EngineError> {
        let modern = config.kind == Kind::ModernBert;
        let anchor = if modern { "embeddings.tok_embeddings.weight" } else { "embeddings.word_embeddings.weight" };
        build(source, anchor, progress, |finder| {
            let head = head(finder, &config)?;
            Ok((Self::new(finder, config)?, head))
        })
    }

    fn new(finder: &Finder<'_>, config: Config) -> Result<Self> {
        let hidden = config.hidden;
        let at = finder.at("embeddings");
        let modern = config.kind == Kind::ModernBert;
        let words = if modern { "tok_embeddings.weight" } else { "word_embeddings.weight" };
        let norm = if modern { "norm" } else { "LayerNorm" };
        let table = |rows, name| if rows == 0 { Ok(Vec::new()) } else { at.table(rows, hidden, name) };
        let embeddings = Embeddings {
            words: table(config.vocab_size, words)?,
            positions: table(if modern { 0 } else { config.positions }, "position_embeddings.weight")?,
            types: table(config.types, "token_type_embeddings.weight")?,
            norm: at.norm(hidden, norm, config.eps)?,
        };
        let mut rotaries: Vec<(f64, Rotary)> = Vec::new();
        let mut layers = Vec::with_capacity(config.layers);
        for i in 0..config.layers {
            let mut layer = match config.kind {
                Kind::ModernBert => modern_layer(&finder.at(&format!("layers.{i}")), &config)?,
                Kind::DistilBert => distil_layer(&finder.at(&format!("transformer.layer.{i}")), &config)?,
                _ => bert_layer(&finder.at(&format!("encoder.layer.{i}")), &config)?,
            };
            if let Some(reach) = config.reach.get(i) {
                let known = rotaries.iter().position(|(theta, _)| *theta == reach.theta).unwrap_or_else(|| {
                    let rotary = Rotary::new(config.positions, hidden / config.heads, reach.theta);
                    rotaries.push((reach.theta, rotary));
                    rotaries.len() - 1
                });
                (layer.rotary, layer.window) = (Some(known), reach.window);
            }
            layers.push(layer);
        }
        let distances = match config.kind {
            Kind::Mpnet => Some(distances(finder, &config)?),
            _ => None,
        };
        let last_norm = if modern { Some(finder.norm(hidden, "final_norm", config.eps)?) } else { None };
        let rotaries = rotaries.into_iter().map(|(_, rotary)| rotary).collect();
        Ok(Self { config, embeddings, layers, rotaries, distances, last_norm })
    }

    /// The last hidden states `[tokens, hidden]`. Sequences are at most [`Config::max_tokens`] long and their tokens in the
    /// vocabulary, or it is an error.
    pub fn forward(&self, packed: &Packed) -> Result<Tensor> {
        let config = &self.config;
        let mut x = self.embed(packed)?;
        for layer in &self.layers {
            let normed = match &layer.first_norm {
                Some(norm) => {
                    let copy = x.copy()?;
                    copy.inplace_op1(norm)?;
                    copy
                }
                None => x.clone(),
            };
            let attention = Attention {
                sequences: &packed.sequences,
                heads: config.heads,
                bias: &layer.qkv.bias,
                rotary: layer.rotary.map(|i| &self.rotaries[i]),
                distances: self.distances.as_ref(),
                window: layer.window,
            };
            let mixed = layer.qkv.product(&normed)?.apply_op1_no_bwd(&attention)?;
            let attended = layer.out.product(&mixed)?;
            let modern = config.kind == Kind::ModernBert;
            let norm = (!modern).then_some(&layer.middle_norm);
            attended.inplace_op2(&x, &AddNorm { bias: &layer.out.bias, norm })?;
            let inner = if modern {
                let normed = attended.copy()?;
                normed.inplace_op1(&layer.middle_norm)?;
                layer.up.forward(&normed)?.apply_op1_no_bwd(&Gate(config.activation))?
            } else {
                let inner = layer.up.product(&attended)?;
                inner.inplace_op1(&Activate { bias: &layer.up.bias, activation: Some(config.activation) })?;
                inner
            };
            let out = layer.down.product(&inner)?;
            out.inplace_op2(&attended, &AddNorm { bias: &layer.down.bias, norm: layer.last_norm.as_ref() })?;
            x = out;
        }
        if let Some(norm) = &self.last_norm {
            x.inplace_op1(norm)?;
        }
        Ok(x)
    }

    /// `[tokens, hidden]`
    fn embed(&self, packed: &Packed) -> Result<Tensor> {
        let (config, Embeddings { words, positions, types, norm }) = (&self.config, &self.embeddings);
        let hidden = config.hidden;
        if let Some(token) = packed.tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
            bail!("token {token} of a vocabulary of {}", config.vocab_size);
        }
        if let Some(sequence) = packed.sequences.iter().find(|sequence| sequence.len() > config.max_tokens()) {
            bail!("a sequence of {} tokens, at most {}", sequence.len(), config.max_tokens());
        }
        let mut places = Vec::with_capacity(packed.tokens.len());
        packed.sequences.iter().for_each(|sequence| places.extend(0..sequence.len()));
        let mut x = vec![0.0f32; packed.tokens.len() * hidden];
        x.par_chunks_mut(hidden).enumerate().for_each(|(i, row)| {
            row.copy_from_slice(&words[packed.tokens[i] as usize * hidden..][..hidden]);
            let mut add = |table: &[f32], at: usize| {
                if let Some(values) = table.get(at * hidden..(at + 1) * hidden) {
                    row.iter_mut().zip(values).for_each(|(x, value)| *x += value);
                }
            };
            add(positions, places[i] + config.first_position);
            // One row only: all texts are of the first type.
            add(types, (packed.types[i] as usize).min(config.types.saturating_sub(1)));
        });
        norm.rows(&mut x);
        Tensor::from_vec(x, (packed.tokens.len(), hidden), &Device::Cpu)
    }
}

fn bert_layer(at: &Finder<'_>, config: &Config) -> Result<Layer> {
    let (hidden, inner, eps) = (config.hidden, config.intermediate, config.eps);
    let mpnet = config.kind == Kind::Mpnet;
    let names = if mpnet { ["attn.q", "attn.k", "attn.v"] } else { ["self.query", "self.key", "self.value"] };
    let (out, norm) = if mpnet { ("attn.o", "LayerNorm") } else { ("output.dense", "output.LayerNorm") };
    let attention = at.at("attention");
    Ok(Layer {
        first_norm: None,
        qkv: attention.joined(hidden, hidden, &names)?,
        out: attention.linear(hidden, hidden, out)?,
        middle_norm: attention.norm(hidden, norm, eps)?,
        up: at.linear(hidden, inner, "intermediate.dense")?,
        down: at.linear(inner, hidden, "output.dense")?,
        last_norm: Some(at.norm(hidden, "output.LayerNorm", eps)?),
        rotary: None,
        window: None,
    })
}

fn distil_layer(at: &Finder<'_>, config: &Config) -> Result<Layer> {
    let (hidden, inner, eps) = (config.hidden, config.intermediate, config.eps);
    let attention = at.at("attention");
    Ok(Layer {
        first_norm: None,
        qkv: attention.joined(hidden, hidden, &["q_lin", "k_lin", "v_lin"])?,
        out: attention.linear(hidden, hidden, "out_lin")?,
        middle_norm: at.norm(hidden, "sa_layer_norm", eps)?,
        up: at.linear(hidden, inner, "ffn.lin1")?,
        down: at.linear(inner, hidden, "ffn.lin2")?,
        last_norm: Some(at.norm(hidden, "output_layer_norm", eps)?),
        rotary: None,
        window: None,
    })
}

fn modern_layer(at: &Finder<'_>, config: &Config) -> Result<Layer> {
    let (hidden, inner, eps) = (config.hidden, config.intermediate, config.eps);
    // The first layer's is the embeddings' own.
    let first_norm = at.has("attn_norm.weight").then(|| at.norm(hidden, "attn_norm", eps)).transpose()?;
    Ok(Layer {
        first_norm,
        qkv: at.linear(hidden, 3 * hidden, "attn.Wqkv")?,
        out: at.linear(hidden, hidden, "attn.Wo")?,
        middle_norm: at.norm(hidden, "mlp_norm", eps)?,
        up: at.linear(hidden, 2 * inner, "mlp.Wi")?,
        down: at.linear(inner, hidden, "mlp.Wo")?,
        last_norm: None,
        rotary: None,
        window: None,
    })
}

/// MPNet's biases: distances fall into buckets, near ones into one each, far ones by their logarithm.
fn distances(finder: &Finder<'_>, config: &Config) -> Result<Distances> {
    const BUCKETS: usize = 32;
    const FURTHEST: f32 = 128.0;
    let length = config.max_tokens();
    let table = finder.table(BUCKETS, config.heads, "encoder.relative_attention_bias.weight")?;
    let bucket = |distance: isize| {
        let (half, exact) = (BUCKETS / 2, BUCKETS / 4);
        let far = distance.unsigned_abs();
        let within = if far < exact {
            far
        } else {
            let share = (far as f32 / exact as f32).ln() / (FURTHEST / exact as f32).ln();
            (exact + (share * (half - exact) as f32) as usize).min(half - 1)
        };
        if distance > 0 { half + within } else { within }
    };
    let mut bias = Vec::with_capacity(config.heads * (2 * length - 1));
    for head in 0..config.heads {
        let all = 1 - length as isize..length as isize;
        bias.extend(all.map(|distance| table[bucket(distance) * config.heads + head]));
    }
    Ok(Distances { bias, length })
}
