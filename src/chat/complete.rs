//! Continuing a text without a dialogue.

use tern_engine::{Token, Tokenizer};
use tern_scheduler::{Events, GenerateRequest, Scheduler};

use crate::{Generation, TurnError, control::Segment, framing::Framing};

/// What to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A text. The caller writes the whole prompt, so control tokens in it are recognised; BOS is added where the
    /// model wants it and the text does not begin with it.
    Text(String),
    /// Tokens, taken as they are.
    Tokens(Vec<Token>),
}

/// A text to continue.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    /// Request id, for the log.
    pub id: String,
    /// What to continue.
    pub prompt: Prompt,
    /// Generation settings.
    pub generation: Generation,
    /// Logprobs of the prompt's tokens, with this many alternatives each.
    pub prompt_logprobs: Option<u32>,
}

impl Prompt {
    /// The prompt's tokens. An empty prompt is BOS alone.
    ///
    /// # Errors
    /// `TurnError::InvalidMessages` (`prompt`) when it is empty and the model has no BOS, or a token is not in the
    /// vocabulary.
    pub fn tokens(self, tokenizer: &dyn Tokenizer) -> Result<Vec<Token>, TurnError> {
        let mut tokens = match self {
            Self::Text(text) if text.is_empty() => Vec::new(),
            Self::Text(text) => Framing::of(tokenizer).encode(tokenizer, &[Segment::Text(&text)], None, &[])?.0,
            Self::Tokens(tokens) => tokens,
        };
        if tokens.is_empty() {
            tokens.extend(tokenizer.bos());
        }
        let size = tokenizer.vocab_size();
        if let Some(token) = tokens.iter().find(|token| **token as usize >= size) {
            let message = format!("prompt: token {token} is not in the vocabulary, which has {size} tokens");
            return Err(TurnError::invalid("prompt", message));
        }
        if tokens.is_empty() {
            let message = "prompt must not be empty: this model has no token that begins a text";
            return Err(TurnError::invalid("prompt", message));
        }
        Ok(tokens)
    }
}

/// Submits a completion. Dropping the events cancels it.
///
/// # Errors
/// As [`Prompt::tokens`], and `TurnError::Generate` when the scheduler refuses the request.
pub fn complete(
    scheduler: &Scheduler,
    tokenizer: &dyn Tokenizer,
    request: CompletionRequest,
) -> Result<Events, TurnError> {
    let generation = request.generation;
    let request = GenerateRequest {
        id: request.id,
        prompt: request.prompt.tokens(tokenizer)?,
        images: Vec::new(),
        sampling: generation.sampling,
        n: generation.n,
        max_tokens: generation.max_tokens,
        grammar: generation.grammar,
        thinking: None,
        stop: generation.stop,
        ignore_eos: generation.ignore_eos,
        logprobs: generation.logprobs,
        prompt_logprobs: request.prompt_logprobs,
        show_control: false,
        return_progress: generation.return_progress,
        use_cache: generation.use_cache,
    };
    Ok(scheduler.submit(request)?)
}
