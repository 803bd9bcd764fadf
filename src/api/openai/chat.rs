//! `POST /v1/chat/completions` and `POST /v1/chat/render`.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};
use serde::Serialize;
use serde_json::{Map, Value};
use tern_chat::{Answer, Generation, Message, MessageImage, Role, ToolCall, TurnRequest};
use tern_engine::tasks::Image;
use tern_registry::Lease;
use tern_scheduler::FinishReason;

use super::{
    chat_stream::ChatStream,
    chat_types::*,
    forms::form_fields,
    images,
    logprobs::ChatLogprobs,
    parameters::{self, Endpoint},
    sampling::{MAX_TOP_LOGPROBS, SamplingFields, answers, check_metadata, sampling_fields, stops},
    thinking::{effort, thinking, thinks},
    tools::{AnswerToolCall, Tools, is_legacy},
    usage::{Timings, Usage},
};
use crate::{
    error::{ApiError, ErrorReply, shortened},
    http::{
        body::{ApiBody, ApiJson, NamedBody},
        envelope::RequestId,
        sse::EventStream,
    },
    ids,
    routes::ApiTags,
    state::{State, beside},
    turns::{Running, begin},
};

pub(crate) struct ChatApi(pub State);

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum ChatContent {
    Json(ApiJson<ChatCompletion>),
    Stream(EventStream<ChatChunk>),
}

#[derive(ApiResponse)]
pub(crate) enum ChatResponse {
    /// The answer, or a stream of chunks when `stream` is true.
    #[oai(status = 200)]
    Ok(
        ChatContent,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
        /// How many messages were left out because of `truncation: "auto"`; of a stream, if that is known when it
        /// begins.
        #[oai(header = "x-truncated-messages")]
        Option<u32>,
    ),
}

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Chat")]
impl ChatApi {
    /// Create a chat completion
    ///
    /// Answers a dialogue. With `stream: true` the answer arrives as server-sent events, each a
    /// `chat.completion.chunk`, and ends with the literal `data: [DONE]`. (Swagger UI shows a stream only when it is
    /// complete; try `curl -N` instead.)
    #[oai(path = "/chat/completions", method = "post", operation_id = "createChatCompletion")]
    async fn chat(&self, id: Data<&RequestId>, request: NamedBody<ChatRequest>) -> Result<ChatResponse, ErrorReply> {
        let NamedBody(request, given) = request;
        let in_vain: &[&str] = if self.thinks(&request).await? { &[] } else { &parameters::OF_THINKING };
        let ignored = parameters::ignored(Endpoint::Chat, &given, in_vain);
        check(&request, &self.0)?;
        form_fields!(request).check().await?;
        let (content, truncated) = if request.stream.unwrap_or(false) {
            let (frames, truncated) = ChatStream::start(self.0.clone(), request, id.0.0.clone()).await?;
            (ChatContent::Stream(EventStream::new(frames)), truncated)
        } else {
            let answer = whole(&self.0, request, id.0.0.clone()).await?;
            let truncated = answer.truncated_messages;
            (ChatContent::Json(ApiJson(answer)), truncated)
        };
        Ok(ChatResponse::Ok(content, ignored, truncated))
    }

    /// Show the prompt of a chat completion
    ///
    /// Takes the same body and returns the exact text and tokens that the model would be given, without running it.
    #[oai(path = "/chat/render", method = "post", operation_id = "renderChat")]
    async fn render(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<ChatRequest>,
    ) -> Result<ApiJson<RenderedPrompt>, ErrorReply> {
        let request = request.0;
        check(&request, &self.0)?;
        form_fields!(request).check().await?;
        let model = self.0.find(request.model.as_deref()).await?;
        images::check_model(&self.0, &request.messages, &model)?;
        let pictures = images::load(&self.0, &request.messages).await?;
        let lease = self.0.registry.acquire(&model.entry.id).await?;
        let turn = turn(&request, pictures, &lease, id.0.0.clone())?;
        let rendered = beside(move || {
            let text = lease.text()?;
            Ok(text.chat.fit(&turn, text.scheduler.limits().context_length)?.0)
        })
        .await?;
        let count = rendered.tokens.len() as u32;
        Ok(ApiJson(RenderedPrompt { prompt: rendered.prompt, tokens: rendered.tokens, count }))
    }
}

impl ChatApi {
    /// Whether the model thinks, if the request says how much it is to.
    async fn thinks(&self, request: &ChatRequest) -> Result<bool, ApiError> {
        if request.reasoning_effort.is_none() && request.thinking_budget.is_none() && request.reasoning.is_none() {
            return Ok(false);
        }
        check(request, &self.0)?;
        Ok(thinks(&self.0.find(request.model.as_deref()).await?))
    }
}

/// A prompt as the model sees it.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RenderedPrompt {
    /// The text.
    pub prompt: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// How many.
    pub count: u32,
}

/// Refuses what cannot be honoured, before a model is loaded for it.
pub(crate) fn check(request: &ChatRequest, state: &State) -> Result<(), ApiError> {
    if request.messages.is_empty() {
        return Err(ApiError::invalid("messages", "messages is empty; at least one is needed"));
    }
    let refuse = |param: &str, message: &str| Err(ApiError::unsupported(param, message));
    if request.audio.is_some() || request.modalities.iter().flatten().any(|modality| modality != "text") {
        return refuse("modalities", "this server answers with text only");
    }
    if request.top_logprobs.is_some_and(|n| n > MAX_TOP_LOGPROBS) {
        return Err(ApiError::invalid("top_logprobs", format!("top_logprobs is at most {MAX_TOP_LOGPROBS}")));
    }
    if request.top_logprobs.is_some_and(|n| n > 0) && request.logprobs != Some(true) {
        return Err(ApiError::invalid("top_logprobs", "top_logprobs needs logprobs to be true"));
    }
    let (name, max) = match request.max_completion_tokens {
        Some(max) => ("max_completion_tokens", Some(max)),
        None => ("max_tokens", request.max_tokens),
    };
    if max == Some(0) {
        return Err(ApiError::invalid(name, format!("{name} is 0; the least is 1")));
    }
    // The rest needs the model (its vocabulary), but every range can be seen here already.
    SamplingFields { logit_bias: None, ..sampling_fields!(request) }.check(usize::MAX)?;
    answers(request.n)?;
    stops(request.stop.clone())?;
    Tools::of(request)?;
    thinking(request)?;
    check_metadata(request.metadata.as_ref())?;
    truncates(request)?;
    messages(&request.messages, Vec::new()).map(drop)?;
    images::check(&request.messages, state.config.allow_image_urls)
}

/// The request in the terms of `tern-chat`. `pictures` are the images of its messages, in order.
pub(crate) fn turn(
    request: &ChatRequest,
    pictures: Vec<Arc<Image>>,
    lease: &Lease,
    id: String,
) -> Result<TurnRequest, ApiError> {
    let text = lease.text()?;
    let generation = Generation {
        sampling: sampling_fields!(request).check(text.tokenizer.vocab_size())?,
        n: answers(request.n)?,
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        grammar: form_fields!(request).form()?.map(|form| form.grammar),
        stop: stops(request.stop.clone())?,
        ignore_eos: request.ignore_eos.unwrap_or(false),
        logprobs: request.logprobs.unwrap_or(false).then(|| request.top_logprobs.unwrap_or(0)),
        return_progress: request.return_progress.unwrap_or(false),
        use_cache: request.cache_prompt.unwrap_or(true),
    };
    let tools = Tools::of(request)?;
    let mut template_kwargs: Map<String, Value> =
        request.chat_template_kwargs.clone().unwrap_or_default().into_iter().collect();
    if let Some(effort) = effort(request) {
        template_kwargs.entry("reasoning_effort").or_insert(effort.into());
    }
    Ok(TurnRequest {
        tools: tools.definitions,
        tool_choice: tools.choice,
        parallel_tool_calls: tools.several,
        thinking: thinking(request)?,
        template_kwargs,
        continue_final_message: request.continue_final_message.unwrap_or(false),
        truncate: truncates(request)?,
        generation,
        ..TurnRequest::new(id, messages(&request.messages, pictures)?)
    })
}

/// Whether a dialogue that does not fit is shortened.
fn truncates(request: &ChatRequest) -> Result<bool, ApiError> {
    match request.truncation.as_deref() {
        None | Some("disabled") => Ok(false),
        Some("auto") => Ok(true),
        Some(other) => {
            let other = shortened(other);
            let message = format!("truncation is \"{other}\"; known are auto and disabled");
            Err(ApiError::invalid("truncation", message))
        }
    }
}

/// Without `pictures` images are passed over.
fn messages(messages: &[ChatMessage], pictures: Vec<Arc<Image>>) -> Result<Vec<Message>, ApiError> {
    let mut pictures = pictures.into_iter();
    messages.iter().enumerate().map(|(index, message)| one_message(index, message, &mut pictures)).collect()
}

fn one_message(
    index: usize,
    message: &ChatMessage,
    pictures: &mut impl Iterator<Item = Arc<Image>>,
) -> Result<Message, ApiError> {
    let mut images = Vec::new();
    let content = match &message.content {
        None => message.refusal.clone(),
        Some(Content::Text(text)) => Some(text.clone()),
        Some(Content::Parts(parts)) => {
            let mut text = String::new();
            for (at, part) in parts.iter().enumerate() {
                text += &part_text(index, at, part)?;
                if part.is_image() {
                    images.extend(pictures.next().map(|image| MessageImage { at: text.len(), image }));
                }
            }
            Some(text)
        }
    };
    let calls = message.tool_calls.iter().flatten();
    let mut tool_calls: Vec<_> = calls
        .map(|call| ToolCall {
            id: call.id.clone(),
            name: call.function.name.clone(),
            arguments: call.function.arguments.clone(),
        })
        .collect();
    if let Some(call) = &message.function_call {
        // The older form has no ids: the result names the function.
        tool_calls.push(ToolCall { id: call.name.clone(), name: call.name.clone(), arguments: call.arguments.clone() });
    }
    if content.is_none() && tool_calls.is_empty() && message.role != ChatRole::Assistant {
        let param = format!("messages[{index}].content");
        return Err(ApiError::invalid(&param, format!("{param} is missing; a string or an array of parts is needed")));
    }
    Ok(Message {
        role: match message.role {
            ChatRole::System | ChatRole::Developer => Role::System,
            ChatRole::User => Role::User,
            ChatRole::Assistant => Role::Assistant,
            ChatRole::Tool | ChatRole::Function => Role::Tool,
        },
        content,
        reasoning: message.reasoning_content.clone().or_else(|| message.reasoning.clone()),
        name: message.name.clone(),
        tool_calls,
        tool_call_id: match message.role {
            ChatRole::Function => message.tool_call_id.clone().or_else(|| message.name.clone()),
            _ => message.tool_call_id.clone(),
        },
        images,
    })
}

fn part_text(index: usize, at: usize, part: &ContentPart) -> Result<String, ApiError> {
    let place = format!("messages[{index}].content[{at}]");
    let text = match part.kind.as_str() {
        "text" | "input_text" | "output_text" => &part.text,
        "refusal" => &part.refusal,
        "image_url" if part.image_url.is_some() => return Ok(String::new()),
        "image_url" => {
            let place = format!("{place}.image_url");
            return Err(ApiError::invalid(place.clone(), format!("{place} is missing")));
        }
        "input_audio" | "file" => {
            let message = format!("{place}: this model does not take parts of type \"{}\"", part.kind);
            return Err(ApiError::unsupported(place, message));
        }
        other => {
            let other = shortened(other);
            let message = format!("{place}.type is \"{other}\"; known are text, image_url and refusal");
            return Err(ApiError::invalid(format!("{place}.type"), message));
        }
    };
    text.clone().ok_or_else(|| ApiError::invalid(format!("{place}.text"), format!("{place}.text is missing")))
}

/// The word for why an answer ended that may have called tools. One that was cut off in a call says so.
pub(crate) fn finish_word(reason: &FinishReason, tool_calls: usize, legacy: bool) -> &'static str {
    match reason {
        FinishReason::Stop(_) if tool_calls > 0 && legacy => "function_call",
        FinishReason::Stop(_) if tool_calls > 0 => "tool_calls",
        reason => reason.word(),
    }
}

fn answer_message(answer: Answer, legacy: bool) -> ChatAnswer {
    let Answer { text, reasoning, tool_calls, .. } = answer;
    let content = if text.is_empty() && !tool_calls.is_empty() { None } else { Some(text) };
    let mut calls: Vec<AnswerToolCall> = tool_calls.into_iter().map(Into::into).collect();
    let function_call = if legacy { calls.drain(..).next().map(|call| call.function) } else { None };
    ChatAnswer {
        role: "assistant".into(),
        content,
        refusal: None,
        reasoning_content: reasoning.clone(),
        reasoning,
        tool_calls: (!calls.is_empty()).then_some(calls),
        function_call,
    }
}

/// Answers in one piece. Dropping the future cancels the turn.
async fn whole(state: &State, request: ChatRequest, id: String) -> Result<ChatCompletion, ApiError> {
    let model = state.find(request.model.as_deref()).await?;
    images::check_model(state, &request.messages, &model)?;
    let pictures = images::load(state, &request.messages).await?;
    let logprobs = request.logprobs.unwrap_or(false);
    let legacy = is_legacy(&request);
    let Running { turn, lease } = begin(state, &model, |lease| turn(&request, pictures, lease, id)).await?;
    let dropped = turn.dropped_messages();
    let answered = turn.collect().await?;
    let choices = answered.answers.into_iter().zip(0..).map(|(answer, index)| {
        let finish =
            answer.finish.as_ref().map_or("stop", |reason| finish_word(reason, answer.tool_calls.len(), legacy));
        ChatChoice {
            index,
            finish_reason: finish.into(),
            logprobs: logprobs.then(|| ChatLogprobs { content: answer.logprobs.iter().map(Into::into).collect() }),
            message: answer_message(answer, legacy),
        }
    });
    Ok(ChatCompletion {
        id: ids::new("chatcmpl-"),
        object: "chat.completion".into(),
        created: ids::unix_time(),
        model: lease.entry.id.clone(),
        choices: choices.collect(),
        usage: Usage::new(&answered.summary, answered.reasoning_tokens),
        system_fingerprint: state.fingerprint(lease.entry.engine),
        timings: Timings::new(&answered.summary),
        truncated_messages: (dropped > 0).then_some(dropped),
    })
}
