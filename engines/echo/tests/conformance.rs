//! The shared suite on the scripts, and the suite itself on decoders that are broken on purpose.

use tern_echo::EchoEngine;
use tern_engine::{
    Batch, DecodeError, Decoder, DecoderLimits, Engine, LoadOptions, LoadedModel, ModelSource, Pos, SeqId, TextModel,
    conformance::{self, RoundTrip, TEXT, Tolerance},
};

fn load(script: &str, options: &LoadOptions) -> LoadedModel {
    EchoEngine.load(&ModelSource::Script(script.into()), options, &mut |_| true).unwrap()
}

// Integer hashes turned into floats: nothing depends on the shape of a batch.
const TOLERANCE: Tolerance = Tolerance::EXACT;

#[test]
fn scripts_conform() {
    for script in ["echo", "echo-random", "echo-stop?context=200"] {
        println!("{script}");
        conformance::text(&|options| load(script, options), TOLERANCE);
    }
}

#[test]
fn the_tokenizer_conforms() {
    conformance::tokenizer(&|options| load("echo", options), RoundTrip::Exact);
}

#[test]
fn the_embedder_conforms() {
    conformance::embedder(&|options| load("echo-embed", options), TOLERANCE);
}

/// Ways to break a decoder that the suite must notice.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bug {
    FreesNothing,
    CutsOneTokenTooMany,
    CopiesOneTokenTooFew,
    KeepsHalfOfARefusedBatch,
    SwapsRows,
    ShortensRows,
    RefusesNothing,
}

struct Broken {
    inner: Box<dyn Decoder>,
    bug: Bug,
    rows: usize,
}

impl Decoder for Broken {
    fn limits(&self) -> DecoderLimits {
        self.inner.limits()
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.rows = batch.rows();
        let outcome = self.inner.decode(batch);
        if outcome.is_err() && self.bug == Bug::RefusesNothing {
            return Ok(());
        }
        if outcome.is_err() && self.bug == Bug::KeepsHalfOfARefusedBatch && batch.len() > 1 {
            let mut half = Batch::default();
            for &token in &batch.tokens()[..batch.len() / 2] {
                half.push(token);
            }
            let _ = self.inner.decode(&half);
        }
        outcome
    }

    fn logits(&self, row: usize) -> &[f32] {
        match self.bug {
            Bug::SwapsRows => self.inner.logits(self.rows - 1 - row),
            Bug::ShortensRows => &self.inner.logits(row)[1..],
            _ => self.inner.logits(row),
        }
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        match self.bug {
            Bug::FreesNothing => Ok(()),
            Bug::CutsOneTokenTooMany => self.inner.kv_truncate(seq, from.saturating_sub(1)),
            _ => self.inner.kv_truncate(seq, from),
        }
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        let len = if self.bug == Bug::CopiesOneTokenTooFew { len - 1 } else { len };
        self.inner.kv_copy(from, to, len)
    }
}

/// Runs the check of this name on a decoder with this bug: it must fail, with the evidence.
#[track_caller]
fn check(bug: Bug, name: &str, evidence: &str) {
    let load = |options: &LoadOptions| {
        let mut model = load("echo-random", options);
        model.text = model.text.map(|text| TextModel {
            tokenizer: text.tokenizer,
            decoder: Box::new(Broken { inner: text.decoder, bug, rows: 0 }),
            vision: text.vision,
        });
        model
    };
    let check = TEXT.iter().copied().flatten().find(|check| check.name == name).expect("the check exists");
    let failure = check.run(&load, TOLERANCE).expect_err("the bug was not noticed").to_string();
    assert!(failure.contains(evidence), "{failure}");
}

#[test]
fn a_decoder_that_frees_nothing_is_noticed() {
    check(Bug::FreesNothing, "a freed sequence leaves nothing behind for the next one", "expected 50");
}

#[test]
fn a_decoder_that_cuts_too_much_is_noticed() {
    check(Bug::CutsOneTokenTooMany, "cutting a sequence and going on agrees with computing it anew", "expected 12");
}

#[test]
fn a_decoder_that_copies_too_little_is_noticed() {
    check(Bug::CopiesOneTokenTooFew, "a copied prefix agrees with a computed one", "expected 16");
}

#[test]
fn a_decoder_that_keeps_half_of_a_refused_batch_is_noticed() {
    let name = "a batch that finds no cells is KvFull and leaves the cache intact";
    check(Bug::KeepsHalfOfARefusedBatch, name, "expected 10");
}

#[test]
fn a_decoder_that_swaps_rows_is_noticed() {
    check(Bug::SwapsRows, "each row of logits belongs to the token that asked for it", "first at");
    check(Bug::SwapsRows, "a batch of one sequence agrees with a batch of many", "first at");
}

#[test]
fn a_decoder_whose_rows_are_too_short_is_noticed() {
    let name = "a row of logits has a finite number for each token of the vocabulary";
    check(Bug::ShortensRows, name, "expected");
}

#[test]
fn a_decoder_that_refuses_nothing_is_noticed() {
    let name = "a batch that breaks a limit is an error and leaves the cache intact";
    check(Bug::RefusesNothing, name, "an empty batch: accepted, expected InvalidBatch");
}

#[test]
fn a_tolerance_that_would_hide_a_wrong_token_is_noticed() {
    let name = "other tokens give other logits, beyond the tolerance";
    let check = TEXT.iter().copied().flatten().find(|check| check.name == name).unwrap();
    let wide = Tolerance { relative: 100.0 };
    assert!(check.run(&|options| load("echo-random", options), wide).is_err());
}
