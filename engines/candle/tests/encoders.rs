//! Encoders against what transformers computed with the same folders (`encoders/make.py`), and what is refused.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tern_candle::CandleEngine;
use tern_engine::{Engine, EngineError, LoadOptions, LoadedModel, ModelSource, conformance, tasks::Aggregation};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/encoders").join(name)
}

fn load(path: PathBuf) -> Result<LoadedModel, EngineError> {
    CandleEngine.load(&ModelSource::Path(path), &LoadOptions::default(), &mut |_| true)
}

fn golden(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&fs::read(folder("golden.json")).unwrap()).unwrap();
    all[name].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A copy that may be changed.
fn copy(name: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder(name)).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
    }
    to
}

fn change(folder: &tempfile::TempDir, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.path().join(file);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

fn tags_like_transformers(name: &str) {
    let mut tagger = load(folder(name)).unwrap().tagger.unwrap();
    let mut names = 0;
    for case in golden(name) {
        let how: Aggregation = serde_json::from_value(case["strategy"].clone()).unwrap();
        let content = text(&case["text"]);
        let found = tagger.tag(std::slice::from_ref(&content), how, &|| false).unwrap().remove(0);
        let chars = |byte: usize| content[..byte].chars().count() as u64;
        let expected = case["entities"].as_array().unwrap();
        let got: Vec<_> =
            found.entities.iter().map(|e| (e.group.as_str(), chars(e.start), chars(e.end), e.score)).collect();
        assert_eq!(got.len(), expected.len(), "{case}\n{got:?}");
        for ((group, start, end, score), expected) in got.into_iter().zip(expected) {
            assert_eq!(
                (group, start, end),
                (expected[0].as_str().unwrap(), expected[2].as_u64().unwrap(), expected[3].as_u64().unwrap()),
                "{case}"
            );
            assert!((f64::from(score) - expected[1].as_f64().unwrap()).abs() < 1e-4, "{score} in {case}");
            names += 1;
        }
    }
    assert!(names > 20, "{names} names in all: the golden file says too little");
}

#[test]
fn bert_tags_like_transformers() {
    tags_like_transformers("ner-bert");
}

#[test]
fn distilbert_tags_like_transformers() {
    tags_like_transformers("ner-distilbert");
}

#[test]
fn roberta_tags_like_transformers() {
    tags_like_transformers("ner-roberta");
}

#[test]
fn modernbert_tags_like_transformers() {
    tags_like_transformers("ner-modernbert");
}

fn embeds_like_transformers(name: &str) {
    let (tokenizer, mut embedder) = load(folder(name)).unwrap().embedder.unwrap();
    let cases = golden(name);
    let inputs: Vec<_> =
        cases.iter().map(|case| tokenizer.encode(&text(&case["text"]), true, false).unwrap()).collect();
    let together = embedder.embed(&inputs, &|| false).unwrap();
    for ((case, input), vector) in cases.iter().zip(&inputs).zip(&together) {
        let expected: Vec<f32> = serde_json::from_value(case["vector"].clone()).unwrap();
        assert_eq!(vector.len(), embedder.dimensions());
        assert_eq!(vector.len(), expected.len());
        for (got, expected) in vector.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-4, "{got} for {expected} in {case}");
        }
        let alone = embedder.embed(std::slice::from_ref(input), &|| false).unwrap().remove(0);
        assert!(alone.iter().zip(vector).all(|(a, b)| (a - b).abs() < 1e-5), "neighbours changed {case}");
    }
}

#[test]
fn bert_embeds_like_transformers_with_a_vocabulary_of_lines() {
    embeds_like_transformers("embed-bert");
}

#[test]
fn mpnet_embeds_as_its_modules_say() {
    embeds_like_transformers("embed-mpnet");
    let (_, embedder) = load(folder("embed-mpnet")).unwrap().embedder.unwrap();
    assert_eq!(embedder.max_tokens(), 61, "of sentence_bert_config.json");
}

#[test]
fn modernbert_embeds_like_transformers() {
    embeds_like_transformers("embed-modernbert");
}

fn scores_like_transformers(name: &str) {
    let mut reranker = load(folder(name)).unwrap().reranker.unwrap();
    let cases = golden(name);
    let documents: Vec<_> = cases.iter().map(|case| text(&case["document"])).collect();
    let scores = reranker.score(cases[0]["query"].as_str().unwrap(), &documents, &|| false).unwrap();
    for (case, got) in cases.iter().zip(scores) {
        assert!((f64::from(got.score) - case["score"].as_f64().unwrap()).abs() < 1e-4, "{got:?} for {case}");
        assert_eq!(got.tokens as u64, case["tokens"].as_u64().unwrap());
    }
}

#[test]
fn bert_scores_like_transformers() {
    scores_like_transformers("rerank-bert");
}

#[test]
fn xlm_roberta_scores_like_transformers() {
    scores_like_transformers("rerank-xlmroberta");
}

#[test]
fn modernbert_scores_like_transformers() {
    scores_like_transformers("rerank-modernbert");
}

#[test]
fn a_long_text_is_read_in_windows_and_each_name_is_found_once() {
    // The built-in model: its labels mean something, also in the middle of a window.
    let mut tagger = load(folder("../../../../models/ner/model")).unwrap().tagger.unwrap();
    let long = "Angela Merkel visited Paris. ".repeat(500);
    let found = tagger.tag(std::slice::from_ref(&long), Aggregation::First, &|| false).unwrap().remove(0);
    assert!(found.entities.windows(2).all(|pair| pair[0].end <= pair[1].start), "names overlap");
    let cities: Vec<_> = found.entities.iter().filter(|e| &long[e.start..e.end] == "Paris").map(|e| e.start).collect();
    let expected: Vec<_> = long.match_indices("Paris").map(|(at, _)| at).collect();
    assert_eq!(cities, expected);
}

#[test]
fn a_call_can_be_cancelled_between_passes() {
    let mut tagger = load(folder("ner-bert")).unwrap().tagger.unwrap();
    let long = "Angela Merkel visited Paris in 2017. ".repeat(2000);
    let asked = std::cell::Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let result = tagger.tag(std::slice::from_ref(&long), Aggregation::Simple, &cancelled);
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert!(tagger.tag(&["Paris".into()], Aggregation::Simple, &|| false).is_ok());
}

#[test]
fn a_pair_that_is_too_long_is_refused_with_both_numbers() {
    let mut reranker = load(folder("rerank-bert")).unwrap().reranker.unwrap();
    let documents = ["short".to_owned(), "Paris ".repeat(300)];
    let error = reranker.score("Paris", &documents, &|| false).unwrap_err().to_string();
    assert!(error.contains("document 1") && error.contains("at most 96"), "{error}");
}

#[test]
fn a_config_that_disagrees_with_the_weights_is_refused_with_the_tensor() {
    for (field, value, tensor) in [
        ("intermediate_size", 41, "intermediate.dense.weight"),
        ("vocab_size", 300, "word_embeddings.weight"),
        ("num_hidden_layers", 3, "layer.2"),
        ("max_position_embeddings", 65, "position_embeddings.weight"),
    ] {
        let folder = copy("ner-bert");
        change(&folder, "config.json", |config| config[field] = value.into());
        let error = load(folder.path().into()).err().unwrap().to_string();
        assert!(error.contains(tensor), "{field}: {error}");
    }
    for (field, value) in [
        ("num_attention_heads", Value::from(5)),
        ("hidden_act", "quux".into()),
        ("id2label", serde_json::json!({"7": "x"})),
    ] {
        let folder = copy("ner-bert");
        change(&folder, "config.json", |config| config[field] = value.clone());
        let error = load(folder.path().into()).err().unwrap().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}

#[test]
fn a_classifier_of_texts_is_no_reranker() {
    let folder = copy("rerank-bert");
    change(&folder, "config.json", |config| {
        config["id2label"] = serde_json::json!({"0": "bad", "1": "good", "2": "so so"})
    });
    let error = CandleEngine.inspect(&ModelSource::Path(folder.path().into())).unwrap_err();
    assert!(matches!(error, EngineError::Unsupported { .. }), "{error}");
}

#[test]
fn embedders_conform() {
    // Products of other shapes sum in another order.
    let tolerance = conformance::Tolerance { relative: 1e-5 };
    for name in ["embed-bert", "embed-mpnet", "embed-modernbert"] {
        conformance::embedder(&|_| load(folder(name)).unwrap(), tolerance);
    }
}
