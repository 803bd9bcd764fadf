//! Forms that are made to take all time and memory.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tern_grammar::{Grammar, check};

use crate::support::{Random, vocabulary};

/// Whatever comes of it, it comes soon; and what is accepted can be followed, or fails, without taking long over any token.
fn soon(name: &str, grammar: Grammar) {
    let began = Instant::now();
    let within = |seconds, what: &str, began: Instant| {
        assert!(began.elapsed() < Duration::from_secs(seconds), "{name}: {what} took {:?}", began.elapsed());
    };
    let accepted = check(&grammar).is_ok();
    within(5, "checking", began);
    if !accepted {
        return;
    }
    let (_, vocabulary) = vocabulary();
    let began = Instant::now();
    let Ok(compiled) = vocabulary.compile(&grammar) else { return };
    within(5, "compiling", began);
    let mut matcher = compiled.matcher();
    let mut random = Random(1);
    for _ in 0..60 {
        let began = Instant::now();
        let Ok(mask) = matcher.mask() else { return };
        let allowed: Vec<u32> = (0..256).filter(|&token| mask.allows(token)).collect();
        if allowed.is_empty() || matcher.accept(*random.of(&allowed)).is_err() || matcher.must_end() {
            return;
        }
        within(1, "a token", began);
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
