use tern_engine::{
    Tokenizer,
    conformance::{Outcome, RoundTrip, TOKENIZER},
};

use crate::support::{build, byte_level, from_file, guide, guide_folder, pieces};

#[track_caller]
fn conforms(tokenizer: &dyn Tokenizer, round_trip: RoundTrip) {
    let mut failures = Vec::new();
    for check in TOKENIZER {
        match check.run(tokenizer, round_trip) {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::DoesNotApply(reason)) => println!("does not apply: {} ({reason})", check.name),
            Err(failure) => failures.push(format!("{}: {failure}", check.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_guide_conforms_from_its_file_and_from_its_folder() {
    conforms(&guide(), RoundTrip::Exact);
    conforms(&guide_folder(), RoundTrip::Exact);
}

#[test]
fn the_tiny_model_conforms() {
    conforms(&from_file("tests/fixtures/tiny-llama.gguf"), RoundTrip::Exact);
}

#[test]
fn sentencepiece_conforms_with_and_without_a_space_before() {
    let writer =
        pieces(&[("\u{2581}the", -1.0), ("th", -2.0), ("e", -3.0), ("t", -3.0), ("h", -3.0), ("\u{2581}", -4.0)]);
    conforms(&build(&writer).unwrap(), RoundTrip::LeadingSpace);
    conforms(&build(&writer.with("tokenizer.ggml.add_space_prefix", false)).unwrap(), RoundTrip::Exact);
}

/// Endless words are what a recursive or quadratic splitter would die of.
#[test]
fn endless_words_are_tokenized_in_every_way() {
    let size = 1 << 20;
    let mut tokenizers: Vec<Box<dyn Tokenizer>> = vec![
        Box::new(guide()),
        Box::new(guide_folder()),
        Box::new(build(&pieces(&[("aa", 0.0), ("\u{2581}", -1.0)])).unwrap()),
    ];
    tokenizers.extend(["llama-bpe", "falcon", "deepseek-llm", "deepseek-v3"].map(|pre| Box::new(byte_level(pre)) as _));
    for tokenizer in tokenizers {
        for letter in ["a", " ", "1", "漢", "\n", "!", "\t x"] {
            let text = letter.repeat(size / letter.len());
            let ids = tokenizer.encode(&text, false, true).unwrap();
            let got = crate::support::text(&*tokenizer, &ids, false);
            assert!(got == text || got.strip_prefix(' ') == Some(&text), "{letter:?}");
        }
    }
}

#[test]
fn a_text_beyond_the_limit_is_refused_with_both_numbers() {
    let text = "a".repeat(tern_tokenizer::TEXT_LIMIT + 1);
    for tokenizer in [&guide() as &dyn Tokenizer, &guide_folder()] {
        let error = tokenizer.encode(&text, false, false).unwrap_err().to_string();
        assert!(error.contains("8388609") && error.contains("8388608"), "{error}");
    }
}
