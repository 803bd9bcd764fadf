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
            let open = budget.open.as_deref().unwrap_or_default().as_bytes();
            let said = self.said.trim_ascii_start();
            if said.starts_with(open) {
                self.said.clear();
                self.state = State::Inside(0);
            } else if !open.starts_with(said) {
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
