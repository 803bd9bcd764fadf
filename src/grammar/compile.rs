//! From a form to something that follows an answer: checked without a model, compiled for one.

use llguidance::{
    ParserFactory,
    api::{GrammarInit, TopLevelGrammar},
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};
use serde_json::Value;

use crate::{
    Grammar, GrammarError, Vocabulary, depth, gbnf,
    limits::{self, LONGEST_GRAMMAR},
    matcher::{Mask, Matcher},
    schema,
};

/// Whether a form can be enforced, as far as can be told without a model: everything but names of tokens in Lark.
///
/// # Errors
/// Names the path in the schema of what cannot be enforced, or the line of a grammar that cannot be read.
pub fn check(grammar: &Grammar) -> Result<(), GrammarError> {
    limits::with_stack(|| {
        if let Grammar::Lark(lark) = grammar {
            depth::check_references(lark)?;
        }
        let source = Source::of(grammar)?;
        let read = GrammarInit::Serialized(source.top_level()).to_internal(None, limits::parser());
        let (_, lexer) = read.map_err(|error| source.explain(&error, &error.root_cause()))?;
        if lexer.render_warnings().iter().any(|warning| warning.contains("no tokenizer")) {
            // It names tokens, which only the model's vocabulary knows.
            return Ok(());
        }
        begin(&bytes_only()?, &source).map(|_| ())
    })
}

/// A form, compiled for the vocabulary of a model.
pub struct Compiled {
    start: Matcher,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compiled")
    }
}

impl Vocabulary {
    /// Compiles a form. Blocks: a few milliseconds, more for large schemas.
    ///
    /// # Errors
    /// As [`check`], and when the form begins with what no token of this model can spell.
    pub fn compile(&self, grammar: &Grammar) -> Result<Compiled, GrammarError> {
        limits::with_stack(|| {
            let source = Source::of(grammar)?;
            let (inner, mask) = begin(&self.factory, &source)?;
            Ok(Compiled { start: Matcher::new(inner, Mask::new(mask, self.size), self.ends.clone().into()) })
        })
    }
}

impl Clone for Compiled {
    /// A clone learns the states of the form by itself: their number is bounded, and answers of other requests shall
    /// not use it up.
    fn clone(&self) -> Self {
        Self { start: self.start.alone() }
    }
}

impl Compiled {
    /// Follows one answer, from its beginning. All that come from the same `Compiled` learn the states of the form
    /// together.
    pub fn matcher(&self) -> Matcher {
        self.start.clone()
    }
}

/// Compiles and computes the first mask, which shows whether there is any text of this form.
fn begin(
    factory: &ParserFactory,
    source: &Source,
) -> Result<(llguidance::Matcher, llguidance::toktrie::SimpleVob), GrammarError> {
    let parser =
        factory.create_parser(source.top_level()).map_err(|error| source.explain(&error, &error.root_cause()))?;
    let mut matcher = llguidance::Matcher::new(Ok(parser));
    match matcher.compute_mask_or_eos() {
        Ok(mask) => Ok((matcher, mask)),
        Err(error) => {
            let reason = readable(&error.to_string());
            let message = if reason.contains("NoExtension") { "nothing has this form".to_owned() } else { reason };
            Err(GrammarError::new(message))
        }
    }
}

/// A vocabulary of single bytes, for checks.
fn bytes_only() -> Result<ParserFactory, GrammarError> {
    let mut words: Vec<Vec<u8>> = (0..=254).map(|byte| vec![byte]).collect();
    words.push(b"\xFF<end>".to_vec());
    let trie = TokTrie::from(&TokRxInfo::new(256, 255), &words);
    let env: TokEnv = std::sync::Arc::new(ApproximateTokEnv::new(trie));
    let factory = ParserFactory::new(&env, InferenceCapabilities::default(), &[]);
    let mut factory = factory.map_err(|error| GrammarError::new(error.to_string()))?;
    factory.quiet();
    *factory.limits_mut() = limits::parser();
    Ok(factory)
}

/// A form in the language of llguidance.
enum Source {
    Schema(Value),
    Lark(String),
}

impl Source {
    fn of(grammar: &Grammar) -> Result<Self, GrammarError> {
        let source = match grammar {
            Grammar::JsonObject => Self::Schema(schema::any_object()),
            Grammar::JsonSchema(schema) => Self::Schema(schema::prepare(schema)?),
            Grammar::Regex(regex) => {
                bounded("regular expression", regex)?;
                Self::Lark(format!("start: /{}/", llguidance::regex_to_lark(regex, "")))
            }
            Grammar::Lark(lark) => {
                bounded("grammar", lark)?;
                Self::Lark(lark.clone())
            }
            Grammar::Gbnf(text) => {
                bounded("grammar", text)?;
                Self::Lark(gbnf::to_lark(text)?)
            }
        };
        if let (Self::Lark(lark), Grammar::Lark(_) | Grammar::Gbnf(_)) = (&source, grammar) {
            depth::check(lark)?;
        }
        Ok(source)
    }

    fn top_level(&self) -> TopLevelGrammar {
        match self {
            Self::Schema(schema) => TopLevelGrammar::from_json_schema(schema.clone()),
            Self::Lark(lark) => TopLevelGrammar::from_lark(lark.clone()),
        }
    }

    /// `error` and `cause`, its innermost reason, which of a schema says more.
    fn explain(&self, error: &dyn std::fmt::Display, cause: &dyn std::fmt::Display) -> GrammarError {
        match self {
            Self::Lark(_) => GrammarError::new(readable(&error.to_string())),
            Self::Schema(schema) => schema::blame(schema, &readable(&cause.to_string()), &|part| {
                let init = GrammarInit::Serialized(TopLevelGrammar::from_json_schema(part.clone()));
                init.to_internal(None, limits::parser()).err().map(|error| readable(&error.root_cause().to_string()))
            }),
        }
    }
}

fn bounded(what: &str, text: &str) -> Result<(), GrammarError> {
    if text.len() > LONGEST_GRAMMAR {
        let message = format!("the {what} has {} bytes; at most {LONGEST_GRAMMAR} are allowed", text.len());
        return Err(GrammarError::new(message));
    }
    Ok(())
}

/// The first line of what llguidance says, which has the place; below it stands a picture of it.
fn readable(error: &str) -> String {
    let mut lines = error.lines().filter(|line| !line.trim().is_empty() && !line.contains("<non-verbose/>"));
    let first = lines.next().unwrap_or("this form cannot be compiled");
    // A parse error of a regular expression explains itself in its last line.
    match lines.find_map(|line| line.strip_prefix("error: ")) {
        Some(reason) => format!("{}: {reason}", first.trim_end_matches(':')),
        None => first.to_owned(),
    }
}
