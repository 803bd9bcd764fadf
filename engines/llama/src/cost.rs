//! What a model will take, before it is loaded.
//!
//! Weights and KV cache are exact. What llama.cpp needs besides (tables of the vocabulary, buffers of a forward pass)
//! is a fit to measurements; the README has them.

use tern_engine::{Capability, Cost, LoadOptions, ModelInfo};

/// Most bytes that the rows of an encoder's output buffer may take. llama.cpp keeps room for a row of logits for each
/// token of an embedding batch, though nobody reads them: with 250,000 tokens of vocabulary and 8192 tokens of input
/// that would be 8 GB.
const ROWS_BYTES: u64 = 1 << 30;

/// Most tokens of one input that is embedded, or of one pair that is scored.
pub(crate) fn longest_input(info: &ModelInfo, causal: bool, kv_cells: u32) -> u32 {
    let most = info.context_length.min(kv_cells).max(1);
    if causal {
        return most;
    }
    let rows = ROWS_BYTES / (4 * u64::from(info.vocab_size).max(1));
    most.min(u32::try_from(rows.max(512)).unwrap_or(u32::MAX))
}

/// Bytes of a token in llama.cpp's two tables and ours, with its merge.
const TOKEN_BYTES: u64 = 420;

/// Most bytes of sequences that are kept outside the cache: as many as `options` allow, and as the cache could hold.
pub(crate) fn saved_bytes(info: &ModelInfo, options: &LoadOptions) -> u64 {
    let cache = options.kv_type.bytes(info.kv_values_per_token).saturating_mul(options.kv_cells.into());
    options.saved_bytes.min(cache)
}

/// What encoding an image takes besides the projector's weights.
const VISION_BYTES: u64 = 256 << 20;

/// The library, its threads and the graph.
const BASE_BYTES: u64 = 12 << 20;

pub(crate) fn estimate(info: &ModelInfo, options: &LoadOptions) -> Cost {
    let pools = info.capabilities.iter().any(|task| matches!(task, Capability::Embedding | Capability::Rerank));
    let row = 4 * u64::from(info.vocab_size);
    let (tokens, rows, cells) = if pools {
        let causal = info.kv_values_per_token > 0;
        let longest = longest_input(info, causal, options.kv_cells);
        let tokens = if causal { 512 } else { longest.max(512) };
        (u64::from(tokens), u64::from(tokens), if causal { longest } else { 0 })
    } else {
        let tokens = options.max_batch_tokens.min(options.kv_cells);
        (u64::from(tokens), u64::from(options.max_sequences), options.kv_cells)
    };
    let saved = if pools { 0 } else { saved_bytes(info, options) };
    // Alive at once at the widest point of a layer: the residual stream and its norm, and the three of a gated
    // feed-forward network, which is about four times as wide as the hidden state.
    let activations = tokens * u64::from(info.hidden_size) * 4 * (2 + 3 * 4);
    // One byte pair for each token of the batch and each cell.
    let mask = tokens * u64::from(cells) * 2;
    // The vision tower's buffers: a few layers' worth of a large image's patches.
    let sees = info.capabilities.contains(&Capability::Vision);
    let vision = if sees { VISION_BYTES } else { 0 };
    let vocabulary = u64::from(info.vocab_size) * TOKEN_BYTES;
    Cost {
        weights_bytes: info.weights_bytes,
        kv_bytes_per_token: options.kv_type.bytes(info.kv_values_per_token),
        context_tokens: cells,
        fixed_bytes: BASE_BYTES + vocabulary + 2 * rows * row + activations + mask + saved + vision,
    }
}
