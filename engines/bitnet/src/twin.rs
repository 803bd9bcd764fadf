//! Whether llama.cpp computes a ternary model rightly, once its matrices are in a type that it reads.

use std::path::Path;

use tern_gguf::Header;

use crate::graph::Gate;

/// Why llama.cpp must not be given the model in `path` rewritten as TQ2_0; `Ok` where its graph is the right one.
///
/// # Errors
/// The reason, for people.
pub fn llama_cpp_computes_it(path: &Path) -> Result<(), String> {
    let header = Header::read(path).map_err(|error| error.to_string())?;
    let architecture = header.str("general.architecture").unwrap_or_default();
    match (architecture, Gate::of(&header, architecture)) {
        ("llama" | "bitnet", Ok(Gate::Silu)) => Ok(()),
        (_, Ok(Gate::Relu2)) => Err(
            "llama.cpp computes BitNet's feed-forward network with SiLU, and this model was trained with ReLU²: its answers \
             would be garbage"
                .into(),
        ),
        (_, Ok(_)) => Err(format!("llama.cpp does not know the norms of a ternary {architecture} model")),
        (_, Err(refusal)) => Err(refusal.to_string()),
    }
}
