//! Tokens and merges of `tokenizer.json`, a byte-level BPE, as `tokenizer.ggml.*` keys.

use std::path::Path;

use serde_json::Value;
use tern_folder::{Json, shown};
use tern_gguf::write::{MetaValue, Plan};

use crate::ConvertError;

/// `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Patterns of pre-tokenizers, and their names when words that are tokens are taken whole and when they are not.
const PATTERNS: &[(&str, Option<&str>, Option<&str>)] = &[
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Some("llama-bpe"),
        Some("smaug-bpe"),
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        None,
        Some("qwen2"),
    ),
    // ByteLevel alone, with its own pattern.
    ("ByteLevel", None, Some("gpt-2")),
    ("Digits ByteLevel", None, Some("smollm")),
];

/// What the file needs to know of the tokenizer.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    json: Json,
    /// `None` where an id has no token.
    tokens: Vec<Option<String>>,
    types: Vec<i32>,
    merges: Vec<String>,
    pre: String,
}

impl Vocabulary {
    /// Reads the tokenizer of a model with `size` rows in its embedding.
    pub fn read(folder: &Path, size: u32, pre: Option<&str>) -> Result<Self, ConvertError> {
        if !folder.join("tokenizer.json").exists() && folder.join("tokenizer.model").exists() {
            let expected = "tokenizer.json; save the tokenizer with transformers' fast class";
            return Err(ConvertError::wrong(folder, "tokenizer", "tokenizer.model (SentencePiece) alone", expected));
        }
        let json = Json::read(folder, "tokenizer.json")?;
        check_kind(&json)?;
        let mut vocabulary = Self {
            pre: match pre {
                Some(name) => name.to_owned(),
                None => recognise(&json)?.to_owned(),
            },
            merges: merges(&json)?,
            tokens: vec![None; size as usize],
            types: vec![UNUSED; size as usize],
            json,
        };
        vocabulary.fill()?;
        Ok(vocabulary)
    }

    fn fill(&mut self) -> Result<(), ConvertError> {
        let size = self.tokens.len();
        let wrong = |field: &str, got: String| {
            let expected = format!("an id below {size}, the rows of the embedding, that no other token has");
            ConvertError::wrong(&self.json.path, field, got, expected)
        };
        let vocab = self.json.at("model.vocab");
        let Some(vocab) = vocab.as_object() else { return Err(self.json.wrong("model.vocab", "tokens and their ids")) };
        let mut put = |field: &str, token: &str, id: &Value, kind| {
            let at = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < size);
            let free = at.filter(|&at| self.tokens[at].as_deref().is_none_or(|taken| taken == token));
            let at = free.ok_or_else(|| wrong(field, format!("{token:?} with id {}", shown(id))))?;
            self.tokens[at] = Some(token.to_owned());
            self.types[at] = kind;
            Ok::<_, ConvertError>(())
        };
        vocab.iter().try_for_each(|(token, id)| put("model.vocab", token, id, NORMAL))?;
        for token in self.json.at("added_tokens").as_array().into_iter().flatten() {
            let kind = if token["special"].as_bool() == Some(true) { CONTROL } else { USER_DEFINED };
            put("added_tokens", token["content"].as_str().unwrap_or_default(), &token["id"], kind)?;
        }
        Ok(())
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokens.iter().position(|known| known.as_deref() == Some(token)).map(|at| at as u32)
    }

    /// The token that texts begin with, if the tokenizer puts one there.
    pub fn adds_bos(&self) -> Option<&str> {
        let post = self.json.at("post_processor");
        parts(post, "processors").iter().find_map(|part| part["single"].get(0)?["SpecialToken"]["id"].as_str())
    }

    pub fn write(&self, plan: &mut Plan) {
        let tokens = self.tokens.iter().enumerate().map(|(id, token)| match token {
            Some(token) => token.clone().into_bytes(),
            None => format!("[PAD{id}]").into_bytes(),
        });
        plan.key("tokenizer.ggml.model", "gpt2");
        plan.key("tokenizer.ggml.pre", self.pre.as_str());
        plan.key("tokenizer.ggml.tokens", MetaValue::Strings(tokens.collect()));
        plan.key("tokenizer.ggml.token_type", MetaValue::I32s(self.types.clone()));
        let merges = self.merges.iter().map(|merge| merge.clone().into_bytes());
        plan.key("tokenizer.ggml.merges", MetaValue::Strings(merges.collect()));
    }
}

/// The parts of a sequence, or the one part there is.
fn parts<'a>(whole: &'a Value, list: &str) -> &'a [Value] {
    whole[list].as_array().map_or(std::slice::from_ref(whole), Vec::as_slice)
}

/// A byte-level BPE and nothing else.
fn check_kind(json: &Json) -> Result<(), ConvertError> {
    let byte_level =
        |field: &str, list: &str| parts(json.at(field), list).iter().any(|part| part["type"] == "ByteLevel");
    if json.at("model.type") != "BPE" {
        return Err(json.wrong("model.type", "\"BPE\""));
    }
    if !byte_level("pre_tokenizer", "pretokenizers") || !byte_level("decoder", "decoders") {
        return Err(json.wrong("pre_tokenizer", "a byte-level one; SentencePiece vocabularies are not converted"));
    }
    match json.at("normalizer.type").as_str() {
        // NFC changes no text that is in that form already, and nearly all is.
        None | Some("NFC") => Ok(()),
        Some(_) => Err(json.wrong("normalizer", "none, or NFC")),
    }
}

/// The name of the pre-tokenizer that llama.cpp and we give to this one.
fn recognise(json: &Json) -> Result<&'static str, ConvertError> {
    let pre = json.at("pre_tokenizer");
    let named = parts(pre, "pretokenizers").iter().filter_map(|part| {
        Some(match part["type"].as_str()? {
            // Without its own pattern it only spells bytes.
            "ByteLevel" if part["use_regex"].as_bool() == Some(false) => return None,
            "Split" => part["pattern"]["Regex"].as_str().or(part["pattern"]["String"].as_str())?.to_owned(),
            "Digits" if part["individual_digits"].as_bool() == Some(true) => "Digits".into(),
            "Digits" => "Digits together".into(),
            other => other.to_owned(),
        })
    });
    let description = named.collect::<Vec<_>>().join(" ");
    let whole_words = json.at("model.ignore_merges").as_bool() == Some(true);
    let row = PATTERNS.iter().find(|row| row.0 == description);
    row.and_then(|row| if whole_words { row.1 } else { row.2 }).ok_or_else(|| {
        let known: Vec<_> = PATTERNS.iter().flat_map(|row| [row.1, row.2]).flatten().collect();
        let words = if whole_words { " with ignore_merges" } else { "" };
        let expected = format!("that of {}; if you know its name in llama.cpp, say --pre NAME", known.join(", "));
        ConvertError::wrong(&json.path, "pre_tokenizer", format!("{description:?}{words}"), expected)
    })
}

/// Merges as "left right", from that or from pairs.
fn merges(json: &Json) -> Result<Vec<String>, ConvertError> {
    let list =
        json.at("model.merges").as_array().ok_or_else(|| -> ConvertError { json.wrong("model.merges", "a list") })?;
    let merge = |merge: &Value| match merge.as_array().map(Vec::as_slice) {
        None => merge.as_str().filter(|merge| merge.split(' ').count() == 2).map(str::to_owned),
        Some([left, right]) => Some(format!("{} {}", left.as_str()?, right.as_str()?)),
        Some(_) => None,
    };
    let wrong = |(at, value)| {
        ConvertError::wrong(&json.path, format!("model.merges[{at}]"), shown(value), "\"left right\" or [left, right]")
    };
    list.iter().enumerate().map(|(at, value)| merge(value).ok_or_else(|| wrong((at, value)))).collect()
}
