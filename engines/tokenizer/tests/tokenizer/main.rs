//! Tokenizers through their public door.

/// The suite that every engine's tokenizer runs.
mod conformance;
/// What a folder's small files say.
mod folder;
/// Ids against the original implementations'.
mod golden;
/// Vocabularies that are damaged or hostile: errors that say where, never a panic.
mod hostile;
/// What holds for every text.
mod properties;
/// What is special about special tokens.
mod special;
/// Vocabularies to test with.
mod support;
