//! The tokenizer that a GGUF header describes.

use tern_engine::{EngineError, Token, Tokenizer};
use tern_gguf::Header;

use crate::{
    TokenizerError, alphabet,
    bpe::{Bpe, Scratch},
    check_length, ending,
    metadata::{self, MODEL, PRE, Spellings},
    pieces::{Kind, Pieces},
    pre::Words,
    spelled::{Entry, Part, Spelled},
    spm::{SPACE, Spm},
};

/// What an engine knows better than the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// How words are divided, in place of `tokenizer.ggml.pre`: published files exist that leave it out although their
    /// model needs one.
    pub pre: Option<String>,
    /// Whether a text begins with BOS, in place of `tokenizer.ggml.add_bos_token`.
    pub add_bos: Option<bool>,
    /// Whether a text ends with EOS, in place of `tokenizer.ggml.add_eos_token`.
    pub add_eos: Option<bool>,
}

/// A vocabulary from a GGUF header, read as llama.cpp reads it.
#[derive(Debug)]
pub struct GgufTokenizer {
    algorithm: Algorithm,
    spelled: Spelled,
    pieces: Pieces,
    bos: Option<Token>,
    eos: Option<Token>,
    adds_bos: bool,
    adds_eos: bool,
}

#[derive(Debug)]
enum Algorithm {
    Bpe { words: Words, bpe: Bpe },
    Spm { spm: Spm, space_before: bool },
}

/// What `tokenizer.ggml.model` says, and what is so when the other keys are silent.
struct Defaults {
    bytes: bool,
    bos: Token,
    eos: Token,
    adds_bos: bool,
}

impl GgufTokenizer {
    /// Builds the tokenizer of a model.
    ///
    /// # Errors
    /// The key that is missing, wrong, or names something that is not supported.
    pub fn from_header(header: &Header, overrides: &Overrides) -> Result<Self, TokenizerError> {
        let (words, defaults) = match header.str(MODEL) {
            Some("gpt2") => {
                // Without a name llama.cpp falls back to this one, and so does this.
                let name = overrides.pre.as_deref().or(header.str(PRE)).filter(|name| !name.is_empty());
                let words = Words::named(name.unwrap_or("default"))?;
                let adds_bos = words.adds_bos;
                (Some(words), Defaults { bytes: true, bos: 11, eos: 11, adds_bos })
            }
            Some("llama") => (None, Defaults { bytes: false, bos: 1, eos: 2, adds_bos: true }),
            Some(other) => {
                let got = other.chars().take(60).collect();
                return Err(TokenizerError::Unsupported { key: MODEL.into(), got, supported: "gpt2, llama".into() });
            }
            None => return Err(TokenizerError::key(MODEL, "missing or not a string", "gpt2 or llama")),
        };
        let mut vocabulary = Spellings::new(header)?;
        let count = vocabulary.tokens.len();
        // llama.cpp takes the default id whatever that token is; in a byte-level vocabulary it must be a control token
        // here, or a file without the key would end its replies at a comma.
        let special = |key: &str, usual: Token| {
            let kind = vocabulary.kinds.get(usual as usize);
            let usable = kind.is_some_and(|&kind| !defaults.bytes || kind == Kind::Control);
            Ok::<_, TokenizerError>(metadata::id(header, key, count)?.or(usable.then_some(usual)))
        };
        let bos = special("tokenizer.ggml.bos_token_id", defaults.bos)?;
        let eos = special("tokenizer.ggml.eos_token_id", defaults.eos)?;
        let adds = |key: &str, known: Option<bool>, usual: bool, token: Option<Token>, token_key: &str| {
            let adds = known.map_or_else(|| metadata::flag(header, key, usual), Ok)?;
            if adds && token.is_none() {
                return Err(TokenizerError::key(token_key, "missing", "the token that texts are given"));
            }
            Ok(adds)
        };
        let key = "tokenizer.ggml.add_bos_token";
        let adds_bos = adds(key, overrides.add_bos, defaults.adds_bos, bos, "tokenizer.ggml.bos_token_id")?;
        let key = "tokenizer.ggml.add_eos_token";
        let adds_eos = adds(key, overrides.add_eos, false, eos, "tokenizer.ggml.eos_token_id")?;
        let ends = ending::find(header, &mut vocabulary, eos)?;

        let mut pieces = Pieces::default();
        for (id, (token, &kind)) in vocabulary.tokens.iter().zip(&vocabulary.kinds).enumerate() {
            pieces.push(&piece(token, kind, defaults.bytes), kind, ends.contains(&(id as Token)));
        }
        let algorithm = match words {
            Some(words) => Algorithm::Bpe { bpe: Bpe::new(header, &vocabulary, words.whole_words)?, words },
            None => Algorithm::Spm {
                spm: Spm::new(header, &vocabulary)?,
                space_before: metadata::flag(header, "tokenizer.ggml.add_space_prefix", true)?,
            },
        };
        let spelled = Spelled::new(entries(header, &vocabulary))?;
        Ok(Self { algorithm, spelled, pieces, bos, eos, adds_bos, adds_eos })
    }

    /// Whether a text begins with BOS.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Whether a text ends with EOS.
    pub fn adds_eos(&self) -> bool {
        self.adds_eos
    }

    fn text(&self, text: &str, after_token: bool, scratch: &mut Scratch, out: &mut Vec<Token>) -> Result<(), u8> {
        match &self.algorithm {
            Algorithm::Bpe { words, bpe } => words.each(text, &mut |word| bpe.encode(word.as_bytes(), scratch, out)),
            Algorithm::Spm { spm, space_before } => {
                let before = if *space_before && after_token { SPACE } else { "" };
                spm.encode(&format!("{before}{}", text.replace(' ', SPACE)), out)
            }
        }
    }
}

impl Tokenizer for GgufTokenizer {
    fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
        check_length(text)?;
        let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
        let mut scratch = Scratch::default();
        // The beginning counts as after a token: SentencePiece puts its space there too.
        let mut after_token = true;
        let parts = if text.is_empty() { Vec::new() } else { self.spelled.divide(text, parse_special) };
        for part in parts {
            match part {
                Part::Token(token) => tokens.push(token),
                Part::Text(text) => self.text(text, after_token, &mut scratch, &mut tokens).map_err(|byte| {
                    EngineError::Failed(format!("no token of the vocabulary spells byte {byte:#04x} of the text"))
                })?,
            }
            after_token = matches!(part, Part::Token(_));
        }
        if add_special {
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

/// Adds what stands around a text, unless the text brings it: templates often spell BOS themselves, and a model sees
/// two of them nowhere in its training.
pub(crate) fn around(tokens: &mut Vec<Token>, bos: Option<Token>, eos: Option<Token>) {
    if let Some(bos) = bos.filter(|bos| tokens.first() != Some(bos)) {
        tokens.insert(0, bos);
    }
    if let Some(eos) = eos.filter(|eos| tokens.last() != Some(eos)) {
        tokens.push(eos);
    }
}

/// The bytes that a token stands for.
fn piece(token: &[u8], kind: Kind, bytes: bool) -> Vec<u8> {
    match kind {
        Kind::Control | Kind::Unknown | Kind::UserDefined => token.to_vec(),
        Kind::Normal if bytes => alphabet::unspell(token),
        Kind::Normal => unescape(token),
        Kind::Byte => byte(token).map_or_else(|| token.to_vec(), |byte| vec![byte]),
        Kind::Unused => Vec::new(),
    }
}

/// The byte that `<0xNN>` stands for.
pub(crate) fn byte(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let both = digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit);
    both.then(|| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

/// U+2581 as the space that it stands for.
pub(crate) fn unescape(token: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(token.len()), token);
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(SPACE.as_bytes()) {
            out.push(b' ');
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// The tokens that are found as they are spelled. One that is not UTF-8 is in no text.
fn entries(header: &Header, vocabulary: &Spellings<'_>) -> Vec<Entry> {
    // Phi-3 was trained with its marks swallowing the line break behind them; no key says so, so llama.cpp goes by the
    // name, and so does this.
    let name = header.str("general.name").unwrap_or_default().to_lowercase();
    let phi3 = name.contains("phi-3") || name.contains("phi3");
    let all = vocabulary.tokens.iter().zip(&vocabulary.kinds).enumerate();
    let spelled = all.filter(|(_, (_, kind))| kind.hidden() || **kind == Kind::UserDefined);
    spelled
        .filter_map(|(id, (token, &kind))| {
            let spelling = std::str::from_utf8(token).ok()?;
            let takes_spaces = phi3 && !["<unk>", "<s>", "<|endoftext|>"].contains(&spelling);
            Some(Entry { token: id as Token, spelling: spelling.into(), kind, takes_spaces })
        })
        .collect()
}
