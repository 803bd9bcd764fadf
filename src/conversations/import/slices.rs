//! JSON cut into its parts without being read: a file of hundreds of megabytes would take many times as much as values.

use serde::de::IgnoredAny;

/// White space of JSON.
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The value at the beginning of a text, and what follows it; `None` where there is none.
fn value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, rest) = text.split_at(values.byte_offset());
    Some((value.trim_matches(BLANK), rest.trim_start_matches(BLANK)))
}

/// The first elements of an array, `most` at most; `None` for what is no array.
pub(super) fn elements(text: &str, most: usize) -> Option<Vec<&str>> {
    let mut rest = text.trim_matches(BLANK).strip_prefix('[')?.trim_start_matches(BLANK);
    let mut elements = Vec::new();
    while elements.len() < most && rest != "]" {
        let (element, behind) = value(rest)?;
        elements.push(element);
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    Some(elements)
}

/// Calls `each` with the name and the value of every member of an object; `None` for what is no object.
pub(super) fn members<'a>(text: &'a str, mut each: impl FnMut(&str, &'a str)) -> Option<()> {
    let mut rest = text.trim_matches(BLANK).strip_prefix('{')?.trim_start_matches(BLANK);
    while rest != "}" {
        let (name, behind) = value(rest)?;
        let (value, behind) = value(behind.strip_prefix(':')?)?;
        each(&serde_json::from_str::<String>(name).ok()?, value);
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start_matches(BLANK);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_cut_at_their_commas_alone() {
        let text = " [ null,1 , \"a,]\" ,{\"b\": [1, 2]},\n[] , -1.5e3,true] ";
        let expected = ["null", "1", "\"a,]\"", "{\"b\": [1, 2]}", "[]", "-1.5e3", "true"];
        assert_eq!(elements(text, 100).unwrap(), expected);
        assert_eq!(elements(text, 2).unwrap(), expected[..2]);
        assert_eq!(elements("[]", 9), Some(vec![]));
        assert_eq!(elements("[ ]", 9), Some(vec![]));
        for other in ["{}", "null", "\"[1]\"", "[", "[1", "[1,", ""] {
            assert_eq!(elements(other, 9), None, "{other}");
        }
    }

    #[test]
    fn members_have_their_names_read() {
        let mut found = Vec::new();
        let text = "{ \"a\\u0062\" : [1, {\"x\": 2}] ,\"\": \"}\" , \"n\":null}";
        members(text, |name, value| found.push((name.to_owned(), value.to_owned()))).unwrap();
        let expected = [("ab", "[1, {\"x\": 2}]"), ("", "\"}\""), ("n", "null")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(members("{}", |_, _| panic!()).is_some());
        for other in ["[]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{1:2}", ""] {
            assert!(members(other, |_, _| {}).is_none(), "{other}");
        }
    }
}
