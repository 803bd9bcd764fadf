//! The events of a turn, gathered: for whoever wants its answers in one piece.

use tern_scheduler::{FinishReason, Summary, TokenLogprob};

use crate::{ToolCall, TurnEvent};

/// One answer, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The text; empty beside tool calls, if the model says nothing else.
    pub text: String,
    /// The reasoning before it.
    pub reasoning: Option<String>,
    /// The tools it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Of all its tokens, when they were asked for.
    pub logprobs: Vec<TokenLogprob>,
    /// Why it ended; `None` while it goes on.
    pub finish: Option<FinishReason>,
}

/// A turn that has ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// One entry for each answer.
    pub answers: Vec<Answer>,
    /// Counts and times.
    pub summary: Summary,
    /// Of the completion tokens, those of reasoning.
    pub reasoning_tokens: u32,
}

/// Adds what `event` says to the answer it is about, and the answers before it that have said nothing yet.
pub fn gather(answers: &mut Vec<Answer>, event: TurnEvent) {
    fn of(answers: &mut Vec<Answer>, choice: u32) -> &mut Answer {
        let index = choice as usize;
        answers.resize_with(answers.len().max(index + 1), Answer::default);
        &mut answers[index]
    }
    match event {
        TurnEvent::Text(delta) => {
            let answer = of(answers, delta.choice);
            answer.text.push_str(&delta.text);
            answer.logprobs.extend(delta.logprobs);
        }
        TurnEvent::Reasoning(delta) => {
            let answer = of(answers, delta.choice);
            answer.reasoning.get_or_insert_default().push_str(&delta.text);
            answer.logprobs.extend(delta.logprobs);
        }
        TurnEvent::ToolCall { choice, id, name, .. } => {
            of(answers, choice).tool_calls.push(ToolCall { id, name, arguments: String::new() });
        }
        TurnEvent::Arguments { index, delta } => {
            let answer = of(answers, delta.choice);
            if let Some(call) = answer.tool_calls.get_mut(index as usize) {
                call.arguments.push_str(&delta.text);
            }
            answer.logprobs.extend(delta.logprobs);
        }
        TurnEvent::Finish { choice, reason, .. } => of(answers, choice).finish = Some(reason),
        TurnEvent::Prefill(_) | TurnEvent::End { .. } | TurnEvent::Failed(_) => {}
    }
}
