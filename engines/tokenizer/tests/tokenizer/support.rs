use std::{fs, path::PathBuf};

use serde::{Deserialize, de::DeserializeOwned};
use tern_engine::Tokenizer;
use tern_gguf::{
    Header,
    write::{MetaValue, Writer},
};
use tern_tokenizer::{GgufTokenizer, HfTokenizer, Overrides, TokenizerError};

pub fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

/// A golden file of `tests/golden`.
pub fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect::<PathBuf>();
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The vocabulary of `bpe.json`.
#[derive(Deserialize)]
pub struct BpeVocabulary {
    pub tokens: Vec<String>,
    pub merges: Vec<String>,
}

pub fn byte_level(pre: &str) -> GgufTokenizer {
    let BpeVocabulary { tokens, merges } = golden("bpe.json");
    let writer = vocabulary("gpt2", &tokens)
        .with("tokenizer.ggml.pre", pre)
        .with("tokenizer.ggml.add_bos_token", false)
        .with("tokenizer.ggml.merges", MetaValue::Strings(bytes(&merges)));
    build(&writer).unwrap()
}

pub fn vocabulary<T: AsRef<[u8]>>(model: &str, tokens: &[T]) -> Writer<'static> {
    Writer::new("test")
        .with("tokenizer.ggml.model", model)
        .with("tokenizer.ggml.tokens", MetaValue::Strings(bytes(tokens)))
}

pub fn bytes<T: AsRef<[u8]>>(strings: &[T]) -> Vec<Vec<u8>> {
    strings.iter().map(|string| string.as_ref().to_vec()).collect()
}

pub fn build(writer: &Writer<'_>) -> Result<GgufTokenizer, TokenizerError> {
    GgufTokenizer::from_header(&Header::parse(&writer.to_bytes()).unwrap(), &Overrides::default())
}

pub fn from_file(path: &str) -> GgufTokenizer {
    GgufTokenizer::from_header(&Header::read(&root().join(path)).unwrap(), &Overrides::default()).unwrap()
}

pub fn guide() -> GgufTokenizer {
    from_file("models/guide/tern-guide.gguf")
}

pub fn guide_folder() -> HfTokenizer {
    HfTokenizer::from_folder(&root().join("models/guide/safetensors")).unwrap()
}

/// The 256 bytes as SentencePiece spells them, behind its three marks; all with the type that they have.
pub fn pieces(more: &[(&str, f32)]) -> Writer<'static> {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(more.iter().map(|(token, _)| (*token).to_owned()));
    let mut kinds = vec![2, 3, 3];
    kinds.extend([6; 256]);
    kinds.resize(tokens.len(), 1);
    let mut scores = vec![0.0; 259];
    scores.extend(more.iter().map(|(_, score)| *score));
    vocabulary("llama", &tokens)
        .with("tokenizer.ggml.token_type", MetaValue::I32s(kinds))
        .with("tokenizer.ggml.scores", MetaValue::F32s(scores))
}

pub fn text(tokenizer: &dyn Tokenizer, tokens: &[u32], special: bool) -> String {
    let mut out = Vec::new();
    tokens.iter().for_each(|&token| tokenizer.decode(token, special, &mut out));
    String::from_utf8(out).unwrap()
}
