//! `{% generation %} ... {% endgeneration %}` marks, for training, which part of a prompt the assistant wrote. Hugging
//! Face's extension renders what stands between them; minijinja does not know the tag. Each mark is replaced by one
//! that minijinja does know and that does nothing but open a scope, so that whitespace control stays as written.

/// Replaces the marks in the source of a template.
pub fn without_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(len) = rest[start..].find("%}") else { break };
        let end = start + len + 2;
        let inner = &rest[start + 2..end - 2];
        let word = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        out.push_str(&rest[..start]);
        match word {
            "generation" => out.push_str(&format!("{{%{}%}}", inner.replace("generation", "with"))),
            "endgeneration" => out.push_str(&format!("{{%{}%}}", inner.replace("endgeneration", "endwith"))),
            _ => out.push_str(&rest[start..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::without_marks;

    #[test]
    fn marks_become_scopes_with_the_same_whitespace_control() {
        assert_eq!(
            without_marks("a {%- generation %}b{% endgeneration -%} c{% if x %}d{% endif %}"),
            "a {%- with %}b{% endwith -%} c{% if x %}d{% endif %}"
        );
    }

    #[test]
    fn the_word_elsewhere_is_untouched() {
        let source = "generation {{ generation }} {% if add_generation_prompt %}{% endif %} {% generation";
        assert_eq!(without_marks(source), source);
    }
}
