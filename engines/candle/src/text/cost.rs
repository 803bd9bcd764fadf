//! What a model will take, before it is loaded.

use tern_engine::{Cost, LoadOptions, ModelInfo};

/// The program's own tables of a token in two tokenizers.
const TOKEN_BYTES: u64 = 640;
/// The library, its threads, and what is widened for products of matrices.
const BASE_BYTES: u64 = 48 << 20;

/// Weights are copied as they are; the cache is what it says; buffers are those of a whole batch.
pub(crate) fn estimate(info: &ModelInfo, options: &LoadOptions) -> Cost {
    let (hidden, vocab) = (u64::from(info.hidden_size), u64::from(info.vocab_size));
    let cells = options.kv_cells.max(1);
    let tokens = u64::from(options.max_batch_tokens.min(cells));
    let layers = u64::from(info.num_layers.max(1));
    // f32 alive at once: stream, norms, queries, keys, values and their turned copies, and a feed-forward network, some four
    // times as wide, thrice.
    let activations = tokens * hidden * 20 * 4;
    // Keys and values of the longest sequence in one layer as f32, beside scores and their weights for each head.
    let attention = info.kv_values_per_token / layers * u64::from(cells) * 4
        + u64::from(info.num_heads) * (tokens * u64::from(cells)).min(1 << 18) * 4 * 4;
    let logits = u64::from(options.max_sequences) * vocab * 8;
    let rope = u64::from(cells.min(info.context_length.max(1))) * hidden / u64::from(info.num_heads.max(1)) * 4;
    Cost {
        weights_bytes: info.weights_bytes,
        kv_bytes_per_token: options.kv_type.bytes(info.kv_values_per_token),
        context_tokens: cells,
        fixed_bytes: BASE_BYTES + vocab * TOKEN_BYTES + activations + attention + logits + rope,
    }
}
