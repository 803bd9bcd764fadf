//! The answer to one window, at one temperature or at the first that gives a good one.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use tern_engine::{EngineError, Token, Tokenizer};

use super::{
    config::{Config, Special},
    model::{Model, State},
    rules,
};

/// Text that compresses better than this repeats itself.
const COMPRESSION: f32 = 2.4;
/// Text less likely than this, a token, is guessed.
const LOGPROB: f32 = -1.0;
/// Above this probability of silence, and with unlikely text, nothing is said.
pub(super) const NO_SPEECH: f32 = 0.6;
const TEMPERATURES: [f32; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// What a window says.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub tokens: Vec<Token>,
    pub temperature: f32,
    pub avg_logprob: f32,
    pub compression_ratio: f32,
    pub no_speech_prob: f32,
}

impl Answer {
    fn is_silence(&self) -> bool {
        self.no_speech_prob > NO_SPEECH && self.avg_logprob < LOGPROB
    }

    fn is_bad(&self) -> bool {
        (self.compression_ratio > COMPRESSION || self.avg_logprob < LOGPROB) && !self.is_silence()
    }

    /// Whether the window is to be skipped: silence, and nothing likely was understood.
    pub fn says_nothing(&self) -> bool {
        self.no_speech_prob > NO_SPEECH && self.avg_logprob <= LOGPROB
    }
}

/// What an answer begins with.
pub(super) struct Opening<'a> {
    /// Start, language, task.
    pub start: &'a [Token],
    /// What was said before; its end, where it is too long.
    pub before: &'a [Token],
}

/// Decodes windows.
pub(super) struct Speaker<'a> {
    pub config: &'a Config,
    pub special: &'a Special,
    pub tokenizer: &'a dyn Tokenizer,
    pub model: &'a Model,
    pub cancelled: &'a dyn Fn() -> bool,
}

impl Speaker<'_> {
    /// The first good answer as the temperature rises, or the last; at a given temperature that one only.
    pub fn answer(
        &self,
        state: &mut State,
        opening: &Opening<'_>,
        temperature: Option<f32>,
        random: &mut Random,
    ) -> Result<Answer, EngineError> {
        let given = temperature.filter(|&temperature| temperature > 0.0);
        let temperatures = given.as_ref().map_or(&TEMPERATURES[..], std::slice::from_ref);
        let mut answer = Answer::default();
        for &temperature in temperatures {
            answer = self.once(state, opening, temperature, random)?;
            if !answer.is_bad() {
                break;
            }
        }
        Ok(answer)
    }

    /// The answer at one temperature.
    pub(super) fn once(
        &self,
        state: &mut State,
        opening: &Opening<'_>,
        temperature: f32,
        random: &mut Random,
    ) -> Result<Answer, EngineError> {
        let room = self.config.context / 2;
        let mut prompt = Vec::new();
        if let Some(previous) = self.special.previous.filter(|_| !opening.before.is_empty()) {
            let from = opening.before.len().saturating_sub(room - 1);
            prompt.push(previous);
            prompt.extend_from_slice(&opening.before[from..]);
        }
        let start_at = prompt.len();
        prompt.extend_from_slice(opening.start);
        state.forget();
        // Silence is told by what comes behind the very first token of the answer.
        let heard = self.model.say(&prompt[..=start_at], state)?;
        let no_speech_prob = self.special.no_speech.map_or(0.0, |token| {
            let chance = rules::log_softmax(&heard).get(token as usize).map_or(0.0, |log| log.exp());
            if chance.is_finite() { chance } else { 0.0 }
        });
        let mut logits = match &prompt[start_at + 1..] {
            [] => heard,
            rest => self.model.say(rest, state)?,
        };
        let most = room.min(self.config.context - prompt.len());
        let mut said = Vec::new();
        let mut sum = 0.0;
        loop {
            if (self.cancelled)() {
                return Err(EngineError::Cancelled);
            }
            rules::apply(&mut logits, &said, self.special);
            let token = if temperature > 0.0 { random.choose(&logits, temperature) } else { likeliest(&logits) };
            sum += rules::log_softmax(&logits)[token as usize];
            if !sum.is_finite() {
                return Err(EngineError::Failed("the model computes no numbers: its weights are damaged".into()));
            }
            if token == self.special.end {
                break;
            }
            said.push(token);
            if said.len() == most {
                break;
            }
            logits = self.model.say(&[token], state)?;
        }
        let text = text(&said, self.special, self.tokenizer);
        Ok(Answer {
            avg_logprob: sum / (said.len() + 1) as f32,
            compression_ratio: compression_ratio(text.trim()),
            tokens: said,
            temperature,
            no_speech_prob,
        })
    }

    /// The language that is likeliest to be spoken.
    pub fn language(&self, state: &mut State) -> Result<Option<(String, Token)>, EngineError> {
        if self.special.languages.is_empty() {
            return Ok(None);
        }
        state.forget();
        let logits = self.model.say(&[self.special.start], state)?;
        let of = |token: Token| logits[token as usize];
        let likeliest = self.special.languages.iter().max_by(|a, b| of(a.1).total_cmp(&of(b.1)));
        Ok(likeliest.cloned())
    }
}

/// What tokens say, without timestamps and other special ones.
pub(super) fn text(tokens: &[Token], special: &Special, tokenizer: &dyn Tokenizer) -> String {
    let mut bytes = Vec::new();
    tokens.iter().filter(|&&token| token < special.end).for_each(|&token| tokenizer.decode(token, true, &mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn likeliest(logits: &[f32]) -> Token {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = at;
        }
    }
    best as Token
}

/// Length by the length compressed; 0 for no text.
pub(super) fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    compressed.map_or(0.0, |bytes| text.len() as f32 / bytes.len() as f32)
}

/// Random numbers (SplitMix64): the same for the same recording, so that it is always understood alike.
pub(super) struct Random(pub u64);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 40) as f32 / (1u64 << 24) as f32
    }

    fn choose(&mut self, logits: &[f32], temperature: f32) -> Token {
        let best = likeliest(logits);
        let most = logits[best as usize];
        let weight = |logit: f32| f64::from(((logit - most) / temperature).exp());
        let mut left = f64::from(self.unit()) * logits.iter().map(|&logit| weight(logit)).sum::<f64>();
        for (token, &logit) in logits.iter().enumerate() {
            let weight = weight(logit);
            left -= weight;
            if left < 0.0 && weight > 0.0 {
                return token as Token;
            }
        }
        best
    }
}
