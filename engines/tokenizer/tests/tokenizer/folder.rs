use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tern_engine::Tokenizer;
use tern_tokenizer::HfTokenizer;

use crate::support::{guide_folder, text};

/// A SentencePiece vocabulary as published folders have it: byte fallback, a space before, BOS by a template.
fn sentencepiece() -> Value {
    let mut vocab = json!({"<unk>": 0, "<s>": 1, "</s>": 2});
    (0..256).for_each(|byte| vocab[format!("<0x{byte:02X}>")] = json!(3 + byte));
    for (id, token) in ["\u{2581}", "a", "b", "ab", "\u{2581}ab"].iter().enumerate() {
        vocab[*token] = json!(259 + id);
    }
    let added = |id: u32, content: &str, special: bool| {
        json!({"id": id, "content": content, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": special})
    };
    json!({
        "version": "1.0",
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true), added(264, "<tool>", false)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
            "merges": ["a b", "\u{2581} ab"]},
    })
}

fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in files {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    }
    folder
}

fn refused(files: &[(&str, Value)]) -> String {
    HfTokenizer::from_folder(folder(files).path()).unwrap_err().to_string()
}

#[test]
fn a_sentencepiece_folder_is_read_with_its_bytes_and_its_template() {
    let folder = folder(&[
        ("tokenizer.json", sentencepiece()),
        ("tokenizer_config.json", json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>"})),
        ("config.json", json!({"vocab_size": 320})),
    ]);
    let tokenizer = HfTokenizer::from_folder(folder.path()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()), (320, Some(1), Some(2)));
    let ids = tokenizer.encode("ab\n<tool>", true, false).unwrap();
    assert_eq!(ids, [1, 263, 3 + 10, 264]);
    assert_eq!(text(&tokenizer, &ids, false), " ab\n<tool>");
    // BOS is there once, whether the template or the text brings it.
    assert_eq!(tokenizer.encode("<s>ab", true, true).unwrap(), [1, 263]);
    let spelled = tokenizer.encode("</s>", false, false).unwrap();
    assert!(spelled.iter().all(|&id| !tokenizer.is_control(id)));
    assert!(tokenizer.is_end_of_generation(2) && !tokenizer.is_end_of_generation(1));
    assert_eq!(text(&tokenizer, &[300, 319, 320], true), "");
}

#[test]
fn what_ends_a_reply_is_read_from_the_generation_configuration() {
    let tokenizer = guide_folder();
    let ends: Vec<u32> = (0..tokenizer.vocab_size() as u32).filter(|&id| tokenizer.is_end_of_generation(id)).collect();
    assert_eq!(ends, [0, 2]);
    assert_eq!(tokenizer.eos(), Some(2));
}

#[test]
fn damaged_folders_say_which_file() {
    let empty = tempfile::tempdir().unwrap();
    let error = HfTokenizer::from_folder(empty.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("vocab.txt"), "{error}");
    fs::write(empty.path().join("tokenizer.json"), "{").unwrap();
    let error = HfTokenizer::from_folder(empty.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: not JSON: "), "{error}");

    assert!(refused(&[("tokenizer.json", json!({}))]).contains("tokenizer.json: "));
    let mut strange = sentencepiece();
    strange["decoder"] = json!({"type": "CTC"});
    assert!(refused(&[("tokenizer.json", strange)]).contains("decoder: \"CTC\" is not supported"));
    for wrong in [265, u32::MAX] {
        let mut moved = sentencepiece();
        moved["added_tokens"][3]["id"] = json!(wrong);
        let error = refused(&[("tokenizer.json", moved)]);
        assert!(
            error.contains(&format!("added_tokens: element 3 is \"<tool>\" with id {wrong}, expected id 264")),
            "{error}"
        );
    }
    let error = refused(&[("tokenizer.json", sentencepiece()), ("config.json", json!({"vocab_size": u64::MAX}))]);
    assert!(error.contains("expected 1 to 16777216"), "{error}");
    let error =
        refused(&[("tokenizer.json", sentencepiece()), ("generation_config.json", json!({"eos_token_id": 999}))]);
    assert!(error.contains("the special id 999"), "{error}");
    let error =
        refused(&[("tokenizer.json", sentencepiece()), ("generation_config.json", json!({"eos_token_id": "x"}))]);
    assert!(error.contains("generation_config.json: \"x\" among the special ids"), "{error}");
    let error =
        refused(&[("tokenizer.json", sentencepiece()), ("tokenizer_config.json", json!({"add_bos_token": true}))]);
    assert!(error.contains("no token for bos_token"), "{error}");
}

/// The crate's regular expressions have a limit for backtracking, which a long run of spaces exceeds.
#[test]
fn a_pattern_that_gives_up_loses_nothing() {
    let mut file: Value = serde_json::from_slice(
        &fs::read(crate::support::root().join("models/guide/safetensors/tokenizer.json")).unwrap(),
    )
    .unwrap();
    file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": r"\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
    ]});
    let tokenizer = HfTokenizer::from_folder(folder(&[("tokenizer.json", file)]).path()).unwrap();
    let long = format!("a{}b c", " ".repeat(1_500_000));
    let ids = tokenizer.encode(&long, false, false).unwrap();
    assert!(text(&tokenizer, &ids, false) == long);
}
