//! How deep llguidance recurses to read a grammar, at most: a rule is read where it is first mentioned, within the rule that
//! mentions it, so that a long chain of rules would take more stack than there is, and with it the process.
//!
//! What stands in quotes counts as if it were mentioned. That can only make a grammar look deeper than it is.

use std::collections::HashMap;

use crate::GrammarError;

/// Most rules and groups inside one another. Grammars that people and programs write have some dozens.
const DEEPEST: usize = 1000;
/// llguidance refuses more groups inside one another than this by itself.
const MOST_GROUPS: usize = 30;

/// Refuses grammars in Lark that are too deep.
pub(crate) fn check(lark: &str) -> Result<(), GrammarError> {
    let depth = Rules::of(lark).depth();
    if depth > DEEPEST {
        let message = format!("rules lead to one another {depth} levels deep; at most {DEEPEST} are allowed");
        return Err(GrammarError::new(message));
    }
    Ok(())
}

/// Refuses schemas in a grammar (`%json`) whose references could lead too deep. Those that are asked for as schemas are read
/// more closely (`schema/read.rs`).
pub(crate) fn check_references(lark: &str) -> Result<(), GrammarError> {
    let references = lark.matches("$ref").count();
    let (mut open, mut deepest) = (0_usize, 0);
    for c in lark.chars() {
        match c {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    if references > 0 && references.saturating_mul(deepest) > DEEPEST {
        let message = format!(
            "schemas in a grammar have {references} references and are nested {deepest} deep; the product is at most {DEEPEST}"
        );
        return Err(GrammarError::new(message));
    }
    Ok(())
}

/// What is defined, and what it mentions.
#[derive(Default)]
struct Rules<'a> {
    numbers: HashMap<&'a str, usize>,
    mentions: Vec<Vec<usize>>,
    /// Itself, and the groups inside one another in it.
    levels: Vec<usize>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

impl<'a> Rules<'a> {
    fn of(lark: &'a str) -> Self {
        let mut rules = Self::default();
        let (mut current, mut open) = (None, 0);
        for line in lark.lines() {
            let words: Vec<&str> = line.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
            let mentioned: Vec<usize> = words.iter().map(|word| rules.number(word)).collect();
            if let Some(begins) = begins(line) {
                (current, open) = (mentioned.first().copied(), 0);
                if begins == Line::Statement {
                    // It may have a rule behind it, of whatever name: all of them are one knot.
                    for (&rule, &next) in mentioned.iter().zip(mentioned.iter().cycle().skip(1)) {
                        rules.mentions[rule].push(next);
                    }
                }
            }
            let mut deepest = open;
            for c in line.chars() {
                match c {
                    '(' | '[' | '{' => open = (open + 1).min(MOST_GROUPS),
                    ')' | ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                deepest = deepest.max(open);
            }
            if let Some(rule) = current {
                rules.mentions[rule].extend(&mentioned);
                rules.levels[rule] = rules.levels[rule].max(1 + deepest);
            }
        }
        rules
    }

    fn number(&mut self, word: &'a str) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(word).or_insert(next);
        if number == next {
            self.mentions.push(Vec::new());
            self.levels.push(1);
        }
        number
    }

    /// Levels of the longest way from mention to mention; of rules that lead back to one another all count.
    fn depth(&self) -> usize {
        let order = finished(&self.mentions);
        let mut mentioned_by = vec![Vec::new(); self.mentions.len()];
        for (rule, mentions) in self.mentions.iter().enumerate() {
            mentions.iter().for_each(|&other| mentioned_by[other].push(rule));
        }
        // Rules that lead to one another form a knot. Knots come in an order in which each is behind those that lead to it.
        let mut knots = vec![usize::MAX; self.mentions.len()];
        let mut longest: Vec<usize> = Vec::new();
        for &first in order.iter().rev() {
            if knots[first] != usize::MAX {
                continue;
            }
            let (knot, mut own, mut before, mut open) = (longest.len(), 0, 0, vec![first]);
            knots[first] = knot;
            while let Some(rule) = open.pop() {
                own += self.levels[rule];
                for &other in &mentioned_by[rule] {
                    if knots[other] == usize::MAX {
                        knots[other] = knot;
                        open.push(other);
                    } else if knots[other] != knot {
                        before = before.max(longest[knots[other]]);
                    }
                }
            }
            longest.push(before + own);
        }
        longest.into_iter().max().unwrap_or_default()
    }
}

/// What a line begins.
#[derive(PartialEq)]
enum Line {
    /// A rule, whose name stands in front.
    Rule,
    /// `%import` and its like.
    Statement,
}

fn begins(line: &str) -> Option<Line> {
    let line = line.trim_start();
    if line.starts_with('%') {
        return Some(Line::Statement);
    }
    let line = line.trim_start_matches(['!', '?']);
    let rest = line.trim_start_matches(is_word);
    let is_name = rest.len() < line.len() && rest.trim_start().starts_with([':', '.', '{', '[']);
    (is_name && line.contains(':')).then_some(Line::Rule)
}

/// All rules, each behind those that it mentions, but for what leads back.
fn finished(mentions: &[Vec<usize>]) -> Vec<usize> {
    let (mut seen, mut order) = (vec![false; mentions.len()], Vec::with_capacity(mentions.len()));
    for first in 0..mentions.len() {
        if std::mem::replace(&mut seen[first], true) {
            continue;
        }
        let mut path = vec![(first, 0)];
        while let Some((rule, next)) = path.last_mut() {
            match mentions[*rule].get(*next) {
                Some(&other) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[other], true) {
                        path.push((other, 0));
                    }
                }
                None => {
                    order.push(*rule);
                    path.pop();
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(lark: &str) -> usize {
        Rules::of(lark).depth()
    }

    #[test]
    fn the_longest_way_counts_and_not_the_number_of_rules() {
        assert_eq!(depth("start: a b\na: \"x\"\nb: c\nc: \"y\"\n"), 3 + 1, "a word in quotes is one level");
        let flat: String = (0..500).map(|i| format!("r{i}: /[0-9]/\n")).collect();
        assert!(depth(&format!("start: {}\n{flat}", (0..500).map(|i| format!("r{i} ")).collect::<String>())) < 10);
        assert_eq!(depth("start: ((a))\na: a | (start)"), 3 + 2);
        assert_eq!(depth("start: (a\n  | b)\nb: /x/"), 4);
    }

    #[test]
    fn names_in_quotes_and_statements_hide_nothing() {
        let chain: String = (0..50).map(|i| format!("r{i}: r{}\n", i + 1)).collect();
        let whole = depth(&format!("start: r0\n{chain}"));
        assert!(whole > 50);
        let names: String = (0..50).rev().map(|i| format!("r{i} ")).collect();
        assert!(depth(&format!("start: \"{names}\" r0\n{chain}")) >= whole);
        let behind: String = (0..50).map(|i| format!("%import common.INT -> N{i} r{i}: r{}\n", i + 1)).collect();
        assert!(depth(&format!("start: r0\n{behind}")) >= whole);
        let json: String = (0..50).map(|i| format!("r{i}: %json {{\"a\":\ntrue, \"b\": 1}} r{}\n", i + 1)).collect();
        assert!(depth(&format!("start: r0\n{json}")) >= whole);
    }
}
