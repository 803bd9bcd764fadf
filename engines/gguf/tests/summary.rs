//! What the server shows and plans with.

mod support;

use support::small;
use tern_engine::{Capability, ModelInfo};
use tern_gguf::{
    Header, TensorType, summary,
    write::{MetaValue, Writer},
};

fn info(writer: &Writer<'_>) -> ModelInfo {
    summary::model_info(&Header::parse(&writer.to_bytes()).unwrap()).unwrap()
}

fn label(file_type: u32, kind: TensorType) -> String {
    let values = 256;
    let data = vec![0; kind.bytes(values).unwrap() as usize];
    info(&Writer::new("llama").with("general.file_type", file_type).with_tensor("t", kind, &[values], data))
        .quantization
}

#[test]
fn a_text_model_is_summed_up() {
    let info = info(&small().with("tokenizer.chat_template", "{{ messages }}").with("general.license", "mit"));
    assert_eq!(info.name.as_deref(), Some("Small"));
    assert_eq!((info.architecture.as_str(), info.quantization.as_str()), ("llama", "Q8_0"));
    assert_eq!((info.parameters, info.weights_bytes), (64 * 6 + 64, 6 * 68 + 256));
    assert_eq!((info.context_length, info.vocab_size, info.hidden_size), (128, 6, 64));
    assert_eq!((info.num_layers, info.num_heads, info.num_kv_heads), (1, 4, 2));
    assert_eq!(info.kv_values_per_token, 2 * (16 + 16));
    assert_eq!((info.bos_token.as_deref(), info.eos_token.as_deref()), (Some("<s>"), Some("</s>")));
    assert_eq!(info.chat_template.as_deref(), Some("{{ messages }}"));
    assert_eq!(info.license.as_deref(), Some("mit"));
    assert_eq!(info.capabilities, [Capability::Completion, Capability::Chat]);
}

#[test]
fn heads_of_each_layer_are_summed() {
    let writer = Writer::new("hybrid")
        .with("hybrid.embedding_length", 64)
        .with("hybrid.block_count", 4)
        .with("hybrid.attention.head_count", 8)
        .with("hybrid.attention.head_count_kv", MetaValue::U32s(vec![0, 2, 0, 4]))
        .with("hybrid.attention.key_length", 24)
        .with("hybrid.attention.value_length", 16);
    assert_eq!(info(&writer).kv_values_per_token, 6 * (24 + 16));
    assert_eq!(info(&writer).num_kv_heads, 4);
}

#[test]
fn the_label_of_the_file_counts_only_where_it_adds_something() {
    assert_eq!(label(15, TensorType::Q4_K), "Q4_K_M");
    assert_eq!(label(1, TensorType::Q8_0), "Q8_0");
    assert_eq!(label(15, TensorType::F16), "F16");
    assert_eq!(label(40, TensorType::I2_S), "I2_S");
    assert_eq!(label(40, TensorType::Q1_0), "Q1_0");
    assert_eq!(info(&Writer::new("llama")).quantization, "none");
}

#[test]
fn embedding_models_are_known_by_architecture_or_pooling() {
    let capabilities = |writer: Writer<'_>| info(&writer).capabilities;
    assert_eq!(capabilities(Writer::new("nomic-bert")), [Capability::Embedding]);
    assert_eq!(capabilities(Writer::new("qwen3").with("qwen3.pooling_type", 3)), [Capability::Embedding]);
    assert_eq!(capabilities(Writer::new("qwen3").with("qwen3.pooling_type", 0)).len(), 2);
    assert_eq!(capabilities(Writer::new("clip")), []);
}

#[test]
fn rerankers_are_known_by_pooling_or_by_a_classifier_where_no_pooling_is_named() {
    let capabilities = |writer: Writer<'_>| info(&writer).capabilities;
    let classifies =
        |arch: &str| Writer::new(arch).with_tensor("cls.output.weight", TensorType::F32, &[8, 1], vec![0; 32]);
    assert_eq!(capabilities(Writer::new("qwen3").with("qwen3.pooling_type", 4)), [Capability::Rerank]);
    assert_eq!(capabilities(classifies("bert")), [Capability::Rerank]);
    assert_eq!(capabilities(classifies("bert").with("bert.pooling_type", 2)), [Capability::Embedding]);
    assert_eq!(capabilities(classifies("clip")), []);
}

#[test]
fn parts_are_added_up() {
    let part = |name: &str| {
        let writer = Writer::new("llama").with_tensor(name, TensorType::F32, &[8], vec![0; 32]);
        Header::parse(&writer.to_bytes()).unwrap()
    };
    assert_eq!(summary::model_info_of_parts(&[part("a"), part("b")]).unwrap().parameters, 16);
}

#[test]
fn a_file_without_architecture_is_refused() {
    let header = Header::parse(&Writer::default().to_bytes()).unwrap();
    assert!(summary::model_info(&header).unwrap_err().to_string().contains("general.architecture"));
}

#[test]
fn absurd_numbers_do_not_overflow() {
    let writer = Writer::new("x")
        .with("x.block_count", u32::MAX)
        .with("x.attention.head_count", u32::MAX)
        .with("x.attention.key_length", u32::MAX)
        .with("x.attention.value_length", u32::MAX)
        .with("tokenizer.ggml.bos_token_id", u32::MAX);
    assert_eq!(info(&writer).kv_values_per_token, u64::MAX);
    assert_eq!(info(&writer).bos_token, None);
}
