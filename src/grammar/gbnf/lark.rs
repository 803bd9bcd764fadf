//! Writes GBNF rules as Lark.
//!
//! GBNF knows characters only; llguidance first cuts a text into lexemes, each the longest that fits. So that both mean
//! the same texts, as much as possible becomes one lexeme: a rule that never comes back to itself is a terminal, and in
//! the others neighbours in a sequence are one terminal together. A grammar without recursion is a single lexeme and
//! means exactly the same; in the others a lexeme ends where it cannot go on, which is what such grammars are written
//! for.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use super::{Alternatives, Atom, Item, Rule};
use crate::GrammarError;

/// Writes all that `root` needs.
pub(super) fn write(rules: &[Rule]) -> Result<String, GrammarError> {
    let by_name: HashMap<&str, usize> = rules.iter().enumerate().map(|(i, rule)| (rule.name.as_str(), i)).collect();
    let regular = regular(rules, &by_name);
    let mut writer = Writer { regular, by_name, out: String::new(), terminals: 0 };
    let root = writer.by_name["root"];
    let start = writer.name(root);
    let _ = writeln!(writer.out, "start: {start}");
    for (index, rule) in rules.iter().enumerate() {
        let body = writer.alternatives(&rule.body, writer.regular[index]);
        let name = writer.name(index);
        let _ = writeln!(writer.out, "{name}: {body}");
    }
    Ok(writer.out)
}

/// Which rules never lead back to themselves, nor to one that does, nor to a token of the vocabulary.
fn regular(rules: &[Rule], by_name: &HashMap<&str, usize>) -> Vec<bool> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
    let mut open: Vec<usize> = Vec::with_capacity(rules.len());
    let mut never = vec![false; rules.len()];
    for (index, rule) in rules.iter().enumerate() {
        let mut used = HashSet::new();
        never[index] = uses(&rule.body, by_name, &mut used);
        open.push(used.len());
        for other in used {
            users[other].push(index);
        }
    }
    // A rule is regular when all that it uses is; what is left in the end goes round in circles.
    let mut regular = vec![false; rules.len()];
    let mut ready: Vec<usize> = (0..rules.len()).filter(|&index| open[index] == 0 && !never[index]).collect();
    while let Some(index) = ready.pop() {
        regular[index] = true;
        for &user in &users[index] {
            open[user] -= 1;
            if open[user] == 0 && !never[user] {
                ready.push(user);
            }
        }
    }
    regular
}

/// Collects the rules that `body` uses. Returns whether it uses a token of the vocabulary.
fn uses(body: &Alternatives, by_name: &HashMap<&str, usize>, used: &mut HashSet<usize>) -> bool {
    let mut token = false;
    for item in body.iter().flatten() {
        match &item.atom {
            Atom::Rule(name, _) => {
                used.insert(by_name[name.as_str()]);
            }
            Atom::Group(inner) => token |= uses(inner, by_name, used),
            Atom::Token(_) => token = true,
            Atom::Text(_) | Atom::Class { .. } | Atom::Any => {}
        }
    }
    token
}

struct Writer<'a> {
    regular: Vec<bool>,
    by_name: HashMap<&'a str, usize>,
    out: String,
    terminals: usize,
}

impl Writer<'_> {
    fn name(&self, index: usize) -> String {
        // Numbers keep names apart that differ in their case only.
        if self.regular[index] { format!("R{index}") } else { format!("r{index}") }
    }

    fn is_regular(&self, item: &Item) -> bool {
        match &item.atom {
            Atom::Text(_) | Atom::Class { .. } | Atom::Any => true,
            Atom::Token(_) => false,
            Atom::Rule(name, _) => self.regular[self.by_name[name.as_str()]],
            Atom::Group(inner) => inner.iter().flatten().all(|item| self.is_regular(item)),
        }
    }

    fn alternatives(&mut self, body: &Alternatives, terminal: bool) -> String {
        let written: Vec<String> = body.iter().map(|sequence| self.sequence(sequence, terminal)).collect();
        written.join(" | ")
    }

    fn sequence(&mut self, items: &[Item], terminal: bool) -> String {
        let mut parts = Vec::new();
        let mut rest = items;
        while let Some(first) = rest.first() {
            let run = if terminal { 0 } else { rest.iter().take_while(|item| self.is_regular(item)).count() };
            // A single reference is written as it is.
            if run > 1 || (run == 1 && !matches!(first.atom, Atom::Rule(..))) {
                let body = self.sequence(&rest[..run], true);
                let name = format!("T{}", self.terminals);
                self.terminals += 1;
                let _ = writeln!(self.out, "{name}: {body}");
                parts.push(name);
                rest = &rest[run..];
            } else {
                parts.push(self.item(first, terminal));
                rest = &rest[1..];
            }
        }
        if parts.is_empty() { "\"\"".into() } else { parts.join(" ") }
    }

    fn item(&mut self, item: &Item, terminal: bool) -> String {
        if item.most == Some(0) {
            return "\"\"".into();
        }
        let atom = match &item.atom {
            Atom::Text(text) => quoted(text),
            Atom::Class { negated, ranges } => class(*negated, ranges),
            Atom::Any => "/(?s:.)/".into(),
            Atom::Token(name) => name.clone(),
            Atom::Rule(name, _) => self.name(self.by_name[name.as_str()]),
            Atom::Group(inner) => format!("({})", self.alternatives(inner, terminal)),
        };
        match (item.least, item.most) {
            (1, Some(1)) => atom,
            (0, None) => format!("{atom}*"),
            (1, None) => format!("{atom}+"),
            (0, Some(1)) => format!("{atom}?"),
            (least, None) => format!("{atom}{{{least},}}"),
            (least, Some(most)) => format!("{atom}{{{least},{most}}}"),
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn class(negated: bool, ranges: &[(char, char)]) -> String {
    let mut out = String::from(if negated { "/[^" } else { "/[" });
    for &(from, to) in ranges {
        let _ = write!(out, "\\x{{{:X}}}-\\x{{{:X}}}", from as u32, to as u32);
    }
    out.push_str("]/");
    out
}
