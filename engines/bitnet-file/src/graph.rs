//! What a file computes: the graph its architecture stands for, and its sizes.
//!
//! Sizes always come from metadata; nothing is assumed about a model that is known by name, with one exception (see
//! [`Gate::of`]). Sources: bitnet.cpp and llama.cpp for tensor names and keys, Hugging Face transformers (`bitnet`, `llama`,
//! `qwen3`, `gemma3`) for what they mean.

use tern_gguf::{Header, TensorType};

use crate::error::Refusal;

/// Architectures this engine knows.
const KNOWN: &[&str] = &["bitnet-b1.58", "bitnet-25", "bitnet", "llama", "qwen3", "gemma3"];

/// What stands between gate and up projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `relu(g)^2 * u`.
    Relu2,
    /// `silu(g) * u`.
    Silu,
    /// `gelu(g) * u`, by tanh.
    Gelu,
}

impl Gate {
    /// By architecture, unless the file says otherwise.
    pub fn of(header: &Header, architecture: &str) -> Result<Self, Refusal> {
        let key = format!("{architecture}.hidden_activation");
        match header.str(&key) {
            Some("relu2") => return Ok(Self::Relu2),
            Some("silu" | "swish") => return Ok(Self::Silu),
            Some("gelu_pytorch_tanh" | "gelu_tanh") => return Ok(Self::Gelu),
            Some(other) => {
                return Err(Refusal::Unsupported(format!(
                    "{key} is \"{other}\"; relu2, silu and gelu_pytorch_tanh are known"
                )));
            }
            None => {}
        }
        Ok(match architecture {
            "bitnet-b1.58" | "bitnet-25" => Self::Relu2,
            // llama.cpp's converter writes 2B-4T, which is trained with ReLU², under the name of an older family that
            // is not. Only its sizes tell.
            "bitnet" => {
                let number = |name: &str| header.u32(&format!("{architecture}.{name}"));
                let sizes = [number("block_count"), number("embedding_length"), number("feed_forward_length")];
                if sizes == [Some(30), Some(2560), Some(6912)] { Self::Relu2 } else { Self::Silu }
            }
            "gemma3" => Self::Gelu,
            _ => Self::Silu,
        })
    }
}

/// Which numbers of a head rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `i` and `i + dims/2`.
    Halves,
    /// `2i` and `2i + 1`.
    Neighbours,
}

/// Layers that look at the newest tokens only (Gemma 3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// How many tokens such a layer sees, its own among them.
    pub tokens: u32,
    /// Every layer but each `pattern`-th has the window.
    pub pattern: u32,
    /// Base of the rotary angles of these layers.
    pub rope_base: f32,
}

impl Window {
    /// Whether layer `layer` has the window.
    pub fn covers(&self, layer: usize) -> bool {
        !(layer as u32 + 1).is_multiple_of(self.pattern)
    }
}

/// What a model computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Number of layers.
    pub num_layers: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward network.
    pub ffn_size: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key/value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Numbers of a head.
    pub head_size: usize,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Most tokens of a sequence.
    pub context_length: u32,
    /// Added to the mean square in every RMSNorm.
    pub norm_eps: f32,
    /// Numbers of a head that rotate.
    pub rope_dims: usize,
    /// Base of the rotary angles.
    pub rope_base: f32,
    /// Positions are divided by this.
    pub rope_factor: f32,
    /// Which numbers rotate together.
    pub pairing: Pairing,
    /// The gate of the feed-forward network.
    pub gate: Gate,
    /// `attn_sub_norm` and `ffn_sub_norm` before the last projections.
    pub sub_norms: bool,
    /// `*_norm_in` before every projection (BitNet-embedding).
    pub projection_norms: bool,
    /// `attn_q_norm` and `attn_k_norm` over each head.
    pub head_norms: bool,
    /// `post_attention_norm` and `post_ffw_norm` before the residual.
    pub post_norms: bool,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// Products of queries and keys are multiplied by this.
    pub attention_scale: f32,
    /// Layers with a sliding window.
    pub window: Option<Window>,
    /// Whether the model embeds (the last token's vector) instead of generating.
    pub embeds: bool,
}

/// Whether this engine is for the file: a known architecture, and ternary tensors, or an architecture that has no others.
pub fn is_ours(header: &Header) -> bool {
    let architecture = header.str("general.architecture").unwrap_or_default();
    let ternary = |kind| matches!(kind, TensorType::I2_S | TensorType::TQ1_0 | TensorType::TQ2_0);
    let has = |wanted: &dyn Fn(TensorType) -> bool| header.tensors().iter().any(|tensor| wanted(tensor.kind));
    has(&|kind| kind == TensorType::I2_S) || (architecture.starts_with("bitnet") && has(&ternary))
}

impl Graph {
    /// Reads the metadata.
    ///
    /// # Errors
    /// What is missing, impossible or not of this engine, with the key, what it says and what was expected.
    pub fn read(header: &Header) -> Result<Self, Refusal> {
        let architecture = header.str("general.architecture").unwrap_or_default();
        if !KNOWN.contains(&architecture) {
            let known = KNOWN.join(", ");
            return Err(Refusal::Unsupported(format!(
                "architecture \"{architecture}\" with ternary (i2_s) tensors; the bitnet engine knows {known}"
            )));
        }
        let keys = Keys { header, architecture };
        let hidden_size = keys.size("embedding_length", 1 << 16)?;
        let num_heads = keys.size("attention.head_count", 1 << 10)?;
        let num_kv_heads = keys.size_or("attention.head_count_kv", num_heads, 1 << 10)?;
        let head_size = keys.size_or("attention.key_length", hidden_size / num_heads, 1 << 10)?;
        let values = keys.size_or("attention.value_length", head_size, 1 << 10)?;
        let ffn_size = keys.size("feed_forward_length", 1 << 18)?;
        let rope_dims = keys.size_or("rope.dimension_count", head_size, 1 << 10)?;
        let tokens = header.array_len(tern_gguf::summary::TOKENS).unwrap_or(0);
        let vocab_size = keys.size_or("vocab_size", tokens, 1 << 22)?;

        keys.must(values == head_size, "attention.value_length", values, &format!("{head_size}, as the keys have"))?;
        keys.must(
            num_heads.is_multiple_of(num_kv_heads),
            "attention.head_count_kv",
            num_kv_heads,
            &format!("a divisor of the {num_heads} heads"),
        )?;
        keys.must(
            rope_dims <= head_size && rope_dims.is_multiple_of(2),
            "rope.dimension_count",
            rope_dims,
            &format!("an even number up to {head_size}"),
        )?;
        for (key, size) in [("embedding_length", hidden_size), ("feed_forward_length", ffn_size)] {
            keys.must(size.is_multiple_of(128), key, size, "a multiple of 128, the block of i2_s")?;
        }
        let across = num_heads * head_size;
        keys.must(
            across.is_multiple_of(128),
            "attention.head_count",
            num_heads,
            "heads that together are a multiple of 128 wide, the block of i2_s",
        )?;
        keys.must(
            (num_kv_heads * head_size).is_multiple_of(8),
            "attention.head_count_kv",
            num_kv_heads,
            "heads that together are a multiple of 8 wide",
        )?;
        keys.must(
            tokens == 0 || tokens == vocab_size,
            "vocab_size",
            vocab_size,
            &format!("{tokens}, as many tokens as the vocabulary has"),
        )?;
        let gemma = architecture == "gemma3";
        let embedding = matches!(architecture, "qwen3" | "gemma3");
        Ok(Self {
            num_layers: keys.size("block_count", 1 << 10)?,
            hidden_size,
            ffn_size,
            num_heads,
            num_kv_heads,
            head_size,
            vocab_size,
            context_length: keys.size("context_length", 1 << 24)? as u32,
            norm_eps: keys.float("attention.layer_norm_rms_epsilon", None, 0.0..=1.0)?,
            rope_dims,
            rope_base: keys.float("rope.freq_base", Some(10_000.0), 1.0..=1e12)?,
            rope_factor: keys.rope_factor()?,
            // The converter of `llama` files permutes the rows of queries and keys.
            pairing: if architecture == "llama" { Pairing::Neighbours } else { Pairing::Halves },
            gate: Gate::of(header, architecture)?,
            sub_norms: architecture.starts_with("bitnet"),
            projection_norms: embedding,
            head_norms: embedding,
            post_norms: gemma,
            embedding_scale: if gemma { (hidden_size as f32).sqrt() } else { 1.0 },
            attention_scale: keys.float("attention.scale", Some((head_size as f32).sqrt().recip()), 1e-6..=1e6)?,
            window: if gemma { keys.window()? } else { None },
            embeds: embedding,
        })
    }

    /// Keys and values that a token adds, in numbers, over all layers.
    pub fn kv_values_per_token(&self) -> u64 {
        2 * (self.num_layers * self.num_kv_heads * self.head_size) as u64
    }
}

struct Keys<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Keys<'_> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn must(&self, holds: bool, key: &str, got: usize, expected: &str) -> Result<(), Refusal> {
        if holds { Ok(()) } else { Err(Refusal::Invalid(format!("{}: {got}, expected {expected}", self.name(key)))) }
    }

    fn size(&self, key: &str, most: usize) -> Result<usize, Refusal> {
        self.size_or(key, 0, most)
    }

    fn size_or(&self, key: &str, default: usize, most: usize) -> Result<usize, Refusal> {
        let name = self.name(key);
        let got = match self.header.metadata(&name) {
            None => default,
            Some(value) => value.as_u32().ok_or_else(|| {
                Refusal::Invalid(format!("{name}: not a number that fits 32 bits, expected 1 to {most}"))
            })? as usize,
        };
        match got {
            0 if default == 0 => Err(Refusal::Invalid(format!("{name}: missing or 0, expected 1 to {most}"))),
            got if (1..=most).contains(&got) => Ok(got),
            got => Err(Refusal::Invalid(format!("{name}: {got}, expected 1 to {most}"))),
        }
    }

    fn float(&self, key: &str, default: Option<f32>, range: std::ops::RangeInclusive<f32>) -> Result<f32, Refusal> {
        let name = self.name(key);
        let expected = format!("expected {} to {}", range.start(), range.end());
        let got = self.header.f32(&name).or(default);
        let got = got.ok_or_else(|| Refusal::Invalid(format!("{name}: missing or not a number, {expected}")))?;
        // Not a number is in no range.
        if range.contains(&got) { Ok(got) } else { Err(Refusal::Invalid(format!("{name}: {got}, {expected}"))) }
    }

    fn rope_factor(&self) -> Result<f32, Refusal> {
        match self.header.str(&self.name("rope.scaling.type")) {
            None | Some("none" | "") => Ok(1.0),
            Some("linear") => self.float("rope.scaling.factor", Some(1.0), 1e-3..=1e6),
            Some(other) => Err(Refusal::Unsupported(format!(
                "{}: \"{other}\", the bitnet engine knows none and linear",
                self.name("rope.scaling.type")
            ))),
        }
    }

    fn window(&self) -> Result<Option<Window>, Refusal> {
        if self.header.metadata(&self.name("attention.sliding_window")).is_none() {
            return Ok(None);
        }
        Ok(Some(Window {
            tokens: self.size("attention.sliding_window", 1 << 24)? as u32,
            pattern: self.size_or("attention.sliding_window_pattern", 6, 1 << 10)? as u32,
            rope_base: self.float("rope.local.freq_base", Some(10_000.0), 1.0..=1e12)?,
        }))
    }
}
