//! How families of models write calls: a table, and which row a template belongs to.

/// How a model writes calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFormat {
    /// What stands around calls. A constrained answer writes the first.
    pub brackets: Vec<Bracket>,
    /// Whether a JSON object at the very beginning of the text may be a call.
    pub bare: bool,
    /// How a call is written between them.
    pub body: Body,
}

/// What stands around calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bracket {
    /// Before the first call.
    pub open: String,
    /// Behind the last one; may be empty.
    pub close: String,
}

/// How calls are written between their brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// JSON objects with a name and arguments.
    Object {
        /// The key that holds the arguments.
        arguments: &'static str,
        /// How several stand beside each other.
        several: Several,
    },
    /// The name as text, then JSON arguments.
    Named(Named),
    /// `<function=NAME>`, then each argument between `<parameter=KEY>` and `</parameter>`.
    Parameters,
}

/// How several calls stand beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// Each in brackets of its own.
    Bracketed,
    /// As a JSON list.
    List,
    /// With a semicolon between them.
    Semicolon,
}

/// The literal text around a name and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Before each name.
    pub begin: String,
    /// May stand before the name too.
    pub kind: String,
    /// Between name and arguments; the first is the one that a constrained answer writes.
    pub separators: Vec<String>,
    /// Between the separator and the arguments there may be one of these with an id.
    pub id_mark: String,
    /// Behind the arguments.
    pub ends: Vec<String>,
    /// Whether several calls share their brackets.
    pub together: bool,
}

fn bracket(open: &str, close: &str) -> Bracket {
    Bracket { open: open.to_owned(), close: close.to_owned() }
}

impl CallFormat {
    fn object(open: &str, close: &str, several: Several) -> Self {
        let body = Body::Object { arguments: "arguments", several };
        Self { brackets: vec![bracket(open, close)], bare: false, body }
    }

    /// Qwen, Hermes and most others: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.
    pub fn hermes() -> Self {
        Self::object("<tool_call>", "</tool_call>", Several::Bracketed)
    }

    /// SmolLM2: the same with a list.
    pub fn smollm() -> Self {
        Self::object("<tool_call>", "</tool_call>", Several::List)
    }

    /// What models are told to write that were not taught a form of their own. Fences are what they fall into.
    pub fn generic() -> Self {
        let fences = ["```tool_call\n", "```tool_code\n"].map(|open| bracket(open, "```"));
        let mut format = Self { bare: true, ..Self::hermes() };
        format.brackets.extend(fences);
        format
    }

    /// Llama 3: `{"name": ..., "parameters": {...}}`, with or without a mark before it.
    pub fn llama() -> Self {
        Self {
            brackets: vec![bracket("<|python_tag|>", "")],
            bare: true,
            body: Body::Object { arguments: "parameters", several: Several::Semicolon },
        }
    }

    /// Mistral until 2024: `[TOOL_CALLS][{"name": ..., "arguments": {...}}]`.
    pub fn mistral_list() -> Self {
        Self::object("[TOOL_CALLS]", "", Several::List)
    }

    /// Mistral since: `[TOOL_CALLS]NAME[ARGS]{...}`.
    pub fn mistral_named() -> Self {
        let named = Named {
            begin: String::new(),
            kind: String::new(),
            separators: vec!["[ARGS]".to_owned()],
            id_mark: "[CALL_ID]".to_owned(),
            ends: Vec::new(),
            together: false,
        };
        Self { brackets: vec![bracket("[TOOL_CALLS]", "")], bare: false, body: Body::Named(named) }
    }

    /// DeepSeek; `fenced` before V3.1.
    pub fn deepseek(fenced: bool) -> Self {
        let plain = "<｜tool▁sep｜>".to_owned();
        let fence = "\n```json\n".to_owned();
        let end = "<｜tool▁call▁end｜>".to_owned();
        let named = Named {
            begin: "<｜tool▁call▁begin｜>".to_owned(),
            kind: if fenced { "function<｜tool▁sep｜>".to_owned() } else { String::new() },
            separators: if fenced { vec![fence, plain] } else { vec![plain] },
            id_mark: String::new(),
            ends: if fenced { vec!["\n```".to_owned(), end] } else { vec![end] },
            together: true,
        };
        let brackets = vec![bracket("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")];
        Self { brackets, bare: false, body: Body::Named(named) }
    }

    /// Qwen3-Coder.
    pub fn parameters() -> Self {
        let brackets = vec![bracket("<tool_call>", "</tool_call>")];
        Self { brackets, bare: false, body: Body::Parameters }
    }

    /// The family that the text of a template shows.
    pub fn of_template(template: &str) -> Option<Self> {
        let has = |mark: &str| template.contains(mark);
        let format = match () {
            () if has("<｜tool▁calls▁begin｜>") => Self::deepseek(has("```json")),
            () if has("[TOOL_CALLS]") && has("[ARGS]") => Self::mistral_named(),
            () if has("[TOOL_CALLS]") => Self::mistral_list(),
            () if has("<tool_call>") && has("<function=") => Self::parameters(),
            () if has("<tool_call>[") => Self::smollm(),
            () if has("<tool_call>") => Self::hermes(),
            () if has("<|python_tag|>") || (has("<|start_header_id|>") && has("\"parameters\":")) => Self::llama(),
            () => return None,
        };
        Some(format)
    }

    /// A call as a model writes it.
    pub fn write(&self, name: &str, arguments: &str) -> String {
        let (open, close) = self.brackets.first().map_or(("", ""), |first| (first.open.as_str(), first.close.as_str()));
        match &self.body {
            Body::Object { arguments: key, several } => {
                let call = format!("{{\"name\": \"{name}\", \"{key}\": {arguments}}}");
                match several {
                    Several::List => format!("{open}[{call}]{close}"),
                    Several::Semicolon => call,
                    Several::Bracketed => format!("{open}{call}{close}"),
                }
            }
            Body::Named(named) => {
                let separator = named.separators.first().map_or("", String::as_str);
                let ends = named.ends.concat();
                format!("{open}{}{}{name}{separator}{arguments}{ends}{close}", named.begin, named.kind)
            }
            Body::Parameters => {
                let parameters = "<parameter=KEY>\nVALUE\n</parameter>";
                format!("{open}\n<function={name}>\n{parameters}\n</function>\n{close}")
            }
        }
    }

    /// All marks that may be control tokens, and must not be hidden then.
    pub fn marks(&self) -> Vec<String> {
        let mut marks: Vec<String> =
            self.brackets.iter().flat_map(|bracket| [bracket.open.clone(), bracket.close.clone()]).collect();
        if let Body::Named(named) = &self.body {
            let kind = named.kind.trim_start_matches(|c: char| c.is_ascii_alphabetic()).to_owned();
            marks.extend([named.begin.clone(), named.id_mark.clone(), kind]);
            marks.extend(named.separators.iter().chain(&named.ends).cloned());
        }
        marks.retain(|mark| !mark.trim().is_empty());
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_the_marks_in_their_templates() {
        let of = |template: &str| CallFormat::of_template(template);
        assert_eq!(of("... '<tool_call>\\n{\"name\": ...' ..."), Some(CallFormat::hermes()));
        assert_eq!(of("<tool_call>[{\"name\""), Some(CallFormat::smollm()));
        assert_eq!(of("<tool_call>\n<function=example>"), Some(CallFormat::parameters()));
        assert_eq!(of("[TOOL_CALLS][ {{ tool_calls }}"), Some(CallFormat::mistral_list()));
        assert_eq!(of("[TOOL_CALLS] ... [ARGS]"), Some(CallFormat::mistral_named()));
        assert_eq!(of("<｜tool▁calls▁begin｜> ... ```json"), Some(CallFormat::deepseek(true)));
        assert_eq!(of("<|start_header_id|> ... \"parameters\": "), Some(CallFormat::llama()));
        assert_eq!(of("<start_of_turn>model"), None);
    }
}
