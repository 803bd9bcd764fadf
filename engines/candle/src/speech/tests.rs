//! Against transformers (`tests/whisper_golden.py`), with a tiny random model; and the parts that need no model.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde_json::Value;
use tern_engine::{
    Engine, EngineError, LoadOptions, ModelSource, Segment, Token,
    tasks::{TranscribeOptions, Transcript},
};
use tern_tokenizer::HfTokenizer;

use super::{
    config::{Config, Special},
    mel::Mel,
    model::Model,
    rules, timing,
    transcribe::{Part, cut},
    window::{Opening, Random, Speaker, compression_ratio},
};
use crate::{CandleEngine, source::Source};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whisper")
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("golden.json")).unwrap()).unwrap()
}

/// As the script makes them.
fn samples() -> Vec<f32> {
    (0..32_000)
        .map(|at| {
            let t = f64::from(at);
            let tone = 0.3 * (t * 0.05 + 3.0 * (t * 0.0007).sin()).sin();
            if at % 8000 < 6000 && at < 31_000 { tone as f32 } else { 0.0 }
        })
        .collect()
}

fn close(what: &str, got: &[f32], expected: &Value, most: f64) {
    let expected = expected.as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let expected = expected.as_f64().unwrap();
        assert!((f64::from(*got) - expected).abs() < most, "{what} at {at}: {got}, expected {expected}");
    }
}

struct Tiny {
    config: Config,
    special: Special,
    tokenizer: HfTokenizer,
    model: Model,
}

impl Tiny {
    fn load() -> Self {
        let source = Source::open(&folder()).unwrap();
        let config = Config::read(&source).unwrap();
        let tokenizer = HfTokenizer::from_folder(&folder()).unwrap();
        let special = Special::read(&source, &config, &tokenizer).unwrap();
        let model = source.build(DType::F32, &Device::Cpu, &mut |_| true, |weights| Model::new(&config, weights));
        Self { special, tokenizer, model: model.unwrap(), config }
    }

    fn speaker(&self) -> Speaker<'_> {
        Speaker {
            config: &self.config,
            special: &self.special,
            tokenizer: &self.tokenizer,
            model: &self.model,
            cancelled: &|| false,
        }
    }

    fn mel(&self) -> Vec<f32> {
        let mel = Mel::new(80);
        let loudest = mel.loudest(&samples(), &|| false).unwrap();
        mel.window(&samples(), 0, 200, 200, loudest)
    }
}

#[test]
fn the_spectrogram_is_that_of_transformers() {
    let golden = golden();
    for bands in [80, 128] {
        let mel = Mel::new(bands);
        let loudest = mel.loudest(&samples(), &|| false).unwrap();
        let got = mel.window(&samples(), 0, 200, 200, loudest);
        for (frame, expected) in golden[format!("mel{bands}")].as_object().unwrap() {
            let at = frame.parse::<usize>().unwrap() * bands;
            close(&format!("{bands} bands, frame {frame}"), &got[at..at + bands], expected, 1e-4);
        }
    }
}

#[test]
fn encoder_and_decoder_compute_what_transformers_computes() {
    let (tiny, golden) = (Tiny::load(), golden());
    let heard = tiny.model.encode(tiny.mel(), &|| false).unwrap().to_vec2::<f32>().unwrap();
    for (at, expected) in golden["encoder"].as_object().unwrap() {
        close(&format!("position {at}"), &heard[at.parse::<usize>().unwrap()], expected, 1e-4);
    }
    let forced: Vec<Token> = serde_json::from_value(golden["forced"].clone()).unwrap();
    let mut state = tiny.model.hear(tiny.mel(), &|| false).unwrap();
    let logits = tiny.model.say_all(&forced, &mut state, &[]).unwrap().logits.to_vec2::<f32>().unwrap();
    for (at, expected) in golden["logits"].as_object().unwrap() {
        close(&format!("token {at}"), &logits[at.parse::<usize>().unwrap()], expected, 2e-4);
    }
    // One token after the other, through the cache; and again, after everything is forgotten.
    for _ in 0..2 {
        state.forget();
        for (token, expected) in forced.iter().zip(&logits) {
            let got = tiny.model.say(&[*token], &mut state).unwrap();
            let most = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(most < 2e-4, "{most}");
        }
    }
}

#[test]
fn greedy_answers_and_the_language_are_those_of_transformers() {
    let (tiny, golden) = (Tiny::load(), golden());
    let speaker = tiny.speaker();
    let mut state = tiny.model.hear(tiny.mel(), &|| false).unwrap();
    let (code, token) = speaker.language(&mut state).unwrap().unwrap();
    assert_eq!((code.as_str(), Some(u64::from(token))), ("fr", golden["language"].as_u64()));
    let token = tiny.special.language("en").unwrap();
    let start = [tiny.special.start, token, tiny.special.transcribe.unwrap()];
    let opening = Opening { start: &start, before: &[] };
    let answer = speaker.once(&mut state, &opening, 0.0, &mut Random(0)).unwrap();
    let expected: Vec<Token> = serde_json::from_value(golden["generated"].clone()).unwrap();
    assert_eq!(answer.tokens, expected);
    assert!(answer.avg_logprob < 0.0 && (0.0..=1.0).contains(&answer.no_speech_prob));
}

fn transcribe(options: &TranscribeOptions, samples: &[f32]) -> Result<(Transcript, Vec<Segment>), EngineError> {
    let source = ModelSource::Path(folder());
    let mut model = CandleEngine.load(&source, &LoadOptions::default(), &mut |_| true).unwrap();
    let mut seen = Vec::new();
    let transcriber = model.transcriber.as_mut().unwrap();
    let transcript =
        transcriber.transcribe(samples, options, &mut |segment, _| seen.push(segment.clone()), &|| false)?;
    Ok((transcript, seen))
}

#[test]
fn a_recording_of_several_windows_is_heard_to_its_end_and_segments_come_as_they_are_found() {
    let long: Vec<f32> = samples().into_iter().cycle().take(32_000 * 4 + 7000).collect();
    let options = TranscribeOptions { words: true, ..TranscribeOptions::default() };
    let (transcript, seen) = transcribe(&options, &long).unwrap();
    assert_eq!(transcript.language, "fr");
    assert_eq!(transcript.segments, seen);
    assert!(!seen.is_empty());
    assert!(seen.iter().any(|segment| segment.start > 2.0), "only the first window: {seen:?}");
    for segment in &seen {
        assert!(segment.start >= 0.0 && segment.end <= 10.5, "{segment:?}");
        assert!(!segment.words.is_empty(), "{segment:?}");
        for word in &segment.words {
            assert!(0.0 <= word.start && word.start <= word.end && word.end <= 10.5, "{word:?}");
            assert!(!word.text.is_empty() && (0.0..=1.0).contains(&word.probability), "{word:?}");
        }
    }
    // The same recording is always understood alike.
    assert_eq!(transcribe(&options, &long).unwrap().0, transcript);
    assert!(transcribe(&options, &[]).unwrap().0.segments.is_empty());
}

#[test]
fn what_the_model_does_not_know_is_an_error_that_says_so() {
    let options = TranscribeOptions { language: Some("xx".into()), ..TranscribeOptions::default() };
    let error = transcribe(&options, &samples()).unwrap_err();
    assert!(error.to_string().contains("does not know the language \"xx\""), "{error}");
}

#[test]
fn it_stops_when_told_to() {
    let source = ModelSource::Path(folder());
    let mut model = CandleEngine.load(&source, &LoadOptions::default(), &mut |_| true).unwrap();
    let transcriber = model.transcriber.as_mut().unwrap();
    for after in [0, 1, 3, 9] {
        let asked = std::cell::Cell::new(0);
        let cancelled = || {
            asked.set(asked.get() + 1);
            asked.get() > after
        };
        let options = TranscribeOptions::default();
        let result = transcriber.transcribe(&samples(), &options, &mut |_, _| {}, &cancelled);
        assert!(matches!(result, Err(EngineError::Cancelled)), "after {after}");
    }
}

#[test]
fn a_folder_with_a_tensor_of_another_shape_is_refused_by_name() {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "generation_config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(folder().join(file), copy.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(folder().join("config.json")).unwrap();
    let wrong = config.replace("\"decoder_ffn_dim\": 32", "\"decoder_ffn_dim\": 48");
    std::fs::write(copy.path().join("config.json"), wrong).unwrap();
    let source = ModelSource::Path(copy.path().into());
    let error = CandleEngine.load(&source, &LoadOptions::default(), &mut |_| true).err().unwrap();
    assert!(error.to_string().contains("fc1"), "{error}");
}

#[test]
fn answers_are_cut_between_pairs_of_timestamps() {
    let part = |tokens: &[Token], start, end| Part { tokens: tokens.to_vec(), start, end };
    // 100 is 0.00 s.
    let got = cut(&[100, 1, 2, 110, 110, 3, 130, 130, 4], 100, 3000);
    assert_eq!(got.parts, [part(&[100, 1, 2, 110], 0, 20), part(&[110, 3, 130], 20, 60)]);
    assert_eq!((got.frames, got.ends_with_time), (60, false));
    let got = cut(&[100, 1, 110, 110, 2, 130], 100, 3000);
    assert_eq!(got.parts, [part(&[100, 1, 110], 0, 20), part(&[110, 2, 130], 20, 60)]);
    assert_eq!((got.frames, got.ends_with_time), (3000, true));
    let got = cut(&[100, 1, 2, 140], 100, 3000);
    assert_eq!((got.parts, got.frames), (vec![part(&[100, 1, 2, 140], 0, 80)], 3000));
    let got = cut(&[1, 2], 100, 700);
    assert_eq!((got.parts, got.frames), (vec![part(&[1, 2], 0, 700)], 700));
    assert_eq!(cut(&[], 100, 700).frames, 700);
}

#[test]
fn the_way_through_attention_is_the_cheapest_in_single_steps() {
    let cost = [[-3.0, -1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, -3.0, -1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, -3.0, -2.0]];
    assert_eq!(timing::warp(&cost.concat(), 6), [0, 2, 4]);
    // Where ways cost the same, that of whisper's `dtw_cpu` (20250625): the next token begins while the one before still sounds.
    let cost = [[-3.0, -1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -3.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, -3.0, -2.0]];
    assert_eq!(timing::warp(&cost.concat(), 6), [0, 1, 3]);
    // More tokens than positions: several at once.
    assert_eq!(timing::warp(&[-1.0, -1.0, -1.0], 1), [0, 0, 0]);
}

#[test]
fn timestamps_come_in_pairs_and_never_go_back() {
    let tiny = Tiny::load();
    let special = &tiny.special;
    let begin = special.timestamp_begin();
    let allowed = |said: &[Token]| -> (bool, Vec<Token>, bool) {
        let mut logits = vec![0.0; tiny.config.vocabulary];
        // Text and the end are likelier than all timestamps together, so that both kinds stay.
        logits[65..91].fill(9.0);
        logits[special.end as usize] = 9.0;
        rules::apply(&mut logits, said, special);
        let open = |token: Token| logits[token as usize] > f32::NEG_INFINITY;
        let times = (begin..tiny.config.vocabulary as Token).filter(|&token| open(token)).collect();
        (open(70), times, open(special.end))
    };
    // First a timestamp, of the first second.
    assert_eq!(allowed(&[]), (false, (begin..=begin + 50).collect(), false));
    // Then text; behind it text, or a later time.
    assert_eq!(allowed(&[begin + 3]), (true, vec![], true));
    let (text, times, end) = allowed(&[begin + 3, 70]);
    assert_eq!((text, times[0], end), (true, begin + 4, true));
    // A time behind text: its other half or the end.
    let (text, times, end) = allowed(&[begin + 3, 70, begin + 9]);
    assert_eq!((text, times[0], end), (false, begin + 9, true));
    assert_eq!(allowed(&[begin + 3, 70, begin + 9, begin + 9]).1, Vec::<u32>::new());
}

#[test]
fn repetition_compresses() {
    assert!(compression_ratio(&"again and ".repeat(30)) > 2.4);
    assert!(compression_ratio("Tomorrow at nine we will meet in Berlin.") < 1.2);
    assert_eq!(compression_ratio(""), 0.0);
}
