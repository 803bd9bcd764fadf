//! Forms that are made to take all time and memory.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tern_grammar::{Grammar, check};

use crate::support::{Random, vocabulary};

/// Whatever comes of it, it comes soon; and what is accepted can be followed, or fails, without taking long over any
/// token.
fn soon(name: &str, grammar: Grammar) {
    let began = Instant::now();
    let within = |seconds, what: &str, began: Instant| {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{name}: {what} took {:?}", began.elapsed());
    };
    let accepted = check(&grammar).is_ok();
    within(30, "checking", began);
    if !accepted {
        return;
    }
    let (_, vocabulary) = vocabulary();
    let began = Instant::now();
    let Ok(compiled) = vocabulary.compile(&grammar) else { return };
    within(30, "compiling", began);
    let mut matcher = compiled.matcher();
    let mut random = Random(1);
    for _ in 0..60 {
        let began = Instant::now();
        let Ok(mask) = matcher.mask() else { return };
        let allowed: Vec<u32> = (0..256).filter(|&token| mask.allows(token)).collect();
        if allowed.is_empty() || matcher.accept(*random.of(&allowed)).is_err() || matcher.must_end() {
            return;
        }
        within(30, "a token", began);
    }
}

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(json!({ "type": "string" }), |inner, _| wrap(inner))
}

#[test]
fn schemas() {
    soon("deep arrays", Grammar::JsonSchema(nested(90, |inner| json!({ "type": "array", "items": inner }))));
    soon("deeper arrays", Grammar::JsonSchema(nested(300, |inner| json!({ "type": "array", "items": inner }))));
    soon(
        "deep choices",
        Grammar::JsonSchema(nested(
            12,
            |inner| json!({ "anyOf": [inner.clone(), { "type": "array", "items": inner }] }),
        )),
    );
    let chain: Map<String, Value> = (0..5000)
        .map(|i| (format!("d{i}"), json!({ "properties": { "x": { "$ref": format!("#/$defs/d{}", i + 1) } } })))
        .collect();
    soon("a chain of references", Grammar::JsonSchema(json!({ "$ref": "#/$defs/d0", "$defs": chain })));
    let product: Vec<Value> = (0..12)
        .map(|i| json!({ "anyOf": [{ "required": [format!("a{i}")] }, { "required": [format!("b{i}")] }] }))
        .collect();
    soon("a product of choices", Grammar::JsonSchema(json!({ "type": "object", "allOf": product })));
    let wide: Map<String, Value> = (0..1000).map(|i| (format!("p{i}"), json!({ "type": "string" }))).collect();
    soon("many optional properties", Grammar::JsonSchema(json!({ "type": "object", "properties": wide })));
    let values: Vec<String> = (0..9000).map(|i| format!("value number {i}")).collect();
    soon("many values", Grammar::JsonSchema(json!({ "enum": values })));
    soon("long strings", Grammar::JsonSchema(json!({ "type": "string", "minLength": 90_000, "maxLength": 100_000 })));
    soon("huge strings", Grammar::JsonSchema(json!({ "type": "string", "maxLength": 4_000_000_000_u64 })));
    soon(
        "long lists",
        Grammar::JsonSchema(
            json!({ "type": "array", "items": { "type": "array", "minItems": 90_000 }, "minItems": 90_000 }),
        ),
    );
    let patterns: Map<String, Value> = (0..16).map(|i| (format!("^a{i}.*b{{1,500}}$"), json!({}))).collect();
    soon("many patterns", Grammar::JsonSchema(json!({ "type": "object", "patternProperties": patterns })));
    for pattern in ["(.*a){200}", "((a{1,100}){1,100}){1,100}", ".*a.{5000}", "(a|b|ab)*c{3000}", "^(\\w+\\s?)*$"] {
        soon(pattern, Grammar::JsonSchema(json!({ "type": "string", "pattern": pattern })));
        soon(
            pattern,
            Grammar::JsonSchema(json!({ "type": "string", "pattern": pattern, "minLength": 50, "maxLength": 5000 })),
        );
    }
}

#[test]
fn regular_expressions_and_grammars() {
    for regex in [
        "(a{1,1000}){1,1000}",
        "((a{1,1000}){1,1000}){1,1000}",
        ".*a{1,100000}",
        "(.*a){500}",
        "[ab]*a[ab]{200}",
        "(((((a*)*)*)*)*)*b",
        "(a?){300}a{300}",
        "\\p{L}{1,5000}",
    ] {
        soon(regex, Grammar::Regex(regex.into()));
    }
    soon("brackets", Grammar::Regex(format!("{}a{}", "(".repeat(50_000), ")".repeat(50_000))));
    soon("no letters", Grammar::Lark("start: start".into()));
    soon("no end", Grammar::Lark("start: a\na: \"x\" a".into()));
    soon("ambiguous", Grammar::Lark("start: s\ns: s s | \"a\" | \"\"".into()));
    soon("lexemes that meet", Grammar::Lark("start: A B\nA: /a*/\nB: \"ab\"".into()));
    soon("many", Grammar::Gbnf(format!("root ::= {}", "(\"a\" | \"b\"){0,9999} ".repeat(50))));
    soon("recursion on the left", Grammar::Gbnf("root ::= root \"a\" | \"b\" root root | \"c\"".into()));
    soon("groups", Grammar::Lark(format!("start: {}\"a\"{}", "(".repeat(20_000), ")".repeat(20_000))));
}

/// As many rules as fit into `bytes`, each leading to the next.
fn chain(bytes: usize, first: &str, link: impl Fn(usize) -> String, last: &str) -> String {
    let mut text = first.to_owned();
    let mut number = 0;
    while text.len() + last.len() < bytes {
        text += &link(number);
        number += 1;
    }
    text + &last.replace("LAST", &number.to_string())
}

#[test]
fn what_leads_deep_takes_no_more_stack_than_there_is() {
    let (open, close) = ("(".repeat(25), ")".repeat(25));
    for bytes in [20_000, 60_000, 100_000, 250_000] {
        let rule = |i: usize| format!("r{i}: \"a\" r{}\n", i + 1);
        let token = |i: usize| format!("R{i}: \"a\" R{}\n", i + 1);
        let group = |i: usize| format!("r{i}: {open}\"a\" r{}{close}\n", i + 1);
        let choice = |i: usize| format!("r{i} ::= r{} | \"a\" r{}\n", i + 1, i + 1);
        soon("rules", Grammar::Lark(chain(bytes, "start: r0\n", rule, "rLAST: \"b\"\n")));
        soon("tokens", Grammar::Lark(chain(bytes, "start: R0\n", token, "RLAST: \"b\"\n")));
        soon("groups", Grammar::Lark(chain(bytes, "start: r0\n", group, "rLAST: \"b\"\n")));
        soon("rules of GBNF", Grammar::Gbnf(chain(bytes, "root ::= r0\n", choice, "rLAST ::= \"b\"\n")));
        let reference = |i: usize| format!("\"d{i}\":{{\"$ref\":\"#/$defs/d{}\"}},", i + 1);
        let first = "start: %json {\"$ref\":\"#/$defs/d0\",\"$defs\":{";
        soon("references", Grammar::Lark(chain(bytes, first, reference, "\"dLAST\":{\"type\":\"null\"}}}")));
        let (open, close) = ("{\"properties\":{\"x\":".repeat(10), "}}".repeat(10));
        let nested = |i: usize| format!("\"d{i}\":{open}{{\"$ref\":\"#/$defs/d{}\"}}{close},", i + 1);
        soon("nested references", Grammar::Lark(chain(bytes, first, nested, "\"dLAST\":{\"type\":\"null\"}}}")));
    }
    let deep = Grammar::Lark(chain(250_000, "start: r0\n", |i| format!("r{i}: r{}\n", i + 1), "rLAST: \"b\"\n"));
    assert!(check(&deep).unwrap_err().message.contains("at most 1000"));
}

#[test]
fn as_a_rule_a_form_is_read_with_as_much_stack() {
    let links: Map<String, Value> =
        (0..5000).map(|i| (format!("d{i}"), json!({ "$ref": format!("#/$defs/d{}", i + 1) }))).collect();
    // Whatever comes of it, it must come back, also on a small stack.
    let form = Grammar::JsonSchema(json!({ "$ref": "#/$defs/d0", "$defs": links }));
    let small = std::thread::Builder::new().stack_size(256 << 10).spawn(move || form.as_lark_rule().is_ok());
    assert!(small.unwrap().join().is_ok());
}

#[test]
fn what_is_too_long_is_refused_at_once() {
    for grammar in [
        Grammar::Regex("a".repeat(300_000)),
        Grammar::Gbnf("#".repeat(300_000)),
        Grammar::Lark(" ".repeat(300_000)),
        Grammar::JsonSchema(json!({ "enum": ["a".repeat(2_000_000)] })),
    ] {
        assert!(check(&grammar).unwrap_err().message.contains("at most"));
    }
}
