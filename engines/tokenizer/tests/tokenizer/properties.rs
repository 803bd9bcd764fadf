use std::sync::LazyLock;

use proptest::prelude::*;
use tern_engine::Tokenizer;
use tern_tokenizer::{GgufTokenizer, HfTokenizer};

use crate::support::{byte_level, guide, guide_folder, text};

static GUIDE: LazyLock<GgufTokenizer> = LazyLock::new(guide);
static FOLDER: LazyLock<HfTokenizer> = LazyLock::new(guide_folder);
static WAYS: LazyLock<Vec<GgufTokenizer>> = LazyLock::new(|| {
    let ways = ["default", "llama-bpe", "gpt-2", "qwen2", "qwen35", "smollm", "falcon"];
    ways.into_iter().chain(["falcon_e", "deepseek-llm", "deepseek-coder", "deepseek-v3"]).map(byte_level).collect()
});

/// Any characters, with those often that splitters trip over.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "\\PC{0,8}",
        any::<String>(),
        "[ \t\r\n\u{a0}\u{3000}]{1,6}",
        "[a-zA-Z']{1,8}",
        "[0-9½٣]{1,6}",
        "[!-/:-@]{1,4}",
        prop_oneof!["<|im_end|>", "<|im_start|>user", "<|endoftext|>"],
    ];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn byte_level_tokens_spell_the_text(wanted in texts()) {
        for tokenizer in &*WAYS {
            let ids = tokenizer.encode(&wanted, false, false).unwrap();
            prop_assert_eq!(text(tokenizer, &ids, false), wanted.as_str());
        }
    }

    #[test]
    fn the_file_and_the_folder_of_the_guide_agree(text in texts(), add_special: bool, parse_special: bool) {
        prop_assert_eq!(
            GUIDE.encode(&text, add_special, parse_special).unwrap(),
            FOLDER.encode(&text, add_special, parse_special).unwrap()
        );
    }
}

#[test]
fn the_file_and_the_folder_of_the_guide_describe_the_same_tokens() {
    let (file, folder) = (&*GUIDE, &*FOLDER);
    // The file names a BOS, which it does not add; the folder has none.
    assert_eq!((file.vocab_size(), file.eos()), (folder.vocab_size(), folder.eos()));
    for id in 0..file.vocab_size() as u32 {
        for special in [false, true] {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            file.decode(id, special, &mut left);
            folder.decode(id, special, &mut right);
            assert_eq!(left, right, "token {id}");
        }
        assert_eq!(file.is_control(id), folder.is_control(id), "token {id}");
        assert_eq!(file.is_end_of_generation(id), folder.is_end_of_generation(id), "token {id}");
    }
}
