use std::sync::Arc;

use tern_engine::Tokenizer;

use crate::support::{golden, tiny_bert, tiny_llama, tokens};

fn spelled(tokenizer: &dyn Tokenizer, ids: &[u32], special: bool) -> Vec<u8> {
    let mut out = Vec::new();
    ids.iter().for_each(|&id| tokenizer.decode(id, special, &mut out));
    out
}

#[test]
fn text_comes_back_byte_for_byte() {
    let tokenizer = tiny_llama().tokenizer;
    for text in ["hello world\n theerz", "", " ", "żółć 🦀 漢字", "tabs\tand\r\nlines", "a\0b\0", "<|im_start|>"]
    {
        let ids = tokenizer.encode(text, true, false).unwrap();
        assert_eq!(spelled(&*tokenizer, &ids, false), text.as_bytes(), "{text:?}");
    }
    let golden = &golden()["llama"];
    let ids = tokenizer.encode(golden["text"].as_str().unwrap(), true, false).unwrap();
    assert_eq!(ids, tokens(&golden["tokens"]));
}

#[test]
fn control_tokens_are_read_only_when_asked_for_and_shown_only_when_asked_for() {
    let tokenizer = tiny_llama().tokenizer;
    let read = tokenizer.encode("<|im_start|>hello<|im_end|>", true, true).unwrap();
    assert_eq!(read.len(), 3);
    let plain = tokenizer.encode("<|im_start|>", true, false).unwrap();
    assert!(plain.len() > 1 && plain.iter().all(|&id| !tokenizer.is_control(id)));
    assert!(tokenizer.is_control(read[0]) && !tokenizer.is_control(read[1]));
    assert!(tokenizer.is_end_of_generation(read[2]) && !tokenizer.is_end_of_generation(read[1]));
    assert_eq!(spelled(&*tokenizer, &read, false), b"hello");
    assert_eq!(spelled(&*tokenizer, &read, true), b"<|im_start|>hello<|im_end|>");
    assert_eq!(tokenizer.eos(), Some(read[2]));
}

#[test]
fn ids_outside_the_vocabulary_are_nothing() {
    let tokenizer = tiny_llama().tokenizer;
    let outside = [tokenizer.vocab_size() as u32, u32::MAX];
    assert_eq!(spelled(&*tokenizer, &outside, true), b"");
    assert!(outside.iter().all(|&id| !tokenizer.is_control(id) && !tokenizer.is_end_of_generation(id)));
}

#[test]
fn wordpiece_adds_its_marks_only_when_asked() {
    let (tokenizer, _) = tiny_bert();
    let bare = tokenizer.encode("the cat", false, false).unwrap();
    let marked = tokenizer.encode("the cat", true, false).unwrap();
    assert_eq!((bare.len(), marked.len()), (2, 4));
    assert_eq!(marked[1..3], bare);
}

/// Endless words are what a recursive matcher would die of.
#[test]
fn endless_words_from_many_threads_are_tokenized() {
    let tokenizer = tiny_llama().tokenizer;
    std::thread::scope(|scope| {
        for letter in ["a", " ", "1", "漢", "\n", "!"] {
            let tokenizer = Arc::clone(&tokenizer);
            scope.spawn(move || {
                let text = letter.repeat(200_000);
                let ids = tokenizer.encode(&text, false, false).unwrap();
                assert_eq!(spelled(&*tokenizer, &ids, false), text.as_bytes());
            });
        }
    });
}
