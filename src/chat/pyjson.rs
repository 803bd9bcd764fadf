//! JSON text as Python's `json.dumps` writes it. Templates were written and models were trained on that text, so a
//! space after a comma matters.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The options of `json.dumps` that chat templates use.
#[derive(Debug, Clone)]
pub struct Style {
    /// Spaces a level; `None` writes one line.
    pub indent: Option<usize>,
    /// Between items.
    pub item_separator: String,
    /// Between key and value.
    pub key_separator: String,
    /// Whether keys are sorted.
    pub sort_keys: bool,
    /// Whether everything outside ASCII is written as `\uXXXX`.
    pub ensure_ascii: bool,
}

impl Style {
    /// Python's defaults for this indent, except that text is left as it is (Hugging Face's `tojson`).
    pub fn new(indent: Option<usize>) -> Self {
        Self {
            indent,
            item_separator: if indent.is_some() { "," } else { ", " }.to_owned(),
            key_separator: ": ".to_owned(),
            sort_keys: false,
            ensure_ascii: false,
        }
    }

    /// Writes `value`.
    pub fn dumps(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn write(&self, value: &Value, level: usize, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(number) => self.write_number(number, out),
            Value::String(text) => self.write_text(text, out),
            Value::Array(items) if items.is_empty() => out.push_str("[]"),
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.next_item(i, level + 1, out);
                    self.write(item, level + 1, out);
                }
                self.new_line(level, out);
                out.push(']');
            }
            Value::Object(map) if map.is_empty() => out.push_str("{}"),
            Value::Object(map) => self.write_map(map, level, out),
        }
    }

    fn write_map(&self, map: &Map<String, Value>, level: usize, out: &mut String) {
        let mut entries: Vec<_> = map.iter().collect();
        if self.sort_keys {
            entries.sort_by_key(|(key, _)| *key);
        }
        out.push('{');
        for (i, (key, value)) in entries.into_iter().enumerate() {
            self.next_item(i, level + 1, out);
            self.write_text(key, out);
            out.push_str(&self.key_separator);
            self.write(value, level + 1, out);
        }
        self.new_line(level, out);
        out.push('}');
    }

    fn next_item(&self, index: usize, level: usize, out: &mut String) {
        if index > 0 {
            out.push_str(&self.item_separator);
        }
        self.new_line(level, out);
    }

    fn new_line(&self, level: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * level));
        }
    }

    fn write_number(&self, number: &serde_json::Number, out: &mut String) {
        match number.as_f64() {
            Some(float) if number.is_f64() => out.push_str(&python_float(float)),
            _ => {
                let _ = write!(out, "{number}");
            }
        }
    }

    fn write_text(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ensure_ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// `repr(float)`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
fn python_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Value, style: Style, expected: &str) {
        assert_eq!(style.dumps(&value), expected);
    }

    #[test]
    fn one_line_has_pythons_spaces() {
        check(json!({"b": [1, null, true], "a": {}}), Style::new(None), r#"{"b": [1, null, true], "a": {}}"#);
    }

    #[test]
    fn html_and_unicode_stay_as_they_are() {
        check(json!("<b> & 'é' \u{1} \u{7f}"), Style::new(None), "\"<b> & 'é' \\u0001 \u{7f}\"");
    }

    #[test]
    fn ascii_only_when_asked() {
        check(json!("é😀"), Style { ensure_ascii: true, ..Style::new(None) }, r#""\u00e9\ud83d\ude00""#);
    }

    #[test]
    fn indent_leaves_no_space_at_line_ends() {
        check(json!({"a": [1, 2]}), Style::new(Some(2)), "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    }

    #[test]
    fn keys_are_sorted_only_when_asked() {
        check(json!({"b": 1, "a": 2}), Style { sort_keys: true, ..Style::new(None) }, r#"{"a": 2, "b": 1}"#);
    }

    #[test]
    fn floats_are_spelled_as_python_spells_them() {
        for (value, expected) in [
            (json!(1.0), "1.0"),
            (json!(0.1), "0.1"),
            (json!(1e20), "1e+20"),
            (json!(1.5e-7), "1.5e-07"),
            (json!(1e15), "1000000000000000.0"),
            (json!(0.0), "0.0"),
        ] {
            check(value, Style::new(None), expected);
        }
    }
}
