//! What a model will take, before it is loaded.

use tern_engine::{Capability, Cost, Head, LoadOptions, ModelInfo};

/// The program's own tables of a token: its spelling, its place in the map, its merge.
const TOKEN_BYTES: u64 = 320;

/// The library and its threads.
const BASE_BYTES: u64 = 4 << 20;

/// Weights are packed into as many bytes as the file has (or fewer); the embedding stays mapped.
pub(crate) fn estimate(info: &ModelInfo, options: &LoadOptions) -> Cost {
    let embeds = info.capabilities.contains(&Capability::Embedding);
    let (hidden, vocab) = (u64::from(info.hidden_size), u64::from(info.vocab_size));
    let tokens = u64::from(options.max_batch_tokens.min(options.kv_cells));
    // f32 alive at once: the residual stream, queries, keys, values, attention, and a feed-forward network some three
    // times as wide, each with an int8 copy.
    let activations = tokens * hidden * 5 * 8;
    let head = match options.head {
        _ if embeds => 0,
        Head::Screened => vocab * (hidden + 16),
        Head::F16 => 0,
        Head::Q8_0 => vocab * hidden / 32 * 34,
        Head::Q6K => vocab * hidden / 256 * 210,
    };
    let rows = if embeds { 0 } else { u64::from(options.max_sequences) * vocab * 4 };
    Cost {
        weights_bytes: info.weights_bytes,
        kv_bytes_per_token: options.kv_type.bytes(info.kv_values_per_token),
        context_tokens: options.kv_cells.min(info.context_length.max(1)),
        fixed_bytes: BASE_BYTES + vocab * TOKEN_BYTES + activations + head + rows,
    }
}
