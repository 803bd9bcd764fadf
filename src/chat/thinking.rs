//! How much a model thinks before it answers: levels of effort, and the budget that the scheduler keeps.

use tern_engine::Tokenizer;
use tern_scheduler::ThinkingBudget;

use crate::{
    Thinking,
    reasoning::{Opening, Reasoning},
};

impl Thinking {
    /// The levels of OpenAI's `reasoning_effort`.
    pub const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];

    /// What a level of effort means. The least budget that other servers take is 1,024 tokens, which is `low`; each
    /// level has four times the tokens of the one below. At the 20 tokens a second of a small model on a processor,
    /// `medium` is a wait of three minutes at most. `xhigh` has no bound but that of the answer.
    pub fn of_effort(effort: &str) -> Option<Self> {
        let budget = |budget| Self { enabled: Some(true), budget };
        Some(match effort {
            "none" => Self { enabled: Some(false), budget: Some(0) },
            "minimal" => budget(Some(256)),
            "low" => budget(Some(1024)),
            "medium" => budget(Some(4096)),
            "high" => budget(Some(16_384)),
            "xhigh" => budget(None),
            _ => return None,
        })
    }
}

/// The budget for an answer that starts at `opening`; `None` if there is no bound, or nothing to bound.
pub fn budget(
    thinking: Thinking,
    reasoning: &Reasoning,
    opening: Opening,
    tokenizer: &dyn Tokenizer,
) -> Option<ThinkingBudget> {
    let tokens = if thinking.enabled == Some(false) { 0 } else { thinking.budget? };
    let (pair, open) = match opening {
        Opening::Reasoning(index) => (&reasoning.pairs()[index], false),
        Opening::Start { .. } => (reasoning.pairs().iter().find(|pair| pair.in_template)?, true),
        Opening::Text => return None,
    };
    // gpt-oss says in a header of its own that the answer comes.
    let behind = if pair.end == "<|end|>" { "<|start|>assistant<|channel|>final<|message|>" } else { "\n\n" };
    let closing = tokenizer.encode(&format!("\n{}{behind}", pair.end), false, true).ok()?;
    Some(ThinkingBudget { tokens, open: open.then(|| pair.start.clone()), close: pair.end.clone(), closing })
}
