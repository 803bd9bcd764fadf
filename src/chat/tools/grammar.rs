//! What an answer may look like, as a grammar: reasoning first where the model thinks, then free text, calls, or a
//! form.
//!
//! Free text turns into a call where an opening mark appears, and from there on only a call is possible whose arguments
//! are valid under the schema of its function. Behind a call only more calls come.

use std::fmt::Write as _;

use serde_json::Value;
use tern_grammar::{Grammar, GrammarError};

use super::{
    Offer, Tool,
    format::{Body, Named, Several},
    is_text,
};
use crate::TurnError;

/// What surrounds an answer.
pub struct Frame<'a> {
    /// How the answer begins.
    pub thinking: Before,
    /// Cuts a mark into texts and control tokens.
    pub spell: &'a dyn Fn(&str) -> Vec<Spelled>,
}

/// What stands before an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// Perhaps reasoning between one of these pairs of marks.
    Perhaps(Vec<(String, String)>),
    /// Reasoning that the prompt has opened, until this mark.
    Opened(String),
}

/// A part of a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spelled {
    /// Text.
    Text(String),
    /// A control token.
    Token(u32),
}

/// How far the schemas of functions are believed to be enforceable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// As far as reading them shows.
    Read,
    /// Each is compiled, which takes longer and misses nothing.
    Compiled,
    /// Not at all: the arguments are any object.
    Nothing,
}

/// The grammar of an answer; `None` if anything goes.
///
/// # Errors
/// `TurnError::InvalidMessages` naming the place in the schema of a strict tool that cannot be enforced, or in `form`.
pub fn answer_grammar(
    frame: &Frame<'_>,
    offer: Option<&Offer>,
    form: Option<&Grammar>,
    trust: Trust,
) -> Result<Option<Grammar>, TurnError> {
    let Some(offer) = offer else {
        return match (&frame.thinking, form) {
            (_, None) => Ok(None),
            (Before::Nothing, Some(form)) => Ok(Some(form.clone())),
            (_, Some(form)) => Writer::new(frame, trust).form(form).map(Some),
        };
    };
    Writer::new(frame, trust).calls(offer, form).map(Some)
}

struct Writer<'a> {
    frame: &'a Frame<'a>,
    trust: Trust,
    rules: String,
    /// Beginnings of answers that are something else than free text, as names of terminals.
    reserved: Vec<&'static str>,
}

/// A string of Lark.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl<'a> Writer<'a> {
    fn new(frame: &'a Frame<'a>, trust: Trust) -> Self {
        Self { frame, trust, rules: String::new(), reserved: Vec::new() }
    }

    fn rule(&mut self, name: &str, body: &str) {
        let _ = writeln!(self.rules, "{name}: {body}");
    }

    /// A mark in the body of a rule.
    fn mark(&self, mark: &str) -> String {
        let one = |part: Spelled| match part {
            Spelled::Text(text) => quoted(&text),
            Spelled::Token(token) => format!("<[{token}]>"),
        };
        (self.frame.spell)(mark).into_iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn is_text(&self, mark: &str) -> bool {
        (self.frame.spell)(mark).iter().all(|part| matches!(part, Spelled::Text(_)))
    }

    /// A rule for any text up to `mark`. Only a text that ends with a text must be told to end at the first.
    fn until(&mut self, name: &str, text: &str, mark: &str) {
        let lazy = if self.is_text(mark) { "[lazy]" } else { "" };
        let body = format!("{text} {}", self.mark(mark));
        self.rule(&format!("{name}{lazy}"), &body);
    }

    /// The rule `start`, for an answer whose rule is `answer`.
    fn finish(mut self, answer_begins_free: bool) -> Grammar {
        // Line breaks behind reasoning belong to its mark.
        let space = if answer_begins_free { "" } else { " BREAKS?" };
        let start = match self.frame.thinking.clone() {
            Before::Nothing => "answer".to_owned(),
            Before::Opened(close) => {
                self.until("think", "ANY", &close);
                format!("think{space} answer")
            }
            Before::Perhaps(pairs) => {
                let names: Vec<String> = (0..pairs.len()).map(|index| format!("think_{index}")).collect();
                for ((open, close), name) in pairs.iter().zip(&names) {
                    if self.is_text(open) {
                        let begin = format!("/[ \\n]{{0,2}}/ {} ANY", quoted(open));
                        self.until(name, &begin, close);
                    } else {
                        let body = format!("{} {name}_rest", self.mark(open));
                        self.rule(name, &body);
                        self.until(&format!("{name}_rest"), "ANY", close);
                    }
                }
                if names.is_empty() { "answer".to_owned() } else { format!("(({}){space})? answer", names.join(" | ")) }
            }
        };
        let free = if self.reserved.is_empty() {
            "ANY".to_owned()
        } else {
            format!(
                "ANY & ~({})",
                self.reserved.iter().map(|name| format!("{name} ANY")).collect::<Vec<_>>().join(" | ")
            )
        };
        let rules = self.rules;
        Grammar::Lark(format!(
            "start: {start}\n{rules}ANY: /(?s:.*)/\nFREE: {free}\nWS: /[ \\n]{{1,4}}/\nBREAKS: /\\n{{1,4}}/\n"
        ))
    }

    fn form(mut self, form: &Grammar) -> Result<Grammar, TurnError> {
        let form = form_rule(form)?;
        self.rule("answer", &form);
        Ok(self.finish(false))
    }

    fn calls(mut self, offer: &Offer, form: Option<&Grammar>) -> Result<Grammar, TurnError> {
        self.functions(offer)?;
        let format = &offer.format;
        let free = !offer.must && form.is_none();
        let mut ways = Vec::new();
        if let Some(form) = form.filter(|_| !offer.must) {
            let form = form_rule(form)?;
            self.rule("form", &form);
            ways.push("form".to_owned());
        }
        if free {
            ways.push("FREE".to_owned());
        }
        for (index, bracket) in format.brackets.iter().enumerate() {
            let head = format!("head_{index}");
            if free {
                self.until(&head, "FREE", &bracket.open);
            } else {
                let open = self.mark(&bracket.open);
                self.rule(&head, &open);
            }
            let calls = self.bracketed(offer, &bracket.open, &bracket.close);
            ways.push(format!("{head} {calls}"));
            if offer.must || form.is_some() {
                break;
            }
        }
        // Beside a form, which mostly begins like a bare call, a call has its mark.
        let native = matches!(format.body, Body::Object { several: Several::Semicolon, .. });
        let bare = format.bare && (free || format.brackets.is_empty() || (offer.must && native));
        if bare && let Body::Object { several, .. } = &format.body {
            // The beginning of a call is one terminal, which grows beside free text until a name shows which of both it
            // is.
            let list = if *several == Several::List { "\\[?[ \\n]*" } else { "" };
            let kind = "(\"type\" ?: ?\"function\" ?, ?)?";
            self.rule("BARE_HEAD", &format!("/[ \\n]*{list}\\{{[ \\n]*{kind}\"name\" ?: ?/"));
            let (mut names, mut calls) = (Vec::new(), Vec::new());
            for (number, tool) in offer.tools.iter().enumerate() {
                let name = format!("BARE_{number}");
                self.rule(&name, &format!("BARE_HEAD {}", quoted(&quoted(&tool.name))));
                calls.push(format!("{name} rest_{number}"));
                names.push(name);
            }
            self.rule("BARE", &names.join(" | "));
            self.reserved.push("BARE");
            let more = if offer.several { " (/ ?[;,] ?/ object)*" } else { "" };
            let end = if list.is_empty() { "" } else { " \"]\"?" };
            ways.push(format!("({}) /[ \\n]{{0,2}}\\}}/{more} WS?{end}", calls.join(" | ")));
        }
        self.reserve_thinking();
        self.rule("answer", &ways.join(" | "));
        Ok(self.finish(free))
    }

    /// Free text does not begin as reasoning does.
    fn reserve_thinking(&mut self) {
        if let Before::Perhaps(pairs) = &self.frame.thinking {
            let opens: Vec<String> =
                pairs.iter().filter(|(open, _)| self.is_text(open)).map(|(open, _)| quoted(open)).collect();
            if !opens.is_empty() {
                self.rule("THINK", &format!("/\\s*/ ({})", opens.join(" | ")));
                self.reserved.push("THINK");
            }
        }
    }

    /// What comes behind an opening mark: calls, and the closing mark.
    fn bracketed(&self, offer: &Offer, open: &str, close: &str) -> String {
        let close = if close.is_empty() { String::new() } else { format!(" WS? {}", self.mark(close)) };
        let again = |call: &str| {
            format!("{call}{close}{}", self.repeat(offer, &format!("WS? {} {call}{close}", self.mark(open))))
        };
        match &offer.format.body {
            Body::Object { several: Several::Bracketed, .. } => format!("{} WS?", again("object")),
            Body::Object { several: Several::List, .. } => {
                format!("/[ \\n]?\\[/ object{} /[ \\n]?\\]/{close} WS?", self.repeat(offer, "/ ?,[ \\n]?/ object"))
            }
            Body::Object { several: Several::Semicolon, .. } => {
                format!("object{}{close} WS?", self.repeat(offer, "/ ?; ?/ object"))
            }
            Body::Named(Named { together: true, .. }) => {
                format!("call{}{close} WS?", self.repeat(offer, "WS? call"))
            }
            Body::Named(_) => format!("{} WS?", again("call")),
            Body::Parameters => format!("{} WS?", again("WS? call")),
        }
    }

    fn repeat(&self, offer: &Offer, what: &str) -> String {
        if offer.several { format!(" ({what})*") } else { String::new() }
    }

    /// One rule for each function, and one for any of them.
    fn functions(&mut self, offer: &Offer) -> Result<(), TurnError> {
        let mut any = Vec::new();
        for (number, tool) in offer.tools.iter().enumerate() {
            let name = format!("call_{number}");
            let arguments = format!("arguments_{number}");
            let body = match &offer.format.body {
                Body::Object { arguments: key, .. } => {
                    let rule = self.arguments_rule(tool)?;
                    self.rule(&arguments, &rule);
                    let quoted_name = quoted(&tool.name);
                    self.rule(&format!("rest_{number}"), &format!("/ ?,[ \\n]*\"{key}\" ?: ?/ {arguments}"));
                    format!("{} rest_{number}", quoted(&quoted_name[1..]))
                }
                Body::Named(named) => {
                    let rule = self.arguments_rule(tool)?;
                    self.rule(&arguments, &rule);
                    let separator = named.separators.first().map_or("", String::as_str);
                    let written = format!("{}{}{}{separator}", named.begin, named.kind, tool.name);
                    let ends = named.ends.concat();
                    let ends = if ends.is_empty() { String::new() } else { format!(" {}", self.mark(&ends)) };
                    format!("{} {arguments}{ends}", self.mark(&written))
                }
                Body::Parameters => self.parameters(number, tool)?,
            };
            self.rule(&name, &body);
            any.push(name);
        }
        let any = any.join(" | ");
        if matches!(offer.format.body, Body::Object { .. }) {
            self.rule("object", "/[ \\n]{0,2}\\{[ \\n]{0,2}\"name\" ?: ?\"/ named");
            self.rule("named", &format!("({any}) /[ \\n]{{0,2}}\\}}/"));
        } else {
            self.rule("call", &any);
        }
        Ok(())
    }

    /// The arguments of `<function=...>`, in the order of the schema.
    fn parameters(&mut self, number: usize, tool: &Tool) -> Result<String, TurnError> {
        let mut body = quoted(&format!("<function={}>", tool.name));
        let required = tool.parameters.get("required").and_then(Value::as_array);
        let properties = tool.parameters.get("properties").and_then(Value::as_object);
        for (at, (key, schema)) in properties.into_iter().flatten().enumerate() {
            let name = format!("argument_{number}_{at}");
            let choices = schema.get("enum").and_then(Value::as_array);
            let value = match choices {
                Some(choices) if is_text(schema) => {
                    let texts = choices.iter().filter_map(Value::as_str).map(quoted).collect::<Vec<_>>();
                    format!("({}) \"\\n</parameter>\"", texts.join(" | "))
                }
                _ if is_text(schema) => {
                    self.rule(&format!("{name}_text[lazy]"), "ANY \"</parameter>\"");
                    format!("{name}_text")
                }
                _ => {
                    let mut schema = schema.clone();
                    for definitions in ["$defs", "definitions"] {
                        if let (Some(own), Some(schema)) = (tool.parameters.get(definitions), schema.as_object_mut()) {
                            schema.insert(definitions.to_owned(), own.clone());
                        }
                    }
                    let path = format!("properties.{key}");
                    format!("{} \"\\n</parameter>\"", self.schema_rule(tool, &schema, &path, &Value::Bool(true))?)
                }
            };
            self.rule(&name, &format!("/\\n?/ {} {value}", quoted(&format!("<parameter={key}>\n"))));
            let must = required.is_some_and(|required| required.iter().any(|name| name == key));
            body.push_str(&format!(" {name}{}", if must { "" } else { "?" }));
        }
        body.push_str(" /\\n?/ \"</function>\"");
        Ok(body)
    }

    fn arguments_rule(&self, tool: &Tool) -> Result<String, TurnError> {
        self.schema_rule(tool, &tool.parameters, "", &serde_json::json!({"type": "object"}))
    }

    /// A rule for values of `schema`, which stands at `path` of the tool's; if it cannot be enforced, for those of
    /// `otherwise`, unless the tool is strict.
    fn schema_rule(&self, tool: &Tool, schema: &Value, path: &str, otherwise: &Value) -> Result<String, TurnError> {
        let form = Grammar::JsonSchema(schema.clone());
        let checked = match self.trust {
            Trust::Read => Ok(()),
            Trust::Compiled => tern_grammar::check(&form),
            Trust::Nothing if tool.strict => Err(GrammarError {
                path: String::new(),
                message: "the schemas of all tools together are too large".to_owned(),
            }),
            Trust::Nothing => return any_rule(otherwise),
        };
        match checked.and_then(|()| form.as_lark_rule()) {
            Ok(rule) => Ok(rule),
            Err(error) if tool.strict => {
                let place: Vec<&str> =
                    [path, error.path.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
                let mut param = format!("tools[{}].function.parameters", tool.index);
                place.iter().for_each(|part| param.extend([".", part]));
                Err(TurnError::invalid(&param, format!("{param} cannot be enforced: {error}")))
            }
            Err(error) => {
                tracing::debug!(tool = tool.name, %error, "the schema cannot be enforced; the arguments are any object");
                any_rule(otherwise)
            }
        }
    }
}

fn form_rule(form: &Grammar) -> Result<String, TurnError> {
    form.as_lark_rule()
        .map_err(|error| TurnError::invalid("response_format", format!("response_format cannot be enforced: {error}")))
}

fn any_rule(schema: &Value) -> Result<String, TurnError> {
    let rule = Grammar::JsonSchema(schema.clone()).as_lark_rule();
    rule.map_err(|error| TurnError::invalid("tools", error.to_string()))
}
