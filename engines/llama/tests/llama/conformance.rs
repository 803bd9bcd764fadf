use tern_engine::{
    Engine, LoadOptions, LoadedModel, ModelSource,
    conformance::{self, RoundTrip, Tolerance},
};
use tern_llama::LlamaEngine;

use crate::support::{BATCH_TOLERANCE, fixture};

const LOGITS: Tolerance = Tolerance { absolute: BATCH_TOLERANCE };

fn tiny_llama(options: &LoadOptions) -> LoadedModel {
    load("tiny-llama.gguf", options)
}

fn tiny_bert(options: &LoadOptions) -> LoadedModel {
    load("tiny-bert.gguf", options)
}

fn guide(options: &LoadOptions) -> LoadedModel {
    load("../../models/guide/tern-guide.gguf", options)
}

fn load(name: &str, options: &LoadOptions) -> LoadedModel {
    LlamaEngine::new().load(&ModelSource::Path(fixture(name)), options, &mut |_| true).unwrap()
}

#[test]
fn tiny_llama_decodes_as_the_contract_says() {
    conformance::text(&tiny_llama, LOGITS);
}

#[test]
fn tiny_llama_tokenizes_as_the_contract_says() {
    conformance::tokenizer(&tiny_llama, RoundTrip::Exact);
}

#[test]
fn tiny_bert_embeds_as_the_contract_says() {
    conformance::embedder(&tiny_bert, Tolerance { absolute: 1e-3 });
}

#[test]
fn tiny_bert_tokenizes_as_the_contract_says() {
    conformance::tokenizer(&tiny_bert, RoundTrip::Lossy);
}

/// Attention sums in F16, in blocks that depend on the batch, through all layers. Measured: 0.063 at 512 tokens, of logits
/// between -7 and 7.
#[test]
fn the_guide_model_decodes_as_the_contract_says() {
    conformance::text(&guide, Tolerance { absolute: 0.1 });
}

#[test]
fn the_guide_model_tokenizes_as_the_contract_says() {
    conformance::tokenizer(&guide, RoundTrip::Exact);
}
