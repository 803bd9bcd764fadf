//! The weights of a model: read from the file, checked, packed for the kernels.

use std::sync::Mutex;

use tern_engine::{Head as HeadKind, Progress};
use tern_ternary::ints::{Format, Packed};

use crate::{
    error::Refusal,
    file::{ModelFile, Rows},
    graph::Graph,
    head::Head,
    raw::{Pool, share},
};

/// A ternary matrix and what its products are multiplied by.
pub(crate) struct Matrix {
    /// The codes.
    pub packed: Packed,
    /// The scale of the file, times the factor beside it.
    pub scale: f32,
    /// RMSNorm of its own over the inputs (BitNet-embedding).
    pub norm: Option<Vec<f32>>,
}

/// One layer. Vectors of a graph that has no such norm are empty.
pub(crate) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Matrix,
    pub key: Matrix,
    pub value: Matrix,
    pub query_norm: Vec<f32>,
    pub key_norm: Vec<f32>,
    pub attention_sub_norm: Vec<f32>,
    pub output: Matrix,
    pub attention_post_norm: Vec<f32>,
    pub ffn_norm: Vec<f32>,
    pub gate: Matrix,
    pub up: Matrix,
    pub ffn_sub_norm: Vec<f32>,
    pub down: Matrix,
    pub ffn_post_norm: Vec<f32>,
}

/// All weights.
pub(crate) struct Model {
    pub graph: Graph,
    pub embedding: Rows,
    pub layers: Vec<Layer>,
    pub output_norm: Vec<f32>,
    /// None in models that embed.
    pub head: Option<Head>,
}

/// How weights are laid out in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub format: Format,
    pub head: HeadKind,
}

impl Model {
    /// Reads and packs everything, on all threads of `pool`. Pages of the file are given back as they have been packed, so
    /// that memory holds the ternary weights once.
    ///
    /// # Errors
    /// What is wrong with a tensor, or `Cancelled`.
    pub fn load(
        file: &ModelFile,
        graph: Graph,
        layout: Layout,
        pool: &mut Pool,
        progress: Progress<'_>,
    ) -> Result<Self, Refusal> {
        let embedding = file.rows("token_embd.weight", graph.vocab_size, graph.hidden_size)?;
        let output_norm = file.vector("output_norm.weight", graph.hidden_size)?;
        let mut loader = Loader { file, graph: &graph, format: layout.format, pool };
        let mut layers = Vec::with_capacity(graph.num_layers);
        for number in 0..graph.num_layers {
            layers.push(loader.layer(number)?);
            // The head is the last part.
            if !progress((number + 1) as f32 / (graph.num_layers + 1) as f32) {
                return Err(Refusal::Cancelled);
            }
        }
        // Where a file has both, the second is the same matrix unless the model is untied.
        let output = match file.find("output.weight").is_some() {
            true => file.rows("output.weight", graph.vocab_size, graph.hidden_size)?,
            false => embedding.clone(),
        };
        file.nothing_left()?;
        let head = if graph.embeds { None } else { Some(Head::new(output, layout.head, pool)?) };
        progress(1.0);
        Ok(Self { graph, embedding, layers, output_norm, head })
    }
}

struct Loader<'a> {
    file: &'a ModelFile,
    graph: &'a Graph,
    format: Format,
    pool: &'a mut Pool,
}

impl Loader<'_> {
    fn layer(&mut self, number: usize) -> Result<Layer, Refusal> {
        let g = self.graph;
        let (across, kv) = (g.num_heads * g.head_size, g.num_kv_heads * g.head_size);
        let (hidden, ffn) = (g.hidden_size, g.ffn_size);
        let file = self.file;
        let name = |what: &str| format!("blk.{number}.{what}.weight");
        let norm = |wanted: bool, what: &str, len: usize| match wanted {
            true => file.vector(&name(what), len),
            false => Ok(Vec::new()),
        };
        Ok(Layer {
            attention_norm: norm(true, "attn_norm", hidden)?,
            query: self.matrix(number, "attn_q", across, hidden)?,
            key: self.matrix(number, "attn_k", kv, hidden)?,
            value: self.matrix(number, "attn_v", kv, hidden)?,
            query_norm: norm(g.head_norms, "attn_q_norm", g.head_size)?,
            key_norm: norm(g.head_norms, "attn_k_norm", g.head_size)?,
            attention_sub_norm: norm(g.sub_norms, "attn_sub_norm", across)?,
            output: self.matrix(number, "attn_output", hidden, across)?,
            attention_post_norm: norm(g.post_norms, "post_attention_norm", hidden)?,
            ffn_norm: norm(true, "ffn_norm", hidden)?,
            gate: self.matrix(number, "ffn_gate", ffn, hidden)?,
            up: self.matrix(number, "ffn_up", ffn, hidden)?,
            ffn_sub_norm: norm(g.sub_norms, "ffn_sub_norm", ffn)?,
            down: self.matrix(number, "ffn_down", hidden, ffn)?,
            ffn_post_norm: norm(g.post_norms, "post_ffw_norm", hidden)?,
        })
    }

    fn matrix(&mut self, number: usize, what: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let name = format!("blk.{number}.{what}.weight");
        let factor = self.file.factor(&format!("blk.{number}.{what}.scale"))?;
        let norm_name = format!("blk.{number}.{what}_norm_in.weight");
        let norm = if self.graph.projection_norms { Some(self.file.vector(&norm_name, columns)?) } else { None };
        let ternary = self.file.ternary(&name, rows, columns)?;
        let mut packed = Packed::new(self.format, rows, columns);
        let workers = self.pool.threads();
        let groups = packed.group_count();
        // A part for each thread; a thread takes its own.
        let per_part = groups.div_ceil(workers).max(1);
        let parts: Vec<_> = packed.parts_mut(per_part).map(|part| Mutex::new((part, Ok(())))).collect();
        self.pool.run(&|worker| {
            for part in &parts[share(parts.len(), worker, workers)] {
                let mut part = part.lock().expect("nobody panics while packing");
                let (part, result) = &mut *part;
                *result = part.pack(&ternary.codes);
            }
        });
        let bad = parts.into_iter().find_map(|part| part.into_inner().expect("nobody panics while packing").1.err());
        if let Some(bad) = bad {
            return Err(Refusal::Invalid(format!("{name}: row {} has a code 3, expected 0, 1 or 2", bad.row)));
        }
        self.file.release(ternary.place);
        Ok(Matrix { packed, scale: ternary.scale * factor, norm })
    }
}
