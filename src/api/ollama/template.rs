//! Templates that a request of `POST /api/generate` brings along, in the part of Ollama's language that such templates
//! use: three variables, and conditions on them.

use crate::error::{ApiError, shortened};

/// What a template can name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub system: &'a str,
    pub prompt: &'a str,
}

/// The text in front of the response.
///
/// # Errors
/// 400 with the first thing in the template that is none of what is known.
pub(crate) fn fill(template: &str, variables: Variables<'_>) -> Result<String, ApiError> {
    let refuse = |message: String| Err(ApiError::unsupported("template", format!("template: {message}")));
    let value = |name: &str| match name {
        ".System" => Some(variables.system),
        ".Prompt" => Some(variables.prompt),
        ".Response" => Some(""),
        _ => None,
    };
    let mut text = String::new();
    // Whether what stands in each open condition is written.
    let mut open: Vec<bool> = Vec::new();
    let (mut rest, mut trim) = (template, false);
    loop {
        let (literal, action) = match rest.split_once("{{") {
            Some((literal, after)) => match after.split_once("}}") {
                Some((action, after)) => {
                    rest = after;
                    (literal, Some(action))
                }
                None => return refuse("\"{{\" without \"}}\"".into()),
            },
            None => (rest, None),
        };
        let trims_before = action.is_some_and(|action| action.starts_with('-'));
        let literal = if trim { literal.trim_start() } else { literal };
        let literal = if trims_before { literal.trim_end() } else { literal };
        let written = open.iter().all(|written| *written);
        if written {
            text.push_str(literal);
        }
        let Some(action) = action else { break };
        trim = action.ends_with('-');
        let action = action.trim_matches('-').trim();
        match (action, action.strip_prefix("if ").map(str::trim)) {
            (_, Some(name)) => match value(name) {
                Some(value) => open.push(!value.is_empty()),
                None => return refuse(unknown(action)),
            },
            ("else" | "end", _) if open.is_empty() => return refuse(format!("{{{{ {action} }}}} without an if")),
            ("else", _) => {
                if let Some(last) = open.last_mut() {
                    *last = !*last;
                }
            }
            ("end", _) => drop(open.pop()),
            // What stands behind the response is not there yet.
            (".Response", _) if written => return Ok(text),
            _ => match value(action) {
                Some(value) if written => text.push_str(value),
                Some(_) => {}
                None => return refuse(unknown(action)),
            },
        }
    }
    if open.is_empty() { Ok(text) } else { refuse("an if without an end".into()) }
}

fn unknown(action: &str) -> String {
    let action = shortened(action);
    format!(
        "{{{{ {action} }}}} is not known; known are .System, .Prompt and .Response, with if, else and end; \
         without a template the model's own is taken"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}\
                          {{- if .Prompt }}<|im_start|>user\n\
                          {{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>\n";

    #[test]
    fn variables_and_conditions_are_filled_in_up_to_the_response() {
        let filled = |system, prompt| fill(CHATML, Variables { system, prompt }).unwrap();
        assert_eq!(filled("", "hi"), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
        let system = "<|im_start|>system\nbe brief<|im_end|>\n";
        assert_eq!(filled("be brief", "hi"), format!("{system}{}", filled("", "hi")));
        let variables = Variables { system: "", prompt: "{{ .System }}" };
        assert_eq!(
            fill("a {{ if .System }}b{{ else }}c{{ end }} {{- .Prompt -}} d", variables).unwrap(),
            "a c{{ .System }}d"
        );
        assert_eq!(fill("plain", variables).unwrap(), "plain");
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (template, named) in [
            ("{{ range .Messages }}x{{ end }}", "range .Messages"),
            ("{{ if .Tools }}x{{ end }}", "if .Tools"),
            ("{{ .Prompt", "without"),
            ("{{ if .Prompt }}x", "without an end"),
            ("{{ end }}", "without an if"),
        ] {
            let error = fill(template, Variables { system: "", prompt: "p" }).unwrap_err();
            assert!(error.message.contains(named), "{template}: {}", error.message);
            assert_eq!((error.status, error.param.as_deref()), (400, Some("template")));
        }
    }
}
