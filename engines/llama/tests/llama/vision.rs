//! Models that see: tiny ones, one of each kind of projector that differs for us.

use std::path::{Path, PathBuf};

use tern_engine::{
    Capability, DecodeError, Decoder, Engine, EngineError, ImageChunk, LoadOptions, ModelSource, PromptPart, TextModel,
    tasks::Image,
};
use tern_llama::LlamaEngine;

use crate::support::{assert_close, fixture, floats, load, options, run, tokens};

const KINDS: [&str; 3] = ["idefics3", "qwen2.5vl", "gemma3"];

/// The vision towers compute with flash attention, whose keys and values are F16. Measured against PyTorch in F32: see the test.
const VISION_TOLERANCE: f32 = 0.05;

fn model_of(kind: &str) -> PathBuf {
    fixture("vision").join(kind).join("tiny.gguf")
}

fn roomy() -> LoadOptions {
    LoadOptions { kv_cells: 1024, max_batch_tokens: 128, saved_bytes: 1 << 20, ..options() }
}

fn sees(kind: &str) -> TextModel {
    load(&model_of(kind), &roomy()).unwrap().text.expect("a text model")
}

/// As `make_vision.py` makes it.
fn picture(width: u32, height: u32, seed: u32) -> Image {
    let value = |x: u32, y: u32, c: u32| ((x * 7 + y * 13 + c * 29 + x * y * seed) % 256) as u8;
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c))));
    Image::new(width, height, pixels.collect()).unwrap()
}

fn prepare(model: &TextModel, image: &Image) -> Vec<PromptPart> {
    model.vision.as_ref().expect("a model that sees").prepare(image).unwrap()
}

fn chunks(parts: &[PromptPart]) -> Vec<ImageChunk> {
    let chunk = |part: &PromptPart| match part {
        PromptPart::Image(chunk) => Some(chunk.clone()),
        PromptPart::Tokens(_) => None,
    };
    parts.iter().filter_map(chunk).collect()
}

/// Appends tokens and images to a sequence. Returns its length.
fn feed(decoder: &mut dyn Decoder, seq: u32, mut at: u32, parts: &[PromptPart]) -> u32 {
    for part in parts {
        match part {
            PromptPart::Tokens(words) if words.is_empty() => {}
            PromptPart::Tokens(words) => {
                run(decoder, seq, at, words).unwrap();
                at += words.len() as u32;
            }
            PromptPart::Image(chunk) => {
                decoder.decode_image(seq, at, chunk).unwrap();
                at += chunk.cells() as u32;
            }
        }
    }
    at
}

/// Logits behind `parts` and two words.
fn logits(decoder: &mut dyn Decoder, seq: u32, parts: &[PromptPart]) -> Vec<f32> {
    let at = feed(decoder, seq, 0, parts);
    run(decoder, seq, at, &[70, 71]).unwrap()
}

fn words(tokens: &[u32]) -> PromptPart {
    PromptPart::Tokens(tokens.to_vec())
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_tile_gives_the_logits_that_pytorch_computes() {
    let golden: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("vision/idefics3/golden.json")).unwrap()).unwrap();
    let side = golden["side"].as_u64().unwrap() as u32;
    let mut model = sees("idefics3");
    // Its four tiles, row by row, then the whole picture.
    let tiles = chunks(&prepare(&model, &picture(side, side, 1)));
    assert_eq!(tiles.len(), 5);
    let upper_right = &tiles[1];
    assert_eq!(upper_right.cells() as u64, golden["cells"].as_u64().unwrap());
    let decoder = &mut *model.decoder;
    let at = feed(decoder, 0, 0, &[words(&tokens(&golden["before"])), PromptPart::Image(upper_right.clone())]);
    let got = run(decoder, 0, at, &tokens(&golden["after"])).unwrap();
    assert_close(&got, &floats(&golden["logits"]), VISION_TOLERANCE);
}

#[test]
fn every_kind_lists_vision_and_counts_its_projector() {
    for kind in KINDS {
        let path = model_of(kind);
        let info = LlamaEngine::new().inspect(&ModelSource::Path(path.clone())).unwrap();
        assert!(info.capabilities.contains(&Capability::Vision), "{kind}: {:?}", info.capabilities);
        let projector = std::fs::metadata(path.with_file_name("mmproj-tiny.gguf")).unwrap().len();
        assert!(info.weights_bytes > projector, "{kind}");
    }
    let blind = LlamaEngine::new().inspect(&ModelSource::Path(fixture("tiny-llama.gguf"))).unwrap();
    assert!(!blind.capabilities.contains(&Capability::Vision));
}

#[test]
fn the_same_image_gives_the_same_logits_and_another_one_or_another_place_does_not() {
    for kind in KINDS {
        let mut model = sees(kind);
        let (one, other) = (prepare(&model, &picture(64, 64, 1)), prepare(&model, &picture(64, 64, 2)));
        let decoder = &mut *model.decoder;
        let behind = |image: &[PromptPart], first: bool| {
            let mut parts = vec![words(&[65, 66, 67])];
            parts.splice(if first { 0..0 } else { 1..1 }, image.iter().cloned());
            parts
        };
        let expected = logits(decoder, 0, &behind(&one, false));
        assert!(expected.iter().all(|logit| logit.is_finite()), "{kind}");
        assert_eq!(logits(decoder, 1, &behind(&one, false)), expected, "{kind}: the same again");
        assert!(distance(&logits(decoder, 2, &behind(&other, false)), &expected) > 0.01, "{kind}: another image");
        assert!(distance(&logits(decoder, 3, &behind(&one, true)), &expected) > 0.01, "{kind}: another place");
        // And the hashes tell them apart before anything is computed.
        assert_ne!(chunks(&one)[0].hash(), chunks(&other)[0].hash());
    }
}

/// Two images with words around them, in pieces: cut behind the first image and continued, copied, saved and brought back.
#[test]
fn a_prefix_with_images_can_be_cut_copied_and_saved_like_any_other() {
    for kind in KINDS {
        let mut model = sees(kind);
        let (one, two) = (prepare(&model, &picture(64, 64, 1)), prepare(&model, &picture(80, 40, 3)));
        let decoder = &mut *model.decoder;
        let mut prefix = vec![words(&[65, 66])];
        prefix.extend(one);
        prefix.push(words(&[67, 68, 69]));
        let mut whole = prefix.clone();
        whole.extend(two.iter().cloned());
        let expected = logits(decoder, 0, &whole);
        let rest = |decoder: &mut dyn Decoder, seq: u32, at: u32| {
            let at = feed(decoder, seq, at, &two);
            run(decoder, seq, at, &[70, 71]).unwrap()
        };
        let close = |got: Vec<f32>, how: &str| {
            let off = distance(&got, &expected);
            assert!(off < 0.01, "{kind}, {how}: {off}");
        };
        // Something else stood behind the prefix.
        let length = feed(decoder, 1, 0, &prefix);
        run(decoder, 1, length, &[90, 91, 92]).unwrap();
        decoder.kv_truncate(1, length).unwrap();
        close(rest(decoder, 1, length), "cut");
        decoder.kv_truncate(1, length).unwrap();
        decoder.kv_copy(1, 2, length).unwrap();
        close(rest(decoder, 2, length), "copied");
        let saved = decoder.kv_save(1).unwrap();
        decoder.kv_truncate(1, 0).unwrap();
        decoder.kv_restore(&saved, 3).unwrap();
        close(rest(decoder, 3, length), "saved");
        // Cut inside an image: refused, and nothing has changed.
        assert!(matches!(decoder.kv_truncate(3, 5), Err(DecodeError::Unsupported(_))), "{kind}");
        decoder.kv_truncate(3, length).unwrap();
        close(rest(decoder, 3, length), "after a refusal");
    }
}

#[test]
fn an_image_of_two_dimensions_takes_fewer_positions_than_cells_and_words_go_on_behind_it() {
    // With positions of one dimension an image of 8 by 4 cells would push the words behind it 32 on; here it is 8. The logits
    // of a wrong position would differ between the ways of getting there that the tests above compare; here llama.cpp, which
    // refuses a batch whose positions go back, must accept many words behind many images.
    let mut model = sees("qwen2.5vl");
    let image = prepare(&model, &picture(128, 64, 1));
    assert_eq!(chunks(&image)[0].cells(), 32);
    let decoder = &mut *model.decoder;
    let mut parts = Vec::new();
    for turn in 0..6 {
        parts.push(words(&[65 + turn, 66, 67]));
        parts.extend(image.iter().cloned());
    }
    let at = feed(decoder, 0, 0, &parts);
    assert!(at > 6 * 35);
    run(decoder, 0, at, &[70; 20]).unwrap();
}

#[test]
fn wrong_calls_are_refused_and_change_nothing() {
    let mut model = sees("idefics3");
    let image = chunks(&prepare(&model, &picture(64, 64, 1)))[0].clone();
    let decoder = &mut *model.decoder;
    let expected = run(decoder, 0, 0, &[65, 66]).unwrap();
    let stranger = ImageChunk::new(4, 1, std::sync::Arc::new("a stranger"));
    assert!(matches!(decoder.decode_image(0, 5, &image), Err(DecodeError::InvalidBatch(_))), "a gap");
    assert!(matches!(decoder.decode_image(99, 0, &image), Err(DecodeError::InvalidBatch(_))), "no such sequence");
    assert!(matches!(decoder.decode_image(0, 2, &stranger), Err(DecodeError::InvalidBatch(_))), "another engine's");
    decoder.kv_truncate(0, 0).unwrap();
    assert_eq!(run(decoder, 0, 0, &[65, 66]).unwrap(), expected);
    let mut blind = crate::support::tiny_llama();
    assert!(matches!(blind.decoder.decode_image(0, 0, &image), Err(DecodeError::Unsupported(_))));
    let line = model.vision.unwrap().prepare(&picture(500, 2, 1)).unwrap_err();
    assert!(line.to_string().contains("500x2"), "{line}");
}

#[test]
fn cells_that_do_not_suffice_are_an_error_that_leaves_the_cache_as_it_was() {
    for kind in KINDS {
        let options = LoadOptions { kv_cells: 256, max_batch_tokens: 128, ..options() };
        let mut model = load(&model_of(kind), &options).unwrap().text.unwrap();
        let image = prepare(&model, &picture(128, 128, 1));
        let (chunk, decoder) = (chunks(&image)[0].clone(), &mut *model.decoder);
        let word = [65];
        let mut full = 0;
        while full + 2 * (chunk.cells() as u32) < 250 {
            full = feed(decoder, 0, full, &[PromptPart::Image(chunk.clone())]);
        }
        let cells = decoder.limits().kv_cells;
        // Fill the rest word by word in another sequence, so that one image less one cell is free.
        let mut at = 0;
        while full + at + (chunk.cells() as u32) <= cells {
            run(decoder, 1, at, &word).unwrap();
            at += 1;
        }
        let refused = decoder.decode_image(2, 0, &chunk).unwrap_err();
        assert!(matches!(refused, DecodeError::KvFull { .. }), "{kind}: {refused}");
        run(decoder, 1, at, &word).unwrap();
        decoder.kv_truncate(0, 0).unwrap();
        decoder.decode_image(2, 0, &chunk).unwrap();
    }
}

/// A copy of a tiny model in a folder, with this as its projector.
fn with_projector(kind: &str, projector: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.gguf");
    std::fs::copy(model_of(kind), &model).unwrap();
    std::fs::write(folder.path().join("tiny-mmproj-f16.gguf"), projector).unwrap();
    (folder, model)
}

fn inspect_named(model: &Path, projector: &Path) -> Result<tern_engine::ModelInfo, EngineError> {
    LlamaEngine::new().inspect(&ModelSource::Sighted { model: model.into(), projector: projector.into() })
}

#[test]
fn a_projector_that_does_not_fit_is_left_alone_beside_a_model_and_an_error_when_it_was_named() {
    let other = std::fs::read(fixture("tiny-llama.gguf")).unwrap();
    for bytes in [&b"GGUF"[..], &other[..]] {
        let (folder, model) = with_projector("idefics3", bytes);
        let info = LlamaEngine::new().inspect(&ModelSource::Path(model.clone())).unwrap();
        assert!(!info.capabilities.contains(&Capability::Vision));
        let named = folder.path().join("tiny-mmproj-f16.gguf");
        let refused = inspect_named(&model, &named).unwrap_err().to_string();
        assert!(refused.contains("tiny-mmproj-f16.gguf"), "{refused}");
        // The right one, named, wins over what lies there.
        let right = model_of("idefics3").with_file_name("mmproj-tiny.gguf");
        assert!(inspect_named(&model, &right).unwrap().capabilities.contains(&Capability::Vision));
    }
}

/// Every number of a projector's header replaced by others, and its tensors' shapes: whatever passes the checks must load, or be
/// refused by llama.cpp, and encode without ending the process.
#[test]
fn a_damaged_projector_never_ends_the_process() {
    for kind in KINDS {
        let bytes = std::fs::read(model_of(kind).with_file_name("mmproj-tiny.gguf")).unwrap();
        let header = tern_gguf::Header::parse(&bytes).unwrap().header_len() as usize;
        let mut state = 0x9E37_79B9_u64;
        let mut loaded = 0;
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = 24 + (state >> 33) as usize % (header - 24);
            damaged[at] = (state >> 20) as u8;
            let (_folder, model) = with_projector(kind, &damaged);
            let Ok(model) = load(&model, &roomy()) else { continue };
            let Some(mut text) = model.text else { continue };
            let Some(eyes) = text.vision.clone() else { continue };
            loaded += 1;
            if let Ok(parts) = eyes.prepare(&picture(64, 48, 1)) {
                let chunk = chunks(&parts)[0].clone();
                let _ = text.decoder.decode_image(0, 0, &chunk);
            }
        }
        assert!(loaded > 0, "{kind}: nothing was loaded, so nothing was tried");
    }
}
