//! A request while it runs ([`Job`]) and each of its answers ([`Answer`]).

use std::{collections::VecDeque, time::Instant};

use tern_engine::{SeqId, Token, Tokenizer, Wanted};
use tern_grammar::{Compiled, GrammarError, Matcher};

use crate::{
    Delta, Event, FinishReason, GenerateRequest, Summary, TokenLogprob,
    handle::{Reply, Submitted},
    logprobs::{first_of_prompt, token_logprob},
    rng::fresh_seed,
    sampler::{Sampler, Workspace},
    select,
    text::{Piece, TextStream},
    thinking::Watch,
};

/// A request that has left the queue.
pub(crate) struct Job {
    pub(crate) request: GenerateRequest,
    /// What each answer must look like.
    form: Option<Compiled>,
    pub(crate) reply: Reply,
    pub(crate) seed: u64,
    pub(crate) submitted: Instant,
    pub(crate) admitted: Instant,
    /// When the prompt's last logits were there.
    pub(crate) prompt_done: Option<Instant>,
    /// Prompt tokens found in the cache when the prompt was first begun.
    pub(crate) cached: Option<usize>,
    /// How much of the prompt has ever been in the cache: beyond it a token is computed for the first time.
    pub(crate) prompt_reached: usize,
    /// Tokens generated, all answers together.
    pub(crate) generated: u32,
    /// Answers not complete yet.
    pub(crate) open: u32,
    pub(crate) prompt_logprobs: Vec<TokenLogprob>,
}

impl Job {
    pub(crate) fn new(submitted: Submitted) -> Self {
        let Submitted { request, form, reply, at } = submitted;
        Self {
            seed: request.sampling.seed.unwrap_or_else(fresh_seed),
            submitted: at,
            admitted: Instant::now(),
            prompt_done: None,
            cached: None,
            prompt_reached: 0,
            generated: 0,
            open: request.n,
            prompt_logprobs: Vec::new(),
            request,
            form,
            reply,
        }
    }

    /// Whether prefixes of other sequences may be used. Logprobs of the prompt need every one of its tokens computed.
    pub(crate) fn may_reuse(&self) -> bool {
        self.request.use_cache && (self.request.prompt_logprobs.is_none() || self.prompt_done.is_some())
    }

    /// Takes in the logits of prompt token `place`, which predict the one after it.
    pub(crate) fn note_prompt_logits(
        &mut self,
        place: usize,
        logits: &[f32],
        tokenizer: &dyn Tokenizer,
        workspace: &mut Workspace,
    ) {
        let Some(top) = self.request.prompt_logprobs else { return };
        if self.prompt_logprobs.is_empty() {
            self.prompt_logprobs.push(first_of_prompt(self.request.prompt[0], tokenizer));
        }
        // After a preemption tokens are computed again whose logprobs are known.
        if let Some(&next) = self.request.prompt.get(place + 1)
            && self.prompt_logprobs.len() == place + 1
        {
            self.prompt_logprobs.push(token_logprob(logits, next, top, tokenizer, workspace.candidates()));
        }
    }

    pub(crate) fn summary(&self, now: Instant) -> Summary {
        let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        let prompt_done = self.prompt_done.unwrap_or(now);
        Summary {
            prompt_tokens: self.request.prompt.len() as u32,
            cached_tokens: self.cached.unwrap_or(0) as u32,
            completion_tokens: self.generated,
            queue_ms: ms(self.submitted, self.admitted),
            prefill_ms: ms(self.admitted, prompt_done),
            decode_ms: ms(prompt_done, now),
        }
    }
}

/// Which answer of which request. Ordered by age.
pub(crate) type Key = (u64, u32);

/// One answer.
pub(crate) struct Answer {
    pub(crate) key: Key,
    /// The prompt and what was generated.
    pub(crate) tokens: Vec<Token>,
    /// The sequence that computes it; `None` while it waits for a prefix that another answer is computing.
    pub(crate) seq: Option<SeqId>,
    /// Tokens that other running answers compute for it, as expected when it was admitted.
    pub(crate) shared: usize,
    pub(crate) generated: u32,
    /// Most tokens it may have.
    pub(crate) most: u32,
    /// When its last token was chosen.
    pub(crate) last_token_at: Option<Instant>,
    /// Failed passes it took part in. After one it runs alone until it is clear who is to blame.
    pub(crate) failures: u32,
    pub(crate) alone: bool,
    sampler: Sampler,
    /// Where it stands in its form. Goes on with each token that is chosen, so that computing tokens again changes
    /// nothing.
    matcher: Option<Matcher>,
    text: TextStream,
    thinking: Watch,
    /// When the tokens whose text is held back were chosen.
    times_ms: VecDeque<f64>,
}

/// What came of a row of logits.
pub(crate) enum Chosen {
    /// The answer goes on.
    Token,
    /// The answer is complete.
    Finished(FinishReason),
    /// No logit is a number.
    Nothing,
    /// The form cannot be followed any further.
    Lost(GrammarError),
}

/// What is chosen from a row of logits.
enum Pick {
    Token(Token),
    /// The form is complete and nothing may follow.
    Complete,
    /// No logit is a number.
    Nothing,
}

impl Answer {
    pub(crate) fn new(key: Key, job: &Job, context_length: u32) -> Self {
        let request = &job.request;
        let room = context_length - request.prompt.len() as u32;
        Self {
            key,
            tokens: request.prompt.clone(),
            seq: None,
            shared: 0,
            generated: 0,
            most: request.max_tokens.map_or(room, |most| most.min(room)),
            last_token_at: None,
            failures: 0,
            alone: false,
            sampler: Sampler::new(&request.sampling, job.seed, key.1, &request.prompt),
            matcher: job.form.as_ref().map(Compiled::matcher),
            text: TextStream::new(&request.stop),
            thinking: Watch::new(request.thinking.as_ref()),
            times_ms: VecDeque::new(),
        }
    }

    /// Which logits [`Answer::choose`] will look at. The choices of a request share their first row and its parameters.
    pub(crate) fn wanted(&self, job: &Job) -> Wanted {
        // The logarithm of a probability needs the whole distribution, and the likeliest token may not be allowed.
        if job.request.logprobs.is_some() || self.matcher.is_some() { Wanted::Row } else { self.sampler.wanted() }
    }

    /// Chooses the next token from `logits` and sends the text that has become certain.
    pub(crate) fn choose(
        &mut self,
        job: &mut Job,
        logits: &[f32],
        tokenizer: &dyn Tokenizer,
        workspace: &mut Workspace,
    ) -> Chosen {
        let token = match self.pick(job, logits, workspace) {
            Ok(Pick::Token(token)) => token,
            Ok(Pick::Complete) => return self.finish(job, FinishReason::Stop(None)),
            Ok(Pick::Nothing) => return Chosen::Nothing,
            Err(error) => return Chosen::Lost(error),
        };
        let budget = job.request.thinking.as_ref();
        let forced = self.thinking.forced(budget);
        let token = forced.unwrap_or(token);
        if tokenizer.is_end_of_generation(token) && forced.is_none() && !job.request.ignore_eos {
            let finished = self.finish(job, FinishReason::Stop(None));
            // Who scores a prompt counts on an entry for the token behind it, also where that is an end.
            if let (Some(_), Some(top)) = (job.request.prompt_logprobs, job.request.logprobs) {
                let logprobs = vec![token_logprob(logits, token, top, tokenizer, workspace.candidates())];
                let times_ms = vec![job.admitted.elapsed().as_secs_f64() * 1e3];
                let end = Delta { choice: self.key.1, text: String::new(), tokens: vec![token], times_ms, logprobs };
                job.reply.send(Event::Delta(end));
            }
            return finished;
        }
        self.thinking.accept(budget, token, forced.is_some(), tokenizer);
        if let Some(matcher) = &mut self.matcher
            && let Err(error) = matcher.accept(token)
        {
            return Chosen::Lost(error);
        }
        self.tokens.push(token);
        self.times_ms.push_back(job.admitted.elapsed().as_secs_f64() * 1e3);
        self.sampler.accept(&self.tokens);
        self.generated += 1;
        job.generated += 1;
        let logprob = job.request.logprobs;
        let logprob = logprob.map(|top| token_logprob(logits, token, top, tokenizer, workspace.candidates()));
        let bytes = workspace.bytes();
        tokenizer.decode(token, job.request.show_control, bytes);
        let (piece, stop) = self.text.push(token, bytes, logprob);
        self.send(job, piece);
        if stop.is_some() {
            return Chosen::Finished(FinishReason::Stop(stop));
        }
        if self.matcher.as_ref().is_some_and(Matcher::must_end) {
            return self.finish(job, FinishReason::Stop(None));
        }
        if self.generated >= self.most {
            return self.finish(job, FinishReason::Length);
        }
        Chosen::Token
    }

    /// Chooses the next token among those that the form allows, if there is one.
    fn pick(&mut self, job: &Job, logits: &[f32], workspace: &mut Workspace) -> Result<Pick, GrammarError> {
        let Some(matcher) = &mut self.matcher else {
            return Ok(self.sampler.sample(logits, workspace).map_or(Pick::Nothing, Pick::Token));
        };
        let mask = matcher.mask()?;
        let ends = matcher.ends().iter().filter(|&&end| mask.allows(end)).count();
        if ends == mask.count() {
            return Ok(Pick::Complete);
        }
        let mut allowed = workspace.take_allowed();
        mask.apply(logits, &mut allowed);
        if job.request.ignore_eos {
            for &end in matcher.ends() {
                allowed[end as usize] = f32::NEG_INFINITY;
            }
        }
        let token = self.sampler.sample(&allowed, workspace);
        workspace.give_allowed(allowed);
        match token {
            Some(token) => Ok(Pick::Token(token)),
            None if select::argmax(logits).is_none() => Ok(Pick::Nothing),
            None => Err(GrammarError {
                path: String::new(),
                message: "the model gives no probability to any token that the form allows".into(),
            }),
        }
    }

    fn finish(&mut self, job: &Job, reason: FinishReason) -> Chosen {
        let piece = self.text.finish();
        self.send(job, piece);
        Chosen::Finished(reason)
    }

    fn send(&mut self, job: &Job, piece: Piece) {
        if !piece.is_empty() {
            let Piece { text, tokens, logprobs } = piece;
            // Tokens are reported in their order, each once.
            let times_ms = self.times_ms.drain(..tokens.len().min(self.times_ms.len())).collect();
            job.reply.send(Event::Delta(Delta { choice: self.key.1, text, tokens, times_ms, logprobs }));
        }
    }
}
