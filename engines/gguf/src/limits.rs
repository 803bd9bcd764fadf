//! What a header may hold at most. Far above every published file, and low enough that the worst file is harmless.

/// Bytes of a whole header. Vocabularies of 262 144 tokens with merges take about 20 MiB.
pub const HEADER_BYTES: u64 = 256 << 20;
/// Metadata keys. Published files have about 50.
pub const KEYS: u64 = 1 << 16;
/// Bytes of a key, as the format says.
pub const KEY_BYTES: u64 = 65_535;
/// Bytes of a string that is a value by itself. The longest known chat templates have about 20 KiB.
pub const STRING_BYTES: u64 = 16 << 20;
/// Tensors. The largest published mixtures of experts have a few thousand.
pub const TENSORS: u64 = 1 << 17;
/// Bytes of a tensor's name: ggml keeps it in 64 with a closing zero.
pub const TENSOR_NAME_BYTES: u64 = 63;
/// Dimensions of a tensor, as in ggml.
pub const DIMENSIONS: u32 = 4;
