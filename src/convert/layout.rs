//! Which tensor of a folder becomes which of the file, in the order of the file.

use tern_folder::Weights;

use crate::config::{Config, Graph};

/// What becomes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Rows of floats, in the type of the head or in F16.
    Rows { head: bool },
    /// A vector, in F32.
    Norm,
    /// Codes and a scale; the rows of `rotary` heads are interleaved.
    Ternary { rotary: Option<u32> },
}

/// A tensor of the file and where it comes from.
#[derive(Debug)]
pub(crate) struct Entry {
    pub ours: String,
    pub theirs: String,
    pub kind: Kind,
    pub rows: usize,
    pub columns: usize,
}

/// All tensors of the file.
pub(crate) fn entries(config: &Config, weights: &Weights) -> Vec<Entry> {
    let (hidden, ffn, vocabulary) =
        (config.hidden_size as usize, config.intermediate_size as usize, config.vocab_size as usize);
    let head_dim = config.head_dim as usize;
    let (queries, keys) = (config.num_heads as usize * head_dim, config.num_kv_heads as usize * head_dim);
    let mut entries = Vec::new();
    let mut add = |ours: String, theirs: String, kind, rows, columns| {
        entries.push(Entry { ours, theirs, kind, rows, columns });
    };
    let rows = |head| Kind::Rows { head };
    add("token_embd.weight".into(), "model.embed_tokens.weight".into(), rows(config.tied), vocabulary, hidden);
    for layer in 0..config.num_layers {
        let ours = |name: &str| format!("blk.{layer}.{name}.weight");
        // The later name is that of 1bitLLM's models.
        let theirs = |names: &[&str]| {
            let mut names = names.iter().map(|name| format!("model.layers.{layer}.{name}.weight"));
            names.clone().find(|name| weights.get(name).is_some()).or_else(|| names.next()).unwrap_or_default()
        };
        let mut norm = |name: &str, names: &[&str], size| add(ours(name), theirs(names), Kind::Norm, 1, size);
        norm("attn_norm", &["input_layernorm"], hidden);
        norm("ffn_norm", &["post_attention_layernorm"], hidden);
        if config.graph != Graph::Llama {
            norm("attn_sub_norm", &["self_attn.attn_sub_norm", "self_attn.inner_attn_ln"], queries);
            norm("ffn_sub_norm", &["mlp.ffn_sub_norm", "mlp.ffn_layernorm"], ffn);
        }
        let rotary = |heads| (config.graph == Graph::Llama).then_some(heads);
        for (name, names, rotary, rows, columns) in [
            ("attn_q", "self_attn.q_proj", rotary(config.num_heads), queries, hidden),
            ("attn_k", "self_attn.k_proj", rotary(config.num_kv_heads), keys, hidden),
            ("attn_v", "self_attn.v_proj", None, keys, hidden),
            ("attn_output", "self_attn.o_proj", None, hidden, queries),
            ("ffn_gate", "mlp.gate_proj", None, ffn, hidden),
            ("ffn_up", "mlp.up_proj", None, ffn, hidden),
            ("ffn_down", "mlp.down_proj", None, hidden, ffn),
        ] {
            add(ours(name), theirs(&[names]), Kind::Ternary { rotary }, rows, columns);
        }
    }
    add("output_norm.weight".into(), "model.norm.weight".into(), Kind::Norm, 1, hidden);
    if !config.tied {
        add("output.weight".into(), "lm_head.weight".into(), rows(true), vocabulary, hidden);
    }
    entries
}

/// Tensors that would get lost.
pub(crate) fn unused(entries: &[Entry], config: &Config, weights: &Weights) -> Vec<String> {
    let used = |name: &str| {
        let scale_of = name.strip_suffix("_scale").unwrap_or(name);
        entries.iter().any(|entry| {
            entry.theirs == name || (matches!(entry.kind, Kind::Ternary { .. }) && entry.theirs == scale_of)
        })
    };
    // Frequencies follow from the configuration; a tied head is the embedding again.
    let known = |name: &str| name.ends_with("rotary_emb.inv_freq") || (config.tied && name == "lm_head.weight");
    weights.names().filter(|name| !used(name) && !known(name)).map(str::to_owned).collect()
}
