//! How long the mask of a token takes with a real vocabulary.
//!
//! `cargo run --release -p tern-grammar --example mask_speed -- VOCABULARY.gguf` with any GGUF file that has a
//! vocabulary (llama.cpp's `models/ggml-vocab-qwen2.gguf` has 152 k tokens and no weights).

use std::{error::Error, path::Path, time::Instant};

use serde_json::json;
use tern_engine::Tokenizer;
use tern_gguf::Header;
use tern_grammar::{Grammar, Vocabulary};
use tern_tokenizer::{GgufTokenizer, Overrides};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: mask_speed VOCABULARY.gguf")?;
    let header = Header::read(Path::new(&path))?;
    let tokenizer = GgufTokenizer::from_header(&header, &Overrides::default())?;
    let began = Instant::now();
    let vocabulary = Vocabulary::new(&tokenizer)?;
    println!("vocabulary of {} tokens read in {:.0} ms", tokenizer.vocab_size(), began.elapsed().as_secs_f64() * 1e3);

    let invoice = json!({ "number": "INV-2024-0042", "date": "2024-02-29", "currency": "EUR", "paid": false,
        "customer": { "name": "Grüne Gärten GmbH", "email": "office@example.com", "address": { "street": "Hauptstraße 5", "city": "Zürich" } },
        "lines": (1..=20).map(|i| json!({ "text": format!("Article number {i}, as discussed on the telephone last week"),
            "count": i, "price": 12.5 * f64::from(i), "tags": ["garden", "tool"] })).collect::<Vec<_>>() });
    let text = serde_json::to_string_pretty(&invoice)?.replace(" \n", "\n");
    measure("a schema, indented", &Grammar::JsonSchema(schema()), &text, &tokenizer, &vocabulary)?;
    let spaced = text.replace("\n", "").split("  ").filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    measure("a schema, in a line", &Grammar::JsonSchema(schema()), &spaced, &tokenizer, &vocabulary)?;
    measure("any object", &Grammar::JsonObject, &text, &tokenizer, &vocabulary)?;
    let prose = "It was a bright cold day in April, and the clocks were striking thirteen. ".repeat(5);
    measure("a regular expression", &Grammar::Regex("(?s:.*)".into()), &prose, &tokenizer, &vocabulary)
}

fn schema() -> serde_json::Value {
    let line = json!({ "type": "object", "additionalProperties": false, "required": ["text", "count", "price", "tags"],
        "properties": { "text": { "type": "string", "maxLength": 200 }, "count": { "type": "integer", "minimum": 1, "maximum": 1000 },
            "price": { "type": "number", "minimum": 0 }, "tags": { "type": "array", "items": { "enum": ["garden", "tool", "plant"] } } } });
    json!({ "type": "object", "additionalProperties": false,
        "required": ["number", "date", "currency", "paid", "customer", "lines"],
        "properties": { "number": { "type": "string", "pattern": "^INV-[0-9]{4}-[0-9]{4}$" }, "date": { "type": "string", "format": "date" },
            "currency": { "enum": ["EUR", "CHF", "USD"] }, "paid": { "type": "boolean" },
            "customer": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" },
                "email": { "type": "string", "format": "email" }, "address": { "$ref": "#/$defs/address" } } },
            "lines": { "type": "array", "items": line, "minItems": 1 } },
        "$defs": { "address": { "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } } } })
}

fn measure(
    name: &str,
    grammar: &Grammar,
    text: &str,
    tokenizer: &dyn Tokenizer,
    vocabulary: &Vocabulary,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let compiled = vocabulary.compile(grammar)?;
    let compile_ms = began.elapsed().as_secs_f64() * 1e3;
    let tokens = tokenizer.encode(text, false, false)?;
    let logits = vec![0.0_f32; tokenizer.vocab_size()];
    let mut allowed = Vec::new();
    // The second answer finds the states that the first one learned.
    for answer in ["first answer", "second answer"] {
        let mut matcher = compiled.matcher();
        let mut masks = Vec::with_capacity(tokens.len());
        let (mut accept, mut apply) = (0.0, 0.0);
        for &token in &tokens {
            let began = Instant::now();
            let mask = matcher.mask()?;
            masks.push(began.elapsed().as_secs_f64() * 1e6);
            let began = Instant::now();
            mask.apply(&logits, &mut allowed);
            apply += began.elapsed().as_secs_f64() * 1e6;
            let began = Instant::now();
            matcher.accept(token)?;
            accept += began.elapsed().as_secs_f64() * 1e6;
        }
        masks.sort_by(f64::total_cmp);
        let at = |share: f64| masks[((masks.len() - 1) as f64 * share) as usize];
        let count = masks.len() as f64;
        println!(
            "{name}, {answer}: compiled in {compile_ms:.1} ms; {count} tokens; a mask takes {:.0} us in the mean, p50 {:.0}, p95 {:.0}, most \
             {:.0}; applying it {:.0}, accepting a token {:.0}",
            masks.iter().sum::<f64>() / count,
            at(0.5),
            at(0.95),
            at(1.0),
            apply / count,
            accept / count
        );
    }
    Ok(())
}
