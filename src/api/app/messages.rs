//! `/api/conversations/{id}/messages`: asking, following, stopping, changing.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{Stream, stream};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    types::MaybeUndefined,
};
use serde::{Deserialize, Serialize};
use tern_conversations::{AnswerEvent, AnswerWith, NewAttachment, NewMessage, Reader};

use super::{
    conversation_types::{AnswerParameters, AnswerStreamEvent, Conversation, EventOut, Message},
    conversations::an_id,
};
use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiBody, ApiJson},
        sse::{self, EventStream},
    },
    keys::Caller,
    routes::ApiTags,
    state::State,
};

/// A message to send.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct SendRequest {
    /// What is said.
    pub content: String,
    /// The message before it. Absent: the last one of the branch that is shown. Null: none, as it is a first message.
    #[oai(nullable)]
    pub parent: MaybeUndefined<String>,
    /// Files sent along: text, JSON, CSV, Markdown, source code; images (PNG, JPEG, WebP, GIF, TIFF, BMP) for a model
    /// that can see.
    #[oai(nullable)]
    pub attachments: Option<Vec<SentFile>>,
    /// Model of this answer and, from now on, of the conversation.
    #[oai(nullable)]
    pub model: Option<String>,
    /// Parameters of this answer, over the conversation's.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
    /// Says that this is another wording of a message, whose `parent` must then be given. The first wording stays, as a
    /// branch beside it.
    #[oai(nullable)]
    pub edit: Option<bool>,
}

impl poem_openapi::types::Example for SendRequest {
    fn example() -> Self {
        Self {
            content: "What is Tern?".into(),
            model: Some("tern-guide".into()),
            parameters: Some(AnswerParameters { max_tokens: Some(100), ..AnswerParameters::default() }),
            ..Self::default()
        }
    }
}

/// A file sent along.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
pub struct SentFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    #[serde(default)]
    pub media_type: String,
    /// Its bytes in base64, or a data URL.
    pub data: String,
}

/// How to answer again.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct AnswerRequest {
    /// Model of this answer instead of the conversation's.
    #[oai(nullable)]
    pub model: Option<String>,
    /// Parameters of this answer, over the conversation's.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
}

impl poem_openapi::types::Example for AnswerRequest {
    fn example() -> Self {
        let parameters = AnswerParameters { max_tokens: Some(100), ..AnswerParameters::default() };
        Self { model: Some("tern-guide".into()), parameters: Some(parameters) }
    }
}

/// How to go on.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct ContinueRequest {
    /// Parameters over those the answer was begun with.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
}

impl poem_openapi::types::Example for ContinueRequest {
    fn example() -> Self {
        let parameters = AnswerParameters { max_tokens: Some(100), ..AnswerParameters::default() };
        Self { parameters: Some(parameters) }
    }
}

/// A text to be put in the place of another.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(example)]
pub struct RewriteRequest {
    /// The text.
    pub content: String,
}

impl poem_openapi::types::Example for RewriteRequest {
    fn example() -> Self {
        Self { content: "What is Tern, in one sentence?".into() }
    }
}

/// An id to try the description with.
fn a_message() -> String {
    "msg_0123456789abcdef01234567".into()
}

#[derive(ApiResponse)]
pub(crate) enum AnswerSse {
    /// The events of the answer. Each has its number as `id`; the last is followed by `data: [DONE]`.
    #[oai(status = 200)]
    Ok(EventStream<AnswerStreamEvent>),
}

impl AnswerSse {
    fn new(reader: Reader) -> Self {
        Self::Ok(EventStream::new(frames(reader)))
    }

    /// Of an answer that begins: its tokens are counted for who asks, also when that one leaves.
    fn of_new(reader: Reader) -> Self {
        let meter = Caller::current().meter();
        if meter.counts() {
            let mut reader = reader.clone();
            tokio::spawn(async move {
                while let Some((_, event)) = reader.next().await {
                    if let AnswerEvent::End { message, .. } = event
                        && let Some(usage) = message.answer.and_then(|answer| answer.usage)
                    {
                        meter.count(usage.prompt_tokens, usage.completion_tokens);
                    }
                }
            });
        }
        Self::new(reader)
    }
}

impl State {
    /// Checks the model of an answer in a conversation for a key that may not ask all: the one that is named, or else
    /// the conversation's, or that of the answer which is gone on with.
    async fn check_answering(
        &self,
        conversation: &str,
        model: Option<&str>,
        answer: Option<&str>,
    ) -> Result<(), ApiError> {
        if !Caller::current().is_restricted() {
            return Ok(());
        }
        let (conversation, answer) = (conversation.to_owned(), answer.map(str::to_owned));
        let remembered = self.conversations.with_store(move |store| {
            let of_answer = match answer {
                Some(id) => store.message(&conversation, &id)?.answer.map(|answer| answer.model),
                None => None,
            };
            Ok(of_answer.or(store.conversation(&conversation)?.model))
        });
        let remembered = remembered.await?;
        let Some(model) = model.map(str::to_owned).or(remembered) else {
            return Err(ApiError::invalid(
                "model",
                "model is missing; this key may ask some models only, so one must be named",
            ));
        };
        self.find(Some(&model)).await.map(drop)
    }
}

/// Events as frames. Dropping them leaves the answer alone.
fn frames(reader: Reader) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            None => {
                // The task died; whoever reads the message sees how far it came.
                let error = ApiError::new(500, "internal_error", "the answer ended without an end; the log has more");
                Some((sse::failure(&error), None))
            }
            Some((seq, event)) => {
                let last = matches!(event, AnswerEvent::End { .. });
                let mut frame = sse::numbered(seq, &EventOut::from(event));
                if last {
                    frame = [frame, sse::done()].concat().into();
                }
                Some((frame, (!last).then_some(reader)))
            }
        }
    })
}

/// The bytes of a file in base64, with or without a data URL around it, which may name the media type.
pub(crate) fn decode(index: usize, file: SentFile) -> Result<NewAttachment, ApiError> {
    let (head, data) = match file.data.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        Some((head, data)) => (Some(head), data),
        None => (None, file.data.as_str()),
    };
    let wrong = |what: String| {
        let param = format!("attachments.{index}");
        ApiError::invalid(param, format!("the data of the file \"{}\" {what}", file.name))
    };
    if head.is_some_and(|head| !head.ends_with(";base64")) {
        return Err(wrong("is a data URL that is not in base64".into()));
    }
    let bytes = BASE64_STANDARD.decode(data.trim()).map_err(|error| wrong(format!("is not base64: {error}")))?;
    let named = head.and_then(|head| head.strip_suffix(";base64")).unwrap_or_default();
    let media_type = if file.media_type.trim().is_empty() { named.to_owned() } else { file.media_type };
    Ok(NewAttachment { name: file.name, media_type, bytes })
}

pub(crate) struct MessagesApi(pub State);

#[OpenApi(prefix_path = "/api/conversations", tag = "ApiTags::Conversations")]
impl MessagesApi {
    /// Send a message and follow its answer
    ///
    /// The message is stored, then answered; the answer goes on, and is stored, also when the connection ends. Join it
    /// again with `GET .../messages/{message}/events`, end it with `POST .../messages/{message}/stop`. What can be
    /// known to be wrong is refused before anything is stored.
    #[oai(path = "/:id/messages", method = "post", operation_id = "sendMessage")]
    async fn send(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        request: ApiBody<SendRequest>,
    ) -> Result<AnswerSse, ErrorReply> {
        let request = request.0;
        let parent: Option<Option<String>> = request.parent.into();
        if request.edit == Some(true) && parent.is_none() {
            let message = "edit needs the parent of the message that is edited (null for a first one)";
            return Err(
                ApiError { code: Some("missing_required_parameter"), ..ApiError::invalid("parent", message) }.into()
            );
        }
        let files = request.attachments.unwrap_or_default().into_iter().enumerate();
        let message = NewMessage {
            content: request.content,
            parent,
            attachments: files.map(|(index, file)| decode(index, file)).collect::<Result<_, _>>()?,
            with: with(request.model, request.parameters),
        };
        self.0.check_answering(&id.0, message.with.model.as_deref(), None).await?;
        Ok(AnswerSse::of_new(self.0.conversations.send(id.0, message).await?))
    }

    /// Answer a message again
    ///
    /// The answers it has already stay, as branches beside the new one.
    #[oai(path = "/:id/messages/:message/answer", method = "post", operation_id = "answerMessage")]
    async fn answer(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The person's message.
        #[oai(example = "a_message")]
        message: Path<String>,
        request: ApiBody<AnswerRequest>,
    ) -> Result<AnswerSse, ErrorReply> {
        let with = with(request.0.model, request.0.parameters);
        self.0.check_answering(&id.0, with.model.as_deref(), None).await?;
        Ok(AnswerSse::of_new(self.0.conversations.answer(id.0, message.0, with).await?))
    }

    /// Go on with an answer
    ///
    /// With one that was stopped or interrupted, that failed, or that was cut off at `max_tokens`.
    #[oai(path = "/:id/messages/:message/continue", method = "post", operation_id = "continueMessage")]
    async fn go_on(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The answer.
        #[oai(example = "a_message")]
        message: Path<String>,
        request: ApiBody<ContinueRequest>,
    ) -> Result<AnswerSse, ErrorReply> {
        let parameters = request.0.parameters.unwrap_or_default().given();
        self.0.check_answering(&id.0, None, Some(&message.0)).await?;
        Ok(AnswerSse::of_new(self.0.conversations.go_on(id.0, message.0, parameters).await?))
    }

    /// Follow an answer
    ///
    /// From the beginning, or from behind the event `after` (or `Last-Event-ID`): what came meanwhile is given first,
    /// texts perhaps in larger pieces. Of an answer that ended more than five minutes ago there is only the `end`.
    #[oai(path = "/:id/messages/:message/events", method = "get", operation_id = "followMessage")]
    async fn events(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The answer.
        #[oai(example = "a_message")]
        message: Path<String>,
        /// Number of the last event that was seen. Default 0: none.
        after: Query<Option<u64>>,
        /// The same, as browsers send it.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<u64>>,
    ) -> Result<AnswerSse, ErrorReply> {
        let after = last_event_id.0.or(after.0).unwrap_or(0);
        Ok(AnswerSse::new(self.0.conversations.join(id.0, message.0, after).await?))
    }

    /// Stop an answer
    ///
    /// Its text is kept. One that is not being written is left as it is.
    #[oai(path = "/:id/messages/:message/stop", method = "post", operation_id = "stopMessage")]
    async fn stop(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The answer.
        #[oai(example = "a_message")]
        message: Path<String>,
    ) -> Result<ApiJson<Message>, ErrorReply> {
        Ok(ApiJson(self.0.conversations.stop(id.0, message.0).await?.into()))
    }

    /// Change the text of a message
    ///
    /// In its place; what follows it stays. To ask anew with another wording, send a message with the same `parent`.
    #[oai(path = "/:id/messages/:message", method = "patch", operation_id = "changeMessage")]
    async fn change(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The message.
        #[oai(example = "a_message")]
        message: Path<String>,
        request: ApiBody<RewriteRequest>,
    ) -> Result<ApiJson<Message>, ErrorReply> {
        Ok(ApiJson(self.0.conversations.rewrite(id.0, message.0, request.0.content).await?.into()))
    }

    /// Delete a message and all that follows it
    #[oai(path = "/:id/messages/:message", method = "delete", operation_id = "deleteMessage")]
    async fn delete(
        &self,
        /// The conversation.
        #[oai(example = "an_id")]
        id: Path<String>,
        /// The message.
        #[oai(example = "a_message")]
        message: Path<String>,
    ) -> Result<ApiJson<Conversation>, ErrorReply> {
        Ok(ApiJson(self.0.conversations.delete_message(id.0, message.0).await?.into()))
    }
}

fn with(model: Option<String>, parameters: Option<AnswerParameters>) -> AnswerWith {
    let model = model.filter(|model| !model.trim().is_empty());
    AnswerWith { model, parameters: parameters.unwrap_or_default().given() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(media_type: &str, data: &str) -> SentFile {
        SentFile { name: "a".into(), media_type: media_type.into(), data: data.into() }
    }

    #[test]
    fn files_come_in_base64_or_as_data_urls() {
        let decoded = decode(0, file("", "data:text/csv;base64,aGk=")).unwrap();
        assert_eq!((decoded.media_type.as_str(), decoded.bytes.as_slice()), ("text/csv", &b"hi"[..]));
        assert_eq!(decode(0, file("text/plain", "aGk=")).unwrap().bytes, b"hi");
        for wrong in ["data:text/plain,hi", "%%%", "data:"] {
            assert_eq!(decode(2, file("", wrong)).unwrap_err().param.as_deref(), Some("attachments.2"), "{wrong}");
        }
    }
}
