//! What `config.json` says of a decoder-only model, by the names of transformers 4 and 5.

use tern_engine::EngineError;
use tern_folder::Json;

use super::rope::{Rope, Scaling};

/// Most layers, and most of anything else that is no width.
const MOST: usize = 1 << 10;
/// Widest of anything.
const WIDEST: usize = 1 << 20;

/// What stands between gate and up projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `silu(g) * u`.
    Silu,
    /// `relu(g)^2 * u`.
    Relu2,
}

/// Sizes and switches of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub num_layers: usize,
    pub hidden_size: usize,
    pub ffn_size: usize,
    pub num_heads: usize,
    /// Divides `num_heads`.
    pub num_kv_heads: usize,
    pub head_size: usize,
    pub vocab_size: usize,
    pub context_length: u32,
    pub norm_eps: f64,
    pub rope: Rope,
    pub gate: Gate,
    /// Biases of the projections of queries, keys and values.
    pub qkv_bias: bool,
    /// A bias of attention's output projection.
    pub output_bias: bool,
    /// Biases of the feed-forward network.
    pub ffn_bias: bool,
    /// Norms over each head of queries and keys.
    pub head_norms: bool,
    /// BitNet: norms before the last projections of attention and feed-forward network, ternary matrices, and activations
    /// rounded to 8 bits.
    pub ternary: Option<Ternary>,
    /// Whether the embedding is the output matrix too.
    pub tied: bool,
    /// For each layer: how many of the newest tokens it sees, its own among them, if not all.
    pub windows: Vec<Option<u32>>,
}

/// What is particular to a ternary model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ternary {
    /// Norms before the last projections of attention and feed-forward network.
    pub sub_norms: bool,
}

impl Config {
    /// Reads the settings of the architecture `name`.
    pub fn read(json: &Json, name: &str) -> Result<Self, EngineError> {
        let size = |field: &str, most: usize| -> Result<usize, EngineError> {
            let size = json.size(field)? as usize;
            if size <= most { Ok(size) } else { Err(json.wrong(field, format!("at most {most}"))) }
        };
        let flag = |field: &str| json.at(field).as_bool().unwrap_or(false);
        let hidden_size = size("hidden_size", WIDEST)?;
        let num_heads = size("num_attention_heads", MOST)?;
        let num_kv_heads = json.size_if_there("num_key_value_heads")?.map_or(num_heads, |heads| heads as usize);
        let head_size = match json.size_if_there("head_dim")? {
            Some(size) => size as usize,
            None => hidden_size / num_heads,
        };
        if !num_heads.is_multiple_of(num_kv_heads) {
            return Err(json.wrong("num_key_value_heads", format!("a divisor of the {num_heads} heads")));
        }
        if head_size == 0 || head_size > WIDEST || !head_size.is_multiple_of(2) {
            return Err(json.wrong("head_dim", "an even number, or a hidden_size that holds all heads"));
        }
        let norm_eps = json.at("rms_norm_eps").as_f64().unwrap_or(1e-6);
        if !(0.0..=1.0).contains(&norm_eps) {
            return Err(json.wrong("rms_norm_eps", "0 to 1"));
        }
        let bitnet = name == "BitNetForCausalLM";
        let gate = match json.at("hidden_act").as_str() {
            Some("silu" | "swish") => Gate::Silu,
            None if !bitnet => Gate::Silu,
            Some("relu2") if bitnet => Gate::Relu2,
            None if bitnet => Gate::Relu2,
            _ => return Err(json.wrong("hidden_act", "silu, or relu2 of a BitNet")),
        };
        let attention_bias = flag("attention_bias");
        let num_layers = size("num_hidden_layers", MOST)?;
        Ok(Self {
            num_layers,
            hidden_size,
            ffn_size: size("intermediate_size", WIDEST)?,
            num_heads,
            num_kv_heads,
            head_size,
            vocab_size: size("vocab_size", 1 << 24)?,
            context_length: json.size("max_position_embeddings")?,
            norm_eps,
            rope: rope(json)?,
            gate,
            qkv_bias: name == "Qwen2ForCausalLM" || attention_bias,
            output_bias: attention_bias && name != "Qwen2ForCausalLM",
            ffn_bias: flag("mlp_bias"),
            head_norms: name == "Qwen3ForCausalLM",
            ternary: bitnet.then_some(Ternary { sub_norms: true }),
            tied: json.at("tie_word_embeddings").as_bool().unwrap_or(false),
            windows: windows(json, name, num_layers)?,
        })
    }

    /// Width of all query heads together.
    pub fn across(&self) -> usize {
        self.num_heads * self.head_size
    }

    /// Width of all key heads together.
    pub fn kv_width(&self) -> usize {
        self.num_kv_heads * self.head_size
    }

    /// Weights of the matrices.
    pub fn parameters(&self) -> u64 {
        let (hidden, across, kv) = (self.hidden_size as u64, self.across() as u64, self.kv_width() as u64);
        let layer = hidden * (2 * across + 2 * kv + 3 * self.ffn_size as u64);
        let rows = self.vocab_size as u64 * if self.tied { 1 } else { 2 };
        (self.num_layers as u64).saturating_mul(layer).saturating_add(rows.saturating_mul(hidden))
    }

    /// Keys and values that a token adds, in numbers, over all layers.
    pub fn kv_values_per_token(&self) -> u64 {
        2 * (self.num_layers * self.kv_width()) as u64
    }
}

/// transformers 5 has everything in `rope_parameters`; before, the base stood apart and the type had two names.
fn rope(json: &Json) -> Result<Rope, EngineError> {
    let place = if json.at("rope_parameters").is_object() { "rope_parameters" } else { "rope_scaling" };
    let number = |field: &str| -> Result<f64, EngineError> {
        let field = format!("{place}.{field}");
        let number = json.at(&field).as_f64().filter(|number| *number > 0.0 && *number < 1e12);
        number.ok_or_else(|| json.wrong(&field, "a number above 0"))
    };
    let base = match json.at(&format!("{place}.rope_theta")) {
        there if !there.is_null() => number("rope_theta")?,
        _ => match json.at("rope_theta") {
            none if none.is_null() => 10_000.0,
            value => value
                .as_f64()
                .filter(|base| (1.0..1e12).contains(base))
                .ok_or_else(|| -> EngineError { json.wrong("rope_theta", "a number of 1 or more") })?,
        },
    };
    let named = |field: &str| json.at(&format!("{place}.{field}")).as_str().map(str::to_owned);
    let scaling = match named("rope_type").or_else(|| named("type")).as_deref() {
        None | Some("default") => Scaling::None,
        Some("linear") => Scaling::Linear { factor: number("factor")? },
        Some("llama3") => Scaling::Llama3 {
            factor: number("factor")?,
            low: number("low_freq_factor")?,
            high: number("high_freq_factor")?,
            original: number("original_max_position_embeddings")?,
        },
        Some(other) => {
            return Err(EngineError::Unsupported {
                path: json.path.clone(),
                message: format!("{place}: rotary scaling \"{other}\"; default, linear and llama3 are known"),
            });
        }
    };
    Ok(Rope { base, scaling })
}

/// A window stands in many files that do not use it: with `use_sliding_window: false`, or as null.
fn windows(json: &Json, name: &str, layers: usize) -> Result<Vec<Option<u32>>, EngineError> {
    let switched = json.at("use_sliding_window").as_bool();
    let used = match name {
        "MistralForCausalLM" => switched != Some(false),
        "Qwen2ForCausalLM" | "Qwen3ForCausalLM" => switched == Some(true),
        _ => false,
    };
    let window = if used { json.size_if_there("sliding_window")? } else { None };
    let Some(window) = window else { return Ok(vec![None; layers]) };
    if let Some(types) = json.at("layer_types").as_array() {
        if types.len() != layers {
            return Err(json.wrong("layer_types", format!("one for each of the {layers} layers")));
        }
        return Ok(types.iter().map(|kind| (kind == "sliding_attention").then_some(window)).collect());
    }
    // Qwen's first layers see everything; Mistral's none.
    let whole = if name == "MistralForCausalLM" { 0 } else { json.at("max_window_layers").as_u64().unwrap_or(28) };
    Ok((0..layers as u64).map(|layer| (layer >= whole).then_some(window)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(name: &str, change: Value) -> Result<Config, EngineError> {
        let mut value = json!({
            "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 3,
            "vocab_size": 100, "max_position_embeddings": 256, "hidden_act": "silu", "rms_norm_eps": 1e-5,
        });
        for (field, new) in change.as_object().unwrap() {
            value[field] = new.clone();
        }
        Config::read(&Json { path: "config.json".into(), value }, name)
    }

    #[test]
    fn a_window_that_is_switched_off_is_no_window() {
        let off = json!({"sliding_window": 16, "use_sliding_window": false, "max_window_layers": 1});
        assert_eq!(read("Qwen2ForCausalLM", off).unwrap().windows, [None; 3]);
        let on = json!({"sliding_window": 16, "use_sliding_window": true, "max_window_layers": 1});
        assert_eq!(read("Qwen2ForCausalLM", on).unwrap().windows, [None, Some(16), Some(16)]);
        let null = json!({"sliding_window": null});
        assert_eq!(read("MistralForCausalLM", null).unwrap().windows, [None; 3]);
        let mistral = json!({"sliding_window": 16});
        assert_eq!(read("MistralForCausalLM", mistral).unwrap().windows, [Some(16); 3]);
        let each = json!({"sliding_window": 8, "use_sliding_window": true,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"]});
        assert_eq!(read("Qwen3ForCausalLM", each).unwrap().windows, [None, Some(8), None]);
    }

    #[test]
    fn the_rotary_base_is_found_where_either_version_writes_it() {
        let base = |change| read("LlamaForCausalLM", change).unwrap().rope;
        assert_eq!(base(json!({"rope_theta": 5e5})), Rope { base: 5e5, scaling: Scaling::None });
        let five = json!({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}});
        assert_eq!(base(five), Rope { base: 1e6, scaling: Scaling::None });
        let llama3 = json!({"rope_theta": 5e5, "rope_scaling": {"type": "llama3", "factor": 8.0,
            "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}});
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 64.0 };
        assert_eq!(base(llama3), Rope { base: 5e5, scaling });
    }

    #[test]
    fn what_is_not_known_or_impossible_is_refused_with_its_field() {
        for (change, says) in [
            (json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}), "yarn"),
            (json!({"hidden_act": "gelu"}), "hidden_act"),
            (json!({"num_key_value_heads": 3}), "num_key_value_heads"),
            (json!({"num_hidden_layers": 100_000}), "num_hidden_layers"),
            (json!({"head_dim": 3}), "head_dim"),
        ] {
            let error = read("LlamaForCausalLM", change).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
