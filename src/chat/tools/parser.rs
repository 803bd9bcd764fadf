//! Finds the calls in the text of one answer as it comes, however it is cut into pieces.
//!
//! Text is held back only while it may still turn out to be a mark; a call only until its name is known. Marks never
//! come through, nor does the white space around them. What looks like a call and is none stays text. Each token goes
//! along with the piece that its first byte is in; those of marks go with the arguments.

use std::{collections::VecDeque, sync::Arc};

use serde_json::Value;
use tern_scheduler::TokenLogprob;

use super::{
    Offer,
    format::{Body, Several},
    head::{self, Head, Parameter},
    json::{Scan, Stop},
};

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// More text; may be empty when only logprobs are reported.
    Text(String, Vec<TokenLogprob>),
    /// A call begins: which of the answer, and the function's name.
    Call(u32, String),
    /// More of the arguments of that call.
    Arguments(u32, String, Vec<TokenLogprob>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// In the text.
    Text,
    /// Behind an opening mark (or none, where there need be none): a call comes, or the closing mark.
    Between {
        /// Which bracket.
        bracket: Option<usize>,
        /// Length of the opening mark and the white space before it, as long as no call has come.
        mark: usize,
        /// Whether a call has come.
        called: bool,
    },
    /// In the arguments.
    Arguments {
        /// Which bracket.
        bracket: Option<usize>,
        /// Whether they are a value in an object.
        inside: bool,
        /// Where they end.
        scan: Scan,
    },
    /// Behind the arguments, in the rest of their object.
    Tail(Option<usize>),
    /// Among arguments that come one by one, of which there were some.
    Parameters(Option<usize>, bool),
}

/// The state of one answer.
#[derive(Debug)]
pub struct CallParser {
    offer: Arc<Offer>,
    state: State,
    /// Whether nothing but white space has come.
    at_start: bool,
    /// Whether the last thing was a call.
    behind_call: bool,
    /// Calls begun, and the name of the last.
    calls: u32,
    called: String,
    /// Text not decided yet, and where it begins in the answer.
    pending: String,
    pending_at: usize,
    /// Tokens not given to a piece yet, with the place of their first byte.
    tokens: VecDeque<(usize, TokenLogprob)>,
    out: Vec<Said>,
}

impl CallParser {
    /// For an answer that may call what `offer` has.
    pub fn new(offer: Arc<Offer>) -> Self {
        Self {
            offer,
            state: State::Text,
            at_start: true,
            behind_call: false,
            calls: 0,
            called: String::new(),
            pending: String::new(),
            pending_at: 0,
            tokens: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// Calls begun so far.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// More text, and the tokens behind it with their places in it.
    pub fn push(&mut self, text: &str, tokens: impl IntoIterator<Item = (usize, TokenLogprob)>) -> Vec<Said> {
        let from = self.pending_at + self.pending.len();
        self.tokens.extend(tokens.into_iter().map(|(at, token)| (from + at, token)));
        self.pending.push_str(text);
        self.advance(false);
        std::mem::take(&mut self.out)
    }

    /// The answer is complete, or `cut` off: what was held back is what it looks like. Whether the last call is
    /// incomplete.
    pub fn finish(&mut self, cut: bool) -> (Vec<Said>, bool) {
        self.advance(true);
        let open = match &self.state {
            State::Text | State::Tail(_) => false,
            State::Arguments { .. } | State::Parameters(..) => true,
            State::Between { bracket, called, .. } => {
                // A mark and half a name, cut off, say nothing to anyone; a model that ended there meant them as text.
                if *called || (cut && bracket.is_some()) {
                    self.skip(self.pending.len());
                } else {
                    self.say(self.pending.len());
                }
                false
            }
        };
        if !self.pending.is_empty() {
            self.skip(self.pending.len());
        }
        for (_, token) in std::mem::take(&mut self.tokens) {
            self.assign(token);
        }
        (std::mem::take(&mut self.out), open)
    }

    fn advance(&mut self, last: bool) {
        while !self.pending.is_empty() {
            let goes_on = match self.state.clone() {
                State::Text => self.text(last),
                State::Between { bracket, mark, called } => self.between(bracket, mark, called, last),
                State::Arguments { bracket, inside, scan } => self.arguments(bracket, inside, scan),
                State::Tail(bracket) => match head::object_tail(&self.pending) {
                    Ok(end) => {
                        self.skip(end);
                        self.leave_call(bracket)
                    }
                    Err(Stop::More) => false,
                    Err(Stop::Not) => self.leave_call(bracket),
                },
                State::Parameters(bracket, some) => self.parameters(bracket, some),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Takes text up to where a call may begin. Whether there is more to do.
    fn text(&mut self, last: bool) -> bool {
        let format = &self.offer.format;
        let said = self.pending.trim_start();
        if self.at_start && format.bare {
            let listed = matches!(format.body, Body::Object { several: Several::List, .. });
            if said.starts_with('{') || (listed && said.starts_with('[')) {
                self.at_start = false;
                let mark = self.pending.len() - said.len();
                self.state = State::Between { bracket: None, mark, called: false };
                return true;
            }
            if said.is_empty() && !last {
                return false;
            }
        }
        let mut found = None;
        let mut end = self.pending.len();
        for (at, _) in self.pending.char_indices() {
            let rest = &self.pending[at..];
            let opens = |open: &str| rest.starts_with(open);
            if let Some(index) = format.brackets.iter().position(|bracket| opens(&bracket.open)) {
                (found, end) = (Some(index), at);
                break;
            }
            if !last && format.brackets.iter().any(|bracket| bracket.open.starts_with(rest)) {
                end = at;
                break;
            }
        }
        // White space before a mark goes with it.
        let kept = if last && found.is_none() && !(self.behind_call && said.is_empty()) {
            end
        } else {
            self.pending[..end].trim_end().len()
        };
        if kept > 0 {
            self.at_start = false;
            self.say(kept);
            end -= kept;
        }
        let Some(index) = found else { return false };
        self.at_start = false;
        let mark = end + self.offer.format.brackets[index].open.len();
        self.state = State::Between { bracket: Some(index), mark, called: false };
        true
    }

    fn between(&mut self, bracket: Option<usize>, mark: usize, called: bool, last: bool) -> bool {
        let format = &self.offer.format;
        let brackets = bracket.map(|index| &format.brackets[index]);
        let rest = &self.pending[mark..];
        let head = head::read(rest, &format.body, brackets, !called, last);
        let may = |name: &str| match bracket {
            // Without a mark only a name that was offered makes JSON a call.
            None => self.offer.may_call(name),
            Some(_) => is_name(name) || self.offer.may_call(name),
        };
        match head {
            Ok(Head::Call { name, at, inside }) if may(&name) => {
                self.call(name, mark + at);
                self.state = State::Arguments { bracket, inside, scan: Scan::default() };
                true
            }
            Ok(Head::Parameters { name, at }) if may(&name) => {
                self.call(name, mark + at);
                self.state = State::Parameters(bracket, false);
                true
            }
            Ok(Head::Whole { name, arguments, end }) if may(&name) => {
                self.call(name, mark + end);
                self.add(&arguments);
                self.leave_call(bracket)
            }
            Ok(Head::Close(end)) if called => {
                self.skip(mark + end);
                self.state = State::Text;
                true
            }
            Err(Stop::More) => false,
            // No call, or no more of them.
            _ => {
                self.state = State::Text;
                if !called && mark > 0 {
                    self.say(mark);
                }
                true
            }
        }
    }

    fn arguments(&mut self, bracket: Option<usize>, inside: bool, mut scan: Scan) -> bool {
        let end = scan.feed(&self.pending);
        let len = end.unwrap_or(self.pending.len());
        let text = self.pending[..len].to_owned();
        self.add(&text);
        self.skip(len);
        match end {
            None => {
                self.state = State::Arguments { bracket, inside, scan };
                false
            }
            Some(_) if inside => {
                self.state = State::Tail(bracket);
                true
            }
            Some(_) => self.leave_call(bracket),
        }
    }

    fn parameters(&mut self, bracket: Option<usize>, some: bool) -> bool {
        match head::parameter(&self.pending) {
            Ok(Parameter::Value(key, value, end)) => {
                let value = self.offer.typed(&self.called, &key, value);
                let text = format!("{}{}: {value}", if some { ", " } else { "{" }, Value::from(key));
                self.add(&text);
                self.skip(end);
                self.state = State::Parameters(bracket, true);
                true
            }
            Ok(Parameter::End(end)) => {
                self.add(if some { "}" } else { "{}" });
                self.skip(end);
                self.leave_call(bracket)
            }
            Err(Stop::More) => false,
            Err(Stop::Not) => {
                self.add(if some { "}" } else { "{}" });
                self.leave_call(bracket)
            }
        }
    }

    fn call(&mut self, name: String, end: usize) {
        self.called.clone_from(&name);
        self.out.push(Said::Call(self.calls, name));
        self.calls += 1;
        self.behind_call = true;
        self.skip(end);
    }

    fn leave_call(&mut self, bracket: Option<usize>) -> bool {
        self.state = State::Between { bracket, mark: 0, called: true };
        true
    }

    /// Adds to the arguments of the last call.
    fn add(&mut self, more: &str) {
        let index = self.calls.saturating_sub(1);
        match self.out.last_mut() {
            Some(Said::Arguments(at, text, _)) if *at == index => text.push_str(more),
            _ => self.out.push(Said::Arguments(index, more.to_owned(), Vec::new())),
        }
    }

    /// The first `len` bytes of the pending text are text.
    fn say(&mut self, len: usize) {
        self.behind_call = false;
        let rest = self.pending.split_off(len);
        let said = std::mem::replace(&mut self.pending, rest);
        match self.out.last_mut() {
            Some(Said::Text(text, _)) => text.push_str(&said),
            _ => self.out.push(Said::Text(said, Vec::new())),
        }
        self.pending_at += len;
        self.assign_decided();
    }

    /// The first `len` bytes of the pending text are done with.
    fn skip(&mut self, len: usize) {
        self.pending.drain(..len);
        self.pending_at += len;
        self.assign_decided();
    }

    fn assign_decided(&mut self) {
        while self.tokens.front().is_some_and(|(at, _)| *at < self.pending_at) {
            if let Some((_, token)) = self.tokens.pop_front() {
                self.assign(token);
            }
        }
    }

    fn assign(&mut self, token: TokenLogprob) {
        let index = self.calls.saturating_sub(1);
        match self.out.last_mut() {
            Some(Said::Text(_, tokens)) if !self.behind_call => tokens.push(token),
            Some(Said::Arguments(at, _, tokens)) if self.behind_call && *at == index => tokens.push(token),
            _ if self.behind_call => self.out.push(Said::Arguments(index, String::new(), vec![token])),
            _ => self.out.push(Said::Text(String::new(), vec![token])),
        }
    }
}

/// Whether this is a name that a function can have.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
