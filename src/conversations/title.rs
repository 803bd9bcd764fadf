//! A title from the first exchange. No model is asked: a rule is instant, costs no processor time that the next answer
//! wants, and works with the smallest model.

/// About so many characters fit into a side bar.
const LENGTH: usize = 48;

/// What a conversation without words is called.
pub const NEW_CHAT: &str = "New chat";

/// The first sentence or line of a message without Markdown, cut at a word.
pub fn suggest(message: &str) -> String {
    // A megabyte of white space is no reason to wait.
    let head: String = message.trim_start().chars().take(4000).collect();
    let line = head.lines().map(clean).find(|line| !line.is_empty()).unwrap_or_default();
    let title = cut(sentence(&line));
    if title.is_empty() { NEW_CHAT.to_owned() } else { title }
}

/// A line without the marks of Markdown and with single spaces.
fn clean(line: &str) -> String {
    let line = line.trim();
    if line.starts_with("```") || line.starts_with("~~~") || (!line.is_empty() && line.chars().all(is_rule)) {
        return String::new();
    }
    let line = line.trim_start_matches(['#', '>', '-', '*', '+', ' ', '\t']);
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '`' => {}
            '*' | '_' if marks_emphasis(&text, rest, c) => {}
            // `[text](address)` becomes text.
            '[' => match rest.split_once("](").and_then(|(inner, after)| Some((inner, after.split_once(')')?.1))) {
                Some((inner, after)) if !inner.contains(['[', ']']) => {
                    text.push_str(inner);
                    rest = after;
                }
                _ => text.push(c),
            },
            // Control characters and marks that turn the direction of text would reach beyond the title.
            c if c.is_control() || is_direction_mark(c) => text.push(' '),
            c => text.push(c),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_rule(c: char) -> bool {
    matches!(c, '-' | '=' | '*' | '_' | ' ')
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a star or underscore is a mark: not within a word such as `max_tokens`, and not standing alone as in `2 *
/// 3`.
fn marks_emphasis(before: &str, after: &str, mark: char) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (left, right) = (before.chars().next_back(), after.chars().next());
    let alone = left.is_none_or(char::is_whitespace) && right.is_none_or(char::is_whitespace);
    let within = word(left) && word(right);
    !(alone || within) || right == Some(mark)
}

/// Up to the end of the first sentence, if it is long enough to say something.
fn sentence(line: &str) -> &str {
    let ends = line.char_indices().filter(|(_, c)| matches!(c, '.' | '!' | '?' | '。' | '！' | '？'));
    for (at, c) in ends {
        let end = at + c.len_utf8();
        let followed = line[end..].chars().next().is_none_or(char::is_whitespace) || !c.is_ascii();
        if followed && line[..at].chars().count() >= 8 {
            return if c == '.' || c == '。' { &line[..at] } else { &line[..end] };
        }
    }
    line
}

/// Cuts at a word; a language without spaces is cut at a character.
fn cut(text: &str) -> String {
    if text.chars().count() <= LENGTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(LENGTH).collect();
    let at = head.rfind(char::is_whitespace).filter(|&at| at * 2 > head.len()).unwrap_or(head.len());
    format!("{}…", head[..at].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_sentence_without_markdown() {
        assert_eq!(suggest("How do I compare two quantizations? I have 8 GB."), "How do I compare two quantizations?");
        assert_eq!(suggest("\n\n# **Plan** for `tern`\n\nmore"), "Plan for tern");
        assert_eq!(suggest("See [the docs](https://example.org/a) first."), "See the docs first");
        assert_eq!(suggest("- max_tokens is 2 * 3?"), "max_tokens is 2 * 3?");
        assert_eq!(suggest("```rust\nfn main() {}\n```"), "fn main() {}");
        assert_eq!(suggest("e.g. version 1.5 of it"), "e.g. version 1.5 of it");
    }

    #[test]
    fn a_long_one_is_cut_at_a_word_and_an_empty_one_has_a_name() {
        let long = suggest("Please explain, in the simplest possible words, why the sky is blue at noon");
        assert_eq!(long, "Please explain, in the simplest possible words…");
        let chinese = suggest(&"字".repeat(200));
        assert_eq!(chinese.chars().count(), LENGTH + 1);
        for nothing in ["", " \n\t ", "***", "```", "---\n==="] {
            assert_eq!(suggest(nothing), NEW_CHAT, "{nothing:?}");
        }
        assert!(suggest(&"x".repeat(1 << 20)).chars().count() <= LENGTH + 1);
    }

    #[test]
    fn html_stays_text_and_no_mark_of_direction_gets_in() {
        assert_eq!(suggest("<script>alert(1)</script>"), "<script>alert(1)</script>");
        assert_eq!(suggest("a\u{202E}b\u{0007}c"), "a b c");
    }
}
