//! The llama engine through its public door, on the tiny models of `tests/fixtures`.

/// The suite that every engine runs.
mod conformance;
/// Batches, sequences and the KV cache: limits are errors, copies are exact, a full cache is unchanged.
mod decoder;
/// Vectors against PyTorch's, limits, cancelling.
mod embedder;
/// Flash attention against plain attention.
mod flash;
/// Logits and greedy tokens against PyTorch's.
mod golden;
/// Files that are damaged, hostile or for someone else: rejected before llama.cpp could abort.
mod hostile;
/// Loading: progress, cancelling, a deleted file, options that exclude each other.
mod loading;
/// Relevance against PyTorch's, limits, cancelling, classifiers that are not whole.
mod reranker;
/// Paths, options, and files made from the fixtures.
mod support;
/// Text to tokens and back.
mod tokenizer;
/// Models that see: logits against PyTorch, places and positions, damaged projectors.
mod vision;
