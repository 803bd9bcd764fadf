use tern_engine::Tokenizer;
use tern_gguf::write::{MetaValue, Writer};

use crate::support::{build, bytes, pieces, vocabulary};

#[track_caller]
fn refused(writer: Writer<'_>, message: &str) {
    let error = build(&writer).unwrap_err().to_string();
    assert!(error.contains(message), "{error}\nexpected: {message}");
}

fn letters() -> Writer<'static> {
    vocabulary("gpt2", &["a", "b", "c", "ab"])
}

fn merges(merges: &[&str]) -> Writer<'static> {
    letters().with("tokenizer.ggml.merges", MetaValue::Strings(bytes(merges)))
}

#[test]
fn a_missing_or_unknown_vocabulary_is_named() {
    refused(Writer::new("test"), "tokenizer.ggml.model: missing or not a string, expected gpt2 or llama");
    refused(vocabulary("bert", &["a"]), "tokenizer.ggml.model: \"bert\" is not supported; supported are gpt2, llama");
    refused(
        Writer::new("test").with("tokenizer.ggml.model", "gpt2"),
        "tokenizer.ggml.tokens: missing, expected a list of strings",
    );
    refused(vocabulary::<&str>("gpt2", &[]), "tokenizer.ggml.tokens: an empty list, expected at least one token");
    refused(letters(), "tokenizer.ggml.merges: missing, expected a list of strings");
    let strange = merges(&[]).with("tokenizer.ggml.pre", "tomorrow");
    refused(strange, "tokenizer.ggml.pre: \"tomorrow\" is not supported");
}

#[test]
fn a_token_that_occurs_twice_is_named_with_both_places() {
    refused(
        vocabulary("gpt2", &["a", "b", "a"]),
        "tokenizer.ggml.tokens: element 2 is \"a\" again, as element 0, expected a token that occurs once",
    );
}

#[test]
fn lists_must_be_as_long_as_the_vocabulary_and_of_numbers() {
    refused(
        letters().with("tokenizer.ggml.token_type", MetaValue::I32s(vec![1; 3])),
        "tokenizer.ggml.token_type: a list of 3, expected a list of 4 numbers, one for each token",
    );
    refused(
        letters().with("tokenizer.ggml.token_type", "no list"),
        "tokenizer.ggml.token_type: a string, expected a list of 4 numbers",
    );
    refused(
        letters().with("tokenizer.ggml.token_type", MetaValue::I32s(vec![1, -1, 1, 1])),
        "tokenizer.ggml.token_type: element 1 is I32(-1), expected an integer no less than 0",
    );
    let scores = vec![f32::NAN; 260];
    let writer = pieces_without_scores().with("tokenizer.ggml.scores", MetaValue::F32s(scores));
    refused(writer, "tokenizer.ggml.scores: element 0 is NaN, expected a number");
}

fn pieces_without_scores() -> Writer<'static> {
    let mut tokens: Vec<String> = (0..256).map(|byte| format!("<0x{byte:02X}>")).collect();
    tokens.extend(["<unk>", "<s>", "</s>", "a"].map(String::from));
    vocabulary("llama", &tokens).with("tokenizer.ggml.bos_token_id", 257)
}

#[test]
fn ids_out_of_range_are_named() {
    refused(
        merges(&[]).with("tokenizer.ggml.eos_token_id", 4),
        "tokenizer.ggml.eos_token_id: U32(4), expected a token's id, 0 to 3",
    );
    refused(
        merges(&[]).with("tokenizer.ggml.eot_token_id", MetaValue::I32(-1)),
        "tokenizer.ggml.eot_token_id: I32(-1), expected a token's id, 0 to 3",
    );
    refused(
        merges(&[]).with("tokenizer.ggml.add_bos_token", true),
        "tokenizer.ggml.bos_token_id: missing, expected the token that texts are given",
    );
    refused(
        merges(&[]).with("tokenizer.ggml.add_bos_token", 1),
        "tokenizer.ggml.add_bos_token: U32(1), expected true or false",
    );
}

#[test]
fn a_merge_without_two_sides_is_named() {
    for wrong in ["ab", "a ", " a", ""] {
        refused(
            merges(&["a b", wrong]),
            &format!("tokenizer.ggml.merges: element 1 is {wrong:?}, expected two strings with a space between"),
        );
    }
}

#[test]
fn a_merge_of_unknown_strings_is_a_step_and_what_is_left_of_it_is_spelled_in_bytes() {
    // "bc" is no token, "a"+"bc" neither; "x" is nothing at all.
    let tokenizer = build(&merges(&["b c", "a bc", "x y", "a bc"])).unwrap();
    assert_eq!(tokenizer.encode("abc", false, false).unwrap(), [0, 1, 2]);
    assert_eq!(tokenizer.encode("bcbc", false, false).unwrap(), [1, 2, 1, 2]);
}

#[test]
fn a_merge_never_gives_a_control_token() {
    let kinds = MetaValue::I32s(vec![1, 1, 1, 3]);
    let tokenizer = build(&merges(&["a b"]).with("tokenizer.ggml.token_type", kinds)).unwrap();
    assert_eq!(tokenizer.encode("ab", false, false).unwrap(), [0, 1]);
    assert_eq!(tokenizer.encode("ab", false, true).unwrap(), [3]);
}

#[test]
fn a_byte_that_no_token_spells_is_an_error_of_the_text() {
    let tokenizer = build(&merges(&[])).unwrap();
    let error = tokenizer.encode("abz", false, false).unwrap_err().to_string();
    assert!(error.contains("no token of the vocabulary spells byte 0x7a of the text"), "{error}");
}

#[test]
fn tokens_that_are_not_utf8_are_kept_as_bytes() {
    let writer = vocabulary("gpt2", &[b"a".as_slice(), b"\xff\xfe", b"", b"b\0c", b"\xc4"])
        .with("tokenizer.ggml.merges", MetaValue::Strings(vec![b"a \xff\xfe".to_vec()]))
        .with("tokenizer.ggml.token_type", MetaValue::I32s(vec![1, 1, 1, 1, 3]));
    let tokenizer = build(&writer).unwrap();
    let mut out = Vec::new();
    (0..5).for_each(|token| tokenizer.decode(token, true, &mut out));
    assert_eq!(out, b"a\xff\xfeb\xc4");
    assert_eq!(tokenizer.encode("ab", false, true).unwrap(), [0, 3]);
}

#[test]
fn a_sentencepiece_vocabulary_must_have_all_bytes() {
    refused(
        vocabulary("llama", &["<unk>", "<s>", "</s>", "a"]),
        "tokenizer.ggml.tokens: no token for byte 0x01, expected <0x01>, so that every text can be spelled",
    );
    assert!(build(&pieces(&[("a", f32::NEG_INFINITY), ("aa", f32::INFINITY)])).is_ok());
}

#[test]
fn many_merges_are_read_at_once() {
    // As many as the largest vocabularies have, all of strings that are no tokens.
    let many: Vec<String> = (0..300_000).map(|number| format!("{number} {number}")).collect();
    let writer = letters().with("tokenizer.ggml.merges", MetaValue::Strings(bytes(&many)));
    assert_eq!(build(&writer).unwrap().encode("ab", false, false).unwrap(), [0, 1]);
}
