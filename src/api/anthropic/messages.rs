//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.

use poem::web::Data;
use poem_openapi::{ApiResponse, OpenApi, ResponseContent};

use super::{
    answer_types::*,
    blocks::Frame,
    errors::MessagesError,
    stream::{frames, ping},
    translate::{Request, translate},
    types::MessagesRequest,
};
use crate::{
    error::ApiError,
    http::{
        body::{ApiBody, ApiJson},
        dialect::Refused,
        envelope::RequestId,
        sse::EventStream,
    },
    openai::{parameters::named, thinking::thinks},
    routes::ApiTags,
    state::State,
    translated::whole,
};

pub(crate) struct AnthropicApi(pub State);

#[derive(ResponseContent)]
// One is made a request, and moved once.
#[allow(clippy::large_enum_variant)]
pub(crate) enum MessagesReply {
    Json(ApiJson<MessagesAnswer>),
    Stream(EventStream<MessagesEvent>),
}

#[derive(ApiResponse)]
pub(crate) enum MessagesResponse {
    /// The answer, or a stream of events when `stream` is true.
    #[oai(status = 200)]
    Ok(
        MessagesReply,
        /// Parameters that were accepted and change nothing with this model.
        #[oai(header = "x-ignored-params")]
        Option<String>,
    ),
}

#[OpenApi(prefix_path = "/v1/messages", tag = "ApiTags::Messages")]
impl AnthropicApi {
    /// Create a message
    ///
    /// Answers a dialogue as Anthropic's API does: point its clients at this server, without `/v1`. The headers
    /// `anthropic-version` and `anthropic-beta` are not needed, nor looked at. With `stream: true` the answer arrives
    /// as server-sent events.
    #[oai(path = "/", method = "post", operation_id = "createMessage")]
    async fn create(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<MessagesRequest>,
    ) -> Result<MessagesResponse, Refused<MessagesError>> {
        let mut request = request.0;
        let is_stream = request.stream.take().unwrap_or(false);
        let Some(max_tokens) = request.max_tokens else {
            return Err(ApiError::invalid("max_tokens", "max_tokens is missing; it bounds the answer").into());
        };
        let stop_sequences = request.stop_sequences.clone().unwrap_or_default();
        let Request { mut translated, places, mut ignored } = translate(request)?;
        // The first event tells how large the prompt is.
        translated.chat.return_progress = Some(is_stream);
        let answer = async {
            translated.check(&self.0)?;
            let model = self.0.find(translated.chat.model.as_deref()).await?;
            if !thinks(&model) {
                ignored.extend(translated.of_thinking("thinking", "output_config.effort"));
            }
            let frame = Frame::new(model.entry.id.clone(), max_tokens, stop_sequences);
            let events = translated.begin(&self.0, model, id.0.0.clone()).await?;
            if is_stream {
                return Ok(MessagesReply::Stream(EventStream::alive_by(frames(events, frame), ping())));
            }
            Ok(MessagesReply::Json(ApiJson(frame.answer(whole(events).await?))))
        };
        let answer = answer.await.map_err(|error| places.restore(error))?;
        Ok(MessagesResponse::Ok(answer, named(&ignored)))
    }

    /// Count the tokens of a message
    ///
    /// Takes the body of `POST /v1/messages`, `max_tokens` or not, and tells how long its prompt is for this model:
    /// with its template, instructions and tools. Loads the model.
    #[oai(path = "/count_tokens", method = "post", operation_id = "countMessageTokens")]
    async fn count(
        &self,
        id: Data<&RequestId>,
        request: ApiBody<MessagesRequest>,
    ) -> Result<ApiJson<MessagesTokenCount>, Refused<MessagesError>> {
        let Request { translated, places, .. } = translate(request.0)?;
        let count = async {
            translated.check(&self.0)?;
            let model = self.0.find(translated.chat.model.as_deref()).await?;
            translated.count(&self.0, model, id.0.0.clone()).await
        };
        let input_tokens = count.await.map_err(|error| places.restore(error))?;
        Ok(ApiJson(MessagesTokenCount { input_tokens }))
    }
}
