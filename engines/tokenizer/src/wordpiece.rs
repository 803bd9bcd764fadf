//! A folder from before `tokenizer.json`: WordPiece from `vocab.txt`, as `tokenizer_config.json` says (BERT and its kin).

use std::path::Path;

use ahash::AHashMap;
use serde_json::Value;
use tokenizers::{
    AddedToken, Tokenizer, decoders::wordpiece::WordPiece as Decoder, models::wordpiece::WordPiece,
    normalizers::BertNormalizer, pre_tokenizers::bert::BertPreTokenizer, processors::bert::BertProcessing,
};

use crate::{TokenizerError, folder};

const VOCABULARY: &str = "vocab.txt";

/// The tokenizer of `vocab.txt`: one token a line, its id the number of the line.
///
/// # Errors
/// When the file cannot be read or lacks one of the special tokens.
pub(crate) fn read(folder: &Path) -> Result<Tokenizer, TokenizerError> {
    let path = folder.join(VOCABULARY);
    let invalid = |message: String| TokenizerError::Invalid { path: path.clone(), message };
    let text = String::from_utf8(folder::bytes(&path)?).map_err(|error| invalid(format!("not UTF-8: {error}")))?;
    let config = folder.join("tokenizer_config.json");
    let config = if config.exists() {
        serde_json::from_slice(&folder::bytes(&config)?)
            .map_err(|error| TokenizerError::Invalid { path: config, message: format!("not JSON: {error}") })?
    } else {
        Value::Null
    };
    let name = |field: &str, usual: &str| {
        let value = &config[field];
        value.as_str().or(value["content"].as_str()).unwrap_or(usual).to_owned()
    };
    let lowercase = config["do_lower_case"].as_bool().unwrap_or(true);
    let unknown = name("unk_token", "[UNK]");
    let vocabulary: AHashMap<_, _> =
        (0..).zip(text.lines()).map(|(id, line)| (line.trim_end_matches('\r').to_owned(), id)).collect();
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown.clone()).build();
    let mut tokenizer = Tokenizer::new(model.map_err(|error| invalid(error.to_string()))?);
    let id = |token: &str| {
        let missing = || invalid(format!("no token {token}, which stands around or for parts of a text"));
        tokenizer.token_to_id(token).ok_or_else(missing)
    };
    let (cls, sep) = (name("cls_token", "[CLS]"), name("sep_token", "[SEP]"));
    let around = BertProcessing::new((sep.clone(), id(&sep)?), (cls.clone(), id(&cls)?));
    id(&unknown)?;
    let chinese = config["tokenize_chinese_chars"].as_bool().unwrap_or(true);
    // Accents go where letters are lowered, unless the file says otherwise: BERT's own rule.
    let normalizer = BertNormalizer::new(true, chinese, config["strip_accents"].as_bool(), lowercase);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| invalid(error.to_string()))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(around));
    tokenizer.with_decoder(Some(Decoder::default()));
    let special = [name("pad_token", "[PAD]"), unknown, cls, sep, name("mask_token", "[MASK]")];
    let special = special.into_iter().filter(|token| tokenizer.token_to_id(token).is_some());
    let special: Vec<_> = special.map(|token| AddedToken::from(token, true)).collect();
    tokenizer.add_special_tokens(special).map_err(|error| invalid(error.to_string()))?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tern_engine::Tokenizer as _;

    use crate::HfTokenizer;

    fn folder(config: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nzurich\nZürich\nzürich\nin\n##er\n";
        fs::write(folder.path().join("vocab.txt"), words).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        folder
    }

    #[test]
    fn letters_and_accents_are_kept_or_dropped_as_the_configuration_says() {
        let ids = |config: &str| HfTokenizer::from_folder(folder(config).path()).unwrap();
        let encode = |config: &str| ids(config).encode("in Zürich", true, false).unwrap();
        assert_eq!(encode("{}"), [2, 8, 5, 3]);
        assert_eq!(encode(r#"{"do_lower_case": false}"#), [2, 8, 6, 3]);
        assert_eq!(encode(r#"{"do_lower_case": true, "strip_accents": false}"#), [2, 8, 7, 3]);
    }

    #[test]
    fn pieces_know_their_place_and_whether_they_go_on() {
        let tokenizer = HfTokenizer::from_folder(folder(r#"{"do_lower_case": false}"#).path()).unwrap();
        let pieces = tokenizer.pieces("é Züricher in").unwrap();
        let places: Vec<_> = pieces.iter().map(|p| (p.token, p.start, p.end, p.continues)).collect();
        assert_eq!(places, [(1, 0, 2, false), (6, 3, 10, false), (9, 10, 12, true), (8, 13, 15, false)]);
    }

    #[test]
    fn a_folder_without_either_file_says_which_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let error = HfTokenizer::from_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json") && error.contains("vocab.txt"), "{error}");
    }
}
