//! What a request must look like to be accepted. Ranges are checked here once; the rest of the crate relies on them.

use tern_engine::{DecoderLimits, Tokenizer};

use crate::{GenerateError, GenerateRequest};

/// Most answers to one request.
pub const MAX_CHOICES: u32 = 128;
/// Most alternatives reported for a token.
pub const MAX_LOGPROBS: u32 = 20;

/// Checks everything that can be known before the request runs.
pub(crate) fn validate(
    request: &GenerateRequest,
    limits: &DecoderLimits,
    tokenizer: &dyn Tokenizer,
) -> Result<(), GenerateError> {
    let sampling = &request.sampling;
    check(!request.prompt.is_empty(), "prompt", || "the prompt is empty; it needs at least one token".into())?;
    let prompt_tokens = request.prompt.len() as u32;
    if prompt_tokens >= limits.context_length {
        return Err(GenerateError::ContextLengthExceeded { prompt_tokens, context_length: limits.context_length });
    }
    let vocab_size = tokenizer.vocab_size();
    let known = |token: u32| (token as usize) < vocab_size;
    for words in between_images(request)? {
        if let Some(&token) = words.iter().find(|&&token| !known(token)) {
            return Err(unknown_token("prompt", token, vocab_size));
        }
    }
    check(request.images.is_empty() || request.prompt_logprobs.is_none(), "prompt_logprobs", || {
        "prompt_logprobs are not given for prompts with images".into()
    })?;
    range("n", f64::from(request.n), 1.0, f64::from(MAX_CHOICES))?;
    range("logprobs", f64::from(request.logprobs.unwrap_or(0)), 0.0, f64::from(MAX_LOGPROBS))?;
    range("prompt_logprobs", f64::from(request.prompt_logprobs.unwrap_or(0)), 0.0, f64::from(MAX_LOGPROBS))?;
    range("temperature", sampling.temperature.into(), 0.0, 100.0)?;
    range("top_p", sampling.top_p.into(), 0.0, 1.0)?;
    range("min_p", sampling.min_p.into(), 0.0, 1.0)?;
    range("typical_p", sampling.typical_p.into(), 0.0, 1.0)?;
    range("presence_penalty", sampling.presence_penalty.into(), -100.0, 100.0)?;
    range("frequency_penalty", sampling.frequency_penalty.into(), -100.0, 100.0)?;
    range("repeat_last_n", sampling.repeat_last_n.into(), -1.0, f64::from(i32::MAX))?;
    let penalty = sampling.repeat_penalty;
    check(penalty > 0.0 && penalty <= 100.0, "repeat_penalty", || {
        format!("repeat_penalty is {penalty}; it must be above 0 and at most 100")
    })?;
    for &(token, bias) in &sampling.logit_bias {
        if !known(token) {
            return Err(unknown_token("logit_bias", token, vocab_size));
        }
        check(bias.is_finite(), "logit_bias", || format!("logit_bias of token {token} is {bias}; it must be finite"))?;
    }
    Ok(())
}

/// The stretches of tokens before, between and behind the images of the prompt.
fn between_images(request: &GenerateRequest) -> Result<Vec<&[u32]>, GenerateError> {
    let wrong = |message: &str| GenerateError::InvalidParameter { param: "prompt".into(), message: message.into() };
    let mut stretches = Vec::with_capacity(request.images.len() + 1);
    let mut from = 0;
    for image in &request.images {
        let holds = image.at >= from
            && request
                .prompt
                .get(image.at..image.end())
                .is_some_and(|held| image.chunk.places().eq(held.iter().copied()));
        if !holds || image.chunk.cells() == 0 {
            return Err(wrong("the images are not where the prompt says"));
        }
        stretches.push(&request.prompt[from..image.at]);
        from = image.end();
    }
    if from == request.prompt.len() {
        return Err(wrong("the prompt ends with an image; a token must follow it"));
    }
    stretches.push(&request.prompt[from..]);
    Ok(stretches)
}

fn check(holds: bool, param: &str, message: impl FnOnce() -> String) -> Result<(), GenerateError> {
    if holds {
        return Ok(());
    }
    Err(GenerateError::InvalidParameter { param: param.into(), message: message() })
}

fn range(param: &str, value: f64, least: f64, most: f64) -> Result<(), GenerateError> {
    // NaN lies in no range.
    check((least..=most).contains(&value), param, || {
        format!("{param} is {value}; it must be between {least} and {most}")
    })
}

fn unknown_token(param: &str, token: u32, vocab_size: usize) -> GenerateError {
    GenerateError::InvalidParameter {
        param: param.into(),
        message: format!("token {token} in {param} is not in the vocabulary; ids go from 0 to {}", vocab_size - 1),
    }
}
