//! Sizes of attention heads that llama.cpp's graphs take for granted: they assert them, which aborts, where only a few
//! architectures have them checked at load (`src/models` as of llama-cpp-sys-2 0.1.161).

use tern_gguf::Header;

use crate::check::Problem::{self, Invalid};

/// Architectures whose heads may have values of another size than keys.
const VALUES_OF_THEIR_OWN: &[&str] = &[
    "arwkv7",
    "bailingmoe",
    "bailingmoe3",
    "deepseek2",
    "deepseek2-ocr",
    "deepseek32",
    "deepseek4",
    "dots3note",
    "falcon-h1",
    "gemma",
    "gemma-embedding",
    "gemma2",
    "gemma3",
    "gemma3n",
    "gemma4",
    "glm-dsa",
    "glm5-next",
    "gpt-oss",
    "hrm_text",
    "hy_v4",
    "jamba",
    "kimi-k3",
    "kimi-linear",
    "lfm2",
    "lfm2moe",
    "mamba",
    "mamba2",
    "mimo2",
    "minicpm3",
    "mistral4",
    "plamo2",
    "plamo3",
    "plm",
    "qwen3next",
    "qwen4exp",
    "rwkv6",
    "rwkv6qwen2",
    "rwkv7",
    "step35",
];

/// Architectures that rotate whole heads.
const WHOLLY_ROTATED: &[&str] = &[
    "apertus",
    "arcee",
    "arctic",
    "baichuan",
    "chameleon",
    "codeshell",
    "cogvlm",
    "cohere2moe",
    "dbrx",
    "deci",
    "deepseek",
    "dots1",
    "ernie4_5",
    "ernie4_5-moe",
    "exaone",
    "exaone-moe",
    "exaone4",
    "falcon",
    "granite",
    "granite_swa",
    "granitemoe",
    "graniteswitch",
    "grok",
    "grovemoe",
    "hunyuan-dense",
    "hunyuan-moe",
    "hunyuan_vl",
    "hy_v3",
    "internlm2",
    "jais2",
    "llama",
    "llama-embed",
    "llama4",
    "maincoder",
    "mellum",
    "minicpm",
    "mistral3",
    "olmo",
    "olmo2",
    "olmoe",
    "orion",
    "paddleocr",
    "pangu-embedded",
    "plamo",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3vl",
    "qwen3vlmoe",
    "seed_oss",
    "smallthinker",
    "smollm3",
    "starcoder2",
    "talkie",
    "xverse",
];

/// Checks the sizes of a head, which is `usual` wide where the header does not say.
pub(crate) fn check(header: &Header, architecture: &str, usual: u64) -> Result<(), Problem> {
    let number = |name: &str| header.u32(&format!("{architecture}.{name}")).map(u64::from);
    let bad = |name: &str, got: u64, expected: &str| {
        Err(Invalid(format!("{architecture}.{name}: {got}, expected {expected}")))
    };
    let head = number("attention.key_length").unwrap_or(usual);
    if head == 0 {
        return bad("attention.key_length", head, "at least 1");
    }
    let values = number("attention.value_length").unwrap_or(usual);
    if values != head && !VALUES_OF_THEIR_OWN.contains(&architecture) {
        return bad("attention.value_length", values, &format!("{head}, the size of a key"));
    }
    match number("rope.dimension_count") {
        Some(rotated) if rotated % 2 != 0 || rotated > head => {
            bad("rope.dimension_count", rotated, &format!("an even number up to {head}, the head's size"))
        }
        Some(rotated) if rotated != head && WHOLLY_ROTATED.contains(&architecture) => {
            bad("rope.dimension_count", rotated, &format!("{head}, the head's size"))
        }
        _ => Ok(()),
    }
}
