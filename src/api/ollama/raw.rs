//! Texts that are continued as they are, as the events of a turn.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use tern_chat::TurnEvent;
use tern_registry::{Lease, ModelStatus};
use tern_scheduler::Event;
use tokio::time::timeout;

use crate::{
    error::ApiError,
    keys::{Caller, MeteredEvents},
    openai::{
        chat_types::ChatRequest,
        completions::{CompletionRequest, PromptInput, check, submit},
        forms::form_fields,
    },
    state::State,
    translated::TurnEvents,
    turns::{PATIENCE, unfinished},
};

/// The request for a text with the settings of a chat request.
pub(crate) fn completion(chat: ChatRequest, prompt: String) -> CompletionRequest {
    CompletionRequest {
        prompt: Some(PromptInput::Text(prompt)),
        max_tokens: chat.max_tokens,
        stop: chat.stop,
        temperature: chat.temperature,
        top_p: chat.top_p,
        top_k: chat.top_k,
        min_p: chat.min_p,
        typical_p: chat.typical_p,
        repeat_penalty: chat.repeat_penalty,
        repeat_last_n: chat.repeat_last_n,
        presence_penalty: chat.presence_penalty,
        frequency_penalty: chat.frequency_penalty,
        seed: chat.seed,
        response_format: chat.response_format,
        ..CompletionRequest::default()
    }
}

enum Stage {
    Starting(BoxFuture<'static, Result<(MeteredEvents, Lease), ApiError>>),
    /// The events are dropped before the lease: the request is cancelled before its model may be unloaded.
    Running(MeteredEvents, Lease),
}

/// Begins the text on a model.
///
/// # Errors
/// What can be known at once: a parameter out of range, and when the model is in memory also a prompt that does not fit.
pub(crate) async fn begin(
    request: CompletionRequest,
    state: &State,
    model: ModelStatus,
    id: String,
) -> Result<TurnEvents, ApiError> {
    check(&request)?;
    form_fields!(request).check().await?;
    let registry = state.registry.clone();
    // What begins late runs with the stream, which no longer knows who asked.
    let meter = Caller::current().meter();
    let starting = async move {
        let lease = registry.acquire(&model.entry.id).await?;
        let (mut running, lease) = submit(Arc::new(request), lease, id, meter).await?;
        let running = running.pop().ok_or_else(unfinished)?;
        Ok((running.events, lease))
    };
    let mut starting = starting.boxed();
    let stage = match timeout(PATIENCE, &mut starting).await {
        Ok(running) => running.map(|(events, lease)| Stage::Running(events, lease))?,
        Err(_) => Stage::Starting(starting),
    };
    let events = stream::unfold(Some(stage), |stage| async {
        let (mut events, lease) = match stage? {
            Stage::Running(events, lease) => (events, lease),
            Stage::Starting(starting) => match starting.await {
                Ok(running) => running,
                Err(error) => return Some((Err(error), None)),
            },
        };
        loop {
            let event = match events.next().await {
                // Logprobs of a prompt are not asked for.
                Some(Event::Prompt(_)) => continue,
                Some(event) => translated(event),
                None => Err(unfinished()),
            };
            let more = !matches!(event, Err(_) | Ok(TurnEvent::End { .. }));
            return Some((event, more.then_some(Stage::Running(events, lease))));
        }
    });
    Ok(events.boxed())
}

/// An event of a text as one of a turn, where nothing is reasoning and nothing a call.
fn translated(event: Event) -> Result<TurnEvent, ApiError> {
    Ok(match event {
        Event::Prefill(progress) => TurnEvent::Prefill(progress),
        Event::Delta(delta) => {
            TurnEvent::Text(tern_chat::TurnDelta { choice: delta.choice, text: delta.text, logprobs: delta.logprobs })
        }
        Event::Finish { choice, reason } => TurnEvent::Finish { choice, reason, tool_calls: 0 },
        Event::End(summary) => TurnEvent::End { summary, reasoning_tokens: 0 },
        Event::Failed(error) => return Err(error.into()),
        Event::Prompt(_) => return Err(unfinished()),
    })
}
