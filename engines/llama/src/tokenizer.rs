//! Text to tokens and back, by the model's own vocabulary.
//!
//! What a token spells is asked once, at load: a table answers from then on, for any thread, without a call into C.

use std::{sync::Arc, thread};

use tern_engine::{EngineError, Token, Tokenizer};

use crate::ffi::Model;

/// Longest text that is tokenized, in bytes: several times what fits the longest contexts there are. It bounds the
/// stack below.
const TEXT_LIMIT: usize = 8 << 20;

/// Texts up to this length are tokenized on the caller's thread.
const SHORT_TEXT: usize = 4 << 10;

/// Stack for each byte of a long text. Some vocabularies (DeepSeek's, Falcon's) split words with C++'s `std::regex`,
/// which recurses for each character of a match: on an ordinary stack one endless word ends the process. Measured with
/// 100,000 characters in one word: 16 MB are too little, 32 MB enough. What is not used is never touched.
const STACK_PER_BYTE: usize = 512;

/// What one token is.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    /// Not shown unless asked for: control tokens and the unknown token.
    hidden: bool,
    control: bool,
    ends_generation: bool,
}

/// A [`Tokenizer`] over a loaded model's vocabulary.
pub(crate) struct LlamaTokenizer {
    model: Arc<Model>,
    /// The bytes of all tokens, one after the other.
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    flags: Vec<Flags>,
    bos: Option<Token>,
    eos: Option<Token>,
}

impl LlamaTokenizer {
    /// Builds the tables.
    ///
    /// # Errors
    /// What is missing, when the vocabulary wants to add a token it does not have: llama.cpp would abort.
    pub(crate) fn new(model: Arc<Model>, wordpiece: bool) -> Result<Self, String> {
        let (bos, eos, sep) = (model.bos(), model.eos(), model.sep());
        if (model.adds_bos() || wordpiece) && bos.is_none() {
            return Err("the vocabulary adds a BOS token but has none".into());
        }
        if model.adds_eos() && eos.is_none() {
            return Err("the vocabulary adds an EOS token but has none".into());
        }
        if wordpiece && sep.is_none() {
            return Err("the WordPiece vocabulary has no separator token".into());
        }
        let size = model.n_vocab();
        let (mut bytes, mut ends, mut flags) = (Vec::new(), Vec::with_capacity(size), Vec::with_capacity(size));
        for token in 0..size as Token {
            let piece = model.piece(token, true);
            flags.push(Flags {
                hidden: !piece.is_empty() && model.piece(token, false).is_empty(),
                control: model.is_control(token),
                ends_generation: model.is_eog(token),
            });
            bytes.extend_from_slice(&piece);
            ends.push(bytes.len());
        }
        Ok(Self { model, bytes, ends, flags, bos, eos })
    }

    fn flags(&self, token: Token) -> Flags {
        self.flags.get(token as usize).copied().unwrap_or_default()
    }
}

impl Tokenizer for LlamaTokenizer {
    fn vocab_size(&self) -> usize {
        self.ends.len()
    }

    fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
        if text.len() > TEXT_LIMIT {
            return Err(EngineError::Failed(format!(
                "a text of {} bytes is too long to tokenize, at most {TEXT_LIMIT}",
                text.len()
            )));
        }
        if text.len() <= SHORT_TEXT {
            return Ok(self.model.tokenize(text, add_special, parse_special));
        }
        let stack = (2 << 20) + text.len() * STACK_PER_BYTE;
        thread::scope(|scope| {
            let worker = thread::Builder::new().name("llama-tokenize".into()).stack_size(stack);
            let worker = worker.spawn_scoped(scope, || self.model.tokenize(text, add_special, parse_special)).map_err(
                |error| {
                    EngineError::Failed(format!("no stack of {stack} bytes to tokenize {} bytes: {error}", text.len()))
                },
            )?;
            worker.join().map_err(|_| EngineError::Failed("the tokenizer panicked".into()))
        })
    }

    fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        let index = token as usize;
        if index >= self.ends.len() || (self.flags[index].hidden && !special) {
            return;
        }
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        out.extend_from_slice(&self.bytes[start..self.ends[index]]);
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        self.flags(token).ends_generation
    }

    fn is_control(&self, token: Token) -> bool {
        self.flags(token).control
    }

    fn bos(&self) -> Option<Token> {
        self.bos
    }

    fn eos(&self) -> Option<Token> {
        self.eos
    }
}
