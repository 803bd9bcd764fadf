//! The tokenizer of a folder with a `tokenizer.json`, run by the `tokenizers` crate.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde_json::Value;
use tern_engine::{EngineError, Token, Tokenizer};

use crate::{
    TokenizerError, alphabet, check_length, ending,
    folder::{self, Around},
    gguf::{around, byte, unescape},
    metadata,
    pieces::{Kind, Pieces},
    wordpiece,
};

/// Most ids. The largest published vocabulary has 262 144 tokens; an added token may claim any id.
const MAX_IDS: usize = 1 << 24;

/// A vocabulary from a folder of a published model.
pub struct HfTokenizer {
    // Reads control tokens in a text.
    reading: tokenizers::Tokenizer,
    // Leaves them text. Two, because this is a setting of the whole tokenizer.
    pub(crate) plain: tokenizers::Tokenizer,
    pieces: Pieces,
    bos: Option<Token>,
    eos: Option<Token>,
    adds_bos: bool,
    adds_eos: bool,
}

impl fmt::Debug for HfTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HfTokenizer")
            .field("vocab_size", &self.pieces.len())
            .field("bos", &self.bos)
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}

/// How the bytes of a token are found in its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    ByteLevel,
    SentencePiece,
    WordPiece,
    Plain,
}

impl HfTokenizer {
    /// Reads `tokenizer.json` and, where they are, `tokenizer_config.json`, `special_tokens_map.json`,
    /// `generation_config.json` and `config.json`. Where there is no `tokenizer.json`, the `vocab.txt` of a WordPiece.
    ///
    /// # Errors
    /// The file that is missing or wrong; a decoder that is not known.
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join("tokenizer.json");
        let invalid = |message: String| TokenizerError::Invalid { path: path.clone(), message };
        if !path.exists() {
            if !folder.join("vocab.txt").exists() {
                let message = "no tokenizer: neither tokenizer.json nor vocab.txt is in the folder".into();
                return Err(TokenizerError::Invalid { path: folder.into(), message });
            }
            return Self::new(wordpiece::read(folder)?, Spelling::WordPiece, &Around::read(folder)?, &path);
        }
        let bytes = folder::bytes(&path)?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(format!("not JSON: {error}")))?;
        let spelling = spelling(&json["decoder"])?;
        let reading = guarded(|| tokenizers::Tokenizer::from_bytes(&bytes)).map_err(invalid)?;
        same_ids(&json["added_tokens"], &reading)?;
        drop(json);
        Self::new(reading, spelling, &Around::read(folder)?, &path)
    }

    fn new(
        mut reading: tokenizers::Tokenizer,
        spelling: Spelling,
        about: &Around,
        path: &Path,
    ) -> Result<Self, TokenizerError> {
        let invalid = |message: String| TokenizerError::Invalid { path: path.into(), message };
        // Limits of training or of another program; a prompt is never cut silently here.
        reading.with_truncation(None).map_err(|error| invalid(error.to_string()))?;
        reading.with_padding(None);
        let vocabulary = reading.get_vocab(true);
        let ids = vocabulary.values().copied().max().map_or(0, |id| id as usize + 1).max(about.rows.unwrap_or(0));
        if vocabulary.is_empty() || ids > MAX_IDS {
            return Err(invalid(format!("{ids} ids, expected 1 to {MAX_IDS}")));
        }
        let find = |name: &str| reading.token_to_id(name);
        let id = |spelled: &Option<String>| spelled.as_deref().and_then(find);
        if let Some(id) = about.ends.iter().chain(&about.bos_id).find(|&&id| id as usize >= ids) {
            return Err(invalid(format!(
                "{ids} ids, expected the special id {id} of generation_config.json among them"
            )));
        }
        let bos = id(&about.bos).or(about.bos_id);
        let eos = id(&about.eos).or(about.ends.first().copied());
        for (adds, token, field) in [(about.adds_bos, bos, "bos_token"), (about.adds_eos, eos, "eos_token")] {
            if adds && token.is_none() {
                return Err(invalid(format!("no token for {field} of tokenizer_config.json, which wants it added")));
            }
        }
        let added = reading.get_added_tokens_decoder();
        let special = |id: Token| added.get(&id).is_some_and(|token| token.special);
        // A name alone makes a special token an end, not a word of text.
        let named = ending::by_name(find).filter(|&id| special(id));
        let ends: BTreeSet<Token> = about.ends.iter().copied().chain(eos).chain(named).collect();

        let mut spellings = vec![None; ids];
        vocabulary.iter().for_each(|(token, &id)| spellings[id as usize] = Some(token.as_bytes()));
        let mut pieces = Pieces::default();
        for (id, token) in spellings.into_iter().enumerate() {
            let id = id as Token;
            let (bytes, kind) = match (token, added.get(&id)) {
                (None, _) => (Vec::new(), Kind::Unused),
                (Some(token), Some(added)) => {
                    (token.to_vec(), if added.special { Kind::Control } else { Kind::UserDefined })
                }
                (Some(token), None) => (piece(token, spelling), Kind::Normal),
            };
            pieces.push(&bytes, kind, ends.contains(&id));
        }
        let mut plain = reading.clone();
        plain.set_encode_special_tokens(true);
        Ok(Self { reading, plain, pieces, bos, eos, adds_bos: about.adds_bos, adds_eos: about.adds_eos })
    }
}

impl Tokenizer for HfTokenizer {
    fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
        check_length(text)?;
        let tokenizer = if parse_special { &self.reading } else { &self.plain };
        let encode = |special| {
            let encoding = guarded(|| tokenizer.encode_fast(text, special)).map_err(EngineError::Failed)?;
            Ok::<_, EngineError>(encoding.get_ids().to_vec())
        };
        let mut tokens = encode(add_special)?;
        if add_special {
            // The file's own template may have added a BOS that the text brought already.
            if self.bos.is_some_and(|bos| tokens.starts_with(&[bos, bos])) {
                tokens.remove(0);
            }
            around(&mut tokens, self.bos.filter(|_| self.adds_bos), self.eos.filter(|_| self.adds_eos));
        }
        Ok(tokens)
    }

    fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        self.pieces.decode(token, special, out);
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        self.pieces.is_end_of_generation(token)
    }

    fn is_control(&self, token: Token) -> bool {
        self.pieces.is_control(token)
    }

    fn bos(&self) -> Option<Token> {
        self.bos
    }

    fn eos(&self) -> Option<Token> {
        self.eos
    }
}

/// The file describes what runs, and the crate does not promise to survive every description.
pub(crate) fn guarded<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizers crate panicked".into()),
    }
}

/// The crate gives an added token the next free id, whatever the file says: the model would then see another token.
fn same_ids(added: &Value, read: &tokenizers::Tokenizer) -> Result<(), TokenizerError> {
    for (index, token) in added.as_array().into_iter().flatten().enumerate() {
        let content = token["content"].as_str().unwrap_or_default();
        let id = read.token_to_id(content);
        if id.map(u64::from) != token["id"].as_u64() {
            let got = format!("{} with id {}", metadata::shown(content.as_bytes()), token["id"]);
            let expected =
                id.map_or_else(|| "a token with some content".into(), |id| format!("id {id}, the next free one"));
            return Err(TokenizerError::element("tokenizer.json: added_tokens", index, got, expected));
        }
    }
    Ok(())
}

/// Reads a decoder's description: what it does to one token.
fn spelling(decoder: &Value) -> Result<Spelling, TokenizerError> {
    let kind = decoder["type"].as_str().unwrap_or("none");
    let parts = decoder["decoders"].as_array();
    let has = |name: &str| parts.is_some_and(|parts| parts.iter().any(|part| part["type"] == name));
    match kind {
        "ByteLevel" => Ok(Spelling::ByteLevel),
        "Sequence" if has("ByteLevel") => Ok(Spelling::ByteLevel),
        "Metaspace" => Ok(Spelling::SentencePiece),
        "Sequence" if has("ByteFallback") || has("Metaspace") => Ok(Spelling::SentencePiece),
        "WordPiece" => Ok(Spelling::WordPiece),
        "none" | "Fuse" => Ok(Spelling::Plain),
        other => Err(TokenizerError::Unsupported {
            key: "tokenizer.json: decoder".into(),
            got: other.chars().take(60).collect(),
            supported: "ByteLevel, Metaspace, WordPiece, none, and sequences with ByteLevel, ByteFallback or Metaspace"
                .into(),
        }),
    }
}

fn piece(token: &[u8], spelling: Spelling) -> Vec<u8> {
    match spelling {
        Spelling::ByteLevel => alphabet::unspell(token),
        Spelling::SentencePiece => byte(token).map_or_else(|| unescape(token), |byte| vec![byte]),
        Spelling::WordPiece => match token.strip_prefix(b"##") {
            Some(rest) => rest.to_vec(),
            None => [b" ", token].concat(),
        },
        Spelling::Plain => token.to_vec(),
    }
}
