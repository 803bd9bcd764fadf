//! What is known about a model before it is loaded.

use serde::{Deserialize, Serialize};

/// What a model can do. The API asks for a capability, never for an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Continues a text.
    Completion,
    /// Answers messages (it has a chat template, or the plain fallback).
    Chat,
    /// Gives a text a vector.
    Embedding,
    /// Reads images in messages.
    Vision,
    /// Finds names in a text.
    Ner,
    /// Scores documents for a query.
    Rerank,
    /// Reads the text of an image.
    Ocr,
    /// Describes an image.
    Caption,
    /// Answers a question about an image.
    VisualQuestions,
    /// Turns speech into text.
    Transcription,
}

impl Capability {
    /// As the API and the page call it: what serde writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Vision => "vision",
            Self::Ner => "ner",
            Self::Rerank => "rerank",
            Self::Ocr => "ocr",
            Self::Caption => "caption",
            Self::VisualQuestions => "visual_questions",
            Self::Transcription => "transcription",
        }
    }
}

/// A character (private use, plane 16) that a chat template may write where the text is to be cut before it is tokenized:
/// the parts are tokenized by themselves, and the character disappears. For models that were trained on prompts whose
/// parts were tokenized apart.
pub const CUT: char = '\u{10FFFC}';

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// 16-bit floats.
    #[default]
    F16,
    /// 8-bit blocks of 32 with one scale: 8.5 bits a value.
    Q8_0,
    /// 32-bit floats: nothing is rounded, for twice the memory of [`KvType::F16`].
    F32,
}

/// How an engine keeps the output matrix of a text model, where it has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// As the file has it, with an 8-bit copy beside it that finds the few rows which matter: the same logits, bit for
    /// bit, for a byte more a value.
    #[default]
    Screened,
    /// As the file has it (F16 in published BitNet files).
    F16,
    /// Rounded to 8 bits at load.
    Q8_0,
    /// Rounded to 6 bits at load: the smallest.
    Q6K,
}

impl KvType {
    /// Bytes that `values` keys or values take.
    pub fn bytes(self, values: u64) -> u64 {
        match self {
            Self::F16 => values.saturating_mul(2),
            Self::F32 => values.saturating_mul(4),
            Self::Q8_0 => values.div_ceil(32).saturating_mul(34),
        }
    }
}

/// What the header of a model says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The model's own name, if it says one.
    pub name: Option<String>,
    /// Architecture as the file names it: `llama`, `qwen2`, ...
    pub architecture: String,
    /// Kind of weights: `Q8_0`, `Q4_K_M`, `F16`, `I2_S`, ...
    pub quantization: String,
    /// Number of weights.
    pub parameters: u64,
    /// Bytes of the weights on disk.
    pub weights_bytes: u64,
    /// Tokens a sequence may hold, as the model was trained.
    pub context_length: u32,
    /// Number of tokens in the vocabulary.
    pub vocab_size: u32,
    /// Width of the hidden state.
    pub hidden_size: u32,
    /// Number of layers.
    pub num_layers: u32,
    /// Number of attention heads.
    pub num_heads: u32,
    /// Number of key/value heads.
    pub num_kv_heads: u32,
    /// Keys and values a token adds, in numbers (not bytes), over all layers.
    pub kv_values_per_token: u64,
    /// The chat template (Jinja) in the file.
    pub chat_template: Option<String>,
    /// Spelling of the BOS token, for the template.
    pub bos_token: Option<String>,
    /// Spelling of the EOS token, for the template.
    pub eos_token: Option<String>,
    /// What the model can do.
    pub capabilities: Vec<Capability>,
    /// Licence as the file states it.
    pub license: Option<String>,
}

/// What a model would take in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Weights, mapped or copied.
    pub weights_bytes: u64,
    /// KV cache for each token of context.
    pub kv_bytes_per_token: u64,
    /// Tokens of context this estimate is for.
    pub context_tokens: u32,
    /// Buffers that do not grow with the context.
    pub fixed_bytes: u64,
}

impl Cost {
    /// Bytes of the KV cache.
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes_per_token.saturating_mul(self.context_tokens.into())
    }

    /// Everything together.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes.saturating_add(self.kv_bytes()).saturating_add(self.fixed_bytes)
    }
}
