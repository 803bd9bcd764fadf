//! `POST /v1/completions`: continues texts or token lists, without a dialogue.

use std::{collections::BTreeMap, sync::Arc};

use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tern_chat::{CompletionRequest as Completion, Generation, Prompt, complete};
use tern_engine::{Token, Tokenizer};
use tern_registry::Lease;
use tern_scheduler::{Event, Summary};

use super::{
    chat_types::StreamOptions,
    completions_stream::CompletionStream,
    forms::{GrammarInput, ResponseFormat, StructuredOutputs, form_fields},
    logprobs::CompletionLogprobs,
    parameters::{self, Endpoint},
    sampling::{MAX_TOP_LOGPROBS, SamplingFields, Strings, answers, check_metadata, sampling_fields, stops},
    usage::{Timings, Usage, add},
};
use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiJson, NamedBody},
        envelope::RequestId,
        lenient,
        sse::EventStream,
        union::any_of,
    },
    ids,
    keys::{Caller, Meter, MeteredEvents},
    routes::ApiTags,
    state::{State, beside},
    turns::unfinished,
};

/// Most prompts of one request.
const MAX_PROMPTS: usize = 256;

/// Text or tokens, one or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string, an array of strings, an array of token ids or an array of those")]
pub enum PromptInput {
    /// One text.
    Text(String),
    /// One list of tokens. Before the texts: an empty array is a prompt without tokens, not none.
    Tokens(Vec<Token>),
    /// Several texts.
    Texts(Vec<String>),
    /// Several lists of tokens.
    TokenLists(Vec<Vec<Token>>),
}

any_of!(PromptInput { String, Vec<u32>, Vec<String>, Vec<Vec<u32>> });

impl PromptInput {
    fn prompts(self) -> Vec<Prompt> {
        match self {
            Self::Text(text) => vec![Prompt::Text(text)],
            Self::Tokens(tokens) => vec![Prompt::Tokens(tokens)],
            Self::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
            Self::TokenLists(lists) => lists.into_iter().map(Prompt::Tokens).collect(),
        }
    }
}

/// A text to continue. Fields that are not listed are accepted and ignored; null is the same as absent.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct CompletionRequest {
    /// Model id, as `GET /v1/models` lists them.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What to continue: a text, several texts, token ids, or several lists of token ids.
    #[oai(nullable)]
    pub prompt: Option<PromptInput>,
    /// Send the text as it is generated, as server-sent events.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// Options of a stream.
    #[oai(nullable)]
    pub stream_options: Option<StreamOptions>,
    /// Most tokens to generate; 0 with `echo` and `logprobs` scores the prompt. Default: up to the context length. Also
    /// as `n_predict`, llama.cpp's name.
    #[oai(nullable)]
    #[serde(alias = "n_predict", deserialize_with = "lenient::u32")]
    pub max_tokens: Option<u32>,
    /// How many answers to each prompt. The prompt is computed once.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub n: Option<u32>,
    /// Must not be more than `n`: answers are not ranked.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub best_of: Option<u32>,
    /// Return the prompt before the answer.
    #[oai(nullable)]
    pub echo: Option<bool>,
    /// Return logprobs, with so many alternatives each, 0 to 20.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub logprobs: Option<u32>,
    /// Refused: text cannot be inserted.
    #[oai(nullable)]
    pub suffix: Option<String>,
    /// Texts that end an answer.
    #[oai(nullable)]
    pub stop: Option<Strings>,
    /// 0 always takes the most likely token; higher is more varied. Default 1.
    #[oai(nullable)]
    pub temperature: Option<f64>,
    /// Keep the most likely tokens that together reach this probability. Default 1: all.
    #[oai(nullable)]
    pub top_p: Option<f64>,
    /// Keep this many most likely tokens. Default 0: all.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub top_k: Option<i32>,
    /// Drop tokens less likely than this share of the most likely one. Default 0: none.
    #[oai(nullable)]
    pub min_p: Option<f64>,
    /// Locally typical sampling. Default 1: off.
    #[oai(nullable)]
    pub typical_p: Option<f64>,
    /// Makes tokens seen lately less likely. Default 1: off. Also as `repetition_penalty`, its name elsewhere.
    #[oai(nullable)]
    #[serde(alias = "repetition_penalty")]
    pub repeat_penalty: Option<f64>,
    /// How many tokens back `repeat_penalty` looks; -1 the whole context. Default 64.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::i32")]
    pub repeat_last_n: Option<i32>,
    /// Subtracted from the score of every token already used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub presence_penalty: Option<f64>,
    /// Subtracted once for each time a token was used in the answer. -2 to 2, default 0.
    #[oai(nullable)]
    pub frequency_penalty: Option<f64>,
    /// Added to the scores of tokens: ids to -100 (never) up to 100.
    #[oai(nullable)]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Same seed, same request: same answer.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::seed")]
    pub seed: Option<u64>,
    /// Go on at the model's own end of the text (for benchmarks).
    #[oai(nullable)]
    pub ignore_eos: Option<bool>,
    /// Whether a prompt's beginning may be taken from the cache. Default true.
    #[oai(nullable)]
    pub cache_prompt: Option<bool>,
    /// What the answer must look like: `{"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}`,
    /// `{"type": "json_object"}` or `{"type": "text"}`. A schema that cannot be enforced whole is refused, with the
    /// path of what cannot be.
    #[oai(nullable)]
    pub response_format: Option<ResponseFormat>,
    /// A grammar for the answer, in GBNF or Lark. Of this and the fields that follow at most one can be given.
    #[oai(nullable)]
    pub grammar: Option<GrammarInput>,
    /// A JSON schema for the answer, as llama.cpp takes it.
    #[oai(nullable)]
    pub json_schema: Option<Value>,
    /// A regular expression (Rust's syntax) for the whole answer.
    #[oai(nullable)]
    pub regex: Option<String>,
    /// vLLM's name of `json_schema`.
    #[oai(nullable)]
    pub guided_json: Option<Value>,
    /// vLLM's name of `regex`.
    #[oai(nullable)]
    pub guided_regex: Option<String>,
    /// The answer is one of these texts, as vLLM takes them.
    #[oai(nullable)]
    pub guided_choice: Option<Vec<String>>,
    /// vLLM's name of `grammar`.
    #[oai(nullable)]
    pub guided_grammar: Option<String>,
    /// The same in vLLM's newer way.
    #[oai(nullable)]
    pub structured_outputs: Option<StructuredOutputs>,
    /// At most 16 pairs of texts, as for chats. Accepted and named in `x-ignored-params`: answers are not stored.
    #[oai(nullable)]
    pub metadata: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub user: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub service_tier: Option<Value>,
    /// Accepted and named in `x-ignored-params`, as are the samplers of llama.cpp that follow.
    #[oai(nullable)]
    pub mirostat: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub dry_multiplier: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub xtc_probability: Option<Value>,
    /// Accepted and named in `x-ignored-params`.
    #[oai(nullable)]
    pub dynatemp_range: Option<Value>,
}

impl poem_openapi::types::Example for CompletionRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            prompt: Some(PromptInput::Text("Tern is".into())),
            max_tokens: Some(30),
            temperature: Some(0.0),
            ..Self::default()
        }
    }
}

/// Answers to the prompts; also one event of a stream, which ends with the literal `data: [DONE]`.
#[derive(Debug, Clone, Object, Serialize)]
pub struct TextCompletion {
    /// Id of the answer.
    pub id: String,
    /// `text_completion`.
    pub object: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Model that answered.
    pub model: String,
    /// The answers: `n` to the first prompt, `n` to the second, and so on.
    pub choices: Vec<TextChoice>,
    /// Changes when the same seed may give another answer.
    pub system_fingerprint: String,
    /// Token counts; in a stream only in the last event, and only when asked for.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Times.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

/// One answer, or more of it.
#[derive(Debug, Clone, Default, Object, Serialize)]
pub struct TextChoice {
    /// The text.
    pub text: String,
    /// Which answer, from 0.
    pub index: u32,
    /// Logprobs, when asked for.
    #[oai(nullable)]
    pub logprobs: Option<CompletionLogprobs>,
    /// `stop` or `length`; null until the end in a stream.
    #[oai(nullable)]
    pub finish_reason: Option<String>,
}

pub(crate) struct CompletionsApi(pub State);

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum CompletionContent {
    Json(ApiJson<TextCompletion>),
    Stream(EventStream<TextCompletion>),
}

#[derive(ApiResponse)]
pub(crate) enum CompletionResponse {
    /// The answers, or a stream of events when `stream` is true.
    #[oai(status = 200)]
    Ok(
        CompletionContent,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
    ),
}

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Completions")]
impl CompletionsApi {
    /// Create a completion
    ///
    /// Continues a text, several texts, or lists of token ids, without a chat template. With `echo`, `logprobs` and
    /// `max_tokens: 0` it scores a text.
    #[oai(path = "/completions", method = "post", operation_id = "createCompletion")]
    async fn completions(
        &self,
        id: Data<&RequestId>,
        request: NamedBody<CompletionRequest>,
    ) -> Result<CompletionResponse, ErrorReply> {
        let NamedBody(request, given) = request;
        let ignored = parameters::ignored(Endpoint::Completions, &given, &[]);
        check(&request)?;
        form_fields!(request).check().await?;
        let content = if request.stream.unwrap_or(false) {
            let frames = CompletionStream::start(self.0.clone(), request, id.0.0.clone()).await?;
            CompletionContent::Stream(EventStream::new(frames))
        } else {
            CompletionContent::Json(ApiJson(whole(&self.0, request, id.0.0.clone()).await?))
        };
        Ok(CompletionResponse::Ok(content, ignored))
    }
}

/// Refuses what cannot be honoured, before a model is loaded for it.
pub(crate) fn check(request: &CompletionRequest) -> Result<(), ApiError> {
    if request.prompt.is_none() {
        return Err(ApiError::invalid("prompt", "prompt is missing"));
    }
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::unsupported("suffix", "suffix is not supported by this server"));
    }
    if request.logprobs.is_some_and(|n| n > MAX_TOP_LOGPROBS) {
        return Err(ApiError::invalid("logprobs", format!("logprobs is at most {MAX_TOP_LOGPROBS}")));
    }
    let n = answers(request.n)?;
    if request.best_of.is_some_and(|best_of| best_of > n) {
        let message = format!(
            "best_of is {}, n is {n}; answers are not ranked, so both must be equal",
            request.best_of.unwrap_or(0)
        );
        return Err(ApiError::unsupported("best_of", message));
    }
    SamplingFields { logit_bias: None, ..sampling_fields!(request) }.check(usize::MAX)?;
    check_metadata(request.metadata.as_ref())?;
    stops(request.stop.clone()).map(drop)
}

/// One prompt on its way: its events and, with `echo`, its text.
pub(crate) struct Running {
    pub events: MeteredEvents,
    pub echo: String,
    /// Characters of tokens before the prompt's text that are not part of it (BOS).
    pub hidden: u32,
}

/// Submits every prompt at once; the scheduler runs them together.
pub(crate) async fn submit(
    request: Arc<CompletionRequest>,
    lease: Lease,
    id: String,
    meter: Meter,
) -> Result<(Vec<Running>, Lease), ApiError> {
    beside(move || Ok((start(&request, &lease, &id, &meter)?, lease))).await
}

fn start(request: &CompletionRequest, lease: &Lease, id: &str, meter: &Meter) -> Result<Vec<Running>, ApiError> {
    let text = lease.text()?;
    let tokenizer = text.tokenizer.as_ref();
    let echo = request.echo.unwrap_or(false);
    let generation = Generation {
        sampling: sampling_fields!(request).check(tokenizer.vocab_size())?,
        n: answers(request.n)?,
        max_tokens: request.max_tokens,
        grammar: form_fields!(request).form()?.map(|form| form.grammar),
        stop: stops(request.stop.clone())?,
        ignore_eos: request.ignore_eos.unwrap_or(false),
        logprobs: request.logprobs,
        return_progress: false,
        use_cache: request.cache_prompt.unwrap_or(true),
    };
    let prompts = request.prompt.clone().map(PromptInput::prompts).unwrap_or_default();
    if prompts.is_empty() || prompts.len() > MAX_PROMPTS {
        let message = format!("prompt has {} entries; 1 to {MAX_PROMPTS} are allowed", prompts.len());
        return Err(ApiError::invalid("prompt", message));
    }
    let one = |prompt: Prompt| {
        // Tokenized once here: with `echo` the same tokens are spelled out.
        let tokens = prompt.clone().tokens(tokenizer)?;
        let spelled = if echo { spell(tokenizer, &tokens) } else { String::new() };
        let (echo_text, hidden) = match &prompt {
            Prompt::Text(text) if echo => (text.clone(), spelled.strip_suffix(text.as_str()).unwrap_or_default()),
            Prompt::Text(_) | Prompt::Tokens(_) => (spelled.clone(), ""),
        };
        let hidden = hidden.chars().count() as u32;
        let count = tokens.len() as u32;
        let completion = Completion {
            id: id.to_owned(),
            prompt: Prompt::Tokens(tokens),
            generation: generation.clone(),
            prompt_logprobs: request.logprobs.filter(|_| echo),
        };
        let events = complete(&text.scheduler, tokenizer, completion)?;
        let events = MeteredEvents::new(events, count, meter.clone());
        Ok(Running { events, echo: echo_text, hidden })
    };
    let running: Result<Vec<_>, tern_chat::TurnError> = prompts.into_iter().map(one).collect();
    running.map_err(|error| match ApiError::from(error) {
        error if error.param.as_deref() == Some("messages") => ApiError { param: Some("prompt".into()), ..error },
        error => error,
    })
}

/// The text of tokens, control tokens spelled out.
pub(crate) fn spell(tokenizer: &dyn Tokenizer, tokens: &[Token]) -> String {
    let mut bytes = Vec::new();
    tokens.iter().for_each(|token| tokenizer.decode(*token, true, &mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What one prompt has given so far: turns events into more of its choices.
pub(crate) struct Collector {
    /// Index of the prompt's first answer among all choices.
    first: u32,
    n: u32,
    logprobs: bool,
    /// Where the next token of each answer begins in its text, in characters.
    offsets: Vec<u32>,
    /// As in [`Running`].
    hidden: u32,
    prompt_logprobs: CompletionLogprobs,
}

impl Collector {
    pub fn new(prompt: u32, n: u32, hidden: u32, request: &CompletionRequest) -> Self {
        let offsets = vec![0; n as usize];
        let logprobs = request.logprobs.is_some();
        Self { first: prompt * n, n, logprobs, offsets, hidden, prompt_logprobs: CompletionLogprobs::default() }
    }

    /// What begins every answer: with `echo` the prompt and its logprobs.
    pub fn opening(&mut self, echo: &str) -> Vec<TextChoice> {
        let opening = |index| TextChoice {
            text: echo.to_owned(),
            index: self.first + index,
            logprobs: self.logprobs.then(|| self.prompt_logprobs.clone()),
            finish_reason: None,
        };
        (0..self.n).map(opening).collect()
    }

    /// More of one answer, if the event brings any.
    pub fn event(&mut self, event: Event) -> Result<More, ApiError> {
        Ok(match event {
            Event::Prefill(_) => More::Nothing,
            Event::Prompt(entries) => {
                let end = self.prompt_logprobs.extend(&entries, 0);
                self.prompt_logprobs.hide(self.hidden);
                self.offsets.fill(end.saturating_sub(self.hidden));
                More::Prompt
            }
            Event::Delta(delta) => {
                let offset = &mut self.offsets[delta.choice as usize];
                let mut logprobs = CompletionLogprobs::default();
                *offset = logprobs.extend(&delta.logprobs, *offset);
                More::Choice(TextChoice {
                    text: delta.text,
                    index: self.first + delta.choice,
                    logprobs: self.logprobs.then_some(logprobs),
                    finish_reason: None,
                })
            }
            Event::Finish { choice, reason } => More::Choice(TextChoice {
                index: self.first + choice,
                finish_reason: Some(reason.word().into()),
                ..TextChoice::default()
            }),
            Event::End(summary) => More::End(summary),
            Event::Failed(error) => return Err(error.into()),
        })
    }
}

/// What an event brings.
pub(crate) enum More {
    Nothing,
    /// The prompt's logprobs are known.
    Prompt,
    Choice(TextChoice),
    End(Summary),
}

/// Answers in one piece. Dropping the future cancels every prompt.
async fn whole(state: &State, request: CompletionRequest, id: String) -> Result<TextCompletion, ApiError> {
    let lease = state.acquire(request.model.as_deref()).await?;
    let request = Arc::new(request);
    let (running, lease) = submit(request.clone(), lease, id, Caller::current().meter()).await?;
    let n = answers(request.n)?;
    let (mut choices, mut total) = (Vec::new(), Summary::default());
    for (prompt, mut running) in running.into_iter().enumerate() {
        let mut collector = Collector::new(prompt as u32, n, running.hidden, &request);
        let mut answers = collector.opening(&running.echo);
        loop {
            let Some(event) = running.events.next().await else {
                return Err(unfinished());
            };
            match collector.event(event)? {
                More::Nothing => {}
                More::Prompt => answers = collector.opening(&running.echo),
                More::Choice(more) => append(&mut answers[(more.index % n) as usize], more),
                More::End(summary) => {
                    add(&mut total, &summary);
                    break;
                }
            }
        }
        choices.extend(answers);
    }
    Ok(TextCompletion {
        id: ids::new("cmpl-"),
        object: "text_completion".into(),
        created: ids::unix_time(),
        model: lease.entry.id.clone(),
        choices,
        system_fingerprint: state.fingerprint(lease.entry.engine),
        usage: Some(Usage::new(&total, 0)),
        timings: Some(Timings::new(&total)),
    })
}

fn append(answer: &mut TextChoice, more: TextChoice) {
    answer.text.push_str(&more.text);
    answer.finish_reason = more.finish_reason.or(answer.finish_reason.take());
    if let (Some(have), Some(new)) = (&mut answer.logprobs, more.logprobs) {
        have.tokens.extend(new.tokens);
        have.token_logprobs.extend(new.token_logprobs);
        have.top_logprobs.extend(new.top_logprobs);
        have.text_offset.extend(new.text_offset);
        have.token_ids.extend(new.token_ids);
    }
}
