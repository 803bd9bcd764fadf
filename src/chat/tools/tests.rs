//! Calls in every family's form, however they are cut, come out as they went in.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tern_scheduler::TokenLogprob;

use super::{CallFormat, CallParser, Offer, Said, offer::Tool};

fn offer(format: &CallFormat, names: &[&str]) -> Arc<Offer> {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    let tool = |(index, name): (usize, &&str)| Tool {
        index,
        name: (*name).to_owned(),
        parameters: parameters.clone(),
        strict: false,
    };
    let tools = names.iter().enumerate().map(tool).collect();
    Arc::new(Offer { format: format.clone(), tools, must: false, several: true })
}

/// The text, the calls with their arguments, and whether the last one was cut off.
type Heard = (String, Vec<(String, String)>, bool);

fn gather(said: Vec<Said>, text: &mut String, calls: &mut Vec<(String, String)>) {
    for said in said {
        match said {
            Said::Text(more, _) => text.push_str(&more),
            Said::Call(index, name) => {
                assert_eq!(index as usize, calls.len());
                calls.push((name, String::new()));
            }
            Said::Arguments(index, more, _) => calls[index as usize].1.push_str(&more),
        }
    }
}

fn hear_as(offer: &Arc<Offer>, text: &str, cuts: &[usize], cut: bool) -> Heard {
    let mut parser = CallParser::new(offer.clone());
    let (mut said, mut calls) = (String::new(), Vec::new());
    let mut from = 0;
    for &to in cuts.iter().chain([&text.len()]) {
        gather(parser.push(&text[from..to], []), &mut said, &mut calls);
        from = to;
    }
    let (rest, open) = parser.finish(cut);
    gather(rest, &mut said, &mut calls);
    (said, calls, open)
}

/// In one piece, in single characters, and cut in two at every place; all give the same.
fn hear(format: &CallFormat, text: &str) -> Heard {
    let offer = offer(format, &["get_weather", "now"]);
    let whole = hear_as(&offer, text, &[], false);
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
    assert_eq!(hear_as(&offer, text, &ends, false), whole, "{text:?} in single characters");
    for cut in ends {
        assert_eq!(hear_as(&offer, text, &[cut], false), whole, "{text:?} cut at {cut}");
    }
    whole
}

fn check(format: &CallFormat, text: &str, said: &str, calls: &[(&str, &str)]) {
    let calls = calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect();
    assert_eq!(hear(format, text), (said.to_owned(), calls, false), "{text}");
}

const OSLO: (&str, &str) = ("get_weather", r#"{"city": "Oslo"}"#);
const NOW: (&str, &str) = ("now", "{}");

#[test]
fn hermes_calls_are_found_with_the_text_before_and_between_them() {
    let format = CallFormat::hermes();
    let one = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
    check(&format, one, "", &[OSLO]);
    check(&format, &format!("Let me look.\n\n{one}\n"), "Let me look.", &[OSLO]);
    let two = format!("{one}\n<tool_call>{{\"arguments\":{{}},\"name\":\"now\"}}</tool_call>");
    check(&format, &two, "", &[OSLO, NOW]);
    check(&format, &format!("{one}\nThere."), "\nThere.", &[OSLO]);
}

#[test]
fn keys_may_come_in_any_order_and_arguments_in_other_clothes() {
    let format = CallFormat::hermes();
    let call = |body: &str| format!("<tool_call>{body}</tool_call>");
    check(&format, &call(r#"{"arguments": {"city": "Oslo"}, "name": "get_weather"}"#), "", &[OSLO]);
    check(&format, &call(r#"{"id": 1, "name": "get_weather", "parameters": {"city": "Oslo"}, "x": [1]}"#), "", &[OSLO]);
    check(&format, &call(r#"{"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}"#), "", &[OSLO]);
    for none in [r#"{"name": "now"}"#, r#"{"name": "now", "arguments": null}"#, r#"{"name": "now", "arguments": ""}"#] {
        check(&format, &call(none), "", &[NOW]);
    }
}

#[test]
fn a_bracket_or_quote_in_a_text_does_not_end_the_arguments() {
    let arguments = r#"{"city": "}\"]</tool_call>\\", "days": [{"a": "é\u00e9"}]}"#;
    let text = format!("<tool_call>{{\"name\": \"get_weather\", \"arguments\": {arguments}}}</tool_call>");
    check(&CallFormat::hermes(), &text, "", &[("get_weather", arguments)]);
}

#[test]
fn what_looks_like_a_call_and_is_none_stays_text() {
    let format = CallFormat::hermes();
    for text in [
        "Use <tool_call> to call.",
        "<tool_call>get_weather(Oslo)</tool_call>",
        "<tool_call>{\"name\": \"get_weather\", \"arguments\": [1]}</tool_call>",
        "<tool_call>{\"name\": 3}",
        "<tool_call></tool_call>",
        "a < b <tool",
        "a \n<tool_call>\n{\"name\": \"an impossible name\", \"arguments\": {}}",
        "  \n",
    ] {
        check(&format, text, text, &[]);
    }
}

#[test]
fn smollm_and_mistral_write_lists() {
    let list =
        r#"[{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "now", "arguments": {}, "id": "a1"}]"#;
    check(&CallFormat::smollm(), &format!("<tool_call>{list}</tool_call>"), "", &[OSLO, NOW]);
    check(&CallFormat::mistral_list(), &format!("[TOOL_CALLS]{list}"), "", &[OSLO, NOW]);
    check(&CallFormat::mistral_list(), &format!("Yes. [TOOL_CALLS] {list}"), "Yes.", &[OSLO, NOW]);
}

#[test]
fn newer_mistral_writes_the_name_before_the_arguments() {
    let format = CallFormat::mistral_named();
    let text = "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Oslo\"}[TOOL_CALLS]now[CALL_ID]abc123def[ARGS]{}";
    check(&format, text, "", &[OSLO, NOW]);
    check(&format, "[TOOL_CALLS]now[ARGS]", "", &[NOW]);
    check(&format, "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}]", "", &[NOW]);
}

#[test]
fn deepseek_writes_calls_with_and_without_fences() {
    let fenced = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n\
        {\"city\": \"Oslo\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```\
        <｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    check(&CallFormat::deepseek(true), fenced, "", &[OSLO, NOW]);
    let plain = "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Oslo\"}\
        <｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    check(&CallFormat::deepseek(false), plain, "Hm.", &[OSLO, NOW]);
}

#[test]
fn llama_needs_no_mark() {
    let format = CallFormat::llama();
    let call = r#"{"name": "get_weather", "parameters": {"city": "Oslo"}}"#;
    check(&format, call, "", &[OSLO]);
    check(&format, &format!("<|python_tag|>{call}"), "", &[OSLO]);
    check(
        &format,
        &format!("\n{call}; {}", r#"{"type": "function", "name": "now", "parameters": {}}"#),
        "",
        &[OSLO, NOW],
    );
    check(&format, r#"{"type": "function", "name": "now", "parameters": {}}"#, "", &[NOW]);
    for answer in [r#"{"city": "Oslo", "days": 3}"#, r#"{"name": "Bob", "parameters": {}}"#, "{x", "{\"type\": \"a\"}"]
    {
        check(&format, answer, answer, &[]);
    }
    let later = format!("Call {call}");
    check(&format, &later, &later, &[]);
}

#[test]
fn a_form_without_marks_may_be_a_list() {
    let format = CallFormat { brackets: Vec::new(), bare: true, ..CallFormat::smollm() };
    let list = r#"[{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "now", "arguments": {}}]"#;
    check(&format, list, "", &[OSLO, NOW]);
    check(&format, "[1] and [2]", "[1] and [2]", &[]);
}

#[test]
fn the_generic_form_takes_fences_too() {
    let call = r#"{"name": "get_weather", "arguments": {"city": "Oslo"}}"#;
    for text in [format!("<tool_call>{call}</tool_call>"), format!("```tool_code\n{call}\n```"), call.to_owned()] {
        check(&CallFormat::generic(), &text, "", &[OSLO]);
    }
    check(&CallFormat::generic(), "```json\n{}\n```", "```json\n{}\n```", &[]);
}

#[test]
fn parameters_without_quotes_get_the_types_of_their_schema() {
    let text = "<tool_call>\n<function=get_weather>\n<parameter=city>\n12 \"Oslo\"\n</parameter>\n<parameter=days>\n3\n\
        </parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>";
    let arguments = r#"{"city": "12 \"Oslo\"", "days": 3}"#;
    check(&CallFormat::parameters(), text, "", &[("get_weather", arguments), NOW]);
}

#[test]
fn a_call_that_is_cut_off_says_so_and_shows_no_mark() {
    let text = "Hm. <tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Os";
    let offer = offer(&CallFormat::hermes(), &["get_weather"]);
    for cut in [true, false] {
        let call = ("get_weather".to_owned(), "{\"city\": \"Os".to_owned());
        assert_eq!(hear_as(&offer, text, &[], cut), ("Hm.".to_owned(), vec![call], true));
    }
    let before_name = "Hm. <tool_call>{\"name\": \"get_w";
    assert_eq!(hear_as(&offer, before_name, &[], true), ("Hm.".to_owned(), Vec::new(), false));
    assert_eq!(hear_as(&offer, before_name, &[], false), (before_name.to_owned(), Vec::new(), false));
}

#[test]
fn arguments_come_as_they_are_written() {
    let mut parser = CallParser::new(offer(&CallFormat::hermes(), &["now"]));
    assert_eq!(parser.push("<tool_call>{\"name\": \"now\"", []), []);
    let begun = parser.push(", \"arguments\": {\"a", []);
    assert_eq!(begun, [Said::Call(0, "now".into()), Said::Arguments(0, "{\"a".into(), Vec::new())]);
    assert_eq!(parser.push("\": 1", []), [Said::Arguments(0, "\": 1".into(), Vec::new())]);
}

#[test]
fn each_token_goes_along_with_the_piece_that_it_begins_in() {
    let text = "Hm, <tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>";
    let words = ["Hm", ", <tool_call>", "{\"name\": \"now\"", ", \"arguments\":", " {", "}}", "</tool_call>"];
    let mut parser = CallParser::new(offer(&CallFormat::hermes(), &["now"]));
    let mut said = Vec::new();
    for word in words {
        let token = TokenLogprob { token: 0, bytes: word.as_bytes().to_vec(), logprob: Some(0.0), top: Vec::new() };
        said.extend(parser.push(word, [(0, token)]));
    }
    said.extend(parser.finish(false).0);
    assert_eq!(words.concat(), text);
    let spelled = |tokens: &[TokenLogprob]| -> String {
        tokens.iter().map(|token| String::from_utf8(token.bytes.clone()).unwrap()).collect()
    };
    let (mut with_text, mut with_call) = (String::new(), String::new());
    for said in &said {
        match said {
            Said::Text(_, tokens) => with_text += &spelled(tokens),
            Said::Arguments(_, _, tokens) => with_call += &spelled(tokens),
            Said::Call(..) => {}
        }
    }
    assert_eq!((with_text + &with_call).as_str(), text);
    assert!(with_call.starts_with("{\"name\""), "{with_call}");
}

fn json_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,12}", "[\\x00-\\x7f]{0,12}", Just("</tool_call>\"}]<tool_call>[TOOL_CALLS]".to_owned())]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        json_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((json_text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn call() -> impl Strategy<Value = (String, Map<String, Value>)> {
    let arguments = prop::collection::vec((json_text(), json_value()), 0..4);
    ("[a-zA-Z0-9_.-]{1,16}", arguments.prop_map(|pairs| pairs.into_iter().collect()))
}

/// Calls as a model of this family writes them.
fn write_all(format: &CallFormat, calls: &[(String, Map<String, Value>)]) -> String {
    use super::format::{Body, Named, Several};
    let one = |(name, arguments): &(String, Map<String, Value>)| {
        format.write(name, &Value::from(arguments.clone()).to_string())
    };
    let (open, close) = format.brackets.first().map_or(("", ""), |first| (first.open.as_str(), first.close.as_str()));
    let inner = |call: &String| call.strip_prefix(open).unwrap_or(call).strip_suffix(close).unwrap().to_owned();
    let written: Vec<String> = calls.iter().map(one).collect();
    match &format.body {
        Body::Object { several: Several::List, .. } => {
            let objects: Vec<String> =
                written.iter().map(|call| inner(call)[1..inner(call).len() - 1].to_owned()).collect();
            format!("{open}[{}]{close}", objects.join(", "))
        }
        Body::Object { several: Several::Semicolon, .. } => written.join("; "),
        Body::Named(Named { together: true, .. }) => {
            format!("{open}{}{close}", written.iter().map(inner).collect::<Vec<_>>().join("\n"))
        }
        _ => written.join("\n"),
    }
}

proptest! {
    #[test]
    fn any_calls_in_any_form_cut_anywhere_reassemble(
        calls in prop::collection::vec(call(), 1..4),
        family in 0..7_usize,
        text in "[a-zA-Z ,.]{0,10}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let format = [
            CallFormat::hermes(), CallFormat::smollm(), CallFormat::generic(), CallFormat::mistral_list(),
            CallFormat::mistral_named(), CallFormat::deepseek(true), CallFormat::deepseek(false),
        ][family].clone();
        let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
        let written = format!("{text}{}", write_all(&format, &calls));
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(written.len() + 1)).collect();
        ends.retain(|end| written.is_char_boundary(*end));
        ends.sort_unstable();
        let (said, heard, open) = hear_as(&offer(&format, &names), &written, &ends, false);
        prop_assert_eq!(said, text.trim_end());
        prop_assert!(!open);
        let heard: Vec<_> = heard
            .into_iter()
            .map(|(name, arguments)| (name, serde_json::from_str::<Map<String, Value>>(&arguments).unwrap()))
            .collect();
        prop_assert_eq!(heard, calls);
    }

    #[test]
    fn llama_calls_cut_anywhere_reassemble(
        calls in prop::collection::vec(call(), 1..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let format = CallFormat::llama();
        let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
        let written = write_all(&format, &calls);
        let mut end = cut.index(written.len() + 1);
        while !written.is_char_boundary(end) {
            end -= 1;
        }
        let (said, heard, _) = hear_as(&offer(&format, &names), &written, &[end], false);
        prop_assert_eq!(said, "");
        let heard: Vec<_> = heard
            .into_iter()
            .map(|(name, arguments)| (name, serde_json::from_str::<Map<String, Value>>(&arguments).unwrap()))
            .collect();
        prop_assert_eq!(heard, calls);
    }

    #[test]
    fn text_without_marks_comes_through_whole(text in "\\PC{0,30}", cut in any::<prop::sample::Index>()) {
        let mut end = cut.index(text.len() + 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        for format in [CallFormat::hermes(), CallFormat::generic(), CallFormat::mistral_named()] {
            let (said, calls, _) = hear_as(&offer(&format, &["now"]), &text, &[end], false);
            prop_assert_eq!(&said, &text);
            prop_assert!(calls.is_empty());
        }
    }
}
