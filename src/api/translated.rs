//! A request of another dialect, turned into a chat request: checked, begun and gathered as one.

use std::sync::Arc;

use futures_util::{StreamExt, stream, stream::BoxStream};
use tern_chat::{Answered, Thinking, TurnEvent, TurnRequest, gather};
use tern_engine::tasks::Image;
use tern_registry::{Lease, ModelStatus};

use crate::{
    error::ApiError,
    openai::{
        chat::{check, turn},
        chat_types::ChatRequest,
        forms::form_fields,
        images,
    },
    state::{State, beside},
    turns::{TurnStream, unfinished},
};

/// The events of a turn, `End` or an error at last. Dropping it cancels the turn.
pub(crate) type TurnEvents = BoxStream<'static, Result<TurnEvent, ApiError>>;

/// A chat request, and what it has no field for.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    pub chat: ChatRequest,
    /// How much the model may think, where the client says so.
    pub thinking: Option<Thinking>,
}

impl Translated {
    /// Checks the request, as far as that needs no model.
    pub fn check(&self, state: &State) -> Result<(), ApiError> {
        check(&self.chat, state)
    }

    /// Names of what was said about thinking, as the client calls its budget or switch, and its level.
    pub fn of_thinking(&self, thinking: &str, level: &str) -> impl Iterator<Item = String> + use<> {
        let switched_on = self.thinking.is_some_and(|thinking| thinking.enabled != Some(false));
        let names = [(thinking, switched_on), (level, self.chat.reasoning_effort.is_some())];
        names.map(|(name, given)| given.then(|| name.to_owned())).into_iter().flatten()
    }

    /// Begins the turn on a model.
    ///
    /// # Errors
    /// What can be known at once, as of [`TurnStream::begin`]; images that cannot be read, or not by this model.
    pub async fn begin(self, state: &State, model: ModelStatus, id: String) -> Result<TurnEvents, ApiError> {
        let pictures = self.pictures(state, &model).await?;
        let turn = TurnStream::begin(state.clone(), model, move |lease| self.turn(pictures, lease, id)).await?;
        Ok(stream::unfold(turn, |mut turn| async { turn.next().await.map(|event| (event, turn)) }).boxed())
    }

    /// How many tokens the prompt has. Loads the model, as only its template and tokenizer know.
    ///
    /// # Errors
    /// As [`Translated::begin`], but for a prompt that does not fit: it is counted.
    pub async fn count(self, state: &State, model: ModelStatus, id: String) -> Result<u32, ApiError> {
        let pictures = self.pictures(state, &model).await?;
        let lease = state.registry.acquire(&model.entry.id).await?;
        let turn = self.turn(pictures, &lease, id)?;
        beside(move || Ok(lease.text()?.chat.render(&turn)?.tokens.len() as u32)).await
    }

    /// The images of the dialogue; and what can be known of the form of the answer, which may take a moment, is
    /// checked.
    async fn pictures(&self, state: &State, model: &ModelStatus) -> Result<Vec<Arc<Image>>, ApiError> {
        form_fields!(self.chat).check().await?;
        images::check_model(state, &self.chat.messages, model)?;
        images::load(state, &self.chat.messages).await
    }

    fn turn(&self, pictures: Vec<Arc<Image>>, lease: &Lease, id: String) -> Result<TurnRequest, ApiError> {
        let turn = turn(&self.chat, pictures, lease, id)?;
        Ok(TurnRequest { thinking: self.thinking.unwrap_or(turn.thinking), ..turn })
    }
}

/// Waits for the end of a turn.
///
/// # Errors
/// What the turn failed with.
pub(crate) async fn whole(mut events: TurnEvents) -> Result<Answered, ApiError> {
    let mut answers = Vec::new();
    while let Some(event) = events.next().await {
        match event? {
            TurnEvent::End { summary, reasoning_tokens } => {
                return Ok(Answered { answers, summary, reasoning_tokens });
            }
            event => gather(&mut answers, event),
        }
    }
    Err(unfinished())
}
