//! The weights of a model: read from the file, checked, packed for the kernels.

use std::sync::Mutex;

use tern_engine::{Head as HeadKind, Progress};
use tern_ternary::{
    Path as Kernels,
    ints::{self, Arena, BadCode, ByColumns, ByRows, Format, Packed},
};

use crate::{
    error::Refusal,
    file::{ModelFile, Rows, Ternary},
    graph::{Gate, Graph},
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
    /// Other layouts of up and down, for steps of one token of graphs whose gate makes zeros.
    pub sparse: Option<Sparse>,
}

/// Where the gate is zero, so is the product with up; where a rounded activation is zero, its column of down adds nothing.
/// These layouts skip both, and change no bit of a sum.
pub(crate) struct Sparse {
    /// `up`, row by row.
    pub up: ByRows,
    /// `down`, column by column.
    pub down: ByColumns,
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
    pub kernels: Kernels,
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
        let mut loader = Loader { file, graph: &graph, layout, pool, arena: Arena::new() };
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
    layout: Layout,
    pool: &'a mut Pool,
    arena: Arena,
}

/// A matrix of the file, checked and not yet packed.
struct Opened<'a> {
    name: String,
    rows: usize,
    columns: usize,
    factor: f32,
    norm: Option<Vec<f32>>,
    ternary: Ternary<'a>,
}

impl Opened<'_> {
    fn refuse(&self, bad: &BadCode) -> Refusal {
        Refusal::Invalid(format!("{}: row {} has a code 3, expected 0, 1 or 2", self.name, bad.row))
    }
}

impl<'a> Loader<'a> {
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
        let gate = self.matrix(number, "ffn_gate", ffn, hidden)?;
        // Opened once for both of their layouts.
        let (up, down) = (self.open(number, "ffn_up", ffn, hidden)?, self.open(number, "ffn_down", hidden, ffn)?);
        let sparse = self.sparse(&up, &down)?;
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
            gate,
            up: self.pack(up)?,
            ffn_sub_norm: norm(g.sub_norms, "ffn_sub_norm", ffn)?,
            down: self.pack(down)?,
            ffn_post_norm: norm(g.post_norms, "post_ffw_norm", hidden)?,
            sparse,
        })
    }

    fn sparse(&mut self, up: &Opened<'_>, down: &Opened<'_>) -> Result<Option<Sparse>, Refusal> {
        let g = self.graph;
        let (hidden, ffn) = (g.hidden_size, g.ffn_size);
        // Threads share `down` by pieces; a model of less than one is not worth sharing.
        let whole = hidden.is_multiple_of(ByColumns::PIECE) || hidden < ByColumns::PIECE;
        if g.gate != Gate::Relu2 || !ints::skips_zeros(self.layout.kernels) || !whole {
            return Ok(None);
        }
        // Two matrices for two threads.
        let made = (Mutex::new(None), Mutex::new(None));
        let (workers, arena) = (self.pool.threads(), &self.arena);
        self.pool.run(&|worker| {
            if worker == 0 {
                *made.0.lock().expect("locked once") = Some(ByRows::new(&up.ternary.codes, ffn, hidden, arena));
            }
            if worker + 1 == workers {
                *made.1.lock().expect("locked once") = Some(ByColumns::pack(&down.ternary.codes, hidden, ffn, arena));
            }
        });
        let taken = "each was made by one thread";
        let rows = made.0.into_inner().expect(taken).expect(taken).map_err(|bad| up.refuse(&bad))?;
        let columns = made.1.into_inner().expect(taken).expect(taken).map_err(|bad| down.refuse(&bad))?;
        Ok(Some(Sparse { up: rows, down: columns }))
    }

    fn matrix(&mut self, number: usize, what: &str, rows: usize, columns: usize) -> Result<Matrix, Refusal> {
        let opened = self.open(number, what, rows, columns)?;
        self.pack(opened)
    }

    fn open(&self, number: usize, what: &str, rows: usize, columns: usize) -> Result<Opened<'a>, Refusal> {
        let name = format!("blk.{number}.{what}.weight");
        let factor = self.file.factor(&format!("blk.{number}.{what}.scale"))?;
        let norm_name = format!("blk.{number}.{what}_norm_in.weight");
        let norm = if self.graph.projection_norms { Some(self.file.vector(&norm_name, columns)?) } else { None };
        let ternary = self.file.ternary(&name, rows, columns)?;
        Ok(Opened { name, rows, columns, factor, norm, ternary })
    }

    /// Packs a matrix and gives its pages back.
    fn pack(&mut self, matrix: Opened<'_>) -> Result<Matrix, Refusal> {
        let Opened { rows, columns, ref ternary, .. } = matrix;
        let mut packed = Packed::new(self.layout.format, rows, columns, &self.arena);
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
            return Err(matrix.refuse(&bad));
        }
        self.file.release(ternary.place.clone());
        Ok(Matrix { packed, scale: ternary.scale * matrix.factor, norm: matrix.norm })
    }
}
