use std::collections::BTreeMap;

use serde::Deserialize;
use tern_engine::Tokenizer;
use tern_gguf::write::MetaValue;

use crate::support::{build, byte_level, from_file, golden, guide, guide_folder, text, vocabulary};

#[derive(Deserialize)]
struct Texts<Ids> {
    texts: Vec<String>,
    ids: Ids,
}

#[track_caller]
fn same(name: &str, tokenizer: &dyn Tokenizer, texts: &[String], ids: &[Vec<u32>]) {
    assert_eq!(texts.len(), ids.len());
    for (text, ids) in texts.iter().zip(ids) {
        assert_eq!(&tokenizer.encode(text, false, false).unwrap(), ids, "{name}: {text:?}");
    }
}

#[test]
fn byte_level_ids_are_those_of_the_tokenizers_library_for_each_way_of_dividing_words() {
    let Texts { texts, ids } = golden::<Texts<BTreeMap<String, Vec<Vec<u32>>>>>("bpe.json");
    assert_eq!(ids.len(), 9);
    for (pre, ids) in ids {
        same(&pre, &byte_level(&pre), &texts, &ids);
    }
}

#[derive(Deserialize)]
struct Pieces {
    tokens: Vec<String>,
    scores: Vec<f32>,
    kinds: Vec<i32>,
    ids: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct SentencePiece {
    texts: Vec<String>,
    #[serde(rename = "space before")]
    before: Pieces,
    #[serde(rename = "no space before")]
    bare: Pieces,
}

#[test]
fn sentencepiece_ids_are_those_of_sentencepiece() {
    let golden: SentencePiece = golden("spm.json");
    for (name, space, pieces) in [("before", true, golden.before), ("bare", false, golden.bare)] {
        let writer = vocabulary("llama", &pieces.tokens)
            .with("tokenizer.ggml.scores", MetaValue::F32s(pieces.scores))
            .with("tokenizer.ggml.token_type", MetaValue::I32s(pieces.kinds))
            .with("tokenizer.ggml.add_space_prefix", space);
        let tokenizer = build(&writer).unwrap();
        same(name, &tokenizer, &golden.texts, &pieces.ids);
        for (wanted, ids) in golden.texts.iter().zip(&pieces.ids) {
            let got = text(&tokenizer, ids, false);
            let before = if space && !wanted.is_empty() { " " } else { "" };
            // The library's own space is the only change, and U+2581 is a space to it.
            assert_eq!(got, format!("{before}{}", wanted.replace('\u{2581}', " ")));
        }
    }
}

#[test]
fn the_guide_has_the_same_ids_from_its_file_and_from_its_folder() {
    let Texts { texts, ids } = golden::<Texts<Vec<Vec<u32>>>>("guide.json");
    // The library found control tokens in these texts, if there were any.
    same("file", &guide(), &texts, &ids);
    same("folder", &guide_folder(), &texts, &ids);
}

#[test]
fn the_tiny_model_has_the_ids_that_its_golden_file_pins() {
    let path = crate::support::root().join("tests/fixtures/tiny.golden.json");
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let ids: Vec<u32> = serde_json::from_value(golden["llama"]["tokens"].clone()).unwrap();
    let tokenizer = from_file("tests/fixtures/tiny-llama.gguf");
    assert_eq!(tokenizer.encode(golden["llama"]["text"].as_str().unwrap(), true, false).unwrap(), ids);
}
