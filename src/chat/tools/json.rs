//! JSON that is still coming: what can be read of it so far.

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The text ends too early.
    More,
    /// This is something else.
    Not,
}

/// A place in a text.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes have been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over white space.
    pub fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Passes over white space and over any of `separators`.
    pub fn separators(&mut self, separators: &[char]) {
        self.at = self.text.len()
            - self.rest().trim_start_matches(|c: char| c.is_whitespace() || separators.contains(&c)).len();
    }

    /// Passes over `literal`.
    pub fn literal(&mut self, literal: &str) -> Result<(), Stop> {
        let rest = self.rest();
        if rest.starts_with(literal) {
            self.at += literal.len();
            Ok(())
        } else if literal.starts_with(rest) {
            Err(Stop::More)
        } else {
            Err(Stop::Not)
        }
    }

    /// Passes over `literal` if it is there; whether it was.
    pub fn optional(&mut self, literal: &str) -> Result<bool, Stop> {
        match self.literal(literal) {
            Ok(()) => Ok(true),
            Err(Stop::Not) => Ok(false),
            Err(Stop::More) => Err(Stop::More),
        }
    }

    /// The next character, which is not passed over.
    pub fn peek(&self) -> Result<char, Stop> {
        self.rest().chars().next().ok_or(Stop::More)
    }

    /// Passes over the next character.
    pub fn next(&mut self) -> Result<char, Stop> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Ok(c)
    }

    /// The text before `mark`, which is passed over too.
    pub fn until(&mut self, mark: &str) -> Result<&'a str, Stop> {
        let end = self.rest().find(mark).ok_or(Stop::More)?;
        let text = &self.rest()[..end];
        self.at += end + mark.len();
        Ok(text)
    }

    /// Passes over the text before `mark`.
    pub fn until_before(&mut self, mark: &str) -> Result<(), Stop> {
        self.at += self.rest().find(mark).ok_or(Stop::More)?;
        Ok(())
    }

    /// The text of a JSON string.
    pub fn string(&mut self) -> Result<String, Stop> {
        if self.peek()? != '"' {
            return Err(Stop::Not);
        }
        let raw = self.value()?;
        serde_json::from_str(raw).map_err(|_| Stop::Not)
    }

    /// A whole JSON value, as it is written.
    pub fn value(&mut self) -> Result<&'a str, Stop> {
        let rest = self.rest();
        let end = match self.peek()? {
            '{' | '[' | '"' => Scan::default().feed(rest).ok_or(Stop::More)?,
            _ => rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).ok_or(Stop::More)?,
        };
        self.at += end;
        Ok(&rest[..end])
    }
}

/// Looks for the end of a JSON object, list or string, however it is cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Reads on. Where the value ends in `text`, if it does.
    pub fn feed(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => continue,
                }
                if self.in_string || self.depth > 0 {
                    continue;
                }
                return Some(at + 1);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_last_bracket_or_quote_is() {
        for (text, end) in [
            (r#"{"a": "}\"}", "b": [1, {}]} x"#, Some(27)),
            (r#""a\\" x"#, Some(5)),
            (r#"{"a": "\"#, None),
            ("[[1], [2]]", Some(10)),
        ] {
            assert_eq!(Scan::default().feed(text), end, "{text}");
            let mut scan = Scan::default();
            let by_byte =
                text.char_indices().find_map(|(at, c)| scan.feed(&text[at..at + c.len_utf8()]).map(|end| at + end));
            assert_eq!(by_byte, end, "{text} in single characters");
        }
    }
}
