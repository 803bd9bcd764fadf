//! Keys and values of the cache: for each layer and key/value head a run of cells, one head's numbers a cell.
//!
//! `[layer][kv head][cell][head size]`, F16 or Q8_0 (blocks of 32 with one scale). A head's cells lie together, so that a
//! thread that computes a head reads one stretch of memory.

use tern_engine::KvType;
use tern_ternary::{floats::Cell, ints::Aligned};

use crate::{error::Refusal, graph::Graph, ops};

/// The memory of all keys and values.
pub(crate) struct Kv {
    pub kind: Cell,
    keys: Vec<Aligned<u8>>,
    values: Vec<Aligned<u8>>,
    /// Bytes of a head's numbers in a cell.
    pub cell_bytes: usize,
}

impl Kv {
    /// Memory for `cells` cells. It is taken from the system as cells are written.
    pub fn new(graph: &Graph, kind: KvType, cells: usize) -> Result<Self, Refusal> {
        if kind == KvType::Q8_0 && !graph.head_size.is_multiple_of(32) {
            return Err(Refusal::Unsupported(format!(
                "a q8_0 KV cache needs heads of a multiple of 32 numbers, this model's have {}; keep it in f16",
                graph.head_size
            )));
        }
        let kind = ops::cell(kind);
        let cell_bytes = kind.bytes(graph.head_size);
        let layer = graph.num_kv_heads * cells * cell_bytes;
        let memory = || (0..graph.num_layers).map(|_| Aligned::new(layer)).collect();
        Ok(Self { kind, keys: memory(), values: memory(), cell_bytes })
    }

    /// Keys and values of a layer, `[kv head][cell][cell_bytes]` each.
    pub fn layer(&self, layer: usize) -> (&[u8], &[u8]) {
        (&self.keys[layer], &self.values[layer])
    }

    /// The same to be written.
    pub fn layer_mut(&mut self, layer: usize) -> (&mut [u8], &mut [u8]) {
        (&mut self.keys[layer], &mut self.values[layer])
    }
}
