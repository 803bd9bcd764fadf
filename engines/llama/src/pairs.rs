//! A query and a document as the one sequence of tokens that a reranker reads.
//!
//! What stands around the two is what the model was trained with, by the kind of its vocabulary, and not what the file's
//! `add_eos_token` and `add_sep_token` ask for: older converters left them out, and then a separator is missing, and
//! llama.cpp's converter asks for one too many with ModernBERT.

use std::sync::Arc;

use tern_engine::{EngineError, Token, Tokenizer};

/// Longest prompt of a file, in bytes. It stands around every pair; Qwen3-Reranker's has 400.
const MOST_PROMPT: usize = 16 << 10;

/// What stands around a query and a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// BERT's: `[CLS] query [SEP] document [SEP]`.
    Bert,
    /// RoBERTa's: `<s> query </s></s> document </s>`.
    Roberta,
    /// The file's own words.
    Words(Vec<Part>),
}

/// A stretch of a prompt in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Fixed(String),
    Query,
    Document,
}

impl Prompt {
    /// From a text with one `{query}` and one `{document}`. More of them would multiply what a client sends.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn words(text: &str) -> Result<Self, String> {
        if text.len() > MOST_PROMPT {
            return Err(format!("{} bytes, expected at most {MOST_PROMPT}", text.len()));
        }
        let place = |name: &str| match text.match_indices(name).map(|(at, _)| at).collect::<Vec<_>>()[..] {
            [at] => Ok((at, at + name.len())),
            ref places => Err(format!("{name} occurs {} times, expected once", places.len())),
        };
        let (query, document) = (place("{query}")?, place("{document}")?);
        let swapped = document < query;
        let (first, second) = if swapped { (document, query) } else { (query, document) };
        let (a, b) = if swapped { (Part::Document, Part::Query) } else { (Part::Query, Part::Document) };
        let fixed = |from: usize, to: usize| Part::Fixed(text[from..to].to_owned());
        Ok(Self::Words(vec![fixed(0, first.0), a, fixed(first.1, second.0), b, fixed(second.1, text.len())]))
    }
}

/// What is ready to be put together.
enum Frame {
    /// Tokens before the query, between the two, and behind the document.
    Tokens([Vec<Token>; 3]),
    /// Control tokens, and texts between them, each of which is tokenized in one piece: a token may begin in the prompt's
    /// words and end in the query's.
    Words(Vec<Piece>),
}

enum Piece {
    Control(Token),
    Text(Vec<Part>),
}

/// Puts pairs into a model's prompt. Control tokens spelled in a query or a document stay text.
pub(crate) struct Pairs {
    tokenizer: Arc<dyn Tokenizer>,
    frame: Frame,
}

impl Pairs {
    /// `sep` is the vocabulary's separator token.
    ///
    /// # Errors
    /// Which token the vocabulary lacks.
    pub(crate) fn new(tokenizer: Arc<dyn Tokenizer>, prompt: &Prompt, sep: Option<Token>) -> Result<Self, String> {
        let (bos, eos) = (tokenizer.bos(), tokenizer.eos());
        let first = bos.ok_or("the vocabulary has no BOS token, which a pair begins with");
        let missing = "the vocabulary has neither a separator nor an EOS token to put between query and document";
        let frame = match prompt {
            Prompt::Bert => {
                let end = sep.or(eos).ok_or(missing)?;
                Frame::Tokens([vec![first?], vec![end], vec![end]])
            }
            Prompt::Roberta => {
                let end = eos.or(sep).ok_or(missing)?;
                Frame::Tokens([vec![first?], vec![end, end], vec![end]])
            }
            Prompt::Words(parts) => Frame::Words(pieces(&*tokenizer, parts).map_err(|error| error.to_string())?),
        };
        Ok(Self { tokenizer, frame })
    }

    /// The tokens of the query with each document, in order.
    ///
    /// # Errors
    /// The tokenizer's.
    pub(crate) fn tokens(&self, query: &str, documents: &[String]) -> Result<Vec<Vec<Token>>, EngineError> {
        match &self.frame {
            Frame::Tokens([before, between, behind]) => {
                let query = self.tokenizer.encode(query, false, false)?;
                let pair = |document: &String| {
                    let document = self.tokenizer.encode(document, false, false)?;
                    Ok([&before[..], &query, between, &document, behind].concat())
                };
                documents.iter().map(pair).collect()
            }
            Frame::Words(pieces) => documents.iter().map(|document| self.in_words(pieces, query, document)).collect(),
        }
    }

    fn in_words(&self, pieces: &[Piece], query: &str, document: &str) -> Result<Vec<Token>, EngineError> {
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(token) => tokens.push(*token),
                Piece::Text(parts) => {
                    let words = parts.iter().map(|part| match part {
                        Part::Fixed(words) => words.as_str(),
                        Part::Query => query,
                        Part::Document => document,
                    });
                    tokens.extend(self.tokenizer.encode(&words.collect::<String>(), false, false)?);
                }
            }
        }
        Ok(tokens)
    }
}

/// Cuts the prompt's own words where control tokens are spelled in them.
fn pieces(tokenizer: &dyn Tokenizer, parts: &[Part]) -> Result<Vec<Piece>, EngineError> {
    let (mut pieces, mut text) = (Vec::new(), Vec::new());
    for part in parts {
        let Part::Fixed(words) = part else {
            text.push(part.clone());
            continue;
        };
        let mut rest = words.as_str();
        for token in tokenizer.encode(words, false, true)?.into_iter().filter(|&token| tokenizer.is_control(token)) {
            let mut spelling = Vec::new();
            tokenizer.decode(token, true, &mut spelling);
            let spelling = String::from_utf8(spelling).unwrap_or_default();
            let Some((before, behind)) = rest.split_once(&spelling).filter(|_| !spelling.is_empty()) else { continue };
            text.push(Part::Fixed(before.to_owned()));
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Control(token));
            rest = behind;
        }
        text.push(Part::Fixed(rest.to_owned()));
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        ffi::Model,
        header::{self, Purpose},
        tokenizer::LlamaTokenizer,
    };

    #[test]
    fn a_prompt_in_words_has_each_of_the_two_once_in_any_order() {
        let fixed = |words: &str| Part::Fixed(words.into());
        let asked = Prompt::words("<q>{query}, {document}!").unwrap();
        let parts = vec![fixed("<q>"), Part::Query, fixed(", "), Part::Document, fixed("!")];
        assert_eq!(asked, Prompt::Words(parts));
        let turned = Prompt::words("{document}{query}").unwrap();
        let parts = vec![fixed(""), Part::Document, fixed(""), Part::Query, fixed("")];
        assert_eq!(turned, Prompt::Words(parts));
        for (text, expected) in [
            ("{query}", "{document} occurs 0 times"),
            ("{query}{query}{document}", "{query} occurs 2 times"),
            (&"x".repeat(MOST_PROMPT + 1), "16385 bytes"),
        ] {
            let error = Prompt::words(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    /// Each character is a token, but `#`, which spells the control token 0 where it may; "ab" is one token, 1.
    struct Letters {
        eos: Option<Token>,
    }

    impl Tokenizer for Letters {
        fn vocab_size(&self) -> usize {
            256
        }

        fn encode(&self, text: &str, _: bool, parse_special: bool) -> Result<Vec<Token>, EngineError> {
            let bytes = text.replace("ab", "\u{1}").into_bytes();
            Ok(bytes.into_iter().map(|b| if parse_special && b == b'#' { 0 } else { b.into() }).collect())
        }

        fn decode(&self, token: Token, _: bool, out: &mut Vec<u8>) {
            out.push(if token == 0 { b'#' } else { token as u8 });
        }

        fn is_end_of_generation(&self, _: Token) -> bool {
            false
        }

        fn is_control(&self, token: Token) -> bool {
            token == 0
        }

        fn bos(&self) -> Option<Token> {
            Some(2)
        }

        fn eos(&self) -> Option<Token> {
            self.eos
        }
    }

    fn tokens(prompt: &Prompt, eos: Option<Token>, sep: Option<Token>, query: &str, document: &str) -> Vec<Token> {
        let pairs = Pairs::new(Arc::new(Letters { eos }), prompt, sep).unwrap();
        pairs.tokens(query, &[document.to_owned()]).unwrap().remove(0)
    }

    #[test]
    fn separators_are_those_of_the_kind() {
        let [q, d] = [Token::from(b'q'), Token::from(b'd')];
        assert_eq!(tokens(&Prompt::Bert, Some(3), Some(4), "q", "d"), [2, q, 4, d, 4]);
        assert_eq!(tokens(&Prompt::Bert, Some(3), None, "q", "d"), [2, q, 3, d, 3]);
        assert_eq!(tokens(&Prompt::Roberta, Some(3), Some(4), "q", "d"), [2, q, 3, 3, d, 3]);
        assert_eq!(tokens(&Prompt::Roberta, None, Some(4), "q", ""), [2, q, 4, 4, 4]);
        let none = Pairs::new(Arc::new(Letters { eos: None }), &Prompt::Bert, None);
        assert!(none.err().unwrap().contains("neither a separator"));
    }

    #[test]
    fn words_are_tokenized_across_and_only_the_prompt_spells_control_tokens() {
        let [a, b, hash, dot] = [b'a', b'b', b'#', b'.'].map(Token::from);
        let prompt = Prompt::words("#a{query}#{document}.#").unwrap();
        // The prompt's "a" and the query's "b" are one token.
        assert_eq!(tokens(&prompt, None, None, "b", "#a"), [0, 1, 0, hash, a, dot, 0]);
        assert_eq!(tokens(&prompt, None, None, "{document}", "b")[..3], [0, a, b'{'.into()]);
        assert_eq!(tokens(&prompt, None, None, "bb", "")[1..3], [1, b]);
    }

    /// Of three vocabularies: WordPiece, Unigram, and BPE with a prompt in words.
    #[test]
    fn tokens_are_those_of_the_library_tokenizers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rerank");
        let golden = std::fs::read(folder.join("golden.json")).unwrap();
        let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
        for kind in ["bert", "xlm-roberta", "qwen3"] {
            let path = folder.join(format!("{kind}.gguf"));
            let header = header::read(&path, None).unwrap();
            let Purpose::Rerank(ranker) = &header.purpose else { panic!("{kind}: {:?}", header.purpose) };
            let Ok(model) = Model::load(&path, 0, &mut |_| true) else { panic!("{kind}: not loaded") };
            let tokenizer = Arc::new(LlamaTokenizer::new(Arc::clone(&model), header.wordpiece).unwrap());
            let pairs = Pairs::new(tokenizer, &ranker.prompt, model.sep()).unwrap();
            for case in golden[kind].as_array().unwrap() {
                let text = |name: &str| case[name].as_str().unwrap().to_owned();
                let found = pairs.tokens(&text("query"), &[text("document")]).unwrap().remove(0);
                let expected: Vec<Token> = serde_json::from_value(case["tokens"].clone()).unwrap();
                assert_eq!(found, expected, "{kind}: {}", case["document"]);
            }
        }
    }
}
