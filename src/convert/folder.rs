//! A Hugging Face folder becomes a GGUF file. Everything but weights is checked before the file is begun; one matrix at a
//! time is in memory.

use std::{io, path::Path};

use tern_folder::{Dtype, Tensor, Weights, ternary};
use tern_gguf::{
    TensorType, blocks,
    write::{Atomic, Plan, Sink},
};

use crate::{
    ConvertError, Done, Options, Step,
    config::{Config, Graph},
    layout::{self, Entry, Kind},
    linear, special,
    vocabulary::Vocabulary,
};

/// Values of rows that are converted at once, about.
const PIECE: usize = 1 << 20;
/// `general.file_type` of I2_S in bitnet.cpp.
const FILE_TYPE: u32 = 40;
const SHOWN: usize = 5;

pub(crate) fn convert(
    folder: &Path,
    out: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Step<'_>),
) -> Result<Done, ConvertError> {
    let config = Config::read(folder)?;
    let weights = Weights::open(folder)?;
    let vocabulary = Vocabulary::read(folder, config.vocab_size, options.pre.as_deref())?;
    let entries = layout::entries(&config, &weights);
    let mut unused = layout::unused(&entries, &config, &weights);
    if !unused.is_empty() {
        let more = unused.len().saturating_sub(SHOWN);
        unused.truncate(SHOWN);
        if more > 0 {
            unused.push(format!("and {more} more"));
        }
        let architecture = config.graph.architecture();
        return Err(ConvertError::Unused { path: folder.into(), architecture, tensors: unused });
    }

    let mut plan = Plan::new(config.graph.architecture());
    describe(&mut plan, folder, &config);
    vocabulary.write(&mut plan);
    special::write(&mut plan, folder, &config, &vocabulary)?;
    let mut sources = Vec::new();
    for entry in &entries {
        let tensor = weights
            .get(&entry.theirs)
            .ok_or_else(|| ConvertError::Missing { path: folder.into(), tensor: entry.theirs.clone() })?;
        check_shape(&weights, tensor, entry)?;
        let shape = [entry.columns as u64, entry.rows as u64];
        let shape = if entry.kind == Kind::Norm { &shape[..1] } else { &shape };
        let kind = kind(entry, options);
        let place = || format!("{} {shape:?}", entry.ours);
        if kind == TensorType::I2_S && !entry.columns.is_multiple_of(blocks::ternary::i2_s::BLOCK) {
            let expected = "a multiple of 128: in other rows blocks of I2_S straddle";
            return Err(ConvertError::wrong(folder, place(), format!("{} inputs", entry.columns), expected));
        }
        plan.tensor(&entry.ours, kind, shape)
            .map_err(|expected| ConvertError::wrong(folder, place(), format!("type {kind}"), expected))?;
        sources.push(tensor);
    }

    let needed = plan.file_bytes();
    let written = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ConvertError::Full { path: out.into(), needed },
        _ => ConvertError::io("cannot write", out)(error),
    };
    let mut sink = plan.begin(Atomic::create(out).map_err(written)?).map_err(written)?;
    for (number, (entry, tensor)) in entries.iter().zip(sources).enumerate() {
        match entry.kind {
            Kind::Ternary { rotary } => {
                let mut matrix = ternary::read(&weights, tensor, [entry.rows, entry.columns], config.scale_means)?;
                if let Some(heads) = rotary {
                    linear::interleave(&mut matrix, heads);
                }
                let data = matrix
                    .to_i2_s(&entry.ours)
                    .map_err(|source| ConvertError::Ternary { path: folder.into(), source })?;
                sink.data(&entry.ours, &data).map_err(written)?;
            }
            Kind::Norm | Kind::Rows { .. } => floats(&weights, tensor, entry, options, &mut sink, &written)?,
        }
        progress(Step { what: &entry.ours, number: number + 1, of: entries.len() });
    }
    sink.finish().and_then(Atomic::commit).map_err(written)?;
    let matrices = entries.iter().filter(|entry| matches!(entry.kind, Kind::Ternary { .. })).count();
    Ok(Done { matrices, tensors: entries.len(), bytes: needed })
}

fn kind(entry: &Entry, options: &Options) -> TensorType {
    match entry.kind {
        Kind::Ternary { .. } => TensorType::I2_S,
        Kind::Norm => TensorType::F32,
        Kind::Rows { head: true } => options.head.kind(),
        Kind::Rows { head: false } => TensorType::F16,
    }
}

/// Of matrices the reader itself knows what shapes there may be.
fn check_shape(weights: &Weights, tensor: &Tensor, entry: &Entry) -> Result<(), ConvertError> {
    let expected = match entry.kind {
        Kind::Ternary { .. } => return Ok(()),
        Kind::Norm => vec![entry.columns],
        Kind::Rows { .. } => vec![entry.rows, entry.columns],
    };
    if tensor.shape == expected && tensor.dtype != Dtype::U8 {
        return Ok(());
    }
    let expected = format!("floats of shape {expected:?}, as config.json says");
    Err(ConvertError::wrong(weights.path(tensor), &*tensor.name, tensor.shown(), expected))
}

/// Writes a tensor of floats, some rows at a time.
fn floats(
    weights: &Weights,
    tensor: &Tensor,
    entry: &Entry,
    options: &Options,
    sink: &mut Sink<Atomic>,
    written: &dyn Fn(io::Error) -> ConvertError,
) -> Result<(), ConvertError> {
    let kind = kind(entry, options);
    let rows = (PIECE / entry.columns).max(1);
    let mut data = Vec::new();
    for first in (0..entry.rows).step_by(rows) {
        let values = weights.floats(tensor, first * entry.columns, rows.min(entry.rows - first) * entry.columns)?;
        // The largest value that F16 holds; a scale of a block holds more, but such an embedding is no embedding.
        let sound = |value: &f32| value.is_finite() && (kind == TensorType::F32 || value.abs() < 65520.0);
        if let Some(at) = values.iter().position(|value| !sound(value)) {
            let place = tensor.place(first * entry.columns + at, entry.columns);
            let expected = format!("a finite number that {kind} can hold");
            return Err(ConvertError::wrong(weights.path(tensor), place, values[at].to_string(), expected));
        }
        data.clear();
        blocks::quantize(kind, &values, &mut data).map_err(|error| {
            ConvertError::wrong(weights.path(tensor), &*tensor.name, error.to_string(), "whole blocks")
        })?;
        sink.data(&entry.ours, &data).map_err(written)?;
    }
    Ok(())
}

fn describe(plan: &mut Plan, folder: &Path, config: &Config) {
    let name = folder.canonicalize().ok().and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()));
    if let Some(name) = name {
        plan.key("general.name", name.as_str());
    }
    plan.key("general.file_type", FILE_TYPE);
    plan.key("general.quantization_version", 2);
    let architecture = config.graph.architecture();
    let mut own = |key: &str, value: u32| plan.key(&format!("{architecture}.{key}"), value);
    own("vocab_size", config.vocab_size);
    own("context_length", config.context_length);
    own("embedding_length", config.hidden_size);
    own("block_count", config.num_layers);
    own("feed_forward_length", config.intermediate_size);
    own("rope.dimension_count", config.head_dim);
    own("attention.head_count", config.num_heads);
    own("attention.head_count_kv", config.num_kv_heads);
    if config.head_dim * config.num_heads != config.hidden_size {
        own("attention.key_length", config.head_dim);
        own("attention.value_length", config.head_dim);
    }
    plan.key(&format!("{architecture}.attention.layer_norm_rms_epsilon"), config.rms_norm_eps);
    plan.key(&format!("{architecture}.rope.freq_base"), config.rope_theta);
    if config.graph == Graph::Bitnet {
        plan.key(&format!("{architecture}.hidden_activation"), "silu");
    }
}
