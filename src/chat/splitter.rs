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
    /// Where in the text each of those tokens begins.
    pub places: Vec<usize>,
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
    /// From here up to `pending_at` the text is at the end of the last piece.
    shown_from: usize,
    /// The part of the text just before `pending`.
    last_part: Part,
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
            shown_from: usize::MAX,
            last_part: if opened { Part::Reasoning } else { Part::Text },
            reasoning_tokens: 0,
            out: Vec::new(),
        }
    }

    /// More text, and the tokens behind it.
    pub fn push(&mut self, text: &str, tokens: impl IntoIterator<Item = Incoming>) -> Vec<Piece> {
        for token in tokens {
            self.tokens.push_back((self.next_token_at, token.logprob));
            self.next_token_at += token.bytes;
        }
        // A token may come after its text, when the next one completed a character.
        self.assign_decided(self.last_part);
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
        while let Some((at, logprob)) = self.tokens.pop_front() {
            self.assign(part, at, logprob);
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
        self.shown_from = self.pending_at;
        let rest = self.skip(rest, end, part);
        self.shown_from = usize::MAX;
        rest
    }

    /// Whether some mark begins with `c`.
    fn begins_mark(&self, c: char) -> bool {
        let hidden = self.reasoning.hidden();
        let at = hidden.partition_point(|spelling| spelling.as_str() < &*c.encode_utf8(&mut [0; 4]));
        hidden.get(at).is_some_and(|spelling| spelling.starts_with(c))
            || self.reasoning.pairs().iter().any(|pair| pair.start.starts_with(c) || pair.end.starts_with(c))
    }

    /// Leaves out (or has emitted) the first `len` bytes of `rest`; their tokens go to `part`.
    fn skip<'a>(&mut self, rest: &'a str, len: usize, part: Part) -> &'a str {
        self.pending_at += len;
        self.last_part = part;
        self.assign_decided(part);
        &rest[len..]
    }

    /// Gives the tokens that begin before the pending text to `part`.
    fn assign_decided(&mut self, part: Part) {
        while self.tokens.front().is_some_and(|(at, _)| *at < self.pending_at) {
            if let Some((at, logprob)) = self.tokens.pop_front() {
                self.assign(part, at, logprob);
            }
        }
    }

    fn assign(&mut self, part: Part, at: usize, logprob: Option<TokenLogprob>) {
        if part == Part::Reasoning {
            self.reasoning_tokens += 1;
        }
        if let Some(logprob) = logprob {
            let behind = if at >= self.shown_from { self.pending_at - at } else { 0 };
            let piece = self.piece(part);
            piece.places.push(piece.text.len().saturating_sub(behind));
            piece.logprobs.push(logprob);
        }
    }

    fn emit(&mut self, part: Part, text: &str) {
        if !text.is_empty() {
            self.piece(part).text.push_str(text);
        }
    }

    fn piece(&mut self, part: Part) -> &mut Piece {
        if self.out.last().is_none_or(|piece| piece.part != part) {
            self.out.push(Piece { part, text: String::new(), logprobs: Vec::new(), places: Vec::new() });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ReasoningMode;

    /// A vocabulary where marks are ordinary tokens; the template mentions `<think>`.
    fn ordinary() -> Reasoning {
        Reasoning::new(&ReasoningMode::Auto, Some("... <think> ..."), &[])
    }

    /// A vocabulary where marks are control tokens, as gpt-oss's and Cohere's.
    fn control() -> Reasoning {
        let controls = ["<|END_THINKING|>", "<|START_RESPONSE|>", "<|START_THINKING|>", "<|channel|>", "<|end|>"];
        let more = ["<|message|>", "<|start|>"];
        let controls: Vec<String> = controls.iter().chain(&more).map(|text| (*text).to_owned()).collect();
        Reasoning::new(&ReasoningMode::Auto, Some("<|START_THINKING|> <|channel|>analysis<|message|>"), &controls)
    }

    const START: Opening = Opening::Start { trim: false };
    const THINKING: Opening = Opening::Reasoning(0);

    fn joined(pieces: &[Piece], part: Part) -> String {
        pieces.iter().filter(|piece| piece.part == part).map(|piece| piece.text.as_str()).collect()
    }

    /// Pushes `text` in pieces that end at `cuts`; a token each. Returns reasoning, text and the number of reasoning
    /// tokens.
    fn split(reasoning: &Reasoning, opening: Opening, text: &str, cuts: &[usize]) -> (String, String, u32) {
        let mut splitter = Splitter::new(reasoning.clone(), opening);
        let mut pieces = Vec::new();
        let mut from = 0;
        for &cut in cuts.iter().chain([&text.len()]) {
            let token = Incoming { bytes: cut - from, logprob: None };
            pieces.extend(splitter.push(&text[from..cut], [token]));
            from = cut;
        }
        pieces.extend(splitter.finish());
        (joined(&pieces, Part::Reasoning), joined(&pieces, Part::Text), splitter.reasoning_tokens())
    }

    /// However the text is cut in two, and cut into single characters, the parts are these.
    fn check(reasoning: &Reasoning, opening: Opening, text: &str, thought: &str, said: &str) {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
        let expected = (thought.to_owned(), said.to_owned());
        let (a, b, _) = split(reasoning, opening, text, &ends);
        assert_eq!((a, b), expected, "{text:?} in single characters");
        for cut in ends {
            let (a, b, _) = split(reasoning, opening, text, &[cut]);
            assert_eq!((a, b), expected, "{text:?} cut at {cut}");
        }
    }

    #[test]
    fn reasoning_goes_apart_and_marks_and_breaks_around_it_vanish() {
        check(&ordinary(), START, "<think>\nhm\nhm\n</think>\n\nYes.\n", "hm\nhm", "Yes.\n");
        check(&ordinary(), START, "\n <think>a</think>b", "a", "b");
        check(&ordinary(), START, "<seed:think>a</seed:think>b", "a", "b");
        check(&ordinary(), START, "[THINK]a[/THINK]b", "a", "b");
    }

    #[test]
    fn a_prompt_that_opened_reasoning_starts_in_it() {
        check(&ordinary(), THINKING, "hm\n</think>\n\nYes.", "hm", "Yes.");
        check(&ordinary(), THINKING, "<think>\nhm</think>Yes.", "hm", "Yes.");
        check(&ordinary(), THINKING, "\n</think>Yes.", "", "Yes.");
    }

    #[test]
    fn without_marks_the_text_comes_through_as_it_is() {
        check(&ordinary(), START, "\n Hello <b>\n", "", "\n Hello <b>\n");
        check(&ordinary(), START, "<thin", "", "<thin");
        check(&ordinary(), START, "<thinly> sliced", "", "<thinly> sliced");
    }

    #[test]
    fn a_mark_in_the_middle_of_the_text_is_text() {
        check(&ordinary(), START, "Write <think>a</think>.", "", "Write <think>a</think>.");
        check(&ordinary(), START, "<think>a</think>Then <think>b</think>", "a", "Then <think>b</think>");
    }

    #[test]
    fn reasoning_cut_short_stays_reasoning() {
        check(&ordinary(), START, "<think>hm </thi", "hm </thi", "");
        check(&ordinary(), START, "<think>hm\n", "hm\n", "");
    }

    #[test]
    fn another_pairs_closing_mark_does_not_close() {
        check(&ordinary(), START, "<think>a</thinking>b</think>c", "a</thinking>b", "c");
    }

    #[test]
    fn marks_that_are_control_tokens_open_anywhere_and_other_control_tokens_vanish() {
        let text = "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b";
        check(&control(), START, text, "a", "b");
        check(&control(), START, "b<|START_THINKING|>a<|END_THINKING|>c", "a", "bc");
        check(&control(), START, "<|START_RESPONSE|>b", "", "b");
    }

    #[test]
    fn the_headers_of_gpt_oss_vanish() {
        let text = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.";
        check(&control(), START, text, "hm", "Yes.");
        check(&control(), START, "<|channel|>final<|message|>Yes.", "", "Yes.");
    }

    #[test]
    fn switched_off_nothing_is_divided() {
        let off = Reasoning::new(&ReasoningMode::Off, Some("<think>"), &[]);
        check(&off, START, "<think>a</think>b", "", "<think>a</think>b");
    }

    #[test]
    fn own_marks_replace_the_known_ones() {
        let mode = ReasoningMode::Marks { start: "{{".to_owned(), end: "}}".to_owned() };
        let own = Reasoning::new(&mode, None, &[]);
        check(&own, START, "{{a}}b", "a", "b");
        check(&own, START, "<think>a</think>b", "", "<think>a</think>b");
    }

    #[test]
    fn white_space_before_the_answer_goes_in_the_plain_form() {
        let plain = Opening::Start { trim: true };
        check(&ordinary(), plain, " Hello \n", "", "Hello \n");
        check(&ordinary(), plain, " <think>a</think>b", "a", "b");
    }

    #[test]
    fn tokens_are_counted_and_logprobs_go_where_their_text_goes() {
        let words = ["<think>", "\n", "hm", "\n", "</think>", "\n\n", "It", " is", " 4"];
        let mut splitter = Splitter::new(ordinary(), START);
        let mut pieces = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let logprob =
                TokenLogprob { token: index as u32, bytes: word.as_bytes().to_vec(), logprob: None, top: Vec::new() };
            pieces.extend(splitter.push(word, [Incoming { bytes: word.len(), logprob: Some(logprob) }]));
        }
        pieces.extend(splitter.finish());
        let tokens = |part| -> Vec<u32> {
            let of_part = pieces.iter().filter(|piece| piece.part == part);
            of_part.flat_map(|piece| &piece.logprobs).map(|logprob| logprob.token).collect()
        };
        assert_eq!(tokens(Part::Reasoning), [0, 1, 2, 3, 4, 5]);
        assert_eq!(tokens(Part::Text), [6, 7, 8]);
        assert_eq!(splitter.reasoning_tokens(), 6);
    }

    #[test]
    fn text_is_held_back_only_while_it_may_become_a_mark() {
        let mut splitter = Splitter::new(ordinary(), THINKING);
        assert_eq!(joined(&splitter.push("a < b </th", []), Part::Reasoning), "a < b ");
        assert_eq!(joined(&splitter.push("e", []), Part::Reasoning), "</the");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_division_of_every_text_gives_the_same_parts(
            text in "(<think>|</think>|<thinking>|\\[THINK\\]|<|/|t|\n| |é|<\\|START_THINKING\\|>|<\\|END_THINKING\\|>|<\\|end\\|>|<\\|channel\\|>|final|analysis|<\\|message\\|>){0,14}",
            cuts in proptest::collection::vec(0.0f64..1.0, 0..6),
            opened in any::<bool>(),
            with_control in any::<bool>(),
        ) {
            let reasoning = if with_control { control() } else { ordinary() };
            let opening = if opened { THINKING } else { START };
            let mut cuts: Vec<usize> = cuts
                .iter()
                .map(|share| (text.len() as f64 * share) as usize)
                .filter(|cut| text.is_char_boundary(*cut))
                .collect();
            cuts.sort_unstable();
            let (thought, said, _) = split(&reasoning, opening, &text, &[]);
            let (a, b, _) = split(&reasoning, opening, &text, &cuts);
            prop_assert_eq!((&a, &b), (&thought, &said));
            let each: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
            let (a, b, tokens) = split(&reasoning, opening, &text, &each);
            prop_assert_eq!((a, b), (thought, said));
            prop_assert!(tokens as usize <= each.len() + 1);
        }
    }
}
