//! From a header to what the server shows and plans with.

use tern_engine::{Capability, ModelInfo};

use crate::{GgufError, Header, TensorInfo, Value, file_type};

/// Keys of the tokenizer that others look for too.
pub const TOKENS: &str = "tokenizer.ggml.tokens";
/// The chat template (Jinja).
pub const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

// Architectures whose models only embed (llama.cpp's names).
const EMBEDDING: &[&str] = &[
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "gte",
    "gemma-embedding",
    "t5encoder",
    "llama-embed",
];

// Architectures that read a whole text at once and keep no keys and values of it. The others in the list above are
// decoders that someone trained to embed.
const NO_CACHE: &[&str] = &[
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "gte",
    "gemma-embedding",
    "t5encoder",
];

// Files that are parts of other models and answer nothing by themselves.
const NOT_TEXT: &[&str] = &["clip", "wavtokenizer-dec", "imatrix", "adapter"];

// `<arch>.pooling_type`: no pooling, and pooling into the score of a reranker.
const POOLING_NONE: u32 = 0;
const POOLING_RANK: u32 = 4;

// The last matrix of a classifier. llama.cpp's converter names no pooling type for rerankers that are encoders
// (bge-reranker): only this tells them from models that embed.
const CLASSIFIER: &str = "cls.output.weight";

/// What the header of a model in one file says.
///
/// # Errors
/// `Value` when the architecture is missing.
pub fn model_info(header: &Header) -> Result<ModelInfo, GgufError> {
    model_info_of_parts(std::slice::from_ref(header))
}

/// What the headers of a model in several files say: metadata of the first, tensors of all. Numbers that the file does
/// not give are 0.
///
/// # Errors
/// `Value` when the architecture is missing.
pub fn model_info_of_parts(parts: &[Header]) -> Result<ModelInfo, GgufError> {
    let architecture = parts.first().and_then(|header| header.str("general.architecture"));
    let (Some(header), Some(architecture)) = (parts.first(), architecture) else {
        return Err(GgufError::Value {
            key: "general.architecture".into(),
            got: "nothing".into(),
            expected: "the name of the model's architecture, such as \"llama\"".into(),
        });
    };
    let tensors = || parts.iter().flat_map(Header::tensors);
    let keys = Keys { header, architecture };
    let classifies = tensors().any(|tensor| tensor.name == CLASSIFIER);
    let vocab_size = header.array_len(TOKENS).map(|len| len as u32).or_else(|| keys.u32("vocab_size"));
    let hidden_size = keys.u32("embedding_length").unwrap_or(0);
    let num_layers = keys.u32("block_count").unwrap_or(0);
    let heads = keys.per_layer("attention.head_count", num_layers);
    let kv_heads = keys.per_layer("attention.head_count_kv", num_layers).or_else(|| heads.clone());
    let num_heads = widest(heads.as_ref());
    Ok(ModelInfo {
        name: header.str("general.name").map(str::to_owned),
        architecture: architecture.into(),
        quantization: file_type::label(header, tensors()),
        parameters: sum(tensors(), TensorInfo::values),
        weights_bytes: sum(tensors(), |tensor| tensor.bytes),
        context_length: keys.u32("context_length").unwrap_or(0),
        vocab_size: vocab_size.unwrap_or(0),
        hidden_size,
        num_layers,
        num_heads,
        num_kv_heads: widest(kv_heads.as_ref()),
        kv_values_per_token: keys.kv_values(kv_heads.as_ref(), hidden_size, num_heads),
        chat_template: header.str(CHAT_TEMPLATE).map(str::to_owned),
        bos_token: token_spelling(header, "tokenizer.ggml.bos_token_id"),
        eos_token: token_spelling(header, "tokenizer.ggml.eos_token_id"),
        capabilities: keys.capabilities(classifies),
        license: header.str("general.license").map(str::to_owned),
    })
}

/// The spelling of the token whose id stands under `key`.
pub fn token_spelling(header: &Header, key: &str) -> Option<String> {
    let id = header.u32(key)?;
    let token = header.strings(TOKENS)?.nth(id as usize)?;
    Some(String::from_utf8_lossy(token).into_owned())
}

fn sum<'a>(tensors: impl Iterator<Item = &'a TensorInfo>, of: impl Fn(&TensorInfo) -> u64) -> u64 {
    tensors.map(of).fold(0, u64::saturating_add)
}

/// A number for each layer: often one for all.
#[derive(Clone)]
struct PerLayer {
    values: Vec<u32>,
    // How many layers the last value stands for.
    layers: u32,
}

impl PerLayer {
    fn sum(&self) -> u64 {
        match self.values[..] {
            [all] => u64::from(all) * u64::from(self.layers),
            _ => self.values.iter().take(self.layers as usize).map(|&n| u64::from(n)).sum(),
        }
    }
}

fn widest(heads: Option<&PerLayer>) -> u32 {
    heads.and_then(|heads| heads.values.iter().copied().max()).unwrap_or(0)
}

/// Keys that begin with the architecture's name.
struct Keys<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Keys<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.header.metadata(&format!("{}.{name}", self.architecture))
    }

    fn u32(&self, name: &str) -> Option<u32> {
        self.get(name)?.as_u32()
    }

    fn per_layer(&self, name: &str, layers: u32) -> Option<PerLayer> {
        let values = match self.get(name)? {
            Value::Array(_) => {
                let key = format!("{}.{name}", self.architecture);
                self.header.values(&key)?.map(|value| value.as_u32()).collect::<Option<_>>()?
            }
            value => vec![value.as_u32()?],
        };
        Some(PerLayer { values, layers })
    }

    /// Keys and values a token adds, over all layers. An upper bound for models with sliding windows.
    fn kv_values(&self, kv_heads: Option<&PerLayer>, hidden_size: u32, num_heads: u32) -> u64 {
        let (Some(kv_heads), false) = (kv_heads, NO_CACHE.contains(&self.architecture)) else { return 0 };
        let default = hidden_size.checked_div(num_heads).unwrap_or(0);
        let key = self.u32("attention.key_length").unwrap_or(default);
        let value = self.u32("attention.value_length").unwrap_or(default);
        kv_heads.sum().saturating_mul(u64::from(key) + u64::from(value))
    }

    fn capabilities(&self, classifies: bool) -> Vec<Capability> {
        let pooling = self.u32("pooling_type");
        let pools = pooling.is_some_and(|pooling| pooling != POOLING_NONE);
        if NOT_TEXT.contains(&self.architecture) {
            Vec::new()
        } else if pooling == Some(POOLING_RANK) || (pooling.is_none() && classifies) {
            vec![Capability::Rerank]
        } else if EMBEDDING.contains(&self.architecture) || pools {
            vec![Capability::Embedding]
        } else {
            vec![Capability::Completion, Capability::Chat]
        }
    }
}
