//! OpenAI's Responses: `/v1/responses`. A translation: what is asked for becomes a chat request, the events of its turn
//! become those of a response, and what is kept lies among the conversations of the page.
//!
//! Read in this order: `request` and `items` (what comes), `settings`, `input`, `begin` and `continued` (what it
//! becomes), `names` (what errors call it), `object`, `events` and `writer` (what goes out), `run` and `live` (how),
//! `stored` and `ids` (what is kept).

mod begin;
mod continued;
mod events;
mod ids;
mod input;
mod input_items;
mod items;
mod live;
mod names;
mod object;
mod request;
mod run;
mod settings;
mod stored;
#[cfg(test)]
mod tests;
mod writer;

use bytes::Bytes;
use futures_util::stream;
use poem::web::Data;
use poem_openapi::{
    ApiResponse, OpenApi, ResponseContent,
    param::{Path, Query},
};
use tern_conversations::AnswerEvent;
use tern_store::{Message, Status};

use self::{
    begin::{or_not_found, understand},
    events::{DeletedResponse, InputTokens, ItemList, ResponseEvent},
    object::Response,
    request::ResponseRequest,
    run::{Keeping, Passing},
};
pub(crate) use live::Lives;

use crate::{
    error::{ApiError, ErrorReply, shortened},
    http::{
        body::{ApiBody, ApiJson},
        envelope::RequestId,
        sse::EventStream,
    },
    openai::parameters::named,
    routes::ApiTags,
    state::{State, beside},
};

pub(crate) struct ResponsesApi(pub State);

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Content {
    Json(ApiJson<Response>),
    Stream(EventStream<ResponseEvent>),
}

#[derive(ApiResponse)]
pub(crate) enum Created {
    /// The response, or its events when `stream` is true. In the background it has only just begun.
    #[oai(status = 200)]
    Ok(
        Content,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
        /// How many messages were left out because of `truncation: "auto"`, if that is known when the answer begins.
        #[oai(header = "x-truncated-messages")]
        Option<u32>,
    ),
}

#[derive(ApiResponse)]
pub(crate) enum Found {
    /// The response, or its events when `stream` is true.
    #[oai(status = 200)]
    Ok(Content),
}

/// An id to try the description with.
fn a_response() -> String {
    "resp_0123456789abcdef01234567".into()
}

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Responses")]
impl ResponsesApi {
    /// Create a response
    ///
    /// Answers, as `POST /v1/chat/completions` does, in OpenAI's newer dialect. Unless `store` is false, what is said
    /// and the answer are kept as a conversation, which the page and `/api/conversations` show, and
    /// `previous_response_id` goes on behind any answer there. A client that leaves ends its response, which keeps what
    /// it has; with `background: true` it goes on.
    #[oai(path = "/responses", method = "post", operation_id = "createResponse")]
    async fn create(&self, id: Data<&RequestId>, request: ApiBody<ResponseRequest>) -> Result<Created, ErrorReply> {
        let (state, id) = (&self.0, id.0.0.clone());
        let is_stream = request.0.stream.unwrap_or(false);
        let asked = understand(state, request.0).await?;
        let ignored = named(&asked.ignored);
        let (content, truncated) = if asked.settings.store {
            let in_background = asked.settings.background;
            let keeping = Keeping::begin(state, asked, id).await?;
            let truncated = keeping.truncated();
            match (is_stream, in_background) {
                (true, _) => (Content::Stream(EventStream::new(keeping.frames())), truncated),
                (false, true) => (Content::Json(ApiJson(keeping.response())), truncated),
                (false, false) => {
                    let (response, truncated) = keeping.whole().await?;
                    (Content::Json(ApiJson(response)), truncated)
                }
            }
        } else {
            let passing = Passing::begin(state, asked, id).await?;
            if is_stream {
                let truncated = passing.truncated();
                (Content::Stream(EventStream::new(passing.frames())), truncated)
            } else {
                let (response, truncated) = passing.whole().await?;
                (Content::Json(ApiJson(response)), truncated)
            }
        };
        Ok(Created::Ok(content, ignored, truncated))
    }

    /// Count the tokens of a response's input
    ///
    /// Takes the same body, and says how many tokens the model would be given, without running it: with `truncation:
    /// "auto"` those of what is left.
    #[oai(path = "/responses/input_tokens", method = "post", operation_id = "countInputTokens")]
    async fn input_tokens(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<ResponseRequest>,
    ) -> Result<ApiJson<InputTokens>, ErrorReply> {
        let (state, id) = (&self.0, id.0.0.clone());
        let asked = understand(state, ResponseRequest { store: Some(false), background: None, ..request.0 }).await?;
        let lease = state.registry.acquire(&asked.model.entry.id).await?;
        let prompt = asked.prompt;
        let rendered = beside(move || {
            let turn = prompt.turn(&lease, id)?;
            let text = lease.text()?;
            Ok(text.chat.fit(&turn, text.scheduler.limits().context_length)?.0)
        });
        let rendered = rendered.await.map_err(|error| asked.names.rename_prompt(error))?;
        let input_tokens = rendered.tokens.len() as u32;
        Ok(ApiJson(InputTokens { object: "response.input_tokens".into(), input_tokens }))
    }

    /// Get a response
    ///
    /// As far as it is. With `stream=true` its events, from the beginning or from behind `starting_after`: those that
    /// came already at once, the others as they come. The events of a response that ended more than five minutes ago
    /// are made anew from what is kept, each item in one piece. The last event has everything, and is always sent.
    #[oai(path = "/responses/:id", method = "get", operation_id = "getResponse")]
    async fn get(
        &self,
        /// The response.
        #[oai(example = "a_response")]
        id: Path<String>,
        /// Send its events.
        stream: Query<Option<bool>>,
        /// With `stream`: the `sequence_number` of the last event that was seen.
        starting_after: Query<Option<u64>>,
    ) -> Result<Found, ErrorReply> {
        let message = self.find(&id.0).await?;
        let live = self.0.responses.get(&message.id);
        if stream.0 != Some(true) {
            let response = match live.filter(|_| message.status == Status::Generating) {
                Some(live) => live.response(),
                None => stored::written(&message).response().clone(),
            };
            return Ok(Found::Ok(Content::Json(ApiJson(response))));
        }
        let from = starting_after.0.map_or(0, |seen| usize::try_from(seen).unwrap_or(usize::MAX).saturating_add(1));
        let frames = match live {
            Some(live) => {
                let follow =
                    |mut follower: live::Follower| async move { follower.next().await.map(|frame| (frame, follower)) };
                EventStream::new(stream::unfold(live.follow(from), follow))
            }
            None => {
                let events = stored::written(&self.at_its_end(message).await?).take();
                let last = events.len().saturating_sub(1);
                let frames: Vec<Bytes> = events.iter().skip(from.min(last)).map(live::frame).collect();
                EventStream::new(stream::iter(frames))
            }
        };
        Ok(Found::Ok(Content::Stream(frames)))
    }

    /// Delete a response
    ///
    /// With what was said to get it; the conversation goes too if that was all. One that is being written ends. Of a
    /// response that others go on behind only the text goes.
    #[oai(path = "/responses/:id", method = "delete", operation_id = "deleteResponse")]
    async fn delete(
        &self,
        /// The response.
        #[oai(example = "a_response")]
        id: Path<String>,
    ) -> Result<ApiJson<DeletedResponse>, ErrorReply> {
        let message = self.find(&id.0).await?;
        let message_id = message.id.clone();
        self.0.conversations.retract(message).await?;
        self.0.responses.forget(&message_id);
        let id = ids::response_of(&message_id);
        Ok(ApiJson(DeletedResponse { id, object: "response".into(), deleted: true }))
    }

    /// Cancel a response
    ///
    /// What it has is kept. One that has ended is left as it is.
    #[oai(path = "/responses/:id/cancel", method = "post", operation_id = "cancelResponse")]
    async fn cancel(
        &self,
        /// The response.
        #[oai(example = "a_response")]
        id: Path<String>,
    ) -> Result<ApiJson<Response>, ErrorReply> {
        let message = self.find(&id.0).await?;
        let message = self.0.conversations.stop(message.conversation, message.id).await?;
        Ok(ApiJson(stored::written(&message).response().clone()))
    }

    /// List what was said to get a response
    ///
    /// The items of its own input, without its instructions and without what was said before `previous_response_id`.
    #[oai(path = "/responses/:id/input_items", method = "get", operation_id = "listInputItems")]
    async fn input_items(
        &self,
        /// The response.
        #[oai(example = "a_response")]
        id: Path<String>,
        /// At most so many, 1 to 100. Default 20.
        limit: Query<Option<u32>>,
        /// `asc`, oldest first, or `desc`, the default.
        order: Query<Option<String>>,
        /// Go on behind the item of this id.
        after: Query<Option<String>>,
    ) -> Result<ApiJson<ItemList>, ErrorReply> {
        let page = input_items::Page::new(limit.0, order.0.as_deref(), after.0)?;
        let message = self.find(&id.0).await?;
        let items = self.0.conversations.with_store(move |store| input_items::of(&message, store)).await?;
        Ok(ApiJson(page.cut(items)?))
    }
}

impl ResponsesApi {
    /// The answer that a response is.
    async fn find(&self, id: &str) -> Result<Message, ApiError> {
        let shown = shortened(id);
        let unknown = ApiError::new(404, "response_not_found", format!("Response with id '{shown}' not found."));
        match self.0.conversations.find(ids::message_of(id)).await {
            Ok(message) if stored::is_response(&message) => Ok(message),
            Ok(_) => Err(unknown),
            Err(error) => Err(or_not_found(error, unknown)),
        }
    }

    /// An answer when it has ended: of the page's own there are other events until then.
    async fn at_its_end(&self, message: Message) -> Result<Message, ApiError> {
        if message.status != Status::Generating {
            return Ok(message);
        }
        let mut reader = self.0.conversations.join(message.conversation.clone(), message.id.clone(), 0).await?;
        while let Some((_, event)) = reader.next().await {
            if let AnswerEvent::End { message, .. } = event {
                return Ok(*message);
            }
        }
        Ok(message)
    }
}
