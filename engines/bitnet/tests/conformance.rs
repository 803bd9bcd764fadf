//! The shared suite on every graph. Logits are the same bit for bit: a token's numbers do not depend on its batch.

use std::path::{Path, PathBuf};

use tern_bitnet::BitnetEngine;
use tern_engine::{
    Engine, Head, KvType, LoadOptions, LoadedModel, ModelSource,
    conformance::{self, RoundTrip, Tolerance},
};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn load(name: &str, options: &LoadOptions) -> LoadedModel {
    BitnetEngine.load(&ModelSource::Path(model(name)), options, &mut |_| true).unwrap()
}

#[test]
fn every_decoder_graph_decodes_as_the_contract_says() {
    for name in ["bitnet-b1.58.gguf", "bitnet-25.gguf", "bitnet.gguf", "llama.gguf"] {
        println!("{name}");
        conformance::text(&|options| load(name, options), Tolerance::EXACT);
    }
}

#[test]
fn every_way_to_keep_the_head_and_the_cache_decodes_as_the_contract_says() {
    for head in [Head::F16, Head::Q8_0, Head::Q6K] {
        println!("{head:?}");
        conformance::text(
            &|options| load("bitnet.gguf", &LoadOptions { head, kv_type: KvType::Q8_0, ..options.clone() }),
            Tolerance::EXACT,
        );
    }
}

#[test]
fn every_set_of_kernels_decodes_as_the_contract_says() {
    for kernels in tern_ternary::Path::available() {
        println!("{kernels}");
        let kernels = Some(kernels.name().to_owned());
        conformance::text(
            &|options| load("bitnet-b1.58.gguf", &LoadOptions { kernels: kernels.clone(), ..options.clone() }),
            Tolerance::EXACT,
        );
    }
}

#[test]
fn both_embedding_graphs_embed_as_the_contract_says() {
    for name in ["qwen3.gguf", "gemma3.gguf"] {
        println!("{name}");
        conformance::embedder(&|options| load(name, options), Tolerance { relative: 1e-6 });
    }
}

#[test]
fn the_vocabularies_tokenize_as_the_contract_says() {
    conformance::tokenizer(&|options| load("bitnet-b1.58.gguf", options), RoundTrip::Exact);
}
