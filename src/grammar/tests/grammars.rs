//! Lark, GBNF and regular expressions.

use tern_engine::{Token, Tokenizer};
use tern_grammar::{Grammar, check};

use crate::support::{MARK, accepts, vocabulary};

fn check_texts(grammar: &Grammar, good: &[&str], bad: &[&str]) {
    check(grammar).unwrap_or_else(|error| panic!("{error}: {grammar:?}"));
    let (_, vocabulary) = vocabulary();
    let compiled = vocabulary.compile(grammar).unwrap();
    for text in good {
        assert!(accepts(&compiled, text), "{text:?} of {grammar:?}");
    }
    for text in bad {
        assert!(!accepts(&compiled, text), "{text:?} of {grammar:?}");
    }
}

fn gbnf(text: &str, good: &[&str], bad: &[&str]) {
    check_texts(&Grammar::Gbnf(text.into()), good, bad);
}

#[test]
fn gbnf_means_what_llama_cpp_means() {
    gbnf("root ::= \"a\" [0-9]+ (\"x\" | \"y\")? # end", &["a1", "a12x", "a0y"], &["a", "1", "a1z", "a1xy"]);
    gbnf("root ::= [^a-c\\]]{2,3}", &["de", "xyz", "日本"], &["d", "ad", "]]", "wxyz"]);
    gbnf("root ::= \"\\x41\\u00e9\\n\\\"\\\\\" .", &["Aé\n\"\\z"], &["Aé\n\"\\"]);
    gbnf("root ::= \"a\"{2} \"b\"{0,1} \"c\"{1,} \"d\"{0}", &["aac", "aabccc"], &["ac", "aab", "aabbc", "aacd"]);
    gbnf("root ::= item (\",\" item)*\nitem ::=\n  \"x\" |\n  \"y\"\n", &["x", "x,y,x"], &["x,", ",x"]);
    gbnf("root ::= \"(\" root \")\" | \"\"", &["", "()", "((()))"], &["(", "())"]);
    gbnf("root ::= a b\na ::= \"x\"*\nb ::= \"xy\"", &["xy", "xxxy"], &["x", "y"]);
    gbnf("root-1 ::= \"no\"\nroot ::= Root ROOT\nRoot ::= \"a\"\nROOT ::= \"b\"", &["ab"], &["no", "ba"]);
    gbnf(
        "root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" expr \")\"",
        &["1+2", "(1+(22+3))+4"],
        &["1+", "(1"],
    );
}

#[test]
fn the_json_grammar_of_llama_cpp_reads_json() {
    let json = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"#;
    gbnf(
        json,
        &["{}", r#"{"a": [1, -2.5e3, "x\n"], "b": {"c": null}}"#, "{\n  \"a\": true\n}"],
        &["[]", "{a: 1}", r#"{"a": 01"#, "{,}"],
    );
}

#[test]
fn regular_expressions_match_the_whole_text() {
    let regex = |text: &str| Grammar::Regex(text.into());
    check_texts(&regex("yes|no"), &["yes", "no"], &["yesno", "y", "maybe"]);
    check_texts(&regex(r"\d{3}-\d{4}/x"), &["555-1234/x"], &["555-1234", "5551234/x"]);
    check_texts(&regex("^[a-z]+$"), &["abc"], &["ABC", ""]);
    assert!(check(&regex("(")).is_err());
    assert!(check(&regex("(?=a)b")).unwrap_err().message.contains("look-around"));
    assert!(check(&regex("[^\\x00-\\u{10FFFF}]")).is_err());
}

#[test]
fn lark_takes_tokens_by_name_and_schemas() {
    let (pieces, vocabulary) = vocabulary();
    let mark = (0..pieces.vocab_size() as Token).find(|&token| pieces.bytes(token) == MARK.as_bytes()).unwrap();
    let grammar = Grammar::Lark(format!("start: \"a\" {MARK} %json {{\"type\": \"integer\"}}"));
    check(&grammar).unwrap();
    let mut matcher = vocabulary.compile(&grammar).unwrap().matcher();
    matcher.accept(Token::from(b'a')).unwrap();
    assert_eq!((matcher.mask().unwrap().count(), matcher.mask().unwrap().allows(mark)), (1, true));
    matcher.accept(mark).unwrap();
    assert!(matcher.mask().unwrap().allows(Token::from(b'7')) && !matcher.mask().unwrap().allows(Token::from(b'x')));
    let unknown = Grammar::Lark("start: <|nothing|>".into());
    check(&unknown).unwrap();
    assert!(vocabulary.compile(&unknown).unwrap_err().message.contains("nothing"));
    assert!(check(&Grammar::Lark("start: \"a\"\nb: c".into())).is_ok());
    assert!(check(&Grammar::Lark("start: a b(".into())).unwrap_err().message.contains('1'));
}

#[test]
fn every_form_can_stand_in_a_rule() {
    let forms = [
        (Grammar::JsonObject, "{\"a\": 1}"),
        (Grammar::JsonSchema(serde_json::json!({ "type": "array", "items": { "type": "integer" } })), "[1, 2]"),
        (Grammar::Regex("a/b|c".into()), "a/b"),
        (Grammar::Lark("start: x\nx: \"x\" | \"(\" x \")\" // a comment".into()), "((x))"),
        (Grammar::Gbnf("root ::= \"x\" | \"[\" root \"]\" # a comment".into()), "[[x]]"),
    ];
    for (form, text) in forms {
        let rule = form.as_lark_rule().unwrap();
        let whole = Grammar::Lark(format!("start: \"<think>\" /[a-z ]*/ \"</think>\\n\" form\nform: {rule}\n"));
        check_texts(
            &whole,
            &[&format!("<think>so so</think>\n{text}")],
            &[text, "<think>so so</think>\n", "<think></think>\n?"],
        );
    }
}

#[test]
fn all_tokens_that_end_an_answer_are_allowed_where_it_may_end() {
    let (pieces, vocabulary) = vocabulary();
    let mut matcher = vocabulary.compile(&Grammar::Regex("a+".into())).unwrap().matcher();
    let ends = |matcher: &mut tern_grammar::Matcher| {
        let mask = matcher.mask().unwrap();
        matcher.ends().iter().filter(|&&end| mask.allows(end)).count()
    };
    assert_eq!(ends(&mut matcher), 0);
    matcher.accept(Token::from(b'a')).unwrap();
    assert_eq!(ends(&mut matcher), 2);
    assert!(!matcher.must_end() && matcher.may_end());
    assert!(matcher.accept(Token::from(b'b')).is_err());
    assert!(pieces.eos().is_some());
}
