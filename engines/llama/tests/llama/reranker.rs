use std::{cell::Cell, path::Path};

use tern_engine::{Capability, Engine, EngineError, LoadOptions, ModelSource, Reranker, tasks::Relevance};
use tern_gguf::write::MetaValue;
use tern_llama::LlamaEngine;

use crate::support::{altered, assert_close, fixture, json, load, options, remade, rewritten};

/// Of logits, where a score near 0 or 1 hides nothing. Measured: 0.0014. F32 weights throughout; the rest is F16: the table of
/// GELU, keys and values. One wrong token moves a logit by 0.03 and more.
const TOLERANCE: f32 = 5e-3;

/// Of logits of the same pair in another batch. Measured: 3e-6; one rounding to F16 that goes the other way is more.
const BATCH_TOLERANCE: f32 = 1e-3;

fn wide() -> LoadOptions {
    LoadOptions { kv_cells: 2048, ..options() }
}

fn reranker(path: &Path) -> Box<dyn Reranker> {
    load(path, &wide()).unwrap().reranker.expect("a reranker")
}

fn tiny(kind: &str) -> Box<dyn Reranker> {
    reranker(&fixture(&format!("rerank/{kind}.gguf")))
}

fn logit(score: f32) -> f32 {
    (score / (1.0 - score)).ln()
}

fn logits(found: &[Relevance]) -> Vec<f32> {
    found.iter().map(|relevance| logit(relevance.score)).collect()
}

fn score(reranker: &mut dyn Reranker, query: &str, documents: &[String]) -> Vec<Relevance> {
    reranker.score(query, documents, &|| false).unwrap()
}

fn written(bytes: &[u8], check: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    check(&path);
}

fn like_pytorch(kind: &str) {
    let golden = json("rerank/golden.json");
    let cases = golden[kind].as_array().unwrap();
    let query = cases[0]["query"].as_str().unwrap();
    let documents: Vec<_> = cases.iter().map(|case| case["document"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = cases.iter().map(|case| logit(case["score"].as_f64().unwrap() as f32)).collect();
    let mut reranker = tiny(kind);
    let together = score(&mut *reranker, query, &documents);
    for (case, found) in cases.iter().zip(&together) {
        assert_eq!(found.tokens, case["tokens"].as_array().unwrap().len(), "{}", case["document"]);
    }
    assert_close(&logits(&together), &expected, TOLERANCE);
    for (i, document) in documents.iter().enumerate() {
        let alone = score(&mut *reranker, query, std::slice::from_ref(document));
        assert_close(&logits(&alone), &[logit(together[i].score)], BATCH_TOLERANCE);
    }
}

#[test]
fn scores_of_bert_are_those_of_pytorch_alone_and_together() {
    like_pytorch("bert");
}

#[test]
fn scores_of_xlm_roberta_are_those_of_pytorch_alone_and_together() {
    like_pytorch("xlm-roberta");
}

/// With a document of more tokens than a batch, which is computed in pieces.
#[test]
fn scores_of_qwen3_are_those_of_pytorch_alone_and_together() {
    like_pytorch("qwen3");
}

#[test]
fn many_documents_come_back_in_order() {
    let mut reranker = tiny("xlm-roberta");
    let documents: Vec<String> = (0..150).map(|i| "cat ".repeat(i % 20) + "dog").collect();
    let together = score(&mut *reranker, "the cat", &documents);
    assert_eq!(together.len(), documents.len());
    for i in [0, 19, 32, 63, 64, 65, 149] {
        let alone = score(&mut *reranker, "the cat", &documents[i..=i]);
        assert_eq!(alone[0].tokens, together[i].tokens);
        assert_close(&logits(&alone), &[logit(together[i].score)], BATCH_TOLERANCE);
    }
    assert!(score(&mut *reranker, "the cat", &[]).is_empty());
}

#[test]
fn a_pair_beyond_the_limit_is_an_error_with_numbers_and_not_cut() {
    let mut reranker = tiny("bert");
    assert_eq!(reranker.max_tokens(), 128);
    // [CLS], the query, [SEP], the document, [SEP].
    let documents = ["cat ".repeat(124), "cat ".repeat(125)];
    assert_eq!(score(&mut *reranker, "dog", &documents[..1])[0].tokens, 128);
    let error = reranker.score("dog", &documents, &|| false).unwrap_err();
    assert!(matches!(error, EngineError::InvalidInput(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("document 1 have 129 tokens") && message.contains("at most 128"), "{message}");
    // Counted over all documents, and not over those that are tokenized together.
    let many: Vec<String> = (0..70).map(|i| if i < 69 { String::new() } else { documents[1].clone() }).collect();
    let message = reranker.score("dog", &many, &|| false).unwrap_err().to_string();
    assert!(message.contains("document 69 have 129"), "{message}");
    // And the reranker is as good as new.
    score(&mut *reranker, "dog", &documents[..1]);
}

#[test]
fn cancelling_stops_between_passes() {
    let mut reranker = tiny("bert");
    let documents = vec!["cat ".repeat(120); 20];
    let asked = Cell::new(0);
    let result = reranker.score("dog", &documents, &|| {
        asked.set(asked.get() + 1);
        asked.get() > 2
    });
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert_eq!(asked.get(), 3);
    assert_eq!(score(&mut *reranker, "dog", &documents[..1]).len(), 1);
}

/// A causal model's long pair is cancelled between its pieces.
#[test]
fn cancelling_stops_between_pieces() {
    let asked = Cell::new(0);
    let result = tiny("qwen3").score("dog", &["cat ".repeat(300)], &|| {
        asked.set(asked.get() + 1);
        asked.get() > 3
    });
    assert!(matches!(result, Err(EngineError::Cancelled)));
    assert_eq!(asked.get(), 4);
}

/// Of two outputs the second counts: with a first of 0, the score is that of one output.
#[test]
fn two_outputs_score_by_the_share_of_the_second() {
    let labels = MetaValue::Strings(vec![b"LABEL_0".to_vec(), b"LABEL_1".to_vec()]);
    let zeros_before = |tensor: &tern_gguf::TensorInfo, data: &[u8]| {
        let shape = match tensor.name.as_str() {
            "cls.output.weight" => vec![32, 2],
            "cls.output.bias" => vec![2],
            _ => return Some((tensor.shape.clone(), data.to_vec())),
        };
        Some((shape, [vec![0; data.len()], data.to_vec()].concat()))
    };
    let bytes = remade("rerank/bert.gguf", &[("bert.classifier.output_labels", labels)], zeros_before);
    let documents = ["the cat is on the mat".to_owned(), "hello".into()];
    let one = logits(&score(&mut *tiny("bert"), "the cat", &documents));
    written(&bytes, |path| {
        assert_close(&logits(&score(&mut *reranker(path), "the cat", &documents)), &one, BATCH_TOLERANCE);
    });
}

/// Labels say which of the two outputs is yes; where none does, the first is.
#[test]
fn the_labels_say_which_output_is_yes() {
    let document = ["the cat is on the mat".to_owned()];
    let yes = logits(&score(&mut *tiny("qwen3"), "the cat", &document))[0];
    for (labels, expected) in [(["no", "Yes"], -yes), (["a", "b"], yes)] {
        let labels = MetaValue::Strings(labels.map(|label| label.as_bytes().to_vec()).to_vec());
        let bytes = altered("rerank/qwen3.gguf", &[("qwen3.classifier.output_labels", labels)]);
        written(&bytes, |path| {
            assert_close(&logits(&score(&mut *reranker(path), "the cat", &document)), &[expected], BATCH_TOLERANCE);
        });
    }
}

#[test]
fn inspecting_tells_what_it_is_for_and_loading_gives_nothing_else() {
    for kind in ["bert", "xlm-roberta", "qwen3"] {
        let path = fixture(&format!("rerank/{kind}.gguf"));
        let engine = LlamaEngine::new();
        let info = engine.inspect(&ModelSource::Path(path.clone())).unwrap();
        assert_eq!(info.capabilities, [Capability::Rerank]);
        let cells = if kind == "qwen3" { 2048 } else { 0 };
        assert_eq!(engine.estimate(&info, &wide()).context_tokens, cells, "{kind}");
        let loaded = load(&path, &wide()).unwrap();
        assert!(loaded.text.is_none() && loaded.embedder.is_none() && loaded.reranker.is_some());
    }
}

/// Both inspecting and loading must refuse.
fn refused(bytes: &[u8], expected: &str) {
    written(bytes, |path| {
        let error = LlamaEngine::new().inspect(&ModelSource::Path(path.into())).expect_err("inspected");
        assert!(error.to_string().contains(expected), "{error}, where \"{expected}\" was expected");
        assert!(load(path, &options()).is_err(), "loaded");
    });
}

#[test]
fn a_classifier_that_is_not_whole_is_refused_by_the_name_of_its_tensor() {
    let ranks = |arch: &str| (format!("{arch}.pooling_type"), MetaValue::U32(4));
    let (bert, llama) = (ranks("bert"), ranks("llama"));
    refused(&altered("tiny-bert.gguf", &[(bert.0.as_str(), bert.1.clone())]), "cls.weight is missing");
    refused(&altered("tiny-llama.gguf", &[(llama.0.as_str(), llama.1)]), "a reranker of architecture llama");
    let without = |kind: &str, name: &str, pooling: &[(&str, MetaValue)]| {
        rewritten(&format!("rerank/{kind}.gguf"), pooling, |tensor| tensor != name)
    };
    // As llama.cpp's converter writes BERT.
    refused(&without("bert", "cls.weight", &[]), "drops BERT's pooler");
    refused(&without("bert", "cls.output.weight", &[(bert.0.as_str(), bert.1)]), "cls.output.weight is missing");
    refused(&without("qwen3", "cls.output.weight", &[]), "cls.output.weight is missing");
    // Without a word about rank pooling and without a classifier, it is a model that embeds.
    written(&without("bert", "cls.output.weight", &[]), |path| {
        assert_eq!(load(path, &options()).unwrap().info.capabilities, [Capability::Embedding]);
    });
}

#[test]
fn shapes_of_a_classifier_must_fit_the_model_and_its_labels() {
    let labels = |names: &[&str]| MetaValue::Strings(names.iter().map(|name| name.as_bytes().to_vec()).collect());
    let (bert, qwen3) = ("bert.classifier.output_labels", "qwen3.classifier.output_labels");
    let of = |kind: &str, key: &str, value: MetaValue| altered(&format!("rerank/{kind}.gguf"), &[(key, value)]);
    refused(&of("bert", bert, labels(&["a", "b", "c"])), "cls.output.weight: shape");
    refused(&of("bert", bert, labels(&["a"; 100_000])), "for 100000 outputs");
    refused(&of("bert", bert, MetaValue::I32s(vec![1])), "expected a list of strings");
    refused(&of("bert", bert, MetaValue::U32(1)), "expected a list of strings");
    refused(&of("qwen3", qwen3, labels(&["yes"])), "cls.output.weight: shape [32, 2], expected [32, 1]");
    refused(&of("qwen3", qwen3, labels(&[])), "cls.output.weight: shape [32, 2], expected [32, 1]");
    for (name, shape) in [
        ("cls.weight", vec![32, 16]),
        ("cls.bias", vec![16]),
        ("cls.output.weight", vec![16, 1]),
        ("cls.output.weight", vec![32, 1, 2]),
        ("cls.output.bias", vec![2]),
    ] {
        let reshaped = remade("rerank/bert.gguf", &[], |tensor, data| {
            let shape = if tensor.name == name { shape.clone() } else { tensor.shape.clone() };
            let bytes = 4 * shape.iter().product::<u64>() as usize;
            let data = if tensor.name == name { vec![0; bytes] } else { data.to_vec() };
            Some((shape, data))
        });
        refused(&reshaped, &format!("{name}: shape {shape:?}"));
    }
}

#[test]
fn counts_of_outputs_that_make_no_score_are_refused() {
    let three = |tensor: &tern_gguf::TensorInfo, data: &[u8]| {
        let shape = match tensor.name.as_str() {
            "cls.output.weight" => vec![32, 3],
            "cls.output.bias" => vec![3],
            _ => return Some((tensor.shape.clone(), data.to_vec())),
        };
        Some((shape, data.repeat(3)))
    };
    let names = MetaValue::Strings([b"a", b"b", b"c"].map(|name| name.to_vec()).to_vec());
    let bytes = remade("rerank/bert.gguf", &[("bert.classifier.output_labels", names)], three);
    refused(&bytes, "3 labels, a reranker has 1 or 2");
    // Its share would always be 1.
    let one = |tensor: &tern_gguf::TensorInfo, data: &[u8]| match tensor.name.as_str() {
        "cls.output.weight" => Some((vec![32, 1], data[..128].to_vec())),
        _ => Some((tensor.shape.clone(), data.to_vec())),
    };
    let names = MetaValue::Strings(vec![b"yes".to_vec()]);
    let bytes = remade("rerank/qwen3.gguf", &[("qwen3.classifier.output_labels", names)], one);
    refused(&bytes, "1 labels, expected 2");
}

#[test]
fn a_prompt_must_have_a_place_for_each_of_the_two() {
    let prompt = |text: &str| {
        altered("rerank/qwen3.gguf", &[("tokenizer.chat_template.rerank", MetaValue::String(text.into()))])
    };
    refused(&prompt("{query}"), "{document} occurs 0 times");
    refused(&prompt("{query}{document}{document}"), "{document} occurs 2 times");
    refused(&prompt(&format!("{{query}}{{document}}{}", " ".repeat(1 << 20))), "expected at most 16384");
}
