//! When each word is said: the decoder's attention to what is heard, and the cheapest way through it (dynamic time warping).

use candle_core::Tensor;
use tern_engine::{EngineError, Token};

use super::{
    model::State,
    rules,
    window::Speaker,
    words::{Word, split},
};
use crate::source::plain;

/// Positions of the encoder in a second.
const POSITIONS_A_SECOND: f32 = 50.0;
/// Width of the median that smooths attention over time.
const MEDIAN: usize = 7;

/// A word, when it is said within the window (seconds), and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timed {
    pub word: Word,
    pub start: f32,
    pub end: f32,
    pub probability: f32,
}

impl Speaker<'_> {
    /// Times of the words of each segment's tokens (text only) in a window of which `positions` positions are of the
    /// recording. They are looked for together; no word reaches over the border of a segment.
    pub fn times(
        &self,
        state: &mut State,
        start: &[Token],
        segments: &[Vec<Token>],
        language: &str,
        positions: usize,
    ) -> Result<Vec<Vec<Timed>>, EngineError> {
        let tokens = &*segments.concat();
        if tokens.is_empty() || positions == 0 {
            return Ok(vec![Vec::new(); segments.len()]);
        }
        let mut all = start.to_vec();
        all.push(self.special.no_timestamps);
        all.extend_from_slice(tokens);
        all.push(self.special.end);
        if all.len() > self.config.context {
            return Err(EngineError::Failed(format!(
                "{} tokens in a window, at most {}",
                all.len(),
                self.config.context
            )));
        }
        let mut layers = vec![false; self.config.decoder_layers];
        self.special.alignment_heads.iter().for_each(|&(layer, _)| layers[layer] = true);
        state.forget();
        let said = self.model.say_all(&all, state, &layers)?;
        let failed = |error: candle_core::Error| EngineError::Failed(plain(&error));
        let probabilities = probabilities(&said.logits, start.len(), tokens, self.special.end).map_err(failed)?;
        // A row for each text token and one for the end: where the model looked when it chose it.
        let rows = start.len()..all.len() - 1;
        let mut cost = vec![0f32; rows.len() * positions];
        for &(layer, head) in &self.special.alignment_heads {
            let Some(scores) = &said.scores[layer] else { continue };
            let scores = scores.get(head).and_then(|scores| scores.to_vec2::<f32>()).map_err(failed)?;
            let weights = normalised(&scores, positions);
            for (cost, row) in cost.chunks_exact_mut(positions).zip(&weights[rows.clone()]) {
                cost.iter_mut().zip(row).for_each(|(cost, weight)| *cost -= weight);
            }
        }
        let path = warp(&cost, positions);
        let mut at = 0;
        let of_segment = |tokens: &Vec<Token>| {
            let from = at;
            at += tokens.len();
            timed(self, tokens, language, &path[from..], &probabilities[from..])
        };
        Ok(segments.iter().map(of_segment).collect())
    }
}

fn probabilities(logits: &Tensor, from: usize, tokens: &[Token], end: Token) -> candle_core::Result<Vec<f32>> {
    let logits: Vec<Vec<f32>> = logits.narrow(0, from, tokens.len())?.to_vec2()?;
    let of = |(row, &token): (&Vec<f32>, &Token)| rules::log_softmax(&row[..end as usize])[token as usize].exp();
    Ok(logits.iter().zip(tokens).map(of).collect())
}

/// The softmax over the positions of the recording, each position then with mean 0 and deviation 1 over all tokens, smoothed.
fn normalised(scores: &[Vec<f32>], positions: usize) -> Vec<Vec<f32>> {
    let mut rows: Vec<Vec<f32>> = scores
        .iter()
        .map(|row| rules::log_softmax(&row[..positions.min(row.len())]).into_iter().map(f32::exp).collect())
        .collect();
    let count = rows.len() as f32;
    for at in 0..positions {
        let mean = rows.iter().map(|row| row[at]).sum::<f32>() / count;
        let variance = rows.iter().map(|row| (row[at] - mean).powi(2)).sum::<f32>() / count;
        let deviation = variance.sqrt().max(f32::MIN_POSITIVE);
        rows.iter_mut().for_each(|row| row[at] = (row[at] - mean) / deviation);
    }
    rows.iter().map(|row| median(row)).collect()
}

/// The median of each value and its neighbours, reflected at the ends.
fn median(row: &[f32]) -> Vec<f32> {
    let half = MEDIAN / 2;
    if row.len() <= half {
        return row.to_vec();
    }
    let last = row.len() as i64 - 1;
    let at = |at: i64| {
        let at = at.abs();
        row[if at > last { 2 * last - at } else { at } as usize]
    };
    let middle = |center: usize| {
        let mut around: [f32; MEDIAN] = std::array::from_fn(|step| at(center as i64 + step as i64 - half as i64));
        around.sort_unstable_by(f32::total_cmp);
        around[half]
    };
    (0..row.len()).map(middle).collect()
}

/// The cheapest way from the first token and position to the last of both, in single steps: for each token its first position.
pub(super) fn warp(cost: &[f32], positions: usize) -> Vec<usize> {
    let tokens = cost.len() / positions;
    let wide = positions + 1;
    let mut sums = vec![f32::INFINITY; (tokens + 1) * wide];
    // 0: both steps; 1: the token's; 2: the position's. As the reference decides where sums are equal.
    let mut steps = vec![2u8; (tokens + 1) * wide];
    sums[0] = 0.0;
    for position in 1..wide {
        for token in 1..=tokens {
            let at = token * wide + position;
            let (both, one, other) = (sums[at - wide - 1], sums[at - wide], sums[at - 1]);
            let (before, step) = if both < one && both < other {
                (both, 0)
            } else if one < both && one < other {
                (one, 1)
            } else {
                (other, 2)
            };
            sums[at] = cost[(token - 1) * positions + position - 1] + before;
            steps[at] = step;
        }
    }
    steps[1..wide].fill(2);
    (1..=tokens).for_each(|token| steps[token * wide] = 1);
    let mut first = vec![0; tokens];
    let (mut token, mut position) = (tokens, positions);
    while token > 0 || position > 0 {
        if token > 0 && position > 0 {
            first[token - 1] = position - 1;
        }
        match steps[token * wide + position] {
            0 => (token, position) = (token - 1, position - 1),
            1 => token -= 1,
            _ => position -= 1,
        }
    }
    first
}

/// `first` has a position for each text token, and one for the end.
fn timed(
    speaker: &Speaker<'_>,
    tokens: &[Token],
    language: &str,
    first: &[usize],
    probabilities: &[f32],
) -> Vec<Timed> {
    let mut at = 0;
    split(tokens, language, speaker.tokenizer)
        .into_iter()
        .map(|word| {
            let from = at;
            at += word.tokens.len();
            let seconds = |at: usize| first[at] as f32 / POSITIONS_A_SECOND;
            let probability = probabilities[from..at].iter().sum::<f32>() / (at - from).max(1) as f32;
            Timed { word, start: seconds(from), end: seconds(at), probability }
        })
        .collect()
}
