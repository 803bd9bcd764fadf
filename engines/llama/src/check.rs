//! What a file must be before llama.cpp may see it.
//!
//! llama.cpp reports most of what is wrong with a file, but not all: some values reach an assert (`abort()`), a division
//! by zero or an array index. Each rule here stands for one of those places, found in llama.cpp's sources as of
//! llama-cpp-sys-2 0.1.161 (`llama-model.cpp`, `llama-vocab.cpp`, `ggml-cpu/ops.cpp`); what llama.cpp reports itself
//! is left to it. That the header is well-formed and no tensor lies outside the file is `tern-gguf`'s promise.

use std::collections::HashSet;

use tern_gguf::{Header, TensorInfo, TensorType, ValueType};

use crate::heads;

/// What is wrong, for a message that names the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No program could run it.
    Invalid(String),
    /// It is sound, but not for this engine.
    Unsupported(String),
}

use Problem::{Invalid, Unsupported};

/// `LLAMA_MAX_LAYERS`.
const MAX_LAYERS: u32 = 512;
/// `LLAMA_MAX_EXPERTS`.
const MAX_EXPERTS: u32 = 1024;

/// Architectures that are parts of something else, or that generate in a way no decoder of ours drives.
const PARTS: &[(&str, &str)] = &[
    ("clip", "a vision or audio projector (mmproj), which works beside a model and not alone"),
    ("eagle3", "a draft head for speculative decoding, not a model"),
    ("dflash", "a draft head for speculative decoding, not a model"),
    ("gemma4-assistant", "a draft head for speculative decoding, not a model"),
    ("t5", "an encoder-decoder model; the llama engine runs decoders and encoders"),
    ("wavtokenizer-dec", "a speech decoder, not a text model"),
    ("qwen3tts", "a speech model, not a text model"),
    ("pockettts", "a speech model, not a text model"),
    ("dream", "a diffusion model, which does not generate token by token"),
    ("llada", "a diffusion model, which does not generate token by token"),
    ("llada-moe", "a diffusion model, which does not generate token by token"),
    ("rnd1", "a diffusion model, which does not generate token by token"),
];

/// Everything that is cheap: all but the spelling of the tokens.
///
/// `parts` are the headers of a model's files, one unless it is split; the first has the metadata.
pub(crate) fn header(parts: &[Header]) -> Result<(), Problem> {
    let Some(header) = parts.first() else { return Err(Invalid("no file".into())) };
    let architecture = architecture(header)?;
    kind(header, architecture)?;
    if parts.iter().all(|part| part.tensors().is_empty()) {
        return Err(Unsupported("it holds a vocabulary and no weights".into()));
    }
    parts.iter().flat_map(Header::tensors).try_for_each(tensor)?;
    shape(header, architecture)?;
    floats(header, architecture)?;
    vocabulary_size(header)?;
    Ok(())
}

/// `general.architecture`.
pub(crate) fn architecture(header: &Header) -> Result<&str, Problem> {
    header
        .str("general.architecture")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Invalid("general.architecture is missing: not a language model".into()))
}

fn kind(header: &Header, architecture: &str) -> Result<(), Problem> {
    if let Some((_, what)) = PARTS.iter().find(|(name, _)| *name == architecture) {
        return Err(Unsupported(format!("architecture {architecture}: {what}")));
    }
    match header.str("general.type") {
        None | Some("model" | "") => Ok(()),
        Some("adapter") => Err(Unsupported("a LoRA adapter, not a model".into())),
        Some(other) => Err(Unsupported(format!("general.type is \"{other}\", expected a model"))),
    }
}

/// ggml has kernels for some types only, and calls a null pointer for the others.
fn tensor(tensor: &TensorInfo) -> Result<(), Problem> {
    use TensorType as T;
    let what = format!("{}: tensor type {} ({})", tensor.name, tensor.kind.number(), tensor.kind);
    match tensor.kind {
        T::I2_S | T::IQ2_BN => Err(Unsupported(format!("{what} is not llama.cpp's; it needs the bitnet engine"))),
        // A table from token to expert, which is looked up and never multiplied.
        T::I32 if tensor.name.contains("tid2eid") => Ok(()),
        T::Q8_1 | T::Q8_K | T::I8 | T::I16 | T::I32 | T::I64 | T::F64 => {
            Err(Unsupported(format!("{what} is no type for weights in llama.cpp")))
        }
        kind if tensor.shape.len() == 1 && kind != T::F32 => {
            Err(Unsupported(format!("{what}: llama.cpp wants vectors (norms, biases) in F32")))
        }
        _ => Ok(()),
    }
}

/// A number for all layers, or one for each: the values there are.
fn per_layer(header: &Header, key: &str) -> Vec<u64> {
    match header.metadata(key) {
        Some(value) if value.as_array().is_some() => header
            .values(key)
            .map(|values| values.map(|value| value.as_u64().unwrap_or(0)).collect())
            .unwrap_or_default(),
        Some(value) => vec![value.as_u64().unwrap_or(0)],
        None => Vec::new(),
    }
}

fn shape(header: &Header, architecture: &str) -> Result<(), Problem> {
    let key = |name: &str| format!("{architecture}.{name}");
    let number = |name: &str| header.u32(&key(name));
    let bad = |name: &str, got: u64, expected: &str| Err(Invalid(format!("{}: {got}, expected {expected}", key(name))));

    for (name, most) in
        [("block_count", MAX_LAYERS), ("context_length", i32::MAX as u32), ("embedding_length", 1 << 20)]
    {
        let Some(got) = number(name) else {
            return Err(Invalid(format!("{} is missing or not a number", key(name))));
        };
        if got == 0 || got > most {
            return bad(name, got.into(), &format!("1 to {most}"));
        }
    }
    let layers = number("block_count").unwrap_or(0);
    let hidden = number("embedding_length").unwrap_or(0);
    if let Some(more) = number("nextn_predict_layers")
        && more > layers
    {
        return bad("nextn_predict_layers", more.into(), &format!("at most {layers}, the number of layers"));
    }
    experts(header, architecture)?;

    let heads = per_layer(header, &key("attention.head_count"));
    if let Some(&got) = heads.iter().find(|&&got| got > u64::from(hidden)) {
        return bad("attention.head_count", got, &format!("at most {hidden}, the hidden size"));
    }
    let kv_heads = per_layer(header, &key("attention.head_count_kv"));
    let pairs = (0..heads.len().max(kv_heads.len()))
        .filter_map(|layer| Some((heads.get(layer).or(heads.last())?, kv_heads.get(layer).or(kv_heads.last())?)));
    for (&q, &kv) in pairs {
        if kv > 0 && q > 0 && (kv > q || q % kv != 0) {
            return bad("attention.head_count_kv", kv, &format!("a divisor of the {q} heads"));
        }
    }
    let first = heads.first().copied().unwrap_or(0);
    if let Some(usual) = u64::from(hidden).checked_div(first) {
        heads::check(header, architecture, usual)?;
    }
    if let Some(kind) = header.str(&key("rope.scaling.type"))
        && !["none", "linear", "yarn", "longrope"].contains(&kind)
    {
        return Err(Invalid(format!(
            "{}: \"{kind}\", expected none, linear, yarn or longrope",
            key("rope.scaling.type")
        )));
    }
    Ok(())
}

fn experts(header: &Header, architecture: &str) -> Result<(), Problem> {
    let key = |name: &str| format!("{architecture}.{name}");
    let number = |name: &str| u64::from(header.u32(&key(name)).unwrap_or(0));
    // llama.cpp itself reads one expert as none in these.
    if architecture.starts_with("hunyuan") {
        return Ok(());
    }
    let count = number("expert_count");
    let used = per_layer(header, &key("expert_used_count")).into_iter().max().unwrap_or(0);
    let (groups, groups_used) = (number("expert_group_count"), number("expert_group_used_count"));
    if count > MAX_EXPERTS.into() {
        return Err(Invalid(format!("{}: {count}, expected at most {MAX_EXPERTS}", key("expert_count"))));
    }
    let sound = if count == 0 {
        used == 0 && groups == 0
    } else {
        let grouped = groups <= 1 || (count % groups == 0 && groups_used > 0 && groups_used < groups);
        (1..=count).contains(&used) && groups < count && grouped
    };
    if !sound {
        return Err(Invalid(format!(
            "{architecture}: {used} of {count} experts in {groups_used} of {groups} groups do not fit together"
        )));
    }
    Ok(())
}

/// Epsilons that ggml asserts to be no less than zero.
fn floats(header: &Header, architecture: &str) -> Result<(), Problem> {
    for name in ["attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon", "attention.group_norm_epsilon"] {
        let key = format!("{architecture}.{name}");
        if let Some(got) = header.f32(&key)
            && !(got >= 0.0 && got.is_finite())
        {
            return Err(Invalid(format!("{key}: {got}, expected a number no less than 0")));
        }
    }
    Ok(())
}

fn vocabulary_size(header: &Header) -> Result<(), Problem> {
    match header.str("tokenizer.ggml.model") {
        None | Some("no_vocab" | "none") => {
            return Err(Unsupported("it has no vocabulary (tokenizer.ggml.model), so no text can be read".into()));
        }
        Some(_) => {}
    }
    let tokens = header.metadata("tokenizer.ggml.tokens").and_then(|value| value.as_array());
    match tokens {
        Some(array) if array.kind == ValueType::String && (1..=i32::MAX as usize).contains(&array.len) => Ok(()),
        _ => Err(Invalid("tokenizer.ggml.tokens: expected a list of strings".into())),
    }
}

/// The spelling of the tokens: no two may be the same, and a vocabulary that falls back to bytes must have them all.
///
/// llama.cpp reads a token up to its first NUL and renames empty ones, and so must we.
pub(crate) fn vocabulary(header: &Header) -> Result<(), Problem> {
    let Some(tokens) = header.strings("tokenizer.ggml.tokens") else {
        return Err(Invalid("tokenizer.ggml.tokens: expected a list of strings".into()));
    };
    let mut seen = HashSet::with_capacity(header.array_len("tokenizer.ggml.tokens").unwrap_or(0));
    for (id, token) in tokens.enumerate() {
        let token = token.split(|&byte| byte == 0).next().unwrap_or_default();
        let fresh = token.is_empty() || seen.insert(token);
        if !fresh {
            return Err(Invalid(format!(
                "tokenizer.ggml.tokens: token {id} \"{}\" occurs twice",
                String::from_utf8_lossy(token)
            )));
        }
        if token.starts_with(b"[EMPTY_") && token.ends_with(b"]") {
            return Err(Invalid(format!(
                "tokenizer.ggml.tokens: token {id} has a name that llama.cpp gives to empty ones"
            )));
        }
    }
    if header.str("tokenizer.ggml.model") == Some("llama") {
        let missing = (0..=255_u8).find(|&byte| {
            let spelled = format!("<0x{byte:02X}>");
            !seen.contains(spelled.as_bytes()) && (byte == 0 || !seen.contains([byte].as_slice()))
        });
        if let Some(byte) = missing {
            return Err(Unsupported(format!(
                "the SentencePiece vocabulary has no token for byte {byte:#04x}, and llama.cpp cannot read text without it"
            )));
        }
    }
    Ok(())
}
