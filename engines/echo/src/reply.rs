//! The next token, as a pure function of the tokens before it.
//!
//! A chat prompt ends in `<|im_start|>assistant\n`: the tokens after the last such header are the reply so far, and
//! their number is the place in the script. A raw completion has no header; its reply opens with a twin (see
//! [`crate::vocabulary`]), and the place is the number of tokens since the last twin, that one included. Tokens that
//! sampling chose instead of the script's count like the script's own, so the script goes on behind them.

use tern_engine::{Token, Tokenizer};

use crate::{
    calls,
    images::Seen,
    scripts::{Reply, WORDS},
    vocabulary::{IM_END, IM_START, Vocabulary},
};

const HEADER: &[u8] = b"assistant\n";

/// Where a history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tokens before the reply (and before its header).
    pub prompt: &'a [Token],
    /// The reply so far.
    pub reply: &'a [Token],
    /// How many tokens it has.
    pub position: usize,
    /// Whether there is a header, so that the reply needs no twin.
    pub chat: bool,
}

impl<'a> Place<'a> {
    /// Finds the place that `history` is at. Cost: linear in its length at worst.
    pub fn find(vocabulary: &Vocabulary, history: &'a [Token]) -> Self {
        if let Some(start) = history.iter().rposition(|&token| token == IM_START)
            && let Some(length) = header_length(vocabulary, &history[start + 1..])
        {
            let reply = start + 1 + length;
            return Self {
                prompt: &history[..start],
                reply: &history[reply..],
                position: history.len() - reply,
                chat: true,
            };
        }
        let opening = history.iter().rposition(|&token| vocabulary.is_twin(token)).unwrap_or(history.len());
        Self { prompt: &history[..opening], reply: &history[opening..], position: history.len() - opening, chat: false }
    }
}

/// How many of `tokens` spell the assistant's header, if they begin with it.
fn header_length(vocabulary: &Vocabulary, tokens: &[Token]) -> Option<usize> {
    let mut bytes = Vec::with_capacity(HEADER.len());
    for (i, &token) in tokens.iter().take(HEADER.len()).enumerate() {
        vocabulary.decode(token, true, &mut bytes);
        if bytes == HEADER {
            return Some(i + 1);
        }
        if !HEADER.starts_with(&bytes) {
            return None;
        }
    }
    None
}

/// The token that `reply` says at `place`. `hash` is the hash of the whole history.
pub(crate) fn next_token(vocabulary: &Vocabulary, reply: Reply, place: &Place<'_>, hash: u64, seen: &Seen) -> Token {
    let at = place.position;
    let piece = match reply {
        Reply::LastMessage => {
            let mut tokens = Vec::new();
            vocabulary.encode_bytes(&last_message(vocabulary, place), &mut tokens);
            return opened(vocabulary, place, tokens.get(at).copied());
        }
        Reply::Images => {
            let mut tokens = Vec::new();
            vocabulary.encode_bytes(seen.describe(place.prompt).as_bytes(), &mut tokens);
            return opened(vocabulary, place, tokens.get(at).copied());
        }
        Reply::Pieces(pieces) => pieces.get(at),
        Reply::Cycle(pieces, limit) => pieces.get(at % pieces.len()).filter(|_| limit.is_none_or(|limit| at < limit)),
        Reply::Random(limit) => WORDS.get(hash as usize % WORDS.len()).filter(|_| at < limit),
        Reply::Thinking(words) => {
            let over = |token: &Token| vocabulary.token(calls::THINK_END) == Some(*token);
            match place.reply.iter().rposition(over) {
                Some(end) => calls::THOUGHT_OVER.get(at - end - 1),
                None if at == 0 => Some(&calls::THINK),
                None if at <= words => WORDS.get((at - 1) % WORDS.len()),
                None => Some(&calls::THINK_END),
            }
        }
        Reply::Calls(pieces) => {
            let message = last_message(vocabulary, place);
            let answered = message.windows(b"<tool_response>".len()).any(|window| window == b"<tool_response>");
            if answered { calls::ANSWER.get(at) } else { pieces.get(at) }
        }
        Reply::Silent => None,
    };
    let token = piece.map(|piece| vocabulary.token(piece).expect("every scripted piece is in the vocabulary"));
    opened(vocabulary, place, token)
}

fn opened(vocabulary: &Vocabulary, place: &Place<'_>, token: Option<Token>) -> Token {
    let token = token.unwrap_or(IM_END);
    if !place.chat && place.position == 0 { vocabulary.twin(token) } else { token }
}

/// What the model answers to: the content of the last user message, or the last line of a raw prompt. In a prompt
/// of `User: ...` and `Assistant:` lines, as made for models without a template, the last user line.
fn last_message(vocabulary: &Vocabulary, place: &Place<'_>) -> Vec<u8> {
    if place.chat {
        let mut end = place.prompt.len();
        while let Some(start) = place.prompt[..end].iter().rposition(|&token| token == IM_START) {
            let body = &place.prompt[start + 1..end];
            let body = body.split(|&token| token == IM_END).next().unwrap_or_default();
            if let Some(content) = vocabulary.text(body).strip_prefix(b"user\n") {
                return content.to_vec();
            }
            end = start;
        }
        return Vec::new();
    }
    let text = vocabulary.text(place.prompt);
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).rev();
    let line = lines.find(|line| *line != b"Assistant:").unwrap_or_default();
    line.strip_prefix(b"User:").unwrap_or(line).trim_ascii_start().to_vec()
}

/// Fills a row of logits: the script's token first, then [`RUNNERS_UP`] words, then everything else far below.
///
/// With temperature 1 the script's token has a probability of about 0.73 and the runners-up share nearly all of the
/// rest, so that greedy decoding follows the script and seeds differ.
pub(crate) fn fill_logits(
    vocabulary: &Vocabulary,
    reply: Reply,
    history: &[Token],
    hash: u64,
    seen: &Seen,
    row: &mut [f32],
) {
    let place = Place::find(vocabulary, history);
    let token = next_token(vocabulary, reply, &place, hash, seen);
    for (id, logit) in row.iter_mut().enumerate() {
        *logit = -12.0 + noise(hash, id as u64);
    }
    let opening = !place.chat && place.position == 0;
    let mut picked = 0;
    for step in 0..WORDS.len() {
        let word = WORDS[(hash as usize).wrapping_add(step) % WORDS.len()];
        let word = vocabulary.token(word).expect("every common word is in the vocabulary");
        let word = if opening { vocabulary.twin(word) } else { word };
        if word != token && picked < RUNNERS_UP {
            row[word as usize] = 5.5 - 0.25 * picked as f32 + 0.1 * noise(hash, word.into());
            picked += 1;
        }
    }
    row[token as usize] = 8.0 + 0.1 * noise(hash, token.into());
}

/// How many words stand behind the script's token.
pub(crate) const RUNNERS_UP: usize = 16;

/// The hash of a history, one token at a time.
pub(crate) fn extend_hash(hash: u64, token: Token) -> u64 {
    mix(hash ^ (u64::from(token) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A number in 0..1 from two.
pub(crate) fn noise(hash: u64, id: u64) -> f32 {
    (mix(hash ^ id.wrapping_mul(0xD6E8_FEB8_6659_FD93)) >> 40) as f32 / (1_u64 << 24) as f32
}

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes about half of the output bits.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the top logit until the reply ends.
    fn check(reply: Reply, prompt: &str, expected: &str) {
        let vocabulary = Vocabulary::shared();
        let mut history = vocabulary.encode(prompt, true, true).unwrap();
        let prompt_tokens = history.len();
        let mut row = vec![0.0; vocabulary.vocab_size()];
        loop {
            let hash = history.iter().fold(0, |hash, &token| extend_hash(hash, token));
            fill_logits(vocabulary, reply, &history, hash, &Seen::default(), &mut row);
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as Token;
            if vocabulary.is_end_of_generation(best) {
                break;
            }
            history.push(best);
        }
        assert_eq!(String::from_utf8(vocabulary.text(&history[prompt_tokens..])).unwrap(), expected);
    }

    #[test]
    fn a_chat_gets_its_last_user_message_back() {
        let prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nfirst<|im_end|>\n\
            <|im_start|>assistant\nfirst<|im_end|>\n<|im_start|>user\nnow\nthis, in Zürich<|im_end|>\n\
            <|im_start|>assistant\n";
        check(Reply::LastMessage, prompt, "now\nthis, in Zürich");
    }

    #[test]
    fn a_chat_without_a_user_message_ends_at_once() {
        check(Reply::LastMessage, "<|im_start|>system\nx<|im_end|>\n<|im_start|>assistant\n", "");
    }

    #[test]
    fn a_raw_prompt_gets_its_last_line_back() {
        check(Reply::LastMessage, "one line\nOnce upon a time", "Once upon a time");
    }

    #[test]
    fn a_plain_dialogue_gets_the_users_line_back() {
        check(Reply::LastMessage, "System: Be brief.\nUser: the question\nAssistant:", "the question");
    }

    #[test]
    fn a_raw_prompt_that_quotes_the_script_does_not_move_its_place() {
        check(Reply::Pieces(crate::scripts::PIECES), "Hello from the", "Hello from the echo engine: one, two, three.");
    }

    #[test]
    fn a_tool_response_is_answered() {
        let call = "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zurich\"}}";
        let question = "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n";
        check(Reply::Calls(calls::ONE), question, &format!("<tool_call>\n{call}\n</tool_call>"));
        let prompt = "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n<|im_start|>assistant\n";
        check(Reply::Calls(calls::ONE), prompt, "The weather in Zurich is sunny.");
    }

    #[test]
    fn the_scripts_token_has_most_of_the_probability_and_not_all() {
        let vocabulary = Vocabulary::shared();
        let mut row = vec![0.0_f32; vocabulary.vocab_size()];
        fill_logits(vocabulary, Reply::Cycle(WORDS, None), &[IM_START], 7, &Seen::default(), &mut row);
        let total: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        let top = row.iter().map(|&logit| f64::from(logit).exp()).fold(0.0, f64::max) / total;
        assert!((0.65..0.8).contains(&top), "{top}");
    }
}
