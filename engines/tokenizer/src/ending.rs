//! Which tokens end generation, and which names make a token a control token.
//!
//! Files say it in keys (`tokenizer.ggml.eot_token_id`), but many leave them out, so llama.cpp also goes by names. So do
//! we, by the same names: a model must stop at the same place whichever engine runs it.

use std::collections::BTreeSet;

use tern_engine::Token;
use tern_gguf::Header;

use crate::{
    TokenizerError,
    metadata::{self, Spellings},
    pieces::Kind,
};

const END_OF_TURN: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];
const END_OF_MESSAGE: &[&str] = &["<|eom_id|>"];

/// Names that always end generation, beside those above.
const ENDS: &[&str] = &[
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "</s>",
    "[EOS]",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "[e~[",
];

/// Marks of code completion: the keys of each, its names, and whether it ends generation.
const CODE: &[(&[&str], &[&str], bool)] = &[
    (
        &["fim_pre_token_id", "prefix_token_id"],
        &[
            "<|fim_prefix|>",
            "<fim-prefix>",
            "<fim_prefix>",
            "<｜fim▁begin｜>",
            "<PRE>",
            "▁<PRE>",
            "<|code_prefix|>",
            "<|prefix|>",
        ],
        false,
    ),
    (
        &["fim_suf_token_id", "suffix_token_id"],
        &[
            "<|fim_suffix|>",
            "<fim-suffix>",
            "<fim_suffix>",
            "<｜fim▁hole｜>",
            "<SUF>",
            "▁<SUF>",
            "<|code_suffix|>",
            "<|suffix|>",
        ],
        false,
    ),
    (
        &["fim_mid_token_id", "middle_token_id"],
        &[
            "<|fim_middle|>",
            "<fim-middle>",
            "<fim_middle>",
            "<｜fim▁end｜>",
            "<MID>",
            "▁<MID>",
            "<|code_middle|>",
            "<|middle|>",
        ],
        false,
    ),
    (&["fim_pad_token_id"], &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"], true),
    (&["fim_rep_token_id"], &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"], true),
    (&["fim_sep_token_id"], &["<|file_sep|>"], true),
];

/// Parts of a reply in the Harmony format, which the server reads: text although files mark them as control.
const SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// The tokens that end generation by name alone; for vocabularies without GGUF keys.
pub(crate) fn by_name<'a>(find: impl Fn(&str) -> Option<Token> + 'a) -> impl Iterator<Item = Token> + 'a {
    [END_OF_TURN, END_OF_MESSAGE, ENDS].into_iter().flatten().filter_map(move |name| find(name))
}

/// The tokens that end generation. Tokens whose names say that they are control tokens become so.
pub(crate) fn find(
    header: &Header,
    vocabulary: &mut Spellings<'_>,
    eos: Option<Token>,
) -> Result<BTreeSet<Token>, TokenizerError> {
    let count = vocabulary.tokens.len();
    let key = |name: &str| metadata::id(header, &format!("tokenizer.ggml.{name}"), count);
    let mut ends: BTreeSet<Token> = by_name(|name| vocabulary.any(name)).collect();
    let mut control: Vec<Token> = ends.iter().copied().collect();
    for (keys, names, ends_generation) in CODE {
        let mut token = None;
        for name in *keys {
            token = key(name)?.or(token);
        }
        if token.is_none() {
            token = names.iter().find_map(|name| vocabulary.any(name));
            control.extend(token);
        }
        ends.extend(token.filter(|_| *ends_generation));
    }
    ends.extend([eos, key("eot_token_id")?, key("eom_token_id")?].into_iter().flatten());
    let shown: Vec<Token> = SHOWN.iter().filter_map(|name| vocabulary.any(name)).collect();
    control.iter().for_each(|&token| vocabulary.kinds[token as usize] = Kind::Control);
    shown.iter().for_each(|&token| vocabulary.kinds[token as usize] = Kind::UserDefined);

    let has = |name: &str| vocabulary.any(name).filter(|token| ends.contains(token));
    // In Harmony's kind of format <|end|> ends a part of a reply, not the reply.
    let parts = (has("<|return|>").is_some() && has("<|call|>").is_some())
        || (has("<|call|>").or(has("<|calls|>")).is_some() && has("<|flush|>").is_some());
    let end = has("<|end|>").filter(|_| parts);
    // Where these end a turn, </s> is the HTML tag.
    let tag = has("</s>").filter(|_| has("<|tool_response>").or(has("<|plamo:eos|>")).is_some());
    for (token, kind) in [(end, Kind::UserDefined), (tag, Kind::Normal)] {
        if let Some(token) = token {
            ends.remove(&token);
            vocabulary.kinds[token as usize] = kind;
        }
    }
    Ok(ends)
}
