//! The kernels in the words of this engine.

use tern_engine::KvType;
use tern_ternary::{
    Path as Kernels,
    floats::{self, ATTEND_TOKENS, Cell, Cells, Function, Queries},
};

use crate::{
    graph::{Gate, Graph, Pairing},
    raw::ColumnsPart,
};

/// The kernels' name for a gate.
pub(crate) fn function(gate: Gate) -> Function {
    match gate {
        Gate::Relu2 => Function::Relu2,
        Gate::Silu => Function::Silu,
        Gate::Gelu => Function::Gelu,
    }
}

/// How the cache holds numbers.
pub(crate) fn cell(kind: KvType) -> Cell {
    match kind {
        KvType::F16 => Cell::F16,
        KvType::Q8_0 => Cell::Q8_0,
        KvType::F32 => Cell::F32,
    }
}

/// Normalises one vector in place, or leaves it where the graph has no such norm.
pub(crate) fn head_norm(kernels: Kernels, x: &mut [f32], weights: &[f32], eps: f32) {
    if !weights.is_empty() {
        floats::norm_in_place(kernels, x, weights, eps);
    }
}

/// Rotary positions: the angles of the tokens of a batch.
///
/// Angle `i` of position `p` is `p / factor * base^(-2i / dims)`, computed in f64 (Su et al. 2021).
pub(crate) struct Rope {
    pairing: Pairing,
    half: usize,
    frequencies: Vec<f64>,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rope {
    pub fn new(graph: &Graph, base: f32, factor: f32) -> Self {
        let half = graph.rope_dims / 2;
        let frequency = |i: usize| f64::from(base).powf(-2.0 * i as f64 / graph.rope_dims as f64) / f64::from(factor);
        Self {
            pairing: graph.pairing,
            half,
            frequencies: (0..half).map(frequency).collect(),
            cosines: Vec::new(),
            sines: Vec::new(),
        }
    }

    /// Computes the angles of the tokens at these positions.
    pub fn prepare(&mut self, positions: impl Iterator<Item = u32>) {
        self.cosines.clear();
        self.sines.clear();
        for position in positions {
            for frequency in &self.frequencies {
                let (sine, cosine) = (f64::from(position) * frequency).sin_cos();
                self.cosines.push(cosine as f32);
                self.sines.push(sine as f32);
            }
        }
    }

    /// Rotates one head of token `t` of the batch.
    pub fn rotate(&self, kernels: Kernels, head: &mut [f32], t: usize) {
        let angles = t * self.half..(t + 1) * self.half;
        let (cosine, sine) = (&self.cosines[angles.clone()], &self.sines[angles]);
        match self.pairing {
            Pairing::Halves => floats::rotate_halves(kernels, head, cosine, sine),
            Pairing::Neighbours => floats::rotate_neighbours(kernels, head, cosine, sine),
        }
    }
}

/// What [`attend`] works in.
pub(crate) struct AttentionScratch {
    scores: Vec<f32>,
    queries: Vec<f32>,
    out: Vec<f32>,
}

/// The queries of some tokens, of one key/value head.
fn shape(graph: &Graph, tokens: usize) -> Queries {
    Queries { tokens, heads: graph.num_heads / graph.num_kv_heads, size: graph.head_size }
}

impl AttentionScratch {
    pub fn new(graph: &Graph) -> Self {
        let most = shape(graph, ATTEND_TOKENS);
        let numbers = most.tokens * most.heads * most.size;
        Self { scores: vec![0.0; most.scratch()], queries: vec![0.0; numbers], out: vec![0.0; numbers] }
    }
}

/// Attention of consecutive tokens of one sequence, at most [`ATTEND_TOKENS`], with the query heads of one key/value head:
/// those of `queries` `[tokens][width]` that are the columns of `out`, whose rows from `first` on get the results.
pub(crate) fn attend(
    kernels: Kernels,
    graph: &Graph,
    (queries, tokens): (&[f32], usize),
    (out, first): (&mut ColumnsPart<'_, f32>, usize),
    cells: Cells<'_>,
    scratch: &mut AttentionScratch,
) {
    let shape = shape(graph, tokens);
    let numbers = shape.heads * shape.size;
    let columns = out.columns();
    // The rows of a part lie apart.
    let rows = queries.chunks_exact(queries.len() / tokens);
    for (row, own) in rows.zip(scratch.queries.chunks_exact_mut(numbers)) {
        own.copy_from_slice(&row[columns.clone()]);
    }
    let (q, results) = (&scratch.queries[..tokens * numbers], &mut scratch.out[..tokens * numbers]);
    floats::attend(kernels, shape, q, cells, graph.attention_scale, &mut scratch.scores, results);
    for (t, own) in results.chunks_exact(numbers).enumerate() {
        out.row_mut(first + t).copy_from_slice(own);
    }
}
