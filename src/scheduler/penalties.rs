//! What changes logits before a token is chosen: biases, and penalties on tokens seen before.

use std::collections::HashMap;

use tern_engine::Token;

use crate::SamplingParams;

/// Changes the logits of one answer. Counts are kept as tokens arrive, so a step costs as much as there are distinct
/// tokens to change, however long the window.
#[derive(Debug, Clone)]
pub struct Penalties {
    bias: Vec<(Token, f32)>,
    repeat_penalty: f32,
    /// `None` looks at the whole context.
    window_length: Option<usize>,
    presence_penalty: f32,
    frequency_penalty: f32,
    /// How often each token stands in the window.
    window: HashMap<Token, u32>,
    /// How often each token was generated in this answer.
    generated: HashMap<Token, u32>,
}

impl Penalties {
    /// The state after `prompt`.
    pub fn new(params: &SamplingParams, prompt: &[Token]) -> Self {
        let window_length = usize::try_from(params.repeat_last_n).ok();
        let repeats = params.repeat_penalty != 1.0 && window_length != Some(0);
        let mut penalties = Self {
            bias: params.logit_bias.clone(),
            repeat_penalty: if repeats { params.repeat_penalty } else { 1.0 },
            window_length,
            presence_penalty: params.presence_penalty,
            frequency_penalty: params.frequency_penalty,
            window: HashMap::new(),
            generated: HashMap::new(),
        };
        if repeats {
            let start = window_length.map_or(0, |n| prompt.len().saturating_sub(n));
            for &token in &prompt[start..] {
                *penalties.window.entry(token).or_default() += 1;
            }
        }
        penalties
    }

    /// Whether logits are left as they are.
    pub fn is_neutral(&self) -> bool {
        self.bias.is_empty()
            && self.repeat_penalty == 1.0
            && self.presence_penalty == 0.0
            && self.frequency_penalty == 0.0
    }

    /// A token was generated; `tokens` is the whole context with it as the last.
    pub fn accept(&mut self, tokens: &[Token]) {
        let Some(&token) = tokens.last() else { return };
        if self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 {
            *self.generated.entry(token).or_default() += 1;
        }
        if self.repeat_penalty != 1.0 {
            *self.window.entry(token).or_default() += 1;
            let leaving = self.window_length.and_then(|n| tokens.len().checked_sub(n + 1)).map(|i| tokens[i]);
            if let Some(count) = leaving.and_then(|leaving| self.window.get_mut(&leaving)) {
                *count = count.saturating_sub(1);
                self.window.retain(|_, count| *count > 0);
            }
        }
    }

    /// Applies biases, then penalties. Tokens outside `logits` are ignored.
    pub fn apply(&self, logits: &mut [f32]) {
        for &(token, bias) in &self.bias {
            change(logits, token, |logit| logit + bias);
        }
        if self.repeat_penalty != 1.0 {
            for &token in self.window.keys() {
                change(logits, token, |x| if x > 0.0 { x / self.repeat_penalty } else { x * self.repeat_penalty });
            }
        }
        for (&token, &count) in &self.generated {
            change(logits, token, |x| x - self.presence_penalty - self.frequency_penalty * count as f32);
        }
    }
}

fn change(logits: &mut [f32], token: Token, how: impl Fn(f32) -> f32) {
    if let Some(logit) = logits.get_mut(token as usize) {
        // A number stays a number: no penalty forbids a token altogether, so that one always remains.
        if logit.is_finite() {
            *logit = how(*logit).clamp(f32::MIN, f32::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(params: &SamplingParams, prompt: &[Token], generated: &[Token], mut logits: Vec<f32>) -> Vec<f32> {
        let mut penalties = Penalties::new(params, prompt);
        let mut tokens = prompt.to_vec();
        for &token in generated {
            tokens.push(token);
            penalties.accept(&tokens);
        }
        penalties.apply(&mut logits);
        logits
    }

    #[test]
    fn the_repeat_penalty_sees_exactly_the_last_n_tokens_of_prompt_and_answer() {
        let params = SamplingParams { repeat_penalty: 2.0, repeat_last_n: 3, ..Default::default() };
        // The window is [1, 2, 3]: 0 has left it, 1 is still in it although an older 1 has left.
        assert_eq!(after(&params, &[1, 0, 1], &[2, 3], vec![4.0, 4.0, -4.0, 4.0, 4.0]), [4.0, 2.0, -8.0, 2.0, 4.0]);
        let all = SamplingParams { repeat_last_n: -1, ..params.clone() };
        assert_eq!(after(&all, &[1, 0, 1], &[2, 3], vec![4.0; 5]), [2.0, 2.0, 2.0, 2.0, 4.0]);
        let none = SamplingParams { repeat_last_n: 0, ..params };
        assert!(Penalties::new(&none, &[1, 2]).is_neutral());
    }

    #[test]
    fn presence_and_frequency_count_the_answer_and_not_the_prompt() {
        let params = SamplingParams { presence_penalty: 1.0, frequency_penalty: 0.5, ..Default::default() };
        assert_eq!(after(&params, &[0, 0], &[1, 1, 2], vec![4.0; 4]), [4.0, 2.0, 2.5, 4.0]);
    }

    #[test]
    fn a_bias_comes_before_the_penalties() {
        let params = SamplingParams { repeat_penalty: 2.0, logit_bias: vec![(0, 6.0)], ..Default::default() };
        assert_eq!(after(&params, &[0], &[], vec![-4.0]), [1.0]);
    }
}
