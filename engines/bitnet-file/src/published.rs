//! What published files say wrongly about themselves, and what is right.
//!
//! `microsoft/bitnet-b1.58-2B-4T-gguf` names no pre-tokenizer and has the chat template of another model. Both are put right
//! here, and the load says so in the log.

use tern_engine::CUT;
use tern_gguf::Header;

/// The vocabulary of Llama 3, which BitNet-b1.58-2B-4T shares.
const LLAMA3_TOKENS: usize = 128_256;

fn is_2b_4t(header: &Header) -> bool {
    let architecture = header.str("general.architecture").unwrap_or_default();
    matches!(architecture, "bitnet-b1.58" | "bitnet-25")
        && header.array_len(tern_gguf::summary::TOKENS) == Some(LLAMA3_TOKENS)
}

/// The pre-tokenizer to use where the file names none.
pub fn pre_tokenizer(header: &Header) -> Option<&'static str> {
    (header.str("tokenizer.ggml.pre").is_none() && is_2b_4t(header)).then_some("llama-bpe")
}

/// The chat template to use instead of the file's.
///
/// The format is that of Microsoft's GPU reference implementation (`gpu/tokenizer.py`, `ChatFormat`): each header is
/// tokenized apart from the message, so the space behind the colon is a token of its own, as it is in the prompt that the
/// answer follows.
pub fn chat_template(header: &Header) -> Option<String> {
    let embedded = header.str(tern_gguf::summary::CHAT_TEMPLATE);
    let wrong = embedded.is_none_or(|template| template.contains("BITNETAssistant"));
    (wrong && is_2b_4t(header)).then(|| {
        format!(
            "{{% for message in messages %}}{{{{ message['role'] | capitalize }}}}: {CUT}{{{{ message['content'] | trim \
             }}}}<|eot_id|>{{% endfor %}}{{% if add_generation_prompt %}}Assistant: {{% endif %}}"
        )
    })
}
