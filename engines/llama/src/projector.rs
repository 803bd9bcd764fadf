//! The projector of a model that sees: where it is, and what it must be before llama.cpp may see it.
//!
//! As with models (`check.rs`), llama.cpp reports part of what is wrong with such a file, and asserts the rest while it loads or,
//! worse, at the first image. The checks here stand for those places in `tools/mtmd/clip.cpp` as of llama-cpp-sys-2 0.1.161.

use std::path::{Path, PathBuf};

use tern_engine::EngineError;
use tern_gguf::{Header, TensorInfo, TensorType};

use crate::check::Problem::{self, Invalid, Unsupported};

/// Kinds of projectors for images (`clip.projector_type`) whose graphs the checks below cover: a plain vision transformer, its
/// output pooled or merged by matrices. llama.cpp has more; each needs its rules here first.
const KINDS: &[&str] = &["idefics3", "gemma3", "qwen2vl_merger", "qwen2.5vl_merger"];

/// Most layers, sides and widths of a vision transformer: several times those of the largest published.
const MAX_LAYERS: u32 = 256;
const MAX_SIDE: u32 = 8192;
const MAX_WIDTH: u32 = 1 << 15;

/// A projector on disk that llama.cpp may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Projector {
    pub(crate) path: PathBuf,
    /// Size of the file.
    pub(crate) bytes: u64,
}

/// The projector in the folder of the model at `path`: a file with `mmproj` in its name. Of several the one whose name has most
/// of the model's own, then F16, then Q8_0, then others.
pub(crate) fn beside(path: &Path) -> Option<PathBuf> {
    let own = path.file_stem()?.to_str()?.to_ascii_lowercase();
    let names = std::fs::read_dir(path.parent()?).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| is_projector(name)).collect();
    found.sort_unstable();
    let best = found.iter().min_by_key(|name| rank(name, &own))?;
    if found.len() > 1 {
        tracing::info!(model = own, projector = best, of = found.len(), "several projectors lie beside the model");
    }
    Some(path.with_file_name(best))
}

fn is_projector(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".gguf") && name.contains("mmproj")
}

/// Less is better.
fn rank(name: &str, own: &str) -> (std::cmp::Reverse<usize>, usize) {
    let name = name.to_ascii_lowercase();
    let common = |rest: &str| rest.bytes().zip(own.bytes()).take_while(|(a, b)| a == b).count();
    // A folder of several models has `mmproj-NAME-f16.gguf` for each, or `NAME-mmproj-f16.gguf`.
    let stem = name.trim_start_matches("mmproj").trim_start_matches(['-', '_', '.']);
    let kinds = ["f16", "q8_0"];
    let kind = kinds.iter().position(|kind| name.contains(kind) && !name.contains(&format!("b{kind}")));
    (std::cmp::Reverse(common(stem)), kind.unwrap_or(kinds.len()))
}

/// Reads and checks the projector at `path` for a model whose hidden state is `hidden_size` wide.
///
/// # Errors
/// `Io`, `InvalidModel` or `Unsupported`, about the projector's file.
pub(crate) fn read(path: &Path, hidden_size: u32) -> Result<Projector, EngineError> {
    let header = Header::read(path).map_err(|error| error.about(path))?;
    check(&header, hidden_size).map_err(|problem| match problem {
        Invalid(message) => EngineError::InvalidModel { path: path.into(), message },
        Unsupported(message) => EngineError::Unsupported { path: path.into(), message },
    })?;
    Ok(Projector { path: path.into(), bytes: header.file_len().unwrap_or(0) })
}

fn check(header: &Header, hidden_size: u32) -> Result<(), Problem> {
    match header.str("general.architecture") {
        Some("clip") => {}
        other => return Err(Invalid(format!("general.architecture is {other:?}, expected \"clip\": no projector"))),
    }
    if header.bool("clip.has_audio_encoder") == Some(true) && header.bool("clip.has_vision_encoder") != Some(true) {
        return Err(Unsupported("a projector for sound; only those for images are run".into()));
    }
    let kind = header.str("clip.vision.projector_type").or(header.str("clip.projector_type")).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(Unsupported(format!("projector type \"{kind}\" is not run; those that are: {}", KINDS.join(", "))));
    }
    header.tensors().iter().try_for_each(tensor)?;
    let layers = number(header, "block_count", 1, MAX_LAYERS)?;
    let width = number(header, "embedding_length", 1, MAX_WIDTH)?;
    let heads = number(header, "attention.head_count", 1, width)?;
    let patch = number(header, "patch_size", 1, MAX_SIDE)?;
    number(header, "image_size", patch, MAX_SIDE)?;
    number(header, "feed_forward_length", 1, MAX_WIDTH * 8)?;
    if width % heads != 0 {
        return Err(Invalid(format!("clip.vision: {heads} attention heads do not divide the width of {width}")));
    }
    if let Some(got) = header.f32("clip.vision.attention.layer_norm_epsilon")
        && !(got >= 0.0 && got.is_finite())
    {
        return Err(Invalid(format!(
            "clip.vision.attention.layer_norm_epsilon: {got}, expected a number no less than 0"
        )));
    }
    for name in ["clip.vision.image_mean", "clip.vision.image_std"] {
        let values: Vec<f32> = header.values(name).into_iter().flatten().filter_map(|value| value.as_f32()).collect();
        let zero = name.ends_with("std") && values.contains(&0.0);
        if values.len() != 3 || zero || values.iter().any(|value| !value.is_finite()) {
            return Err(Invalid(format!("{name}: expected three numbers that can be divided by")));
        }
    }
    for name in ["clip.vision.spatial_merge_size", "clip.vision.projector.scale_factor"] {
        if let Some(got) = header.u32(name)
            && !(1..=16).contains(&got)
        {
            return Err(Invalid(format!("{name}: {got}, expected 1 to 16")));
        }
    }
    present(header, kind, layers)?;
    shapes(header, layers, width, patch)?;
    output(header, kind, hidden_size)
}

/// ggml has kernels for some types only; vectors are added to F32.
fn tensor(tensor: &TensorInfo) -> Result<(), Problem> {
    use TensorType as T;
    let wrong = match tensor.kind {
        T::F32 | T::F16 | T::BF16 => false,
        T::Q4_0 | T::Q4_1 | T::Q5_0 | T::Q5_1 | T::Q8_0 | T::Q4_K | T::Q5_K | T::Q6_K => tensor.shape.len() != 2,
        _ => true,
    };
    let vector = tensor.shape.len() == 1 && tensor.kind != T::F32;
    if wrong || vector {
        let what = format!("{}: tensor type {}", tensor.name, tensor.kind);
        return Err(Unsupported(format!("{what} of shape {:?} is not run in a projector", tensor.shape)));
    }
    Ok(())
}

fn number(header: &Header, name: &str, least: u32, most: u32) -> Result<u32, Problem> {
    let key = format!("clip.vision.{name}");
    match header.u32(&key) {
        Some(got) if (least..=most).contains(&got) => Ok(got),
        Some(got) => Err(Invalid(format!("{key}: {got}, expected {least} to {most}"))),
        None => Err(Invalid(format!("{key} is missing or not a number"))),
    }
}

fn shaped(header: &Header, name: &str, expected: &[u64]) -> Result<(), Problem> {
    match header.tensor(name) {
        Some(tensor) if tensor.shape != expected => {
            Err(Invalid(format!("{name}: shape {:?}, expected {expected:?}", tensor.shape)))
        }
        _ => Ok(()),
    }
}

/// What the graph takes without asking. llama.cpp loads much of it as optional, and then follows a null pointer.
fn present(header: &Header, kind: &str, layers: u32) -> Result<(), Problem> {
    let need = |name: &str| match header.tensor(name) {
        Some(_) => Ok(()),
        None => Err(Invalid(format!("the tensor {name} is missing"))),
    };
    let merges = kind.starts_with("qwen2");
    need("v.patch_embd.weight")?;
    need(if merges { "v.patch_embd.weight.1" } else { "v.position_embd.weight" })?;
    if merges && (header.tensor("v.patch_embd.bias").is_some() || header.tensor("v.class_embd").is_some()) {
        return Err(Invalid(format!("a projector of type {kind} has no v.patch_embd.bias and no v.class_embd")));
    }
    for layer in 0..layers {
        for part in ["attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down", "ln1", "ln2"] {
            need(&format!("v.blk.{layer}.{part}.weight"))?;
        }
        for part in ["attn_q", "attn_k", "attn_v"] {
            need(&format!("v.blk.{layer}.{part}.bias"))?;
        }
    }
    Ok(())
}

/// The transformer: what multiplies or is added must fit.
fn shapes(header: &Header, layers: u32, width: u32, patch: u32) -> Result<(), Problem> {
    let (width, patch) = (u64::from(width), u64::from(patch));
    for name in ["v.patch_embd.weight", "v.patch_embd.weight.1"] {
        shaped(header, name, &[patch, patch, 3, width])?;
    }
    for name in ["v.patch_embd.bias", "v.pre_ln.weight", "v.pre_ln.bias", "v.post_ln.weight", "v.post_ln.bias"] {
        shaped(header, name, &[width])?;
    }
    if let Some(table) = header.tensor("v.position_embd.weight")
        && table.shape.first() != Some(&width)
    {
        return Err(Invalid(format!("v.position_embd.weight: shape {:?}, expected rows of {width}", table.shape)));
    }
    for layer in 0..layers {
        let name = |rest: &str| format!("v.blk.{layer}.{rest}");
        for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
            shaped(header, &name(&format!("{part}.weight")), &[width, width])?;
            shaped(header, &name(&format!("{part}.bias")), &[width])?;
        }
        shaped(header, &name("attn_qkv.weight"), &[width, 3 * width])?;
        shaped(header, &name("attn_qkv.bias"), &[3 * width])?;
        for part in ["ln1", "ln2", "ls1", "ls2"] {
            shaped(header, &name(&format!("{part}.weight")), &[width])?;
            shaped(header, &name(&format!("{part}.bias")), &[width])?;
        }
        // Older files have the names of the two matrices the wrong way round, and llama.cpp turns them.
        let inner_of = |name: &str, side: usize| header.tensor(name).and_then(|tensor| tensor.shape.get(side).copied());
        let swapped = inner_of(&name("ffn_down.weight"), 0) == Some(width);
        let (up, down) = if swapped { ("ffn_down", "ffn_up") } else { ("ffn_up", "ffn_down") };
        if let Some(inner) = inner_of(&name(&format!("{up}.weight")), 1) {
            for (part, shape) in [(up, [width, inner]), ("ffn_gate", [width, inner]), (down, [inner, width])] {
                shaped(header, &name(&format!("{part}.weight")), &shape)?;
                shaped(header, &name(&format!("{part}.bias")), &shape[1..])?;
            }
        }
    }
    Ok(())
}

/// Towers with a fixed grid of patches, neighbours of which become one.
fn pooled(header: &Header, kind: &str) -> Result<(), Problem> {
    let number = |name: &str| u64::from(header.u32(&format!("clip.vision.{name}")).unwrap_or(0));
    let (image, patch, width) = (number("image_size"), number("patch_size").max(1), number("embedding_length"));
    let default = if kind == "gemma3" { 4 } else { 1 };
    let merge = header.u32("clip.vision.projector.scale_factor").map_or(default, u64::from).max(1);
    let side = image / patch;
    if image % patch != 0 || side % merge != 0 {
        return Err(Invalid(format!(
            "clip.vision: images of {image} cannot be cut into patches of {patch}, {merge} by {merge}"
        )));
    }
    shaped(header, "v.position_embd.weight", &[width, side * side])?;
    if kind == "gemma3" {
        shaped(header, "mm.soft_emb_norm.weight", &[width])?;
        return match header.tensor("mm.input_projection.weight").and_then(|tensor| tensor.shape.get(1)) {
            Some(rows) if *rows != width => {
                Err(Invalid(format!("mm.input_projection.weight has {rows} rows, expected {width}")))
            }
            _ => Ok(()),
        };
    }
    match header.tensor("mm.model.fc.weight").and_then(|tensor| tensor.shape.first()) {
        Some(columns) if *columns != width * merge * merge => {
            Err(Invalid(format!("mm.model.fc.weight takes {columns} numbers, expected {}", width * merge * merge)))
        }
        _ => Ok(()),
    }
}

/// Towers whose four neighbours become one through two matrices.
fn merged(header: &Header) -> Result<(), Problem> {
    let width = u64::from(header.u32("clip.vision.embedding_length").unwrap_or(0));
    let patch = header.u32("clip.vision.patch_size").unwrap_or(0);
    if let Some(window) = header.u32("clip.vision.window_size")
        && (window < 2 * patch || window > MAX_SIDE)
    {
        return Err(Invalid(format!("clip.vision.window_size: {window}, expected {} to {MAX_SIDE}", 2 * patch)));
    }
    if width.checked_div(u64::from(header.u32("clip.vision.attention.head_count").unwrap_or(1))).unwrap_or(0) % 4 != 0 {
        return Err(Invalid("clip.vision: the size of an attention head must be a multiple of 4".into()));
    }
    let shape = |name: &str| header.tensor(name).map(|tensor| tensor.shape.clone());
    let (Some(first), Some(second)) = (shape("mm.0.weight"), shape("mm.2.weight")) else {
        return Err(Invalid("the tensors mm.0.weight and mm.2.weight are needed".into()));
    };
    let (&[columns, inner], &[taken, given]) = (first.as_slice(), second.as_slice()) else {
        return Err(Invalid("mm.0.weight and mm.2.weight must be matrices".into()));
    };
    if columns != 4 * width || taken != inner {
        return Err(Invalid(format!("mm.0.weight {first:?} and mm.2.weight {second:?} do not fit a width of {width}")));
    }
    shaped(header, "mm.0.bias", &[inner])?;
    shaped(header, "mm.2.bias", &[given])
}

/// What comes out must be as wide as the model's hidden state. llama.cpp compares the width the projector claims; this compares
/// that of the matrix.
fn output(header: &Header, kind: &str, hidden_size: u32) -> Result<(), Problem> {
    let (name, side) = match kind {
        "idefics3" => ("mm.model.fc.weight", 1),
        "gemma3" => ("mm.input_projection.weight", 0),
        _ => ("mm.2.weight", 1),
    };
    match kind {
        "idefics3" | "gemma3" => pooled(header, kind)?,
        _ => merged(header)?,
    }
    let Some(last) = header.tensor(name) else { return Ok(()) };
    let got = last.shape.get(side).copied().unwrap_or(0);
    if got != u64::from(hidden_size) {
        return Err(Invalid(format!(
            "{name} gives vectors of {got}, and the model's are of {hidden_size}: another model's projector"
        )));
    }
    Ok(())
}
