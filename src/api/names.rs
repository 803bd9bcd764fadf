//! Other names of models: those that `--alias` gives, and patterns of names.

/// A name, or a pattern of names, and the model that answers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name; `*` stands for any text.
    pub name: String,
    /// Id of the model.
    pub model: String,
}

impl Alias {
    /// Whether it is a pattern and not a name.
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}

/// The model that `name` stands for: an alias of this very name, or else the longest pattern that it fits.
pub(crate) fn resolve<'a>(aliases: &'a [Alias], name: &str) -> Option<&'a str> {
    let exact = aliases.iter().find(|alias| alias.name == name);
    let patterns = || aliases.iter().filter(|alias| alias.is_pattern() && fits(&alias.name, name));
    exact.or_else(|| patterns().max_by_key(|alias| alias.name.len())).map(|alias| alias.model.as_str())
}

/// Whether `name` fits a pattern, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in
            [("*", ""), ("gpt-*", "gpt-4o"), ("gpt-*", "gpt-"), ("*-mini", "o3-mini"), ("a*b*c", "axbyc")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("gpt-*", "gpt"), ("gpt", "gpt-4"), ("*-mini", "mini-x"), ("a*b*c", "axcyb"), ("ab*ba", "aba")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_name_wins_over_a_pattern_and_a_longer_pattern_over_a_shorter_one() {
        let alias = |name: &str, model: &str| Alias { name: name.into(), model: model.into() };
        let aliases = [alias("gpt-*", "a"), alias("gpt-4*", "b"), alias("gpt-4o", "c")];
        assert_eq!(resolve(&aliases, "gpt-4o"), Some("c"));
        assert_eq!(resolve(&aliases, "gpt-4"), Some("b"));
        assert_eq!(resolve(&aliases, "gpt-3"), Some("a"));
        assert_eq!(resolve(&aliases, "claude"), None);
    }
}
