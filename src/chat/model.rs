//! A dialogue becomes a prompt.

use std::sync::Arc;

use serde_json::{Map, Value};
use tern_engine::{ImageEncoder, Token, Tokenizer};
use tern_grammar::Grammar;
use tern_scheduler::{Events, GenerateError, GenerateRequest, PlacedImage, Scheduler};

use crate::{
    Clock, Message, ReasoningMode, Role, TemplateError, ToolChoice, Turn, TurnError, TurnRequest,
    control::{CONTINUE_MARK, ControlSpellings, Escaper, Segment},
    dialogue, fallback,
    framing::Framing,
    images,
    reasoning::{Opening, Reasoning},
    support::Support,
    template::{RenderError, Template},
    thinking,
    told::told,
    tools::{
        CallFormat, Frame, Offer, Spelled, ToolSupport, Trust, answer_grammar, instructions, shown, tool_support,
        written,
    },
    turn::TurnEvents,
};

/// What is known about how a model talks.
#[derive(Debug, Clone, Default)]
pub struct ChatModelConfig {
    /// The chat template, from the model's file or given instead of it. `None` takes the plain form.
    pub template: Option<String>,
    /// How BOS is spelled in the template; `None` asks the tokenizer.
    pub bos_token: Option<String>,
    /// How EOS is spelled in the template; `None` asks the tokenizer.
    pub eos_token: Option<String>,
    /// Which part of an answer is reasoning.
    pub reasoning: ReasoningMode,
    /// What the template's clock shows.
    pub clock: Clock,
}

/// How a loaded model talks: its template, compiled and tried, and its tokenizer. Shared between requests.
pub struct ChatModel {
    /// The template and what it can express; `None` is the plain form.
    template: Option<(Template, Support)>,
    tokenizer: Arc<dyn Tokenizer>,
    /// Prepares images; `None` for a model that cannot see.
    vision: Option<Arc<dyn ImageEncoder>>,
    spellings: ControlSpellings,
    framing: Framing,
    reasoning: Reasoning,
    /// The same for answers with calls.
    calling: Reasoning,
    tools: ToolSupport,
    /// Variables of every rendering.
    variables: Map<String, Value>,
    bos_token: Option<String>,
}

/// A rendered dialogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The prompt as text, with control tokens spelled.
    pub prompt: String,
    /// The prompt as tokens, with BOS where the model wants it.
    pub tokens: Vec<Token>,
    /// The images among them.
    pub images: Vec<PlacedImage>,
    /// Texts that end an answer in this form, besides those of the request.
    pub stop: Vec<String>,
    /// Where the answer begins.
    pub(crate) opening: Opening,
}

impl ChatModel {
    /// Compiles the template and tries it on small dialogues; scans the vocabulary for control tokens. Takes some
    /// milliseconds, a second at most with a template made to hang.
    ///
    /// # Errors
    /// `TemplateError` when there is a template and it cannot be used. The caller may then take
    /// [`ChatModel::with_fallback`].
    pub fn new(config: ChatModelConfig, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, TemplateError> {
        let mut model = Self::with_fallback(config.clone(), tokenizer);
        if let Some(source) = &config.template {
            let template = Template::compile(source, config.clock)?;
            let support = Support::of(&template, &model.variables)?;
            let tools = tool_support(&template, &support, &model.variables);
            tracing::debug!(?support, ?tools, "chat template");
            model.calling = model.reasoning.with_calls(&tools.format.marks(), model.spellings.spellings());
            model.tools = tools;
            model.template = Some((template, support));
        }
        Ok(model)
    }

    /// A model that talks in the plain form ("System: ...", "User: ...", "Assistant:"), whatever template `config`
    /// has.
    pub fn with_fallback(config: ChatModelConfig, tokenizer: Arc<dyn Tokenizer>) -> Self {
        let spelled = |given: Option<String>, token: Option<Token>| {
            given.or_else(|| {
                let mut bytes = Vec::new();
                tokenizer.decode(token?, true, &mut bytes);
                String::from_utf8(bytes).ok()
            })
        };
        let bos_token = spelled(config.bos_token, tokenizer.bos());
        let eos_token = spelled(config.eos_token, tokenizer.eos());
        let mut variables = Map::new();
        variables.insert("bos_token".to_owned(), bos_token.clone().unwrap_or_default().into());
        variables.insert("eos_token".to_owned(), eos_token.unwrap_or_default().into());
        let spellings = ControlSpellings::of(&*tokenizer);
        let reasoning = Reasoning::new(&config.reasoning, config.template.as_deref(), spellings.spellings());
        let tools = ToolSupport { format: CallFormat::generic(), shown: false };
        Self {
            calling: reasoning.with_calls(&tools.format.marks(), spellings.spellings()),
            tools,
            template: None,
            framing: Framing::of(&*tokenizer),
            spellings,
            reasoning,
            variables,
            bos_token,
            tokenizer,
            vision: None,
        }
    }

    /// The same model with eyes, where it has any.
    pub fn with_vision(self, vision: Option<Arc<dyn ImageEncoder>>) -> Self {
        Self { vision, ..self }
    }

    /// Whether the model has a template, or talks in the plain form.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Whether the model's template shows that it thinks before it answers.
    pub fn thinks(&self) -> bool {
        self.reasoning.pairs().iter().any(|pair| pair.in_template)
    }

    /// The source of the template; empty for the plain form.
    pub fn template_source(&self) -> &str {
        self.template.as_ref().map_or("", |(template, _)| template.source())
    }

    /// The exact prompt for a dialogue, as text and as tokens. Blocks for as long as rendering and tokenizing take:
    /// about a millisecond for a thousand tokens.
    ///
    /// # Errors
    /// `TurnError::InvalidMessages` and `TurnError::Template`.
    pub fn render(&self, turn: &TurnRequest) -> Result<Rendered, TurnError> {
        if turn.messages.is_empty() {
            return Err(TurnError::invalid("messages", "messages must have at least one message"));
        }
        let last = &turn.messages[turn.messages.len() - 1];
        if turn.continue_final_message && last.role != Role::Assistant {
            let message = "continue_final_message needs an assistant message at the end of messages";
            return Err(TurnError::invalid("continue_final_message", message));
        }
        let turn = &*told(turn);
        let mut escaper = Escaper::new(&self.spellings);
        let with_tools = self.tell_tools(turn);
        let (messages, pictures) = images::put_in(with_tools.as_deref().unwrap_or(&turn.messages))?;
        let text = match &self.template {
            None => self.plain(turn, &messages, &mut escaper)?,
            Some((template, support)) => self.jinja(template, *support, turn, &messages, &mut escaper)?,
        };
        escaper.check()?;
        let segments = escaper.segments(&text);
        images::check_written(&segments, pictures.len())?;
        let prepared = images::prepare(self.vision.as_deref(), &pictures)?;
        let (tokens, images) =
            self.framing.encode(&*self.tokenizer, &segments, self.bos_token.as_deref(), &prepared)?;
        let prompt = segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) | Segment::Plain(text) => *text,
                Segment::Image(_) => "<image>",
            })
            .collect();
        let opening = if turn.continue_final_message {
            self.reasoning.continuing(last)
        } else {
            self.reasoning.after_prompt(&text, self.template.is_none())
        };
        let stop = match self.template {
            None => fallback::STOPS.map(str::to_owned).to_vec(),
            Some(_) => Vec::new(),
        };
        Ok(Rendered { prompt, tokens, images, stop, opening })
    }

    /// Renders the dialogue and submits it. Dropping the turn cancels it.
    ///
    /// # Errors
    /// As [`ChatModel::render`], and `TurnError::Generate` when the scheduler refuses the request.
    pub fn start(&self, scheduler: &Scheduler, turn: TurnRequest) -> Result<Turn, TurnError> {
        let (rendered, dropped) = self.fit(&turn, scheduler.limits().context_length)?;
        let prompt_tokens = rendered.tokens.len() as u32;
        let offer = Offer::of(&turn, &self.tools.format).map(Arc::new);
        let reasoning = if offer.is_some() { &self.calling } else { &self.reasoning };
        let frame = Frame {
            thinking: reasoning.before(rendered.opening, turn.thinking.enabled == Some(false)),
            spell: &|mark| self.spell(mark),
        };
        let form = turn.generation.grammar.clone();
        let grammar = |trust| answer_grammar(&frame, offer.as_deref(), form.as_ref(), trust);
        let generation = turn.generation;
        let mut stop = generation.stop;
        stop.extend(rendered.stop);
        let request = GenerateRequest {
            id: turn.id,
            prompt: rendered.tokens,
            images: rendered.images,
            sampling: generation.sampling,
            n: generation.n,
            max_tokens: generation.max_tokens,
            grammar: grammar(Trust::Read)?,
            thinking: thinking::budget(turn.thinking, reasoning, rendered.opening, &*self.tokenizer),
            stop,
            ignore_eos: generation.ignore_eos,
            logprobs: generation.logprobs,
            prompt_logprobs: None,
            show_control: reasoning.needs_control(),
            return_progress: generation.return_progress,
            use_cache: generation.use_cache,
        };
        let events = if offer.is_some() {
            // A schema may turn out to be too much when it is compiled, alone or beside the others.
            submit(scheduler, &request)
                .or_else(|refused| again(scheduler, &request, refused, || grammar(Trust::Compiled)))
                .or_else(|refused| again(scheduler, &request, refused, || grammar(Trust::Nothing)))?
        } else {
            scheduler.submit(request)?
        };
        let translated = TurnEvents::new(reasoning.clone(), rendered.opening, offer, self.tokenizer.clone());
        Ok(Turn::new(events, translated, prompt_tokens, dropped))
    }

    /// A mark as the texts and control tokens that the model writes for it.
    fn spell(&self, mark: &str) -> Vec<Spelled> {
        let one = |(piece, control): (&str, bool)| {
            let tokens =
                if control { self.tokenizer.encode(piece, false, true).unwrap_or_default() } else { Vec::new() };
            let is_mark =
                |token: &Token| self.tokenizer.is_control(*token) || self.tokenizer.is_end_of_generation(*token);
            match tokens.into_iter().find(is_mark) {
                Some(token) => Spelled::Token(token),
                None => Spelled::Text(piece.to_owned()),
            }
        };
        self.spellings.cut(mark).into_iter().map(one).collect()
    }

    /// The dialogue with what the template does not tell the model about tools, where there is anything to tell.
    fn tell_tools(&self, turn: &TurnRequest) -> Option<Vec<Message>> {
        if turn.tools.is_empty() || self.tools.shown || turn.tool_choice == ToolChoice::None {
            return None;
        }
        let writes = self.template.as_ref().is_some_and(|(_, support)| support.tools.is_some());
        let mut messages = if writes { turn.messages.clone() } else { written(&turn.messages, &self.tools.format) };
        let text = instructions(&turn.tools, &self.tools.format);
        match messages.first_mut().filter(|first| first.role == Role::System) {
            Some(system) => {
                let content = system.content.get_or_insert_default();
                if !content.is_empty() {
                    content.push_str("\n\n");
                }
                content.push_str(&text);
            }
            None => messages.insert(0, Message::text(Role::System, text)),
        }
        Some(messages)
    }

    fn plain(&self, turn: &TurnRequest, messages: &[Message], escaper: &mut Escaper<'_>) -> Result<String, TurnError> {
        let mut messages = dialogue::adapt(messages, &Support::PLAIN);
        for message in &mut messages {
            if let Some(content) = &mut message.content {
                *content = escaper.escape(content, &[]).into_owned();
            }
        }
        if turn.continue_final_message {
            open_last(&mut messages);
        }
        let text = fallback::write(&messages, turn.continue_final_message);
        if turn.continue_final_message { cut_at_mark(text) } else { Ok(text) }
    }

    /// Renders as the template was found to want it. If it refuses the dialogue all the same, or leaves a message
    /// out, stricter forms are tried until one is complete; if none is, the first one counts that was rendered.
    fn jinja(
        &self,
        template: &Template,
        support: Support,
        turn: &TurnRequest,
        said: &[Message],
        escaper: &mut Escaper<'_>,
    ) -> Result<String, TurnError> {
        let marks = self.reasoning.marks();
        let mut tried: Vec<Vec<Message>> = Vec::new();
        let mut best: Option<Result<String, TurnError>> = None;
        for support in [support].into_iter().chain(support.stricter()) {
            let messages = dialogue::adapt(said, &support);
            if tried.contains(&messages) {
                continue;
            }
            let result = self.attempt(template, &support, &messages, turn, escaper);
            if matches!(&result, Ok(text) if complete(text, &messages, &marks, escaper)) {
                return result;
            }
            if best.as_ref().is_none_or(|best| best.is_err() && result.is_ok()) {
                best = Some(result);
            }
            tried.push(messages);
        }
        best.expect("at least one form is tried; anything else is a bug")
    }

    fn attempt(
        &self,
        template: &Template,
        support: &Support,
        messages: &[Message],
        turn: &TurnRequest,
        escaper: &mut Escaper<'_>,
    ) -> Result<String, TurnError> {
        let mut messages = messages.to_vec();
        if turn.continue_final_message {
            open_last(&mut messages);
        }
        let mut context = match escaper.escape_json(&Value::Object(turn.template_kwargs.clone())) {
            Value::Object(kwargs) => kwargs,
            _ => Map::new(),
        };
        if let Some(enabled) = turn.thinking.enabled {
            // What templates call it: Qwen3 and most others; DeepSeek and Granite.
            for name in ["enable_thinking", "thinking"] {
                context.entry(name).or_insert(enabled.into());
            }
        }
        context.extend(self.variables.clone());
        let json = dialogue::to_json(&messages, support, escaper, &self.reasoning.marks());
        context.insert("messages".to_owned(), json);
        // Hugging Face passes None, not an empty list: templates test for it.
        let tools = if turn.tools.is_empty() {
            Value::Null
        } else {
            Value::Array(turn.tools.iter().map(|tool| escaper.escape_json(&shown(tool))).collect())
        };
        context.insert("tools".to_owned(), tools);
        context.entry("documents").or_insert(Value::Null);
        context.insert("add_generation_prompt".to_owned(), Value::Bool(!turn.continue_final_message));
        let text = template.render(&Value::Object(context)).map_err(|error| match error {
            RenderError::Raised(message) | RenderError::Failed(message) => TurnError::Template(message),
        })?;
        if turn.continue_final_message { cut_at_mark(text) } else { Ok(text) }
    }
}

fn submit(scheduler: &Scheduler, request: &GenerateRequest) -> Result<Events, TurnError> {
    Ok(scheduler.submit(request.clone())?)
}

/// Submits with another grammar a request whose grammar was `refused`.
fn again(
    scheduler: &Scheduler,
    request: &GenerateRequest,
    refused: TurnError,
    grammar: impl FnOnce() -> Result<Option<Grammar>, TurnError>,
) -> Result<Events, TurnError> {
    match refused {
        TurnError::Generate(GenerateError::InvalidParameter { param, .. }) if param == "grammar" => {
            submit(scheduler, &GenerateRequest { grammar: grammar()?, ..request.clone() })
        }
        refused => Err(refused),
    }
}

/// Whether the text of every message is in the prompt. Two kinds are not looked for: tool results, which templates may
/// write their own way, and what the assistant said with reasoning marks in it, which templates may shorten.
fn complete(text: &str, messages: &[Message], marks: &[String], escaper: &mut Escaper<'_>) -> bool {
    let mut from = 0;
    messages.iter().all(|message| {
        let content = message.content.as_deref().unwrap_or_default().trim();
        let keep = match message.role {
            Role::System | Role::User => &[],
            Role::Assistant if !marks.iter().any(|mark| content.contains(mark.as_str())) => marks,
            Role::Assistant | Role::Tool => return true,
        };
        let content = escaper.escape(content, keep);
        // Messages mostly come in order, so the search goes on where the last one ended.
        match text[from..].find(&*content) {
            Some(at) => {
                from += at + content.len();
                true
            }
            None => text.contains(&*content),
        }
    })
}

/// Marks the end of what the assistant has said so far: its content, or its reasoning when that is all there is.
fn open_last(messages: &mut [Message]) {
    if let Some(last) = messages.last_mut() {
        let empty = last.content.as_deref().unwrap_or_default().is_empty();
        let open = match &mut last.reasoning {
            Some(reasoning) if empty && !reasoning.is_empty() => reasoning,
            _ => last.content.get_or_insert_default(),
        };
        open.push(CONTINUE_MARK);
    }
}

/// The text before the mark. The mark also keeps templates from stripping white space there.
fn cut_at_mark(mut text: String) -> Result<String, TurnError> {
    let end = text.rfind(CONTINUE_MARK).ok_or_else(|| {
        TurnError::Template("it does not write the final assistant message, which was to be continued".to_owned())
    })?;
    text.truncate(end);
    Ok(text)
}
