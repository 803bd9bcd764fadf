use tern_engine::Tokenizer;
use tern_gguf::{
    Header,
    write::{MetaValue, Writer},
};
use tern_tokenizer::{GgufTokenizer, Overrides};

use crate::support::{build, bytes, from_file, pieces, text, vocabulary};

/// Letters, then these tokens of these kinds.
fn letters(more: &[(&str, i32)]) -> Writer<'static> {
    let mut tokens: Vec<String> = ('!'..='~').map(String::from).collect();
    tokens.push("Ġ".into());
    let mut kinds = vec![1; tokens.len()];
    for (token, kind) in more {
        tokens.push((*token).into());
        kinds.push(*kind);
    }
    vocabulary("gpt2", &tokens)
        .with("tokenizer.ggml.pre", "gpt-2")
        .with("tokenizer.ggml.merges", MetaValue::Strings(bytes(&["a b"])))
        .with("tokenizer.ggml.token_type", MetaValue::I32s(kinds))
}

const FIRST: u32 = 95;

#[test]
fn user_defined_tokens_are_always_found_and_control_tokens_when_asked_for() {
    let tokenizer = build(&letters(&[("<tool>", 4), ("<mark>", 3)])).unwrap();
    let ids = tokenizer.encode("<tool><mark>", false, false).unwrap();
    assert_eq!(ids[0], FIRST);
    assert_eq!(ids.len(), 7);
    assert_eq!(text(&tokenizer, &ids, false), "<tool><mark>");
    let ids = tokenizer.encode("a<mark><tool>", false, true).unwrap();
    assert_eq!(ids[1..], [FIRST + 1, FIRST]);
    assert_eq!(text(&tokenizer, &ids, false), "a<tool>");
    assert_eq!(text(&tokenizer, &ids, true), "a<mark><tool>");
}

#[test]
fn bos_and_eos_are_added_once_even_if_the_text_brings_them() {
    let writer = letters(&[("<bos>", 3), ("<end>", 3)])
        .with("tokenizer.ggml.bos_token_id", FIRST)
        .with("tokenizer.ggml.eos_token_id", FIRST + 1)
        .with("tokenizer.ggml.add_bos_token", true)
        .with("tokenizer.ggml.add_eos_token", true);
    let tokenizer = build(&writer).unwrap();
    let a = u32::from('a') - u32::from('!');
    let wanted = vec![FIRST, a, FIRST + 1];
    assert_eq!(tokenizer.encode("a", true, false).unwrap(), wanted);
    assert_eq!(tokenizer.encode("<bos>a<end>", true, true).unwrap(), wanted);
    assert_eq!(tokenizer.encode("", true, true).unwrap(), [FIRST, FIRST + 1]);
    assert_eq!(tokenizer.encode("a", false, false).unwrap(), [a]);

    let header = Header::parse(&writer.to_bytes()).unwrap();
    let overrides = Overrides { add_bos: Some(false), add_eos: Some(false), ..Overrides::default() };
    let tokenizer = GgufTokenizer::from_header(&header, &overrides).unwrap();
    assert_eq!(tokenizer.encode("a", true, false).unwrap(), [a]);
}

#[test]
fn generation_ends_at_the_tokens_of_the_keys_and_of_the_known_names() {
    let names = ["<end>", "<turn>", "<message>", "<|im_end|>", "<|eom_id|>", "<|endoftext|>", "<|other|>"];
    let writer = letters(&names.map(|name| (name, 3)))
        .with("tokenizer.ggml.eos_token_id", FIRST)
        .with("tokenizer.ggml.eot_token_id", FIRST + 1)
        .with("tokenizer.ggml.eom_token_id", FIRST + 2);
    let tokenizer = build(&writer).unwrap();
    let ends: Vec<u32> = (0..200).filter(|&id| tokenizer.is_end_of_generation(id)).collect();
    assert_eq!(ends, [FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4, FIRST + 5]);
    assert_eq!(tokenizer.eos(), Some(FIRST));
}

#[test]
fn a_name_that_ends_generation_makes_a_control_token() {
    let tokenizer = build(&letters(&[("<|im_end|>", 1), ("<|fim_middle|>", 4)])).unwrap();
    assert!(tokenizer.is_control(FIRST) && tokenizer.is_end_of_generation(FIRST));
    assert!(tokenizer.is_control(FIRST + 1) && !tokenizer.is_end_of_generation(FIRST + 1));
}

#[test]
fn the_end_of_a_harmony_part_does_not_end_generation() {
    let tokenizer = build(&letters(&[("<|end|>", 3), ("<|return|>", 3), ("<|call|>", 3), ("<|channel|>", 3)])).unwrap();
    assert!(!tokenizer.is_end_of_generation(FIRST) && tokenizer.is_end_of_generation(FIRST + 1));
    assert_eq!(text(&tokenizer, &[FIRST + 3, FIRST], false), "<|channel|><|end|>");
}

#[test]
fn a_missing_eos_is_not_the_eleventh_token_of_text() {
    let tokenizer = build(&letters(&[])).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (None, None));
    assert!(!tokenizer.is_end_of_generation(11));
}

#[test]
fn the_pre_tokenizer_of_the_file_gives_way_to_the_engines() {
    let tokens = ["a", "b", "ab", "ba", "Ġ"];
    let writer = vocabulary("gpt2", &tokens).with("tokenizer.ggml.merges", MetaValue::Strings(bytes(&["a b"])));
    let header = Header::parse(&writer.to_bytes()).unwrap();
    let with = |pre: Option<&str>| {
        let overrides = Overrides { pre: pre.map(Into::into), add_bos: Some(false), ..Overrides::default() };
        GgufTokenizer::from_header(&header, &overrides).unwrap().encode("ba", false, false).unwrap()
    };
    // Only llama-bpe looks whole words up, and no merge gives this one.
    assert_eq!(with(None), [1, 0]);
    assert_eq!(with(Some("llama-bpe")), [3]);
}

#[test]
fn sentencepiece_puts_its_space_before_the_text_and_after_tokens() {
    let tokenizer = build(&pieces(&[("\u{2581}a", 0.0), ("a", 0.0), ("\u{2581}", 0.0)])).unwrap();
    let (space_a, a) = (259, 260);
    assert_eq!(tokenizer.encode("aa", true, false).unwrap(), [1, space_a, a]);
    assert_eq!(tokenizer.encode("a</s>a", false, true).unwrap(), [space_a, 2, space_a]);
    assert_eq!(tokenizer.encode("\n", false, false).unwrap(), [261, 3 + 10]);
}

#[test]
fn equal_scores_are_merged_from_the_left_and_user_text_never_becomes_control() {
    let words =
        [("aa", -1.0), ("a", -2.0), ("</", -1.0), ("</s", -1.0), ("<", -2.0), ("/", -2.0), ("s", -2.0), (">", -2.0)];
    let tokenizer = build(&pieces(&words).with("tokenizer.ggml.add_space_prefix", false)).unwrap();
    assert_eq!(tokenizer.encode("aaaaa", false, false).unwrap(), [259, 259, 260]);
    // "</s" and ">" would make the control token.
    assert_eq!(tokenizer.encode("</s>", false, false).unwrap(), [262, 266]);
}

#[test]
fn marks_of_phi_3_swallow_the_spaces_behind_them() {
    let writer = letters(&[("<|user|>", 3)]).with("general.name", "Phi-3 mini");
    let tokenizer = build(&writer).unwrap();
    let read = |text: &str| tokenizer.encode(text, false, true).unwrap();
    assert_eq!(read("<|user|> \n a"), read("<|user|>a"));
}

#[test]
fn the_tiny_model_reads_its_chat_marks() {
    let tokenizer = from_file("tests/fixtures/tiny-llama.gguf");
    let read = tokenizer.encode("<|im_start|>hello<|im_end|>", true, true).unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(text(&tokenizer, &read, false), "hello");
    assert_eq!(tokenizer.eos(), Some(read[2]));
}
