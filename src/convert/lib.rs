//! Makes GGUF files with I2_S matrices of BitNet models in other formats.
//!
//! | from | to |
//! |---|---|
//! | a Hugging Face folder: `config.json`, safetensors, `tokenizer.json` | a whole model |
//! | a GGUF file with matrices in TQ1_0, TQ2_0, IQ2_BN, or I2_S in blocks of 64 | the same with I2_S in blocks of 128 |
//! | a GGUF file with I2_S | the same with TQ2_0, for llama.cpp |
//!
//! In reading order: [`options`], `folder` (a model folder, from end to end), `config` (its shape), `layout` (which tensor
//! becomes which), `linear` (the codes and the scale of a matrix: where other converters go wrong), `vocabulary` and `special` (the tokenizer), `error`.

mod config;
mod error;
mod folder;
mod layout;
mod linear;
pub mod options;
mod special;
mod vocabulary;

use std::path::Path;

use tern_gguf::rewrite;

pub use crate::{
    error::ConvertError,
    options::{Done, Head, Options, Step},
};

/// Converts `source`, a folder or a file, into the file `out`, which appears only when it is whole. `progress` is called
/// after each tensor.
///
/// # Errors
/// Everything in [`ConvertError`]; `out` is then as it was.
pub fn convert(
    source: &Path,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Done, ConvertError> {
    if out.exists() && !options.force {
        return Err(ConvertError::Exists { path: out.into() });
    }
    if source.is_dir() {
        return folder::convert(source, out, options, progress);
    }
    match source.extension().and_then(|extension| extension.to_str()) {
        Some("gguf") => {
            let mut each = |number, of| progress(Step { what: "tensor", number, of });
            let done = rewrite::rewrite(source, out, options.target, options.order, &mut each)?;
            Ok(Done { matrices: done.matrices, tensors: done.matrices + done.copied, bytes: done.bytes })
        }
        _ => Err(ConvertError::Source { path: source.into() }),
    }
}
