//! Ends the reasoning of an answer when its budget is spent.

use tern_engine::{Token, Tokenizer};

use crate::ThinkingBudget;

/// Where an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space, or a part of the opening mark, has come.
    Start,
    /// In the reasoning, so many tokens deep.
    Inside(u32),
    /// So many tokens of the closing were forced.
    Closing(usize),
    /// Reasoning is over, or never began.
    Over,
}

/// Watches the reasoning of one answer.
#[derive(Debug)]
pub struct Watch {
    state: State,
    /// What was said in this state, as far as a mark may lie in it; control tokens are spelled.
    said: Vec<u8>,
}

impl Watch {
    /// For an answer that has nothing yet.
    pub fn new(budget: Option<&ThinkingBudget>) -> Self {
        let state = match budget {
            None => State::Over,
            Some(budget) if budget.open.is_some() => State::Start,
            Some(_) => State::Inside(0),
        };
        Self { state, said: Vec::new() }
    }

    /// The token that must come next, if the budget is spent.
    pub fn forced(&self, budget: Option<&ThinkingBudget>) -> Option<Token> {
        let budget = budget?;
        match self.state {
            State::Inside(depth) if depth >= budget.tokens => budget.closing.first().copied(),
            State::Closing(done) => budget.closing.get(done).copied(),
            _ => None,
        }
    }

    /// Takes in the token that came. `forced` is whether it had to.
    pub fn accept(&mut self, budget: Option<&ThinkingBudget>, token: Token, forced: bool, tokenizer: &dyn Tokenizer) {
        let Some(budget) = budget else { return };
        if forced {
            let done = if let State::Closing(done) = self.state { done + 1 } else { 1 };
            self.state = if done < budget.closing.len() { State::Closing(done) } else { State::Over };
            return;
        }
        if self.state == State::Over {
            return;
        }
        tokenizer.decode(token, true, &mut self.said);
        if self.state == State::Start {
            let open = budget.open.as_deref().unwrap_or_default();
            // A character may be incomplete yet.
            let whole = self.said.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let said = whole.trim_start();
            let incomplete = whole.len() < self.said.len() && said.is_empty();
            if said.starts_with(open) {
                self.said.clear();
                self.state = State::Inside(0);
            } else if !open.starts_with(said) || (whole.len() < self.said.len() && !incomplete) {
                self.state = State::Over;
            }
        } else if let State::Inside(depth) = self.state {
            let close = budget.close.as_bytes();
            if self.said.windows(close.len()).any(|window| window == close) {
                self.state = State::Over;
            } else {
                self.state = State::Inside(depth + 1);
                let keep = self.said.len().saturating_sub(close.len());
                self.said.drain(..keep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tern_echo::Vocabulary;

    use super::*;

    /// What an answer becomes whose model wants to say `said`, as text.
    fn bounded(tokens: u32, open: Option<&str>, said: &str) -> String {
        let vocabulary = Vocabulary::shared().as_ref();
        let encode = |text: &str| vocabulary.encode(text, false, true).unwrap();
        let budget = ThinkingBudget {
            tokens,
            open: open.map(Into::into),
            close: "</think>".into(),
            closing: encode("\n</think>\n"),
        };
        let mut watch = Watch::new(Some(&budget));
        let mut answer = Vec::new();
        for said in encode(said) {
            while let Some(forced) = watch.forced(Some(&budget)) {
                watch.accept(Some(&budget), forced, true, vocabulary);
                vocabulary.decode(forced, true, &mut answer);
            }
            watch.accept(Some(&budget), said, false, vocabulary);
            vocabulary.decode(said, true, &mut answer);
        }
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn reasoning_is_closed_when_its_tokens_are_spent() {
        assert_eq!(bounded(2, Some("<think>"), "\n<think> the of and"), "\n<think> the of\n</think>\n and");
        assert_eq!(bounded(2, None, " the of and to"), " the of\n</think>\n and to");
        assert_eq!(bounded(0, None, " the of"), "\n</think>\n the of");
        // White space of several bytes.
        assert_eq!(bounded(1, Some("<think>"), "\u{2003}<think> the of"), "\u{2003}<think> the\n</think>\n of");
    }

    #[test]
    fn reasoning_that_ends_in_time_and_text_without_reasoning_are_left_alone() {
        for said in ["<think> the of</think> and to in is it was", " the <think> of and to", "<thin the of and to"] {
            assert_eq!(bounded(3, Some("<think>"), said), said);
        }
        let all = Watch::new(None);
        assert_eq!(all.forced(None), None);
    }
}
