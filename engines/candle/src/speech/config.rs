//! Sizes from `config.json`; special tokens from `generation_config.json` and the tokenizer.

use std::collections::BTreeSet;

use tern_engine::{EngineError, Token, Tokenizer};
use tern_folder::Json;

use crate::source::Source;

/// Sizes.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub width: usize,
    pub mels: usize,
    pub encoder_layers: usize,
    pub encoder_heads: usize,
    pub encoder_ffn: usize,
    pub decoder_layers: usize,
    pub decoder_heads: usize,
    pub decoder_ffn: usize,
    /// Positions of the encoder: half the frames of a window.
    pub positions: usize,
    /// Tokens that the decoder may see.
    pub context: usize,
    pub vocabulary: usize,
    /// What embeddings of tokens are multiplied by.
    pub embedding_scale: f64,
}

impl Config {
    pub fn read(source: &Source) -> Result<Self, EngineError> {
        let json = &source.config;
        let size = |field: &str| json.size(field).map(|size| size as usize);
        let config = Self {
            width: size("d_model")?,
            mels: size("num_mel_bins")?,
            encoder_layers: size("encoder_layers")?,
            encoder_heads: size("encoder_attention_heads")?,
            encoder_ffn: size("encoder_ffn_dim")?,
            decoder_layers: size("decoder_layers")?,
            decoder_heads: size("decoder_attention_heads")?,
            decoder_ffn: size("decoder_ffn_dim")?,
            positions: size("max_source_positions")?,
            context: size("max_target_positions")?,
            vocabulary: size("vocab_size")?,
            embedding_scale: match json.at("scale_embedding").as_bool() {
                Some(true) => f64::from(json.size("d_model")?).sqrt(),
                _ => 1.0,
            },
        };
        match json.at("activation_function").as_str() {
            None | Some("gelu") => {}
            Some(_) => return Err(json.wrong("activation_function", "gelu")),
        }
        for (field, heads) in
            [("encoder_attention_heads", config.encoder_heads), ("decoder_attention_heads", config.decoder_heads)]
        {
            if !config.width.is_multiple_of(heads) {
                return Err(json.wrong(field, format!("a divisor of d_model, {}", config.width)));
            }
        }
        if config.mels > 512 {
            return Err(json.wrong("num_mel_bins", "at most 512; published models have 80 or 128"));
        }
        // 16 tokens hold what begins an answer, a timestamp and a word.
        if config.context < 16 {
            return Err(json.wrong("max_target_positions", "at least 16"));
        }
        // Published models have 1500 and 448; tensors of these shapes must be in the file, so that nothing is claimed freely.
        if config.positions > 1 << 16 || config.context > 1 << 16 {
            return Err(json.wrong("max_source_positions", "a window of at most 65536 positions"));
        }
        Ok(config)
    }

    /// Frames of 10 ms in a window.
    pub fn frames(&self) -> usize {
        self.positions * 2
    }
}

/// Tokens that are no text.
#[derive(Debug, Clone)]
pub(super) struct Special {
    /// Ends an answer; all text tokens are below it.
    pub end: Token,
    pub start: Token,
    /// Before the text of windows before.
    pub previous: Option<Token>,
    /// `None` for English-only models, as are the next.
    pub transcribe: Option<Token>,
    pub translate: Option<Token>,
    pub no_speech: Option<Token>,
    pub no_timestamps: Token,
    /// Codes of languages and their tokens, by token.
    pub languages: Vec<(String, Token)>,
    /// Never said.
    pub suppressed: Vec<Token>,
    /// Not said first.
    pub begin_suppressed: Vec<Token>,
    /// Latest first timestamp, in steps of 20 ms.
    pub latest_first: Token,
    /// Layer and head of the decoder whose attention follows what is heard.
    pub alignment_heads: Vec<(usize, usize)>,
}

impl Special {
    pub fn read(source: &Source, config: &Config, tokenizer: &dyn Tokenizer) -> Result<Self, EngineError> {
        let json = Json::read_if_there(&source.path, "generation_config.json")?;
        let spelled = |text: &str| match tokenizer.encode(text, false, true).ok()?[..] {
            [token] => Some(token),
            _ => None,
        };
        let id = |field: &str, text: &str| {
            let token = json.at(field).as_u64().and_then(|id| Token::try_from(id).ok());
            token.or_else(|| spelled(text)).filter(|&token| (token as usize) < config.vocabulary)
        };
        let must = |token: Option<Token>, text: &str| {
            token.ok_or_else(|| source.invalid(format!("no token {text} in the tokenizer or generation_config.json")))
        };
        let end = must(spelled("<|endoftext|>").or_else(|| id("eos_token_id", "<|endoftext|>")), "<|endoftext|>")?;
        let start = must(id("decoder_start_token_id", "<|startoftranscript|>"), "<|startoftranscript|>")?;
        let no_timestamps = must(id("no_timestamps_token_id", "<|notimestamps|>"), "<|notimestamps|>")?;
        if no_timestamps as usize + 1 >= config.vocabulary || no_timestamps < end {
            return Err(source.invalid("there are no tokens of timestamps behind <|notimestamps|>"));
        }
        let languages = languages(&json, config);
        let multilingual = json.at("is_multilingual").as_bool().unwrap_or(!languages.is_empty());
        if multilingual && languages.is_empty() {
            return Err(source.invalid("lang_to_id of generation_config.json names no languages"));
        }
        let mut special = Self {
            end,
            start,
            previous: id("prev_sot_token_id", "<|startofprev|>"),
            transcribe: id("task_to_id.transcribe", "<|transcribe|>").filter(|_| multilingual),
            translate: id("task_to_id.translate", "<|translate|>").filter(|_| multilingual),
            no_speech: spelled("<|nospeech|>").or_else(|| spelled("<|nocaptions|>")),
            no_timestamps,
            languages: if multilingual { languages } else { Vec::new() },
            suppressed: tokens(&json, "suppress_tokens", config)?,
            begin_suppressed: tokens(&json, "begin_suppress_tokens", config)?,
            latest_first: json.at("max_initial_timestamp_index").as_u64().unwrap_or(50).min(1 << 16) as Token,
            alignment_heads: heads(&json, config)?,
        };
        if special.begin_suppressed.is_empty() {
            special.begin_suppressed = spelled(" ").into_iter().chain([end]).collect();
        }
        let never = [Some(start), special.previous, special.transcribe, special.translate, special.no_speech];
        special.suppressed.extend(never.into_iter().flatten());
        special.suppressed.extend(spelled("<|startoflm|>"));
        // English-only files have `<|transcribe|>` all the same.
        special.suppressed.extend(["<|transcribe|>", "<|translate|>"].into_iter().filter_map(spelled));
        Ok(special)
    }

    /// The first token of a timestamp: 0.00 s.
    pub fn timestamp_begin(&self) -> Token {
        self.no_timestamps + 1
    }

    pub fn language(&self, code: &str) -> Option<Token> {
        self.languages.iter().find(|(known, _)| known == code).map(|(_, token)| *token)
    }
}

fn languages(json: &Json, config: &Config) -> Vec<(String, Token)> {
    let map = json.at("lang_to_id").as_object();
    let mut languages: Vec<_> = map
        .into_iter()
        .flatten()
        .filter_map(|(name, id)| {
            let id = id.as_u64().filter(|&id| id < config.vocabulary as u64)? as Token;
            Some((name.trim_start_matches("<|").trim_end_matches("|>").to_owned(), id))
        })
        .collect();
    languages.sort_by_key(|(_, id)| *id);
    languages
}

fn tokens(json: &Json, field: &str, config: &Config) -> Result<Vec<Token>, EngineError> {
    let list = json.at(field).as_array();
    let id = |value: &serde_json::Value| value.as_u64().filter(|&id| id < config.vocabulary as u64);
    let ids: Option<BTreeSet<Token>> =
        list.into_iter().flatten().map(|value| id(value).map(|id| id as Token)).collect();
    ids.map(|ids| ids.into_iter().collect()).ok_or_else(|| json.wrong(field, "tokens of the vocabulary"))
}

/// What the file says, or every head of the upper half of the decoder, as in the reference.
fn heads(json: &Json, config: &Config) -> Result<Vec<(usize, usize)>, EngineError> {
    let Some(list) = json.at("alignment_heads").as_array() else {
        let upper = config.decoder_layers / 2..config.decoder_layers;
        return Ok(upper.flat_map(|layer| (0..config.decoder_heads).map(move |head| (layer, head))).collect());
    };
    let number = |value: &serde_json::Value, below: usize| value.as_u64().map(|n| n as usize).filter(|&n| n < below);
    let heads: Option<Vec<_>> = list
        .iter()
        .map(|pair| Some((number(&pair[0], config.decoder_layers)?, number(&pair[1], config.decoder_heads)?)))
        .collect();
    let heads = heads.filter(|heads| !heads.is_empty());
    heads.ok_or_else(|| json.wrong("alignment_heads", "pairs of a layer and a head of the decoder"))
}
