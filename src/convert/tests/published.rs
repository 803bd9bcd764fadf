//! Folders as Hugging Face has them.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use tern_convert::{Head, Options, convert};
use tern_engine::Tokenizer;
use tern_gguf::{TensorType, blocks::half};
use tern_tokenizer::{GgufTokenizer, HfTokenizer, Overrides};

use crate::support::{File, Folder, made};

const NAMES: [(&str, &str); 7] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// Scales of the matrices: of the masters, and as the packed folder has them.
fn scales() -> BTreeMap<String, [f32; 2]> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(made("scales.json")).unwrap()).unwrap();
    let pair = |value: &serde_json::Value| [0, 1].map(|at| value[at].as_f64().unwrap() as f32);
    json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), pair(value))).collect()
}

#[test]
fn masters_and_packed_weights_give_the_same_codes_and_each_its_own_scale() {
    let masters = Folder::of("masters").converted(&Options::default());
    let packed = Folder::of("packed").converted(&Options::default());
    for (theirs, ours) in NAMES {
        let name = format!("blk.0.{ours}.weight");
        let codes = |file: &File| file.data(&name)[..file.data(&name).len() - 32].to_vec();
        assert!(codes(&masters) == codes(&packed), "{name}: codes differ");
        let [of_masters, of_packed] = scales()[theirs];
        assert_eq!((masters.matrix(&name).scale, packed.matrix(&name).scale), (of_masters, of_packed), "{name}");
        assert_eq!(half::from_bf16(half::to_bf16(of_masters)), of_packed);
    }
}

#[test]
fn the_file_says_what_the_configuration_says() {
    let file = Folder::of("packed").converted(&Options::default());
    let header = &file.header;
    assert_eq!(header.str("general.architecture"), Some("bitnet-b1.58"));
    for (key, value) in [
        ("vocab_size", 286),
        ("context_length", 512),
        ("embedding_length", 128),
        ("block_count", 1),
        ("feed_forward_length", 128),
        ("rope.dimension_count", 32),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
    ] {
        assert_eq!(header.u32(&format!("bitnet-b1.58.{key}")), Some(value), "{key}");
    }
    assert_eq!(header.f32("bitnet-b1.58.rope.freq_base"), Some(500_000.0));
    assert_eq!(header.f32("bitnet-b1.58.attention.layer_norm_rms_epsilon"), Some(1e-5));
    let info = tern_gguf::summary::model_info(header).unwrap();
    assert_eq!((&*info.quantization, info.eos_token.as_deref()), ("I2_S", Some("<|end_of_text|>")));
    assert!(info.chat_template.unwrap().starts_with("{% for message in messages %}"));
    assert_eq!(header.u32("tokenizer.ggml.eot_token_id"), Some(285));
    assert_eq!(header.tensors().len(), 2 + 4 + 7);
    assert_eq!(file.tensor("token_embd.weight").kind, TensorType::F16);
    assert_eq!(file.tensor("output_norm.weight").kind, TensorType::F32);
}

#[test]
fn texts_have_the_same_tokens_in_the_folder_and_in_the_file() {
    let folder = Folder::of("packed");
    let file = folder.converted(&Options::default());
    let ours = GgufTokenizer::from_header(&file.header, &Overrides::default()).unwrap();
    let theirs = HfTokenizer::from_folder(&made("packed")).unwrap();
    for text in ["hello world", "the thing is 1234 and of\n\n a  world's end", "naïve 漢字 \u{1f600}!", " ", ""] {
        let tokens = |tokenizer: &dyn Tokenizer| tokenizer.encode(text, true, true).unwrap();
        assert_eq!(tokens(&ours), tokens(&theirs), "{text:?}");
    }
    assert!(ours.adds_bos() && ours.is_end_of_generation(285) && ours.is_end_of_generation(284));
}

#[test]
fn vocabulary_and_merges_are_those_of_the_golden_models() {
    let file = Folder::of("packed").converted(&Options::default());
    let golden = File::golden("bitnet-b1.58");
    for key in ["tokenizer.ggml.tokens", "tokenizer.ggml.merges"] {
        assert!(file.header.strings(key).unwrap().eq(golden.header.strings(key).unwrap()), "{key}");
    }
    let types = |file: &File| file.header.values("tokenizer.ggml.token_type").unwrap().collect::<Vec<_>>();
    assert_eq!(types(&file), types(&golden));
    assert_eq!(file.header.str("tokenizer.ggml.pre"), Some("llama-bpe"));
}

#[test]
fn merges_may_be_pairs_or_texts() {
    let folder = Folder::of("packed");
    let before = folder.converted(&Options::default());
    folder.edit("tokenizer.json", |json| {
        for merge in json["model"]["merges"].as_array_mut().unwrap() {
            *merge = match merge.as_array() {
                Some(pair) => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()).into(),
                None => merge.as_str().unwrap().split(' ').collect::<Vec<_>>().into(),
            };
        }
    });
    let after = folder.converted(&Options { force: true, ..Options::default() });
    let key = "tokenizer.ggml.merges";
    assert!(after.header.strings(key).unwrap().eq(before.header.strings(key).unwrap()));
}

#[test]
fn the_head_may_be_smaller() {
    let folder = Folder::of("packed");
    let exact = folder.converted(&Options::default()).floats("token_embd.weight");
    let file = folder.converted(&Options { head: Head::Q8_0, force: true, ..Options::default() });
    assert_eq!(file.tensor("token_embd.weight").kind, TensorType::Q8_0);
    let most = exact.iter().zip(file.floats("token_embd.weight")).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(most > 0.0 && most < 0.01, "{most}");
    // Rows of 128 are no blocks of Q6_K.
    let options = Options { head: Head::Q6K, force: true, ..Options::default() };
    let message = folder.convert(&options).unwrap_err().to_string();
    assert!(
        message
            .contains("token_embd.weight [128, 286]: type Q6_K, expected a first dimension that is a multiple of 256")
    );
}

#[test]
fn rows_of_the_embedding_without_a_token_are_unused_tokens() {
    let folder = Folder::of("packed");
    folder.edit("tokenizer.json", |json| {
        let added = json["added_tokens"].as_array_mut().unwrap();
        added.pop();
        json["model"]["vocab"].as_object_mut().unwrap().remove("<|eot_id|>");
    });
    let file = folder.converted(&Options::default());
    assert_eq!(file.header.strings("tokenizer.ggml.tokens").unwrap().last(), Some(&b"[PAD285]"[..]));
    assert_eq!(file.header.values("tokenizer.ggml.token_type").unwrap().last().unwrap().as_u32(), Some(5));
}

#[test]
fn a_template_in_a_file_of_its_own_wins_and_of_several_the_default() {
    let folder = Folder::of("packed");
    folder.edit("tokenizer_config.json", |json| {
        json["chat_template"] = json!([{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]);
    });
    let template = |file: File| file.header.str("tokenizer.chat_template").map(str::to_owned);
    assert_eq!(template(folder.converted(&Options::default())).as_deref(), Some("D"));
    fs::write(folder.path("chat_template.jinja"), "J").unwrap();
    assert_eq!(template(folder.converted(&Options { force: true, ..Options::default() })).as_deref(), Some("J"));
}

#[test]
fn progress_counts_the_tensors() {
    let folder = Folder::of("packed");
    let mut steps = Vec::new();
    let done = convert(&made("packed"), &folder.path("out.gguf"), &Options::default(), &mut |step| {
        steps.push((step.what.to_owned(), step.number, step.of));
    });
    let done = done.unwrap();
    assert_eq!((done.matrices, done.tensors), (7, 13));
    assert_eq!(done.bytes, fs::metadata(folder.path("out.gguf")).unwrap().len());
    assert_eq!(steps.first().unwrap(), &("token_embd.weight".to_owned(), 1, 13));
    assert_eq!(steps.last().unwrap().1, 13);
}
