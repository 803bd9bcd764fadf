//! Reads GBNF.

use std::collections::HashSet;

use super::{Alternatives, Atom, Item, Rule, error};
use crate::GrammarError;

/// Groups inside groups, at most.
const DEEPEST: usize = 64;
/// Most repetitions that can be asked for by number.
const MOST_REPETITIONS: u32 = 10_000;

/// Reads all rules. Every rule that is mentioned exists, and `root` does.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, GrammarError> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0, line: 1 };
    let mut rules: Vec<Rule> = Vec::new();
    let mut names = HashSet::new();
    loop {
        reader.skip_space();
        if reader.peek().is_none() {
            break;
        }
        let line = reader.line;
        let rule = reader.rule()?;
        if !names.insert(rule.name.clone()) {
            return Err(error(line, format!("the rule {:?} is given twice", rule.name)));
        }
        rules.push(rule);
    }
    if !names.contains("root") {
        return Err(GrammarError::new("the grammar has no rule \"root\", where a text begins"));
    }
    for rule in &rules {
        all_known(&rule.body, &names)?;
    }
    Ok(rules)
}

fn all_known(body: &Alternatives, names: &HashSet<String>) -> Result<(), GrammarError> {
    for item in body.iter().flatten() {
        match &item.atom {
            Atom::Rule(name, line) if !names.contains(name) => {
                return Err(error(*line, format!("there is no rule {name:?}")));
            }
            Atom::Group(inner) => all_known(inner, names)?,
            _ => {}
        }
    }
    Ok(())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.next();
        }
        found
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
            } else if c.is_ascii_whitespace() {
                self.next();
            } else {
                break;
            }
        }
    }

    fn word(&mut self) -> String {
        let from = self.at;
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        self.chars[from..self.at].iter().collect()
    }

    /// Reads `::=`. Returns whether it was there; if not, nothing is read.
    fn defines(&mut self) -> bool {
        let (at, line) = (self.at, self.line);
        self.skip_space();
        let found = self.take(':') && self.take(':') && self.take('=');
        if !found {
            (self.at, self.line) = (at, line);
        }
        found
    }

    fn rule(&mut self) -> Result<Rule, GrammarError> {
        let line = self.line;
        let name = self.word();
        if name.is_empty() {
            let found = self.peek().map_or_else(String::new, |c| format!(", found {c:?}"));
            return Err(error(line, format!("expected a rule (name ::= ...){found}")));
        }
        if !self.defines() {
            return Err(error(line, format!("expected ::= behind {name:?}")));
        }
        Ok(Rule { name, body: self.alternatives(0)? })
    }

    fn alternatives(&mut self, depth: usize) -> Result<Alternatives, GrammarError> {
        if depth > DEEPEST {
            return Err(error(self.line, format!("groups are nested too deeply; at most {DEEPEST} are allowed")));
        }
        let mut all = vec![self.sequence(depth)?];
        while self.take('|') {
            all.push(self.sequence(depth)?);
        }
        Ok(all)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Item>, GrammarError> {
        let mut items = Vec::new();
        loop {
            self.skip_space();
            let line = self.line;
            let Some(c) = self.peek() else { break };
            let atom = match c {
                '"' => Atom::Text(self.literal()?),
                '[' => self.class()?,
                '.' => {
                    self.next();
                    Atom::Any
                }
                '<' => Atom::Token(self.token()?),
                '(' => {
                    self.next();
                    let inner = self.alternatives(depth + 1)?;
                    if !self.take(')') {
                        return Err(error(line, "this group has no end"));
                    }
                    Atom::Group(inner)
                }
                '!' => return Err(error(line, "\"any token but this one\" (!<...>) is not supported")),
                '*' | '+' | '?' | '{' => return Err(error(line, format!("there is nothing to repeat before {c:?}"))),
                c if is_word(c) => {
                    let start = (self.at, self.line);
                    let name = self.word();
                    if self.defines() {
                        // The next rule begins here.
                        (self.at, self.line) = start;
                        break;
                    }
                    Atom::Rule(name, line)
                }
                _ => break,
            };
            let (least, most) = self.repetition()?;
            items.push(Item { atom, least, most });
        }
        Ok(items)
    }

    fn repetition(&mut self) -> Result<(u32, Option<u32>), GrammarError> {
        self.skip_blanks();
        Ok(match self.peek() {
            Some('*') => self.then((0, None)),
            Some('+') => self.then((1, None)),
            Some('?') => self.then((0, Some(1))),
            Some('{') => {
                self.next();
                let least = self.number()?;
                let counts = if self.take(',') {
                    self.skip_blanks();
                    let most = if self.peek() == Some('}') { None } else { Some(self.number()?) };
                    (least, most)
                } else {
                    (least, Some(least))
                };
                if !self.take('}') {
                    return Err(error(self.line, "expected } behind the repetition"));
                }
                if let (least, Some(most)) = counts
                    && least > most
                {
                    return Err(error(self.line, format!("a repetition cannot go from {least} to {most}")));
                }
                counts
            }
            _ => (1, Some(1)),
        })
    }

    fn then<T>(&mut self, value: T) -> T {
        self.next();
        value
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    fn number(&mut self) -> Result<u32, GrammarError> {
        self.skip_blanks();
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.next();
        }
        let digits: String = self.chars[from..self.at].iter().collect();
        self.skip_blanks();
        if digits.is_empty() {
            return Err(error(self.line, "expected a number of repetitions"));
        }
        match digits.parse() {
            Ok(number) if number <= MOST_REPETITIONS => Ok(number),
            _ => Err(error(self.line, format!("{digits} repetitions; at most {MOST_REPETITIONS} are allowed"))),
        }
    }

    fn literal(&mut self) -> Result<String, GrammarError> {
        let line = self.line;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(error(line, "this literal has no end")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn class(&mut self) -> Result<Atom, GrammarError> {
        let line = self.line;
        self.next();
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            let Some(c) = self.next() else { return Err(error(line, "this class has no end")) };
            if c == ']' {
                break;
            }
            let from = if c == '\\' { self.escape()? } else { c };
            let mut to = from;
            if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|&c| c != ']') {
                self.next();
                to = match self.next() {
                    Some('\\') => self.escape()?,
                    Some(c) => c,
                    None => return Err(error(line, "this class has no end")),
                };
            }
            if from > to {
                return Err(error(line, format!("a class cannot go from {from:?} to {to:?}")));
            }
            ranges.push((from, to));
        }
        if ranges.is_empty() && !negated {
            return Err(error(line, "this class has no character"));
        }
        Ok(if ranges.is_empty() { Atom::Any } else { Atom::Class { negated, ranges } })
    }

    fn escape(&mut self) -> Result<char, GrammarError> {
        let line = self.line;
        let digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some(c @ ('\\' | '"' | '[' | ']' | '-' | '^' | '/' | '\'')) => return Ok(c),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            other => {
                let found = other.map_or_else(String::new, String::from);
                return Err(error(line, format!("the escape \\{found} is not known")));
            }
        };
        let hex: String = (0..digits).map_while(|_| self.next()).collect();
        let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits);
        code.and_then(char::from_u32).ok_or_else(|| error(line, format!("{hex:?} is not the number of a character")))
    }

    /// A token of the vocabulary: `<name>` or `<[number]>`.
    fn token(&mut self) -> Result<String, GrammarError> {
        let line = self.line;
        let mut name = String::new();
        while let Some(c) = self.next() {
            name.push(c);
            match c {
                '>' => return Ok(name),
                _ if c.is_whitespace() => break,
                _ => {}
            }
        }
        Err(error(line, "this token has no end (>)"))
    }
}
