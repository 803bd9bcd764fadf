//! Folders made of the golden models, in every way that a folder can have their weights: the file is the model again.

use serde_json::json;
use tern_convert::Options;
use tern_gguf::{TensorType, blocks::half};

use crate::support::{File, Folder, Stored, made};

/// How a folder has its matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// Bytes, and the number that codes are multiplied by.
    Multiplier,
    /// Bytes, and the number that products are divided by.
    Divisor,
    /// Floats that are all -s, 0 or s.
    Ternary,
    /// Floats that are all -1, 0 or 1, and a multiplier.
    Units,
}

/// Matrices in several forms; scales are made so that F32 can hold them and what they are divided by.
fn folder(golden: &File, form: Form, heads: Option<[usize; 2]>) -> Folder {
    let folder = Folder::new();
    let mut tensors: Vec<Stored> = Vec::new();
    for tensor in golden.header.tensors() {
        let Some(name) = theirs(&tensor.name) else { continue };
        let shape: Vec<usize> = tensor.shape.iter().rev().map(|&size| size as usize).collect();
        match tensor.kind {
            TensorType::F32 => tensors.push((name, "F32", shape, golden.data(&tensor.name).to_vec())),
            TensorType::F16 => tensors.push((name, "F16", shape, golden.data(&tensor.name).to_vec())),
            _ => {
                let mut matrix = golden.matrix(&tensor.name);
                let rotary = heads.and_then(|[queries, keys]| match &*name {
                    name if name.contains("q_proj") => Some(queries),
                    name if name.contains("k_proj") => Some(keys),
                    _ => None,
                });
                if let Some(heads) = rotary {
                    apart(&mut matrix.codes, matrix.rows, matrix.columns, heads);
                }
                matrices(&mut tensors, name, &matrix, form);
            }
        }
    }
    folder.weights("model.safetensors", &tensors);
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(made("packed").join(name), folder.path(name)).unwrap();
    }
    folder
}

fn matrices(tensors: &mut Vec<Stored>, name: String, matrix: &tern_gguf::blocks::ternary::Matrix, form: Form) {
    let floats = |scale: f32| matrix.codes.iter().flat_map(|&code| (f32::from(code) * scale).to_le_bytes()).collect();
    let shape = vec![matrix.rows, matrix.columns];
    let beside = match form {
        Form::Multiplier | Form::Units => Some(matrix.scale),
        Form::Divisor => Some(1.0 / matrix.scale),
        Form::Ternary => None,
    };
    if let Some(scale) = beside {
        tensors.push((format!("{name}_scale"), "F32", vec![1], scale.to_le_bytes().to_vec()));
    }
    tensors.push(match form {
        Form::Ternary => (name, "F32", shape, floats(matrix.scale)),
        Form::Units => (name, "F32", shape, floats(1.0)),
        _ => {
            let quarter = matrix.codes.len() / 4;
            let byte = |at| (0..4).fold(0, |byte, t| byte | ((matrix.codes[t * quarter + at] + 1) as u8) << (2 * t));
            (name, "U8", vec![matrix.rows / 4, matrix.columns], (0..quarter).map(byte).collect())
        }
    });
}

/// The inverse of interleaving rotary pairs.
fn apart(codes: &mut [i8], rows: usize, columns: usize, heads: usize) {
    let (old, head) = (codes.to_vec(), rows / heads);
    for row in 0..rows {
        let (first, at) = (row / head * head, row % head);
        let from = first + at % (head / 2) * 2 + at / (head / 2);
        codes[row * columns..][..columns].copy_from_slice(&old[from * columns..][..columns]);
    }
}

fn theirs(ours: &str) -> Option<String> {
    let known = [
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("output_norm.weight", "model.norm.weight"),
        ("output.weight", "lm_head.weight"),
    ];
    if let Some((_, name)) = known.iter().find(|row| row.0 == ours) {
        return Some((*name).into());
    }
    let (layer, name) = ours.strip_prefix("blk.")?.split_once('.')?;
    let name = match name.strip_suffix(".weight")? {
        "attn_norm" => "input_layernorm",
        "attn_sub_norm" => "self_attn.attn_sub_norm",
        "ffn_norm" => "post_attention_layernorm",
        "ffn_sub_norm" => "mlp.ffn_sub_norm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_output" => "self_attn.o_proj",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        _ => return None,
    };
    Some(format!("model.layers.{layer}.{name}.weight"))
}

fn config(folder: &Folder, architecture: &str, act: &str, linear: &str, sizes: [u32; 4], tied: bool) {
    let [hidden, ffn, heads, kv] = sizes;
    folder.write(
        "config.json",
        &json!({
            "architectures": [architecture], "hidden_act": act, "hidden_size": hidden, "intermediate_size": ffn,
            "num_hidden_layers": 2, "num_attention_heads": heads, "num_key_value_heads": kv,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "tie_word_embeddings": tied, "vocab_size": 286,
            "rope_parameters": {"rope_type": "default", "rope_theta": if act == "relu2" { 500000.0 } else { 10000.0 }},
            "quantization_config": {"quant_method": "bitnet", "linear_class": linear},
        }),
    );
}

/// Converts and compares every tensor, but for the scale where `exact` is not.
#[track_caller]
fn check(folder: &Folder, golden: &File, exact: bool) {
    let file = folder.converted(&Options::default());
    let names = |file: &File| {
        let mut names: Vec<_> = file.header.tensors().iter().map(|tensor| tensor.name.clone()).collect();
        names.retain(|name| !name.ends_with(".scale"));
        names.sort();
        names
    };
    assert_eq!(names(&file), names(golden));
    for name in names(golden) {
        let (made, expected) = (file.tensor(&name), golden.tensor(&name));
        assert_eq!((made.kind, &made.shape), (expected.kind, &expected.shape), "{name}");
        if exact || made.kind != TensorType::I2_S {
            assert!(file.data(&name) == golden.data(&name), "{name} differs");
        } else {
            let (made, expected) = (file.matrix(&name), golden.matrix(&name));
            assert!(made.codes == expected.codes, "{name}: codes differ");
            let error = (made.scale / expected.scale - 1.0).abs();
            assert!(error < 1e-6, "{name}: scale {}, expected {}", made.scale, expected.scale);
        }
    }
}

#[test]
fn bitnet_from_a_multiplier_is_the_golden_model() {
    let golden = File::golden("bitnet-b1.58");
    let folder = folder(&golden, Form::Multiplier, None);
    config(&folder, "BitNetForCausalLM", "relu2", "autobitlinear", [128, 384, 4, 2], true);
    check(&folder, &golden, true);
}

#[test]
fn bitnet_from_a_divisor_is_the_golden_model() {
    let golden = File::golden("bitnet-b1.58");
    let folder = folder(&golden, Form::Divisor, None);
    config(&folder, "BitNetForCausalLM", "relu2", "bitlinear", [128, 384, 4, 2], true);
    // One over one over the scale is off in the last bit.
    check(&folder, &golden, false);
}

#[test]
fn weights_that_are_ternary_already_are_not_quantized_again() {
    let golden = File::golden("bitnet-b1.58");
    for (form, class) in [(Form::Ternary, "bitlinear"), (Form::Units, "autobitlinear")] {
        let folder = folder(&golden, form, None);
        config(&folder, "BitNetForCausalLM", "relu2", class, [128, 384, 4, 2], true);
        check(&folder, &golden, true);
    }
}

#[test]
fn the_silu_model_has_its_own_architecture() {
    let golden = File::golden("bitnet");
    let folder = folder(&golden, Form::Multiplier, None);
    config(&folder, "BitNetForCausalLM", "silu", "autobitlinear", [256, 256, 4, 1], true);
    check(&folder, &golden, true);
    let header = File::read(&folder.path("out.gguf")).header;
    assert_eq!(header.str("general.architecture"), Some("bitnet"));
    assert_eq!(header.str("bitnet.hidden_activation"), Some("silu"));
}

#[test]
fn rows_of_q_and_k_of_a_llama_are_interleaved() {
    let golden = File::golden("llama");
    for (form, class, exact) in [(Form::Multiplier, "autobitlinear", true), (Form::Divisor, "bitlinear", false)] {
        let folder = folder(&golden, form, Some([4, 2]));
        config(&folder, "LlamaForCausalLM", "silu", class, [128, 256, 4, 2], false);
        check(&folder, &golden, exact);
        assert_eq!(File::read(&folder.path("out.gguf")).header.f32("llama.rope.freq_base"), Some(10_000.0));
    }
}

#[test]
fn weights_may_lie_in_several_files() {
    let golden = File::golden("bitnet-b1.58");
    let folder = folder(&golden, Form::Multiplier, None);
    config(&folder, "BitNetForCausalLM", "relu2", "autobitlinear", [128, 384, 4, 2], true);
    std::fs::rename(folder.path("model.safetensors"), folder.path("a.safetensors")).unwrap();
    folder.weights(
        "b.safetensors",
        &[("model.layers.0.self_attn.rotary_emb.inv_freq".into(), "F32", vec![1], vec![0; 4])],
    );
    let map = json!({"weight_map": {"model.norm.weight": "a.safetensors", "x": "b.safetensors", "y": "a.safetensors"}});
    folder.write("model.safetensors.index.json", &map);
    check(&folder, &golden, true);
}

#[test]
fn values_of_an_embedding_in_bfloat16_are_kept_exactly_by_f16() {
    let folder = Folder::of("packed");
    let file = folder.converted(&Options::default());
    // The folder's embedding is bfloat16; all of these lie in the range where F16 has more bits.
    assert!(file.floats("token_embd.weight").iter().all(|&value| half::from_bf16(half::to_bf16(value)) == value));
}
