//! Reads GGUF headers safely.
