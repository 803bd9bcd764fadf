//! The forward pass: a batch of tokens through all layers.
//!
//! A layer is five phases that all threads run together: queries, keys and values; attention; the output projection; gate
//! and up; down. Threads divide the rows of matrices, and key/value heads and tokens, so a phase needs nothing another
//! thread computes in it. Between phases each token's vector is normalised and rounded to int8, or rotated and stored.
//!
//! The maths, per token (bitnet.cpp and transformers agree): `x_hat = norm(x) * g`, `m = max(1e-5, max|x_hat|)`,
//! `q = round(x_hat * 127 / m)` to int8, `y = (W q) * (m / 127) * scale`.

use std::{sync::Mutex, time::Instant};

use tern_engine::{Batch, Cells, DecoderLimits, KvType, SeqId};
use tern_ternary::{
    Path as Kernels,
    floats::{self, ATTEND_TOKENS},
    ints::{self, ActivationRow, Activations, ByColumns, GEMV_MAX, NonZero, Scratch},
};

use crate::{
    error::Refusal,
    graph::{Gate, Graph},
    kv::Kv,
    model::{Layer, Matrix, Model, Sparse},
    ops::{self, AttentionScratch, Rope},
    pace::{Pace, Way},
    raw::{Columns, ColumnsPart, Pool, Tiles},
};

/// Groups of 8 rows multiplied at once: the sums of so many rows stay in the first cache, and a thread that has nothing left to
/// do waits for another's last ones no longer than some microseconds.
const GEMV_GROUPS: usize = 16;
/// The same where rows are left out: what is first of a list is not asked for in time, so lists are longer.
const GATED_GROUPS: usize = 2 * GEMV_GROUPS;
/// A panel of the GEMM is 32 rows.
const GEMM_GROUPS: usize = 4;

/// A model with everything a pass needs. Owned by one thread.
pub(crate) struct Forward {
    pub model: Model,
    pub kernels: Kernels,
    pub limits: DecoderLimits,
    pub cells: Cells,
    pub pool: Pool,
    kv: Kv,
    rope: Rope,
    local_rope: Option<Rope>,
    buffers: Buffers,
    /// Of `down`, by columns or as a whole.
    pace: Pace,
    workers: Vec<Mutex<WorkerScratch>>,
}

/// What a thread needs for itself.
struct WorkerScratch {
    panel: Scratch,
    sums: Vec<i32>,
    more_sums: Vec<i32>,
    active: Vec<u32>,
    pace: Pace,
    attention: AttentionScratch,
}

/// Vectors of the tokens of a batch, each `[tokens][width]`.
struct Buffers {
    stream: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attention: Vec<f32>,
    ffn: Vec<f32>,
    projected: Vec<f32>,
    hidden_acts: Rounded,
    attention_acts: Rounded,
    ffn_acts: Rounded,
    nonzero: NonZero,
}

/// Vectors rounded to int8, and what their products are multiplied by.
struct Rounded {
    acts: Activations,
    scales: Vec<f32>,
}

impl Rounded {
    fn new(width: usize, tokens: usize) -> Self {
        Self { acts: Activations::new(width, tokens), scales: vec![0.0; tokens] }
    }
}

/// A token of a batch: where it stands, and where its keys and values go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub seq: SeqId,
    pub pos: u32,
    pub cell: u32,
}

impl Forward {
    /// Takes the memory for passes of `limits.max_batch_tokens` tokens.
    pub fn new(
        model: Model,
        kernels: Kernels,
        pool: Pool,
        limits: DecoderLimits,
        kv_type: KvType,
    ) -> Result<Self, Refusal> {
        let graph = &model.graph;
        let tokens = limits.max_batch_tokens;
        let (across, kv_width) = (graph.num_heads * graph.head_size, graph.num_kv_heads * graph.head_size);
        let floats = |width: usize| vec![0.0; tokens * width];
        let buffers = Buffers {
            stream: floats(graph.hidden_size),
            query: floats(across),
            key: floats(kv_width),
            value: floats(kv_width),
            attention: floats(across),
            ffn: floats(graph.ffn_size),
            projected: if graph.post_norms { floats(graph.hidden_size) } else { Vec::new() },
            hidden_acts: Rounded::new(graph.hidden_size, tokens),
            attention_acts: Rounded::new(across, tokens),
            ffn_acts: Rounded::new(graph.ffn_size, tokens),
            nonzero: NonZero::new(graph.ffn_size),
        };
        let widest = graph.hidden_size.max(graph.ffn_size).max(across);
        // The sums of some groups for all tokens, or those of one token by columns.
        let sums = ((GEMV_MAX * GEMV_GROUPS).max(GATED_GROUPS).max(tokens * GEMM_GROUPS) * 8)
            .max(graph.hidden_size + ByColumns::PIECE);
        let workers = (0..pool.threads()).map(|_| {
            Mutex::new(WorkerScratch {
                panel: Scratch::new(widest),
                sums: vec![0; sums],
                more_sums: vec![0; sums],
                active: vec![0; GATED_GROUPS * 8],
                pace: Pace::default(),
                attention: AttentionScratch::new(graph),
            })
        });
        let rope = Rope::new(graph, graph.rope_base, graph.rope_factor);
        Ok(Self {
            kv: Kv::new(graph, kv_type, limits.kv_cells as usize)?,
            local_rope: graph.window.map(|window| Rope::new(graph, window.rope_base, 1.0)),
            rope,
            cells: Cells::new(&limits),
            workers: workers.collect(),
            pace: Pace::default(),
            buffers,
            kernels,
            limits,
            pool,
            model,
        })
    }

    /// Runs a batch that [`Cells::check`] has accepted and whose cells are given: `places` has one entry a token.
    /// [`Forward::stream`] then has what the output norm gets.
    pub fn run(&mut self, batch: &Batch, places: &[Place]) {
        let tokens = batch.len();
        let graph = &self.model.graph;
        let hidden = graph.hidden_size;
        for (token, out) in batch.tokens().iter().zip(self.buffers.stream.chunks_exact_mut(hidden)) {
            self.model.embedding.read(token.token as usize, out);
            if graph.embedding_scale != 1.0 {
                out.iter_mut().for_each(|x| *x *= graph.embedding_scale);
            }
        }
        for rope in [Some(&mut self.rope), self.local_rope.as_mut()].into_iter().flatten() {
            rope.prepare(places.iter().map(|place| place.pos));
        }
        for number in 0..graph.num_layers {
            Pass::of(self, tokens, places).layer(number);
        }
    }

    /// The residual stream of token `token` of the last batch.
    pub fn stream(&self, token: usize) -> &[f32] {
        let hidden = self.model.graph.hidden_size;
        &self.buffers.stream[token * hidden..][..hidden]
    }
}

/// The parts of a [`Forward`], borrowed for one layer.
struct Pass<'a> {
    graph: &'a Graph,
    layers: &'a [Layer],
    kernels: Kernels,
    pool: &'a mut Pool,
    kv: &'a mut Kv,
    cells: &'a Cells,
    rope: &'a Rope,
    local_rope: Option<&'a Rope>,
    buffers: &'a mut Buffers,
    pace: &'a mut Pace,
    workers: &'a [Mutex<WorkerScratch>],
    tokens: usize,
    places: &'a [Place],
}

impl<'a> Pass<'a> {
    fn of(forward: &'a mut Forward, tokens: usize, places: &'a [Place]) -> Self {
        Self {
            graph: &forward.model.graph,
            layers: &forward.model.layers,
            kernels: forward.kernels,
            pool: &mut forward.pool,
            kv: &mut forward.kv,
            cells: &forward.cells,
            rope: &forward.rope,
            local_rope: forward.local_rope.as_ref(),
            buffers: &mut forward.buffers,
            pace: &mut forward.pace,
            workers: &forward.workers,
            tokens,
            places,
        }
    }

    fn layer(&mut self, number: usize) {
        let layer = &self.layers[number];
        let (n, eps) = (self.tokens, self.graph.norm_eps);
        let (across, ffn) = (self.graph.num_heads * self.graph.head_size, self.graph.ffn_size);

        self.queries_keys_values(layer);
        self.store(number, layer);
        self.attend(number);
        // What the norm before the projection is: of the whole vector, of the projection, or none.
        let norm = projection_norm(&layer.attention_sub_norm, &layer.output);
        round(
            self.pool,
            self.kernels,
            &self.buffers.attention[..n * across],
            norm,
            eps,
            &mut self.buffers.attention_acts,
        );
        self.project(&layer.output, &layer.attention_post_norm, true);

        self.gate_and_up(layer);
        let norm = projection_norm(&layer.ffn_sub_norm, &layer.down);
        round(self.pool, self.kernels, &self.buffers.ffn[..n * ffn], norm, eps, &mut self.buffers.ffn_acts);
        match &layer.sparse {
            Some(sparse) if n == 1 => self.project_one(sparse, layer),
            _ => self.project(&layer.down, &layer.ffn_post_norm, false),
        }
    }

    /// Rounds the stream for a projection: its norm and, in graphs that have one, the projection's own.
    fn round_stream(&mut self, norm: &[f32], own: Option<&[f32]>) {
        let (n, hidden, eps) = (self.tokens, self.graph.hidden_size, self.graph.norm_eps);
        let stream = &self.buffers.stream[..n * hidden];
        let Some(own) = own else {
            return round(self.pool, self.kernels, stream, Some(norm), eps, &mut self.buffers.hidden_acts);
        };
        // Rare graphs (BitNet-embedding): two norms, one after the other.
        let mut normed = vec![0.0; n * hidden];
        for (x, out) in stream.chunks_exact(hidden).zip(normed.chunks_exact_mut(hidden)) {
            floats::norm(self.kernels, x, norm, eps, out);
        }
        round(self.pool, self.kernels, &normed, Some(own), eps, &mut self.buffers.hidden_acts);
    }

    fn queries_keys_values(&mut self, layer: &Layer) {
        let (n, graph) = (self.tokens, self.graph);
        let widths = [graph.num_heads, graph.num_kv_heads, graph.num_kv_heads].map(|heads| heads * graph.head_size);
        let matrices = [&layer.query, &layer.key, &layer.value];
        if graph.projection_norms {
            for (which, matrix) in matrices.into_iter().enumerate() {
                self.round_stream(&layer.attention_norm, matrix.norm.as_deref());
                let out = match which {
                    0 => &mut self.buffers.query,
                    1 => &mut self.buffers.key,
                    _ => &mut self.buffers.value,
                };
                let acts = &self.buffers.hidden_acts;
                let workers = self.pool.threads();
                let out = Columns::new(&mut out[..n * widths[which]], widths[which], 8, workers);
                let (kernels, scratch) = (self.kernels, self.workers);
                self.pool.run(&|worker| {
                    let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
                    multiply(kernels, matrix, acts, (&out, worker), &mut own, |out, y| *out = y);
                });
            }
            return;
        }
        self.round_stream(&layer.attention_norm, None);
        let workers = self.pool.threads();
        let Buffers { query, key, value, hidden_acts: acts, .. } = &mut *self.buffers;
        let out = [
            Columns::new(&mut query[..n * widths[0]], widths[0], 8, workers),
            Columns::new(&mut key[..n * widths[1]], widths[1], 8, workers),
            Columns::new(&mut value[..n * widths[2]], widths[2], 8, workers),
        ];
        let (kernels, scratch, acts) = (self.kernels, self.workers, &*acts);
        self.pool.run(&|worker| {
            let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
            for (matrix, out) in matrices.into_iter().zip(&out) {
                multiply(kernels, matrix, acts, (out, worker), &mut own, |out, y| *out = y);
            }
        });
    }

    /// Rotates queries and keys, stores keys and values: one token alone on the calling thread, several by all, each with the
    /// key/value heads that are its own.
    fn store(&mut self, number: usize, layer: &Layer) {
        let (n, graph, kernels) = (self.tokens, self.graph, self.kernels);
        let (size, group) = (graph.head_size, graph.num_heads / graph.num_kv_heads);
        let rope = self.rope_of(number);
        let workers = if n == 1 { 1 } else { self.pool.threads() };
        let (kind, cell_bytes) = (self.kv.kind, self.kv.cell_bytes);
        let head_bytes = self.cells.capacity() * cell_bytes;
        let Buffers { query, key, value, .. } = &mut *self.buffers;
        let (q_width, kv_width) = (graph.num_heads * size, graph.num_kv_heads * size);
        let queries = Columns::new(&mut query[..n * q_width], q_width, group * size, workers);
        let keys = Columns::new(&mut key[..n * kv_width], kv_width, size, workers);
        let values = Columns::new(&mut value[..n * kv_width], kv_width, size, workers);
        let (key_cells, value_cells) = self.kv.layer_mut(number);
        let key_cells = Columns::new(key_cells, graph.num_kv_heads * head_bytes, head_bytes, workers);
        let value_cells = Columns::new(value_cells, graph.num_kv_heads * head_bytes, head_bytes, workers);
        let places = self.places;
        let share = |worker| {
            let (mut queries, mut keys, mut values) = (queries.take(worker), keys.take(worker), values.take(worker));
            let (mut key_cells, mut value_cells) = (key_cells.take(worker), value_cells.take(worker));
            let (key_cells, value_cells) = (key_cells.row_mut(0), value_cells.row_mut(0));
            for (t, place) in places.iter().enumerate() {
                for head in queries.row_mut(t).chunks_exact_mut(size) {
                    ops::head_norm(kernels, head, &layer.query_norm, graph.norm_eps);
                    rope.rotate(kernels, head, t);
                }
                let at = place.cell as usize * cell_bytes;
                for (i, head) in keys.row_mut(t).chunks_exact_mut(size).enumerate() {
                    ops::head_norm(kernels, head, &layer.key_norm, graph.norm_eps);
                    rope.rotate(kernels, head, t);
                    floats::store(kernels, kind, head, &mut key_cells[i * head_bytes + at..][..cell_bytes]);
                }
                for (i, head) in values.row_mut(t).chunks_exact(size).enumerate() {
                    floats::store(kernels, kind, head, &mut value_cells[i * head_bytes + at..][..cell_bytes]);
                }
            }
        };
        if n == 1 { share(0) } else { self.pool.run(&share) }
    }

    /// Attends: a thread takes a key/value head of some tokens at a time.
    fn attend(&mut self, number: usize) {
        let (n, graph, kernels) = (self.tokens, self.graph, self.kernels);
        let width = graph.num_heads * graph.head_size;
        let unit = width / graph.num_kv_heads;
        let window = graph.window.filter(|window| window.covers(number));
        let visible = |pos: u32| window.map_or(0, |window| (pos + 1).saturating_sub(window.tokens)) as usize;
        let kind = self.kv.kind;
        let head_bytes = self.cells.capacity() * self.kv.cell_bytes;
        let (keys, values) = self.kv.layer(number);
        let Buffers { query, attention, .. } = &mut *self.buffers;
        let (places, cells, scratch) = (self.places, self.cells, self.workers);
        // Neighbours of one sequence read its cells together; tokens of different ones have nothing to share.
        let shared = places.windows(2).any(|two| two[0].seq == two[1].seq);
        let tiles = Tiles::new(&mut attention[..n * width], width, unit, if shared { ATTEND_TOKENS } else { 1 });
        self.pool.run(&|worker| {
            let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
            while let Some((first, mut out)) = tiles.next() {
                let head = out.columns().start / unit;
                let (k, v) = (&keys[head * head_bytes..][..head_bytes], &values[head * head_bytes..][..head_bytes]);
                let places = &places[first..first + out.rows()];
                let mut t = 0;
                while t < places.len() {
                    // Unless a window begins elsewhere for each of them.
                    let begin = visible(places[t].pos);
                    let together = |place: &&Place| place.seq == places[t].seq && visible(place.pos) == begin;
                    let tokens = places[t..].iter().take_while(together).count();
                    let last = &places[t + tokens - 1];
                    let seen = &cells.of(last.seq)[begin..=last.pos as usize];
                    let seen = floats::Cells { kind, keys: k, values: v, seen };
                    let queries = &query[(first + t) * width..(first + t + tokens) * width];
                    ops::attend(kernels, graph, (queries, tokens), (&mut out, t), seen, &mut own.attention);
                    t += tokens;
                }
            }
        });
    }

    /// The positions of a layer.
    fn rope_of(&self, number: usize) -> &'a Rope {
        let local = self.graph.window.is_some_and(|window| window.covers(number));
        self.local_rope.filter(|_| local).unwrap_or(self.rope)
    }

    /// A projection back into the stream, of the attention (`from_attention`) or of the feed-forward network.
    fn project(&mut self, matrix: &Matrix, post_norm: &[f32], from_attention: bool) {
        let (n, hidden, workers) = (self.tokens, self.graph.hidden_size, self.pool.threads());
        let Buffers { stream, projected, attention_acts, ffn_acts, .. } = &mut *self.buffers;
        let acts = if from_attention { &*attention_acts } else { &*ffn_acts };
        let (kernels, scratch) = (self.kernels, self.workers);
        let into_stream = post_norm.is_empty();
        let out = if into_stream { &mut *stream } else { &mut *projected };
        let columns = Columns::new(&mut out[..n * hidden], hidden, 8, workers);
        self.pool.run(&|worker| {
            let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
            if into_stream {
                multiply(kernels, matrix, acts, (&columns, worker), &mut own, |out, y| *out += y);
            } else {
                multiply(kernels, matrix, acts, (&columns, worker), &mut own, |out, y| *out = y);
            }
        });
        if !into_stream {
            for (x, y) in stream.chunks_exact_mut(hidden).zip(projected.chunks_exact_mut(hidden)).take(n) {
                ops::head_norm(kernels, y, post_norm, self.graph.norm_eps);
                x.iter_mut().zip(y).for_each(|(x, y)| *x += *y);
            }
        }
    }

    /// `down` for one token: by columns, or as a whole, whichever is faster now.
    fn project_one(&mut self, sparse: &Sparse, layer: &Layer) {
        let Buffers { ffn_acts, nonzero, .. } = &mut *self.buffers;
        nonzero.collect(ffn_acts.acts.row(0));
        let (listed, all) = (nonzero.len(), self.graph.ffn_size);
        let way = self.pace.choose(listed, all);
        let begin = Instant::now();
        match way {
            Way::List => self.project_columns(sparse, layer.down.scale),
            Way::Whole => self.project(&layer.down, &layer.ffn_post_norm, false),
        }
        self.pace.took(way, listed, all, begin.elapsed().as_secs_f32());
    }

    /// `down` for one token, without the columns whose activation is zero.
    fn project_columns(&mut self, sparse: &Sparse, scale: f32) {
        const PIECE: usize = ByColumns::PIECE;
        let (hidden, workers) = (self.graph.hidden_size, self.pool.threads());
        // A small model is one piece, which is filled up.
        let unit = PIECE.min(hidden);
        let Buffers { stream, ffn_acts, nonzero, .. } = &mut *self.buffers;
        let (kernels, scratch, nonzero) = (self.kernels, self.workers, &*nonzero);
        let scale = ffn_acts.scales[0] * scale;
        let columns = Columns::new(&mut stream[..hidden], hidden, unit, workers);
        self.pool.run(&|worker| {
            let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
            let mut out = columns.take(worker);
            let rows = out.columns();
            if rows.is_empty() {
                return;
            }
            let pieces = rows.start / PIECE..rows.end.div_ceil(PIECE);
            let sums = &mut own.sums[..pieces.len() * PIECE];
            sparse.down.product(kernels, pieces, nonzero, sums);
            out.row_mut(0).iter_mut().zip(sums).for_each(|(out, &mut sum)| *out += sum as f32 * scale);
        });
    }

    fn gate_and_up(&mut self, layer: &Layer) {
        let (n, width, gate, workers) = (self.tokens, self.graph.ffn_size, self.graph.gate, self.pool.threads());
        let (kernels, scratch) = (self.kernels, self.workers);
        if self.graph.projection_norms {
            // Gate and up see the stream through norms of their own: the gate is kept until the other is there.
            let mut gates = vec![0.0; n * width];
            for (matrix, first) in [(&layer.gate, true), (&layer.up, false)] {
                self.round_stream(&layer.ffn_norm, matrix.norm.as_deref());
                let Buffers { ffn, hidden_acts: acts, .. } = &mut *self.buffers;
                let out = if first { &mut gates[..] } else { &mut ffn[..n * width] };
                let (out, acts) = (Columns::new(out, width, 8, workers), &*acts);
                self.pool.run(&|worker| {
                    let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
                    multiply(kernels, matrix, acts, (&out, worker), &mut own, |out, y| *out = y);
                });
            }
            return floats::gate(kernels, ops::function(gate), &gates, &mut self.buffers.ffn[..n * width]);
        }
        self.round_stream(&layer.ffn_norm, None);
        let Buffers { ffn, hidden_acts: acts, .. } = &mut *self.buffers;
        let (out, acts) = (Columns::new(&mut ffn[..n * width], width, 8, workers), &*acts);
        self.pool.run(&|worker| {
            let mut own = scratch[worker].lock().expect("a scratch is locked by its worker alone");
            match &layer.sparse {
                Some(sparse) if n == 1 => gated_rows(kernels, layer, sparse, acts, (&out, worker), &mut own),
                _ => gated(kernels, gate, layer, acts, (&out, worker), &mut own),
            }
        });
    }
}

/// The norm in front of a last projection: the graph's sub-norm, the projection's own, or none.
fn projection_norm<'a>(sub_norm: &'a [f32], matrix: &'a Matrix) -> Option<&'a [f32]> {
    matrix.norm.as_deref().or((!sub_norm.is_empty()).then_some(sub_norm))
}

/// Normalises (if there is a norm) and rounds vectors to int8: the one of a token alone on the calling thread (a microsecond,
/// less than it takes to wake others), those of several on all.
fn round(pool: &mut Pool, kernels: Kernels, vectors: &[f32], norm: Option<&[f32]>, eps: f32, out: &mut Rounded) {
    let width = out.acts.k();
    let n = vectors.len() / width;
    out.acts.set_len(n);
    if n == 1 {
        out.scales[0] = floats::round(kernels, vectors, norm, eps, out.acts.row_mut(0));
        return;
    }
    let workers = pool.threads();
    let (q, sums) = out.acts.parts_mut();
    let stride = q.len() / n;
    let (q, sums) = (Columns::new(q, n * stride, stride, workers), Columns::new(sums, n, 1, workers));
    let scales = Columns::new(&mut out.scales[..n], n, 1, workers);
    pool.run(&|worker| {
        let (mut q, mut sums, mut scales) = (q.take(worker), sums.take(worker), scales.take(worker));
        let own = vectors[sums.columns().start * width..sums.columns().end * width].chunks_exact(width);
        let out = q.row_mut(0).chunks_exact_mut(stride).zip(sums.row_mut(0).iter_mut().zip(scales.row_mut(0)));
        for (x, (q, (sum, scale))) in own.zip(out) {
            *scale = floats::round(kernels, x, norm, eps, ActivationRow { q: &mut q[..width], sum });
        }
    });
}

/// `write(out[t][r], y)` for those rows of the matrix, columns of `out`, that `worker` gets hold of.
fn multiply(
    kernels: Kernels,
    matrix: &Matrix,
    input: &Rounded,
    (out, worker): (&Columns<'_, f32>, usize),
    own: &mut WorkerScratch,
    write: impl Fn(&mut f32, f32),
) {
    while let Some(mut part) = out.next(worker, groups_at_once(&input.acts)) {
        let weights = matrix.packed.groups(groups_of(&part));
        let ldd = weights.rows();
        ints::product(kernels, weights, &input.acts, &mut own.sums, ldd, &mut own.panel);
        for (t, sums) in own.sums.chunks_exact(ldd).take(input.acts.len()).enumerate() {
            let scale = input.scales[t] * matrix.scale;
            part.row_mut(t).iter_mut().zip(sums).for_each(|(out, &sum)| write(out, sum as f32 * scale));
        }
    }
}

/// As [`multiply`] for gate and up together, with the gate's function between them.
fn gated(
    kernels: Kernels,
    gate: Gate,
    layer: &Layer,
    input: &Rounded,
    (out, worker): (&Columns<'_, f32>, usize),
    own: &mut WorkerScratch,
) {
    while let Some(mut part) = out.next(worker, groups_at_once(&input.acts)) {
        let groups = groups_of(&part);
        let (gates, ups) = (layer.gate.packed.groups(groups.clone()), layer.up.packed.groups(groups));
        let ldd = gates.rows();
        ints::product(kernels, gates, &input.acts, &mut own.sums, ldd, &mut own.panel);
        ints::product(kernels, ups, &input.acts, &mut own.more_sums, ldd, &mut own.panel);
        let sums = own.sums.chunks_exact(ldd).zip(own.more_sums.chunks_exact(ldd));
        for (t, (g, u)) in sums.take(input.acts.len()).enumerate() {
            let scale = input.scales[t];
            let out = part.row_mut(t);
            let wanted = out.len();
            let scales = (scale * layer.gate.scale, scale * layer.up.scale);
            floats::gate_sums(kernels, ops::function(gate), &g[..wanted], &u[..wanted], scales, out);
        }
    }
}

/// As [`gated`] for one token and ReLU²: rows of up whose gate is not positive are not read.
fn gated_rows(
    kernels: Kernels,
    layer: &Layer,
    sparse: &Sparse,
    input: &Rounded,
    (out, worker): (&Columns<'_, f32>, usize),
    own: &mut WorkerScratch,
) {
    let scales = (input.scales[0] * layer.gate.scale, input.scales[0] * layer.up.scale);
    while let Some(mut part) = out.next(worker, GATED_GROUPS) {
        let (rows, groups) = (part.columns(), groups_of(&part));
        let (count, ldd) = (rows.len(), groups.len() * 8);
        ints::gemv(kernels, layer.gate.packed.groups(groups.clone()), &input.acts, &mut own.sums, ldd);
        // Without a branch: which gates are open cannot be guessed.
        let mut listed = 0;
        for (row, &gate) in (rows.start as u32..).zip(&own.sums[..count]) {
            own.active[listed] = row;
            listed += usize::from(gate > 0);
        }
        let active = &own.active[..listed];
        let way = own.pace.choose(listed, count);
        let begin = Instant::now();
        if way == Way::List {
            // The sums come side by side and go where they belong from the last one on, which no earlier one has passed.
            sparse.up.product(kernels, active, &input.acts, 0, &mut own.more_sums[..listed]);
            let mut end = count;
            for (i, &row) in active.iter().enumerate().rev() {
                let at = row as usize - rows.start;
                let sum = own.more_sums[i];
                own.more_sums[at + 1..end].fill(0);
                own.more_sums[at] = sum;
                end = at;
            }
            own.more_sums[..end].fill(0);
        } else {
            ints::gemv(kernels, layer.up.packed.groups(groups), &input.acts, &mut own.more_sums, ldd);
        }
        own.pace.took(way, listed, count, begin.elapsed().as_secs_f32());
        let (g, u) = (&own.sums[..count], &own.more_sums[..count]);
        floats::gate_sums(kernels, ops::function(Gate::Relu2), g, u, scales, part.row_mut(0));
    }
}

/// How many groups of rows a thread multiplies at once.
fn groups_at_once(acts: &Activations) -> usize {
    if acts.len() <= GEMV_MAX { GEMV_GROUPS } else { GEMM_GROUPS }
}

/// The groups of 8 rows that these columns of a result are: whole ones, but the last of a matrix may be cut short.
fn groups_of(part: &ColumnsPart<'_, f32>) -> std::ops::Range<usize> {
    let columns = part.columns();
    columns.start / 8..columns.end.div_ceil(8)
}
