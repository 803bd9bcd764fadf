//! Tools as people publish them, made by chance: random weights call them in every family's form, and an independent
//! validator has nothing against the arguments.

use serde_json::{Map, Value, json};
use tern_chat::{Thinking, ToolChoice, TurnEvent, TurnRequest, gather};
use tern_scheduler::FinishReason;

use crate::{
    support::{FORMS, turn, user},
    turns::start,
};

const DEFINITIONS: usize = 300;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// The type of one parameter. Texts are bounded, or what has no end in random weights would be cut off.
fn parameter(random: &mut Random, depth: usize) -> Value {
    let mut schema = match random.below(if depth > 1 { 9 } else { 13 }) {
        0 | 1 => json!({"type": "string", "maxLength": 12}),
        2 => {
            json!({"type": "string", "enum": random.of(&[json!(["celsius", "fahrenheit"]), json!(["USD", "EUR", "日本円"]), json!(["asc"])])})
        }
        3 => json!({"type": "integer", "minimum": 1, "maximum": random.of(&[5, 100, 2_000])}),
        4 => json!({"type": "number", "minimum": -90, "maximum": 90}),
        5 => json!({"type": "boolean", "default": false}),
        6 => json!({"type": "string", "format": random.of(&["date", "uuid", "ipv4"])}),
        7 => json!({"type": ["integer", "null"], "minimum": 0, "maximum": 9}),
        8 => json!({"type": "string", "pattern": random.of(&["^[A-Z]{3}$", "^\\d{5}(-\\d{4})?$", "^#[0-9a-f]{6}$"])}),
        9 => json!({"type": "array", "items": parameter(random, depth + 1), "minItems": 1, "maxItems": 2}),
        10 => {
            json!({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 99}, {"type": "string", "enum": ["auto"]}]})
        }
        _ => parameters(random, depth + 1, false),
    };
    if random.one_in(2) {
        schema["description"] = json!("What it is, e.g. \"San Francisco, CA\".");
    }
    schema
}

/// An object of parameters.
fn parameters(random: &mut Random, depth: usize, strict: bool) -> Value {
    let names = ["location", "unit", "query", "start_date", "user_id", "max-results", "filters", "is_public", "größe"];
    let mut properties = Map::new();
    for _ in 0..random.below(if depth > 0 { 3 } else { 5 }) {
        properties.insert(random.of(&names).to_owned(), parameter(random, depth));
    }
    let required: Vec<_> = properties.keys().filter(|_| strict || random.one_in(2)).cloned().collect();
    let mut schema = json!({"type": "object", "properties": properties});
    // As it is in collections: without, empty, or named.
    if strict || random.one_in(2) || !required.is_empty() {
        schema["required"] = json!(required);
    }
    // Without, an object has no end in random weights, and is cut off.
    if strict || !random.one_in(4) {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn definition(random: &mut Random, number: usize) -> Value {
    let verb = random.of(&["get", "search", "create", "update", "send", "calculate", "book"]);
    let noun = random.of(&["Weather", "_flights", "-event", "_email", "StockPrice", "_v2_user"]);
    let strict = random.one_in(3);
    let mut function = json!({"name": format!("{verb}{noun}_{number}"), "description": "Does it.\nSee <docs>."});
    // Some take nothing, and say so in one of two ways.
    if !random.one_in(10) {
        function["parameters"] = parameters(random, 0, strict);
    }
    if strict {
        function["strict"] = json!(true);
    }
    json!({"type": "function", "function": function})
}

#[test]
fn definitions_as_people_publish_them_are_called_with_valid_arguments() {
    let (_, scheduler) = start("echo-random");
    let mut random = Random(11);
    let definitions: Vec<_> = (0..DEFINITIONS).map(|number| definition(&mut random, number)).collect();
    let mut called = 0;
    // Each is called once, beside one that is only offered.
    for (round, tools) in definitions.windows(2).enumerate() {
        let template = FORMS[round % FORMS.len()];
        let (chat, _) = start(template);
        let mut request = TurnRequest { tools: tools.to_vec(), ..turn(vec![user("Do it.")]) };
        let name = tools[0]["function"]["name"].as_str().unwrap().to_owned();
        request.tool_choice = ToolChoice::Only { names: vec![name], required: true };
        request.parallel_tool_calls = round % 2 == 0;
        request.generation.sampling.temperature = 1.0;
        request.generation.sampling.seed = Some(round as u64);
        request.generation.max_tokens = Some(900);
        request.thinking = Thinking { enabled: None, budget: Some(10) };
        let turn = chat.start(&scheduler, request);
        let mut turn = turn.unwrap_or_else(|error| panic!("{template} {round}: {error}: {tools:?}"));
        let mut answers = Vec::new();
        while let Some(event) = turn.blocking_next() {
            assert!(!matches!(event, TurnEvent::Failed(_)), "{template} {round}: {event:?}: {tools:?}");
            gather(&mut answers, event);
        }
        let answer = &answers[0];
        let is_cut = answer.finish == Some(FinishReason::Length);
        // Of an answer that was cut off the last call may be half a call.
        let whole = answer.tool_calls.len() - usize::from(is_cut && !answer.tool_calls.is_empty());
        called += usize::from(whole > 0);
        for call in &answer.tool_calls[..whole] {
            assert_eq!(tools[0]["function"]["name"], call.name.as_str(), "{template} {round}");
            let arguments: Value = serde_json::from_str(&call.arguments)
                .unwrap_or_else(|error| panic!("{template} {round}: {error}: {call:?}"));
            let schema = &tools[0]["function"]["parameters"];
            if let Some(schema) = schema.is_object().then_some(schema) {
                let judge = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
                if let Err(error) = judge.validate(&arguments) {
                    panic!("{template} {round}: {error}: {arguments} for {schema}");
                }
            }
        }
    }
    // The others ran into the limit of tokens: of objects and numbers without an end.
    println!("{called} of {DEFINITIONS} definitions were called to the end");
    assert!(called >= DEFINITIONS * 2 / 3, "{called}");
}
