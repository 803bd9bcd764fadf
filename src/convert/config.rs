//! What `config.json` says: the graph, its sizes, and what the numbers beside packed weights mean.

use std::path::Path;

use tern_folder::{Json, one_or_many, ternary::ScaleMeans};

use crate::ConvertError;

/// Which graph a file gets, by its name in GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Graph {
    /// ReLU², sub-norms.
    Bitnet158,
    /// SiLU, sub-norms.
    Bitnet,
    /// SiLU, no sub-norms; rows of q and k permuted.
    Llama,
}

impl Graph {
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Bitnet158 => "bitnet-b1.58",
            Self::Bitnet => "bitnet",
            Self::Llama => "llama",
        }
    }
}

/// A model's shape.
#[derive(Debug)]
pub(crate) struct Config {
    pub graph: Graph,
    pub scale_means: ScaleMeans,
    pub hidden_size: u32,
    pub intermediate_size: u32,
    pub num_layers: u32,
    pub num_heads: u32,
    pub num_kv_heads: u32,
    pub head_dim: u32,
    pub vocab_size: u32,
    pub context_length: u32,
    pub rms_norm_eps: f32,
    pub rope_theta: f32,
    pub tied: bool,
    pub bos_token_id: Option<u32>,
    pub eos_token_id: Option<u32>,
}

impl Config {
    pub fn read(folder: &Path) -> Result<Self, ConvertError> {
        let json = Json::read(folder, "config.json")?;
        let graph = graph(&json)?;
        let scale_means = quantization(&json, graph)?;
        let refuse = |field: &str, allowed: &[Option<&str>], expected: &str| match json.at(field) {
            value if allowed.contains(&value.as_str()) && (value.is_null() || value.is_string()) => {
                Ok::<(), ConvertError>(())
            }
            _ => Err(json.wrong(field, expected)),
        };
        if json.at("attention_bias").as_bool() == Some(true) || json.at("mlp_bias").as_bool() == Some(true) {
            return Err(json.wrong("attention_bias", "no biases: ternary graphs have none"));
        }
        for field in ["rope_scaling", "rope_parameters"] {
            for name in ["rope_type", "type"] {
                refuse(&format!("{field}.{name}"), &[None, Some("default")], "\"default\": no scaling is supported")?;
            }
        }
        let num_heads = json.size("num_attention_heads")?;
        let hidden_size = json.size("hidden_size")?;
        let head_dim = match json.size_if_there("head_dim")? {
            Some(size) => size,
            None if hidden_size.is_multiple_of(num_heads) => hidden_size / num_heads,
            None => return Err(json.wrong("num_attention_heads", format!("a divisor of hidden_size {hidden_size}"))),
        };
        let num_kv_heads = json.size_if_there("num_key_value_heads")?.unwrap_or(num_heads);
        if !num_heads.is_multiple_of(num_kv_heads) || !head_dim.is_multiple_of(2) {
            let expected = format!("a divisor of num_attention_heads {num_heads}, and heads of even width");
            return Err(json.wrong("num_key_value_heads", expected));
        }
        let float = |field: &str| json.at(field).as_f64().filter(|&number| number > 0.0);
        let rope_theta = float("rope_theta").or_else(|| float("rope_parameters.rope_theta"));
        // What transformers takes when the file is silent.
        let usual_theta = if graph == Graph::Bitnet158 { 500_000.0 } else { 10_000.0 };
        let eps =
            float("rms_norm_eps").ok_or_else(|| -> ConvertError { json.wrong("rms_norm_eps", "a number above 0") })?;
        let id = |field: &str| one_or_many(json.at(field)).first()?.as_u64()?.try_into().ok();
        Ok(Self {
            graph,
            scale_means,
            hidden_size,
            intermediate_size: json.size("intermediate_size")?,
            num_layers: json.size("num_hidden_layers")?,
            num_heads,
            num_kv_heads,
            head_dim,
            vocab_size: json.size("vocab_size")?,
            context_length: json.size("max_position_embeddings")?,
            rms_norm_eps: eps as f32,
            rope_theta: rope_theta.unwrap_or(usual_theta) as f32,
            tied: json.at("tie_word_embeddings").as_bool().unwrap_or(false),
            bos_token_id: id("bos_token_id"),
            eos_token_id: id("eos_token_id"),
        })
    }
}

fn graph(json: &Json) -> Result<Graph, ConvertError> {
    let act = json.at("hidden_act");
    let graph = match (json.at("architectures").get(0).and_then(|name| name.as_str()), act.as_str()) {
        (Some("BitNetForCausalLM"), Some("relu2") | None) => Graph::Bitnet158,
        // The second is the name in the models of 1bitLLM.
        (Some("BitNetForCausalLM" | "BitnetForCausalLM"), Some("silu")) => Graph::Bitnet,
        (Some("LlamaForCausalLM"), Some("silu") | None) => Graph::Llama,
        (Some("BitNetForCausalLM" | "BitnetForCausalLM"), _) => {
            return Err(json.wrong("hidden_act", "\"relu2\" or \"silu\""));
        }
        (Some("LlamaForCausalLM"), _) => return Err(json.wrong("hidden_act", "\"silu\"")),
        _ => return Err(json.wrong("architectures", "BitNetForCausalLM, or LlamaForCausalLM with ternary weights")),
    };
    Ok(graph)
}

/// Reads `quantization_config`, which a Llama must have.
fn quantization(json: &Json, graph: Graph) -> Result<ScaleMeans, ConvertError> {
    const AT: &str = "quantization_config";
    if json.at(AT).is_null() && graph == Graph::Llama {
        return Err(json.wrong(AT, "one with quant_method \"bitnet\"; other Llama models are not ternary"));
    }
    Ok(ScaleMeans::read(json)?)
}
