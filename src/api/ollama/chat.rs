//! `POST /api/chat` and `POST /api/generate`.

use futures_util::stream;
use poem::web::Data;
use poem_openapi::{ApiResponse, OpenApi, ResponseContent};
use serde_json::Value;
use tern_chat::Answered;
use tern_registry::ModelStatus;

use super::{
    answer_types::{OllamaChat, OllamaText},
    answers::{Frame, Line, Said, lines},
    errors::OllamaError,
    names, raw,
    template::{Variables, fill},
    translate::{Settings, dialogue, one_text, restore, unloads},
    types::{OllamaChatRequest, OllamaGenerateRequest},
};
use crate::{
    error::ApiError,
    http::{
        body::{ApiBody, ApiJson},
        dialect::Refused,
        envelope::RequestId,
        ndjson::{self, JsonLines},
    },
    keys::Caller,
    openai::{parameters::named, thinking::thinks},
    routes::ApiTags,
    state::State,
    translated::{TurnEvents, whole},
};

pub(crate) struct OllamaChatApi(pub State);

/// An answer, or its lines.
enum Reply<L> {
    Whole(L),
    Lines(JsonLines<L>),
}

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum ChatContent {
    Lines(JsonLines<OllamaChat>),
    Json(ApiJson<OllamaChat>),
}

#[derive(ApiResponse)]
pub(crate) enum OllamaChatResponse {
    /// A stream of lines, or the answer when `stream` is false.
    #[oai(status = 200)]
    Ok(
        ChatContent,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
    ),
}

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum TextContent {
    Lines(JsonLines<OllamaText>),
    Json(ApiJson<OllamaText>),
}

#[derive(ApiResponse)]
pub(crate) enum OllamaTextResponse {
    /// A stream of lines, or the answer when `stream` is false.
    #[oai(status = 200)]
    Ok(
        TextContent,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
    ),
}

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Ollama")]
impl OllamaChatApi {
    /// Answer a dialogue, as Ollama does
    ///
    /// A JSON object a line, unless `stream` is false. What clients of Ollama send is translated: the answer is the one
    /// that `POST /v1/chat/completions` would give.
    #[oai(path = "/chat", method = "post", operation_id = "ollamaChat")]
    async fn chat(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<OllamaChatRequest>,
    ) -> Result<OllamaChatResponse, Refused<OllamaError>> {
        let request = request.0;
        let asked = Asked {
            state: &self.0,
            id: id.0.0.clone(),
            name: request.model,
            stream: request.stream.unwrap_or(true),
            keep_alive: request.keep_alive,
        };
        let settings =
            Settings { options: request.options, format: request.format, think: request.think, tools: request.tools };
        let mut ignored = asked.ignored(&settings, &[("logprobs", &request.logprobs)]);
        let messages = request.messages.unwrap_or_default();
        let answer = async {
            if messages.is_empty() {
                return asked.nothing().await;
            }
            let translated = settings.chat(dialogue(messages)?)?;
            translated.check(&self.0)?;
            let (model, frame) = asked.model().await?;
            if !thinks(&model) {
                ignored.extend(translated.of_thinking("think", "think"));
            }
            let events = translated.begin(&self.0, model, asked.id.clone()).await?;
            asked.answer(events, frame).await
        };
        let content = match answer.await.map_err(restore)? {
            Reply::Whole(answer) => ChatContent::Json(ApiJson(answer)),
            Reply::Lines(lines) => ChatContent::Lines(lines),
        };
        Ok(OllamaChatResponse::Ok(content, named(&ignored)))
    }

    /// Answer or continue a text, as Ollama does
    ///
    /// The prompt is a person's message; with `raw` or a `template` of the request it is a text to continue, as of
    /// `POST /v1/completions`.
    #[oai(path = "/generate", method = "post", operation_id = "ollamaGenerate")]
    async fn generate(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<OllamaGenerateRequest>,
    ) -> Result<OllamaTextResponse, Refused<OllamaError>> {
        let request = request.0;
        let asked = Asked {
            state: &self.0,
            id: id.0.0.clone(),
            name: request.model,
            stream: request.stream.unwrap_or(true),
            keep_alive: request.keep_alive,
        };
        let settings = Settings { options: request.options, format: request.format, think: request.think, tools: None };
        let mut ignored = asked.ignored(&settings, &[("context", &request.context), ("logprobs", &request.logprobs)]);
        if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::unsupported("suffix", "suffix is not supported by this server").into());
        }
        let prompt = request.prompt.unwrap_or_default();
        let images = request.images.filter(|images| !images.is_empty());
        let template = request.template.filter(|template| !template.is_empty());
        let answer = async {
            if prompt.is_empty() && images.is_none() {
                return asked.nothing().await;
            }
            let text = match (request.raw.unwrap_or(false), template) {
                (true, _) => Some(prompt.clone()),
                (false, None) => None,
                (false, Some(template)) => {
                    let system = request.system.as_deref().unwrap_or_default();
                    Some(fill(&template, Variables { system, prompt: &prompt })?)
                }
            };
            let events = match text {
                Some(text) => {
                    if images.is_some() {
                        let message = "images are not supported together with raw or template";
                        return Err(ApiError::unsupported("images", message));
                    }
                    let translated = settings.chat(Vec::new())?;
                    ignored.extend(translated.of_thinking("think", "think"));
                    let request = raw::completion(translated.chat, text);
                    let (model, frame) = asked.model().await?;
                    (raw::begin(request, &self.0, model, asked.id.clone()).await?, frame)
                }
                None => {
                    let translated = settings.chat(dialogue(one_text(prompt, request.system, images))?)?;
                    translated.check(&self.0)?;
                    let (model, frame) = asked.model().await?;
                    if !thinks(&model) {
                        ignored.extend(translated.of_thinking("think", "think"));
                    }
                    (translated.begin(&self.0, model, asked.id.clone()).await?, frame)
                }
            };
            asked.answer(events.0, events.1).await
        };
        let content = match answer.await.map_err(restore)? {
            Reply::Whole(answer) => TextContent::Json(ApiJson(answer)),
            Reply::Lines(lines) => TextContent::Lines(lines),
        };
        Ok(OllamaTextResponse::Ok(content, named(&ignored)))
    }
}

/// What both operations have in common.
struct Asked<'a> {
    state: &'a State,
    /// Of the request.
    id: String,
    name: Option<String>,
    stream: bool,
    keep_alive: Option<Value>,
}

impl Asked<'_> {
    fn ignored(&self, settings: &Settings, more: &[(&str, &Option<Value>)]) -> Vec<String> {
        let mut names = settings.ignored();
        names.extend(more.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| (*name).to_owned()));
        let unloads = unloads(self.keep_alive.as_ref()).unwrap_or(true);
        if self.keep_alive.is_some() && !(unloads && Caller::current().is_admin()) {
            names.push("keep_alive".into());
        }
        names
    }

    async fn model(&self) -> Result<(ModelStatus, Frame), ApiError> {
        // Others may be about to ask it: behind an answer to a key for chats it stays.
        let unload = unloads(self.keep_alive.as_ref())? && Caller::current().is_admin();
        let model = names::find(self.state, self.name.as_deref()).await?;
        let frame = Frame::new(self.state, self.name.as_deref(), &model, unload);
        Ok((model, frame))
    }

    /// Loads or unloads the model: there is nothing to answer.
    async fn nothing<L: Line>(&self) -> Result<Reply<L>, ApiError> {
        if unloads(self.keep_alive.as_ref())? {
            Caller::current().check_admin("unloading a model")?;
        }
        let (model, frame) = self.model().await?;
        let reason = if frame.unload {
            let registry = self.state.registry.clone();
            crate::state::beside(move || Ok(registry.unload(&model.entry.id, false)?)).await?;
            "unload"
        } else {
            drop(self.state.registry.acquire(&model.entry.id).await?);
            "load"
        };
        let line = frame.nothing(reason);
        if !self.stream {
            return Ok(Reply::Whole(line));
        }
        let only = ndjson::line(&line);
        Ok(Reply::Lines(JsonLines::new(stream::once(async { only }), &line)))
    }

    async fn answer<L: Line>(&self, events: TurnEvents, frame: Frame) -> Result<Reply<L>, ApiError> {
        if self.stream {
            let silence = frame.line::<L>(Said::default());
            return Ok(Reply::Lines(JsonLines::new(lines::<L>(events, frame), &silence)));
        }
        let Answered { mut answers, summary, .. } = whole(events).await?;
        let answer = frame.answer(answers.pop().unwrap_or_default(), &summary);
        frame.over();
        Ok(Reply::Whole(answer))
    }
}
