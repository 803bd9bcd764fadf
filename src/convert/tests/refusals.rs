//! What cannot be converted is refused with what, where, got, expected, next; and leaves no file.

use std::fs;

use serde_json::{Value, json};
use tern_convert::{Options, convert};

use crate::support::Folder;

/// The packed folder with a changed `config.json` is refused with this.
#[track_caller]
fn config(change: impl FnOnce(&mut Value), expected: &str) {
    let folder = Folder::of("packed");
    folder.edit("config.json", change);
    let message = folder.refused();
    assert!(message.contains(expected), "got {message:?}, expected it to contain {expected:?}");
}

#[track_caller]
fn tokenizer(change: impl FnOnce(&mut Value), expected: &str) {
    let folder = Folder::of("packed");
    folder.edit("tokenizer.json", change);
    let message = folder.refused();
    assert!(message.contains(expected), "got {message:?}, expected it to contain {expected:?}");
}

#[test]
fn other_models_are_refused() {
    config(
        |json| json["architectures"] = json!(["GPT2LMHeadModel"]),
        "architectures: [\"GPT2LMHeadModel\"], expected BitNet",
    );
    config(|json| json["hidden_act"] = json!("gelu"), "hidden_act: \"gelu\", expected \"relu2\" or \"silu\"");
    config(
        |json| {
            json["architectures"] = json!(["LlamaForCausalLM"]);
            json["hidden_act"] = json!("silu");
            json["quantization_config"] = Value::Null;
        },
        "quantization_config: nothing, expected one with quant_method \"bitnet\"; other Llama models are not ternary",
    );
    config(|json| json["quantization_config"]["quant_method"] = json!("gptq"), "quant_method: \"gptq\"");
    config(|json| json["quantization_config"]["linear_class"] = json!("other"), "linear_class: \"other\"");
    config(|json| json["quantization_config"]["use_rms_norm"] = json!(true), "a norm before every projection");
    config(|json| json["rope_scaling"] = json!({"rope_type": "llama3"}), "rope_scaling.rope_type: \"llama3\"");
    config(|json| json["attention_bias"] = json!(true), "no biases");
}

#[test]
fn sizes_that_are_none_are_refused() {
    config(|json| json["hidden_size"] = json!(0), "hidden_size: 0, expected a positive number");
    config(|json| json["num_attention_heads"] = json!("four"), "num_attention_heads: \"four\"");
    config(|json| json["num_key_value_heads"] = json!(3), "num_key_value_heads: 3, expected a divisor");
    config(|json| json["rms_norm_eps"] = json!(-1), "rms_norm_eps: -1");
    config(|json| json["num_attention_heads"] = json!(7), "a divisor of hidden_size 128");
    config(|json| json["vocab_size"] = json!(285), "with id 285, expected an id below 285");
    config(
        |json| json["vocab_size"] = json!(300),
        "model.embed_tokens.weight: BF16 [286, 128], expected floats of shape [300, 128]",
    );
    config(|json| json["intermediate_size"] = json!(192), "expected");
}

#[test]
fn missing_and_superfluous_tensors_are_named() {
    config(|json| json["num_hidden_layers"] = json!(2), "no tensor model.layers.1.input_layernorm.weight");
    config(|json| json["tie_word_embeddings"] = json!(false), "no tensor lm_head.weight");
    config(
        |json| {
            json["architectures"] = json!(["LlamaForCausalLM"]);
            json["hidden_act"] = json!("silu");
        },
        "tensors that the graph llama has no place for: model.layers.0.mlp.ffn_sub_norm.weight, model.layers.0.self_attn.attn_sub_norm.weight",
    );
}

#[test]
fn broken_files_are_refused() {
    let folder = Folder::of("packed");
    fs::write(folder.path("config.json"), "{").unwrap();
    assert!(folder.refused().contains("config.json: not JSON"));
    let folder = Folder::new();
    assert!(folder.refused().contains("config.json: No such file"));

    let bytes = fs::read(Folder::of("packed").path("model.safetensors")).unwrap();
    let weights = |bytes: &[u8], expected: &str| {
        let folder = Folder::of("packed");
        fs::write(folder.path("model.safetensors"), bytes).unwrap();
        let message = folder.refused();
        assert!(message.contains(expected), "got {message:?}, expected it to contain {expected:?}");
    };
    weights(&bytes[..bytes.len() - 1], "expected data within the file; it is truncated or damaged");
    weights(&bytes[..100], "expected a header within the file");
    weights(&bytes[..5], "cannot read");
    weights(&[&u64::MAX.to_le_bytes()[..], &bytes[8..]].concat(), "expected a header within the file");
    weights(&[&8_u64.to_le_bytes()[..], b"not json"].concat(), "not JSON");
}

#[test]
fn entries_of_a_header_that_lie_are_refused() {
    let refused = |about: &str, expected: &str| {
        let folder = Folder::of("packed");
        let header = format!("{{\"model.norm.weight\": {about}}}");
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 64]].concat();
        fs::write(folder.path("model.safetensors"), file).unwrap();
        let message = folder.refused();
        assert!(message.contains(expected), "got {message:?}, expected it to contain {expected:?}");
    };
    refused(r#"{"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}"#, "dtype F32, F16, BF16, I64 or U8");
    refused(r#"{"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}"#, "as many bytes as the shape asks for");
    refused(r#"{"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}"#, "as many bytes");
    refused(r#"{"dtype": "F32", "shape": [100], "data_offsets": [0, 400]}"#, "data within the file");
    refused(r#"{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}"#, "data within the file");
    refused(r#"{"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}"#, "a shape");
    refused(r#"{"dtype": "F32", "shape": [1], "data_offsets": [18446744073709551615, 3]}"#, "data within the file");
    refused(r#"[]"#, "dtype");
}

#[test]
fn names_in_an_index_cannot_leave_the_folder() {
    let folder = Folder::of("packed");
    fs::remove_file(folder.path("model.safetensors")).unwrap();
    assert!(folder.refused().contains("weights: none, expected model.safetensors or model.safetensors.index.json"));
    for name in ["../model.safetensors", "/etc/passwd", "..", "a/b"] {
        folder.write("model.safetensors.index.json", &json!({"weight_map": {"a": name}}));
        assert!(folder.refused().contains("names of files beside it"), "{name}");
    }
}

/// Changes the bytes of a tensor of the packed folder.
fn damaged(tensor: &str, change: impl FnOnce(&mut [u8])) -> String {
    let folder = Folder::of("packed");
    let mut bytes = fs::read(folder.path("model.safetensors")).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    let [begin, end] = [0, 1].map(|at| data + header[tensor]["data_offsets"][at].as_u64().unwrap() as usize);
    change(&mut bytes[begin..end]);
    fs::write(folder.path("model.safetensors"), bytes).unwrap();
    folder.refused()
}

#[test]
fn damaged_weights_are_named_with_their_place() {
    let q = "model.layers.0.self_attn.q_proj.weight";
    // Byte 130 is column 2 of row 1 of the part; its upper bits are row 97.
    let message = damaged(q, |bytes| bytes[130] |= 0xC0);
    assert!(message.contains(&format!("{q} row 97 column 2: code 3, expected 0, 1 or 2")), "{message}");
    for (bits, shown) in [(0x0000_u16, "0"), (0xBF80, "-1"), (0x7FC0, "NaN"), (0x7F80, "inf")] {
        let message = damaged(&format!("{q}_scale"), |bytes| bytes.copy_from_slice(&bits.to_le_bytes()));
        assert!(message.contains(&format!("{q}_scale: {shown}, expected one finite number above 0")), "{message}");
    }
    let message =
        damaged("model.embed_tokens.weight", |bytes| bytes[256..258].copy_from_slice(&0x7FC0_u16.to_le_bytes()));
    assert!(message.contains("model.embed_tokens.weight row 1 column 0: NaN, expected a finite number"), "{message}");
}

#[test]
fn tokenizers_of_other_kinds_are_refused() {
    tokenizer(|json| json["model"]["type"] = json!("Unigram"), "model.type: \"Unigram\", expected \"BPE\"");
    tokenizer(|json| json["decoder"] = json!({"type": "Metaspace"}), "SentencePiece vocabularies are not converted");
    tokenizer(|json| json["normalizer"] = json!({"type": "Lowercase"}), "normalizer: {\"type\":\"Lowercase\"}");
    tokenizer(|json| json["model"]["merges"][3] = json!(["a"]), "model.merges[3]: [\"a\"]");
    tokenizer(|json| json["model"]["vocab"]["!"] = json!(5), "with id 5, expected an id below 286");
    let folder = Folder::of("packed");
    fs::rename(folder.path("tokenizer.json"), folder.path("tokenizer.model")).unwrap();
    assert!(folder.refused().contains("tokenizer.model (SentencePiece) alone, expected tokenizer.json"));
}

#[test]
fn an_unknown_pre_tokenizer_is_named_and_can_be_given() {
    let change = |json: &mut Value| json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!(r"\w+");
    tokenizer(change, r#"pre_tokenizer: "\\w+" with ignore_merges, expected that of llama-bpe, smaug-bpe, qwen2"#);
    tokenizer(change, "say --pre NAME");
    let folder = Folder::of("packed");
    folder.edit("tokenizer.json", change);
    let file = folder.converted(&Options { pre: Some("falcon3".into()), ..Options::default() });
    assert_eq!(file.header.str("tokenizer.ggml.pre"), Some("falcon3"));
}

#[test]
fn a_file_that_is_there_stays_unless_forced() {
    let folder = Folder::of("packed");
    fs::write(folder.path("out.gguf"), "precious").unwrap();
    assert!(folder.refused().ends_with("out.gguf: exists already; --force replaces it"));
    assert_eq!(fs::read(folder.path("out.gguf")).unwrap(), b"precious");
    folder.converted(&Options { force: true, ..Options::default() });
}

#[test]
fn other_files_are_refused() {
    let folder = Folder::of("packed");
    let out = folder.path("out.gguf");
    for name in ["model.safetensors", "no-such-folder"] {
        let message = convert(&folder.path(name), &out, &Options::default(), &mut |_| ()).unwrap_err().to_string();
        assert!(message.contains("expected a folder with config.json and safetensors, or a .gguf file"), "{message}");
    }
    let message = convert(&folder.path("no.gguf"), &out, &Options::default(), &mut |_| ()).unwrap_err().to_string();
    assert!(message.contains("no.gguf") && message.contains("No such file"), "{message}");
}
