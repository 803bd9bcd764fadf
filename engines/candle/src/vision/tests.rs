//! Against transformers, on tiny models with random weights (`tests/blip/make.py`).

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use serde_json::Value;
use tern_engine::{Describer, Engine, EngineError, Image, LoadOptions, ModelSource, tasks::Wish};

use super::*;
use crate::{CandleEngine, vision::words::Direction};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blip")
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("golden.json")).unwrap()).unwrap()
}

fn images(golden: &Value) -> Vec<Image> {
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let image = |image: &Value| {
        let size = |name: &str| image[name].as_u64().unwrap() as u32;
        Image::new(size("width"), size("height"), bytes(image["rgb"].as_str().unwrap())).unwrap()
    };
    golden["images"].as_array().unwrap().iter().map(image).collect()
}

fn open(name: &str) -> BlipDescriber {
    let source = Source::open(&folder().join(name)).unwrap();
    let config = Config::read(&source.config).unwrap();
    let blip = source.build(DType::F32, &Device::Cpu, &mut |_| true, |weights| Blip::new(&config, weights)).unwrap();
    BlipDescriber {
        blip,
        preprocessing: Preprocessing::read(&source.path, config.vision.image_size).unwrap(),
        tokenizer: Tokenizer::from_file(source.path.join("tokenizer.json")).unwrap(),
    }
}

#[track_caller]
fn close(got: &[f32], expected: &Value, most: f32) {
    let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(got.len(), expected.len());
    let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < most, "differs by {worst}");
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn pixels_are_those_of_transformers() {
    let golden = golden();
    for (index, image) in images(&golden).iter().enumerate() {
        let pixels = Preprocessing::read(&folder().join("captions"), 32).unwrap().pixels(image).unwrap();
        close(&pixels, &golden["images"][index]["pixels"], 2e-6);
    }
}

#[test]
fn vectors_scores_and_captions_are_those_of_transformers() {
    let golden = golden();
    let (images, mut model) = (images(&golden), open("captions"));
    for case in golden["captions"].as_array().unwrap() {
        let image = &images[case["image"].as_u64().unwrap() as usize];
        let pixels =
            Tensor::from_vec(model.preprocessing.pixels(image).unwrap(), (1, 3, 32, 32), &Device::Cpu).unwrap();
        let seen = model.blip.tower.forward(&pixels, &|| false).unwrap().unwrap();
        close(&floats(&seen.narrow(0, 0, 3).unwrap()), &case["tower"], 1e-4);
        let tokens: Vec<u32> = serde_json::from_value(case["tokens"].clone()).unwrap();
        let given = &tokens[..case["given"].as_u64().unwrap() as usize];
        let mut state = model.blip.writer.look_at(&seen).unwrap();
        close(&floats(&model.blip.next(given, &mut state).unwrap()), &case["logits"], 1e-3);
        // A token at a time, over the cache, is the same.
        let mut state = model.blip.writer.look_at(&seen).unwrap();
        let single = given.iter().map(|token| model.blip.next(&[*token], &mut state).unwrap()).last().unwrap();
        close(&floats(&single), &case["logits"], 1e-3);
        let wish = Wish::Caption(case["prompt"].as_str().map(str::to_owned));
        let said = model.describe(image, &wish, 9, &|| false).unwrap();
        assert_eq!(said.text, case["text"].as_str().unwrap(), "{wish:?}");
    }
}

#[test]
fn scores_and_answers_are_those_of_transformers() {
    let golden = golden();
    let (images, mut model) = (images(&golden), open("answers"));
    for case in golden["answers"].as_array().unwrap() {
        let image = &images[case["image"].as_u64().unwrap() as usize];
        let question = case["question"].as_str().unwrap();
        let seen = model.image(image, &|| false).unwrap();
        let reader = model.blip.reader.as_ref().unwrap();
        let mut state = reader.look_at(&seen).unwrap();
        let read = reader.forward(&model.tokens(question).unwrap(), &mut state, Direction::Both).unwrap();
        let mut state = model.blip.writer.look_at(&read).unwrap();
        let bos = model.blip.config.text.bos;
        close(&floats(&model.blip.next(&[bos], &mut state).unwrap()), &case["logits"], 1e-3);
        let said = model.describe(image, &Wish::Answer(question.into()), 9, &|| false).unwrap();
        assert_eq!((said.text.as_str(), said.tokens), (case["text"].as_str().unwrap(), 9), "{question}");
    }
}

#[test]
fn the_engine_loads_each_for_what_it_can() {
    for (name, capability) in [("captions", Capability::Caption), ("answers", Capability::VisualQuestions)] {
        let source = ModelSource::Path(folder().join(name));
        let info = CandleEngine.inspect(&source).unwrap();
        assert_eq!(info.capabilities, [capability]);
        assert!(CandleEngine.estimate(&info, &LoadOptions::default()).weights_bytes >= info.parameters * 4);
        let loaded = CandleEngine.load(&source, &LoadOptions::default(), &mut |_| true).unwrap();
        let mut describer = loaded.describer.unwrap();
        let image = Image::new(1, 1, vec![9; 3]).unwrap();
        for wish in [Wish::Caption(None), Wish::Answer("what is it".into())] {
            let result = describer.describe(&image, &wish, 2, &|| false);
            assert_eq!(result.is_ok(), describer.can(&wish), "{name} {wish:?} {result:?}");
        }
    }
}

#[test]
fn it_stops_when_told_and_at_its_limits() {
    let image = Image::new(40, 40, vec![100; 40 * 40 * 3]).unwrap();
    let mut model = open("answers");
    // At the first question, between the layers of the tower, before the first token.
    for after in [0, 1, 2] {
        let asked = Cell::new(0);
        let cancelled = || asked.replace(asked.get() + 1) >= after;
        let result = model.describe(&image, &Wish::Answer("what is red".into()), 31, &cancelled);
        assert!(matches!(result, Err(EngineError::Cancelled)), "{after}: {result:?}");
    }
    // 32 positions, one of them for the beginning.
    let said = model.describe(&image, &Wish::Answer("how many cats".into()), 1000, &|| false).unwrap();
    assert!(said.tokens <= 31, "{said:?}");
    let error = model.describe(&image, &Wish::Answer("red ".repeat(40)), 5, &|| false).unwrap_err().to_string();
    assert!(error.contains("42 tokens"), "{error}");
    let tall = Image::new(1, 100_000, vec![0; 300_000]).unwrap();
    assert!(model.describe(&tall, &Wish::Answer("what".into()), 5, &|| false).is_err());
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let read = |change: &dyn Fn(&mut Value)| {
        let mut json = tern_folder::Json::read(&folder().join("answers"), "config.json").unwrap();
        change(&mut json.value);
        Config::read(&json).map(|_| ()).map_err(|error| error.to_string())
    };
    read(&|_| {}).unwrap();
    // Of what is left out, transformers has values.
    read(&|json| *json = serde_json::json!({"text_config": {"num_attention_heads": 12}})).unwrap();
    for (place, value, word) in [
        ("/vision_config/hidden_act", serde_json::json!("relu"), "gelu"),
        ("/vision_config/num_attention_heads", 5.into(), "divisor"),
        ("/vision_config/image_size", 1_000_000.into(), "4096"),
        ("/text_config/hidden_size", 48.into(), "question"),
        ("/text_config/bos_token_id", 5000.into(), "below"),
        ("/text_config/num_hidden_layers", (-1).into(), "positive"),
    ] {
        let error = read(&|json| *json.pointer_mut(place).unwrap() = value.clone()).unwrap_err();
        assert!(error.contains(word), "{place}: {error}");
    }
}
