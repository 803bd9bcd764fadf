//! The forward pass: projections over all tokens of the batch together, attention for each sequence over its own cells.

use candle_core::{D, DType, Result, Tensor};
use candle_nn::{ops, rotary_emb};
use tern_engine::{Batch, Cells, SeqId};

use super::{
    cache::{Cache, Place},
    config::Gate,
    kernels::SiluTimes,
    model::{Layer, Model},
};

/// Most scores of attention that are in memory at once, for each head.
const SCORES: usize = 1 << 18;

/// The model with its cache.
pub(crate) struct Forward {
    pub model: Model,
    caches: Vec<Cache>,
    /// `[positions][head_size / 2]`
    cos: Tensor,
    sin: Tensor,
}

/// The tokens of one sequence in a batch.
struct Run {
    /// Their rows in the batch, ascending.
    rows: Vec<u32>,
    /// Their cells.
    cells: Vec<u32>,
    /// All cells of the sequence, theirs at the end.
    place: Place,
    /// How many cells that is.
    len: usize,
}

impl Forward {
    /// Makes cache and tables for `cells` tokens, of which a sequence holds at most `positions`.
    pub fn new(model: Model, cells: usize, positions: usize, kv: DType) -> Result<Self> {
        let (config, device) = (&model.config, model.device());
        let cache = |_| Cache::new(cells, config.kv_width(), kv, device);
        let caches = (0..config.num_layers).map(cache).collect::<Result<Vec<_>>>()?;
        let (cos, sin) = config.rope.tables(config.head_size, positions, device)?;
        Ok(Self { caches, cos, sin, model })
    }

    /// Runs a batch whose tokens have their cells in `cells` already. Gives the normalised vectors `[rows][hidden]` of the
    /// batch's rows that are asked for.
    pub fn run(&self, batch: &Batch, cells: &Cells, wanted: &[u32]) -> Result<Option<Tensor>> {
        let (model, device) = (&self.model, self.model.device());
        let numbers = |of: &dyn Fn(&tern_engine::BatchToken) -> u32| {
            Tensor::from_vec(batch.tokens().iter().map(of).collect::<Vec<_>>(), batch.len(), device)
        };
        let positions = numbers(&|token| token.pos)?;
        let rope = (self.cos.index_select(&positions, 0)?, self.sin.index_select(&positions, 0)?);
        let runs = runs(batch, cells, device)?;
        let mut stream = model.embed(&numbers(&|token| token.token)?)?;
        for (layer, cache) in model.layers.iter().zip(&self.caches) {
            let input = self.norm(&stream, &layer.attention_norm)?;
            let attention = self.attention(layer, cache, &runs, &rope, &input)?;
            stream = (stream + attention)?;
            let input = self.norm(&stream, &layer.ffn_norm)?;
            stream = (stream + self.feed_forward(layer, &input)?)?;
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let rows = stream.index_select(&Tensor::new(wanted, device)?, 0)?;
        self.norm(&rows, &model.output_norm).map(Some)
    }

    fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        ops::rms_norm(&x.contiguous()?, weight, self.model.config.norm_eps as f32)
    }

    fn feed_forward(&self, layer: &Layer, input: &Tensor) -> Result<Tensor> {
        let (gate, up) = (layer.gate.forward(input)?, layer.up.forward(input)?);
        let hidden = match self.model.config.gate {
            Gate::Silu if gate.device().is_cpu() => gate.apply_op2_no_bwd(&up, &SiluTimes)?,
            Gate::Silu => (gate.silu()? * up)?,
            Gate::Relu2 => (gate.relu()?.sqr()? * up)?,
        };
        let hidden = match &layer.ffn_sub_norm {
            Some(norm) => self.norm(&hidden, norm)?,
            None => hidden,
        };
        layer.down.forward(&hidden)
    }

    fn attention(
        &self,
        layer: &Layer,
        cache: &Cache,
        runs: &[Run],
        (cos, sin): &(Tensor, Tensor),
        input: &Tensor,
    ) -> Result<Tensor> {
        let config = &self.model.config;
        let (tokens, size) = (input.dim(0)?, config.head_size);
        let heads = |x: Tensor, count: usize| x.reshape((1, tokens, count, size))?.contiguous();
        let query = heads(layer.query.forward(input)?, config.num_heads)?;
        let key = heads(layer.key.forward(input)?, config.num_kv_heads)?;
        let value = layer.value.forward(input)?;
        let (query, key) = match &layer.head_norms {
            Some((q, k)) => (self.norm(&query, q)?, self.norm(&key, k)?),
            None => (query, key),
        };
        let query = rotary_emb::rope_thd(&query, cos, sin)?.squeeze(0)?;
        let key = rotary_emb::rope_thd(&key, cos, sin)?.reshape((tokens, config.kv_width()))?;
        let mut parts = Vec::with_capacity(runs.len());
        for run in runs {
            let whole = run.rows.len() == tokens;
            let rows = Tensor::new(&run.rows[..], input.device())?;
            let own = |x: &Tensor| if whole { Ok(x.clone()) } else { x.index_select(&rows, 0) };
            cache.write(&run.cells, &own(&key)?, &own(&value)?)?;
            parts.push(self.attend(layer, cache, run, &own(&query)?)?);
        }
        let attended = match &parts[..] {
            [one] => one.clone(),
            parts => {
                // Sequences lie one behind the other; the batch may have them mixed.
                let mut order = vec![0_u32; tokens];
                runs.iter()
                    .flat_map(|run| &run.rows)
                    .enumerate()
                    .for_each(|(at, &row)| order[row as usize] = at as u32);
                Tensor::cat(parts, 0)?.index_select(&Tensor::new(&order[..], input.device())?, 0)?
            }
        };
        let attended = match &layer.attention_sub_norm {
            Some(norm) => self.norm(&attended, norm)?,
            None => attended,
        };
        layer.output.forward(&attended)
    }

    /// Attention of one sequence's tokens: queries `[tokens][heads][size]` to `[tokens][heads * size]`. The query heads that
    /// share a key head are rows of one product, so keys are not repeated.
    fn attend(&self, layer: &Layer, cache: &Cache, run: &Run, query: &Tensor) -> Result<Tensor> {
        let config = &self.model.config;
        let (kv_heads, size) = (config.num_kv_heads, config.head_size);
        let (tokens, group) = (query.dim(0)?, config.num_heads / kv_heads);
        let (keys, values) = cache.read(&run.place, kv_heads, size)?;
        let keys = keys.transpose(1, 2)?;
        let scale = (size as f64).sqrt().recip();
        let per_part = (SCORES / run.len).clamp(1, tokens);
        let mut parts = Vec::with_capacity(tokens.div_ceil(per_part));
        for first in (0..tokens).step_by(per_part) {
            let count = per_part.min(tokens - first);
            let query = (query.narrow(0, first, count)?.reshape((count, kv_heads, group, size))? * scale)?;
            let query = query.transpose(0, 1)?.contiguous()?.reshape((kv_heads, count * group, size))?;
            let mut scores = query.matmul(&keys)?;
            if let Some(mask) = mask(run.len, tokens - first, count, layer.window, query.device())? {
                scores = scores.reshape((kv_heads, count, group, run.len))?.broadcast_add(&mask)?;
                scores = scores.reshape((kv_heads, count * group, run.len))?;
            }
            let weights = ops::softmax(&scores, D::Minus1)?;
            let out = weights.matmul(&values)?.reshape((kv_heads, count, group, size))?;
            parts.push(out.transpose(0, 1)?.contiguous()?.reshape((count, config.across()))?);
        }
        match &parts[..] {
            [one] => Ok(one.clone()),
            parts => Tensor::cat(parts, 0),
        }
    }
}

/// What `count` tokens see of `len`, the first of them the `behind`-th from the end: 0, or minus infinity where they see
/// nothing, `[count][1][len]`. `None` where all see everything.
fn mask(
    len: usize,
    behind: usize,
    count: usize,
    window: Option<u32>,
    device: &candle_core::Device,
) -> Result<Option<Tensor>> {
    let window = window.map_or(usize::MAX, |window| window as usize);
    if behind == 1 && len <= window {
        return Ok(None);
    }
    let mut mask = Vec::with_capacity(count * len);
    for at in len - behind..len - behind + count {
        mask.extend((0..len).map(|key| if key <= at && at - key < window { 0.0 } else { f32::NEG_INFINITY }));
    }
    Tensor::from_vec(mask, (count, 1, len), device).map(Some)
}

/// The batch by sequences, in the order in which they first appear.
fn runs(batch: &Batch, cells: &Cells, device: &candle_core::Device) -> Result<Vec<Run>> {
    let mut sequences: Vec<(SeqId, Vec<u32>)> = Vec::new();
    for (row, token) in batch.tokens().iter().enumerate() {
        match sequences.iter_mut().find(|(seq, _)| *seq == token.seq) {
            Some((_, rows)) => rows.push(row as u32),
            None => sequences.push((token.seq, vec![row as u32])),
        }
    }
    let run = |(seq, rows): (SeqId, Vec<u32>)| {
        let all = cells.of(seq);
        let own = all[all.len() - rows.len()..].to_vec();
        Ok(Run { rows, cells: own, place: Place::of(all, device)?, len: all.len() })
    };
    sequences.into_iter().map(run).collect()
}
