//! What people think of the answers.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{CompareError, CompareRequest};

/// Longest notes, in characters.
const MAX_NOTES: usize = 20_000;

/// Votes and notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Judgement {
    /// A vote for each prompt, at most.
    pub votes: Vec<Vote>,
    /// Free text.
    pub notes: String,
}

/// Which answer to a prompt is best.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Vote {
    /// Which prompt, from 0.
    pub prompt: usize,
    /// Number of the column, from 0; `tie`; or `bad`, for all.
    pub vote: String,
    /// Whether the models' names were hidden when it was given.
    pub blind: bool,
}

impl Judgement {
    /// Checks it against the comparison it is about.
    pub(crate) fn check(&self, request: &CompareRequest) -> Result<(), CompareError> {
        let mut seen = HashSet::new();
        for (index, vote) in self.votes.iter().enumerate() {
            let refuse = |field: &str, message: String| {
                let place = format!("judgement.votes[{index}].{field}");
                Err(CompareError::invalid(&place, format!("{place} {message}")))
            };
            if vote.prompt >= request.prompts.len() {
                let most = request.prompts.len() - 1;
                return refuse("prompt", format!("is {}; the prompts are numbered 0 to {most}", vote.prompt));
            }
            if !seen.insert(vote.prompt) {
                return refuse("prompt", format!("is {} a second time; a prompt has one vote", vote.prompt));
            }
            let column = (0..request.columns.len()).any(|column| vote.vote == column.to_string());
            if !column && !matches!(vote.vote.as_str(), "tie" | "bad") {
                let shown: String = vote.vote.chars().take(40).collect();
                let most = request.columns.len() - 1;
                let message = format!("is \"{shown}\"; known are the columns \"0\" to \"{most}\", \"tie\" and \"bad\"");
                return refuse("vote", message);
            }
        }
        if self.notes.chars().count() > MAX_NOTES {
            let message = format!("judgement.notes has more than {MAX_NOTES} characters");
            return Err(CompareError::invalid("judgement.notes", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    #[test]
    fn a_vote_is_for_a_column_a_tie_or_none_and_once_a_prompt() {
        let request = CompareRequest {
            prompts: vec!["a".into(), "b".into()],
            columns: vec![Column::default(), Column::default()],
            ..CompareRequest::default()
        };
        let check = |votes: &[(usize, &str)]| {
            let vote = |(prompt, vote): &(usize, &str)| Vote { prompt: *prompt, vote: (*vote).into(), blind: false };
            let judgement = Judgement { votes: votes.iter().map(vote).collect(), notes: String::new() };
            match judgement.check(&request) {
                Ok(()) => None,
                Err(CompareError::Invalid { param, .. }) => Some(param),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(check(&[(0, "1"), (1, "tie")]), None);
        assert_eq!(check(&[(0, "bad")]), None);
        assert_eq!(check(&[(0, "2")]).as_deref(), Some("judgement.votes[0].vote"));
        assert_eq!(check(&[(0, "01")]).as_deref(), Some("judgement.votes[0].vote"));
        assert_eq!(check(&[(0, "1"), (2, "1")]).as_deref(), Some("judgement.votes[1].prompt"));
        assert_eq!(check(&[(0, "1"), (0, "0")]).as_deref(), Some("judgement.votes[1].prompt"));
        let notes = Judgement { notes: "x".repeat(MAX_NOTES + 1), ..Judgement::default() };
        assert!(notes.check(&request).is_err());
    }
}
