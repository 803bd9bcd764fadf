//! A dialogue that does not fit is shortened at its beginning, if that is asked for.
//!
//! Instructions stay, the person's last message stays, and so does what the model is about to answer. What goes first
//! is the oldest turn: a message of the person with everything up to the next one. If the last turn alone is too long
//! (an agent at work), its own oldest steps go: an answer with the results of the tools it called, never one without
//! the other.

use std::ops::Range;

use crate::{ChatModel, Message, Rendered, Role, TurnError, TurnRequest};

impl ChatModel {
    /// The prompt for a dialogue in a context of so many tokens, and how many messages were left out of it: with
    /// [`TurnRequest::truncate`] as many as must be; else none, however long the prompt is.
    ///
    /// Of a dialogue that fits nothing is left out. One that does not is shortened until there is also room for an
    /// answer: for `max_tokens`, or an eighth of the context, and never more than half of it.
    ///
    /// # Errors
    /// As [`ChatModel::render`].
    pub fn fit(&self, turn: &TurnRequest, context_length: u32) -> Result<(Rendered, u32), TurnError> {
        let whole = self.render(turn)?;
        // A prompt may fill the context but for the first token of its answer.
        if !turn.truncate || whole.tokens.len() < context_length as usize {
            return Ok((whole, 0));
        }
        let units = units(&turn.messages);
        let answer = turn.generation.max_tokens.unwrap_or(context_length / 8).clamp(1, (context_length / 2).max(1));
        let most = (context_length - answer.min(context_length)) as usize;
        let (mut best, mut low, mut high) = (None, 1, units.len());
        // The fewest units, from the oldest, without which it fits.
        while low <= high {
            let count = low.midpoint(high);
            let shorter = TurnRequest { messages: without(&turn.messages, &units[..count]), ..turn.clone() };
            let rendered = self.render(&shorter)?;
            let fits = rendered.tokens.len() <= most;
            if fits || count == units.len() {
                best = Some((rendered, (turn.messages.len() - shorter.messages.len()) as u32));
            }
            if fits {
                high = count - 1;
            } else {
                low = count + 1;
            }
        }
        // Without anything to leave out the scheduler says what is wrong, with the numbers.
        Ok(best.unwrap_or((whole, 0)))
    }
}

/// What may be left out, the oldest first, as ranges of messages. Instructions in a range stay all the same.
fn units(messages: &[Message]) -> Vec<Range<usize>> {
    let last_user = messages.iter().rposition(|message| message.role == Role::User);
    let first = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
    let mut units = Vec::new();
    if let Some(last) = last_user {
        let mut from = first.min(last);
        for (at, message) in messages.iter().enumerate().take(last + 1).skip(first) {
            if at > from && message.role == Role::User {
                units.push(from..at);
                from = at;
            }
        }
    }
    // Steps of the last turn, but for the newest: the model goes on from there.
    let start = last_user.map_or(first, |last| last + 1);
    let mut from = start;
    for (at, message) in messages.iter().enumerate().skip(start + 1) {
        if message.role == Role::Assistant {
            units.push(from..at);
            from = at;
        }
    }
    units
}

fn without(messages: &[Message], units: &[Range<usize>]) -> Vec<Message> {
    let goes = |at: usize| units.iter().any(|unit| unit.contains(&at));
    let kept = messages.iter().enumerate().filter(|(at, message)| message.role == Role::System || !goes(*at));
    kept.map(|(_, message)| message.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dialogue in letters: s, u, a and t for the roles.
    fn dialogue(letters: &str) -> Vec<Message> {
        let role = |letter| match letter {
            's' => Role::System,
            'u' => Role::User,
            'a' => Role::Assistant,
            _ => Role::Tool,
        };
        letters.chars().map(|letter| Message::text(role(letter), "x")).collect()
    }

    #[test]
    fn turns_go_whole_and_steps_with_their_results() {
        let check = |letters: &str, expected: &[(usize, usize)]| {
            let found: Vec<_> = units(&dialogue(letters)).into_iter().map(|unit| (unit.start, unit.end)).collect();
            assert_eq!(found, expected, "{letters}");
        };
        check("u", &[]);
        check("su", &[]);
        check("suauau", &[(1, 3), (3, 5)]);
        check("suatattuau", &[(1, 7), (7, 9)]);
        // The model spoke first.
        check("satu", &[(1, 3)]);
        // An agent: the newest step stays.
        check("suatattat", &[(2, 4), (4, 7)]);
        check("uaua", &[(0, 2)]);
        // Nobody asked anything.
        check("satat", &[(1, 3)]);
        check("atat", &[(0, 2)]);
        check("sa", &[]);
        check("s", &[]);
    }

    #[test]
    fn instructions_stay_wherever_they_stand() {
        let messages = dialogue("suasuau");
        let kept = without(&messages, &units(&messages));
        let roles: Vec<_> = kept.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::System, Role::User]);
    }
}
