//! The tokens of a model, as llguidance reads them: a tree over their bytes.

use std::sync::Arc;

use llguidance::{
    ParserFactory,
    earley::SlicedBiasComputer,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};
use tern_engine::{Token, Tokenizer};

use crate::{GrammarError, limits};

/// Longest token in bytes that the tree can hold; longer ones are never chosen under a form.
const LONGEST_TOKEN: usize = 512;

/// The tokens of a model. Built once a model and shared; takes about half a second and 30 MB for 150 000 tokens.
pub struct Vocabulary {
    pub(crate) factory: ParserFactory,
    /// The tokens that end an answer.
    pub(crate) ends: Vec<Token>,
    pub(crate) size: usize,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("size", &self.size).field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Reads every token of `tokenizer`.
    ///
    /// Control tokens can be asked for by name in Lark (`<|im_end|>`) and are no text. What the grammar forces is not
    /// tokenized for the model: it chooses among the tokens that spell it, since a tokenization made without the text
    /// around it is often not the one that the model was trained on.
    ///
    /// # Errors
    /// When the vocabulary has no token that ends an answer.
    pub fn new(tokenizer: &dyn Tokenizer) -> Result<Self, GrammarError> {
        let size = tokenizer.vocab_size();
        let ids = 0..size as Token;
        let ends: Vec<Token> = ids.clone().filter(|&token| tokenizer.is_end_of_generation(token)).collect();
        let Some(&first_end) = ends.first() else {
            return Err(GrammarError::new(
                "this model has no token that ends an answer, so that no form can be completed",
            ));
        };
        let words: Vec<Vec<u8>> = ids.map(|token| word(tokenizer, token)).collect();
        let eos = tokenizer.eos().filter(|eos| ends.contains(eos)).unwrap_or(first_end);
        let trie = TokTrie::from(&TokRxInfo::new(size as u32, eos), &words).with_eos_tokens(&ends);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = SlicedBiasComputer::json_slices();
        let factory = ParserFactory::new(&env, InferenceCapabilities::default(), &slices);
        let mut factory = factory.map_err(|error| GrammarError::new(error.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = limits::parser();
        Ok(Self { factory, ends, size })
    }
}

/// The bytes of a token in llguidance's way: what is no text begins with a byte that no text has.
fn word(tokenizer: &dyn Tokenizer, token: Token) -> Vec<u8> {
    let special = tokenizer.is_control(token) || tokenizer.is_end_of_generation(token);
    let mut bytes = if special { vec![TokTrie::SPECIAL_TOKEN_MARKER] } else { Vec::new() };
    tokenizer.decode(token, special, &mut bytes);
    let misleading = !special && bytes.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER);
    if misleading || bytes.len() > LONGEST_TOKEN || (special && bytes.len() == 1) {
        return Vec::new();
    }
    bytes
}
