//! llama.cpp's notation for grammars (GBNF), and its conversion into Lark.
//!
//! `name ::= alternatives`, with literals (`"a\n"`), classes (`[^a-z]`, `.`), groups, repetition (`*`, `+`, `?`,
//! `{2,5}`), tokens of the vocabulary (`<|im_end|>`, `<[1000]>`) and comments (`#`). A rule ends where the next begins.

mod lark;
mod parse;

use crate::GrammarError;

/// One rule.
#[derive(Debug)]
struct Rule {
    name: String,
    body: Alternatives,
}

/// What may stand at a place: one of these sequences.
type Alternatives = Vec<Vec<Item>>;

/// A part of a sequence.
#[derive(Debug)]
struct Item {
    atom: Atom,
    least: u32,
    /// `None` without a limit.
    most: Option<u32>,
}

#[derive(Debug)]
enum Atom {
    Text(String),
    /// One character in, or not in, these ranges.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// Any character.
    Any,
    /// A token of the vocabulary, spelled as in Lark.
    Token(String),
    /// The rule with this name, mentioned on this line.
    Rule(String, usize),
    Group(Alternatives),
}

/// The grammar in llguidance's dialect of Lark; `root` has become `start`.
///
/// # Errors
/// Names the line of what cannot be read.
pub(crate) fn to_lark(text: &str) -> Result<String, GrammarError> {
    let rules = parse::parse(text)?;
    lark::write(&rules)
}

fn error(line: usize, message: impl std::fmt::Display) -> GrammarError {
    GrammarError::new(format!("line {line} of the grammar: {message}"))
}

#[cfg(test)]
mod tests {
    use super::to_lark;

    fn fails(text: &str, with: &str) {
        let error = to_lark(text).unwrap_err().message;
        assert!(error.contains(with), "{error}");
    }

    #[test]
    fn mistakes_are_named_by_their_line() {
        fails("root ::= \"a", "line 1 of the grammar: this literal has no end");
        fails("root ::= x\n# end\n", "line 1 of the grammar: there is no rule \"x\"");
        fails("root ::= \"a\"\nb = \"c\"", "line 2 of the grammar: expected a rule (name ::= ...), found '='");
        fails("root ::= [z-a]", "from 'z' to 'a'");
        fails("root ::= [a-z", "this class has no end");
        fails("root ::= (\"a\" | \"b\"", "this group has no end");
        fails("root ::= \"a\"){2}", "line 1 of the grammar: expected a rule");
        fails("root ::= \"a\"{4,2}", "from 4 to 2");
        fails("root ::= \"a\"{99999999999}", "at most 10000");
        fails("root ::= \"\\q\"", "\\q");
        fails("root ::= *", "nothing to repeat");
        fails("a ::= \"a\"", "no rule \"root\"");
        fails("root ::= \"a\"\nroot ::= \"b\"", "line 2 of the grammar: the rule \"root\" is given twice");
        fails("", "no rule \"root\"");
        fails("root ::= !<think>", "not supported");
    }

    #[test]
    fn groups_may_not_be_nested_without_end() {
        fails(&format!("root ::= {}\"a\"{}", "(".repeat(5000), ")".repeat(5000)), "nested too deeply");
    }
}
