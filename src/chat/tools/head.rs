//! The beginning of a call: its name, and where its arguments begin.

use super::{
    format::{Body, Bracket, Named},
    json::{Cursor, Stop},
};

/// What the text behind the last mark, or the last call, begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A call whose arguments, a JSON object, begin at this byte.
    Call {
        /// Name of the function.
        name: String,
        /// Where the arguments begin.
        at: usize,
        /// Whether they are a value in an object, which goes on behind them.
        inside: bool,
    },
    /// A call that had to be read whole.
    Whole {
        /// Name of the function.
        name: String,
        /// Its arguments as JSON text.
        arguments: String,
        /// Where the call ends.
        end: usize,
    },
    /// A call whose arguments come one by one behind this byte.
    Parameters {
        /// Name of the function.
        name: String,
        /// Where they begin.
        at: usize,
    },
    /// The closing mark ends here.
    Close(usize),
}

/// Reads what comes next between the brackets. `first` is before the first call. At the `last` text there is no more to
/// wait for.
pub fn read(rest: &str, body: &Body, bracket: Option<&Bracket>, first: bool, last: bool) -> Result<Head, Stop> {
    match body {
        Body::Object { .. } => object(rest, bracket, first),
        // Mistral's models write the older form at times.
        Body::Named(named) if named.begin.is_empty() && rest.trim_start().starts_with(['[', '{']) => {
            object(rest, bracket, first)
        }
        Body::Named(named) => self::named(rest, named, bracket, first, last),
        Body::Parameters => parameters(rest, bracket, first),
    }
}

fn close(rest: &str, bracket: Option<&Bracket>) -> Result<Head, Stop> {
    let mut cursor = Cursor::new(rest);
    let Some(Bracket { close, .. }) = bracket.filter(|bracket| !bracket.close.is_empty()) else {
        // A list ends without a mark behind it.
        cursor.space();
        return cursor.literal("]").map(|()| Head::Close(cursor.at()));
    };
    cursor.separators(&[']', ',', ';']);
    cursor.literal(close)?;
    Ok(Head::Close(cursor.at()))
}

/// A JSON object, alone or in a list. The keys may come in any order, and there may be others.
fn object(rest: &str, bracket: Option<&Bracket>, first: bool) -> Result<Head, Stop> {
    let mut cursor = Cursor::new(rest);
    if first {
        cursor.separators(&['[']);
    } else {
        match close(rest, bracket) {
            Err(Stop::Not) => cursor.separators(&[',', ';']),
            closed => return closed,
        }
    }
    cursor.literal("{")?;
    let (mut name, mut arguments) = (None, None);
    loop {
        cursor.space();
        let key = cursor.string()?;
        cursor.space();
        cursor.literal(":")?;
        cursor.space();
        match key.as_str() {
            "name" => name = Some(cursor.string()?),
            "arguments" | "parameters" => match (cursor.peek()?, name.take()) {
                ('{', Some(name)) if arguments.is_none() => {
                    return Ok(Head::Call { name, at: cursor.at(), inside: true });
                }
                ('{', known) => {
                    name = known;
                    arguments = Some(cursor.value()?.to_owned());
                }
                ('"', known) => {
                    name = known;
                    arguments = Some(unquoted(&cursor.string()?)?);
                }
                (_, known) => {
                    name = known;
                    if cursor.value()? != "null" {
                        return Err(Stop::Not);
                    }
                }
            },
            // An answer in JSON that is no call is not held back longer than its first key.
            other if bracket.is_none() && other != "type" => return Err(Stop::Not),
            _ => {
                let value = cursor.value()?;
                if bracket.is_none() && value != "\"function\"" {
                    return Err(Stop::Not);
                }
            }
        }
        cursor.space();
        match cursor.next()? {
            ',' => {}
            '}' => break,
            _ => return Err(Stop::Not),
        }
    }
    let name = name.ok_or(Stop::Not)?;
    Ok(Head::Whole { name, arguments: arguments.unwrap_or_else(|| "{}".to_owned()), end: cursor.at() })
}

/// Arguments that came as a text of JSON.
fn unquoted(text: &str) -> Result<String, Stop> {
    match text.trim() {
        "" => Ok("{}".to_owned()),
        text => match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(_)) => Ok(text.to_owned()),
            _ => Err(Stop::Not),
        },
    }
}

/// Where the rest of an object ends whose arguments have been read: other keys, and the bracket.
pub fn object_tail(rest: &str) -> Result<usize, Stop> {
    let mut cursor = Cursor::new(rest);
    loop {
        cursor.space();
        match cursor.next()? {
            '}' => return Ok(cursor.at()),
            ',' => {}
            _ => return Err(Stop::Not),
        }
        cursor.space();
        cursor.string()?;
        cursor.space();
        cursor.literal(":")?;
        cursor.space();
        cursor.value()?;
    }
}

fn named(rest: &str, named: &Named, bracket: Option<&Bracket>, first: bool, last: bool) -> Result<Head, Stop> {
    let mut cursor = Cursor::new(rest);
    if !first {
        for end in &named.ends {
            let mut behind = cursor.clone();
            if !end.starts_with(char::is_whitespace) {
                behind.space();
            }
            if behind.optional(end)? {
                cursor = behind;
            }
        }
        match close(cursor.rest(), bracket) {
            Ok(Head::Close(end)) => return Ok(Head::Close(cursor.at() + end)),
            Err(Stop::More) => return Err(Stop::More),
            // Where each call has an opening mark of its own, this is not the place for the next.
            _ if !named.together => return Err(Stop::Not),
            _ => {}
        }
    }
    cursor.space();
    cursor.literal(&named.begin)?;
    if !named.kind.is_empty() {
        cursor.optional(&named.kind)?;
    }
    cursor.space();
    let rest = cursor.rest();
    let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(rest.len());
    let name = rest[..len].to_owned();
    for _ in name.chars() {
        cursor.next()?;
    }
    if name.is_empty() {
        return Err(if rest.is_empty() { Stop::More } else { Stop::Not });
    }
    if !named.id_mark.is_empty() && cursor.optional(&named.id_mark)? {
        cursor.until_before(&named.separators[0])?;
    }
    let mut waiting = false;
    let found = named.separators.iter().find(|separator| {
        let read = cursor.clone().literal(separator);
        waiting |= read == Err(Stop::More);
        read.is_ok()
    });
    match found {
        Some(separator) => cursor.literal(separator)?,
        None if waiting => return Err(Stop::More),
        // Without a separator there may be white space only.
        None => cursor.space(),
    }
    cursor.space();
    match cursor.peek() {
        Ok('{') => Ok(Head::Call { name, at: cursor.at(), inside: false }),
        // A call without arguments.
        Err(Stop::More) if last && found.is_some() => {
            Ok(Head::Whole { name, arguments: "{}".into(), end: cursor.at() })
        }
        Err(stop) => Err(stop),
        Ok(_) => Err(Stop::Not),
    }
}

fn parameters(rest: &str, bracket: Option<&Bracket>, first: bool) -> Result<Head, Stop> {
    if !first && let closed @ (Ok(_) | Err(Stop::More)) = close(rest, bracket) {
        return closed;
    }
    let mut cursor = Cursor::new(rest);
    cursor.space();
    cursor.literal("<function=")?;
    let name = cursor.until(">")?.trim().to_owned();
    Ok(Head::Parameters { name, at: cursor.at() })
}

/// What stands next among the arguments that come one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// An argument: its name, its text, and where it ends.
    Value(String, String, usize),
    /// They end here.
    End(usize),
}

/// Reads the next argument of a `<function=...>`.
pub fn parameter(rest: &str) -> Result<Parameter, Stop> {
    let mut cursor = Cursor::new(rest);
    cursor.space();
    if cursor.optional("</function>")? {
        return Ok(Parameter::End(cursor.at()));
    }
    cursor.literal("<parameter=")?;
    let key = cursor.until(">")?.trim().to_owned();
    let value = cursor.until("</parameter>")?;
    // A line break on each side belongs to the marks.
    let value = value.strip_prefix('\n').unwrap_or(value);
    let value = value.strip_suffix('\n').unwrap_or(value);
    Ok(Parameter::Value(key, value.to_owned(), cursor.at()))
}
