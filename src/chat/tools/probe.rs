//! How a template shows tools and writes calls, found by rendering a call and looking at what surrounds it.

use serde_json::{Map, Value, json};

use super::{
    CallFormat,
    format::{Body, Bracket, Named, Several},
};
use crate::{
    Message, Role, ToolCall,
    control::{ControlSpellings, Escaper},
    dialogue,
    support::Support,
    template::Template,
};

/// What a model and its template know about tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSupport {
    /// How calls are written.
    pub format: CallFormat,
    /// Whether the template shows the tools to the model.
    pub shown: bool,
}

const NAME: &str = "probe_tool";
const VALUE: &str = "zeppelin";
const SAID: &str = "qvortexa";
const ANSWER: &str = "qvortexb";

/// Tries `template`.
pub fn tool_support(template: &Template, support: &Support, variables: &Map<String, Value>) -> ToolSupport {
    let probe = Probe { template, support, variables };
    let shown = probe.render(&[Message::text(Role::User, SAID)], true).is_some_and(|text| text.contains(NAME));
    let known = CallFormat::of_template(template.source());
    // A template that leaves calls out has not taught its model to write them, whatever else it mentions.
    let taught = shown || support.tools.is_some();
    let format = known.filter(|_| taught).or_else(|| support.tools.and_then(|_| probe.format()));
    ToolSupport { format: format.unwrap_or_else(CallFormat::generic), shown }
}

struct Probe<'a> {
    template: &'a Template,
    support: &'a Support,
    variables: &'a Map<String, Value>,
}

impl Probe<'_> {
    /// The form of a call, from the text around its name and its arguments.
    fn format(&self) -> Option<CallFormat> {
        let user = Message::text(Role::User, SAID);
        let call =
            ToolCall { id: "call00000".to_owned(), name: NAME.to_owned(), arguments: json!({"q": VALUE}).to_string() };
        let calls = Message { content: None, tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
        let said = self.render(&[user.clone(), Message::text(Role::Assistant, ANSWER)], false)?;
        let called = self.render(&[user, calls], false)?;
        read(&said, &called)
    }

    fn render(&self, messages: &[Message], tools: bool) -> Option<String> {
        let spellings = ControlSpellings::none();
        let mut context = self.variables.clone();
        let messages = dialogue::to_json(messages, self.support, &mut Escaper::new(&spellings), &[]);
        context.insert("messages".to_owned(), messages);
        let tool = json!([{"type": "function", "function": {
            "name": NAME, "description": "A probe.",
            "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "What."}},
                           "required": ["q"]},
        }}]);
        context.insert("tools".to_owned(), if tools { tool } else { Value::Null });
        context.insert("documents".to_owned(), Value::Null);
        context.insert("add_generation_prompt".to_owned(), Value::Bool(false));
        self.template.render(&Value::Object(context)).ok()
    }
}

/// Reads the form of a call from a dialogue whose answer is [`ANSWER`], and the same dialogue with a call in its place.
fn read(said: &str, called: &str) -> Option<CallFormat> {
    let before = &said[..said.find(ANSWER)?];
    let behind = &said[said.find(ANSWER)? + ANSWER.len()..];
    let call = called.strip_prefix(before).unwrap_or_else(|| {
        let common = before.char_indices().zip(called.chars()).take_while(|((_, a), b)| a == b).last();
        &called[common.map_or(0, |((at, c), _)| at + c.len_utf8())..]
    });
    let name = call.find(NAME)?;
    let value = call.find(VALUE)?;
    let arguments = name + call[name..value].rfind('{')?;
    let end = value + call[value..].find('}')? + 1;
    let open = &call[..name];
    let between = &call[name + NAME.len()..arguments];
    let close = call[end..].strip_suffix(behind).unwrap_or(&call[end..]);
    if let Some(at) = open.find('{') {
        let key = ["parameters", "arguments"].into_iter().find(|key| between.contains(&format!("\"{key}\"")))?;
        let listed = open[..at].ends_with('[');
        let mark = open[..at].trim_end_matches('[').trim();
        let close = close.trim_start().strip_prefix('}')?.trim_start();
        let close = if listed { close.strip_prefix(']')? } else { close }.trim();
        return Some(CallFormat {
            bare: mark.is_empty(),
            brackets: if mark.is_empty() { Vec::new() } else { vec![bracket(mark, close)] },
            body: Body::Object {
                arguments: key,
                several: match () {
                    () if listed => Several::List,
                    () if mark.is_empty() => Several::Semicolon,
                    () => Several::Bracketed,
                },
            },
        });
    }
    let mark = open.trim();
    if mark.is_empty() || between.is_empty() {
        return None;
    }
    let named = Named {
        begin: String::new(),
        kind: String::new(),
        separators: vec![between.to_owned()],
        id_mark: String::new(),
        ends: Vec::new(),
        together: false,
    };
    Some(CallFormat { brackets: vec![bracket(mark, close.trim())], bare: false, body: Body::Named(named) })
}

fn bracket(open: &str, close: &str) -> Bracket {
    Bracket { open: open.to_owned(), close: close.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(call: &str) -> Option<CallFormat> {
        let (before, behind) = ("<u>qvortexa</u><a>", "</a>\n");
        read(&format!("{before}{ANSWER}{behind}"), &format!("{before}{call}{behind}"))
    }

    #[test]
    fn a_form_that_is_not_in_the_table_is_read_from_what_surrounds_a_call() {
        let format =
            found("\n<call>\n{\"name\": \"probe_tool\", \"arguments\": {\"q\": \"zeppelin\"}}\n</call>").unwrap();
        assert_eq!(format.brackets, [bracket("<call>", "</call>")]);
        assert_eq!(format.body, Body::Object { arguments: "arguments", several: Several::Bracketed });
        let format = found("[{\"name\": \"probe_tool\", \"parameters\": {\"q\": \"zeppelin\"}}]").unwrap();
        assert!(format.bare && format.brackets.is_empty(), "{format:?}");
        let format = found("<fn>probe_tool<sep>{\"q\": \"zeppelin\"}</fn>").unwrap();
        assert_eq!(format.brackets, [bracket("<fn>", "</fn>")]);
        let Body::Named(named) = format.body else { panic!("{format:?}") };
        assert_eq!(named.separators, ["<sep>"]);
    }

    #[test]
    fn a_call_whose_name_stands_alone_is_not_guessed_at() {
        assert_eq!(found("probe_tool(q=\"zeppelin\")"), None);
    }
}
