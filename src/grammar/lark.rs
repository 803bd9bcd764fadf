//! Every form as Lark, the language that llguidance reads.

use crate::{Grammar, GrammarError, gbnf, limits, schema};

impl Grammar {
    /// This form as the right-hand side of a Lark rule, so that it can stand behind or beside other things:
    ///
    /// ```
    /// use tern_grammar::Grammar;
    ///
    /// let form = Grammar::Regex("yes|no".into()).as_lark_rule()?;
    /// let behind_reasoning = Grammar::Lark(format!("start: \"<think>\" /(?s:.*)/ \"</think>\" answer\nanswer: {form}\n"));
    /// tern_grammar::check(&behind_reasoning)?;
    /// # Ok::<(), tern_grammar::GrammarError>(())
    /// ```
    ///
    /// Its own rules are not to be seen from outside. Tokens of the vocabulary are written `<|name|>` where their
    /// spelling is in angle brackets, and by number (`<[151645]>`) otherwise.
    ///
    /// # Errors
    /// As [`check`](crate::check), as far as the form can be read without compiling it.
    pub fn as_lark_rule(&self) -> Result<String, GrammarError> {
        limits::with_stack(|| {
            Ok(match self {
                Self::JsonObject => format!("%json {}", schema::any_object()),
                Self::JsonSchema(schema) => format!("%json {}", schema::prepare(schema)?),
                Self::Regex(regex) => format!("/{}/", llguidance::regex_to_lark(regex, "")),
                Self::Lark(lark) => format!("%lark {{\n{lark}\n}}"),
                Self::Gbnf(gbnf) => format!("%lark {{\n{}\n}}", gbnf::to_lark(gbnf)?),
            })
        })
    }
}
