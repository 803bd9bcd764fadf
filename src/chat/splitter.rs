//! Divides the text of one answer into reasoning and text as it comes, however it is cut into pieces.
//!
//! Text is held back only while it may still turn out to be (part of) a mark. Marks never come through, nor do the line
//! breaks around the reasoning, which belong to the marks. Each token goes to the part its first byte is in; the tokens
//! of marks count as reasoning.

use std::collections::VecDeque;

use tern_scheduler::TokenLogprob;

use crate::reasoning::{Opening, Reasoning};

/// Which part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What leads to the answer.
    Reasoning,
    /// The answer.
    Text,
}

/// A piece of one part.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Which part.
    pub part: Part,
    /// The text; may be empty when only logprobs are reported.
    pub text: String,
    /// Of the tokens whose first byte is in this piece or was left out just before it.
    pub logprobs: Vec<TokenLogprob>,
}

/// A token on its way to a part.
#[derive(Debug)]
pub struct Incoming {
    /// Length of the token in the text.
    pub bytes: usize,
    /// Its logprobs, when asked for.
    pub logprob: Option<TokenLogprob>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far.
    Start,
    /// In reasoning with these marks.
    Reasoning(usize),
    /// In the text.
    Text,
}

/// The state of one answer.
#[derive(Debug)]
pub struct Splitter {
    reasoning: Reasoning,
    state: State,
    /// Leave out white space before the text of the plain form.
    trim_start: bool,
    /// Leave out line breaks until something else comes.
    trim_breaks: bool,
    /// The prompt opened the reasoning and nothing has come yet: some models repeat the mark.
    may_repeat: bool,
    /// Text not decided yet.
    pending: String,
    /// Line breaks at the end of the reasoning so far: left out if the closing mark follows.
    breaks: String,
    /// Where `pending` begins in the answer, in bytes.
    pending_at: usize,
    /// Tokens not given to a part yet, with the place of their first byte.
    tokens: VecDeque<(usize, Option<TokenLogprob>)>,
    /// Where the next token begins.
    next_token_at: usize,
    reasoning_tokens: u32,
    out: Vec<Piece>,
}

/// What stands at the beginning of the pending text.
enum Found {
    /// The opening mark of this pair, with its length.
    Open(usize, usize),
    /// Something to leave out, of this length.
    Close(usize),
    /// Something to leave out, of this length.
    Hide(usize),
    /// Not decided: more must come.
    Unclear,
    /// Ordinary text.
    Nothing,
}

impl Splitter {
    /// For an answer that starts at `opening`.
    pub fn new(reasoning: Reasoning, opening: Opening) -> Self {
        let (state, trim_start) = match opening {
            Opening::Start { trim } => (State::Start, trim),
            Opening::Reasoning(index) => (State::Reasoning(index), false),
            Opening::Text => (State::Text, false),
        };
        let opened = matches!(state, State::Reasoning(_));
        Self {
            reasoning,
            state,
            trim_start,
            trim_breaks: opened,
            may_repeat: opened,
            pending: String::new(),
            breaks: String::new(),
            pending_at: 0,
            tokens: VecDeque::new(),
            next_token_at: 0,
            reasoning_tokens: 0,
            out: Vec::new(),
        }
    }

    /// More text, and the tokens behind it.
    pub fn push(&mut self, text: &str, tokens: impl IntoIterator<Item = Incoming>) -> Vec<Piece> {
        // Bytes that are no UTF-8 are longer in the text than in the token: catch up.
        self.next_token_at = self.next_token_at.max(self.pending_at + self.pending.len());
        for token in tokens {
            self.tokens.push_back((self.next_token_at, token.logprob));
            self.next_token_at += token.bytes;
        }
        self.pending.push_str(text);
        self.advance(false);
        std::mem::take(&mut self.out)
    }

    /// The answer is complete: what was held back is what it looks like.
    pub fn finish(&mut self) -> Vec<Piece> {
        self.advance(true);
        let part = self.part();
        if part == Part::Reasoning && !self.breaks.is_empty() {
            let breaks = std::mem::take(&mut self.breaks);
            self.emit(part, &breaks);
        }
        while let Some((_, logprob)) = self.tokens.pop_front() {
            self.assign(part, logprob);
        }
        std::mem::take(&mut self.out)
    }

    /// Tokens given to reasoning so far.
    pub fn reasoning_tokens(&self) -> u32 {
        self.reasoning_tokens
    }

    fn part(&self) -> Part {
        if matches!(self.state, State::Reasoning(_)) { Part::Reasoning } else { Part::Text }
    }

    fn advance(&mut self, last: bool) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while !rest.is_empty() {
            if self.state == State::Start {
                // White space before a mark goes with it; before text it is text.
                let space = rest.len() - rest.trim_start().len();
                if space == rest.len() && !last {
                    break;
                }
                match self.find(&rest[space..], last) {
                    Found::Unclear => break,
                    Found::Open(index, len) => {
                        self.open(index);
                        rest = self.skip(rest, space + len, Part::Reasoning);
                    }
                    Found::Hide(len) => rest = self.skip(rest, space + len, Part::Text),
                    Found::Close(_) | Found::Nothing => {
                        self.state = State::Text;
                        if self.trim_start {
                            rest = self.skip(rest, space, Part::Text);
                        }
                    }
                }
                continue;
            }
            match self.find(rest, last) {
                Found::Unclear => break,
                Found::Open(index, len) => {
                    self.open(index);
                    rest = self.skip(rest, len, Part::Reasoning);
                }
                Found::Close(len) => {
                    rest = self.skip(rest, len, Part::Reasoning);
                    self.breaks.clear();
                    self.state = State::Text;
                    self.trim_breaks = true;
                    self.may_repeat = false;
                }
                Found::Hide(len) => rest = self.skip(rest, len, self.part()),
                Found::Nothing => rest = self.take_text(rest),
            }
        }
        self.pending = rest.to_owned();
    }

    fn open(&mut self, index: usize) {
        self.state = State::Reasoning(index);
        self.trim_breaks = true;
        self.may_repeat = false;
    }

    /// Takes one ordinary run of text: up to the next place where a mark could begin.
    fn take_text<'a>(&mut self, rest: &'a str) -> &'a str {
        let first = rest.chars().next().map_or(0, char::len_utf8);
        if self.trim_breaks && rest.starts_with(['\n', '\r']) {
            return self.skip(rest, first, Part::Reasoning);
        }
        let part = self.part();
        let is_break = |c: char| part == Part::Reasoning && (c == '\n' || c == '\r');
        if rest.starts_with(is_break) {
            self.breaks.push_str(&rest[..first]);
            return self.skip(rest, first, part);
        }
        let end = rest[first..].find(|c| is_break(c) || self.begins_mark(c)).map_or(rest.len(), |at| first + at);
        let breaks = std::mem::take(&mut self.breaks);
        self.emit(part, &breaks);
        self.emit(part, &rest[..end]);
        self.trim_breaks = false;
        self.may_repeat = false;
        self.skip(rest, end, part)
    }

    /// Whether some mark begins with `c`.
    fn begins_mark(&self, c: char) -> bool {
        let hidden = self.reasoning.hidden();
        let at = hidden.partition_point(|spelling| spelling.as_str() < c.encode_utf8(&mut [0; 4]));
        hidden.get(at).is_some_and(|spelling| spelling.starts_with(c))
            || self.reasoning.pairs().iter().any(|pair| pair.start.starts_with(c) || pair.end.starts_with(c))
    }

    /// Leaves out (or has emitted) the first `len` bytes of `rest`; their tokens go to `part`.
    fn skip<'a>(&mut self, rest: &'a str, len: usize, part: Part) -> &'a str {
        self.pending_at += len;
        while self.tokens.front().is_some_and(|(at, _)| *at < self.pending_at) {
            if let Some((_, logprob)) = self.tokens.pop_front() {
                self.assign(part, logprob);
            }
        }
        &rest[len..]
    }

    fn assign(&mut self, part: Part, logprob: Option<TokenLogprob>) {
        if part == Part::Reasoning {
            self.reasoning_tokens += 1;
        }
        if let Some(logprob) = logprob {
            self.piece(part).logprobs.push(logprob);
        }
    }

    fn emit(&mut self, part: Part, text: &str) {
        if !text.is_empty() {
            self.piece(part).text.push_str(text);
        }
    }

    fn piece(&mut self, part: Part) -> &mut Piece {
        if self.out.last().is_none_or(|piece| piece.part != part) {
            self.out.push(Piece { part, text: String::new(), logprobs: Vec::new() });
        }
        self.out.last_mut().expect("a piece was pushed above; anything else is a bug")
    }

    /// The longest mark at the beginning of `rest`, among those that mean something in this state.
    fn find(&self, rest: &str, last: bool) -> Found {
        let mut best = Found::Nothing;
        let mut best_len = 0;
        let mut unclear = false;
        let mut consider = |mark: &str, found: &dyn Fn(usize) -> Found| {
            if rest.starts_with(mark) {
                if mark.len() > best_len {
                    (best, best_len) = (found(mark.len()), mark.len());
                }
            } else if mark.starts_with(rest) {
                unclear = true;
            }
        };
        for (index, pair) in self.reasoning.pairs().iter().enumerate() {
            match self.state {
                State::Reasoning(current) if current == index => {
                    consider(&pair.end, &Found::Close);
                    if self.may_repeat {
                        consider(&pair.start, &Found::Hide);
                    }
                }
                State::Reasoning(_) => {}
                State::Start => consider(&pair.start, &|len| Found::Open(index, len)),
                State::Text if pair.control => consider(&pair.start, &|len| Found::Open(index, len)),
                State::Text => {}
            }
        }
        let hidden = self.reasoning.hidden();
        let mut first = [0; 4];
        if let Some(c) = rest.chars().next() {
            let c: &str = c.encode_utf8(&mut first);
            let from = hidden.partition_point(|spelling| spelling.as_str() < c);
            for spelling in hidden[from..].iter().take_while(|spelling| spelling.starts_with(c)) {
                consider(spelling, &Found::Hide);
            }
        }
        if unclear && !last { Found::Unclear } else { best }
    }
}
